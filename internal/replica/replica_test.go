package replica

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// TestSpread: what changes on one node is on all of them, long before the folders or the
// nodes are compared.
func TestSpread(t *testing.T) {
	for _, n := range []int{3, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newCluster(t, names(n)...)
			c.linked()
			want := map[string]string{}
			step := func(what string, do func()) {
				t.Helper()
				began := time.Now()
				do()
				c.hold(want)
				t.Logf("%s: %s", what, time.Since(began))
			}
			a, b := c.node("s00"), c.node("s01")
			step("new file", func() {
				a.write("omformflow/採購單/1/附件.txt", "hello")
				want["omformflow/採購單/1/附件.txt"] = "hello"
			})
			step("change on another node", func() {
				b.write("omformflow/採購單/1/附件.txt", "changed")
				want["omformflow/採購單/1/附件.txt"] = "changed"
			})
			step("more", func() {
				for i := range 5 {
					name := fmt.Sprintf("dir/%d", i)
					a.write(name, name)
					want[name] = name
				}
			})
			step("rename of a folder", func() {
				if err := os.Rename(a.path("dir"), a.path("資料")); err != nil {
					t.Fatal(err)
				}
				for i := range 5 {
					want[fmt.Sprintf("資料/%d", i)] = fmt.Sprintf("dir/%d", i)
					delete(want, fmt.Sprintf("dir/%d", i))
				}
			})
			step("deletion", func() {
				b.erase("omformflow")
				delete(want, "omformflow/採購單/1/附件.txt")
			})
			for _, n := range c.all() {
				observe.Eventually(t, n.name+" has neither the folder that was renamed nor the staging folder", func() bool {
					_, err := os.Stat(n.path("dir"))
					return err != nil && !n.staged()
				})
				if s := n.Status(); s.Missing != 0 || s.Conflicts != 0 || s.Refused != 0 || s.Suspicious != "" || s.Files != len(want) {
					t.Errorf("%s: %+v", n.name, s)
				}
			}
		})
	}
}

// TestMeta: time, executable bit and rights come along.
func TestMeta(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	a, b := c.node("a"), c.node("b")
	if err := os.Chmod(b.root, 0o750); err != nil {
		t.Fatal(err)
	}
	a.write("d/run", "#!/bin/sh")
	at := time.Date(2020, 2, 3, 4, 5, 6, 7000, time.UTC)
	if err := os.Chtimes(a.path("d/run"), at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(a.path("d/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.hold(map[string]string{"d/run": "#!/bin/sh"})
	info, err := os.Stat(b.path("d/run"))
	if err != nil || !info.ModTime().Equal(at) || info.Mode().Perm() != 0o750&0o666|0o110 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chmod(a.path("d/run"), 0o644); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the executable bit goes", func() bool {
		info, err := os.Stat(b.path("d/run"))
		return err == nil && info.Mode()&0o111 == 0
	})
}

// TestConcurrent: of two changes of one file, all nodes take the same, and the other
// is kept aside.
func TestConcurrent(t *testing.T) {
	c := newCluster(t, names(3)...)
	c.node("s00").write("f", "first")
	c.hold(map[string]string{"f": "first"})
	for _, name := range names(3) {
		c.isolate(name, true)
	}
	c.node("s00").write("f", "of s00")
	observe.Eventually(t, "s00 has taken it", func() bool { return c.node("s00").index2("f").Version.last().Counter == 2 })
	c.node("s01").write("f", "of s01")
	c.node("s01").write("g", "of s01 alone")
	observe.Eventually(t, "s01 has taken it", func() bool { return c.node("s01").index2("f").Version.last().Counter == 2 })
	for _, name := range names(3) {
		c.isolate(name, false)
	}
	c.hold(map[string]string{"f": "of s01", "g": "of s01 alone"})
	if kept := c.node("s00").keptAside(); !has(kept, "of s00") || c.node("s00").Status().Conflicts != 1 {
		t.Errorf("kept aside: %q; %+v", kept, c.node("s00").Status())
	}
	if kept := c.node("s01").keptAside(); len(kept) > 0 {
		t.Errorf("the winner keeps %q aside", kept)
	}
	// Not only the last step counts: two steps on one side do not hide the other's.
	c.isolate("s02", true)
	c.node("s02").write("g", "of s02")
	observe.Eventually(t, "s02 has taken it", func() bool { return c.node("s02").index2("g").Version.last().Node == "s02" })
	for i := range 3 {
		text := fmt.Sprint("step ", i)
		c.node("s00").write("g", text)
		observe.Eventually(t, "s01 has it", func() bool { return c.node("s01").content()["g"] == text })
	}
	c.isolate("s02", false)
	c.hold(map[string]string{"f": "of s01", "g": "step 2"})
	if kept := c.node("s02").keptAside(); !has(kept, "of s02") {
		t.Errorf("kept aside: %q", kept)
	}
}

// index2 is what a node knows of a path.
func (n *node) index2(path string) Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.index.get(path).entry; e != nil {
		return *e
	}
	return Entry{}
}

// TestAway: a node that was off for a change, a deletion and a rename, and that
// changed something itself, has all of it, and brings nothing back.
func TestAway(t *testing.T) {
	c := newCluster(t, names(3)...)
	a := c.node("s00")
	for _, name := range []string{"change", "delete", "old/x", "stay", "touch"} {
		a.write(name, name)
	}
	c.hold(map[string]string{"change": "change", "delete": "delete", "old/x": "old/x", "stay": "stay", "touch": "touch"})
	off := c.node("s02")
	c.stop("s02")
	a.write("change", "changed")
	a.erase("delete")
	if err := os.Rename(a.path("old"), a.path("new")); err != nil {
		t.Fatal(err)
	}
	off.write("offline", "written while off")
	off.erase("touch")
	c.hold2(map[string]string{"change": "changed", "new/x": "old/x", "stay": "stay", "touch": "touch"}, "s00", "s01")
	c.start("s02", nil)
	c.hold(map[string]string{"change": "changed", "new/x": "old/x", "stay": "stay", "offline": "written while off"})
	for _, n := range c.all() {
		if kept := n.keptAside(); len(kept) > 0 {
			t.Errorf("%s keeps %q aside", n.name, kept)
		}
	}
}

// hold2 is hold for some nodes, without their digests.
func (c *cluster) hold2(want map[string]string, names ...string) {
	c.Helper()
	for _, name := range names {
		observe.Eventually(c, name+" holds what it should", func() bool { return maps.Equal(c.node(name).content(), want) })
	}
}

// TestIndexLost: a node without its index deletes nothing anywhere, fetches nothing
// that it has, and keeps aside what nobody knows.
func TestIndexLost(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, names(2)...)
			a, b := c.node("s00"), c.node("s01")
			want := map[string]string{}
			for i := range 30 {
				name := fmt.Sprint("f", i)
				a.write(name, name)
				want[name] = name
			}
			c.hold(want)
			c.stop("s01")
			spoil(t, filepath.Join(b.state, logName))
			b.erase("f0")
			b.write("f1", "set back")
			b.write("own", "only here")
			a.erase("f2")
			a.write("f3", "changed")
			delete(want, "f2")
			want["f3"] = "changed"
			c.hold2(want, "s00")
			before := mtime(t, b.path("f9"))
			b = c.start("s01", nil)
			want["own"] = "only here"
			c.hold(want)
			if !mtime(t, b.path("f9")).Equal(before) {
				t.Error("a file that was there was written again")
			}
			if kept := b.keptAside(); !has(kept, "set back") || has(kept, "f2") {
				t.Errorf("kept aside: %q", kept)
			}
		})
	}
}

func mtime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}
