package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/testbed/observe"
)

// TestReload: a reload keeps requests in flight and in the queue, marks, counters
// and sessions, and changes what differs.
func TestReload(t *testing.T) {
	b := newBed(t)
	b.jar, _ = cookiejar.New(nil)
	s1, s2, s3 := newOrigin(t, "s1"), newOrigin(t, "s2"), newOrigin(t, "s3")
	servers := fmt.Sprintf("server %s name=s1 capacity=1\nserver %s name=s2 capacity=1\n", s1.address, s2.address)
	b.load(b.alone(servers))
	b.await(map[string]string{"s1": "up", "s2": "up"})
	first, _ := pools.References(omflowPool)
	var marked ServerStatus
	if err := b.api(http.MethodPost, "/omflow/servers/s2/drain", &marked); err != nil || marked.State != "draining" {
		t.Fatalf("drain: %v, %+v", err, marked)
	}
	if body, _, err := b.get("/page"); err != nil || body != "s1" {
		t.Fatalf("the session began on %q, %v", body, err)
	}
	before := thePool(t)
	running := b.background("/slow")
	observe.Succeeds(t, "a running request", func() error { return whether(s1.slow.Load() == 1) })
	waiting := b.background("/slow")
	observe.Succeeds(t, "a waiting request", func() error {
		s, err := b.status()
		if err != nil {
			return err
		}
		return whether(s.Queue["session"] == 1)
	})

	b.load(b.alone(servers + fmt.Sprintf("server %s name=s3 backup\nqueue 7 20s\nretry {\nbudget 5%%\n}\n", s3.address)))
	b.await(map[string]string{"s1": "up", "s2": "draining", "s3": "up"})
	if thePool(t) != before {
		t.Error("another pool")
	}
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if s.Servers[0].InFlight != 1 || s.Queue["session"] != 1 || !s.Servers[2].Backup {
		t.Errorf("after the reload: %+v", s)
	}
	close(s1.release)
	waitErr(t, "the running request", running)
	waitErr(t, "the waiting request", waiting)
	if body, header, err := b.get("/page"); err != nil || body != "s1" || header.Get("Set-Cookie") != "" {
		t.Errorf("the session is on %q, %v, with the cookie %q", body, err, header.Get("Set-Cookie"))
	}
	var metrics string
	if err := b.api(http.MethodGet, "/metrics", &metrics); err != nil {
		t.Fatal(err)
	}
	if want := `omflow_booster_requests_total{code="2xx",lane="session",pool="omflow",server="s1"} 4`; !strings.Contains(metrics, want) {
		t.Errorf("metrics have no %s:\n%s", want, omflowLines(metrics))
	}
	if n, _ := pools.References(omflowPool); n != first {
		t.Errorf("%d references, %d before the reload", n, first)
	}
}

// thePool is OMFLOW's pool, whose reference others hold.
func thePool(t *testing.T) (found *pool) {
	t.Helper()
	pools.Range(func(key, value any) bool {
		if key == omflowPool {
			found = value.(*pool)
		}
		return true
	})
	if found == nil {
		t.Fatal("there is no pool")
	}
	return found
}

func whether(ok bool) error {
	if !ok {
		return errNotYet
	}
	return nil
}

