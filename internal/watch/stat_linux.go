package watch

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// execKnown tells whether files have an executable bit.
const execKnown = true

// openFlags keep the opening of a file from waiting for a named pipe that took
// its place, and from following a link.
const openFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), exec: info.Mode()&0o100 != 0}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ctime, s.ino = st.Ctim.Nano(), st.Ino
	}
	return s
}

func idOf(info fs.FileInfo) dirID {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return dirID{}
	}
	return dirID{dev: uint64(st.Dev), ino: st.Ino}
}

// networkTypes are file systems which other machines, or a program in user
// space, change without an event here (statfs(2), linux/magic.h).
var networkTypes = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.AFS_FS_MAGIC:     "AFS",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.V9FS_MAGIC:       "9P",
	unix.FUSE_SUPER_MAGIC: "FUSE",
	0x0BD00BD0:            "Lustre",
	0x7461636f:            "OCFS2",
	0x01161970:            "GFS2",
	0x786f4256:            "VirtualBox",
}

// networkFS returns the kind of network file system that path lies on, or "".
func networkFS(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "" // the scan that follows says why
	}
	return networkTypes[uint32(st.Type)]
}
