package caddymodule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestLeftToPeopleIsCounted: what agents tell people to look after is a number of each kind
// on the page of metrics, at the active booster.
func TestLeftToPeopleIsCounted(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for range 2 { // handlers share it
		if err := registerLead(registry); err != nil {
			t.Fatal(err)
		}
	}
	count := func(name string) (float64, error) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "omflow_booster_lead_"+name {
				return f.GetMetric()[0].GetGauge().GetValue(), nil
			}
		}
		return 0, fmt.Errorf("%d metrics", len(families))
	}
	if n, err := count("missed"); err == nil {
		t.Errorf("%g are missed without a cluster", n)
	}
	b := newBed(t)
	b.load(b.cluster(freeAddress(t), "", ""))
	are := func(missed, stranded, failed float64) func() error {
		return func() error {
			for name, want := range map[string]float64{"missed": missed, "stranded": stranded, "failed_commands": failed} {
				if n, err := count(name); err != nil || n != want {
					return fmt.Errorf("%s: %g, not %g, %v", name, n, want, err)
				}
			}
			return nil
		}
	}
	observe.Succeeds(t, "nothing is told", are(0, 0, 0))
	for _, ask := range []rollout.Ask{
		{Server: "s1", Missed: []string{"one", "two"}, StrandedTickets: []string{"a", "b"}},
		{Server: "s2", Missed: []string{"three"}, FailedCommands: []string{"x"}},
	} {
		if _, err := runningNode().conductor.Ask(ask); err != nil {
			t.Fatal(err)
		}
	}
	observe.Succeeds(t, "each is told by its name", are(3, 2, 1))
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := s.print(&page); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nMissed: one\n", "\nMissed: three\n", "\nStranded: a\n", "\nCommand failed: x\n"} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("the page does not have the line %q:\n%s", line, page.String())
		}
	}
}
