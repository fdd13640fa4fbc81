package caddymodule

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestStandalone: without the global block a handler works on its own servers, and
// no port of a cluster is opened.
func TestStandalone(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := defaultListen
	if l, err := net.Listen("tcp", address); err != nil {
		t.Logf("%s is taken by somebody else: only the node is looked at", address)
		address = ""
	} else {
		l.Close()
	}
	b.load(b.alone(fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	if body, _, err := b.get("/"); err != nil || body != "s1" {
		t.Errorf("the site answers %q, %v", body, err)
	}
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if s.Node != "" || s.Pair != nil || len(s.Members) != 0 || s.Servers[0].Agent != "none" {
		t.Errorf("the status is %+v", s)
	}
	if runningNode() != nil {
		t.Error("a node runs")
	}
	if address != "" {
		observe.Succeeds(t, "the cluster's port is free", func() error { // for a moment, this very test may have it elsewhere
			l, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			return l.Close()
		})
	}
	b.load(b.globals(""))
	observe.Succeeds(t, "the status without any of our modules", func() error { // the old endpoint may just be closing
		_, err := b.status()
		return whether(err != nil && strings.Contains(err.Error(), "status 404"))
	})
}

// TestTwoSites: two sites have one pool, so that a server's capacity holds for both.
func TestTwoSites(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	second := freeAddress(t)
	server := fmt.Sprintf("server %s name=s1 capacity=1", s1.address)
	b.load(b.alone(server) + strings.TrimPrefix(strings.ReplaceAll(b.alone(server), b.site, second), b.globals("")))
	b.await(map[string]string{"s1": "up"})
	if n, _ := pools.References(omflowPool); n != 2 {
		t.Errorf("%d references to the pool, not one for each site", n)
	}
	running := b.background("/slow")
	observe.Succeeds(t, "a running request", func() error { return whether(s1.slow.Load() == 1) })
	other := *b
	other.site = second
	waiting := other.background("/slow")
	observe.Succeeds(t, "the other site's request in the queue", func() error {
		s, err := b.status()
		if err != nil {
			return err
		}
		return whether(s.Queue["session"] == 1 && s.Servers[0].InFlight == 1)
	})
	close(s1.release)
	waitErr(t, "the first site", running)
	waitErr(t, "the second site", waiting)
}

// TestRequestOutlivesItsPool: requests that run or wait when their site is removed end
// as they would have.
func TestRequestOutlivesItsPool(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	b.load(b.alone(fmt.Sprintf("server %s name=s1 capacity=1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	running := b.background("/slow")
	observe.Succeeds(t, "a running request", func() error { return whether(s1.slow.Load() == 1) })
	waiting := b.background("/slow")
	balancer := thePool(t).fleet.Balancer()
	observe.Succeeds(t, "a waiting request", func() error { return whether(balancer.Queued(balance.Session) == 1) })
	b.load(b.globals(""))
	if _, there := pools.References(omflowPool); there {
		t.Error("the pool is still there")
	}
	close(s1.release)
	waitErr(t, "the running request", running)
	waitErr(t, "the waiting request", waiting)
}

// TestMarkInAllPools: a server that is in several pools is drained in all.
func TestMarkInAllPools(t *testing.T) {
	b := newBed(t)
	s1, s2 := newOrigin(t, "s1"), newOrigin(t, "s2")
	b.load(b.globals("") + fmt.Sprintf(`http://%s {
	omflow_booster /a {
		profile none
		server %[2]s name=s1
	}
	omflow_booster {
		profile none
		server %[2]s name=s1
		server %[3]s name=s2
	}
}
`, b.site, s1.address, s2.address))
	observe.Succeeds(t, "servers", func() error {
		if body, _, err := b.get("/a"); err != nil || body != "s1" {
			return fmt.Errorf("%q, %v", body, err)
		}
		return nil
	})
	if err := b.api(http.MethodPost, "/omflow/servers/s1/drain", new(ServerStatus)); err != nil {
		t.Fatal(err)
	}
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	drained := 0
	for _, server := range s.Servers {
		if server.Name == "s1" && server.State == "draining" {
			drained++
		}
		if server.Capacity != 0 {
			t.Errorf("%s has the capacity %d, not none", server.Name, server.Capacity)
		}
	}
	if drained != 2 || len(s.Servers) != 3 {
		t.Errorf("the servers are %+v", s.Servers)
	}
}

func TestAdminAPIRefuses(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	b.load(b.alone(fmt.Sprintf("server %s name=s1", s1.address)))
	for _, tt := range []struct{ method, path, want string }{
		{http.MethodPost, "/omflow/status", "status 405"},
		{http.MethodPost, "/omflow/servers", "status 405"},
		{http.MethodGet, "/omflow/servers/s1/drain", "status 405"},
		{http.MethodPost, "/omflow/servers/s9/drain", "server s9 is unknown: the servers are s1"},
		{http.MethodPost, "/omflow/servers/s1/explode", "status 404"},
		{http.MethodPost, "/omflow/servers/s1/drain/now", "status 404"},
		{http.MethodGet, "/omflow/", "status 404"},
		{http.MethodGet, "/omflow/nothing", "status 404"},
	} {
		var text string
		if err := b.api(tt.method, tt.path, &text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %s", tt.method, tt.path, err, tt.want)
		}
	}
}

// TestHeaders: header_up and header_down work as in reverse_proxy, and forwarded
// fields of strangers are replaced, those of trusted proxies added to.
func TestHeaders(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	block := fmt.Sprintf("server %s name=s1\n", s1.address)
	from := func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Cookie", "a=1; omflow_server=forged; b=2")
		r.Host = "omflow.example"
	}
	get := func() http.Header {
		t.Helper()
		var header http.Header
		observe.Succeeds(t, "the site", func() (err error) {
			_, header, err = b.get("/", from)
			return err
		})
		return header
	}
	anyHost := func(caddyfile string) string { return strings.Replace(caddyfile, "http://127.0.0.1:", "http://:", 1) }
	b.load(anyHost(b.alone(block)))
	header := get()
	for field, want := range map[string]string{
		"Got-X-Forwarded-For": "127.0.0.1", "Got-X-Forwarded-Proto": "http", "Got-Host": "omflow.example", "Got-Cookie": "a=1; b=2",
		"X-Down": "origin",
	} {
		if got := header.Get(field); got != want {
			t.Errorf("%s is %q, not %q", field, got, want)
		}
	}
	if strings.Contains(header.Get("Set-Cookie"), "Secure") {
		t.Errorf("a stranger's word made the cookie %q", header.Get("Set-Cookie"))
	}

	trusting := strings.Replace(b.alone(block+"header_up X-Up {http.request.method}-{http.request.header.X-Forwarded-Proto}\nheader_up Host inside.example\nheader_down X-Down changed\nheader_down +X-More one\n"),
		"auto_https off\n", "auto_https off\nservers {\ntrusted_proxies static 127.0.0.1/32\n}\n", 1)
	b.load(anyHost(trusting))
	header = get()
	for field, want := range map[string]string{
		"Got-X-Forwarded-For": "192.0.2.7, 127.0.0.1", "Got-X-Forwarded-Proto": "https", "Got-X-Up": "GET-https",
		"Got-Host": "inside.example", "Got-Cookie": "a=1; b=2", "X-Down": "changed", "X-More": "one",
	} {
		if got := header.Get(field); got != want {
			t.Errorf("with a trusted proxy %s is %q, not %q", field, got, want)
		}
	}
	if !strings.Contains(header.Get("Set-Cookie"), "Secure") {
		t.Errorf("behind a TLS proxy the cookie is %q", header.Get("Set-Cookie"))
	}
}

// TestValidateIsSilent: a configuration that is only validated asks no server, opens
// no port of a cluster, and leaves nothing behind.
func TestValidateIsSilent(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	b := newBed(t)
	node := freeAddress(t)
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(
		[]byte(b.cluster(node, "", fmt.Sprintf("server %s name=s1", s.Listener.Addr()))), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var cfg caddy.Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("omflow")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(app.(*App).pools); n != 1 {
		t.Fatalf("%d pools", n)
	}
	if names := thePool(t).fleet.Names(); len(names) != 0 {
		t.Errorf("the servers %v are checked already", names)
	}
	if runningNode() != nil {
		t.Error("a node runs")
	}
	l, err := net.Listen("tcp", node)
	if err != nil {
		t.Fatalf("the cluster's port is taken: %v", err)
	}
	l.Close()
	var again caddy.Config
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&again); err != nil {
		t.Fatal(err)
	}
	if n, _ := pools.References(omflowPool); n != 1 {
		t.Errorf("%d references to the pool, not those of one configuration", n)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	if _, err := pools.Delete(omflowPool); err != nil { // ProvisionContext has no end of its own
		t.Error(err)
	}
}
