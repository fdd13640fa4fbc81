package apply

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/store"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// content is what a test's files hold; "+x" at the end is not in the file, but
// says that it may be executed.
type content map[string]string

// site is a server's folders, with everything that a test needs of them.
type site struct {
	root, state string
	store       *store.Store
}

func newSite(t testing.TB, st *store.Store) *site {
	t.Helper()
	dir := memory(t)
	s := &site{root: filepath.Join(dir, "home"), state: filepath.Join(dir, "state"), store: st}
	if err := os.Mkdir(s.root, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// memory returns a folder that is not on a disk where there is one, for the
// thousands of trees of these tests.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "apply-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	return openStore(t, memory(t))
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(store.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (s *site) config() Config {
	return Config{Root: s.root, State: s.state, Node: "server-1", Store: s.store}
}

func (s *site) applier(t testing.TB, f *faults) *Applier {
	t.Helper()
	cfg := s.config()
	if f == nil {
		f = &faults{}
	}
	cfg.open, cfg.large = f.open, testLarge
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// write puts files into the tree; a path that ends in a slash is a folder.
func (s *site) write(t testing.TB, files content) {
	t.Helper()
	for path, text := range files {
		name := filepath.Join(s.root, filepath.FromSlash(path))
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		text, exec := strings.CutSuffix(text, "+x")
		if exec {
			mode = 0o755
		}
		os.Remove(name)
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) remove(t testing.TB, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.RemoveAll(filepath.Join(s.root, filepath.FromSlash(p))); err != nil {
			t.Fatal(err)
		}
	}
}

// tree reads all of the tree but what Python compiled and what is staged. Folders end in a slash.
func (s *site) tree(t testing.TB) content {
	t.Helper()
	return readTree(t, s.root)
}

func readTree(t testing.TB, root string) content {
	t.Helper()
	out := content{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if d.Name() == cacheDir || rel == release.StagingDir {
				return fs.SkipDir
			}
			out[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[rel] = string(b)
		if info.Mode()&0o111 != 0 {
			out[rel] += "+x"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kept reads what lies under conflicts/.
func (s *site) kept(t testing.TB) content {
	t.Helper()
	out := content{}
	for path, text := range readTree(t, s.state) {
		if rest, ok := strings.CutPrefix(path, "conflicts/"); ok && !strings.HasSuffix(path, "/") {
			out[rest] = text
		}
	}
	return out
}

// make makes the release after parent and stores its content.
func (s *site) make(t testing.TB, parent *release.Manifest, files content) *release.Manifest {
	t.Helper()
	d := release.Draft{Kind: release.Patch, Origin: "server-9", Time: epoch}
	b := s.store.NewBatch()
	for path, text := range files {
		if strings.HasSuffix(path, "/") {
			continue
		}
		text, exec := strings.CutSuffix(text, "+x")
		f := release.File{Path: path, Size: int64(len(text)), SHA256: sha256.Sum256([]byte(text)), Exec: exec}
		if err := b.Put(strings.NewReader(text), f.SHA256, f.Size); err != nil {
			t.Fatal(err)
		}
		d.Files = append(d.Files, f)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	m, err := release.New(parent, d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func past(m ...*release.Manifest) iter.Seq[*release.Manifest] { return slices.Values(m) }

// dies runs f and tells whether a fault ended it.
func dies(f func()) (crashed bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case crash{}:
			crashed = true
		default:
			panic(p)
		}
	}()
	f()
	return false
}

func mustApply(t testing.TB, a *Applier, req Request) Result {
	t.Helper()
	r, err := a.Apply(context.Background(), req)
	if err != nil {
		t.Fatalf("apply release %d: %v", req.Target.Number, err)
	}
	return r
}

func diff(got, want content) string {
	var b strings.Builder
	paths := map[string]bool{}
	for p := range got {
		paths[p] = true
	}
	for p := range want {
		paths[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		g, inGot := got[p]
		w, inWant := want[p]
		switch {
		case !inGot:
			fmt.Fprintf(&b, "\n\t%s is missing", p)
		case !inWant:
			fmt.Fprintf(&b, "\n\t%s is there: %.200q", p, g)
		case g != w:
			fmt.Fprintf(&b, "\n\t%s: %.200q, want %.200q", p, g, w)
		}
	}
	return b.String()
}

func check(t testing.TB, what string, got, want content) {
	t.Helper()
	if d := diff(got, want); d != "" {
		t.Errorf("%s:%s", what, d)
	}
}

func isUnfinished(err error) bool { return errors.Is(err, ErrUnfinished) }
