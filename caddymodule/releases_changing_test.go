package caddymodule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/release/api"
)

// TestChangingServerWaits: what a server proposes while it works on a control request gets
// no number; another's does, and its own when the request has ended.
func TestChangingServerWaits(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	origin := newOrigin(t, "s1")
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1", origin.address)))
	b.await(map[string]string{"s1": "up"})
	s1, s2 := newPatchAgent(t, "s1", address), newPatchAgent(t, "s2", address)
	one := s2.publish(s2.release(nil, map[string]string{"a.py": "1"}), api.Proposal{})
	door := omflowFleet().Balancer()
	grant, w, err := door.Acquire(time.Now(), &balance.Request{Lane: balance.Control, Changes: true})
	if err != nil || w != nil {
		t.Fatalf("the server takes no request: %v", err)
	}
	half := s1.release(one, map[string]string{"a.py": "2"})
	if err := s1.propose(t.Context(), half, api.Proposal{}); !errors.Is(err, api.ErrChanging) || !strings.Contains(err.Error(), "server s1 works on a control request") {
		t.Errorf("proposed in the middle: %v", err)
	}
	two := s2.publish(s2.release(one, map[string]string{"b.py": "1"}), api.Proposal{})
	door.Release(time.Now(), grant, balance.Outcome{})
	s1.publish(s1.release(two, map[string]string{"a.py": "3"}), api.Proposal{})
}

// TestHeldBack: nothing is held back for longer than a minute, and what comes after a pause
// is another change.
func TestHeldBack(t *testing.T) {
	r := &releases{held: make(map[string]heldBack)}
	at := time.Now()
	for _, step := range []struct {
		server string
		after  time.Duration
		want   bool
	}{
		{"s1", 0, true}, {"s2", 30 * time.Second, true}, {"s1", 0, true}, {"s1", heldTime - 30*time.Second - 1, true},
		{"s1", 1, false}, {"s1", time.Second, false}, {"s2", 0, true},
		{"s1", time.Hour, true}, {"s1", heldTime - 1, true}, {"s1", 1, false},
	} {
		if at = at.Add(step.after); r.holdBack(step.server, at) != step.want {
			t.Errorf("%+v: not", step)
		}
	}
}
