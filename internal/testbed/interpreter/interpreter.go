// Package interpreter is the time model of one OMFLOW Server process: it makes
// a stand-in as slow as OMFLOW without burning processor time.
//
// # Model
//
// OMFLOW runs Python: however many threads a process has, one of them
// interprets at a time. So a request needs the one interpreter for g ms, in
// slices of at most [Quantum], first come first served, and waits w ms outside
// it (database, disk, sockets), where others don't hold it up. [Cost] is the
// pair. With 8 threads this reproduces what was measured on OMFLOW 1.1.0.0 under
// gunicorn with 8 threads on a machine of two cores:
//
//	request               1 client      8 clients
//	GET /rest/x           647/s         949/s
//	GET /accounts/login/   83/s          85/s
//	GET / signed in        27/s          39/s, median 195 ms
//	POST /rest …list       43/s         106/s, median  69 ms
//	POST /rest …create     27/s          43/s, median 182 ms
//
// # Exactness
//
// A sleep ends about a millisecond late, and a request of 37 ms has a dozen of
// them. Therefore time is kept twice: each slice has a planned end, the next
// slice is counted from the plan and not from the late awakening, and what a
// request was late at one sleep it sleeps less at the next. Only the last delay
// of a request shows. When the plan falls behind the clock by more than [MaxLag]
// (the machine was stopped, or had no processor to spare) it is given up and
// starts again from the clock: a process that was stopped does not run faster
// afterwards.
package interpreter

import (
	"sync"
	"time"
)

// Quantum is how long a thread keeps the interpreter while others want it.
// CPython's switch interval (sys.getswitchinterval) is 5 ms.
const Quantum = 5 * time.Millisecond

// MaxLag is how far the plan may fall behind the clock before it is given up.
const MaxLag = 25 * time.Millisecond

// Cost is what a request needs.
type Cost struct {
	Interpret time.Duration // g: alone on the interpreter
	Wait      time.Duration // w: outside it
}

// Scale returns the cost times factor. A factor of zero is no cost at all.
func (c Cost) Scale(factor float64) Cost {
	return Cost{
		Interpret: time.Duration(float64(c.Interpret) * factor),
		Wait:      time.Duration(float64(c.Wait) * factor),
	}
}

// Interpreter is the one interpreter of a process. Its methods may be called
// by any number of goroutines.
type Interpreter struct {
	done <-chan struct{}

	mu      sync.Mutex
	busy    bool
	free    time.Time // planned end of the last slice
	waiting []chan struct{}
}

// New returns an interpreter. When done is closed all waiting ends at once:
// the process was killed. A nil channel never ends it.
func New(done <-chan struct{}) *Interpreter {
	return &Interpreter{done: done}
}

// Task is one request's way through the interpreter. It belongs to one
// goroutine.
type Task struct {
	in *Interpreter
	at time.Time // where the request is by plan
}

// Begin starts the clock of a request.
func (in *Interpreter) Begin() *Task {
	return &Task{in: in, at: time.Now()}
}

// Interpret returns after the request had the interpreter for need, in slices
// between which others have theirs.
func (t *Task) Interpret(need time.Duration) {
	for need > 0 {
		slice := min(need, Quantum)
		need -= slice
		if !t.in.acquire() {
			return
		}
		end := t.in.plan(t.at, slice)
		t.in.sleepUntil(end)
		t.at = end
		t.in.release(end)
	}
}

// Wait returns after the request was outside the interpreter for d.
func (t *Task) Wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t.at = later(t.at, time.Now().Add(-MaxLag)).Add(d)
	t.in.sleepUntil(t.at)
}

// acquire waits for the interpreter. It returns false when the process was
// killed meanwhile; the interpreter is then not held.
func (in *Interpreter) acquire() bool {
	in.mu.Lock()
	if !in.busy {
		in.busy = true
		in.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	in.waiting = append(in.waiting, turn)
	in.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-in.done:
		// Nobody counts turns any more: all the others leave the same way.
		return false
	}
}

// plan gives the end of a slice for a request that is at the time at.
func (in *Interpreter) plan(at time.Time, slice time.Duration) time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	start := later(later(in.free, at), time.Now().Add(-MaxLag))
	return start.Add(slice)
}

// release hands the interpreter to the one that waits longest.
func (in *Interpreter) release(end time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.free = end
	if len(in.waiting) == 0 {
		in.busy = false
		return
	}
	next := in.waiting[0]
	in.waiting[0] = nil
	in.waiting = in.waiting[1:]
	close(next)
}

func (in *Interpreter) sleepUntil(t time.Time) {
	d := time.Until(t)
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.done:
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
