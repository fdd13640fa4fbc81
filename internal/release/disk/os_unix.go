//go:build !windows

package disk

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ModesCount: permission bits are kept by this system's file systems.
const ModesCount = true

// own changes the owner only for root, who alone may give files away.
func own(root *os.Root, name string, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return root.Lchown(name, int(want.Uid), int(want.Gid))
}

func openToSync(root *os.Root, name string) (*os.File, error) { return root.Open(name) }

// free counts what an ordinary user may write: the rest is there for root to
// repair things with.
func free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

// ErrNotFolder: a name was looked for in something that is no folder.
var ErrNotFolder = syscall.ENOTDIR
