package setup

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestMakeFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no units")
	}
	parent := t.TempDir()
	oneself := ownerOf(parent)
	dir := filepath.Join(parent, "omflow-booster")
	if err := makeFolder(dir, "nobody-has-this-name"); err != nil {
		t.Errorf("for an unknown user: %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a folder that could not be given away was left: %v", err)
	}
	if err := makeFolder(dir, oneself); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o700 || ownerOf(dir) != oneself {
		t.Errorf("the folder is %v of %s, %v", info.Mode(), ownerOf(dir), err)
	}
	write(t, filepath.Join(dir, "pair"), "term 3", 0o600)
	if err := makeFolder(dir, "nobody-has-this-name"); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pair")); err != nil {
		t.Errorf("what was in the folder is gone: %v", err)
	}
	if os.Geteuid() != 0 {
		return // root alone can give a folder away
	}
	if err := makeFolder(filepath.Join(parent, "given"), "nobody"); err != nil || ownerOf(filepath.Join(parent, "given")) != "nobody" {
		t.Errorf("given to %q, %v", ownerOf(filepath.Join(parent, "given")), err)
	}
	if err := makeFolder(filepath.Join(parent, "no", "such"), oneself); err == nil {
		t.Error("without a folder above it none is missed")
	}
}
