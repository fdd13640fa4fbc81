package caddymodule

import (
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
)

// TestOtherBooster: a booster that was given another name is not looked for under the old one.
func TestOtherBooster(t *testing.T) {
	now := time.Now()
	booster := func(name string, state gossip.State, ago time.Duration) gossip.Member {
		return gossip.Member{Name: name, Kind: gossip.KindBooster, State: state, Since: now.Add(-ago)}
	}
	self := booster("a", gossip.Alive, 0)
	self.Self = true
	agent := gossip.Member{Name: "s1", Kind: gossip.KindAgent, State: gossip.Alive}
	for want, members := range map[string][]gossip.Member{
		"":      {self, agent},
		"b":     {self, booster("b", gossip.Dead, time.Hour), agent},
		"b-new": {self, booster("b", gossip.Dead, time.Hour), booster("b-new", gossip.Alive, time.Minute), agent},
		"c-new": {self, booster("b", gossip.Suspect, time.Second), booster("c-new", gossip.Alive, time.Minute), agent},
		"d-new": {self, booster("b", gossip.Dead, time.Hour), booster("d-new", gossip.Dead, time.Minute), agent},
		"e-new": {self, booster("e-new", gossip.Dead, time.Minute), booster("old", gossip.Dead, time.Hour), agent},
	} {
		if peer, agents := otherBooster(members); peer != want || !slices.Equal(agents, []string{"s1"}) {
			t.Errorf("%q, %q, want %q", peer, agents, want)
		}
	}
}
