package sequence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// TestUnreadable: a booster, active or standby, whose newest release is damaged on the
// disk gets it from whoever has it, and goes on.
func TestUnreadable(t *testing.T) {
	for _, harmed := range []string{"a", "b"} {
		for _, from := range []string{"booster", "agent"} {
			t.Run(harmed+" from "+from, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, a, b := pair(t)
					one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
					two := c.must(a, c.make(one, "s1", "2"), api.Proposal{})
					m, other := a, b
					if harmed == "b" {
						m, other = b, a
					}
					m.end()
					file := filepath.Join(m.dir, "manifests", fmt.Sprintf("%020d-%s.json", two.Number, two.Hash()))
					if err := os.Truncate(file, 10); err != nil {
						t.Fatal(err)
					}
					m = c.booster(m.name, m.dir, nil)
					if _, err := m.Get(2); !errors.Is(err, history.ErrUnreadable) {
						t.Fatalf("release 2: %v", err)
					}
					if from == "agent" {
						c.setDown(other, true)
						c.agent("s1", one, two)
					}
					c.elect(m, 2)
					if harmed == "b" && from == "booster" {
						c.elect(other, 2) // m is the standby
					}
					time.Sleep(2 * mendTime)
					settle()
					if _, err := m.Get(2); err != nil {
						t.Fatalf("release 2 is not here again: %v", err)
					}
					lead := m
					if harmed == "b" && from == "booster" {
						lead = other
					}
					c.want(lead, 2, "2")
					three := c.must(lead, c.make(two, "s1", "3"), api.Proposal{})
					if m.Head() != three.Ref() {
						t.Errorf("the booster has %s", m.Head())
					}
				})
			})
		}
	}
}

// TestUnreadableNobody: nothing is numbered on what nobody has, and it is asked for
// again.
func TestUnreadableNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		b.end()
		a.end()
		if err := os.Truncate(filepath.Join(a.dir, "manifests", fmt.Sprintf("%020d-%s.json", 1, one.Hash())), 10); err != nil {
			t.Fatal(err)
		}
		a = c.booster("a", a.dir, nil)
		c.elect(a, 2)
		time.Sleep(3 * mendTime)
		if err := c.propose(a, c.make(one, "s1", "2"), api.Proposal{}); err == nil {
			t.Error("a release was numbered on one that nobody can read")
		}
		c.want(a, 0, "")
		c.agent("s1", one)
		time.Sleep(2 * mendTime)
		settle()
		c.want(a, 1, "1")
		c.must(a, c.make(one, "s1", "2"), api.Proposal{})
	})
}
