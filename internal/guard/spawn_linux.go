package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// spawnWait bounds a guard's start. The binary is large and a machine under
// load slow.
const spawnWait = 5 * time.Second

// readyFD is the descriptor on which a guard says that it has begun.
const readyFD = 3

// ready is what it says.
const ready = '+'

// spawn starts a guard and waits until it says that it guards, or that another
// one does. The process that it starts is waited for in the background, since
// a child that ends is a zombie until then; guards counts that.
func spawn(c LeadConfig, guards *sync.WaitGroup, args ...string) (pid int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("start guard: %w", err)
	}
	defer r.Close()
	cmd := command(c.Exe, c.Args, c.Env, args...)
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return 0, fmt.Errorf("start guard: %w", err)
	}
	guards.Go(func() {
		_ = cmd.Wait() // ProcessState says it all
		c.Logger.Info("guard ended", "pid", cmd.Process.Pid, "exit", cmd.ProcessState.String())
	})
	_ = r.SetReadDeadline(time.Now().Add(spawnWait)) // fails for no pipe
	b := make([]byte, 1)
	if _, err := io.ReadFull(r, b); err != nil || b[0] != ready {
		_ = cmd.Process.Kill() // it may have ended already
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended at once; its standard error says why")
		}
		return 0, fmt.Errorf("start guard: %w", err)
	}
	return cmd.Process.Pid, nil
}

// command prepares a guard's process: in a session of its own, with nothing of
// the holder's but standard error.
func command(exe string, pre, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(exe, append(append([]string(nil), pre...), args...)...)
	for _, v := range os.Environ() {
		// What a service manager told the holder is not for the guard.
		if name, _, _ := strings.Cut(v, "="); name != "NOTIFY_SOCKET" && name != "WATCHDOG_USEC" && name != "WATCHDOG_PID" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// One thread that waits needs no more; the last setting of a name counts.
	cmd.Env = append(append(cmd.Env, "GOMAXPROCS=1"), env...)
	cmd.Dir = "/" // keeps no file system busy
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
