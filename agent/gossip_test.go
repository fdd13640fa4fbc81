//go:build unix

package agent

import (
	"log/slog"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
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
	if err := a.Start(member, b.dir, "s1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop() })
	state := func(want gossip.ServerState) gossip.Report {
		t.Helper()
		var last []gossip.ReceivedReport
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if last = booster.Reports(); len(last) == 1 && last[0].State == want {
				return last[0].Report
			}
		}
		t.Fatalf("no report of %s: %+v", want, last)
		return gossip.Report{}
	}
	if r := state(gossip.ServerUp); r.Server != "s1" || r.Address != b.server || r.Capacity != 8 || r.Weight != 100 || !r.Ready {
		t.Errorf("report %+v", r)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	state(gossip.ServerStopped)
}
