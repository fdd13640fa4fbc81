package balance

import (
	"container/list"
	"sync/atomic"
	"time"
)

// fairness is how many slots of a server go to others in a row while flow
// requests wait for it, before one of these gets the next.
const fairness = 8

// lookAhead bounds how far the queue is searched for a request that may go to a
// server: those before it have tried that server already.
const lookAhead = 32

// waiters is requests that wait for the same, oldest first.
type waiters = list.List

// queue is the requests that wait: those that may go to any server by lane, those
// for the lead server by lane, those of sessions with their server (Server.bound),
// and those that are held back whatever their lane. All of it is guarded by
// Balancer.mu.
type queue struct {
	lanes [Lanes]waiters
	lead  [Lanes]waiters
	held  waiters
	next  uint64 // place in line
}

// Waiter is a request in the queue.
type Waiter struct {
	// C gives the slot, once.
	C <-chan Grant

	c       chan Grant
	request Request
	why     Why
	place   uint64
	counted *atomic.Int64 // where it counts as waiting, or nil
	list    *waiters
	element *list.Element
}

// count moves w to another counter; nil is none.
func (w *Waiter) count(at *atomic.Int64) {
	if w.counted != nil {
		w.counted.Add(-1)
	}
	if w.counted = at; at != nil {
		at.Add(1)
	}
}

// push appends, or inserts by the place in line when w waited elsewhere before.
func (w *Waiter) push(l *waiters) {
	w.list = l
	for e := l.Back(); e != nil; e = e.Prev() {
		if e.Value.(*Waiter).place < w.place {
			w.element = l.InsertAfter(w, e)
			return
		}
	}
	w.element = l.PushFront(w)
}

func (w *Waiter) remove() {
	w.list.Remove(w.element)
	w.list, w.element = nil, nil
}

// unbind lets requests that wait for this server alone go anywhere.
func (q *queue) unbind(s *Server) {
	for l := range Lanes {
		for e := s.bound[l].Front(); e != nil; e = s.bound[l].Front() {
			w := e.Value.(*Waiter)
			w.remove()
			w.why = WhyMoved
			w.push(&q.lanes[l])
		}
	}
}

// enqueue is the way with the lock. A slot that is free and due to this request
// is still given at once.
func (b *Balancer) enqueue(now time.Time, r *Request) (Grant, *Waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting[r.Lane].Load()+b.heldBack[r.Lane].Load() >= int64(b.cfg.QueueLength) {
		return Grant{}, nil, ErrQueueFull
	}
	c := make(chan Grant, 1)
	w := &Waiter{C: c, c: c, request: *r, place: b.queue.next}
	w.request.Tried = append([]*Server(nil), r.Tried...)
	b.queue.next++
	t := b.table.Load()
	if r.Work && t.held {
		w.count(&b.heldBack[r.Lane])
		w.push(&b.queue.held)
		return Grant{}, w, nil
	}
	// It counts as waiting before the servers are looked at: a slot that is given
	// back from here on is passed on by Release.
	w.count(&b.waiting[r.Lane])
	only, any := b.line(t, w)
	if only != nil {
		b.dispatch(now, t, only)
	}
	for any {
		s := t.choose(b.cfg.Policy, r)
		if s == nil || !b.dispatch(now, t, s) || w.element == nil {
			break
		}
	}
	select {
	case g := <-c:
		return g, nil, nil
	default:
		return Grant{}, w, nil
	}
}

// line puts a request into the list that is its, and returns the server that it waits
// for alone, if that takes it, or says that it waits for any. The caller holds b.mu.
func (b *Balancer) line(t *table, w *Waiter) (only *Server, any bool) {
	l := w.request.Lane
	if w.request.ToLead {
		w.why = WhyLead
		w.push(&b.queue.lead[l])
		return t.lead, false
	}
	if s := t.sticky(&w.request); s != nil {
		w.why = WhySticky
		w.push(&s.bound[l])
		return s, false
	}
	w.why = WhyWaited
	if w.request.Sticky != 0 {
		w.why = WhyMoved
	}
	w.push(&b.queue.lanes[l])
	return nil, true
}

// Cancel takes a request out of the queue. If a slot was granted already, it is
// given back.
func (b *Balancer) Cancel(now time.Time, w *Waiter) {
	b.mu.Lock()
	waits := w.element != nil
	if waits {
		w.remove()
		w.count(nil)
	}
	b.mu.Unlock()
	if !waits {
		select {
		case g := <-w.c:
			b.Release(now, g, Outcome{})
		default: // it was received from C; its receiver releases it
		}
	}
}

// QueueLength returns how many requests of one lane may wait.
func (b *Balancer) QueueLength() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg.QueueLength
}

// Queued returns how many requests of the lane wait, those that are held back
// included.
func (b *Balancer) Queued(l Lane) int { return int(b.waiting[l].Load() + b.heldBack[l].Load()) }

func (b *Balancer) dispatchAll(now time.Time, t *table) {
	for _, s := range t.servers {
		b.dispatch(now, t, s)
	}
}

// dispatch gives the server's free slots to the requests that are due, and
// reports whether it gave any. The caller holds b.mu.
func (b *Balancer) dispatch(now time.Time, t *table, s *Server) bool {
	given := false
	for {
		w := b.due(t, s)
		if w == nil || !s.take(w.request.Lane) {
			return given
		}
		given = true
		if w.request.Lane == Flow {
			s.streak = 0
		} else if b.waiting[Flow].Load() > 0 {
			s.streak++
		}
		w.remove()
		w.count(nil)
		g := b.grant(&w.request, s, w.why)
		b.seen(now, &w.request, s)
		w.c <- g
	}
}

// due returns the request that is next on the server, or nil if none may be
// given to it now.
func (b *Balancer) due(t *table, s *Server) *Waiter {
	load := s.load.Load()
	var flow *Waiter
	if s.room(load, Flow) {
		flow = b.oldest(t, s, Flow)
	}
	if flow != nil && s.streak >= fairness {
		return flow
	}
	if !s.room(load, Session) {
		return nil
	}
	var best *Waiter
	for l := range Lanes {
		if Lane(l) == Flow {
			continue
		}
		if w := b.oldest(t, s, Lane(l)); w != nil && (best == nil || w.place < best.place) {
			best = w
		}
	}
	if best == nil {
		return flow
	}
	return best
}

// oldest returns the first request of the lane that may go to the server: of those
// that wait for it alone, those that wait for any, and, if it is the lead, those that
// wait for that.
func (b *Balancer) oldest(t *table, s *Server, l Lane) *Waiter {
	best := b.oldestOfAll(t, s, l)
	best = older(best, s.bound[l].Front())
	if s == t.lead {
		best = older(best, b.queue.lead[l].Front())
	}
	return best
}

// older returns the one of two that has the lower place; either may be nil.
func older(w *Waiter, e *list.Element) *Waiter {
	if e == nil {
		return w
	}
	if other := e.Value.(*Waiter); w == nil || other.place < w.place {
		return other
	}
	return w
}

func (b *Balancer) oldestOfAll(t *table, s *Server, l Lane) *Waiter {
	n := 0
	for e := b.queue.lanes[l].Front(); e != nil && n < lookAhead; e, n = e.Next(), n+1 {
		w := e.Value.(*Waiter)
		if t.may(s, &w.request) {
			return w
		}
		if len(w.request.Tried) == 0 {
			return nil // the server takes nothing new at all
		}
		if s.takesNew(l) && !t.untried(&w.request) {
			return w // all were tried: another chance
		}
	}
	return nil
}
