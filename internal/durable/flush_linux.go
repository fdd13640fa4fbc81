package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// StartFlush has the system begin to bring a part of a file to the disk, so that a
// Sync later has less to wait for. It waits for little itself, and promises nothing.
func StartFlush(f *os.File, offset, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, size, unix.SYNC_FILE_RANGE_WRITE) // it is a hint
}
