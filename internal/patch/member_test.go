package patch

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release/api"
)

// TestFirstRelease: the lead's folder becomes release 1, and servers whose folders are
// the same only note it.
func TestFirstRelease(t *testing.T) {
	c := newCluster(t)
	files := content{"a.py": "1", "lib/b.py": "2"}
	s2, s3 := c.add("s2", files, nil), c.add("s3", files, nil)
	c.quiet()
	if n := c.head().Number; n != 0 {
		t.Fatalf("release %d came from a server that is not the lead", n)
	}
	if n, err := s2.Publish(t.Context()); err == nil {
		t.Errorf("a server that is not the lead has published release %d", n)
	}
	s1 := c.add("s1", files, nil)
	c.wait("release 1 noted everywhere", func() bool {
		return !slices.ContainsFunc([]*server{s1, s2, s3}, func(s *server) bool { return s.State().Applied.Number != 1 })
	})
	c.quiet()
	if n := c.head().Number; n != 1 || len(c.proposals) != 1 {
		t.Errorf("%d releases, %d proposals", n, len(c.proposals))
	}
	for _, s := range c.all() {
		s.mustHold(files)
	}
}

// TestBecomesLead: a server that becomes the lead publishes the first release then.
func TestBecomesLead(t *testing.T) {
	c := newCluster(t)
	c.lead = "nobody"
	s2 := c.add("s2", content{"a": "1"}, nil)
	c.quiet()
	if _, err := s2.Publish(t.Context()); err == nil {
		t.Error("it has published")
	}
	s2.write(content{"b": "1"})
	c.quiet()
	c.mu.Lock()
	c.lead = "s2"
	c.mu.Unlock()
	c.numbered(1)
	if m, err := c.booster.Get(1); err != nil || len(m.Files) != 2 {
		t.Errorf("%v, %v", m, err)
	}
}

// TestFirstReleaseDiffers: what differs is kept aside, what would break the others is
// removed, and the rest stays as it is and is nobody's change.
func TestFirstReleaseDiffers(t *testing.T) {
	c := newCluster(t)
	c.add("s1", content{"a.py": "1", "migrations/0001.py": "m"}, nil)
	c.numbered(1)
	s2 := c.add("s2", content{"a.py": "other", "migrations/0001.py": "m", "migrations/0002.py": "leaf", "notes.txt": "mine"}, func(cfg *Config) {
		cfg.Exact = func(path string) bool { return strings.HasPrefix(path, "migrations/") }
	})
	c.allStaged()
	if got := s2.State().Applied; got.Number != 0 {
		t.Fatalf("release %s was noted although the folder is another", got)
	}
	c.rollOut()
	s2.mustHold(content{"a.py": "1", "migrations/0001.py": "m", "notes.txt": "mine"})
	want := content{"1-s2/a.py": "other", "1-s2/migrations/0002.py": "leaf"}
	if got := s2.conflicts(); !maps.Equal(got, want) {
		t.Errorf("kept aside: %v", got)
	}
	c.quiet()
	if n := c.head().Number; n != 1 {
		t.Fatalf("release %d was made of what was here before", n)
	}
	s2.write(content{"a.py": "2"})
	c.numbered(2)
	c.rollOut()
	c.servers["s1"].mustHold(content{"a.py": "2", "migrations/0001.py": "m"})
	s2.write(content{"notes.txt": "changed"})
	c.numbered(3)
	c.rollOut()
	c.servers["s1"].mustHold(content{"a.py": "2", "migrations/0001.py": "m", "notes.txt": "changed"})
}

// TestChangesReachAll: a change, a new file, a deletion and a rename.
func TestChangesReachAll(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1", "c": "1"})
	s2.write(content{"a": "2", "new/d": "1"}, func() {
		s2.remove("b")
		if err := os.Rename(s2.root+"/c", s2.root+"/e"); err != nil {
			t.Fatal(err)
		}
	})
	c.numbered(2)
	c.rollOut()
	want := content{"a": "2", "new/d": "1", "e": "1"}
	s1.mustHold(want)
	s2.mustHold(want)
	c.quiet()
	if n := c.head().Number; n != 2 {
		t.Errorf("release %d was made of what a release brought", n)
	}
}

// TestAtOnce: two servers change different files, and the same file, at once.
func TestAtOnce(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1", "both": "1"})
	c.setBoosterAway(func() {
		s1.write(content{"a": "s1", "both": "s1"})
		s2.write(content{"b": "s2", "both": "s2"})
		c.wait("both to be pending", func() bool { return s1.State().Pending > 0 && s2.State().Pending > 0 })
	})
	c.numbered(3)
	c.quiet()
	c.rollOut()
	first, other := "s1", s2
	if m, err := c.booster.Get(2); err != nil || m.Origin != "s1" {
		first, other = "s2", s1
	}
	want := content{"a": "s1", "b": "s2", "both": first}
	s1.mustHold(want)
	s2.mustHold(want)
	kept := other.conflicts()
	if len(kept) != 1 || kept["2-"+other.name+"/both"] != other.name {
		t.Errorf("kept on %s: %v", other.name, kept)
	}
	c.quiet()
	if n := c.head().Number; n != 3 {
		t.Errorf("release %d was made of what had lost", n)
	}
}

// setBoosterAway takes the booster away while f runs.
func (c *cluster) setBoosterAway(f func()) {
	booster := c.booster
	c.setBooster(nil)
	f()
	c.setBooster(booster)
}

