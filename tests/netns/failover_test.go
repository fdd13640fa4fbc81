//go:build linux

package netns

import (
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/testbed/observe"
)

func runs() int { return fromEnv("PAIR_RUNS", 5) }

// fromEnv returns what the environment says, or the default.
func fromEnv(name string, otherwise int) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}

func other(name string) string {
	if name == "a" {
		return "b"
	}
	return "a"
}

// The active booster is killed, stands still, or its cable is cut: the other
// one serves after some 0.3 s, nobody is answered by the lost one after that,
// and no term is used by both.
func TestFailover(t *testing.T) {
	for _, tt := range []struct {
		name       string
		fail, mend func(n *network, name string)
	}{
		{"killed", func(n *network, name string) { n.signal(name, syscall.SIGKILL) }, func(n *network, name string) {
			n.kill(n.nodes[name])
			n.start(n.nodes[name].node)
		}},
		{"stopped", func(n *network, name string) { n.signal(name, syscall.SIGSTOP) }, func(n *network, name string) {
			n.signal(name, syscall.SIGCONT)
		}},
		{"cut off", func(n *network, name string) { n.in("switch", "link set port-"+name+" down") }, func(n *network, name string) {
			n.in("switch", "link set port-"+name+" up")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, client := pairOnNetwork(t, 3)
			var took []time.Duration
			active := "a"
			for range runs() {
				at := boottime.Now()
				tt.fail(n, active)
				next := other(active)
				observe.Eventually(t, next+" serves", func() bool { return client.served(200*time.Millisecond) == next })
				took = append(took, outage(t, client.since(at), at, next))
				if slices.Contains(n.holders(active), active) {
					t.Errorf("%s serves, and %s has the virtual IP", next, active)
				}
				mended := boottime.Now()
				tt.mend(n, active)
				// It is standby again, and hears the other one.
				observe.Eventually(t, active+" is back", func() bool { return n.standsBy(active, mended) })
				// The kernel looks for neighbours of a cable that was out once a
				// second: until it has found them, that is not mended.
				observe.Eventually(t, next+" goes on", func() bool { return client.served(1500*time.Millisecond) == next })
				answeredBy(t, active+" comes back", client.since(mended), next)
				n.heldBy(next)
				active = next
			}
			slices.Sort(took)
			median, worst := took[len(took)/2], took[len(took)-1]
			t.Logf("nobody answered for %v in the median, %v at worst: %v", median, worst, took)
			if median > 350*time.Millisecond || worst > 600*time.Millisecond {
				t.Errorf("nobody answered for %v in the median, %v at worst", median, worst)
			}
			n.checkTerms()
		})
	}
}

// outage returns how long after at a connection was answered by next, and holds
// that from then on no other one answered, or nobody.
func outage(t *testing.T, tries []try, at time.Duration, next string) time.Duration {
	t.Helper()
	slices.SortFunc(tries, func(a, b try) int { return int(a.Ended - b.Ended) })
	i := slices.IndexFunc(tries, func(t try) bool { return t.Node == next })
	if i < 0 {
		t.Fatalf("%s never answered", next)
	}
	served := tries[i]
	for _, later := range tries[i+1:] {
		if later.Began > served.Ended && later.Node != next {
			t.Errorf("%v after %s answered, %q does", later.Began-served.Ended, next, later.Node)
		}
	}
	return served.Ended - at
}

// checkTerms holds that no term was used by both.
func (n *network) checkTerms() {
	n.t.Helper()
	used := make(map[uint64]string)
	for _, s := range n.terms() {
		if !s.Held {
			continue
		}
		if by, ok := used[s.Term]; ok && by != s.Node {
			n.t.Errorf("term %d was used by %s and %s", s.Term, by, s.Node)
		}
		used[s.Term] = s.Node
	}
	if len(used) < 2 {
		n.t.Errorf("only %d terms were used", len(used))
	}
}
