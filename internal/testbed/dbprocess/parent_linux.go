package dbprocess

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end a server whose test was killed.
func endWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
}
