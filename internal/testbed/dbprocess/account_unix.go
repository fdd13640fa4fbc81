//go:build unix

package dbprocess

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// runAs runs a command as another account, if this is root.
func runAs(cmd *exec.Cmd, name string) {
	if uid, gid, ok := lookup(name); ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}

// giveTo gives a folder to another account, if this is root.
func giveTo(dir, name string) error {
	if uid, gid, ok := lookup(name); ok {
		return os.Chown(dir, uid, gid)
	}
	return nil
}

func lookup(name string) (uid, gid int, ok bool) {
	u, err := user.Lookup(name)
	if err != nil || os.Getuid() != 0 {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, err1 == nil && err2 == nil
}
