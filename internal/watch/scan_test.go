package watch

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// refused returns the reason for a name in the status, or "".
func (f *folder) refused(name string) string {
	for _, line := range f.w.Status().Refused {
		if reason, ok := strings.CutPrefix(line, name+": "); ok {
			return reason
		}
	}
	return ""
}

func (f *folder) link(target, name string) {
	f.Helper()
	if err := os.Symlink(target, f.path(name)); err != nil {
		f.Skip(err)
	}
}

// Links are never followed: not out of the folder, not within it, not to a
// directory.
func TestLinks(t *testing.T) {
	f := newFolder(t)
	outside := t.TempDir()
	f.must(os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o600))
	f.write("real/a", "one")
	f.link(filepath.Join(outside, "secret"), "file")
	f.link(outside, "dir")
	f.link("real", "inside")
	f.link("real/a", "alias")
	f.link("nowhere", "dangling")
	f.watch(Config{})
	f.w.SetBase(nil)
	c := f.take()
	if got := c.String(); got != "+real/a" {
		t.Errorf("changes %q", got)
	}
	for _, name := range []string{"file", "dir", "inside", "alias", "dangling"} {
		if got := f.refused(name); got != "is a symbolic link" {
			t.Errorf("%s: refused because %q", name, got)
		}
	}
	if s := f.w.Status(); s.RefusedCount != 5 || s.Dirs != 2 {
		t.Errorf("status %+v", s)
	}
	if n := strings.Count(f.log.String(), "alias: is a symbolic link"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	// A link in the place of a file or a directory of the base is no deletion,
	// and nothing that it leads to is published.
	f.w.SetBase(c.Tree)
	f.write("other/a", "two")
	f.rename("real", "gone")
	f.link("other", "real")
	c = f.until(func(c Change) bool { return c.String() == "+gone/a +other/a" })
	if got := c.String(); got != "+gone/a +other/a" || !contentOf(c.Tree, "real/a", "one") {
		t.Errorf("changes %q", got)
	}
	f.w.SetBase(c.Tree)
	f.remove("other/a")
	f.link("../gone/a", "other/a")
	f.nothing()
}

// A link that comes between the listing and the opening is not followed either.
func TestLinkRace(t *testing.T) {
	f := newFolder(t)
	f.write("real/a", "one")
	f.link("real", "link")
	root, err := os.OpenRoot(f.root)
	f.must(err)
	defer root.Close()
	if h, err := openDir(root, "link"); err == nil {
		h.Close()
		t.Error("a link to a directory was opened")
	}
	info, err := root.Lstat("real/a")
	f.must(err)
	f.remove("real/a")
	f.write("b", "one")
	f.link("../b", "real/a")
	cfg := Config{}.withDefaults()
	h := newHasher(&cfg, func() bool { return false })
	file := &file{path: "real/a", stamp: stampOf(info)}
	if v, _ := h.read(root, file); v == hashed {
		t.Error("a link in a file's place was read")
	}
}

func TestSpecialFiles(t *testing.T) {
	onlyOn(t, "linux")
	f := newFolder(t)
	f.write("a", "one")
	l, err := net.Listen("unix", f.path("socket"))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	makeFifo(t, f.path("pipe"))
	f.watch(Config{})
	f.accept()
	if a, b := f.refused("socket"), f.refused("pipe"); a != "is a socket" || b != "is a named pipe" {
		t.Errorf("socket: %q, pipe: %q", a, b)
	}
	// Opening a pipe that took a file's place does not wait for its writer.
	f.remove("a")
	makeFifo(t, f.path("a"))
	f.nothing()
}

func TestNames(t *testing.T) {
	onlyOn(t, "linux") // others do not let most of these be made
	f := newFolder(t)
	f.write("good", "g")
	bad := map[string]string{
		"back\\slash": "backslash", "new\nline": "control", "\xff\xfe": "UTF-8", "con.py": "reserved", "dot.": "dot or a space",
		"COM1/inside": "reserved", "deep/1/2/3/4/x": "", "long-" + strings.Repeat("x", 100): "longer than 80", "large": "larger than 1000",
	}
	for name := range bad {
		f.write(name, "x")
	}
	f.write("large", strings.Repeat("x", 1001))
	f.write("exact", strings.Repeat("x", 1000))
	f.watch(Config{MaxDepth: 4, MaxPath: 80, MaxFileSize: 1000})
	f.w.SetBase(nil)
	if got := f.change("+exact +good"); got != "+exact +good" {
		t.Errorf("changes %q", got)
	}
	for name, part := range bad {
		shown := printable(name)
		switch name {
		case "COM1/inside":
			shown = "COM1"
		case "deep/1/2/3/4/x":
			shown, part = "deep/1/2/3/4", "more than 4 directories"
		}
		if got := f.refused(shown); !strings.Contains(got, part) || got == "" {
			t.Errorf("%s: refused because %q", shown, got)
		}
	}
	// The base's file goes on when the one on disk is refused.
	f.write("exact", strings.Repeat("x", 1001))
	f.nothing()
}

