package sequence

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

// pair starts a cluster with an active booster a, a standby b and an agent.
func pair(t *testing.T) (c *cluster, a, b *member) {
	c = newCluster(t)
	refuse := func(m *release.Manifest) error {
		if f, _ := m.File("a.py"); f.SHA256 == sum("two leaves") {
			return errors.New("two migration leaves")
		}
		return nil
	}
	a, b = c.booster("a", t.TempDir(), refuse), c.booster("b", t.TempDir(), refuse)
	c.agent("s9")
	c.elect(a, 1)
	settle()
	return c, a, b
}

// TestPropose: the active booster numbers what follows the newest release, and the
// other one has it before the origin gets its answer.
func TestPropose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.make(nil, "s1", "1")
		if err := c.propose(b, one, api.Proposal{}); !errors.Is(err, rollout.ErrNotActive) {
			t.Errorf("the standby: %v", err)
		}
		c.must(a, one, api.Proposal{InMemory: true})
		if b.Head() != one.Ref() || b.Approved() != one.Ref() {
			t.Errorf("the other booster has %s", b.Head())
		}
		if got := a.Releases().Target(); got != (rollout.Target{Number: 1, Hash: one.Hash().String(), Origin: "s1", InMemory: true}) {
			t.Errorf("target %+v", got)
		}
		c.want(b, 0, "")
		two := c.must(a, c.make(one, "s2", "2"), api.Proposal{})
		c.want(a, 2, "2")

		var stale *history.StaleError
		if err := c.propose(a, c.make(one, "s3", "3"), api.Proposal{}); !errors.As(err, &stale) || stale.Head != two.Ref() {
			t.Errorf("not on the newest: %v", err)
		}
		if err := c.propose(a, c.make(two, "s1", "two leaves"), api.Proposal{}); !errors.Is(err, api.ErrRefused) || !strings.Contains(err.Error(), "two migration leaves") {
			t.Errorf("what the check refuses: %v", err)
		}
		hides := c.make(two, "s1", "3")
		hides.Deleted = []release.Deletion{{Path: "b.py", SHA256: sum("b")}}
		if err := c.propose(a, hides, api.Proposal{}); !errors.Is(err, api.ErrRefused) {
			t.Errorf("a deletion of what was never there: %v", err)
		}
		if err := c.propose(a, one, api.Proposal{}); err != nil {
			t.Errorf("once more: %v", err)
		}
		c.want(a, 2, "2")

		b.end() // the answer does not wait for one that is dead
		three := c.must(a, c.make(two, "s1", "3"), api.Proposal{})
		b = c.booster("b", b.dir, nil)
		settle()
		if b.Head() != three.Ref() {
			t.Errorf("the other booster, back, has %s", b.Head())
		}
	})
}

// TestFailover: the standby goes on where the active one was, marks and all.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		c.must(a, c.make(one, "s1", "2"), api.Proposal{})
		if err := a.Failed(t.Context(), 2, "s1", "HTTP 500"); err != nil {
			t.Fatal(err)
		}
		head := a.Head()
		c.dropMarks(b) // they may come late
		a.end()
		c.elect(b, 2)
		c.want(b, 0, "") // not before it was compared
		settle()
		c.want(b, 3, "1")
		if ref, _ := b.chain.Ref(2); b.chain.QuarantineReason(ref) == "" || b.Head() != head {
			t.Errorf("the other booster has %s", b.Head())
		}
		back, err := b.Get(3)
		if err != nil {
			t.Fatal(err)
		}
		c.must(b, c.make(back, "s2", "4"), api.Proposal{InMemory: true})
		a = c.booster("a", a.dir, nil)
		settle()
		if a.Head() != b.Head() {
			t.Errorf("the first booster, back as standby, has %s", a.Head())
		}
		if err := a.Follow(api.Update{Term: 1}, "b"); err == nil {
			t.Error("a booster of an old term is followed")
		}
		if err := b.Follow(api.Update{Term: 2}, "a"); err == nil {
			t.Error("the active booster follows one of its own term")
		}
		c.elect(a, 3)
		settle()
		c.want(a, 4, "4")
		if !a.Releases().Target().InMemory {
			t.Error("it was forgotten that the origin's process has the release")
		}
		c.elect(b, 4) // once more, and it is compared once more
		c.want(b, 0, "")
		settle()
		c.want(b, 4, "4")
	})
}

