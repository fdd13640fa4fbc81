package agent

import (
	"time"

	"github.com/omflow/booster/internal/guard/boottime"
	"github.com/omflow/booster/internal/supervise"
)

// clockTick is the unit of a process's start time in /proc (proc_pid_stat(5), field 22):
// programs see 100 of them a second on every Linux, whatever the kernel was built with.
const clockTick = 10 * time.Millisecond

// sinceBoot puts right since when an adopted process runs. The supervisor knows that by
// the wall clock of the agent that has started it, which may have been set since: an age by
// that could make steps of this process those of one before it. The kernel's own record
// does not jump. now may be any time that was read just now.
func sinceBoot(now time.Time, former, status supervise.Status) time.Time {
	switch {
	case !status.Adopted || status.PID == 0:
		return status.Since
	case former.Adopted && former.PID == status.PID:
		return former.Since
	}
	ticks, err := startOf(status.PID)
	if err != nil {
		return status.Since // it has just ended, or this system tells no such time
	}
	return now.Add(time.Duration(ticks)*clockTick - boottime.Now())
}