// TestNoBooster: changes are pending, say why, and go when a booster is back.
func TestNoBooster(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	c.setBoosterAway(func() {
		s2.write(content{"a": "2"})
		c.wait("pending", func() bool { return s2.State().Pending == 1 && s2.State().Waiting != "" })
		s2.write(content{"b": "2"})
		c.wait("both pending, and why", func() bool {
			state := s2.State()
			return state.Pending == 2 && state.Waiting == ErrNoBooster.Error()
		})
	})
	c.numbered(2)
	c.rollOut()
	s1.mustHold(content{"a": "2", "b": "2"})
	c.quiet()
	if n := c.head().Number; n != 2 {
		t.Errorf("%d releases", n)
	}
}

// TestWasOff: a server that was off catches up, and brings nothing back. What was
// changed on it meanwhile reaches the others, unless they have changed the same.
func TestWasOff(t *testing.T) {
	c, s1, s2 := two(t, content{"changed": "1", "deleted": "1", "old": "1", "mine": "1", "fought": "1"})
	s2.stop()
	s1.write(content{"changed": "2", "fought": "s1"}, func() {
		s1.remove("deleted")
		if err := os.Rename(s1.root+"/old", s1.root+"/renamed"); err != nil {
			t.Fatal(err)
		}
	})
	c.numbered(2)
	c.rollOut()
	s2.write(content{"mine": "s2", "fought": "s2"})
	s2.start()
	c.numbered(3)
	c.rollOut()
	want := content{"changed": "2", "renamed": "1", "mine": "s2", "fought": "s1"}
	s1.mustHold(want)
	s2.mustHold(want)
	if got := s2.conflicts(); len(got) != 1 || got["2-s2/fought"] != "s2" {
		t.Errorf("kept: %v", got)
	}
}

// TestRestored: a folder that was restored from a backup while the agent was off is
// brought up to date, and its old files are nobody's change. A change that was made
// on it is one.
func TestRestored(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1", "c": "1"})
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.rollOut()
	s1.write(content{"b": "2", "d": "2"}, func() { s1.remove("c") })
	c.numbered(3)
	c.rollOut()
	s2.stop()
	s2.remove("a", "b", "d")
	s2.write(content{"a": "1", "b": "1", "c": "1", "e": "edited"}) // as release 1 was
	s2.start()
	c.numbered(4)
	if got := s2.State().Applied.Number; got != 1 && got != 2 { // the one after it, with what was edited, once that is noted
		t.Errorf("it is taken for release %d", got)
	}
	c.rollOut()
	want := content{"a": "2", "b": "2", "d": "2", "e": "edited"}
	s1.mustHold(want)
	s2.mustHold(want)
	c.quiet()
	if n := c.head().Number; n != 4 || len(s2.conflicts()) != 0 {
		t.Errorf("release %d, kept %v", n, s2.conflicts())
	}
}

// TestWiped: a folder that was emptied deletes nothing anywhere, and nothing is
// applied to it, until somebody confirms.
func TestWiped(t *testing.T) {
	files := content{}
	for _, n := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		files["lib/"+n] = n
	}
	c, s1, s2 := two(t, files)
	s2.remove("lib")
	c.wait("suspicion", func() bool { return s2.State().Suspicious != "" })
	s1.write(content{"lib/a": "2"})
	c.numbered(2)
	c.wait("trouble on s2", func() bool { return s2.State().Trouble != "" })
	if err := s2.Apply(t.Context(), 2); err == nil {
		t.Error("a release was applied to a folder that was emptied")
	}
	if s2.State().Staged.Number != 0 {
		t.Error("it says that it could apply a release")
	}
	c.quiet()
	if m, err := c.booster.Get(c.head().Number); err != nil || len(m.Files) != len(files) {
		t.Fatalf("release %d: %v, %v", c.head().Number, m, err)
	}
	if err := s2.Lost(t.Context(), api.Confirm, "0"); err == nil {
		t.Error("a removal was confirmed that nobody has seen")
	}
	if err := s2.Lost(t.Context(), api.Confirm, s2.Standing().Finding); err != nil {
		t.Fatal(err)
	}
	c.numbered(3)
	c.rollOut()
	s1.mustHold(content{"lib/a": "2"})
}

// TestWipedByMistake: what is gone from an emptied folder comes back, from the others
// as far as it is not here, and nothing is published.
func TestWipedByMistake(t *testing.T) {
	files := content{}
	for _, n := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		files["lib/"+n] = n
	}
	c, _, s2 := two(t, files)
	if err := s2.Lost(t.Context(), api.Restore, ""); err == nil {
		t.Error("something was brought back although nothing is gone")
	}
	begun := time.Now()
	s2.remove("lib")
	s2.write(content{"mine.log": "no release's"})
	c.wait("suspicion", func() bool { return s2.State().Suspicious != "" })
	if err := s2.Lost(t.Context(), api.Restore, ""); err != nil {
		t.Fatal(err)
	}
	c.wait("calm", func() bool { return s2.State().Suspicious == "" })
	if at := s2.State().Restored; at.Before(begun) {
		t.Errorf("it was restored at %s", at)
	}
	// Only what was new here becomes a release.
	c.numbered(2)
	c.rollOut()
	c.quiet()
	files["mine.log"] = "no release's"
	s2.mustHold(files)
	if n := c.head().Number; n != 2 {
		t.Errorf("release %d", n)
	}
}
