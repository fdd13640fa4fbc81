//go:build linux

package netns

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/testbed/observe"
)

// starved is for how long, in all, a connection may be answered by nobody
// although no machine fails: where processors are few and busy, a booster or its
// witnesses may not run for longer than a lease lasts, and the guard does what
// it is there for.
const starved = 150 * time.Millisecond

// answeredBy holds that each of the tries was answered by one of the nodes, but
// for a starved moment.
func answeredBy(t *testing.T, what string, tries []try, nodes ...string) {
	t.Helper()
	nobody := 0
	for _, try := range tries {
		switch {
		case try.Node == "":
			nobody++
		case !slices.Contains(nodes, try.Node):
			t.Errorf("%s: %s answers", what, try.Node)
		}
	}
	if time.Duration(nobody)*every > starved {
		t.Errorf("%s: nobody answers %d of %d connections", what, nobody, len(tries))
	}
}

// forTwoSeconds returns the client's tries of two seconds from at.
func forTwoSeconds(t *testing.T, client *record, at time.Duration) (tries []try) {
	t.Helper()
	observe.Eventually(t, "two seconds pass", func() bool { tries = client.since(at); return boottime.Now()-at > 2*time.Second })
	if len(tries) < 50 {
		t.Errorf("only %d connections", len(tries))
	}
	return tries
}

// The boosters don't hear each other, but the agents hear both: the active one
// stays, also when it heals; then it tells the neighbours again who has the
// address.
func TestSplitBetweenBoosters(t *testing.T) {
	n, client := pairOnNetwork(t, 3)
	at := boottime.Now()
	n.in("a", "route add blackhole 10.9.0.12")
	n.in("b", "route add blackhole 10.9.0.11")
	observe.Eventually(t, "b notices", func() bool { s, _ := n.last("b"); return !s.Peer })
	answeredBy(t, "split", forTwoSeconds(t, client, at), "a")
	n.heldBy("a")
	// Another neighbour, that has heard of the address from the wrong machine.
	const wrong = "02:00:00:00:00:99"
	n.in("w1", "neigh replace "+virtualIP+" lladdr "+wrong+" nud stale dev eth0")
	healed := boottime.Now()
	n.in("a", "route del blackhole 10.9.0.12")
	n.in("b", "route del blackhole 10.9.0.11")
	observe.Eventually(t, "the neighbour knows better", func() bool { return !strings.Contains(n.in("w1", "neigh show "+virtualIP), wrong) })
	answeredBy(t, "healed", forTwoSeconds(t, client, healed), "a")
	if s, _ := n.last("b"); !s.Peer || s.Held {
		t.Errorf("after the heal b says %+v", s)
	}
}

// A booster that is cut off from everything gives the address up, although
// nobody can tell it anything.
func TestCutOff(t *testing.T) {
	n, _ := pairOnNetwork(t, 3)
	at := time.Now()
	n.in("switch", "link set port-a down")
	for slices.Contains(n.holders("a"), "a") {
		if time.Since(at) > 10*time.Second {
			t.Fatal("it keeps the address")
		}
	}
	if took := time.Since(at); took > time.Second {
		t.Errorf("it gives the address up after %v", took)
	}
}

// A booster that is asked to end hands over first: no connection fails, whoever
// answers it.
func TestPlannedStop(t *testing.T) {
	n, client := pairOnNetwork(t, 3)
	active := "a"
	for range runs() {
		next := other(active)
		at := boottime.Now()
		n.signal(active, syscall.SIGTERM)
		if err := n.nodes[active].cmd.Wait(); err != nil {
			t.Errorf("%s ends with %v", active, err)
		}
		observe.Eventually(t, next+" serves", func() bool { return client.served(300*time.Millisecond) == next })
		answeredBy(t, "planned", client.since(at), active, next)
		n.heldBy(next)
		started := boottime.Now()
		n.start(n.nodes[active].node)
		observe.Eventually(t, active+" is back", func() bool { return n.standsBy(active, started) })
		observe.Eventually(t, "the witnesses are known", func() bool { s, _ := n.last(active); return s.Witnesses == 3 })
		active = next
	}
	n.checkTerms()
}
