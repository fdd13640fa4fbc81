package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

// peer is another node, beside the one that Caddy runs.
func peer(t *testing.T, name, kind, join string) *gossip.Node {
	t.Helper()
	n, err := gossip.New(gossip.Config{Name: name, Kind: kind, Listen: "127.0.0.1:0", Join: []string{join}, Keys: trust.Loopback()})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// cluster returns the configuration of a booster at address.
func (b *caddyBed) cluster(address, options, block string) string {
	return b.globals(fmt.Sprintf("omflow {\nname booster-a\nlisten %s\nstate_dir %s\n%s\n}", address, b.state, options)) +
		fmt.Sprintf("http://%s {\nomflow_booster {\n%s\n%s\n}\n}\n", b.site, quickChecks, block)
}

// TestMarksReachTheOtherBooster: what one booster is told, the other knows, and the
// other way round; marks stay over a reload.
func TestMarksReachTheOtherBooster(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	caddyfile := b.cluster(address, "", fmt.Sprintf("server %s name=s1", s1.address))
	b.load(caddyfile)
	b.await(map[string]string{"s1": "up"})
	other := peer(t, "booster-b", gossip.KindBooster, address)
	for _, act := range []struct{ name, state, mark string }{{"drain", "draining", "drain"}, {"maintenance", "maintenance", "maintenance"}} {
		var s ServerStatus
		if err := b.api(http.MethodPost, "/omflow/servers/s1/"+act.name, &s); err != nil || s.State != act.state {
			t.Fatalf("%s: %v, %+v", act.name, err, s)
		}
		observe.Succeeds(t, act.name+" at the other booster", func() error {
			mark, _ := other.Mark(markPrefix + "s1")
			return whether(mark == act.mark)
		})
	}
	b.load(caddyfile)
	b.await(map[string]string{"s1": "maintenance"})
	if err := other.DeleteMark(markPrefix + "s1"); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{"s1": "up"})
	if err := other.SetMark(markPrefix+"s1", "drain"); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{"s1": "draining"})
	var s ServerStatus
	if err := b.api(http.MethodPost, "/omflow/servers/s1/resume", &s); err != nil || s.State != "up" {
		t.Fatalf("resume: %v, %+v", err, s)
	}
	observe.Succeeds(t, "resume at the other booster", func() error {
		_, marked := other.Mark(markPrefix + "s1")
		return whether(!marked)
	})
}

// TestAgentsServer: a server that an agent reports takes requests, and leaves with
// its agent's good-bye.
func TestAgentsServer(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	agent := peer(t, "s1", gossip.KindAgent, address)
	report := gossip.Report{Server: "s1", Address: s1.address, State: gossip.ServerUp, Capacity: 4, Weight: 100, Lead: true, Database: "up"}
	if err := agent.SetReport(report); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{"s1": "up"})
	status, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if s := status.Servers[0]; s.Agent != "alive" || s.Capacity != 4 || !s.Lead || s.Database != "up" || s.Address != s1.address {
		t.Errorf("the server is %+v", s)
	}
	if body, _, err := b.get("/"); err != nil || body != "s1" {
		t.Errorf("the site answers %q, %v", body, err)
	}
	// Without the global block there is nobody who could tell when it goes.
	s2 := newOrigin(t, "s2")
	b.load(b.alone(fmt.Sprintf("server %s name=s2", s2.address)))
	b.await(map[string]string{"s2": "up"})
	b.load(b.cluster(address, "", ""))
	b.await(map[string]string{"s1": "up"})
	report.State, report.Reason = gossip.ServerDown, "its database is away"
	if err := agent.SetReport(report); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{"s1": "down"})
	ctx, cancel := context.WithTimeout(context.Background(), observe.Patience)
	defer cancel()
	if err := agent.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{})
}

// TestTwoSayThatTheyAreTheLead: of two servers whose agents say so, the one is the lead that
// was made it last, and the other one may be behind.
func TestTwoSayThatTheyAreTheLead(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	for _, name := range []string{"s1", "s2"} {
		agent := peer(t, name, gossip.KindAgent, address)
		report := gossip.Report{
			Server: name, Address: newOrigin(t, name).address, State: gossip.ServerUp, Capacity: 4, Weight: 100, Managed: true, Lead: true,
			Control: "booster-b=1",
		}
		if err := agent.SetReport(report); err != nil {
			t.Fatal(err)
		}
	}
	b.await(map[string]string{"s1": "up", "s2": "up"})
	other := peer(t, "booster-b", gossip.KindBooster, address)
	for _, granted := range []string{"s1", "s2"} {
		for key, value := range map[string]string{
			rollout.LeadKey: fmt.Sprintf(`{"s":%q,"g":7,"n":["s1","s2"]}`, granted), rollout.EpochKey + "booster-b": "2",
		} {
			if err := other.SetMark(key, value); err != nil {
				t.Fatal(err)
			}
		}
		observe.Succeeds(t, granted+" alone is the lead", func() error {
			status, err := b.status()
			if err != nil {
				return err
			}
			for _, s := range status.Servers {
				if s.Lead != (s.Name == granted) || (s.State == "behind") == s.Lead {
					return fmt.Errorf("%+v", status.Servers)
				}
			}
			return nil
		})
	}
}

