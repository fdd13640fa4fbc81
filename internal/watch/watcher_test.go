package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

func TestChanges(t *testing.T) {
	f := newFolder(t)
	f.write("models.py", "one")
	f.write("sub/deep/a.py", "a")
	f.write("sub/deep/b.py", "b")
	f.watch(Config{})
	f.w.SetBase(nil)
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"what was there", func() {}, "+models.py +sub/deep/a.py +sub/deep/b.py"},
		{"a file changed", func() { f.write("models.py", "two") }, "~models.py"},
		{"a file in a new directory", func() { f.write("new/x/y/z.py", "z") }, "+new/x/y/z.py"},
		{"a file there later", func() { f.write("new/x/y/w.py", "w") }, "+new/x/y/w.py"},
		{"replaced by a rename", func() { f.write("tmp", "three"); f.rename("tmp", "models.py") }, "~models.py"},
		{"removed", func() { f.remove("new/x/y/z.py") }, "-new/x/y/z.py"},
		{"directory renamed", func() { f.rename("sub", "moved") }, "+moved/deep/a.py +moved/deep/b.py -sub/deep/a.py -sub/deep/b.py"},
		{"changed under its new name", func() { f.write("moved/deep/a.py", "A") }, "~moved/deep/a.py"},
		{"another in its old place", func() { f.write("sub/deep/a.py", "a") }, "+sub/deep/a.py"},
		{"changed there", func() { f.write("sub/deep/a.py", "aa") }, "~sub/deep/a.py"},
		{"moved into another", func() { f.rename("moved/deep", "new/deep") }, "+new/deep/a.py +new/deep/b.py -moved/deep/a.py -moved/deep/b.py"},
		{"changed there too", func() { f.write("new/deep/b.py", "B") }, "~new/deep/b.py"},
		{"directory removed and made again", func() { f.remove("new/deep"); f.write("new/deep/c.py", "c") }, "+new/deep/c.py -new/deep/a.py -new/deep/b.py"},
		{"changed once more", func() { f.write("new/deep/c.py", "C") }, "~new/deep/c.py"},
	}
	if execKnown {
		steps = append(steps, steps[0])
		last := &steps[len(steps)-1]
		last.name, last.want = "made executable", "~models.py"
		last.do = func() { f.must(os.Chmod(f.path("models.py"), 0o755)) }
	}
	for _, step := range steps {
		step.do()
		if got := f.change(step.want); got != step.want {
			t.Fatalf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
	s := f.w.Status()
	if s.Files != 4 || s.Suspicious != "" || len(s.Refused) != 0 {
		t.Errorf("status %+v", s)
	}
}

// A file that is written again with the same content is no change, nor is one
// that came and went.
func TestNoChange(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	f.accept()
	f.write("a", "one")
	f.write("b", "gone")
	f.remove("b")
	f.nothing()
}

// The writer's pauses are shorter than the settle time, also on a busy machine.
func TestSetIsWhole(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	const settle = 2 * time.Second
	f.watch(Config{Settle: settle, MaxSettle: time.Hour})
	f.accept()
	for try := 1; ; try++ {
		longest, last := time.Duration(0), time.Now()
		for i := range 200 {
			if i%50 == 0 {
				<-time.After(settle / 20) // the writer's pause
			}
			f.write(fmt.Sprintf("set%d/%03d", try, i), "x")
			longest = max(longest, time.Since(last))
			last = time.Now()
		}
		c := f.take()
		if len(c.Added) == 200 && c.Tree.Len() == 1+200*try {
			return
		}
		// On a machine that stands still for long enough between two files a set has ended.
		if longest < settle/2 || try == 5 {
			t.Fatalf("%d files in the first set, want 200", len(c.Added))
		}
		f.accept()
	}
}

// A change that nobody accepted is part of the next, and one that was undone is
// withdrawn.
func TestUntakenChange(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	f.accept()
	f.write("b", "two")
	observe.Eventually(t, "change waits", func() bool { return len(f.w.changes) == 1 })
	f.write("c", "three")
	var c Change
	observe.Eventually(t, "the second holds the first", func() bool {
		select {
		case c = <-f.w.Changes():
		default:
		}
		return c.String() == "+b +c"
	})
	f.write("d", "four")
	if got := f.take().String(); got != "+b +c +d" {
		t.Errorf("after two that were not accepted: %q", got)
	}
	f.write("e", "five")
	observe.Eventually(t, "the fourth waits", func() bool { return len(f.w.changes) == 1 })
	for _, name := range []string{"b", "c", "d", "e"} {
		f.remove(name)
	}
	observe.Eventually(t, "what was undone is withdrawn", func() bool { return len(f.w.changes) == 0 })
	f.nothing()
}

func TestBaseAndPause(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	old := f.accept()
	f.w.Pause()
	f.write("a", "two")
	f.write("b", "new")
	next, err := f.w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !contentOf(next, "a", "two") || !contentOf(next, "b", "new") {
		t.Fatal("snapshot is not what the folder holds")
	}
	if s := f.w.Status(); !s.Paused {
		t.Error("status does not say that it is paused")
	}
	f.w.SetBase(next)
	f.w.Resume()
	f.nothing()

	// The other way round: the base goes back, so all differs.
	f.remove("zz-marker")
	if got := f.change("-zz-marker"); got != "-zz-marker" {
		t.Fatal(got)
	}
	f.w.SetBase(old)
	if got := f.take().String(); got != "+b ~a" {
		t.Errorf("against the old base: %q", got)
	}
	f.w.SetBase(old) // asks again
	if got := f.take().String(); got != "+b ~a" {
		t.Errorf("against the old base again: %q", got)
	}
}

// Pause takes back what nobody took.
func TestPauseWithdraws(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	f.accept()
	f.write("b", "two")
	observe.Eventually(t, "change waits", func() bool { return len(f.w.changes) == 1 })
	f.w.Pause()
	if len(f.w.changes) != 0 {
		t.Error("a change is there after Pause")
	}
	f.w.Resume()
	if got := f.change("+b"); got != "+b" {
		t.Errorf("after Resume: %q", got)
	}
}

// Without a base nothing is known to be a change.
func TestNothingWithoutBase(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	f.write("b", "two")
	observe.Eventually(t, "the file is found", func() bool { return f.w.Status().Files == 2 })
	if _, err := f.w.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.w.changes) != 0 {
		t.Error("a change without a base")
	}
}

