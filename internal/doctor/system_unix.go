//go:build unix

package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// openFiles returns the hard limit: Go raises a process's own to that when it starts.
func openFiles() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	return uint64(limit.Max), nil
}
