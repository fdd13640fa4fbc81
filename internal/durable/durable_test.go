package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, text := range []string{"one", "two, longer", ""} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("%q, %v; want %q", b, err, text)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	// The rename can't be done: the old state stays and nothing else does.
	if err := os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "folder"), []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := WriteFile(filepath.Join(dir, "missing", "x"), nil); err == nil {
		t.Error("a file in a folder that isn't there")
	}
}

type syncer struct {
	now, most, count *atomic.Int32
	err              error
}

func (s syncer) Sync() error {
	n := s.now.Add(1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	s.count.Add(1)
	s.now.Add(-1)
	return s.err
}

func TestSyncAll(t *testing.T) {
	for _, n := range []int{0, 1, together, 100} {
		var now, most, count atomic.Int32
		files := make([]syncer, n)
		for i := range files {
			files[i] = syncer{&now, &most, &count, nil}
		}
		if err := SyncAll(files); err != nil {
			t.Error(err)
		}
		if int(count.Load()) != n || most.Load() > together {
			t.Errorf("%d of %d synced, %d at once", count.Load(), n, most.Load())
		}
		if n == 0 {
			continue
		}
		broken := errors.New("disk on fire")
		files[n-1].err = broken
		if err := SyncAll(files); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.json", "a.json.123" + Suffix, "b" + Suffix} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"+Suffix), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if got := fmt.Sprint(entries); err != nil || len(entries) != 2 {
		t.Errorf("%s, %v", got, err)
	}
	if err := Sweep(filepath.Join(dir, "missing")); err == nil {
		t.Error("a folder that isn't there was swept")
	}
}