func TestRulesAndBase(t *testing.T) {
	f := newFolder(t)
	f.write("app/models.py", "m")
	f.write("logs/today.log", "l")
	f.write("app/__pycache__/models.pyc", "c")
	f.write("README", "r")
	f.watch(Config{Rules: Rules{Include: []string{"/app/", "/other/**"}, Exclude: []string{"__pycache__/", "*.tmp"}}})
	f.w.SetBase(nil)
	if got := f.change("+app/models.py"); got != "+app/models.py" {
		t.Fatal(got)
	}
	// What the rules leave out stays in the tree as the base has it.
	outside := Entry{Path: "logs/other.log", Size: 1}
	tree, err := NewTree([]Entry{outside, mustEntry(t, f, "app/models.py")})
	if err != nil {
		t.Fatal(err)
	}
	f.w.SetBase(tree)
	f.write("logs/today.log", "more")
	f.write("app/x.tmp", "t")
	f.write("other/new", "n")
	c := f.take()
	if got := c.String(); got != "+other/new" {
		t.Fatalf("changes %q", got)
	}
	if got, ok := c.Tree.Get("logs/other.log"); !ok || got != outside {
		t.Error("the tree lost what the rules leave out")
	}
}

func mustEntry(t *testing.T, f *folder, path string) Entry {
	t.Helper()
	tree, err := f.w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, ok := tree.Get(path)
	if !ok {
		t.Fatalf("%s is not there", path)
	}
	return e
}

// An excluded file that is written all the time does not keep the others from
// settling.
func TestNoiseOutsideTheRules(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{Settle: 300 * time.Millisecond, MaxSettle: time.Hour, Rules: Rules{Exclude: []string{"/noise"}}})
	f.accept()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = os.WriteFile(f.path("noise"), []byte("x"), 0o644)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	defer func() { stop(); <-done }()
	f.write("a", "two")
	if got := f.change("~a"); got != "~a" {
		t.Error(got)
	}
}

