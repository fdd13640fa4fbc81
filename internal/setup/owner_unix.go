//go:build unix

package setup

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf is the name of the user whom a file belongs to; empty if it is not
// known.
func ownerOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(stat.Uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// chown gives an open file to a user. Without the right to, or without such a
// user, it stays who has written it, and the name is returned as not done.
func chown(f *os.File, name string) (done bool, err error) {
	u, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up user %s: %w", name, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("look up user %s: %w", name, err)
	}
	if uid == os.Geteuid() {
		return true, nil
	}
	if err := f.Chown(uid, gid); errors.Is(err, os.ErrPermission) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}
