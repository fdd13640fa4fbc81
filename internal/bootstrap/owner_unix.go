//go:build unix

package bootstrap

import (
	"io/fs"
	"os"
	"syscall"
)

// ownLike gives a file the owner of its folder. Only root can, and only root needs to:
// what another user makes is that user's.
func ownLike(path string, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(want.Uid), int(want.Gid))
}
