package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestTakeoversByReason(t *testing.T) {
	standby := pair.Status{State: pair.Standby}
	heard := pair.Status{State: pair.Standby, PeerHeard: true, PeerActive: true}
	silent := pair.Status{State: pair.Standby, PeerActive: false}
	active := pair.Status{State: pair.Active, Held: true}
	withPeer := pair.Status{State: pair.Active, Held: true, PeerHeard: true}
	for _, tt := range []struct {
		name  string
		seen  []pair.Status
		wants map[string]uint64
	}{
		{"alone at the start", []pair.Status{standby, active}, map[string]uint64{takeoverVacant: 1}},
		{"two at the start", []pair.Status{standby, withPeer}, map[string]uint64{takeoverVacant: 1}},
		{"handed over", []pair.Status{standby, heard, withPeer}, map[string]uint64{takeoverPlanned: 1}},
		{"lost", []pair.Status{heard, silent, active}, map[string]uint64{takeoverLost: 1}},
		{"lost, and told once", []pair.Status{heard, active}, map[string]uint64{takeoverLost: 1}},
		{"a new term is none", []pair.Status{active, withPeer, active}, map[string]uint64{takeoverVacant: 1}},
		{"there and back", []pair.Status{active, heard, withPeer}, map[string]uint64{takeoverVacant: 1, takeoverPlanned: 1}},
		{"its own time had run out", []pair.Status{heard, withPeer, standby, active}, map[string]uint64{takeoverPlanned: 1, takeoverVacant: 1}},
	} {
		c := newPairCounts()
		for _, s := range tt.seen {
			c.changed(s)
		}
		want := map[string]uint64{takeoverPlanned: 0, takeoverLost: 0, takeoverVacant: 0}
		maps.Copy(want, tt.wants)
		if !maps.Equal(c.takeovers, want) {
			t.Errorf("%s: %v, want %v", tt.name, c.takeovers, want)
		}
	}
}

// TestPairAndClusterMetrics: what Prometheus finds of the pair and the cluster.
func TestPairAndClusterMetrics(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	page := func() map[string]float64 {
		var text string
		if err := b.api(http.MethodGet, "/metrics", &text); err != nil {
			t.Fatal(err)
		}
		out := make(map[string]float64)
		for _, m := range regexp.MustCompile(`(?m)^omflow_booster_((?:pair|cluster)_\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
			v, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			out[m[1]] = v
		}
		return out
	}
	awaitValues := func(what string, want map[string]float64) {
		t.Helper()
		observe.Succeeds(t, what, func() error {
			got := page()
			for name, v := range want {
				if value, ok := got[name]; !ok || value != v {
					return fmt.Errorf("%s is %v (%v), want %v, in %v", name, value, ok, v, got)
				}
			}
			return nil
		})
	}

	b.load(b.cluster(address, "booster {\nrole primary\n}", fmt.Sprintf("server %s name=s1", s1.address)))
	awaitValues("active at the start", map[string]float64{
		"pair_active": 1, "pair_term": 1, "pair_peer_heard": 0, "pair_peer_active": 0,
		`pair_takeovers_total{reason="vacant"}`: 1, `pair_takeovers_total{reason="planned"}`: 0, `pair_takeovers_total{reason="lost"}`: 0,
		`pair_witnesses{heard="yes"}`: 0, `pair_witnesses{heard="no"}`: 0,
		`cluster_members{state="alive"}`: 1, `cluster_members{state="dead"}`: 0,
	})
	other := peer(t, "booster-b", gossip.KindBooster, address)
	awaitValues("another node", map[string]float64{`cluster_members{state="alive"}`: 2})
	observe.Succeeds(t, "what is no message of the pair is counted", func() error {
		if err := other.SendPacket("booster-a", pair.PacketKind, []byte("nonsense")); err != nil {
			return err
		}
		got := page()
		return whether(got[`pair_messages_refused_total{reason="invalid"}`] > 0 && got["pair_messages_received_total"] > 0 &&
			got[`cluster_bytes_total{direction="sent"}`] > 0 && got[`cluster_bytes_total{direction="received"}`] > 0 &&
			got[`cluster_packets_total{direction="received"}`] > 0)
	})
	for name := range page() {
		if strings.HasPrefix(name, "pair_virtual_ip_held") {
			t.Error("a booster without a virtual IP says whether it has it")
		}
	}
}
