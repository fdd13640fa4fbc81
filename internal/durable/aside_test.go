package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeepDamaged: the file stays until another takes its name, and is kept then too.
func TestKeepDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, text := range []string{"half of i", "anoth"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		aside, err := KeepDamaged(path)
		if err != nil || aside != path+Damaged {
			t.Fatalf("%q, %v", aside, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("the file itself: %q, %v", b, err)
		}
		if err := WriteFile(path, []byte("whole")); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(aside); err != nil || string(b) != text {
			t.Errorf("aside: %q, %v", b, err)
		}
		if err := os.Remove(path); err != nil { // what is written next must not reach the second name
			t.Fatal(err)
		}
	}
	if _, err := KeepDamaged(filepath.Join(dir, "missing")); err == nil {
		t.Error("a file that isn't there was kept")
	}
	// It can't be kept: it stays as it is.
	if err := os.MkdirAll(filepath.Join(dir, "full"+Damaged, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "full")
	if err := os.WriteFile(full, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := KeepDamaged(full); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := os.Stat(full); err != nil {
		t.Error(err)
	}
}
