package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestNewServer(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]verdict{
		"":                         unknown("the other servers' folder"),
		dir:                        good("can be written"),
		filepath.Join(dir, "a/b"):  good("will be made in " + dir),
		file:                       ill("is a file", "empty or not there"),
		filepath.Join(file, "sub"): ill("file", "chown"),
	} {
		want.hold(t, folder, result(t, NewServer{Home: folder}.Checks(), "home"))
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		ill("permission denied", "chown <user>: ").hold(t, "another's", result(t, NewServer{Home: filepath.Join(dir, "c")}.Checks(), "home"))
		if err := os.Chmod(dir, 0o700); err != nil { // so that it can be removed
			t.Fatal(err)
		}
	}
	unknown("it has not arrived yet").hold(t, "none", result(t, NewServer{}.Checks(), "new server"))
	ill("it is torn", "run this check as the user").hold(t, "torn", result(t, NewServer{Err: errors.New("it is torn")}.Checks(), "new server"))
}
