//go:build !linux

package watch

import (
	"io/fs"
	"runtime"
)

// execKnown tells whether files have an executable bit.
const execKnown = runtime.GOOS != "windows"

// openFlags are only needed where a file name can be a pipe.
const openFlags = 0

func stampOf(info fs.FileInfo) stamp {
	t := info.ModTime().UnixNano()
	return stamp{size: info.Size(), mtime: t, ctime: t, exec: execKnown && info.Mode()&0o100 != 0}
}

func idOf(fs.FileInfo) dirID { return dirID{} }

// networkFS is only known on Linux.
func networkFS(string) string { return "" }
