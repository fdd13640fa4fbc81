package setup

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files, and the units of deploy/systemd, anew")

// testKey is a cluster key of nobody's.
const testKey = "fPA2oTkbs7oNLMrxVvSYBYZRSKJCQTpWFx3uI8mZHZk="

// golden holds what came out against a file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// newHome makes a folder that looks like an OMFLOW Server's.
func newHome(t *testing.T, settings string) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "omflow server")
	write(t, filepath.Join(home, "omflow", "settings.py"), settings, 0o644)
	return home
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
