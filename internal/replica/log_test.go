package replica

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// loaded is the index that a log in dir says.
func loaded(t testing.TB, dir string) (*index, *indexLog, bool, error) {
	t.Helper()
	x := newIndex("a", testLimits())
	l, fresh, err := openLog(dir, x)
	if err == nil {
		t.Cleanup(func() { l.f.Close() })
	}
	return x, l, fresh, err
}

// someLog writes a log of n files and a few changes after it, and returns its index.
func someLog(t testing.TB, dir string, n int) *index {
	t.Helper()
	x, l, fresh, err := loaded(t, dir)
	if err != nil || !fresh {
		t.Fatalf("a new log: fresh %t, %v", fresh, err)
	}
	l.since = time.Now().UTC()
	for i := range n {
		e := onDisk("content", 1)
		e.Path = fmt.Sprint("附件/", i)
		x.change(e, false)
	}
	if err := l.rewrite(x); err != nil {
		t.Fatal(err)
	}
	e := entry("later", "x", "b", 3)
	if _, err := x.take(&e, time.Now()); err != nil {
		t.Fatal(err)
	}
	x.set("附件/0", record{})
	met := time.Now().UTC()
	for _, ln := range []line{{Entry: &e}, {Drop: "附件/0"}, {Met: &met}} {
		if err := l.add(ln); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	return x
}

func same(a, b *index) bool {
	return a.sums() == b.sums() && a.files == b.files && a.missing == b.missing && a.tombs == b.tombs && a.bytes == b.bytes
}

// TestLog: what was written is read again, and written anew it is the same.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	want := someLog(t, dir, 10)
	x, l, fresh, err := loaded(t, dir)
	if err != nil || fresh || !same(x, want) || l.met.IsZero() || l.since.IsZero() {
		t.Fatalf("fresh %t, %v; %d files", fresh, err, x.files)
	}
	if r := x.get("附件/1"); r.entry != r.local {
		t.Error("what is done is kept twice")
	}
	if r := x.get("later"); r.local != nil || x.missing != 1 {
		t.Errorf("what is not here: %+v", r)
	}
	if err := l.rewrite(x); err != nil {
		t.Fatal(err)
	}
	if again, l, _, err := loaded(t, dir); err != nil || !same(again, want) || l.lines != 11 || l.met.IsZero() {
		t.Errorf("written anew: %v, %d lines", err, l.lines)
	}
	// Windows does not rename a file that is open: it is opened after that.
	if want := filepath.Join(dir, logName); l.f.Name() != want {
		t.Errorf("what was written anew is open as %s, not as %s", l.f.Name(), want)
	}
	if err := errors.Join(l.add(line{Drop: "later"}), l.flush()); err != nil {
		t.Fatal(err)
	}
	if again, l, _, err := loaded(t, dir); err != nil || l.lines != 12 || again.get("later").entry != nil {
		t.Errorf("written anew, and gone on with: %v, %d lines", err, l.lines)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
}

// TestLogTorn: a log that was cut off anywhere is what it was some lines ago; it goes
// on from there.
func TestLogTorn(t *testing.T) {
	dir := t.TempDir()
	someLog(t, dir, 3)
	path := filepath.Join(dir, logName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for cut := len(lines[0]); cut < len(whole); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, logName), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		_, l, _, err := loaded(t, dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		complete := bytes.Count(whole[:cut], []byte("\n"))
		if l.lines != complete {
			t.Fatalf("cut at %d: %d lines of %d", cut, l.lines, complete)
		}
		e := entry("next", "x", "b", 1)
		if err := errors.Join(l.add(line{Entry: &e}), l.flush()); err != nil {
			t.Fatal(err)
		}
		if x, l, _, err := loaded(t, dir); err != nil || l.lines != complete+1 || x.get("next").entry == nil {
			t.Fatalf("cut at %d, and went on: %v", cut, err)
		}
	}
}

// TestLogNotRenamed: a log that could not take the old one's place is written again.
func TestLogNotRenamed(t *testing.T) {
	dir := t.TempDir()
	want := someLog(t, dir, 3)
	_, l, _, err := loaded(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, logName)
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := l.rewrite(want); err == nil {
		t.Error("a folder was replaced")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v: something unfinished is left", left, err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := l.rewrite(want); err != nil {
		t.Errorf("the second try: %v", err)
	}
	if got, _, _, err := loaded(t, dir); err != nil || !same(got, want) {
		t.Errorf("what was written: %v", err)
	}
}

// TestLogDamaged: no changed bit goes unnoticed, but in the last line, which may be
// unfinished.
func TestLogDamaged(t *testing.T) {
	dir := t.TempDir()
	someLog(t, dir, 3)
	path := filepath.Join(dir, logName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n')
	for at := range whole[:last] {
		b := bytes.Clone(whole)
		b[at] ^= 4
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := loaded(t, dir); !errors.Is(err, errDamaged) {
			t.Fatalf("byte %d, %q: %v", at, whole[at], err)
		}
	}
}

// FuzzLog: whatever is in the file, it is read or refused, and what is read is valid.
func FuzzLog(f *testing.F) {
	dir := f.TempDir()
	someLog(f, dir, 2)
	whole, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("00000000 {}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, logName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		x, _, _, err := loaded(t, dir)
		if err != nil {
			return
		}
		for path, r := range x.all() {
			for _, e := range []*Entry{r.entry, r.local} {
				if e != nil && (e.Path != path || e.Validate() != nil) {
					t.Errorf("read: %+v", e)
				}
			}
		}
	})
}
