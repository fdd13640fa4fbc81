package guard

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/procfs"
)

const (
	// lookEvery is how often the guard reads its file besides at the deadline:
	// by then it knows a new process and ends when it is released. It also
	// bounds how late it is after the machine was suspended, since a process's
	// waits stand still meanwhile.
	lookEvery = 100 * time.Millisecond

	// patience is how long a guard waits for a first record, or for the next
	// when the one that it had is done with.
	patience = time.Minute

	// lockTries is how often the lock is tried, for a holder that just looks
	// whether it is taken.
	lockTries = 5

	// killAgain is how often a group is killed that does not vanish.
	killAgain = time.Second
)

// guardLead is the guard of the state file. ready is called once it guards.
func guardLead(file string, log *slog.Logger, ready func()) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open state file: %w", err)
	}
	defer f.Close()
	for try := 1; ; try++ {
		err := flock(f, unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("lock state file: %w", err)
		}
		if try == lockTries {
			log.Info("another guard has this file", "file", file)
			ready()
			return nil
		}
		time.Sleep(lookEvery / lockTries)
	}
	boot := procfs.BootID()
	if boot == "" {
		return errors.New("read boot id: is /proc mounted?")
	}
	ready()
	g := leadGuard{file: file, boot: bootSum(boot), log: log, idle: boottime.Now() + patience}
	g.run()
	return nil
}

// leadGuard is the guard's state.
type leadGuard struct {
	file string
	boot uint32
	log  *slog.Logger
	idle time.Duration // when to end for want of something to guard
	last record        // the last good one, zero before the first
	on   *target       // what last speaks of, nil without
	told bool          // that the file can't be read
}

// run guards until there is nothing to guard.
func (g *leadGuard) run() {
	for {
		r, err := readRecord(g.file)
		switch {
		case err != nil && !errors.Is(err, errEmpty) && !g.told:
			g.told = true
			g.log.Warn("state file can't be read; what it said last stays in force", "error", err)
		case err == nil && r.boot == g.boot && r != g.last:
			g.take(r)
		}
		now := boottime.Now()
		switch {
		case g.last.state == released, g.on == nil && now >= g.idle:
			g.forget()
			return
		case g.on != nil && now >= g.last.deadline:
			g.log.Warn("lease ran out: killing the lead server", "pid", g.on.pid)
			g.on.kill(g.log)
			g.forget()
			return
		}
		wait := lookEvery
		if g.on != nil {
			wait = min(wait, g.last.deadline-now)
		}
		g.watch(wait)
	}
}

// watch looks at the target for that long. When its process has ended, others of its
// group may have been asked to end, too, and be at work still: they have until the
// deadline.
func (g *leadGuard) watch(d time.Duration) {
	if g.on.wait(d) {
		g.log.Info("the lead server has ended", "pid", g.on.pid)
		g.on.rest = true
	}
	if g.on != nil && g.on.rest && !procfs.GroupLives(g.on.pid) {
		g.forget()
		g.idle = max(g.last.deadline, boottime.Now()+lookEvery)
	}
}

// take begins to guard what a new record speaks of.
func (g *leadGuard) take(r record) {
	moved := r.pid != g.last.pid || r.start != g.last.start
	g.last = r
	if moved && g.on != nil && g.on.ended() {
		// Its holder starts another one, or has nothing to hold any more.
		g.on.killRest()
	}
	switch {
	case r.state == awaited:
		g.forget()
		g.idle = boottime.Now() + patience
	case r.state == held && moved:
		g.forget()
		g.on = newTarget(r)
		// One that has ended already is done with when its deadline has passed:
		// its holder may start another meanwhile.
		g.idle = max(r.deadline, boottime.Now()+lookEvery)
	case r.state == held && g.on == nil:
		g.idle = max(r.deadline, boottime.Now()+lookEvery)
	}
}

func (g *leadGuard) forget() {
	if g.on != nil {
		g.on.close()
		g.on = nil
	}
}

// target is a process that is guarded.
type target struct {
	pid   int
	start uint64
	pidfd int  // -1: not supported by this kernel
	rest  bool // its process has ended, and others of its group are left
}

// newTarget returns nil when the process of the record is gone.
func newTarget(r record) *target {
	// The pidfd comes first: what is found out after it is about the process it
	// refers to, even if the number changed hands just before.
	fd, err := unix.PidfdOpen(r.pid, 0)
	if err != nil {
		fd = -1
	}
	if !alive(r) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return nil
	}
	return &target{pid: r.pid, start: r.start, pidfd: fd}
}

func (t *target) close() {
	if t.pidfd >= 0 {
		_ = unix.Close(t.pidfd)
	}
}

// wait sleeps for d, and returns true before that when the process has ended.
// Of no target, and of a rest, it only sleeps.
func (t *target) wait(d time.Duration) bool {
	if t == nil || t.rest || t.pidfd < 0 {
		time.Sleep(d)
		return t != nil && !t.rest && t.ended()
	}
	// A pidfd is readable when the process has ended (pidfd_open(2)). Rounded
	// up, so as not to be early and ask again in vain.
	fds := []unix.PollFd{{Fd: int32(t.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int((d+time.Millisecond-1)/time.Millisecond))
	return err == nil && n > 0
}

// ended says whether the process is gone.
func (t *target) ended() bool { return !alive(record{pid: t.pid, start: t.start}) }

// kill ends the process and its group and returns when nobody is left.
func (t *target) kill(log *slog.Logger) {
	if !t.rest && t.ended() {
		return // and what was its group may be a stranger's by now
	}
	for next := boottime.Now(); ; time.Sleep(lookEvery / 20) {
		if now := boottime.Now(); now >= next {
			if next = now + killAgain; t.pidfd >= 0 {
				// The process itself by its pidfd, which can hit no other.
				_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
			}
			if err := unix.Kill(-t.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				log.Error("killing the lead server failed", "pid", t.pid, "error", err)
			}
		}
		if t.ended() && !procfs.GroupLives(t.pid) {
			log.Warn("the lead server was killed", "pid", t.pid)
			return
		}
	}
}

// killRest ends what a process that has ended left of its group, if anything, and
// doesn't wait for that: it keeps the guard from no other target.
func (t *target) killRest() { _ = unix.Kill(-t.pid, unix.SIGKILL) } // ESRCH: nothing was left

// readRecord reads the state file.
func readRecord(file string) (record, error) {
	f, err := os.Open(file)
	if err != nil {
		return record{}, fmt.Errorf("read state file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, recordSize+1))
	if err != nil {
		return record{}, fmt.Errorf("read state file: %w", err)
	}
	r, err := parseRecord(b)
	if err != nil {
		return record{}, fmt.Errorf("read state file: %w", err)
	}
	return r, nil
}
