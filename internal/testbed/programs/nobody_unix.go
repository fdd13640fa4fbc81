//go:build unix

package programs

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Nobody is a user, and a group, that is neither root nor anybody's.
const Nobody = 65534

// NobodysPython returns the path of a python3 that Nobody may run, for tests that have root
// run another user's code as that user. Where this process is not root's, or there is no
// setpriv or no such Python, it skips the test. One that was installed for root alone won't
// do. It is to be called by the test's own goroutine.
func NobodysPython(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("root alone can be another user")
	}
	python, id := "", strconv.Itoa(Nobody)
	for _, path := range []string{Python(t), "/usr/bin/python3"} {
		if exec.Command("setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--", path, "-c", "").Run() == nil {
			python = path
		}
	}
	if python == "" {
		t.Skip("there is no setpriv, or no Python that another user may run")
	}
	return python
}
