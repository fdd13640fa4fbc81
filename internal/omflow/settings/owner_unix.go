//go:build unix

package settings

import (
	"os"
	"strconv"
	"syscall"
)

// AsOwner is the command that runs a program which reads code in paths: where root would
// run it, and one of them is another user's, as that user, who must not get root's rights
// by what the code says. Where there is no setpriv(1) of util-linux it can't be run.
func AsOwner(program string, paths ...string) []string {
	if os.Geteuid() != 0 {
		return []string{program}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return []string{
				"setpriv", "--reuid", strconv.FormatUint(uint64(stat.Uid), 10), "--regid", strconv.FormatUint(uint64(stat.Gid), 10),
				"--clear-groups", "--", program,
			}
		}
	}
	return []string{program}
}
