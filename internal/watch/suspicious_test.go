package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
)

func (f *folder) suspicious(part string) {
	f.Helper()
	observe.Eventually(f, "suspicious: "+part, func() bool { return strings.Contains(f.w.Status().Suspicious, part) })
	if len(f.w.changes) != 0 {
		f.Errorf("a change although %s", f.w.Status().Suspicious)
	}
}

func (f *folder) calm() {
	f.Helper()
	observe.Eventually(f, "no longer suspicious", func() bool { return f.w.Status().Suspicious == "" })
}

func (f *folder) fill(n int) {
	f.Helper()
	for i := range n {
		f.write(fmt.Sprintf("app/%02d.py", i), fmt.Sprint(i))
	}
}

func TestEmptied(t *testing.T) {
	f := newFolder(t)
	f.fill(3)
	f.watch(Config{})
	f.accept()
	f.remove("app")
	f.suspicious("is empty")
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of an emptied folder")
	}
	// Another event does not make it less suspicious.
	f.must(os.Mkdir(f.path("x"), 0o755))
	f.remove("x")
	f.fill(3)
	f.calm()
	f.nothing()
}

func TestMassRemoval(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{})
	f.accept()
	if err := f.w.ConfirmRemoval(f.w.Status().Finding); err == nil {
		t.Error("confirmed although nothing is suspicious")
	}
	for i := range 20 { // half is not more than half
		f.remove(fmt.Sprintf("app/%02d.py", i))
	}
	f.gone(20)
	f.remove("app/20.py")
	f.suspicious("21 of 40 files are gone")
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	f.gone(21)
	f.calm()
	// It holds until the base is set, and not after.
	f.remove("app/21.py")
	f.w.SetBase(f.gone(22).Tree)
	for i := 22; i < 35; i++ {
		f.remove(fmt.Sprintf("app/%02d.py", i))
	}
	f.suspicious("14 of 19 files are gone, 1 of them since less")
}

func TestRemovalShare(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{RemovalShare: 0.25})
	f.accept()
	for i := range 11 {
		f.remove(fmt.Sprintf("app/%02d.py", i))
	}
	f.suspicious("11 of 40 files are gone")
}

// Few files may go, however few there were.
func TestFewRemovals(t *testing.T) {
	f := newFolder(t)
	f.fill(10)
	f.watch(Config{})
	f.accept()
	for i := range 10 {
		f.remove(fmt.Sprintf("app/%02d.py", i))
	}
	f.gone(10)
}

func TestVanishedAndBack(t *testing.T) {
	f := newFolder(t)
	f.fill(3)
	f.watch(Config{})
	f.accept()
	away := f.root + ".away"
	f.must(os.Rename(f.root, away))
	f.suspicious("is not there")
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of no folder")
	}
	if err := f.w.ConfirmRemoval(f.w.Status().Finding); err == nil {
		t.Error("a folder that is not there was confirmed")
	}
	f.must(os.Rename(away, f.root))
	f.calm()
	f.nothing() // and it is watched again
}

// Another folder in the place of the known one, as when a file system is
// unmounted, is not what the files became.
func TestReplaced(t *testing.T) {
	f := newFolder(t)
	f.fill(3)
	f.watch(Config{})
	f.accept()
	away := f.root + ".away"
	replace := func() {
		f.must(os.Rename(f.root, away))
		f.write("app/00.py", "from an old copy")
		f.fillMissing(3)
	}
	replace()
	f.suspicious("was replaced")
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of another folder")
	}
	// Back.
	f.remove("")
	f.must(os.Rename(away, f.root))
	f.calm()
	f.nothing()
	f.remove("zz-marker")
	if got := f.change("-zz-marker"); got != "-zz-marker" {
		t.Fatal(got)
	}
	// Replaced again, and meant.
	replace()
	f.suspicious("was replaced")
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	if got := f.change("~app/00.py"); got != "~app/00.py" {
		t.Errorf("after the confirmation: %q", got)
	}
	f.nothing()
}

// fillMissing writes those of fill's files that are not there.
func (f *folder) fillMissing(n int) {
	for i := range n {
		name := fmt.Sprintf("app/%02d.py", i)
		if _, err := os.Stat(f.path(name)); err != nil {
			f.write(name, fmt.Sprint(i))
		}
	}
}

