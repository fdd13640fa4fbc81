package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, dir string) FS {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func create(t *testing.T, f FS, name, text string) {
	t.Helper()
	w, err := f.Create("create", name, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if err := f.Mkdir("mkdir", "d", 0o777); err != nil {
		t.Fatal(err)
	}
	create(t, f, "d/a", "hello")
	if _, err := f.Create("again", "d/a", 0o666); !errors.Is(err, fs.ErrExist) || !strings.HasPrefix(err.Error(), "again: ") {
		t.Errorf("a file that is there: %v", err)
	}
	if err := f.Link("link", "d/a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := f.Link("link again", "d/a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	create(t, f, "c", "over")
	if err := f.Rename("rename", "c", "d/a"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"d/a": "over", "b": "hello"} {
		r, err := f.Open("open", name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		r.Close()
	}
	if entries, err := f.ReadDir("list", "."); err != nil || len(entries) != 2 || entries[0].Name() != "b" {
		t.Errorf("%v, %v", entries, err)
	}
	if err := f.Remove("remove full folder", "d"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder that is not empty: %v", err)
	}
	if err := f.Remove("remove", "d/a"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("remove empty folder", "d"); err != nil {
		t.Error(err)
	}
	if _, err := f.Lstat("look", "d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := f.Lstat("look", "b/x"); ModesCount && !errors.Is(err, ErrNotFolder) {
		t.Errorf("a name in a file: %v", err)
	}
	if n, err := f.Free("free"); err != nil || n == 0 {
		t.Errorf("%d bytes free, %v", n, err)
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

// TestSync syncs more files than are held open, folders, and what isn't there.
func TestSync(t *testing.T) {
	f := open(t, t.TempDir())
	create(t, f, "file", "")
	names := []string{".", "missing", "missing/too", "file/below"}
	for i := range openAtOnce + 3 {
		name := fmt.Sprint(i)
		create(t, f, name, name)
		names = append(names, name)
	}
	if err := f.Sync("sync", names...); err != nil {
		t.Error(err)
	}
	if err := f.Sync("nothing"); err != nil {
		t.Error(err)
	}
}

// TestStaysInside: no name and no link leads out.
func TestStaysInside(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := open(t, dir)
	create(t, f, "a", "mine")
	names := []string{"../" + filepath.Base(outside) + "/secret", secret}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err == nil {
		names = append(names, "link/secret")
	}
	for _, name := range names {
		tries := map[string]error{
			"create":    second(f.Create("x", name+"2", 0o666)),
			"open":      second(f.Open("x", name)),
			"lstat":     second(f.Lstat("x", name)),
			"readdir":   second(f.ReadDir("x", filepath.Dir(name))),
			"chmod":     f.Chmod("x", name, 0o777),
			"mkdir":     f.Mkdir("x", name+"3", 0o777),
			"rename":    f.Rename("x", "a", name),
			"take":      f.Rename("x", name, "b"),
			"link":      f.Link("x", name, "b"),
			"link to":   f.Link("x", "a", name+"4"),
			"remove":    f.Remove("x", name),
			"removeall": f.RemoveAll("x", name),
			"sync":      f.Sync("x", name),
		}
		for what, err := range tries {
			if err == nil {
				t.Errorf("%s %s: it was done", what, name)
			}
		}
	}
	entries, err := os.ReadDir(outside)
	if b, rerr := os.ReadFile(secret); err != nil || rerr != nil || len(entries) != 1 || string(b) != "secret" {
		t.Errorf("%v, %v; %q, %v", entries, err, b, rerr)
	}
}

func second[T any](_ T, err error) error { return err }
