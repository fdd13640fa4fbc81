package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestReserve: a reserved file has its size, is filled in place, and is not left where it
// can't be had.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 1 << 20
	err = f.Reserve("reserve", "a", 0o640, size)
	if errors.Is(err, errors.ErrUnsupported) {
		if _, err := f.Lstat("look", "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there: %v", err)
		}
		t.Skip("the system can't")
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Lstat("look", "a"); err != nil || info.Size() != size {
		t.Errorf("%v, %v", info, err)
	}
	if err := f.Reserve("reserve", "a", 0o640, size); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	w, err := f.Fill("fill", "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil || len(b) != size || string(b[:7]) != "content" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := f.Fill("fill", "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not reserved: %v", err)
	}
	if err := f.Reserve("reserve", "large", 0o640, 1<<60); err == nil {
		t.Error("there is room for an exabyte")
	}
	if _, err := f.Lstat("look", "large"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file for which there is no room is there: %v", err)
	}
}
