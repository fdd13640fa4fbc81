package history

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// TestTolerate: a log whose folder can't be written to is empty, takes nothing, and has all
// that it had when it can be opened again. Root may write anywhere, so something else is in
// the place of what would be written.
func TestTolerate(t *testing.T) {
	all := chain(t, nil, "1", "2", "3")
	for name, file := range map[string]string{"the record": publishedFile, "the manifests": "manifests", "the marks": quarantineFile} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, 0)
			propose(t, l, all...)
			if err := l.Quarantine(all[1].Ref(), "too slow"); err != nil {
				t.Fatal(err)
			}
			path, kept := filepath.Join(dir, file), filepath.Join(t.TempDir(), file)
			if err := os.Rename(path, kept); err != nil {
				t.Fatal(err)
			}
			if file == "manifests" {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			} else if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Config{Dir: dir}); err == nil {
				t.Error("it was opened without being told to tolerate it")
			}
			l, err := Open(Config{Dir: dir, Tolerate: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			trouble := l.Trouble()
			if trouble == nil || len(l.List()) != 0 || l.Head() != (release.Ref{}) {
				t.Errorf("trouble %v, releases %v", trouble, numbers(l))
			}
			if err := l.Propose(all[0], "x"); !errors.Is(err, trouble) {
				t.Errorf("a release was taken: %v", err)
			}
			if err := l.Reopen(); err == nil {
				t.Error("it was opened again too early")
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(kept, path); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.Reopen(), l.Trouble(), l.Reopen()); err != nil {
				t.Fatal(err)
			}
			if l.Head() != all[2].Ref() || len(l.List()) != 3 || l.QuarantineReason(all[1].Ref()) != "too slow" {
				t.Errorf("it has %v, the second one in quarantine for %q", numbers(l), l.QuarantineReason(all[1].Ref()))
			}
			propose(t, l, next(t, all[2], "4"))
		})
	}
}

// TestReopenIsQuiet: what lies in the folder and is no release is told of once, however
// often the log is opened again.
func TestReopenIsQuiet(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join("manifests", "notes.txt"), filepath.Join(publishedFile, "full")} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var told strings.Builder
	l, err := Open(Config{Dir: dir, Tolerate: true, Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for range 3 {
		if err := l.Reopen(); err == nil {
			t.Fatal("it was opened too early")
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, publishedFile)); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(told.String(), "notes.txt"); n != 1 {
		t.Errorf("it was told of %d times:\n%s", n, &told)
	}
}