func omflowLines(metrics string) string {
	var out []string
	for _, line := range strings.Split(metrics, "\n") {
		if strings.HasPrefix(line, "omflow_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// TestFailedReload: whatever is wrong with a new configuration, the old one goes on
// as it was.
func TestFailedReload(t *testing.T) {
	b := newBed(t)
	s1, s2 := newOrigin(t, "s1"), newOrigin(t, "s2")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	node := freeAddress(t)
	cluster := func(more string) string {
		return b.globals(fmt.Sprintf("omflow {\nname booster-a\nlisten %s\nstate_dir %s\n%s\n}", node, b.state, more))
	}
	site := func(address, block string) string {
		return fmt.Sprintf("http://%s {\nomflow_booster {\n%s\n%s\n}\n}\n", address, quickChecks, block)
	}
	server := func(o *origin, more string) string {
		return fmt.Sprintf("server %s name=%s %s\n", o.address, o.name, more)
	}
	good := cluster("") + site(b.site, server(s1, "capacity=3"))
	b.load(good)
	b.await(map[string]string{"s1": "up"})
	refs, _ := pools.References(omflowPool)
	nodeRefs, _ := nodes.References(nodeKey)
	before := thePool(t)

	other := server(s1, "capacity=5") + server(s2, "")
	for name, tt := range map[string]struct{ caddyfile, want string }{
		"a port that is taken": {
			cluster("") + site(b.site, other) + site(taken.Addr().String(), other), "address already in use",
		},
		"sites that differ":   {cluster("") + site(b.site, other) + site(freeAddress(t), server(s2, "")), "server is not the same"},
		"another name":        {strings.Replace(good, "booster-a", "booster-b", 1), "restart the process"},
		"another listen port": {strings.ReplaceAll(good, node, freeAddress(t)), "restart the process"},
		"a bad expression": {
			cluster("") + site(b.site, other+"header_up X-Up [a-( b\n"), "headers",
		},
		"a site with no server": {
			strings.ReplaceAll(b.globals("")+site(b.site, "profile omflow"), "\n\n", "\n"), "there are no servers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 6 { // Caddy starts its apps in random order
				if err := b.tryLoad(tt.caddyfile); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("loaded: %v, want %s", err, tt.want)
				}
				s, err := b.status()
				if err != nil {
					t.Fatal(err)
				}
				if s.Node != "booster-a" || len(s.Servers) != 1 || s.Servers[0].Capacity != 3 || len(s.Members) != 1 {
					t.Fatalf("the status is %+v", s)
				}
				if body, _, err := b.get("/"); err != nil || body != "s1" {
					t.Fatalf("the site answers %q, %v", body, err)
				}
				if n, _ := pools.References(omflowPool); n != refs || thePool(t) != before {
					t.Fatalf("%d references to the pool, %d before", n, refs)
				}
				if n, _ := nodes.References(nodeKey); n != nodeRefs {
					t.Fatalf("%d references to the node, %d before", n, nodeRefs)
				}
			}
		})
	}
	b.load(cluster("") + site(b.site, other))
	b.await(map[string]string{"s1": "up", "s2": "up"})
}

// TestFailedProvision: a handler that JSON asks for in a way that can't work gives
// back no reference that it did not take.
func TestFailedProvision(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	b.load(b.alone(fmt.Sprintf("server %s name=s1\n", s1.address)))
	b.await(map[string]string{"s1": "up"})
	for _, handler := range []string{
		`{"handler":"omflow_booster"}`,
		`{"handler":"omflow_booster","profile":"none"}`,
		`{"handler":"omflow_booster","profile":"other"}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1","name":"x"},{"address":"b:1","name":"x"}]}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"},{"address":"a:1","name":"x"}]}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"control_settle":-1}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"profile":"none","control_settle":1}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"profile":"none","consistency":"strict"}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1","lead":true}],"profile":"none"}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1","lead":true}],"repairs_off":["lead"]}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"lanes":[{"lane":"x","paths":["/"]}]}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"sticky":{"cookie":"a b"}}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"sticky":{"cookie":"sessionid"}}`,
		`{"handler":"omflow_booster","servers":[{"address":"a:1"}],"headers":{"request":{"replace":{"A":[{"search":"a","search_regexp":"b"}]}}}}`,
	} {
		err := caddy.Load(fmt.Appendf(nil, `{"admin":{"listen":%q,"config":{"persist":false}},
			"logging":{"logs":{"default":{"writer":{"output":"discard"}}}},"apps":{"http":{"servers":{"s":{"listen":[%q],
			"routes":[{"handle":[%s]}]}}}}}`, b.admin, b.site, handler), true)
		if err == nil {
			t.Fatalf("accepted %s", handler)
		}
		if n, ok := pools.References(omflowPool); !ok || n != 1 {
			t.Fatalf("%s: %d references after %v", handler, n, err)
		}
		if body, _, err := b.get("/"); err != nil || body != "s1" {
			t.Fatalf("%s: the site answers %q, %v", handler, body, err)
		}
	}
}
