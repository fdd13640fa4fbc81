//go:build !windows

package disk

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOwn: root gives files to whom the others belong; nobody else can.
func TestOwn(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	create(t, f, "like", "")
	create(t, f, "a", "")
	uid := os.Geteuid()
	if uid == 0 {
		uid = 12345
		if err := os.Chown(filepath.Join(dir, "like"), uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	like, err := f.Lstat("look", "like")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Own("own", "a", like); err != nil {
		t.Fatal(err)
	}
	info, err := f.Lstat("look", "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != uint32(uid) {
		t.Errorf("owner %d, want %d", got, uid)
	}
}