func TestClosed(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	f.must(f.w.Close())
	f.must(f.w.Close())
	f.w.SetBase(nil)
	f.w.Pause()
	f.w.Resume()
	if err := f.w.ConfirmRemoval(f.w.Status().Finding); err == nil {
		t.Error("confirmed after Close")
	}
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot after Close")
	}
	if _, ok := <-f.w.Changes(); ok {
		t.Error("a change after Close")
	}
}

func TestSnapshotCancelled(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.w.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTooManyFiles(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{MaxFiles: 20})
	f.accept()
	for i := range 30 {
		f.write(fmt.Sprintf("many/%d/x", i), "x")
	}
	observe.Eventually(t, "suspicious", func() bool { return strings.Contains(f.w.Status().Suspicious, "more than 20 files") })
	if _, err := f.w.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of too many files")
	}
	if len(f.w.changes) != 0 {
		t.Error("a change of too many files")
	}
	if err := f.w.ConfirmRemoval(f.w.Status().Finding); err == nil {
		t.Error("too many files were confirmed")
	}
}

// kept is a Copy that remembers.
type kept struct {
	f    *copies
	text []byte
}

type copies struct {
	mu              sync.Mutex
	texts           []string
	begun, discards int
}

func (c *kept) Write(b []byte) (int, error) {
	c.text = append(c.text, b...)
	return len(b), nil
}

func (c *kept) Keep() [32]byte {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.texts = append(c.f.texts, string(c.text))
	return sha256.Sum256(c.text)
}

func (c *kept) Discard() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.discards++
}

// readingCopy is a Copy that reads by itself, and tells how much at a time.
type readingCopy struct {
	kept
	most *int64
}

func (c *readingCopy) ReadFrom(r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	c.text = append(c.text, b...)
	*c.most = max(*c.most, int64(len(b)))
	return int64(len(b)), err
}

func (c *readingCopy) Write([]byte) (int, error) { panic("it reads by itself") }

// TestCopyReads: a Copy that can read gets all of a file, and never more than a stride
// before others are heard.
func TestCopyReads(t *testing.T) {
	for _, size := range []int{0, 1, stride - 1, stride, stride + 1, 3 * stride, 3*stride + 5} {
		f := newFolder(t)
		content := bytes.Repeat([]byte("x"), size)
		f.write("new", string(content))
		var c copies
		var most int64
		w, err := newWatcher(f.config(Config{Copy: func(int64) Copy { return &readingCopy{kept{f: &c}, &most} }}), nil)
		f.must(err)
		asked := 0
		w.hasher.interrupt = func() bool { asked++; return false }
		root, err := w.look(time.Now())
		f.must(err)
		defer root.Close()
		w.hasher.copies = w.copyOf
		w.read(root, time.Now(), pass{all: true})
		tree := w.survey.tree(nil, w.rules, func(string) bool { return true })
		if !contentOf(tree, "new", string(content)) || len(c.texts) != 1 || c.texts[0] != string(content) {
			t.Errorf("%d bytes: not all were copied", size)
		}
		if most > stride || asked < size/stride {
			t.Errorf("%d bytes: %d at a time, and others heard %d times", size, most, asked)
		}
	}
}

// TestCopy: what is new is copied while it is hashed; what may be the base's is not.
func TestCopy(t *testing.T) {
	f := newFolder(t)
	f.write("same", "12345")
	var c copies
	f.watch(Config{Copy: func(size int64) Copy {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.begun++; size == 3 {
			return nil
		}
		return &kept{f: &c}
	}})
	f.accept()
	f.write("new", "a new file")
	f.write("small", "abc")
	f.write("same", "54321")
	if got := f.change("+new +small ~same"); got != "+new +small ~same" {
		t.Error(got)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.texts {
		if text != "a new file" {
			t.Errorf("copied %q", text)
		}
	}
	if len(c.texts) == 0 || c.begun-len(c.texts)-c.discards < 1 {
		t.Errorf("%d copies were begun, %d kept", c.begun, len(c.texts))
	}
}
