package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives an empty file its size and the blocks for that. The error matches
// errors.ErrUnsupported on file systems that can't.
func reserve(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
	}
}
