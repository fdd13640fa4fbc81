package watch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMove: files that are somewhere else in the folder now have not vanished, however
// many they are.
func TestMove(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{})
	f.accept()
	f.rename("app", "lib/app")
	c := f.gone(40)
	if len(c.Added) != 40 {
		t.Fatalf("40 removed and %d added, want 40 each", len(c.Added))
	}
	f.w.SetBase(c.Tree)
	// Nor do they count later.
	for i := range 20 {
		f.remove(fmt.Sprintf("lib/app/%02d.py", i))
	}
	f.gone(20)
}

// TestLost: each file that comes stands for one that goes.
func TestLost(t *testing.T) {
	tree := func(files ...string) *Tree { // path=content
		var entries []Entry
		for _, f := range files {
			path, content, _ := strings.Cut(f, "=")
			e := Entry{Path: path, Size: int64(len(content))}
			copy(e.SHA256[:], content+"!")
			entries = append(entries, e)
		}
		return newTree(entries)
	}
	for name, c := range map[string]struct {
		base, now *Tree
		want      []string
	}{
		"gone":               {tree("a=1", "b=2"), tree("b=2"), []string{"a"}},
		"moved":              {tree("a=1", "b=2"), tree("b=2", "c=1"), nil},
		"moved over another": {tree("a=1", "b=2"), tree("b=1"), nil},
		"moved and changed":  {tree("a=1"), tree("b=2"), []string{"a"}},
		"two became one":     {tree("a=1", "b=1"), tree("c=1"), []string{"b"}},
		"one of two is left": {tree("a=1", "b=1"), tree("a=1"), nil},
		"one of three":       {tree("a=1", "b=1", "c=1"), tree("b=1"), []string{"c"}},
		"empty files":        {tree("a=", "b=", "c="), tree("x/a=", "x/b="), []string{"c"}},
	} {
		change := compare(c.base, c.now)
		var got []string
		for _, e := range change.lost() {
			got = append(got, e.Path)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: lost %v, want %v", name, got, c.want)
		}
	}
}

// TestCopyFirst: a tool that copies a folder, and removes the first one after the copy was
// published, has moved it.
func TestCopyFirst(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{})
	f.accept()
	for i := range 40 {
		f.write(fmt.Sprintf("lib/%02d.py", i), fmt.Sprint(i))
	}
	c := f.take()
	for len(c.Added) < 40 {
		c = f.take()
	}
	f.w.SetBase(c.Tree)
	f.remove("app")
	f.w.SetBase(f.gone(40).Tree)
	// Nor do they count later; with the copy the contents go.
	for i := range 20 {
		f.remove(fmt.Sprintf("lib/%02d.py", i))
	}
	f.gone(20)
	f.remove("lib/20.py")
	f.suspicious("21 of 40 files are gone")
}

// TestConfirmWhatWasSeen: when more goes, or something comes back, between a look at what
// is gone and its confirmation, that confirms nothing.
func TestConfirmWhatWasSeen(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	f.watch(Config{})
	f.accept()
	for i := range 25 {
		f.remove(fmt.Sprintf("app/%02d.py", i))
	}
	f.suspicious("25 of 40 files are gone")
	seen := f.w.Status().Finding
	for _, never := range []string{"", "00000000", seen + "0"} {
		if err := f.w.ConfirmRemoval(never); err == nil {
			t.Errorf("%q, which was never shown, was confirmed", never)
		}
	}
	f.remove("app/30.py")
	f.suspicious("26 of 40 files are gone")
	if err := f.w.ConfirmRemoval(seen); err == nil || !strings.Contains(err.Error(), "has changed since") {
		t.Errorf("what went later was confirmed with the rest: %v", err)
	}
	f.write("app/30.py", "30")
	f.suspicious("25 of 40 files are gone")
	if now := f.w.Status().Finding; now != seen {
		t.Errorf("the same is %q first, and then %q", seen, now)
	}
	f.must(f.w.ConfirmRemoval(seen))
	f.gone(25)
	f.calm()
	if now := f.w.Status().Finding; now != "" {
		t.Errorf("%q is to be confirmed, though nothing is suspicious", now)
	}
}

// TestWipeOverRestart: a wipe in two halves, with a restart between them, is one.
func TestWipeOverRestart(t *testing.T) {
	f := newFolder(t)
	f.fill(40)
	cache := filepath.Join(t.TempDir(), "hashes")
	f.watch(Config{CacheFile: cache})
	f.accept()
	wipe := func(from, to int) {
		for i := from; i < to; i++ {
			f.remove(fmt.Sprintf("app/%02d.py", i))
		}
	}
	wipe(0, 18)
	base := f.gone(18).Tree
	f.w.SetBase(base)
	f.must(f.w.Close())

	wipe(18, 27)
	f.watch(Config{CacheFile: cache})
	f.w.SetBase(base)
	f.suspicious("27 of 40 files are gone, 18 of them since less than 10m0s")
	// What was confirmed does not count after a restart either.
	f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
	base = f.gone(9).Tree
	f.w.SetBase(base)
	f.must(f.w.Close())
	wipe(27, 33)
	f.watch(Config{CacheFile: cache})
	f.w.SetBase(base)
	f.gone(6)
	if s := f.log.String(); strings.Contains(s, "WARN") && strings.Contains(s, "removed before the start") {
		t.Error(s)
	}
}

