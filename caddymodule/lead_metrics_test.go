package caddymodule

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestMissedIsCounted: what agents tell people to look after is a number on the page of
// metrics, at the active booster.
func TestMissedIsCounted(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for range 2 { // handlers share it
		if err := registerLead(registry); err != nil {
			t.Fatal(err)
		}
	}
	missed := func() (float64, error) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "omflow_booster_lead_missed" {
				return f.GetMetric()[0].GetGauge().GetValue(), nil
			}
		}
		return 0, fmt.Errorf("%d metrics", len(families))
	}
	if n, err := missed(); err == nil {
		t.Errorf("%g are missed without a cluster", n)
	}
	b := newBed(t)
	b.load(b.cluster(freeAddress(t), "", ""))
	is := func(want float64) func() error {
		return func() error {
			n, err := missed()
			if err == nil && n != want {
				err = fmt.Errorf("%g are missed", n)
			}
			return err
		}
	}
	observe.Succeeds(t, "nothing is missed", is(0))
	for server, texts := range map[string][]string{"s1": {"one", "two"}, "s2": {"three"}} {
		if _, err := runningNode().conductor.Ask(rollout.Ask{Server: server, Missed: texts}); err != nil {
			t.Fatal(err)
		}
	}
	observe.Succeeds(t, "three are missed", is(3))
}
