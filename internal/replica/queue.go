package replica

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// Back-off of a path that could not be brought up to date.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// task is a path that has to be brought up to date.
type task struct {
	path    string
	due     time.Time
	since   time.Time // when it was asked for, or asked for again while running
	seq     uint64    // first come, first served
	fails   int
	err     error // of the last try
	running bool
	again   bool // asked for while running
	at      int  // in the heap; -1: not in it
}

// queue hands paths to the workers, each to one at a time, and again after a
// while when they fail. All methods may be called concurrently.
type queue struct {
	mu     sync.Mutex
	turn   sync.Cond // something may be due
	tasks  map[string]*task
	wait   taskHeap
	seq    uint64
	paused bool
	closed bool
	timer  *time.Timer // for what is due later
	rested sync.Cond   // fewer tasks
}

func newQueue() *queue {
	q := &queue{tasks: make(map[string]*task)}
	q.turn.L, q.rested.L = &q.mu, &q.mu
	q.timer = time.AfterFunc(time.Hour, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.turn.Broadcast()
	})
	return q
}

// want asks for a path to be brought up to date now.
func (q *queue) want(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.tasks[path]
	switch {
	case t == nil:
		t = &task{path: path, since: time.Now(), at: -1}
		q.tasks[path] = t
	case t.running:
		t.again = true
		return
	case t.fails == 0:
		return // it is waiting for its turn
	default:
		t.fails = 0
	}
	q.put(t, time.Now())
}

func (q *queue) put(t *task, due time.Time) {
	q.seq++
	t.due, t.seq = due, q.seq
	if t.at >= 0 {
		heap.Fix(&q.wait, t.at)
	} else {
		heap.Push(&q.wait, t)
	}
	q.turn.Signal()
}

// next waits for a path and hands it out until done is called; nil when the queue
// is closed.
func (q *queue) next() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed {
		if !q.paused && len(q.wait) > 0 {
			t := q.wait[0]
			late := time.Until(t.due)
			if late <= 0 {
				heap.Pop(&q.wait)
				t.running = true
				return t
			}
			q.timer.Reset(late)
		}
		q.turn.Wait()
	}
	return nil
}

// done ends the work on a path; with an error it is tried again later.
func (q *queue) done(t *task, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.running, t.err = false, err
	switch {
	case t.again:
		t.again, t.fails, t.since = false, 0, time.Now()
		q.put(t, t.since)
	case err != nil:
		q.put(t, time.Now().Add(min(firstRetry<<min(t.fails, 10), lastRetry)))
		t.fails++
	default:
		delete(q.tasks, t.path)
	}
	q.rested.Broadcast()
}

// pause keeps paths from being handed out, or ends that.
func (q *queue) pause(paused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = paused
	q.turn.Broadcast()
}

// failing returns how many paths wait to be tried again, and the latest such.
func (q *queue) failing() (n int, path string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var last *task
	for _, t := range q.tasks {
		if t.err == nil {
			continue
		}
		n++
		if last == nil || t.seq > last.seq {
			last = t
		}
	}
	if last == nil {
		return 0, "", nil
	}
	return n, last.path, last.err
}

// overdue counts the paths that were asked for at the given time or before, and those
// that have failed. What was changed here, and waits to be taken in, is not missing.
func (q *queue) overdue(asked time.Time) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.tasks {
		if !t.since.After(asked) || t.err != nil && !errors.Is(t.err, errChanged) {
			n++
		}
	}
	return n
}

// rest waits until nothing is under way and all that waits has failed before.
func (q *queue) rest(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.rested.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for ctx.Err() == nil && !q.closed && q.busy() {
		q.rested.Wait()
	}
	return context.Cause(ctx)
}

func (q *queue) busy() bool {
	for _, t := range q.tasks {
		if t.fails == 0 {
			return true
		}
	}
	return false
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.timer.Stop()
	q.turn.Broadcast()
	q.rested.Broadcast()
}

// taskHeap is a heap of tasks, the first due on top.
type taskHeap []*task

func (h taskHeap) Len() int { return len(h) }

func (h taskHeap) Less(i, j int) bool {
	if c := h[i].due.Compare(h[j].due); c != 0 {
		return c < 0
	}
	return h[i].seq < h[j].seq
}

func (h taskHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *taskHeap) Push(v any) {
	t := v.(*task)
	t.at = len(*h)
	*h = append(*h, t)
}

func (h *taskHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.at = -1
	return t
}
