//go:build unix

package agent

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/omflow/booster/internal/testbed/programs"
)

// TestBoostersAreReadAsTheirOwner: root validates a configuration without join, and the
// settings.py that names the boosters is another user's code.
func TestBoostersAreReadAsTheirOwner(t *testing.T) {
	python := programs.NobodysPython(t)
	home, err := os.MkdirTemp("", "boosters") // t.TempDir's parent is root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	text := "import os\nBOOSTER_IP, BOOSTER_PORT = '10.0.0.11', str(5000 + os.getuid() % 1000)\n"
	if err := os.Mkdir(filepath.Join(home, "omflow"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "omflow", "settings.py")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{home, filepath.Dir(file), file} { // whatever the umask
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a := &Agent{Home: home, Python: python}
	for uid, want := range map[int]string{0: "10.0.0.11:5000", programs.Nobody: "10.0.0.11:5534"} {
		if err := os.Chown(home, uid, uid); err != nil {
			t.Fatal(err)
		}
		if got, _, err := a.Boosters(t.Context()); !slices.Equal(got, []string{want}) || err != nil {
			t.Errorf("in the folder of user %d: %q, %v", uid, got, err)
		}
	}
}
