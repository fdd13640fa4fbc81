package conflicts

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/omflow/booster/internal/release/disk"
)

func open(t testing.TB, dir string) *Folder {
	t.Helper()
	in, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return New(in)
}

// check compares all files under conflicts/ with want.
func check(t testing.TB, dir string, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	root := filepath.Join(dir, "conflicts")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		got[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	keep := func(number uint64, origin, path, text string) Kept {
		t.Helper()
		k, err := f.Keep(number, origin, path, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if got, err := f.List(); err != nil || got != nil {
		t.Errorf("conflicts of a new server: %v, %v", got, err)
	}
	first := keep(7, "server-2", "dir/a.py", "mine")
	if first.File != "conflicts/7-server-2/dir/a.py" || first.Size != 4 {
		t.Errorf("%+v", first)
	}
	if again := keep(7, "server-2", "dir/a.py", "mine"); again.File != first.File {
		t.Errorf("the same content again: %s", again.File)
	}
	if other := keep(7, "server-2", "dir/a.py", "mine too"); other.File != "conflicts/7-server-2~2/dir/a.py" {
		t.Errorf("another content: %s", other.File)
	}
	// A folder where a file is kept, and the other way round.
	keep(7, "server-2", "dir/a.py/b", "deeper")
	keep(7, "server-2", "dir", "a file")
	keep(12, "server-3", "a.py", "")
	check(t, dir, map[string]string{
		"7-server-2/dir/a.py":     "mine",
		"7-server-2~2/dir/a.py":   "mine too",
		"7-server-2~3/dir/a.py/b": "deeper",
		"7-server-2~4/dir":        "a file",
		"12-server-3/a.py":        "",
	})
	list, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range list {
		got = append(got, fmt.Sprint(k.Number, " ", k.Origin, " ", k.Path, " ", k.File, " ", k.Size))
		if k.Time.IsZero() {
			t.Errorf("no time: %+v", k)
		}
	}
	slices.Sort(got)
	want := []string{
		"12 server-3 a.py conflicts/12-server-3/a.py 0",
		"7 server-2 dir conflicts/7-server-2~4/dir 6",
		"7 server-2 dir/a.py conflicts/7-server-2/dir/a.py 4",
		"7 server-2 dir/a.py conflicts/7-server-2~2/dir/a.py 8",
		"7 server-2 dir/a.py/b conflicts/7-server-2~3/dir/a.py/b 6",
	}
	if !slices.Equal(got, want) {
		t.Errorf("conflicts %q, want %q", got, want)
	}
}

func TestKeepRefuses(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for _, bad := range [][2]string{{"server-2", "../a"}, {"server-2", "/a"}, {"..", "a"}, {"a/b", "a"}, {"", "a"}} {
		if k, err := f.Keep(1, bad[0], bad[1], strings.NewReader("x")); err == nil {
			t.Errorf("%q: kept as %s", bad, k.File)
		}
	}
	gone := errors.New("peer is gone")
	if _, err := f.Keep(1, "server-2", "a", iotest.ErrReader(gone)); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if err := f.Sweep(); err != nil {
		t.Error(err)
	}
	check(t, dir, map[string]string{})
	// A link in the folder leads nowhere.
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "conflicts", "2-server-2")); err != nil {
		t.Skip(err)
	}
	k, err := f.Keep(2, "server-2", "a", strings.NewReader("x"))
	if err != nil || k.File != "conflicts/2-server-2~2/a" {
		t.Errorf("%+v, %v", k, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestManyVersions: a tree that is changed again and again doesn't fill the disk.
func TestManyVersions(t *testing.T) {
	f := open(t, t.TempDir())
	for i := range maxVersions {
		if _, err := f.Keep(1, "server-2", "a", strings.NewReader(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Keep(1, "server-2", "a", strings.NewReader("one more")); err == nil {
		t.Error("there is no end")
	}
}
