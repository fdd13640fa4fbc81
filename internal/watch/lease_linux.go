package watch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writerOpen tells whether any process has f, which is open for reading only,
// open for writing or mapped so. The system grants a read lease only when there
// is no writer (fcntl(2), F_SETLEASE); it is given back at once. A writer that
// opens the file in between waits for that moment, unless it said O_NONBLOCK.
// errNoLease: this file cannot be asked about.
func writerOpen(f *os.File) (bool, error) {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return false, err
	case errors.Is(err, unix.EAGAIN):
		return true, nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return false, noLease("the agent neither owns the files nor has CAP_LEASE")
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOLCK):
		return false, noLease("the file system has no leases")
	}
	return false, err
}
