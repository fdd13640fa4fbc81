//go:build unix && !linux

package supervise

import (
	"errors"
	"sync"
	"time"
)

// canAdopt: without a start time a process cannot be told from a later one with
// the same pid.
const canAdopt = false

const watchPoll = 50 * time.Millisecond

// watch waits for the end of a child. waitid with WNOWAIT would tell without
// reaping it, but is not to be had on all of these systems.
type watch struct {
	pid  int
	exit exit
	once sync.Once
	quit chan struct{}
}

func newWatch(pid int) *watch { return &watch{pid: pid, quit: make(chan struct{})} }

// wait returns true when the process has ended, false when it was abandoned.
func (w *watch) wait() bool {
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	for {
		var ended bool
		if w.exit, ended = reap(w.pid); ended {
			return true
		}
		select {
		case <-tick.C:
		case <-w.quit:
			return false
		}
	}
}

func (w *watch) reap() exit { return w.exit }

func (w *watch) abandon() { w.once.Do(func() { close(w.quit) }) }

// groupLives is asked of a group that exists; zombies cannot be told apart.
func groupLives(int) bool { return true }

// What follows is not reached where canAdopt is false.

func (p *process) record(string) record { return record{} }

func (r record) lives() error { return errors.New("processes cannot be recognised on this system") }

func adoptProcess(r record) (*process, time.Time, error) { return nil, time.Time{}, r.lives() }

func adoptRest(record) (*process, time.Time, error) { return nil, time.Time{}, nil }
