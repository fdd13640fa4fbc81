package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
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
	if stat, err := readStat(pid); err == nil {
		w.start = stat.start
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
		if stat, err := readStat(w.pid); err != nil || stat.ended() || stat.start != w.start {
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
func (p *process) record(hash string, started time.Time) record {
	return record{PID: p.pid, Start: p.watch.start, Boot: bootID(), Hash: hash, Started: started}
}

// adoptProcess takes over the process of a record; the error says why that is
// not the process which has this pid now.
func adoptProcess(r record) (*process, error) {
	if boot := bootID(); boot != r.Boot {
		return nil, errors.New("the machine was started anew")
	}
	// The pidfd comes first: what is found out after it is about the process it
	// refers to, even if the pid changed hands just before.
	w := newWatch(r.PID)
	stat, err := readStat(r.PID)
	switch {
	case err != nil:
	case stat.start != r.Start:
		err = errors.New("the pid belongs to another process now")
	case stat.ended():
		reap(r.PID) // ours, if it was released in this very process
		err = errors.New("it has ended")
	case stat.pgrp != r.PID:
		err = errors.New("it does not lead its process group")
	}
	if err != nil {
		if w.pidfd != nil {
			w.pidfd.Close()
		}
		return nil, err
	}
	return follow(r.PID, w), nil
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // refused by parseRecord: without it nothing is adopted
	}
	return strings.TrimSpace(string(id))
}

// groupLives tells whether the group has a member that is more than a zombie.
// Zombies hold no port, and process 1 of a container may take seconds to reap
// them.
func groupLives(pgid int) bool {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return true // it is only known to exist
	}
	for _, entry := range procs {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil && stat.pgrp == pgid && !stat.ended() {
			return true
		}
	}
	return false
}

// stat is what is needed of /proc/<pid>/stat.
type stat struct {
	state byte
	pgrp  int
	start uint64 // clock ticks after boot
}

func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	s, err := parseStat(data)
	if err != nil {
		return stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return s, nil
}

// parseStat reads proc_pid_stat(5). The second field is the program's name in
// parentheses, which may itself hold spaces and parentheses.
func parseStat(data []byte) (stat, error) {
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return stat{}, errors.New("stat has no program name")
	}
	fields := strings.Fields(string(data[i+1:])) // from the third field on
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, errors.New("stat is too short")
	}
	pgrp, err := strconv.Atoi(fields[2])
	if err != nil {
		return stat{}, fmt.Errorf("stat: process group: %w", err)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("stat: start time: %w", err)
	}
	return stat{state: fields[0][0], pgrp: pgrp, start: start}, nil
}
