package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/procfs"
)

// adoptRest takes over what lives of the process group of a record whose process is gone,
// and says since when that had run; nil: nothing does. An error says what it may be that
// lives, if that is not surely the record's.
func adoptRest(r record) (*process, time.Time, error) {
	stat, err := procfs.ReadStat(r.PID)
	held := err == nil && stat.Start == r.Start // while its exit status is left, nobody else gets its pid
	if procfs.BootID() != r.Boot || err == nil && !held {
		return nil, time.Time{}, nil // a group's id is nobody's pid as long as the group has members
	}
	pids, sure, err := members(r)
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case len(pids) == 0:
		reap(r.PID) // ours, if an earlier supervisor of this very process could not get rid of it
		return nil, time.Time{}, nil
	case !held && !sure:
		return nil, time.Time{}, fmt.Errorf("the processes %d are of the group %d, as the server was that is gone, and may be somebody else's: if they are its own, end them", pids, r.PID)
	}
	return followRest(r.PID), startedAt(r.Start), nil
}

// members returns the processes of a record's group that live. sure: they are the
// record's, and of no later group of the same id, whose first process would have ended as
// well: all are of its session and have started after it.
func members(r record) (pids []int, sure bool, err error) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, false, fmt.Errorf("look for what the server has left: %w", err)
	}
	sure = r.Session != 0
	for _, entry := range procs {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := procfs.ReadStat(pid)
		if err != nil || stat.Group != r.PID || stat.Ended() {
			continue
		}
		session, err := unix.Getsid(pid)
		if errors.Is(err, unix.ESRCH) {
			continue // it has just ended
		}
		pids = append(pids, pid)
		sure = sure && err == nil && session == r.Session && stat.Start >= r.Start
	}
	return pids, sure, nil
}

// followRest waits for a group whose first process is gone to vanish.
func followRest(pgid int) *process {
	p := &process{
		pid: pgid, exited: make(chan exit, 1), ended: make(chan struct{}), over: make(chan struct{}),
		watch: &watch{pid: pgid, quit: make(chan struct{})},
	}
	go func() {
		defer close(p.ended)
		p.outlast()
		waitGroup(pgid) // it was killed
		p.exited <- p.watch.reap()
	}()
	return p
}