// TestEmptiedButForOthers: what the rules leave out does not make a folder one that is
// not empty.
func TestEmptiedButForOthers(t *testing.T) {
	f := newFolder(t)
	f.write("logs/server.log", "stays")
	f.fill(3)
	f.watch(Config{Rules: Rules{Exclude: []string{"logs/"}}})
	f.accept()
	f.remove("app")
	f.suspicious("nothing is left")
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	if c := f.take(); len(c.Removed) < 3 {
		t.Errorf("%d files removed after the confirmation", len(c.Removed))
	}
}

// TestSlowWipe: files that vanish bit by bit, each bit accepted before the next, are
// judged together.
func TestSlowWipe(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{})
	f.accept()
	wipe := func(from, to int) {
		for i := from; i < to; i++ {
			f.remove(fmt.Sprintf("app/%02d.py", i))
		}
	}
	for _, part := range [][2]int{{0, 9}, {9, 18}} {
		wipe(part[0], part[1])
		f.w.SetBase(f.gone(part[1] - part[0]).Tree)
	}
	wipe(18, 27) // few of those that are left, but not of all that were there
	f.suspicious("27 of 40 files are gone, 18 of them since less than 10m0s")
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of a folder that is being wiped")
	}
	// Long ago is another matter.
	f.w.do(func() {
		for i := range f.w.removals.list {
			f.w.removals.list[i].At = f.w.removals.list[i].At.Add(-removalWindow)
		}
		f.w.judge = true
	})
	f.gone(9)
	f.calm()
}

// One that holds the same is taken for the folder.
func TestReplacedByTheSame(t *testing.T) {
	f := newFolder(t)
	f.fill(3)
	f.watch(Config{})
	f.accept()
	f.must(os.Rename(f.root, f.root+".away"))
	f.fill(3)
	observe.Eventually(t, "the new one is known", func() bool {
		known := false
		f.w.do(func() {
			info, err := os.Stat(f.root)
			known = err == nil && os.SameFile(f.w.known, info)
		})
		return known
	})
	f.nothing()
}

// A folder that is not there at first is waited for.
func TestLateFolder(t *testing.T) {
	f := newFolder(t)
	f.watch(Config{})
	f.w.SetBase(nil)
	f.suspicious("is not there")
	f.fill(2)
	if got := f.change("+app/00.py +app/01.py"); got != "+app/00.py +app/01.py" {
		t.Error(got)
	}
	f.calm()
	f.nothing()
}

func TestRemounted(t *testing.T) {
	f := newFolder(t)
	f.fill(2)
	f.write("uploads/1/a.txt", "a")
	f.watch(Config{})
	f.accept()
	// As if the directory had been on another device before.
	f.w.do(func() { f.w.root.child("uploads").home++ })
	f.write("app/00.py", "new")
	f.suspicious("mounted or unmounted at uploads")
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	if got := f.change("~app/00.py"); got != "~app/00.py" {
		t.Error(got)
	}
	f.nothing()
}

// TestConfirmedAndBack: files that came back after their removal was confirmed, and
// before it was taken, are asked about when they go again.
func TestConfirmedAndBack(t *testing.T) {
	f := newFolder(t)
	f.fill(20)
	f.watch(Config{})
	f.accept()
	f.remove("app")
	f.suspicious("is empty")
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	f.gone(20)
	f.fill(20)
	observe.Eventually(t, "the confirmation to end", func() (ended bool) {
		f.w.do(func() { ended = f.w.meant == nil })
		return ended
	})
	f.remove("app")
	f.suspicious("is empty")
	if len(f.w.changes) > 0 {
		t.Error("the removal is published")
	}
}

// TestKnown: it can be asked whether a folder is the known one, before a scan finds out.
func TestKnown(t *testing.T) {
	f := newFolder(t)
	above := filepath.Join(filepath.Dir(f.root), "mount")
	f.root = filepath.Join(above, "home")
	f.fill(3)
	f.watch(Config{})
	if elsewhere, err := os.Stat(above); err != nil || f.w.Known(elsewhere) {
		t.Errorf("after the first scan another folder is known, %v", err)
	}
	f.accept()
	check := func(want bool, when string) {
		t.Helper()
		info, err := os.Stat(f.root)
		f.must(err)
		if got := f.w.Known(info); got != want {
			t.Errorf("%s: known %t", when, got)
		}
	}
	check(true, "at first")
	f.must(os.Rename(above, above+".away")) // of which the system tells nothing
	f.write("app/00.py", "another")
	check(false, "another is in its place")
	f.must(os.RemoveAll(above))
	f.must(os.Rename(above+".away", above))
	check(true, "it is back")
	f.must(os.Rename(above, above+".away"))
	f.fill(3)
	f.accept()
	check(true, "another holds the same")
}
