package sequence

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// TestFailed: a release that a server did not do well with is taken back once, and not
// for ever.
func TestFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		two := c.must(a, c.make(one, "s1", "bad"), api.Proposal{})
		long := strings.Repeat("HTTP 500 ", 400)
		if err := a.Releases().Failed(t.Context(), 2, "s1", long); err != nil {
			t.Fatal(err)
		}
		c.want(a, 3, "1")
		if st := a.Status().Releases; !st[1].Alarm || st[0].State != Current || st[2].State != Past {
			t.Errorf("%+v", st)
		}
		if b.Head() != a.Head() || b.chain.QuarantineReason(two.Ref()) == "" {
			t.Errorf("the other booster has %s, and release 2 is not in quarantine there", b.Head())
		}
		if err := a.Failed(t.Context(), 2, "s2", "late"); err != nil || a.Head().Number != 3 {
			t.Errorf("once more: %v, head %s", err, a.Head())
		}
		back, err := a.Get(3)
		if err != nil || back.Origin != "a" || !strings.Contains(back.Note, "release 2 did not do well") {
			t.Errorf("%+v, %v", back, err)
		}
		// What came back does not do well either.
		if err := a.Failed(t.Context(), 3, "s1", "still"); err != nil {
			t.Errorf("the second time: %v", err)
		}
		time.Sleep(2*replaceTime + pollTime)
		settle()
		if n := strings.Count(c.out.String(), "the cause is not in its files"); n != 1 {
			t.Errorf("it was said %d times that a person must act", n)
		}
		c.want(a, 0, "")
		if a.Head().Number != 3 {
			t.Errorf("it goes back and forth: %s", a.Head())
		}
		for _, r := range a.Status().Releases {
			if want := r.Ref.Number > 1; r.Alarm != want || (r.State == Quarantined) != want {
				t.Errorf("release %d: %s, alarm %t", r.Ref.Number, r.State, r.Alarm)
			}
		}
		// A person has it tried again.
		if err := a.Approve(t.Context(), 2); !errors.Is(err, api.ErrRefused) {
			t.Errorf("one that was taken back is approved: %v", err)
		}
		if err := a.Approve(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		c.want(a, 3, "1")
		if b.chain.QuarantineReason(back.Ref()) != "" {
			t.Error("the other booster has it still in quarantine")
		}
		// A new release mends it.
		c.must(a, c.make(back, "s1", "good"), api.Proposal{})
		c.want(a, 4, "good")
		if a.Status().Releases[2].Alarm {
			t.Error("the alarm goes on after a new release")
		}
	})
}

// TestFailedMeanwhile: a release that has been followed by another is put in
// quarantine, and the other one is left alone.
func TestFailedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		two := c.must(a, c.make(one, "s1", "bad"), api.Proposal{})
		three := c.must(a, c.make(two, "s1", "mended"), api.Proposal{})
		if err := a.Failed(t.Context(), 2, "s1", "x"); err != nil {
			t.Fatal(err)
		}
		c.want(a, 3, "mended")
		// Then that one fails: what comes back is not what failed before it.
		waits := c.must(a, c.make(three, "s1", "waits"), api.Proposal{Manual: true})
		if err := a.Failed(t.Context(), 3, "s1", "y"); err != nil {
			t.Fatal(err)
		}
		c.want(a, 5, "1")
		if _, err := a.Get(waits.Number); err != nil {
			t.Error(err)
		}
		if err := a.Failed(t.Context(), 99, "s1", "x"); !errors.Is(err, history.ErrUnknown) {
			t.Errorf("unknown: %v", err)
		}
	})
}

// TestFailedOnAFullDisk: what can't be replaced when it is put in quarantine is replaced
// later, by the booster that is active then.
func TestFailedOnAFullDisk(t *testing.T) {
	for name, active := range map[string]string{"the same booster": "a", "the other one": "b"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, a, _ := pair(t)
				one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
				c.must(a, c.make(one, "s1", "bad"), api.Proposal{})
				approved := filepath.Join(a.dir, "approved.json")
				if err := errors.Join(os.Remove(approved), os.Mkdir(approved, 0o700)); err != nil {
					t.Fatal(err)
				}
				if err := a.Releases().Failed(t.Context(), 2, "s1", "x"); err != nil {
					t.Errorf("it is in quarantine all the same: %v", err)
				}
				c.want(a, 0, "")
				if active == "a" {
					time.Sleep(replaceTime + pollTime)
					c.want(a, 0, "")
					if err := os.Remove(approved); err != nil {
						t.Fatal(err)
					}
					time.Sleep(replaceTime + pollTime)
				} else {
					c.setDown(a, true)
					c.elect(c.nodes[active], 3)
				}
				settle()
				c.want(c.nodes[active], 3, "1")
			})
		})
	}
}

// TestFirstFailed: nothing takes the place of the first release.
func TestFirstFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := pair(t)
		c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		if err := a.Failed(t.Context(), 1, "s2", "x"); err != nil || !strings.Contains(c.out.String(), "no release before 1") {
			t.Errorf("%v, %s", err, c.out.String())
		}
		c.want(a, 0, "")
		if err := a.Approve(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		c.want(a, 1, "1")
	})
}

// TestRollback: an older content comes back as a new release.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		if _, err := a.Rollback(t.Context(), 1); !errors.Is(err, history.ErrUnknown) {
			t.Errorf("without any release: %v", err)
		}
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		two := c.must(a, c.make(one, "s1", "2"), api.Proposal{})
		c.must(a, c.make(two, "s1", "3"), api.Proposal{Manual: true})
		from := &member{name: "b", booster: true}
		n, err := api.Client{Do: c.do(from)}.Act(t.Context(), "a", api.Rollback, 1)
		if err != nil || n != 4 {
			t.Fatalf("%d, %v", n, err)
		}
		c.want(a, 4, "1")
		if b.Head() != a.Head() {
			t.Errorf("the other booster has %s", b.Head())
		}
		if _, err := a.Rollback(t.Context(), 1); !errors.Is(err, api.ErrRefused) {
			t.Errorf("to what is there: %v", err)
		}
		if n, err := a.Rollback(t.Context(), 2); err != nil || n != 5 {
			t.Errorf("%d, %v", n, err)
		}
		c.want(a, 5, "2")
	})
}
