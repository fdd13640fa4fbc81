package watch

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a real folder with a Watcher.
type folder struct {
	testing.TB
	root string
	w    *Watcher
	log  *observe.Buffer
}

// newFolder makes a folder in which nothing is watched yet.
func newFolder(t testing.TB) *folder {
	t.Helper()
	return &folder{TB: t, root: filepath.Join(t.TempDir(), "home"), log: new(observe.Buffer)}
}

// testSettle is short; the rescan must not find what events should.
const testSettle = 40 * time.Millisecond

func (f *folder) config(cfg Config) Config {
	cfg.Root = f.root
	cfg.Settle = cmp.Or(cfg.Settle, testSettle)
	cfg.Rescan = cmp.Or(cfg.Rescan, time.Hour)
	cfg.Logger = slog.New(slog.NewTextHandler(f.log, nil))
	return cfg
}

// watch starts a Watcher that reports through the system.
func (f *folder) watch(cfg Config) *folder {
	f.Helper()
	w, err := New(f.config(cfg))
	if err != nil {
		f.Fatal(err)
	}
	f.use(w)
	return f
}

// watchWith starts a Watcher that hears of n what the test says.
func (f *folder) watchWith(cfg Config, n notifier) *folder {
	f.Helper()
	w, err := newWatcher(f.config(cfg), n)
	if err != nil {
		f.Fatal(err)
	}
	w.start()
	f.use(w)
	return f
}

func (f *folder) use(w *Watcher) {
	f.w = w
	f.Cleanup(func() { w.Close() })
	observe.Eventually(f, "first scan", func() bool { s := w.Status(); return !s.LastScan.IsZero() || s.Suspicious != "" })
}

// accept makes what the folder holds the base.
func (f *folder) accept() *Tree {
	f.Helper()
	tree, err := f.w.Snapshot(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.w.SetBase(tree)
	return tree
}

func (f *folder) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

func (f *folder) write(name, content string) {
	f.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.must(os.WriteFile(f.path(name), []byte(content), 0o644))
}

func (f *folder) remove(name string) {
	f.Helper()
	f.must(os.RemoveAll(f.path(name)))
}

func (f *folder) rename(from, to string) {
	f.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(to)), 0o755))
	f.must(os.Rename(f.path(from), f.path(to)))
}

func (f *folder) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// until takes changes until one is what is wanted, or returns the last. Others may
// come before it, when the machine held the test up in the middle of what it did;
// each holds the ones before it, so that what is wrong in one is wrong in the last.
func (f *folder) until(wanted func(Change) bool) Change {
	f.Helper()
	c := f.take()
	late := time.After(observe.Patience)
	for !wanted(c) {
		select {
		case c = <-f.w.Changes():
		case <-late:
			return c
		}
	}
	return c
}

// change waits for the change that is wanted and accepts it.
func (f *folder) change(want string) string {
	f.Helper()
	c := f.until(func(c Change) bool { return c.String() == want })
	f.w.SetBase(c.Tree)
	return c.String()
}

// gone waits for a change in which n files are removed.
func (f *folder) gone(n int) Change {
	f.Helper()
	c := f.until(func(c Change) bool { return len(c.Removed) == n })
	if len(c.Removed) != n {
		f.Fatalf("%d files removed, want %d", len(c.Removed), n)
	}
	return c
}

func (f *folder) take() Change {
	f.Helper()
	select {
	case c, ok := <-f.w.Changes():
		if !ok {
			f.Fatal("changes: closed")
		}
		return c
	case <-time.After(observe.Patience):
		f.Fatalf("no change within %s; status %+v\n%s", observe.Patience, f.w.Status(), f.log)
		panic("unreachable")
	}
}

// nothing makes sure that no change is waiting, by making one more change in a
// place of its own and finding it alone.
func (f *folder) nothing() {
	f.Helper()
	want := "+zz-marker"
	if _, err := os.Stat(f.path("zz-marker")); err == nil {
		want = "~zz-marker"
	}
	f.write("zz-marker", fmt.Sprint(time.Now().UnixNano()))
	if got := f.change(want); got != want {
		f.Errorf("changes %q, want none but the marker", got)
	}
}

// String is the change as "+added ~changed -removed".
func (c Change) String() string {
	var parts []string
	for _, list := range []struct {
		sign    string
		entries []Entry
	}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}} {
		for _, e := range list.entries {
			parts = append(parts, list.sign+e.Path)
		}
	}
	return strings.Join(parts, " ")
}

func contentOf(t *Tree, path string, content string) bool {
	e, ok := t.Get(path)
	return ok && e.SHA256 == sha256.Sum256([]byte(content)) && e.Size == int64(len(content))
}

// fakeNotifier says what a test wants, and never what happened.
type fakeNotifier struct {
	ev chan fsnotify.Event
	er chan error

	mu    sync.Mutex
	fail  error
	added []string
	calls []string // Add and Remove with the last segment of the path
	once  sync.Once
}

func newFakeNotifier() *fakeNotifier {
	return &fakeNotifier{ev: make(chan fsnotify.Event), er: make(chan error)}
}

func (n *fakeNotifier) Add(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail == nil {
		n.added = append(n.added, dir)
	}
	n.calls = append(n.calls, "add "+filepath.Base(dir))
	return n.fail
}

func (n *fakeNotifier) failWith(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

func (n *fakeNotifier) watches(dir string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.added, dir)
}

func (n *fakeNotifier) Remove(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, "remove "+filepath.Base(dir))
	return nil
}

func (n *fakeNotifier) Close() error {
	n.once.Do(func() { close(n.ev); close(n.er) })
	return nil
}

func (n *fakeNotifier) events() <-chan fsnotify.Event { return n.ev }
func (n *fakeNotifier) errors() <-chan error          { return n.er }

func onlyOn(t *testing.T, goos string) {
	t.Helper()
	if runtime.GOOS != goos {
		t.Skip("only on " + goos)
	}
}
