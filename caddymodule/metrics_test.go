package caddymodule

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/front"
	"github.com/omflow/booster/internal/health"
)

// Caddy's registry is a pedantic one: a single metric that does not match its
// description makes the page of all metrics an error.
func TestMetricsSatisfyCaddysRegistry(t *testing.T) {
	f, err := fleet.New(fleet.Config{
		Static: []fleet.Static{{Name: "s1", Address: "127.0.0.1:1", Capacity: 8, Weight: 100}},
		Health: health.Config{Live: &health.Check{URI: "/"}},
		Reach:  health.Config{Live: &health.Check{URI: "/"}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := newMetrics("omflow")
	m.observe(&front.Trace{
		Lane: balance.Flow, Server: "s1", Tries: 2, Status: 503, Refusal: "unreachable",
		Queue: time.Millisecond, Served: time.Millisecond,
	})
	for reload := range 2 { // each configuration has a registry of its own
		registry := prometheus.NewPedanticRegistry()
		for handler := range 2 { // of which several handlers share a pool
			if err := m.register(registry, f); err != nil {
				t.Fatalf("reload %d, handler %d: %v", reload, handler, err)
			}
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		for _, family := range families {
			got[family.GetName()] = len(family.GetMetric())
		}
		for name, n := range map[string]int{
			"omflow_booster_requests_total":             1,
			"omflow_booster_refused_total":              1,
			"omflow_booster_retries_total":              1,
			"omflow_booster_queue_seconds":              1,
			"omflow_booster_server_seconds":             1,
			"omflow_booster_server_state":               len(serverStates),
			"omflow_booster_server_in_flight":           1,
			"omflow_booster_server_in_flight_elsewhere": 1,
			"omflow_booster_server_capacity":            1,
			"omflow_booster_server_flow_share":          1,
			"omflow_booster_server_sessions":            1,
			"omflow_booster_server_latency_seconds":     1,
			"omflow_booster_queue_length":               balance.Lanes,
		} {
			if got[name] != n {
				t.Errorf("%s has %d series, not %d", name, got[name], n)
			}
		}
	}
}
