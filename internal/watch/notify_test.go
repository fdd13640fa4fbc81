package watch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/omflow/booster/internal/testbed/observe"
)

// After an overflow nothing that was reported counts; the whole folder is
// compared at once.
func TestOverflow(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	n := newFakeNotifier()
	f.watchWith(Config{}, n)
	f.accept()
	f.write("a", "two")
	f.write("new/dir/b", "b")
	n.er <- fsnotify.ErrEventOverflow
	if got := f.change("+new/dir/b ~a"); got != "+new/dir/b ~a" {
		t.Errorf("changes %q", got)
	}
	observe.Eventually(t, "the new directory is watched", func() bool { return n.watches(f.path("new/dir")) })
	f.remove("a")
	n.er <- fsnotify.ErrEventOverflow
	if got := f.change("-a"); got != "-a" {
		t.Errorf("changes %q", got)
	}
	if got := strings.Count(f.log.String(), "lost events"); got != 1 {
		t.Errorf("logged %d times", got)
	}
}

// Without events a rescan finds everything, and the status says that it must.
func TestWatchLimit(t *testing.T) {
	f := newFolder(t)
	f.write("d/a", "one")
	n := newFakeNotifier()
	n.failWith(os.NewSyscallError("inotify_add_watch", syscall.ENOSPC))
	f.watchWith(Config{Rescan: 20 * time.Millisecond}, n)
	f.accept()
	f.write("d/a", "two")
	if got := f.change("~d/a"); got != "~d/a" {
		t.Errorf("changes %q", got)
	}
	if s := f.w.Status(); !strings.Contains(s.Degraded, "2 directories are not watched: the limit of watches is reached") || s.Watches != 0 {
		t.Errorf("status %+v", s)
	}
	if got := strings.Count(f.log.String(), "not all directories are watched"); got != 1 {
		t.Errorf("logged %d times", got)
	}
	// Once there is room again, the rescans use it.
	n.failWith(nil)
	observe.Eventually(t, "watched again", func() bool { s := f.w.Status(); return s.Degraded == "" && s.Watches == 2 })
	n.failWith(errors.New("out of order"))
	f.write("e/a", "one")
	observe.Eventually(t, "another cause", func() bool { return strings.Contains(f.w.Status().Degraded, "out of order") })
}

// An event for one directory has that one looked into and no other.
func TestEventsAreHints(t *testing.T) {
	f := newFolder(t)
	f.write("d/a", "one")
	f.write("e/b", "one")
	n := newFakeNotifier()
	f.watchWith(Config{}, n)
	f.accept()
	observe.Eventually(t, "the first scan has settled", func() bool {
		var due time.Time
		f.w.do(func() { due = f.w.settler.due() })
		return due.IsZero()
	})
	f.write("d/a", "two")
	f.write("e/b", "two")
	n.ev <- fsnotify.Event{Name: f.path("d/a"), Op: fsnotify.Write}
	if got := f.change("~d/a"); got != "~d/a" {
		t.Errorf("changes %q", got)
	}
	// A hint about nothing changes nothing; one from elsewhere is dropped.
	n.ev <- fsnotify.Event{Name: f.path("d/nothing"), Op: fsnotify.Create}
	n.ev <- fsnotify.Event{Name: "/elsewhere/e/b", Op: fsnotify.Write}
	n.ev <- fsnotify.Event{}
	n.ev <- fsnotify.Event{Name: f.path("e"), Op: fsnotify.Create}
	if got := f.change("~e/b"); got != "~e/b" {
		t.Errorf("changes %q", got)
	}
}

// A file that is missing while things go on at its path may be about to be
// replaced; its removal waits for quiet, past the longest settle time.
func TestRemovalOfRestlessFile(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.write("d/gone", "one")
	n := newFakeNotifier()
	const settle = time.Second
	f.watchWith(Config{Settle: settle, MaxSettle: settle * 3 / 2}, n)
	f.accept()
	var first Change
	for try := 1; ; try++ {
		f.write("a", fmt.Sprint("two ", try))
		f.remove("d/gone")
		n.ev <- fsnotify.Event{Name: f.path("a"), Op: fsnotify.Write}
		longest, last := time.Duration(0), time.Now()
		observe.Eventually(t, "a change", func() bool {
			longest = max(longest, time.Since(last))
			last = time.Now()
			select {
			case first = <-f.w.Changes():
				return true
			case n.ev <- fsnotify.Event{Name: f.path("d/gone"), Op: fsnotify.Remove}:
				return false
			}
		})
		if first.String() == "~a" {
			break
		}
		// On a machine that stands still for long enough it is quiet there.
		if longest < settle/2 || try == 5 {
			t.Fatalf("changes %q", first)
		}
		f.write("d/gone", "one")
		f.accept()
	}
	f.w.SetBase(first.Tree)
	if got := f.change("-d/gone"); got != "-d/gone" {
		t.Errorf("changes %q", got)
	}
}