// TestStatusFields: the names of the status are what programs rely on.
func TestStatusFields(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	b.load(b.cluster(address, "booster {\nrole primary\n}", fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	peer(t, "booster-b", gossip.KindBooster, address)
	var text string
	observe.Succeeds(t, "the other booster", func() error {
		if err := b.api(http.MethodGet, "/omflow/status", &text); err != nil {
			return err
		}
		return whether(strings.Contains(text, `"peer":"booster-b","peer_state":"alive"`) && strings.Contains(text, `"state":"active"`))
	})
	var status map[string]any
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	one := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	for what, tt := range map[string]struct {
		got  map[string]any
		want []string
	}{
		"status": {status, []string{"node", "version", "pair", "servers", "queue", "members", "lead", "releases", "pauses"}},
		"pair":   {status["pair"].(map[string]any), []string{"role", "state", "term", "peer", "peer_state"}},
		"server": {one(status["servers"]), []string{
			"name", "address", "state", "reason", "agent", "lead", "in_flight", "capacity", "weight", "sessions", "release",
			"database", "pool", "flow_share", "latency_ms", "connections", "idle_connections", "repairs_off",
		}},
		"releases": {status["releases"].(map[string]any), []string{
			"head", "target", "rollout", "waiting", "quarantined", "pending", "lost", "conflicts",
		}},
		"queue":  {status["queue"].(map[string]any), []string{"session", "flow", "control", "file", "static"}},
		"member": {one(status["members"]), []string{"name", "kind", "address", "state", "version"}},
	} {
		var got []string
		for name := range tt.got {
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s has the fields\n%v, not\n%v", what, got, tt.want)
		}
	}
	var servers []ServerStatus
	if err := b.api(http.MethodGet, "/omflow/servers", &servers); err != nil || len(servers) != 1 || servers[0].Name != "s1" {
		t.Errorf("servers: %v, %+v", err, servers)
	}
}

// TestActive: a booster of a pair is the active one when it has looked for the other in
// vain, and stays so over reloads, which can't change the pair.
func TestActive(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	server := fmt.Sprintf("server %s name=s1", s1.address)
	const question = "/.well-known/omflow/active"
	// Long enough that a busy machine is not what makes it inactive.
	secondary := b.cluster(address, "booster {\nrole secondary\nfailover_after 10s\n}", server)
	begun := time.Now()
	b.load(secondary)
	_, _, err := b.get(question)
	// Where that took as long as a secondary looks for the other one, it may be active.
	if soon := time.Since(begun) < 3*time.Second; soon && err == nil || err != nil && !strings.Contains(err.Error(), "status 503") {
		t.Errorf("the secondary at first: %v", err)
	}
	observe.Succeeds(t, "the secondary alone", func() error { _, _, err := b.get(question); return err })
	s, err := b.status()
	if err != nil || s.Pair.State != "active" || s.Pair.Term == 0 || s.Pair.Term%2 != 0 {
		t.Errorf("pair %+v, %v", s.Pair, err)
	}
	for _, change := range []string{"role primary\nfailover_after 10s", "role secondary\nfailover_after 10s\npreempt off", "role secondary\nfailover_after 1s"} {
		err := b.tryLoad(b.cluster(address, "booster {\n"+change+"\n}", server))
		if err == nil || !strings.Contains(err.Error(), "restart it instead of reloading") {
			t.Errorf("%q by a reload: %v", change, err)
		}
	}
	// A reload must not make it look inactive for a moment.
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				failed <- nil
				return
			default:
				_, _, err = b.get(question)
			}
		}
		failed <- err
	}()
	for range 5 {
		b.load(secondary)
	}
	close(stop)
	waitErr(t, "during reloads", failed)
}

// TestActiveBeforeStart: one of a pair that has not joined yet can't know.
func TestActiveBeforeStart(t *testing.T) {
	for role, want := range map[string]bool{"": true, rolePrimary: false, roleSecondary: false} {
		a := &App{configured: true, Booster: &Booster{Role: role}}
		if a.active() != want {
			t.Errorf("%q is active: %t", role, !want)
		}
	}
	if !new(App).active() {
		t.Error("a front door without a cluster is not active")
	}
}

// TestStopLeavesTheCluster: the others see that the node left, soon.
func TestStopLeavesTheCluster(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	other := peer(t, "booster-b", gossip.KindBooster, address)
	is := func(state gossip.State) func() error {
		return func() error {
			return whether(slices.ContainsFunc(other.Members(), func(m gossip.Member) bool {
				return m.Name == "booster-a" && m.State == state
			}))
		}
	}
	observe.Succeeds(t, "the booster", is(gossip.Alive))
	begun := time.Now()
	b.load(b.globals(""))
	if d := time.Since(begun); d > 2*leaveTime {
		t.Errorf("it took %s to leave", d)
	}
	observe.Succeeds(t, "its good-bye", is(gossip.Left))
	if runningNode() != nil {
		t.Error("the node still runs")
	}
}
