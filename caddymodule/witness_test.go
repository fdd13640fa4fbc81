package caddymodule

import (
	"fmt"
	"slices"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestWitnessesAreForTwo: a booster with a role depends on no agent as long as there is
// no other booster that could take its place, and does when join names one.
func TestWitnessesAreForTwo(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	load := func(join string) {
		b.load(b.cluster(address, join+"booster {\nrole primary\n}", ""))
	}
	load("")
	peer(t, "s1", gossip.KindAgent, address)
	witnesses := func(want int) {
		t.Helper()
		observe.Succeeds(t, fmt.Sprintf("%d witnesses", want), func() error {
			s, err := b.status()
			if err != nil {
				return err
			}
			agent := func(m MemberStatus) bool { return m.Name == "s1" && m.State == "alive" }
			if !slices.ContainsFunc(s.Members, agent) || s.Pair == nil || len(s.Pair.Witnesses) != want {
				return fmt.Errorf("members %+v, pair %+v", s.Members, s.Pair)
			}
			return nil
		})
	}
	witnesses(0)
	load("join " + freeAddress(t) + "\n")
	witnesses(1)
}
