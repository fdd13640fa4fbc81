//go:build !linux

package demo

import (
	"os"
	"runtime"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func (p *process) terminate() {
	if runtime.GOOS == "windows" {
		_ = p.cmd.Process.Kill() // Windows has no signal to ask with
		return
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
}
