//go:build unix

package setup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/omflow/booster/internal/testbed/programs"
)

// TestSettingsAreReadAsTheirOwner: root looks into the settings.py of another user, which
// is code.
func TestSettingsAreReadAsTheirOwner(t *testing.T) {
	python := programs.NobodysPython(t)
	dir, err := os.MkdirTemp("", "owner") // t.TempDir's parent is root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "omflow")
	file := filepath.Join(home, "omflow", "settings.py")
	write(t, file, "import os\nBOOSTER_IP, BOOSTER_PORT = '10.0.0.11', str(5000 + os.getuid() % 1000)\n", 0o644)
	for _, path := range []string{dir, home, filepath.Join(home, "omflow"), file} { // whatever the umask
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	suggested := func() string { return suggestBoosters(t.Context(), Machine{}, Plan{Home: home, Python: python}) }
	if got := suggested(); got != "10.0.0.11:5000" {
		t.Errorf("root's own: %q", got)
	}
	if err := os.Chown(home, programs.Nobody, programs.Nobody); err != nil {
		t.Fatal(err)
	}
	if got := suggested(); got != "10.0.0.11:5534" {
		t.Errorf("in another user's folder: %q", got)
	}
	if err := os.Chown(home, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, programs.Nobody, programs.Nobody); err != nil {
		t.Fatal(err)
	}
	if got := suggested(); got != "10.0.0.11:5534" {
		t.Errorf("another user's: %q", got)
	}
}