// TestConfirmed: a confirmation stands for the files that were gone, and for no others.
func TestConfirmed(t *testing.T) {
	begin := func(t *testing.T) *folder {
		f := newFolder(t)
		f.fill(40)
		f.watch(Config{})
		f.accept()
		for i := range 21 {
			f.remove(fmt.Sprintf("app/%02d.py", i))
		}
		f.suspicious("21 of 40 files are gone")
		f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
		f.gone(21)
		return f
	}
	t.Run("more goes", func(t *testing.T) {
		f := begin(t)
		for i := 21; i < 33; i++ {
			f.remove(fmt.Sprintf("app/%02d.py", i))
		}
		f.suspicious("12 of 19 files are gone")
		f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
		f.gone(33)
	})
	t.Run("all goes", func(t *testing.T) {
		f := begin(t)
		for i := 21; i < 40; i++ {
			f.remove(fmt.Sprintf("app/%02d.py", i))
		}
		f.suspicious("19 of 19 files are gone")
	})
	t.Run("the folder is replaced", func(t *testing.T) {
		f := begin(t)
		f.must(os.Rename(f.root, f.root+".away"))
		f.write("app/30.py", "30")
		f.suspicious("was replaced by another")
		f.must(f.w.ConfirmRemoval(f.w.Status().Finding))
		f.gone(39)
	})
}

// TestReturned: a file that is deleted, and made again after its directory was listed,
// is no removal.
func TestReturned(t *testing.T) {
	for _, how := range []string{"evaluate", "snapshot"} {
		t.Run(how, func(t *testing.T) {
			f := newFolder(t)
			f.fill(3)
			f.write("a", "1")
			f.watchWith(Config{}, newFakeNotifier()) // no event tells of it
			f.accept()
			f.remove("a")
			f.remove("app/02.py")
			f.w.do(func() {
				w, now := f.w, time.Now()
				w.rescanAt = time.Time{}
				root, err := w.look(now)
				if err != nil {
					t.Error(err)
					return
				}
				defer root.Close()
				f.write("a", "2")
				if how == "evaluate" {
					w.evaluate(root, now.Add(w.cfg.Settle))
					return
				}
				change := w.change(root, func(string) bool { return true }, now)
				if got := change.String(); got != "-app/02.py" {
					t.Errorf("the snapshot is %q", got)
				}
			})
			c := f.take()
			for c.String() == "-app/02.py" {
				c = f.take()
			}
			if got := c.String(); got != "~a -app/02.py" {
				t.Errorf("change %q", got)
			}
		})
	}
}

// TestRemovals: what the file keeps, and what of it counts.
func TestRemovals(t *testing.T) {
	now := time.Now()
	file := filepath.Join(t.TempDir(), "hashes.removals")
	r := removals{file: file}
	for i := range 700 { // over more than the window
		if err := r.add(3, now.Add(time.Duration(i)*removalStep)); err != nil {
			t.Fatal(err)
		}
	}
	last := now.Add(699 * removalStep)
	again := removals{file: file}
	if err := again.load(); err != nil {
		t.Fatal(err)
	}
	want := 3 * (int(removalWindow/removalStep) + 1)
	if a, b := r.recent(last), again.recent(last); a != want || b != want {
		t.Errorf("%d removals, %d after a restart, want %d", a, b, want)
	}
	if err := r.add(1, last.Add(removalStep/2)); err != nil || len(r.list) > len(again.list) {
		t.Errorf("%d entries after one more within the step, want no more than %d: %v", len(r.list), len(again.list), err)
	}
	if n := again.recent(last.Add(-time.Hour)); n != 0 {
		t.Errorf("%d removals when the clock was set back by an hour", n)
	}
	if err := r.reset(); err != nil {
		t.Fatal(err)
	}
	if err := again.load(); err != nil || again.recent(last) != 0 {
		t.Errorf("%d removals after a reset: %v", again.recent(last), err)
	}
}

func FuzzDecodeRemovals(f *testing.F) {
	f.Add([]byte(`[{"at":"2026-03-01T12:00:00Z","files":3}]`))
	f.Add([]byte(`[{"files":-1}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeRemovals(b)
		if err != nil {
			return
		}
		r := removals{list: list}
		if n := r.recent(time.Now()); n < 0 {
			t.Errorf("%d removals", n)
		}
		if _, err := json.Marshal(list); err != nil {
			t.Error(err)
		}
	})
}
