package caddymodule

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestStandbyTellsOfTheLead: an operator who looks at the standby sees what the active
// booster knows of the lead server, and who says so; or whom to ask.
func TestStandbyTellsOfTheLead(t *testing.T) {
	const failover = 3 * time.Second // a busy machine is no failover
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	other := peer(t, "booster-b", gossip.KindBooster, address)
	place, err := newPairing(other, pairConfig{role: rolePrimary, failover: failover, preempt: pair.DefaultPreempt}, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	place.expect(true)
	active, err := newConductor(other, slog.New(slog.DiscardHandler), t.TempDir(), func() (uint64, bool) {
		lease, ok := place.Lease()
		return lease.Term, ok
	}, func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	leave := func() {
		if !closed {
			closed = true
			active.close()
		}
	}
	t.Cleanup(func() {
		leave()
		if err := place.close(); err != nil {
			t.Error(err)
		}
	})
	b.load(b.cluster(address, fmt.Sprintf("booster {\nrole secondary\nfailover_after %s\n}", failover), fmt.Sprintf("server %s name=s1", s1.address)))
	page := func() (Status, string, error) {
		s, err := b.status()
		if err != nil {
			return s, "", err
		}
		var text strings.Builder
		err = s.print(&text)
		return s, text.String(), err
	}
	observe.Succeeds(t, "the active booster's word", func() error {
		if _, err := active.Ask(rollout.Ask{Server: "s1", Missed: []string{"schedule 5"}}); err != nil {
			return err
		}
		s, text, err := page()
		if err == nil && (s.Lead == nil || s.Lead.From != "booster-b" || len(s.Lead.Missed) != 1 ||
			!strings.Contains(text, "(so says booster-b, the active booster)") || !strings.Contains(text, "Missed: schedule 5\n")) {
			err = fmt.Errorf("the lead is %+v, and the page\n%s", s.Lead, text)
		}
		return err
	})
	leave()
	observe.Succeeds(t, "whom to ask", func() error {
		s, text, err := page()
		if want := "Lead: not known here: the active booster knows, and booster-b at " + other.Addr() + ", which is alive"; err == nil && (s.Lead != nil || !strings.Contains(text, want)) {
			err = fmt.Errorf("the lead is %+v, and the page\n%s", s.Lead, text)
		}
		return err
	})
}
