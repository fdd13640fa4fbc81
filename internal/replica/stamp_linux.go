package replica

import (
	"io/fs"
	"syscall"
)

// stampOf tells one state of a file from another without reading it: whoever
// writes to the file, or puts another in its place, changes it.
func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), exec: info.Mode()&0o100 != 0}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ctime, s.inode = st.Ctim.Nano(), st.Ino
	}
	return s
}
