package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/testbed/observe"
)

// fill writes n files on a node and waits until all have them.
func (c *cluster) fill(n int) map[string]string {
	c.Helper()
	c.linked()
	want := make(map[string]string)
	first := c.all()[0]
	for i := range n {
		name := fmt.Sprintf("d%d/f%d", i%7, i)
		first.write(name, name)
		want[name] = name
	}
	c.hold(want)
	return want
}

// TestWiped: a folder that is emptied, removed or replaced on one node deletes
// nothing on others, and is filled again, or emptied everywhere, when somebody says
// so.
func TestWiped(t *testing.T) {
	for name, wipe := range map[string]func(t *testing.T, n *node){
		"emptied": func(t *testing.T, n *node) {
			entries, err := os.ReadDir(n.root)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				n.erase(e.Name())
			}
		},
		"replaced by an empty one": func(t *testing.T, n *node) {
			if err := os.Rename(n.root, n.root+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(n.root, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"mostly gone": func(t *testing.T, n *node) {
			for i := range 5 {
				n.erase(fmt.Sprintf("d%d", i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "s00", "s02")
			// Long enough for a machine that is busy to remove all that it removes.
			n := c.start("s01", func(cfg *Config) { cfg.Settle = time.Second })
			want := c.fill(60)
			wipe(t, n)
			observe.Eventually(t, "it is suspicious", func() bool { return n.Status().Suspicious != "" })
			// The others go on meanwhile.
			c.node("s00").write("new", "new")
			want["new"] = "new"
			c.hold2(want, "s00", "s02")
			if got := n.content(); got["new"] != "" {
				t.Error("a folder that may be the wrong one was written to")
			}
			if err := n.Restore(); err != nil {
				t.Fatal(err)
			}
			c.hold(want)
			if s := n.Status(); s.Suspicious != "" || s.Missing != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("meant", func(t *testing.T) {
		c := newCluster(t, names(2)...)
		c.fill(60)
		n := c.node("s00")
		for i := range 7 {
			n.erase(fmt.Sprintf("d%d", i))
		}
		// Of all of it: what vanishes after that is not confirmed with it.
		observe.Eventually(t, "it is suspicious", func() bool { return strings.Contains(n.Status().Suspicious, "empty") })
		if err := n.ConfirmRemoval(n.Status().Finding); err != nil {
			t.Fatal(err)
		}
		c.hold(map[string]string{})
		// What the replica removes itself makes nobody suspicious.
		c.node("s01").write("new", "new")
		c.hold(map[string]string{"new": "new"})
	})
	t.Run("while off", func(t *testing.T) {
		c := newCluster(t, names(2)...)
		want := c.fill(30)
		n := c.node("s01")
		c.stop("s01")
		n.erase("")
		c.start("s01", nil)
		observe.Eventually(t, "it is suspicious", func() bool { return c.node("s01").Status().Suspicious != "" })
		if err := c.node("s01").Restore(); err == nil {
			t.Error("a folder that is not there was restored")
		}
		c.hold2(want, "s00")
	})
}

// TestSlowWipe: files that vanish a few at a time are many in the end.
func TestSlowWipe(t *testing.T) {
	c := newCluster(t, names(2)...)
	want := c.fill(100)
	n := c.node("s00")
	gone := 0
	for path := range want {
		n.erase(path)
		gone++
		if gone%8 == 0 {
			observe.Eventually(t, "the watcher has seen it", func() bool { return n.watcher.Status().Files <= 100-gone })
		}
	}
	observe.Eventually(t, "it is suspicious", func() bool { return n.Status().Suspicious != "" })
	if lost := 100 - len(c.node("s01").content()); lost > fewRemovals {
		t.Errorf("%d files were deleted on the other node", lost)
	}
}

// TestManyRemovals: many deletions that are not all reach the others.
func TestManyRemovals(t *testing.T) {
	c := newCluster(t, names(3)...)
	want := c.fill(100)
	for i := range 2 {
		c.node("s00").erase(fmt.Sprintf("d%d", i))
		maps.DeleteFunc(want, func(path, _ string) bool { return strings.HasPrefix(path, fmt.Sprintf("d%d/", i)) })
	}
	c.hold(want)
	for _, n := range c.all() {
		if s := n.Status(); s.Suspicious != "" {
			t.Errorf("%s: %+v", n.name, s)
		}
	}
}

// fullDisk is a folder on a disk that is full while a test says so.
type fullDisk struct {
	disk.FS
	full *atomic.Bool // a file that is larger than some bytes finds no room
	none *atomic.Bool // nothing is free
}

func (f fullDisk) Free(op string) (uint64, error) {
	if f.none.Load() {
		return 0, nil
	}
	return f.FS.Free(op)
}

func (f fullDisk) Create(op, name string, perm os.FileMode) (io.WriteCloser, error) {
	w, err := f.FS.Create(op, name, perm)
	return &fullFile{w, f.full, 0}, err
}

type fullFile struct {
	io.WriteCloser
	full *atomic.Bool
	n    int
}

func (f *fullFile) Write(b []byte) (int, error) {
	if f.n += len(b); f.full.Load() && f.n > 1000 {
		n, _ := f.WriteCloser.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return f.WriteCloser.Write(b)
}

// TestDiskFull: nothing half-written stays, the status says it, and the file comes
// when there is room.
func TestDiskFull(t *testing.T) {
	c := newCluster(t, "s00")
	var full, none atomic.Bool
	full.Store(true)
	n := c.start("s01", func(cfg *Config) {
		cfg.open = func(dir string) (disk.FS, error) {
			fs, err := disk.Open(dir)
			return fullDisk{fs, &full, &none}, err
		}
	})
	c.linked()
	c.node("s00").write("small", "small")
	c.node("s00").write("large", long(4096))
	observe.Eventually(t, "the status says it", func() bool {
		s := n.Status()
		return s.Missing == 1 && strings.Contains(s.Degraded, syscall.ENOSPC.Error()) && strings.Contains(s.Degraded, "large")
	})
	observe.Eventually(t, "nothing half-written stays", func() bool { return maps.Equal(n.content(), map[string]string{"small": "small"}) })
	none.Store(true)
	c.node("s00").write("tiny", "x")
	observe.Eventually(t, "no room is told", func() bool { return strings.Contains(n.Status().Degraded, errFull.Error()) })
	c.node("s00").erase("tiny")
	none.Store(false)
	full.Store(false)
	c.hold(map[string]string{"small": "small", "large": long(4096)})
	observe.Eventually(t, "the status is good again", func() bool {
		s := n.Status()
		return s.Degraded == "" && s.Missing == 0 && !n.staged()
	})
}

// TestCrash: a node that ends at any moment goes on from what is on the disk.
func TestCrash(t *testing.T) {
	c := newCluster(t, names(3)...)
	want := c.fill(50)
	for i := range 4 {
		n := c.node("s01")
		for j := range 20 {
			name := fmt.Sprintf("crash/%d-%d", i, j)
			c.all()[j%3].write(name, name)
			want[name] = name
		}
		time.Sleep(time.Duration(i*40) * time.Millisecond) // a moment in the work, not a wait for something
		c.abandon("s01")
		if i == 2 { // a line that was being written
			f, err := os.OpenFile(n.state+"/"+logName, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`0badc0de {"entry":{"pa`); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		c.start("s01", nil)
		c.hold(want)
	}
	for _, n := range c.all() {
		if s := n.Status(); s.Conflicts > 0 || s.Refused > 0 {
			t.Errorf("%s: %+v", n.name, s)
		}
	}
}

// abandon ends a node as a crash does: nothing more of it reaches the disk.
func (c *cluster) abandon(name string) {
	c.Helper()
	n := c.node(name)
	c.mu.Lock()
	delete(c.nodes, name)
	c.mu.Unlock()
	n.mu.Lock()
	n.logErr = errUnwritten // so that nothing is written any more
	n.journal.buf.Reset()
	n.mu.Unlock()
	if err := n.Close(); err != nil {
		c.Error(err)
	}
	if err := os.RemoveAll(n.state + "/hashes"); err != nil {
		c.Error(err)
	}
}

// TestLongAway: a node that was away for longer than deletions are remembered brings
// nothing back that the others deleted, and loses nothing that it made itself.
func TestLongAway(t *testing.T) {
	c := newCluster(t)
	var ahead atomic.Int64
	tune := func(cfg *Config) { cfg.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } }
	for _, name := range names(3) {
		c.start(name, tune)
	}
	want := c.fill(30)
	for _, n := range c.all() {
		observe.Eventually(t, "it is known when others were met", func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return !n.journal.met.IsZero()
		})
	}
	off := c.node("s02")
	c.stop("s02")
	for i := range 5 {
		c.node("s00").erase(fmt.Sprintf("d%d/f%d", i, i))
		delete(want, fmt.Sprintf("d%d/f%d", i, i))
	}
	c.hold(want)
	// The others meet each day, and forget.
	for range 40 {
		ahead.Add(int64(24 * time.Hour))
		for _, n := range c.all() {
			n.chores()
		}
		c.linked()
	}
	if n := c.node("s00"); n.index.tombs != 0 {
		t.Fatalf("%d deletions are remembered", n.index.tombs)
	}
	off.write("made/while/off", "new")
	want["made/while/off"] = "new"
	c.start("s02", tune)
	c.hold(want)
	if kept := c.node("s02").keptAside(); len(kept) != 5 {
		t.Errorf("kept aside: %q", kept)
	}
	// When nobody was there all the time, nothing is taken away.
	for _, name := range names(3) {
		c.stop(name)
	}
	ahead.Add(int64(40 * 24 * time.Hour))
	for _, name := range names(3) {
		c.start(name, tune)
	}
	c.hold(want)
	for _, n := range c.all() {
		observe.Eventually(t, "doubt ends", func() bool { return n.Status().Degraded == "" })
	}
}

// TestEndWhileAway: who closes a node does not wait until all is kept aside that was deleted
// while it was away.
func TestEndWhileAway(t *testing.T) {
	c := newCluster(t, "a")
	n := c.node("a")
	n.write("f", "f")
	observe.Eventually(t, "the file is known", func() bool { return n.Status().Files == 1 })
	n.mu.Lock()
	n.away = true
	n.index.doubt(time.Now().Add(time.Hour))
	n.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.met(ctx, "b", Digest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got, kept := n.content(), n.keptAside(); got["f"] != "f" || len(kept) > 0 {
		t.Errorf("%q, kept aside %q", got, kept)
	}
	if err := n.met(t.Context(), "b", Digest{}); err != nil || !has(n.keptAside(), "f") {
		t.Errorf("kept aside %q, %v", n.keptAside(), err)
	}
}

// TestLeftovers: what a crash left of an index that was being written anew is removed.
func TestLeftovers(t *testing.T) {
	c := newCluster(t, "a")
	n := c.node("a")
	c.stop("a")
	left := filepath.Join(n.state, logName+".123.tmp")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start("a", nil)
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestUnseenChange: what somebody writes on one node while another's change of the
// same file, or its deletion, comes is not overwritten before it was taken in.
func TestUnseenChange(t *testing.T) {
	c := newCluster(t, "a")
	const settle = 2 * time.Second
	b := c.start("b", func(cfg *Config) { cfg.Settle = settle })
	c.linked()
	a := c.node("a")
	for _, name := range []string{"changed", "deleted", "new"} {
		if name != "new" {
			a.write(name, "first")
			observe.Eventually(t, "b has it", func() bool { return b.content()[name] == "first" && b.Status().Missing == 0 })
		}
		written := time.Now()
		b.write(name, "of b")
		if name == "deleted" {
			a.erase(name)
		} else {
			a.write(name, "of a")
		}
		// Unless this machine stands still for so long that it has settled.
		settled := func() bool { return time.Since(written) >= settle }
		observe.Eventually(t, "b knows of a's change", func() bool { return settled() || b.index2(name).Version.last().Node == "a" })
		if got := b.content()[name]; got != "of b" && !settled() {
			t.Errorf("%s: b holds %q before it has settled", name, got)
		}
		observe.Eventually(t, "both agree", func() bool {
			x, y := a.content()[name], b.content()[name]
			return x == y && (x == "of b" || has(a.keptAside(), "of b") || has(b.keptAside(), "of b"))
		})
	}
}
