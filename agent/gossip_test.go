//go:build unix

package agent

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func node(t testing.TB, kind, name string, join ...string) *gossip.Node {
	t.Helper()
	n, err := gossip.New(gossip.Config{
		Name: name, Kind: kind, Listen: "127.0.0.1:0", Advertise: "127.0.0.1:0", Join: join,
		Keys: trust.Loopback(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReportsReachTheBooster: over a real cluster of a booster and an agent.
func TestReportsReachTheBooster(t *testing.T) {
	booster := node(t, gossip.KindBooster, "booster-a")
	member := node(t, gossip.KindAgent, "s1", booster.Addr())
	b := newBed(t)
	a := b.agent(nil)
	if err := a.Start(member, trust.Loopback(), b.dir, "s1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop() })
	state := func(want gossip.ServerState) (r gossip.Report) {
		t.Helper()
		observe.Succeeds(t, "a report of "+string(want), func() error {
			last := booster.Reports()
			if len(last) != 1 || last[0].State != want {
				return fmt.Errorf("there are %+v", last)
			}
			r = last[0].Report
			return nil
		})
		return r
	}
	if r := state(gossip.ServerUp); r.Server != "s1" || r.Address != b.server || r.Capacity != 8 || r.Weight != 100 || !r.Ready {
		t.Errorf("report %+v", r)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	state(gossip.ServerStopped)
}

// TestFactsReachAllNodes: what one agent tells of its settings, others know, as long as
// it is there; and a booster's clock is asked for.
func TestFactsReachAllNodes(t *testing.T) {
	booster := node(t, gossip.KindBooster, "booster-a")
	s1 := member{node(t, gossip.KindAgent, "s1", booster.Addr())}
	s2 := member{node(t, gossip.KindAgent, "s2", booster.Addr())}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		observe.Succeeds(t, what, func() error {
			if !ok() {
				return fmt.Errorf("s1 knows %v, s2 %v", s1.Facts(), s2.Facts())
			}
			return nil
		})
	}
	want := alike.Facts{TimeZone: "UTC"}
	for _, m := range []member{s1, s2} {
		if err := m.Tell(want); err != nil {
			t.Fatal(err)
		}
	}
	eventually("both know of both", func() bool {
		return s1.Facts()["s2"] == want && s2.Facts()["s1"] == want && s1.Facts()["s1"] == want
	})
	eventually("the booster's clock", func() bool {
		ahead, err := s1.Ahead(t.Context())
		return err == nil && ahead.Abs() <= 2*time.Second
	})
	if err := s2.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually("who has left does not count", func() bool { _, ok := s1.Facts()["s2"]; return !ok })
}
