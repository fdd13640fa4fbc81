package demo

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the children, which are stopped
// in order instead, and has the kernel stop them when the demo is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

func (p *process) terminate() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
}
