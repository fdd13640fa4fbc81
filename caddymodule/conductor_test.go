package caddymodule

import (
	"fmt"
	"testing"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestOrderCountsDepartedServers: a server that was taken out, and has left the table with a
// request on it, is not at rest: it is not to be stopped before the request has ended.
func TestOrderCountsDepartedServers(t *testing.T) {
	b := newBed(t)
	s1, s2 := newOrigin(t, "s1"), newOrigin(t, "s2")
	address, second := freeAddress(t), fmt.Sprintf("server %s name=s2 backup", s2.address)
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1\n%s", s1.address, second)))
	b.await(map[string]string{"s1": "up", "s2": "up"})
	answered := b.background("/slow")
	observe.Succeeds(t, "the server has it", func() error { return whether(s1.slow.Load() == 1) })
	b.load(b.cluster(address, "", second))
	b.await(map[string]string{"s2": "up"})
	order := func() int {
		doors, err := runningNode().conductor.Order("booster-a", rollout.Orders{Term: 1, Out: map[string]string{"s1": "release 8"}})
		if err != nil {
			t.Fatal(err)
		}
		return doors.InFlight["s1"]
	}
	if n := order(); n != 1 {
		t.Errorf("%d requests are on it", n)
	}
	close(s1.release)
	waitErr(t, "the request", answered)
	observe.Succeeds(t, "it is at rest", func() error { return whether(order() == 0) })
}
