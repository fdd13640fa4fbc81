package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/testbed/observe"
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

// TestAgentNamesTheBoosters: what only a booster does is refused on an agent, with the
// names of the boosters.
func TestAgentNamesTheBoosters(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.globals(fmt.Sprintf("omflow {\nname s1\nlisten %s\njoin %s\nstate_dir %s\nagent {\nserver 127.0.0.1:2\nhealth {\nlive /\n}\n}\n}", address, freeAddress(t), b.state)))
	peer(t, "booster-a", gossip.KindBooster, address)
	for _, path := range []string{"/omflow/failover", "/omflow/servers/s1/lead"} {
		observe.Succeeds(t, path+" names the booster", func() error {
			if err := b.api(http.MethodPost, path, nil); err == nil || !strings.Contains(err.Error(), "this is an agent") || !strings.Contains(err.Error(), "booster-a at ") {
				return fmt.Errorf("refused with %w", err)
			}
			return nil
		})
	}
}
