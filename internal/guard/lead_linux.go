package guard

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

// goneWait bounds the wait for a guard that was told to end: it looks at its
// file ten times a second.
const goneWait = 2 * time.Second

// Lead is the holder's side of a lead guard: of one server process at a time.
// All methods may be called concurrently; Prepare, Hold and Release may take
// as long as a process takes to start, at most five seconds.
type Lead struct {
	cfg  LeadConfig
	boot uint32

	mu     sync.Mutex
	f      *os.File
	guards sync.WaitGroup // that were started here
}

// OpenLead opens or makes the state file. What it says stays in force: after a
// crash of the holder the guard, if it lives, goes on with it.
func OpenLead(c LeadConfig) (*Lead, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open lead guard: %w", err)
	}
	boot := procfs.BootID()
	if boot == "" {
		return nil, errors.New("open lead guard: the boot id can't be read: is /proc mounted?")
	}
	f, err := os.OpenFile(c.File, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lead guard: %w", err)
	}
	return &Lead{cfg: c.withDefaults(), boot: bootSum(boot), f: f}, nil
}

// Prepare sees to it that a guard is there, and is to be called before the
// server is started. A guard that finds no Hold within a minute ends. It
// changes nothing for a server that is held and lives.
func (l *Lead) Prepare() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.prepare(); err != nil {
		return fmt.Errorf("prepare lead guard: %w", err)
	}
	return nil
}

func (l *Lead) prepare() error {
	r, err := readRecord(l.cfg.File)
	if err == nil && r.state == held && r.boot == l.boot && alive(r) {
		return l.ensure()
	}
	if err == nil && r.state == released {
		// A guard may just be reading this and about to go.
		if err := l.waitGone(); err != nil {
			return err
		}
	}
	if err := l.write(record{state: awaited, boot: l.boot}); err != nil {
		return err
	}
	return l.ensure()
}

// Hold says that the process pid, which started at start (clock ticks after
// boot, see procfs.Stat) and leads its process group, is to be killed with its
// group when d has passed from now, unless a later Hold or Release comes
// before. It is called at the server's start and at each renewal of the lease,
// with what is left of the lease as the holder counts it. A d of zero or less
// has it killed at once. On an error the deadline is as it was, or nobody
// guards it: the caller must then end the server itself before its lease ends.
func (l *Lead) Hold(pid int, start uint64, d time.Duration) error {
	deadline := max(boottime.Now()+d, 0)
	if err := validHold(pid, start, d); err != nil {
		return fmt.Errorf("hold lead guard: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(record{state: held, deadline: deadline, pid: pid, start: start, boot: l.boot}); err != nil {
		return fmt.Errorf("hold lead guard: %w", err)
	}
	if err := l.ensure(); err != nil {
		return fmt.Errorf("hold lead guard: %w", err)
	}
	return nil
}

// Release says that the process is no longer to be killed, and waits until the
// guard is gone.
func (l *Lead) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(record{state: released, boot: l.boot}); err != nil {
		return fmt.Errorf("release lead guard: %w", err)
	}
	if err := l.waitGone(); err != nil {
		return fmt.Errorf("release lead guard: %w", err)
	}
	return nil
}

// Close ends the holder's side. The guard stays with what it was told last:
// call Release before, if the server was stopped.
func (l *Lead) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("close lead guard: %w", err)
	}
	return nil
}

// write replaces the record. It is not synced: after a power failure the
// process it speaks of is gone as well.
func (l *Lead) write(r record) error {
	if _, err := l.f.WriteAt(r.encode(), 0); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// ensure starts a guard if there is none.
func (l *Lead) ensure() error {
	there, err := l.guarded()
	if err != nil || there {
		return err
	}
	pid, err := spawn(l.cfg, &l.guards, kindLead, l.cfg.File)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoGuard, err)
	}
	l.cfg.Logger.Info("guard started", "pid", pid, "file", l.cfg.File)
	return nil
}

// guarded says whether a guard has the lock. A shared lock is tried, so that
// two holders that look at the same time don't take each other for guards; a
// guard that starts in this very moment tries again.
func (l *Lead) guarded() (bool, error) {
	f, err := os.Open(l.cfg.File)
	if err != nil {
		return false, fmt.Errorf("look for guard: %w", err)
	}
	defer f.Close() // gives the lock back
	switch err := flock(f, unix.LOCK_SH); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look for guard: %w", err)
	}
	return false, nil
}

func (l *Lead) waitGone() error {
	for deadline := time.Now().Add(goneWait); ; time.Sleep(lookEvery / 10) {
		there, err := l.guarded()
		if err != nil || !there {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the guard does not end: is it stopped?")
		}
	}
}

// flock takes a lock of the file or fails with EWOULDBLOCK.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// alive says whether the very process of the record runs.
func alive(r record) bool {
	stat, err := procfs.ReadStat(r.pid)
	return err == nil && stat.Start == r.start && !stat.Ended()
}
