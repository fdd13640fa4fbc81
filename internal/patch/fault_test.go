package patch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// TestApplyFails: what stands in the way leaves the folder as it was, is told, and the
// release is applied when the way is clear.
func TestApplyFails(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.stop()
	s1.write(content{"a": "2", "x": "2"})
	c.numbered(2)
	s2.write(content{"x/stray?": "in the way"})
	s2.start()
	c.wait("trouble", func() bool { return strings.Contains(s2.State().Trouble, "in the way") })
	if s2.State().Staged.Number == 2 {
		t.Error("it says that it can be applied")
	}
	if err := s2.Apply(t.Context(), 2); err == nil {
		t.Error("it was applied")
	}
	s2.mustHold(content{"a": "1", "x/stray?": "in the way"})
	if s := s2.State(); s.Blocked != "" || s.Applied.Number != 1 {
		t.Errorf("%+v", s)
	}
	s2.remove("x")
	c.wait("staged", func() bool { return s2.State().Staged.Number == 2 })
	c.rollOut()
	s2.mustHold(content{"a": "2", "x": "2"})
	c.wait("no trouble any more", func() bool { return s2.State().Trouble == "" })
}

// unfinishable is a plan whose release is nowhere.
var unfinishable = `{"format":1,"to":{"number":9,"hash":"` + strings.Repeat("9", 64) + `"}}`

// TestUnfinished: while a plan can be neither finished nor undone, the server must not
// be started, and nothing is published from the mix.
func TestUnfinished(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.stop()
	plan := filepath.Join(s2.cfg.StateDir, "apply", "plan.json")
	if err := os.WriteFile(plan, []byte(unfinishable), 0o600); err != nil {
		t.Fatal(err)
	}
	s2.write(content{"a": "a part of something"})
	s2.start()
	c.wait("blocked", func() bool { return strings.Contains(s2.State().Blocked, "between two releases") })
	c.quiet()
	if n := c.head().Number; n != 1 {
		t.Fatalf("release %d was made of a mix", n)
	}
	if err := s2.Apply(t.Context(), 1); err == nil {
		t.Error("a release was applied on a mix")
	}
	s2.write(content{"a": "1"})
	if err := os.Remove(plan); err != nil {
		t.Fatal(err)
	}
	c.wait("free", func() bool { return s2.State().Blocked == "" })
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.rollOut()
	s2.mustHold(content{"a": "2"})
}