// A directory that was deleted and made again may have the inode of the old one;
// the old one's watch is gone all the same.
func TestWatchIsRenewed(t *testing.T) {
	f := newFolder(t)
	f.write("d/sub/a", "one")
	f.watch(Config{})
	f.accept()
	for i := range 5 {
		f.remove("d")
		f.write("d/sub/a", strings.Repeat("x", i+10))
		if got := f.change("~d/sub/a"); got != "~d/sub/a" {
			t.Fatalf("round %d: changes %q", i, got)
		}
		f.write("d/sub/a", strings.Repeat("y", i+100))
		if got := f.change("~d/sub/a"); got != "~d/sub/a" {
			t.Fatalf("round %d: changes %q", i, got)
		}
	}
}

// Watches of directories that are gone are given back.
func TestWatchesAreGivenBack(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.write("d/1/2/3/a", "one")
	f.watch(Config{})
	f.accept()
	if s := f.w.Status(); s.Watches != 5 {
		t.Errorf("%d watches, want 5", s.Watches)
	}
	f.remove("d/1/2")
	if got := f.change("-d/1/2/3/a"); got != "-d/1/2/3/a" {
		t.Errorf("changes %q", got)
	}
	// The file may be seen to be gone before its directories are.
	observe.Eventually(t, "3 watches of 3 directories", func() bool { s := f.w.Status(); return s.Watches == 3 && s.Dirs == 3 })
}

// A watch belongs to an inode: before a moved directory is watched under its new
// path, the watch under the old one must go, and must then be left alone when
// the old path is found to be gone.
func TestWatchOfMovedDirectory(t *testing.T) {
	n := newFakeNotifier()
	l := newWatchList(n, "/home")
	one, two := dirID{dev: 1, ino: 1}, dirID{dev: 1, ino: 2}
	l.add("old", one)
	l.add("new", one)
	l.remove("old")
	l.add("new", one) // again, in case that it ended
	l.add("new", two) // another directory in its place
	l.remove("never")
	got := strings.Join(n.calls, ", ")
	if want := "add old, remove old, add new, add new, remove new, add new"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	if len(l.paths) != 1 || len(l.ids) != 1 || l.ids[two] != "new" {
		t.Errorf("watches %v, %v", l.paths, l.ids)
	}
	// Where directories have no numbers, all have the same.
	n.calls = nil
	l = newWatchList(n, "/home")
	l.add("a", dirID{})
	l.add("b", dirID{})
	l.remove("a")
	if got := strings.Join(n.calls, ", "); got != "add a, add b, remove a" {
		t.Errorf("without numbers: calls %q", got)
	}
}

func TestRecent(t *testing.T) {
	rules, err := Rules{Exclude: []string{"x/"}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	b := newInbox()
	b.event("a/old", fsnotify.Write, rules, now)
	b.event("a/b", fsnotify.Rename, rules, now.Add(time.Second))
	b.event("x/y", fsnotify.Write, rules, now.Add(time.Second))
	hot, last := b.recent(now)
	if !last.Equal(now.Add(time.Second)) {
		t.Errorf("the last was at %s, want %s", last, now.Add(time.Second))
	}
	for path, want := range map[string]bool{"a/b": true, "a/b/c/d": true, "a": false, "a/old": false, "a/bc": false, "x/y": false} {
		if hot(path) != want {
			t.Errorf("%s: hot %v", path, !want)
		}
	}
	if len(b.hot) != 1 {
		t.Errorf("%d paths are remembered, want 1", len(b.hot))
	}
	dirty := b.take()
	if deep, ok := dirty["a/b"]; !ok || !deep {
		t.Error("a directory that was renamed is not looked into")
	}
	if deep, ok := dirty["a"]; !ok || deep {
		t.Error("its parent is not looked into, or too deep")
	}
	// More than can be remembered: all is hot, for as long as it may be.
	for i := range maxHot + 1 {
		b.event(strings.Repeat("y", 1+i%100)+string(rune('0'+i/100)), fsnotify.Write, rules, now.Add(2*time.Second))
	}
	b.event("one more", fsnotify.Write, rules, now.Add(2*time.Second))
	if hot, last := b.recent(now); !hot("anything") || last.IsZero() {
		t.Error("what did not fit is forgotten")
	}
	if hot, last := b.recent(now.Add(3 * time.Second)); hot("anything") || !last.IsZero() {
		t.Error("what did not fit is hot for ever")
	}
}

// What is reported while nobody looks is remembered path by path up to a bound; beyond it
// everything is looked into.
func TestManyReports(t *testing.T) {
	rules, err := Rules{}.compile()
	if err != nil {
		t.Fatal(err)
	}
	b := newInbox()
	for i := range 3 * maxHot {
		b.event(fmt.Sprintf("d/%d", i), fsnotify.Write, rules, time.Now())
		if len(b.dirty) > maxHot {
			t.Fatalf("%d paths are remembered", len(b.dirty))
		}
	}
	if dirty := b.take(); !dirty[""] {
		t.Errorf("%d paths are looked into, and not all", len(dirty))
	}
	b.event("d/x", fsnotify.Create, rules, time.Now())
	if dirty := b.take(); len(dirty) != 2 || !dirty["d/x"] {
		t.Errorf("later: %v", dirty)
	}
}

// What can be done about a limit is said.
func TestNoNotifier(t *testing.T) {
	if got := noNotifier(fmt.Errorf("couldn't initialize inotify: %w", syscall.EMFILE)); !strings.Contains(got, "max_user_instances") {
		t.Error(got)
	}
	if got := noNotifier(errors.New("out of order")); got != "out of order" {
		t.Error(got)
	}
}
