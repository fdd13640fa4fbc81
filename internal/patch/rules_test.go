package patch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// TestSlowWriter: a file that a process has open is waited for, however long it pauses.
func TestSlowWriter(t *testing.T) {
	c, _, s2 := two(t, content{"a": "1"})
	if why := s2.State().Degraded; why != "" {
		t.Skip("writers are not seen here: ", why)
	}
	f, err := os.Create(filepath.Join(s2.root, "big"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := f.WriteString("part "); err != nil {
			t.Fatal(err)
		}
		for quiet := time.Now().Add(4 * settle); time.Now().Before(quiet); {
			c.wait("a look", func() bool { return true })
		}
	}
	if n := c.head().Number; n != 1 {
		t.Fatalf("release %d was made of a part", n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.numbered(2)
	c.rollOut()
	c.servers["s1"].mustHold(content{"a": "1", "big": "part part part "})
}

// TestDeployInMemory: what the lead's process has made itself is applied there at once
// and marked; a rebased one is not.
func TestDeployInMemory(t *testing.T) {
	c := newCluster(t)
	files := content{"models.py": "1", "other": "1"}
	s1 := c.add("s1", files, func(cfg *Config) {
		cfg.Deployed = func(paths []string) bool { return slices.Equal(paths, []string{"models.py"}) }
	})
	s2 := c.add("s2", files, nil)
	c.wait("release 1", func() bool { return s1.State().Applied.Number == 1 && s2.State().Applied.Number == 1 })
	s1.write(content{"models.py": "2"})
	c.numbered(2)
	c.wait("noted where it was made", func() bool { return s1.State().Applied.Number == 2 })
	if p := c.proposals[len(c.proposals)-1]; !p.InMemory || p.Manifest.Kind != release.Deploy {
		t.Errorf("proposed as %v, in memory: %v", p.Manifest.Kind, p.InMemory)
	}
	if s2.State().Applied.Number != 1 {
		t.Error("another server's process has it")
	}
	c.setCut("s1")
	s1.write(content{"models.py": "3"})
	c.wait("pending", func() bool { return s1.State().Waiting != "" })
	s2.write(content{"other": "2"})
	c.numbered(3)
	c.setCut("")
	c.numbered(4)
	if p := c.proposals[len(c.proposals)-1]; p.InMemory || p.Manifest.Kind != release.Deploy || p.Manifest.Origin != "s1" {
		t.Errorf("with another server's change in it: proposed as %v of %s, in memory: %v", p.Manifest.Kind, p.Manifest.Origin, p.InMemory)
	}
	c.rollOut()
	s1.mustHold(content{"models.py": "3", "other": "2"})
	s2.mustHold(content{"models.py": "3", "other": "2"})
}

// setCut has the booster not hear a server; "" is none.
func (c *cluster) setCut(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = name
}

// TestRefused: what must not be published is not, says why, and goes when it is mended.
func TestRefused(t *testing.T) {
	c := newCluster(t)
	s1 := c.add("s1", content{"a": "1"}, func(cfg *Config) {
		cfg.Manual = true
		cfg.Check = func(paths []string) error {
			if slices.Contains(paths, "bad") {
				return errors.New("two leaves")
			}
			return nil
		}
	})
	c.numbered(1)
	s1.write(content{"bad": "1", "good": "1"})
	c.wait("the reason", func() bool { return s1.State().Waiting == "two leaves" && s1.State().Pending == 2 })
	if s1.State().Trouble != "" {
		t.Error("a change that waits is told as trouble with a release")
	}
	s1.remove("bad")
	c.numbered(2)
	if !c.proposals[1].Manual {
		t.Error("it does not wait for approval")
	}
	c.mu.Lock()
	c.refused = "the booster does not like it"
	c.mu.Unlock()
	s1.write(content{"a": "2"})
	c.wait("the booster's reason", func() bool { return strings.Contains(s1.State().Waiting, "does not like it") })
	c.mu.Lock()
	c.refused = ""
	c.mu.Unlock()
	c.numbered(3)
}

// TestUnfitNames: a file that no release can hold keeps nothing else back.
func TestUnfitNames(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.write(content{"what?": "1", "b": "1"})
	c.numbered(2)
	c.quiet()
	if n := c.head().Number; n != 2 {
		t.Errorf("release %d", n)
	}
	c.rollOut()
	s1.mustHold(content{"a": "1", "b": "1"})
	s2.mustHold(content{"a": "1", "b": "1", "what?": "1"})
}

// TestFork: the booster has other releases than those that this server knew and has
// applied. Its sequence counts, and what is here and not there is published again.
func TestFork(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1", "both": "1"})
	other := c.newBooster()
	first, err := c.booster.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Propose(first, ""); err != nil {
		t.Fatal(err)
	}
	s2.stop()
	s1.write(content{"a": "s1", "both": "s1"})
	c.numbered(2)
	c.rollOut()
	s1.stop()
	c.setBooster(other) // which never saw that release 2
	s2.start()
	s2.write(content{"b": "s2", "both": "s2"})
	c.numbered(2)
	c.rollOut()
	s1.start()
	c.numbered(3)
	c.quiet()
	c.rollOut()
	want := content{"a": "s1", "b": "s2", "both": "s2"}
	s1.mustHold(want)
	s2.mustHold(want)
	if got := s1.conflicts(); got["2-s1/both"] != "s1" {
		t.Errorf("kept: %v", got)
	}
	c.quiet()
	if n := c.head().Number; n != 3 {
		t.Errorf("%d releases", n)
	}
}

// TestTakenBack: a release that was never applied where it came from, taken back by
// another one, is taken out of the folder there as well.
func TestTakenBack(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.write(content{"a": "2", "new": "2"})
	c.numbered(2)
	c.allStaged()
	bad, err := c.booster.Get(2)
	if err != nil {
		t.Fatal(err)
	}
	good, err := c.booster.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	back, err := release.Revert(bad, good, "booster", time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.booster.Propose(back, ""); err != nil {
		t.Fatal(err)
	}
	c.rollOut()
	s1.mustHold(content{"a": "1"})
	s2.mustHold(content{"a": "1"})
	c.quiet()
	if n := c.head().Number; n != 3 || len(s2.conflicts()) != 0 {
		t.Errorf("release %d, kept %v", n, s2.conflicts())
	}
}

// TestOlderIsOrdered: an order for an older release than the folder holds is no trouble,
// changes nothing, and does not hide that an earlier one failed.
func TestOlderIsOrdered(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	good, err := c.booster.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	s2.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	bad, err := c.booster.Get(2)
	if err != nil {
		t.Fatal(err)
	}
	back, err := release.Revert(bad, good, "booster", time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.booster.Propose(back, ""); err != nil {
		t.Fatal(err)
	}
	c.wait("release 3, which changes nothing on s1, to be noted there", func() bool {
		state := s1.State()
		return state.Applied.Number == 3 && state.Staged.Number == 3
	})
	orders := func() {
		t.Helper()
		for what, order := range map[string]func(context.Context, uint64) error{"prepare": s1.Prepare, "apply": s1.Apply} {
			if err := order(t.Context(), 2); !errors.Is(err, errHeld) {
				t.Errorf("%s: %v", what, err)
			}
		}
		s1.mustHold(content{"a": "1"})
		if n := s1.State().Applied.Number; n != 3 {
			t.Errorf("release %d is applied", n)
		}
	}
	orders()
	if why := s1.State().Trouble; why != "" {
		t.Errorf("trouble: %s", why)
	}
	if err := s1.Apply(t.Context(), 9); err == nil {
		t.Error("a release was applied that is in no sequence")
	}
	orders()
	if why := s1.State().Trouble; !strings.Contains(why, "release 9") {
		t.Errorf("trouble: %q", why)
	}
	if err := s1.Apply(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if why := s1.State().Trouble; why != "" {
		t.Errorf("still trouble: %s", why)
	}
}

// TestWaitingIsNotNoted: where a person lets some server's releases out, one that changes
// nothing here is not taken for applied before that: the one before it may be let out
// alone, and is applied then. It is no matter whose releases these are: this server's own
// may wait for nobody.
func TestWaitingIsNotNoted(t *testing.T) {
	c := newCluster(t)
	manual := func(cfg *Config) { cfg.Manual = true }
	s1, s2 := c.add("s1", content{"a": "1"}, nil), c.add("s2", content{"a": "1"}, manual)
	c.wait("release 1 to be noted on both", func() bool {
		return c.head().Number == 1 && s1.State().Applied == c.head() && s2.State().Applied == c.head()
	})
	s2.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	s2.write(content{"a": "1"}) // taken back, in a release that waits too
	c.numbered(3)
	c.allStaged()
	for _, s := range []*server{s1, s2} {
		if n := s.State().Applied.Number; n != 1 {
			t.Errorf("release %d counts as applied on %s", n, s.name)
		}
		if err := s.Apply(t.Context(), 2); err != nil {
			t.Errorf("what was let out: %v", err)
		}
	}
	s1.mustHold(content{"a": "2"})
	c.rollOut()
	s1.mustHold(content{"a": "1"})
	s2.mustHold(content{"a": "1"})
}

// TestEditsDuringRollOut: what is saved between a release and its application stays,
// and becomes the next one.
func TestEditsDuringRollOut(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1"})
	s2.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	s2.write(content{"b": "edited"})
	if err := s2.Apply(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	s2.mustHold(content{"a": "2", "b": "edited"})
	c.numbered(3)
	c.rollOut()
	s1.mustHold(content{"a": "2", "b": "edited"})
}

// TestOldDraft: what was found before the folder was brought to another release is not
// taken for somebody's change of that.
func TestOldDraft(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.mu.Lock()
	holds := s2.holds().m
	s2.mu.Unlock()
	old := &draft{tree: treeOf(nil, holds), found: time.Now(), turn: s2.turnNow()}
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.rollOut()
	if n, err := s2.publishOne(old); !errors.Is(err, errTurned) {
		t.Errorf("release %d, %v", n, err)
	}
	if n := c.head().Number; n != 2 {
		t.Errorf("release %d brings back what was before", n)
	}
}

// TestAnnouncedOnly: nothing is applied that no booster has confirmed.
func TestAnnouncedOnly(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	first, err := c.booster.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	false2, err := release.New(first, release.Draft{Kind: release.Patch, Origin: "s9", Time: time.Now(), Files: first.Files[:0]})
	if err != nil {
		t.Fatal(err)
	}
	s2.Announced("s9", []*release.Manifest{false2})
	c.wait("it is noted", func() bool { return s2.Head().Number == 2 })
	if err := s2.Apply(t.Context(), 2); err == nil {
		t.Error("it was applied")
	}
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.rollOut()
	s2.mustHold(content{"a": "2"})
}

// TestPublish: at once, settled or not, and nothing when nothing has changed.
func TestPublish(t *testing.T) {
	c := newCluster(t)
	s1 := c.add("s1", content{"a": "1"}, func(cfg *Config) { cfg.Settle, cfg.MaxSettle = time.Hour, time.Hour })
	c.wait("heard", func() bool { return s1.State().Blocked == "" })
	for want := uint64(1); want < 4; want++ {
		s1.write(content{"a": fmt.Sprint("state ", want)})
		if n, err := s1.Publish(t.Context()); err != nil || n != want || c.head().Number != n {
			t.Fatalf("publish: %d, %v; the head is %s", n, err, c.head())
		}
	}
	if n, err := s1.Publish(t.Context()); err != nil || n != 0 {
		t.Errorf("nothing new, but: %d, %v", n, err)
	}
}

// TestOutsideRules: a release with a file that is left out here is refused as a whole.
func TestOutsideRules(t *testing.T) {
	c := newCluster(t)
	c.add("s1", content{"a": "1", "settings.py": "s1"}, nil)
	s2 := c.add("s2", content{"a": "1", "settings.py": "s2"}, excluding("/settings.py"))
	c.numbered(1)
	c.wait("refused", func() bool { return strings.Contains(s2.State().Trouble, "settings.py") })
	if err := s2.Apply(t.Context(), 1); err == nil {
		t.Error("applied")
	}
	s2.mustHold(content{"a": "1", "settings.py": "s2"})
}

// TestValidate holds mistakes against what is said of them.
func TestValidate(t *testing.T) {
	c := newCluster(t)
	s := c.add("s1", nil, nil)
	for want, change := range map[string]func(*Config){
		"a part is missing":       func(c *Config) { c.Peers = nil },
		"no state folder":         func(c *Config) { c.StateDir = "" },
		"must be absolute":        func(c *Config) { c.Root = "x" },
		"node's name":             func(c *Config) { c.Node = "a/b" },
		"keep 1001":               func(c *Config) { c.Keep = api.MaxKeep + 1 },
		"is in the patch folder":  func(c *Config) { c.StateDir = filepath.Join(c.Root, "state") },
		"a bracket is not closed": func(c *Config) { c.Rules.Include = []string{"["} },
	} {
		cfg := s.cfg
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNewestNews: announcements that nobody works on don't fill the memory.
func TestNewestNews(t *testing.T) {
	of := func(number uint64, files int) announced {
		return announced{chain: []*release.Manifest{{Number: number, Files: make([]release.File, files)}}}
	}
	for name, tc := range map[string]struct {
		count, files int
		first        uint64 // that is left
	}{
		"few":                 {maxNews, 10, 1},
		"many":                {maxNews + 3, 10, 4},
		"large":               {12, maxNewsFiles / 10, 3},
		"too large by itself": {2, maxNewsFiles + 1, 2},
	} {
		var all []announced
		for i := range tc.count {
			all = newestNews(append(all, of(uint64(i+1), tc.files)))
		}
		if first, last := all[0].chain[0].Number, all[len(all)-1].chain[0].Number; first != tc.first || last != uint64(tc.count) {
			t.Errorf("%s: announcements %d to %d are left, not %d to %d", name, first, last, tc.first, tc.count)
		}
	}
}

// TestReturned: a removal that waits for a booster is not published when the file is
// there again by then.
func TestReturned(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1"})
	booster := c.booster
	c.setBooster(nil)
	s1.remove("a")
	c.wait("pending", func() bool { return s1.State().Waiting != "" })
	s1.write(content{"a": "1"})
	c.setBooster(booster)
	s1.write(content{"b": "2"})
	c.numbered(2)
	c.quiet()
	c.rollOut()
	for n := uint64(2); n <= c.head().Number; n++ {
		if m, err := booster.Get(n); err != nil || len(m.Deleted) > 0 {
			t.Errorf("release %d removes %v: %v", n, m.Deleted, err)
		}
	}
	for _, s := range []*server{s1, s2} {
		s.mustHold(content{"a": "1", "b": "2"})
	}
}

// TestTurns: of the contexts of what gives way none is left when nobody has it.
func TestTurns(t *testing.T) {
	_, s1, _ := two(t, content{"a": "1"})
	was := s1.preempted()
	s1.nextTurn()
	if was.Err() == nil {
		t.Error("a turn goes on although the next one has begun")
	}
	if err := s1.preempted().Err(); err != nil {
		t.Errorf("the new turn: %v", err)
	}
}