// TestUnfinishedWhileRunning: the same when applying ends so.
func TestUnfinishedWhileRunning(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	plan := filepath.Join(s2.cfg.StateDir, "apply", "plan.json")
	if err := os.WriteFile(plan, []byte(unfinishable), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s2.Apply(t.Context(), 2); err == nil || s2.State().Blocked == "" {
		t.Fatalf("%v, %+v", err, s2.State())
	}
	s2.write(content{"a": "a part of something"})
	if n, err := s2.Publish(t.Context()); err == nil {
		t.Errorf("release %d was made of a mix", n)
	}
	c.quiet()
	s2.write(content{"a": "1"})
	if err := os.Remove(plan); err != nil {
		t.Fatal(err)
	}
	c.wait("free", func() bool { return s2.State().Blocked == "" })
	c.rollOut()
	s2.mustHold(content{"a": "2"})
	if n := c.head().Number; n != 2 {
		t.Errorf("release %d", n)
	}
}

// TestFolderGone: a folder that is not there, as on a disk that is not mounted, stops
// nothing for good.
func TestFolderGone(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	away := s2.root + ".away"
	if err := os.Rename(s2.root, away); err != nil {
		t.Fatal(err)
	}
	c.wait("blocked", func() bool { return s2.State().Blocked != "" })
	s1.write(content{"a": "2"})
	c.numbered(2)
	if err := s2.Apply(t.Context(), 2); err == nil {
		t.Error("applied to nothing")
	}
	if _, err := os.Stat(s2.root); err == nil {
		t.Error("the folder was made anew")
	}
	if err := os.Rename(away, s2.root); err != nil {
		t.Fatal(err)
	}
	c.rollOut()
	s2.mustHold(content{"a": "2"})
}

// TestDamagedContent: what a peer sends and is not the content is not taken.
func TestDamagedContent(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	c.spoil(true)
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.wait("trouble", func() bool { return s2.State().Trouble != "" })
	if s2.State().Staged.Number == 2 {
		t.Error("staged what is not the release")
	}
	s2.mustHold(content{"a": "1"})
	c.spoil(false)
	c.rollOut()
	s2.mustHold(content{"a": "2"})
}

func (c *cluster) spoil(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spoilt = yes
}

// zeros is zeros without an end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// rewrite changes a small content in a server's store, where it is the only one of its
// release.
func rewrite(t *testing.T, s *server, from, to string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(s.cfg.StateDir, "blobs", "packs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pack := range packs {
		b, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(string(b), from); ok {
			if err := os.WriteFile(pack, []byte(to+rest), 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s has no content %q", s.name, from)
}

// TestTwenty: with twenty servers the origin is not the only one that is asked.
func TestTwenty(t *testing.T) {
	const n = 20
	c := newCluster(t)
	files := content{"a": "1"}
	for i := range n {
		c.add(fmt.Sprintf("s%d", i+1), files, nil)
	}
	c.wait("release 1 everywhere", func() bool {
		return !slices.ContainsFunc(c.all(), func(s *server) bool { return s.State().Applied.Number != 1 })
	})
	// The origin sends about as much as one server needs, and no more: the others have to
	// serve each other.
	const contents = 50
	c.mu.Lock()
	c.busyAfter = map[string]int{"s7": contents}
	c.mu.Unlock()
	more := content{}
	for i := range contents {
		more[fmt.Sprintf("lib/f%d", i)] = fmt.Sprint("content ", i)
	}
	c.servers["s7"].write(more)
	c.numbered(2)
	c.allStaged()
	c.rollOut()
	want := maps.Clone(more)
	want["a"] = "1"
	for _, s := range c.all() {
		s.mustHold(want)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if most := contents * (1 + api.MaxStreams); c.served["s7"] > most {
		t.Errorf("the origin has sent more than %d contents: %v", most, c.served)
	}
}

// TestApplyDoesNotWait: a booster that hangs does not hold up Apply.
func TestApplyDoesNotWait(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1"})
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	hangs := make(chan struct{})
	c.mu.Lock()
	c.hang = hangs
	c.mu.Unlock()
	s2.write(content{"b": "2"})
	c.wait("a proposal that hangs", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.held > 0 })
	if err := s2.Apply(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	if !errors.Is(c.gaveUp, context.Canceled) {
		t.Errorf("the proposal has ended with %v, and did not give way", c.gaveUp)
	}
	c.hang = nil
	c.mu.Unlock()
	close(hangs)
	c.numbered(3)
	c.rollOut()
	s1.mustHold(content{"a": "2", "b": "2"})
	s2.mustHold(content{"a": "2", "b": "2"})
}

// TestGivesWay: while a release is applied, the fetcher does not try the next one again
// and again.
func TestGivesWay(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.mu.Lock()
	s2.endTurn()
	s2.mu.Unlock()
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.quiet()
	c.mu.Lock()
	asked := c.asked["s1"]
	c.mu.Unlock()
	if asked > 1 {
		t.Errorf("another server was asked %d times", asked)
	}
	s2.nextTurn()
	c.allStaged()
}

// TestCollect: of releases and contents that nobody needs any more nothing stays.
func TestCollect(t *testing.T) {
	c := newCluster(t)
	s1 := c.add("s1", content{"a": "0"}, func(cfg *Config) { cfg.Keep = 2 })
	c.wait("release 1", func() bool { return s1.State().Applied.Number == 1 })
	for i := uint64(2); i < 6; i++ {
		s1.write(content{"a": fmt.Sprint(i)})
		c.numbered(i)
		c.wait("noted", func() bool { return s1.Head().Number == i && s1.State().Pending == 0 })
	}
	c.rollOut()
	c.wait("releases 5 and 4 alone to be left", func() bool { // nothing is collected while they are being used
		s1.collect()
		return slices.EqualFunc(s1.List(), []uint64{5, 4}, func(e history.Entry, number uint64) bool { return e.Ref.Number == number })
	})
	for i := range 6 {
		h := release.Hash(sha256.Sum256(fmt.Append(nil, i)))
		if has, want := s1.blobs.Has(h), i >= 4; has != want {
			t.Errorf("content %d is left: %t", i, has)
		}
	}
}

// TestCollectUnread: a release that can't be read is no release that needs nothing.
func TestCollectUnread(t *testing.T) {
	c := newCluster(t)
	s1 := c.add("s1", content{"a": "1"}, nil)
	c.wait("release 1", func() bool { return s1.State().Applied.Number == 1 })
	for i := uint64(2); i < 4; i++ {
		s1.write(content{"a": fmt.Sprint(i)})
		c.numbered(i)
		c.wait("noted", func() bool { return s1.Head().Number == i && s1.State().Pending == 0 })
	}
	c.rollOut()
	found, err := filepath.Glob(filepath.Join(s1.cfg.StateDir, "history", "manifests", "*2-*.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	if err := os.WriteFile(found[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s1.collect()
	if !s1.blobs.Has(sha256.Sum256([]byte("2"))) {
		t.Error("its content was removed")
	}
}

// TestNoRoom: what does not fit on the disk does not fill it.
func TestNoRoom(t *testing.T) {
	_, s1, s2 := two(t, content{"a": "1"})
	huge := release.File{Path: "huge", Size: 1 << 60, SHA256: sha256.Sum256([]byte("huge"))}
	for name, err := range map[string]error{
		"fetch": s1.fetch(t.Context(), s2.name, []release.File{huge}),
		"store": s1.store(s1.folder, []release.Change{{Path: "huge", New: &huge}}),
	} {
		if err == nil || !strings.Contains(err.Error(), "not enough space") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s1.room([]release.File{{Size: 1}}); err != nil {
		t.Error(err)
	}
}
