package supervise

import (
	"sync"
	"time"
)

// State is where a server process is in its life.
type State string

const (
	// Stopped: there is no process and none is wanted. With Config.Once it may have
	// ended by itself.
	Stopped State = "stopped"
	// Starting: a process is being made, or one left behind with another
	// command is making room for it.
	Starting State = "starting"
	// Running: the process exists. Whether it works is for health checks to say.
	Running State = "running"
	// Stopping: the process was asked to end.
	Stopping State = "stopping"
	// Backoff: the process ended by itself and is started again after a pause.
	Backoff State = "backoff"
	// Fatal: too many quick exits; nothing happens until Start or Restart.
	Fatal State = "fatal"
)

// Status is a snapshot of a Supervisor.
type Status struct {
	State State
	// PID is the process' id, 0 when there is none.
	PID int
	// Since is when the process was started if there is one, else when State
	// began. Of an adopted process it is what the kernel has on record, by the
	// present setting of the wall clock.
	Since time.Time
	// Adopted tells that the process was started by an earlier supervisor.
	Adopted bool
	// Stamp is what Config.Stamp returned just before the process was started, "" when
	// there is none, or an adopted one was started without.
	Stamp string
	// Restarts counts the processes that took another's place since New.
	Restarts int
	// LastExit says how the last process ended, such as "exit status 1" or
	// "killed by SIGKILL"; empty if none has.
	LastExit string
	// Reason says in a sentence why the state is Backoff or Fatal, or why the
	// process is being stopped; else empty.
	Reason string
}

// board holds the latest Status and those who wait for the next.
type board struct {
	mu     sync.Mutex
	status Status
	subs   map[chan Status]struct{} // nil once closed
}

func (b *board) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

func (b *board) set(s Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s == b.status {
		return
	}
	b.status = s
	for ch := range b.subs {
		select {
		case <-ch: // a slow reader gets the newest only
		default:
		}
		ch <- s
	}
}

func (b *board) subscribe() (<-chan Status, func()) {
	ch := make(chan Status, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	ch <- b.status
	if b.subs == nil {
		close(ch)
		return ch, func() {}
	}
	b.subs[ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, ok := b.subs[ch]; ok {
			delete(b.subs, ch)
			close(ch)
		}
	}
}

func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs {
		close(ch)
	}
	b.subs = nil
}
