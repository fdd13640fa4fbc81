package pair

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/omflow/booster/internal/durable"
)

// A booster starts on a disk that can only be read, and says what it can't tidy up.
func TestStartsWhereNothingCanBeRemoved(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "pair.json.1"+durable.Suffix)
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o555} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() == 0 { // who may remove what he likes: this thread becomes somebody else to the disk
		const nobody = 65534
		runtime.LockOSThread()
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Setfsuid(0); err != nil {
				t.Error(err)
			}
			runtime.UnlockOSThread()
		}()
	}
	if _, err := os.ReadDir(dir); err != nil {
		t.Skipf("another user does not get to this folder: %v", err)
	}
	if os.Mkdir(filepath.Join(dir, "new"), 0o700) == nil {
		t.Skip("nobody here may be kept from writing: another user is not to be had")
	}
	var told strings.Builder
	p, err := New(Config{
		Name: "a", Role: Primary, StateDir: dir, Send: func(string, []byte) error { return nil },
		Logger: slog.New(slog.NewTextHandler(&told, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if !strings.Contains(told.String(), filepath.Base(left)) {
		t.Errorf("the log says %q", &told)
	}
}
