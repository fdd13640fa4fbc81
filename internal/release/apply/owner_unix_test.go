//go:build !windows

package apply

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOwner: an agent that runs as root leaves files that the server can use.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"dir/a.py": "1", "b.py": "1"})
	two := s.make(t, one, content{"dir/a.py": "1", "dir/new/deep/c.py": "2", "b.py": "2", "d.py": "2"})
	mustApply(t, a, Request{Target: one})
	owners := map[string]int{".": 100, "dir": 101, "b.py": 102}
	for name, uid := range owners {
		if err := os.Chown(filepath.Join(s.root, name), uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	mustApply(t, a, Request{Target: two})
	for name, want := range map[string]uint32{"b.py": 102, "d.py": 100, "dir/new": 101, "dir/new/deep": 101, "dir/new/deep/c.py": 101} {
		info, err := os.Lstat(filepath.Join(s.root, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
}
