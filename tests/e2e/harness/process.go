//go:build linux

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopTime is how long a process may take to end after it was asked to: an agent
// waits for its server.
const stopTime = 60 * time.Second

// Process is a running program.
type Process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	done    chan struct{}
}

// StartProcess starts the program with its output in dir/name.log, and its data
// in dir. The caller ends it with Stop or Kill.
func StartProcess(t testing.TB, program, dir, name string, args ...string) *Process {
	t.Helper()
	p := &Process{name: name, logPath: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatalf("open the log of %s: %v", name, err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Env = dir, environment(dir)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	return p
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Code returns the exit code of a process that has ended, -1 after a signal.
func (p *Process) Code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal; one to a process that has ended does nothing.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process at once.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop asks the process to end. One that does not fails the test and is killed.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		t.Errorf("%s did not end within %s", p.name, stopTime)
		p.Kill()
	}
}

// Log returns what the process has written.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// mostLog is how much of each log's end is printed when a test fails, in bytes.
const mostLog = 8 << 10

func (p *Process) printLog(t testing.TB) {
	// Caddy logs each request to its admin API, and tests poll that; and access logs
	// are long.
	lines := slices.DeleteFunc(strings.SplitAfter(p.Log(), "\n"), func(line string) bool {
		return strings.Contains(line, `"logger":"admin.api"`) || strings.Contains(line, `"logger":"http.log.access`)
	})
	text := strings.Join(lines, "")
	if n := len(text) - mostLog; n > 0 {
		text = fmt.Sprintf("(… %d bytes before)\n", n) + text[n:]
	}
	t.Logf("--- log of %s (process %d)\n%s", p.name, p.PID(), text)
}