func TestCheckName(t *testing.T) {
	for name, part := range map[string]string{
		"a": "", "a b": "", ".git": "", "..a": "", "名前.py": "", "CONSOLE": "", "com": "", "com10": "", "COMA": "", "lpt": "", "nul-x": "",
		"con": "reserved", "CON": "reserved", "nul.tar.gz": "reserved", "Aux .py": "reserved", "lpt9.txt": "reserved", "com¹": "reserved",
		"conin$": "reserved", "prn": "reserved", "a\x7f": "control", "a\u0085": "control", "a.": "dot", "a ": "space", `\`: "backslash", "\xc3": "UTF-8",
	} {
		got := checkName(name)
		if (part == "") != (got == "") || !strings.Contains(got, part) {
			t.Errorf("%q: %q, want %q", name, got, part)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{{"abc", "ABC", "aBc"}, {"é", "É"}, {"k", "K", "\u212a"}, {"s", "S", "ſ"}, {"σ", "ς", "Σ"}, {"ǆ", "ǅ", "Ǆ"}} {
		for _, s := range same {
			if fold(s) != fold(same[0]) {
				t.Errorf("%q and %q are not folded to the same", s, same[0])
			}
		}
	}
	for _, other := range [][2]string{{"a", "b"}, {"e", "é"}, {"ss", "ß"}, {"i", "ı"}} {
		if fold(other[0]) == fold(other[1]) {
			t.Errorf("%q and %q are folded to the same", other[0], other[1])
		}
	}
}

func TestCollisions(t *testing.T) {
	onlyOn(t, "linux") // others take such names for one
	f := newFolder(t)
	f.write("Readme", "known")
	f.write("app/a.py", "a")
	f.watch(Config{})
	f.accept()
	f.write("README", "new")
	f.write("App/b.py", "b")
	f.write("x/one", "1")
	f.write("x/ONE", "1")
	f.write("x/two", "2")
	if got := f.change("+x/two"); got != "+x/two" {
		t.Errorf("changes %q", got)
	}
	for _, name := range []string{"README", "App", "x/one", "x/ONE"} {
		if got := f.refused(name); !strings.Contains(got, "by case only") {
			t.Errorf("%s: refused because %q", name, got)
		}
	}
	// The known one goes on.
	f.write("Readme", "changed")
	f.write("app/a.py", "A")
	if got := f.change("~Readme ~app/a.py"); got != "~Readme ~app/a.py" {
		t.Errorf("changes %q", got)
	}
	// Without the other, a refused one counts.
	f.remove("x/ONE")
	if got := f.change("+x/one"); got != "+x/one" {
		t.Errorf("changes %q", got)
	}
	f.rename("README", "README2")
	f.rename("README2", "Readme")
	f.rename("App", "b-app")
	if got := f.change("+b-app/b.py ~Readme"); got != "+b-app/b.py ~Readme" {
		t.Errorf("changes %q", got)
	}
	if s := f.w.Status(); s.RefusedCount != 0 || len(s.Refused) != 0 {
		t.Errorf("still refused: %q", s.Refused)
	}
}

// What cannot be read is refused, not deleted, and tried again.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("needs a user whom permissions bind")
	}
	f := newFolder(t)
	f.write("a", "one")
	f.write("d/b", "two")
	f.watch(Config{Rescan: 20 * time.Millisecond})
	f.accept()
	f.must(os.Chmod(f.path("a"), 0))
	f.must(os.Chmod(f.path("d"), 0))
	observe.Eventually(t, "both are refused", func() bool { return f.refused("a") != "" && f.refused("d") != "" })
	f.nothing()
	f.must(os.Chmod(f.path("a"), 0o644))
	f.must(os.Chmod(f.path("d"), 0o755))
	observe.Eventually(t, "none is refused", func() bool { return f.w.Status().RefusedCount == 0 })
	f.nothing()
}

func TestTree(t *testing.T) {
	entry := func(path string, b byte) Entry { return Entry{Path: path, Size: int64(b), SHA256: [32]byte{b}} }
	given := []Entry{entry("b", 2), entry("a/x", 1), entry("a", 3), entry("a.b", 4)}
	tree := mustTree(t, given...)
	given[0].Path = "changed"
	var paths []string
	for e := range tree.All() {
		paths = append(paths, e.Path)
	}
	if !slices.Equal(paths, []string{"a", "a.b", "a/x", "b"}) {
		t.Errorf("order %q", paths)
	}
	if tree.Len() != 4 || tree.Bytes() != 10 {
		t.Errorf("%d files of %d bytes", tree.Len(), tree.Bytes())
	}
	if e, ok := tree.Get("a/x"); !ok || e.Size != 1 {
		t.Errorf("get: %v %v", e, ok)
	}
	if _, ok := tree.Get("a/"); ok {
		t.Error("found what is not there")
	}
	if _, err := NewTree([]Entry{entry("a", 1), entry("b", 1), entry("a", 2)}); err == nil {
		t.Error("two of one path were taken")
	}
	var empty *Tree
	if empty.Len() != 0 || empty.Bytes() != 0 || !empty.Equal(mustTree(t)) || empty.Equal(tree) {
		t.Error("nil is not the empty tree")
	}
	for path, want := range map[string]bool{"a": true, "a/x": true, "b": true, "a/": false, "c": false} {
		if tree.holds(path) != want {
			t.Errorf("holds %s: %v", path, !want)
		}
	}
	other := mustTree(t, entry("a", 3), entry("a.b", 5), entry("c", 1), entry("0", 1))
	c := compare(tree, other)
	if got := c.String(); got != "+0 +c ~a.b -a/x -b" {
		t.Errorf("compare: %q", got)
	}
	if c.Changed[0].Size != 5 || c.Removed[1].Size != 2 {
		t.Error("changed are not the new entries, or removed not the old")
	}
	if c := compare(tree, tree); !c.empty() {
		t.Errorf("compare with itself: %q", c.String())
	}
}
