package replica

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/watch"
)

// TestOtherFolder: a folder that takes the place of the known one, as when its file system
// is unmounted, without the system saying so: what is put there, or found to be gone there,
// must not count as deleted, or as new, when the known one is back.
func TestOtherFolder(t *testing.T) {
	c := newCluster(t, "a")
	mount := filepath.Join(c.dir, "mount")
	b := c.start("b", func(cfg *Config) { cfg.Root = filepath.Join(mount, "uploads") })
	b.root = b.cfg.Root
	want := c.fill(20)
	a := c.node("a")
	observe.Eventually(t, "b's watcher has seen all", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.placed) == 0
	})
	// The folder itself is not renamed, of which the system would tell.
	if err := os.Rename(mount, mount+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	a.write("new", "new")
	a.erase("d0/f0")
	want["new"] = "new"
	delete(want, "d0/f0")
	observe.Eventually(t, "both were tried", func() bool {
		n, _, _ := b.queue.failing()
		return n == 2 || b.index2("new").Size > 0 && b.Status().Missing == 0
	})
	if got := b.content(); len(got) > 0 {
		t.Errorf("the other folder was written to: %q", got)
	}
	gone := watch.Change{Tree: nil, Removed: []watch.Entry{{Path: "d1/f1"}}}
	if _, err := b.takeIn(gone, true, false); !errors.Is(err, errOther) {
		t.Errorf("what is gone from the other folder: %v", err)
	}
	if err := errors.Join(os.RemoveAll(mount), os.Rename(mount+".away", mount)); err != nil {
		t.Fatal(err)
	}
	b.write("back", "back")
	want["back"] = "back"
	c.hold(want)
}

// TestLinkInside: a folder that was moved within the replicated one, and a link left in its
// place: what becomes of the files under their old names does not reach those under their
// new ones.
func TestLinkInside(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	a, b := c.node("a"), c.node("b")
	want := map[string]string{"flow/deleted": "1", "flow/changed": "2"}
	for name, content := range want {
		a.write(name, content)
	}
	c.hold(want)
	if err := os.MkdirAll(b.path("archive"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.path("flow"), b.path("archive/flow")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("archive/flow", b.path("flow")); err != nil {
		t.Skip(err)
	}
	want["archive/flow/deleted"], want["archive/flow/changed"] = "1", "2"
	c.hold2(want, "a")
	a.erase("flow/deleted")
	a.write("flow/changed", "3")
	a.write("flow/sub/new", "4")
	delete(want, "flow/deleted")
	want["flow/changed"], want["flow/sub/new"] = "3", "4"
	observe.Eventually(t, "all was tried", func() bool {
		n, _, _ := b.queue.failing()
		return n == 3 || b.index2("flow/sub/new").Size > 0 && b.Status().Missing == 0
	})
	b.write("marker", "after all that b has told")
	want["marker"] = "after all that b has told"
	c.hold2(want, "a")
	here := map[string]string{"archive/flow/deleted": "1", "archive/flow/changed": "2", "marker": want["marker"]}
	observe.Eventually(t, "nothing else is here", func() bool { return maps.Equal(b.content(), here) })
	if s := b.Status(); !strings.Contains(s.Degraded, `"flow" is a link`) {
		t.Errorf("%+v", s)
	}
}

// TestConfirmedWhileBusy: a confirmation holds although what peers told meanwhile is carried
// out as soon as it is given.
func TestConfirmedWhileBusy(t *testing.T) {
	c := newCluster(t, "a", "b")
	want := c.fill(70)
	a, b := c.node("a"), c.node("b")
	for i := range 5 {
		a.erase(fmt.Sprintf("d%d", i))
		maps.DeleteFunc(want, func(path, _ string) bool { return strings.HasPrefix(path, fmt.Sprintf("d%d/", i)) })
	}
	observe.Eventually(t, "it is suspicious, and not written to", func() bool {
		a.queue.mu.Lock()
		defer a.queue.mu.Unlock()
		return a.queue.paused
	})
	b.erase("d6/f6")
	delete(want, "d6/f6")
	observe.Eventually(t, "it was told", func() bool { return a.index2("d6/f6").Deleted })
	if err := a.ConfirmRemoval(a.Status().Finding); err != nil {
		t.Fatal(err)
	}
	c.hold(want)
}
