package supervise

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/procfs"
)

// canAdopt tells whether a process can be recognised after the agent's crash.
const canAdopt = true

// watchPoll is how often /proc is looked at where there are no pidfds.
const watchPoll = 200 * time.Millisecond

// watch waits for the end of a process that need not be our child.
type watch struct {
	pid   int
	pidfd *os.File // nil: not supported
	start uint64   // of the process, for the look into /proc
	once  sync.Once
	quit  chan struct{}
}

// newWatch begins to watch pid, which must still be there, if only as a zombie.
func newWatch(pid int) *watch {
	w := &watch{pid: pid, quit: make(chan struct{})}
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		// Non-blocking descriptors join the runtime's poller, so that no thread
		// waits. PIDFD_NONBLOCK would do the same, but is newer (Linux 5.10).
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(fd)
		} else {
			w.pidfd = os.NewFile(uintptr(fd), "pidfd")
		}
	}
	if stat, err := procfs.ReadStat(pid); err == nil {
		w.start = stat.Start
	}
	return w
}

// wait returns true when the process has ended, false when it was abandoned.
func (w *watch) wait() bool {
	if w.pidfd == nil {
		return w.poll()
	}
	defer w.pidfd.Close()
	conn, err := w.pidfd.SyscallConn()
	if err != nil {
		return w.poll()
	}
	err = conn.Read(func(fd uintptr) bool {
		// A pidfd is readable when the process has ended (pidfd_open(2)).
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 && err == nil
	})
	if err == nil {
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	return w.poll()
}

func (w *watch) poll() bool {
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	for {
		if stat, err := procfs.ReadStat(w.pid); err != nil || stat.Ended() || stat.Start != w.start {
			return true
		}
		select {
		case <-tick.C:
		case <-w.quit:
			return false
		}
	}
}

// reap takes the exit status, if the process was our child.
func (w *watch) reap() exit {
	e, _ := reap(w.pid)
	return e
}

// abandon makes wait return.
func (w *watch) abandon() {
	w.once.Do(func() {
		close(w.quit)
		if w.pidfd != nil {
			_ = w.pidfd.SetReadDeadline(time.Unix(1, 0)) // fails only once it is closed
		}
	})
}

// record describes the process for the next supervisor.
func (p *process) record(hash string) record {
	r := record{PID: p.pid, Start: p.watch.start, Boot: procfs.BootID(), Hash: hash}
	if session, err := unix.Getsid(p.pid); err == nil {
		r.Session = session
	}
	return r
}

// clockTick is the unit of a record's Start: programs see 100 ticks a second on every
// Linux, whatever the kernel was built with (USER_HZ).
const clockTick = 10 * time.Millisecond

// startedAt is the time, by the wall clock as it is set now, at which a process started
// that many ticks after boot. It is rather too early than too late, by a tick or so.
func startedAt(ticks uint64) time.Time {
	now := time.Now()
	return now.Add(time.Duration(ticks)*clockTick - boottime.Now())
}

// lives says why the process of the record is not the one which has its pid now, nil when
// it is. It is errGone when that process has surely ended.
func (r record) lives() error {
	switch procfs.BootID() {
	case r.Boot:
	case "":
		return errors.New("the boot id can't be read: is /proc mounted?")
	default:
		return fmt.Errorf("%w: the machine was started anew", errGone)
	}
	stat, err := procfs.ReadStat(r.PID)
	switch {
	case err != nil && errors.Is(unix.Kill(r.PID, 0), unix.ESRCH):
		return fmt.Errorf("%w: no process has its pid", errGone)
	case err != nil:
		return err
	case stat.Start != r.Start:
		return fmt.Errorf("%w: the pid belongs to another process now", errGone)
	case stat.Ended():
		return fmt.Errorf("%w: only its exit status is left", errGone)
	case stat.Group != r.PID:
		return errors.New("it does not lead its process group")
	}
	return nil
}

// adoptProcess takes over the process of a record, and says since when it runs; the error
// is that of lives.
func adoptProcess(r record) (*process, time.Time, error) {
	// The pidfd comes first: what is found out after it is about the process it
	// refers to, even if the pid changed hands just before.
	w := newWatch(r.PID)
	if err := r.lives(); err != nil {
		if w.pidfd != nil {
			w.pidfd.Close()
		}
		return nil, time.Time{}, err
	}
	// The kernel's record: the wall clock may have been set since the start, and an age
	// by what it showed then could make this process's acts those of one before it.
	return follow(r.PID, w), startedAt(r.Start), nil
}

// groupLives tells whether the group has a member that is more than a zombie.
func groupLives(pgid int) bool { return procfs.GroupLives(pgid) }
