package sequence

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/omflow/booster/internal/release/api"
)

// TestDamaged: a booster whose own notes are damaged starts all the same, and rolls nothing
// out that nobody is known to have approved, or that did not do well.
func TestDamaged(t *testing.T) {
	for name, test := range map[string]struct {
		marks     bool // other nodes have the marks
		target    uint64
		approving uint64
	}{
		"others know":  {true, 3, 0},
		"nobody knows": {false, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, a, b := pair(t)
				one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
				two := c.must(a, c.make(one, "s1", "2"), api.Proposal{})
				if err := a.Failed(t.Context(), 2, "s1", "it did not start"); err != nil {
					t.Fatal(err)
				}
				// 3 has brought back 1, and 4 waits.
				three, err := a.Get(3)
				if err != nil {
					t.Fatal(err)
				}
				c.must(a, c.make(three, "s1", "4"), api.Proposal{Manual: true})
				c.want(a, 3, "1")
				a.end()
				b.end()
				if !test.marks {
					for _, m := range c.nodes {
						c.dropMarks(m)
					}
				}
				for _, file := range []string{"approved.json", "quarantine.json"} {
					if err := os.Truncate(filepath.Join(a.dir, file), 20); err != nil {
						t.Fatal(err)
					}
				}
				if test.marks {
					c.setDown(b, false) // its marks are a third node's
				}
				a = c.booster("a", a.dir, nil)
				if test.marks {
					c.setDown(b, true)
				}
				c.elect(a, 2)
				settle()
				c.want(a, test.target, "1")
				if a.chain.QuarantineReason(two.Ref()) == "" {
					t.Error("release 2 is no longer in quarantine")
				}
				for _, file := range []string{"approved.json", "quarantine.json"} {
					if info, err := os.Stat(filepath.Join(a.dir, file+".damaged")); err != nil || info.Size() != 20 {
						t.Errorf("%s is not kept: %v", file, err)
					}
				}
				if test.approving != 0 {
					if err := a.Approve(t.Context(), test.approving); err != nil {
						t.Fatal(err)
					}
					c.want(a, 3, "1")
				}
				a.end()
				a = c.booster("a", a.dir, nil)
				c.elect(a, 3)
				settle()
				c.want(a, 3, "1")
			})
		})
	}
}

// TestDamagedStays: approvals that can neither be read nor kept aside, as in a folder that
// can't be written to, don't stop a start either.
func TestDamagedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		c.want(a, 1, "1")
		a.end()
		file := filepath.Join(a.dir, "approved.json")
		if err := os.Truncate(file, 20); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(file+".damaged", "x"), 0o700); err != nil { // nothing replaces that
			t.Fatal(err)
		}
		a = c.booster("a", a.dir, nil)
		defer a.end()
		defer b.end()
		c.elect(a, 2)
		settle()
		c.want(a, 1, "1")
	})
}