// TestApproval: what waits for a person is not rolled out, nor is what stands on it.
func TestApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		two := c.must(a, c.make(one, "s1", "2"), api.Proposal{Manual: true})
		three := c.must(a, c.make(two, "s2", "3"), api.Proposal{})
		c.want(a, 1, "1")
		if n, _ := a.Releases().Head(); n != 3 {
			t.Errorf("head %d", n)
		}
		for i, want := range []State{Waiting, Waiting, Current} {
			if got := a.Status().Releases[i].State; got != want {
				t.Errorf("release %d is %s, not %s", 3-i, got, want)
			}
		}
		// Neither another booster nor a new start approves anything.
		a.end()
		c.elect(b, 2)
		settle()
		c.want(b, 1, "1")
		a = c.booster("a", a.dir, nil)
		c.elect(a, 3)
		settle()
		c.want(a, 1, "1")

		if err := b.Approve(t.Context(), 2); !errors.Is(err, rollout.ErrNotActive) {
			t.Errorf("the standby: %v", err)
		}
		if err := a.Approve(t.Context(), 9); !errors.Is(err, history.ErrUnknown) {
			t.Errorf("unknown: %v", err)
		}
		for range 2 {
			if err := a.Approve(t.Context(), 2); err != nil {
				t.Error(err)
			}
		}
		c.want(a, 2, "2")
		if err := a.Approve(t.Context(), 3); err != nil {
			t.Error(err)
		}
		c.want(a, 3, "3")
		if b.Approved() != three.Ref() {
			t.Errorf("the other booster knows %s as approved", b.Approved())
		}
		// The marks outlive the folders of both.
		b.end()
		a.end()
		c.agent("s1", one, two, three)
		a = c.booster("a", t.TempDir(), nil)
		c.elect(a, 4)
		settle()
		c.want(a, 3, "3")
	})
}

// TestCrashBeforeTheRelease: an approval whose release was not written is none.
func TestCrashBeforeTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		b.end()
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		lost := c.make(one, "s1", "lost")
		if err := a.approve(lost.Ref()); err != nil {
			t.Fatal(err)
		}
		a.end()
		a = c.booster("a", a.dir, nil)
		c.elect(a, 2)
		settle()
		c.want(a, 1, "1")
		if err := a.approve(c.make(one, "s1", "lost too").Ref()); err != nil { // twice in a row
			t.Fatal(err)
		}
		c.must(a, c.make(one, "s1", "2"), api.Proposal{Manual: true})
		c.want(a, 1, "1")
	})
}

// TestKeep: as many releases stay as was asked for, and those that wait, and the marks
// of the others go.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{Keep: 3})
		c.must(a, c.make(one, "s1", "2"), api.Proposal{Keep: 3})
		if err := a.Failed(t.Context(), 2, "s1", "x"); err != nil {
			t.Fatal(err)
		}
		if c.marks(a)[quarantineKey+"2"] == "" {
			t.Error("no mark of the quarantine")
		}
		for range 5 {
			last, err := a.Get(a.Head().Number)
			if err != nil {
				t.Fatal(err)
			}
			c.must(a, c.make(last, "s1", last.Ref().String()), api.Proposal{Keep: 3})
		}
		if got := len(a.List()); got != 3 || len(b.List()) != 3 {
			t.Errorf("%d and %d releases are kept", got, len(b.List()))
		}
		if c.marks(a)[quarantineKey+"2"] != "" {
			t.Error("the mark of a release that is gone stays")
		}
		for range 5 {
			last, err := a.Get(a.Head().Number)
			if err != nil {
				t.Fatal(err)
			}
			c.must(a, c.make(last, "s1", last.Ref().String()), api.Proposal{Keep: 3, Manual: true})
		}
		if got := len(a.List()); got != 6 {
			t.Errorf("%d releases are kept, not the current one and five that wait", got)
		}
	})
}
