//go:build unix

package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// exit says how a process ended.
type exit struct{ text string }

// process is a server process and its group, whose id is the process' own.
type process struct {
	pid    int
	exited chan exit // gets one value when process and group are gone
	ended  chan struct{}
	watch  *watch
	asked  atomic.Bool   // the group was asked to end
	over   chan struct{} // closed when what is left of the group need not be waited for
	once   sync.Once
}

const (
	groupWait = 2 * time.Second // for a killed group to vanish
	groupPoll = 10 * time.Millisecond
	// gracePoll is how often a group is looked at that was asked to end: each look
	// reads all of /proc, and this may go on for the whole grace.
	gracePoll = 100 * time.Millisecond
)

// startProcess runs cfg.Command with its output appended to out.
func startProcess(cfg Config, out *os.File) (*process, error) {
	cmd := exec.Command(cfg.Command[0], cfg.Command[1:]...)
	cmd.Dir = cfg.Dir
	cmd.Env = environment(os.Environ(), cfg.Without, cfg.Env)
	cmd.Stdout, cmd.Stderr = out, out // a file, so that no pipe ties it to us
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	pid := cmd.Process.Pid
	// The process is waited for by its pid, as an adopted one is.
	if err := cmd.Process.Release(); err != nil {
		return nil, errors.Join(fmt.Errorf("start process: %w", err), unix.Kill(-pid, unix.SIGKILL))
	}
	return follow(pid, newWatch(pid)), nil
}

func follow(pid int, w *watch) *process {
	p := &process{pid: pid, exited: make(chan exit, 1), ended: make(chan struct{}), watch: w, over: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.follow()
	}()
	return p
}

// follow waits for the process to end and clears up what is left of its group.
func (p *process) follow() {
	if !p.watch.wait() {
		return
	}
	if p.asked.Load() {
		p.outlast()
	}
	// While the process is a zombie its pid, and so the group's id, cannot go
	// to anyone else: the group is killed before the zombie is reaped. Of an
	// adopted process somebody else may have reaped it just now; that the
	// kernel gives away the same pid within these microseconds is not to be
	// expected.
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	e := p.watch.reap()
	waitGroup(p.pid)
	p.exited <- e
}

// outlast leaves those of the group the rest of their grace whose first process has
// ended at once, as a shell does that runs the server: they were asked to end, too, and
// may still be at work.
func (p *process) outlast() {
	tick := time.NewTicker(gracePoll)
	defer tick.Stop()
	for !groupGone(p.pid) {
		select {
		case <-tick.C:
		case <-p.over:
			return
		}
	}
}

// term asks the group to end. A stopped process takes note only when it is
// continued, hence the second signal (systemd does the same).
func (p *process) term() error {
	p.asked.Store(true)
	if err := unix.Kill(-p.pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("send SIGTERM to group %d: %w", p.pid, err)
	}
	_ = unix.Kill(-p.pid, unix.SIGCONT)
	return nil
}

// kill ends the group.
func (p *process) kill() error {
	p.once.Do(func() { close(p.over) })
	if err := unix.Kill(-p.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send SIGKILL to group %d: %w", p.pid, err)
	}
	return nil
}

// abandon ends the watching and gives the process up, which was killed and did not vanish.
func (p *process) abandon() {
	p.watch.abandon()
	p.once.Do(func() { close(p.over) })
	<-p.ended
}

// reap takes the exit status of a child that has ended; ok is false if pid is
// no child of ours or has not ended.
func reap(pid int) (e exit, ok bool) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || got != pid:
			return exit{text: "exit status not known"}, false
		case status.Signaled():
			return exit{text: "killed by " + unix.SignalName(status.Signal())}, true
		default:
			return exit{text: fmt.Sprintf("exit status %d", status.ExitStatus())}, true
		}
	}
}

// waitGroup waits until nobody is left in the group: the next process needs its
// port. Members that became our children, as when we are process 1 of a
// container, are reaped.
func waitGroup(pgid int) {
	for deadline := time.Now().Add(groupWait); time.Now().Before(deadline); time.Sleep(groupPoll) {
		for {
			if got, err := unix.Wait4(-pgid, nil, unix.WNOHANG, nil); got <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if groupGone(pgid) {
			return
		}
	}
}

// groupGone tells whether nobody is left in the group who could hold a port.
func groupGone(pgid int) bool {
	return errors.Is(unix.Kill(-pgid, 0), unix.ESRCH) || !groupLives(pgid)
}
