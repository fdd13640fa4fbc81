package replica

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/watch"
)

// TestStall: a peer that begins to send and falls silent is left, and others may be
// asked.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(Blob) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { _, _ = w.Write([]byte("cont")) }() // ends when the reader is closed
			return r, nil
		}
		cfg := Config{Root: t.TempDir(), Node: "a", Peers: nil}.withDefaults()
		r := &Replica{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		r.cfg.Peers = &stopping{liar{fetch: silent}}
		tree, err := r.cfg.openTree()
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		e := entry("f", "content", "evil", 1)
		began := time.Now()
		theirs, err := r.fetchFrom(t.Context(), tree, &e, staging+"/x", "evil")
		if !theirs || err == nil || !strings.Contains(err.Error(), "nothing came") || time.Since(began) != stall {
			t.Errorf("theirs %t, %v, after %s", theirs, err, time.Since(began))
		}
	})
}

// stopping is a liar whose content ends with the context, as one over HTTP does.
type stopping struct{ liar }

func (s *stopping) Fetch(ctx context.Context, peer string, b Blob) (io.ReadCloser, error) {
	r, err := s.liar.Fetch(ctx, peer, b)
	context.AfterFunc(ctx, func() { r.Close() })
	return r, err
}

// TestLoses: whose content is kept aside before it is overwritten.
func TestLoses(t *testing.T) {
	r := &Replica{cfg: Config{Node: "a"}}
	at := func(content string, v Version) *Entry {
		e := entry("f", content, "", 0)
		e.Version = v
		return &e
	}
	for _, tt := range []struct {
		what     string
		local, e *Entry
		want     bool
	}{
		{"goes back to it", at("x", Version{{"b", 1}}), at("y", Version{{"b", 1}, {"c", 2}}), false},
		{"its own later change", at("x", Version{{"b", 1}}), at("y", Version{{"b", 2}}), false},
		{"concurrent, of another node", at("x", Version{{"b", 2}}), at("y", Version{{"c", 3}}), true},
		{"concurrent, of this node", at("x", Version{{"a", 2}}), at("y", Version{{"c", 3}}), true},
		{"concurrent, the same content", at("x", Version{{"a", 2}}), at("x", Version{{"c", 3}}), false},
		{"only found", at("x", found("a")), at("y", Version{{"a", 3}}), true},
		{"of this node, which forgot a change", at("x", Version{{"a", 2}}), at("y", Version{{"a", 3}}), true},
	} {
		if got := r.loses(tt.local, tt.e); got != tt.want {
			t.Errorf("%s: %t", tt.what, got)
		}
	}
}

// TestLateReport: what the watcher saw before the replica wrote a file is no change.
func TestLateReport(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	c.node("a").write("f", "content")
	c.hold(map[string]string{"f": "content"})
	b := c.node("b")
	observe.Eventually(t, "it has arrived", func() bool { return b.Status().Missing == 0 })
	late := watch.Change{
		Changed: []watch.Entry{{Path: "f", Size: 7, SHA256: sha256.Sum256([]byte("earlier"))}},
		Removed: []watch.Entry{{Path: "f", Size: 7}},
	}
	before := b.index2("f")
	b.does(func() {
		if _, err := b.takeIn(late, true, false); err != nil {
			t.Error(err)
		}
	})
	if after := b.index2("f"); !after.same(&before) || compareVersions(before.Version, after.Version) != 0 {
		t.Errorf("%+v, was %+v", after, before)
	}
}

// does has the goroutine that owns what is known of the watcher do something.
func (n *node) does(f func()) {
	n.c.Helper()
	done := make(chan struct{})
	select {
	case n.calls <- func(context.Context) { defer close(done); f() }:
		<-done
	case <-n.ended:
		n.c.Fatal("the replica is closed")
	}
}

// TestOtherwiseByNow: what is otherwise when a change is taken in than when the watcher saw
// it, and then becomes what the watcher saw, is taken in in the end.
func TestOtherwiseByNow(t *testing.T) {
	c := newCluster(t, "a", "b")
	want := c.fill(30)
	a := c.node("a")
	a.write("removed", "stays")
	want["removed"] = "stays"
	c.hold(want)
	observe.Eventually(t, "all is known", func() bool { return a.Status().Files == len(want) })
	a.does(func() {
		seen := func() watch.Change {
			tree, err := a.watcher.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return a.since(tree)
		}
		a.write("added", "new")
		a.write("d0/f0", "changed")
		a.erase("removed")
		change := seen()
		a.erase("added")
		a.write("d0/f0", "once more")
		a.write("removed", "stays")
		a.report(change)
		a.write("added", "new")
		a.write("d0/f0", "changed")
		a.erase("removed")
	})
	want["added"], want["d0/f0"] = "new", "changed"
	delete(want, "removed")
	c.hold(want)
}

// TestFolderForFile: a folder that takes a file's place does so everywhere.
func TestFolderForFile(t *testing.T) {
	c := newCluster(t, "a", "b")
	want := c.fill(30)
	a := c.node("a")
	a.write("x", "file")
	want["x"] = "file"
	c.hold(want)
	a.erase("x")
	a.write("x/y", "in a folder")
	delete(want, "x")
	want["x/y"] = "in a folder"
	c.hold(want)
	a.erase("x")
	a.write("x", "file again")
	delete(want, "x/y")
	want["x"] = "file again"
	c.hold(want)
}

// TestBackToFormer: who gives a file the content back that it had before another node's came,
// before the watcher has seen that one, has changed it all the same.
func TestBackToFormer(t *testing.T) {
	c := newCluster(t, "a")
	b := c.start("b", func(cfg *Config) { cfg.Settle = time.Second })
	want := c.fill(3)
	a := c.node("a")
	observe.Eventually(t, "b's watcher has seen all", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.placed) == 0
	})
	a.write("d0/f0", "of a")
	observe.Eventually(t, "b has it", func() bool { return b.content()["d0/f0"] == "of a" && b.Status().Missing == 0 })
	b.write("d0/f0", want["d0/f0"])
	c.hold(want)
}

// TestBackMeanwhile: another node goes back to what was here just while what came between is
// put in place: that is fetched again.
func TestBackMeanwhile(t *testing.T) {
	c := newCluster(t, "a")
	n := c.node("a")
	n.write("f", "former")
	observe.Eventually(t, "the file is known", func() bool { return n.Status().Files == 1 })
	between, back := entry("f", "between", "b", 2), entry("f", "former", "b", 3)
	n.disk.Lock()
	n.mu.Lock()
	_, err := n.index.take(&between, time.Now())
	placed := n.index.get("f").entry
	n.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Receive("b", []Entry{back}); err != nil {
		t.Fatal(err)
	}
	n.write("f", "between")
	n.arrived(placed, nil)
	n.disk.Unlock()
	observe.Eventually(t, "it is fetched", func() bool {
		_, path, err := n.queue.failing() // there is no other node
		return path == "f" && err != nil
	})
}
