package rollout

import (
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// load opens tickets all the time, with steps of up to the given time, until the
// returned function is called.
func (w *world) load(every, longest time.Duration) (stop func()) {
	w.do(func() { w.loading = true })
	w.go_(func() {
		for w.sleep(w.ctx, every) {
			w.mu.Lock()
			if !w.loading {
				w.mu.Unlock()
				return
			}
			steps := make([]time.Duration, 1+w.rng.IntN(3))
			for i := range steps {
				steps[i] = 20*time.Millisecond + time.Duration(w.rng.Int64N(int64(longest)))
			}
			b := w.boosters[w.rng.IntN(len(w.boosters))]
			w.mu.Unlock()
			w.go_(func() { w.request(b, steps) })
		}
	})
	return func() { w.do(func() { w.loading = false }) }
}

// request opens a ticket through a booster, as soon as that may be.
func (w *world) request(b *simBooster, steps []time.Duration) {
	var s *simServer
	for range 300 {
		w.mu.Lock()
		o := b.inForce()
		if b.alive && !o.Hold {
			s = w.choose(o)
		}
		if s != nil {
			break // with w.mu held
		}
		w.mu.Unlock()
		if !w.sleep(w.ctx, 100*time.Millisecond) {
			return
		}
	}
	if s == nil {
		return // it was refused
	}
	p, flight := s.proc, b.flight
	flight[s.name]++
	b.working++
	coordinator, book := b.coordinator, b.book
	number := book.Sent(time.Now(), s.name, owners.Request{Flow: simFlow})
	w.mu.Unlock()
	p.wait(40 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !p.dead() && !w.dbDown {
		t := s.open(steps...)
		book.Done(time.Now(), number, int64(t.id))
	} else if !p.dead() {
		book.Refused(number)
	}
	flight[s.name]--
	if b.coordinator == coordinator {
		b.working--
	}
}

// choose returns a server that takes requests, or nil. The caller holds w.mu.
func (w *world) choose(o Orders) *simServer {
	var can []*simServer
	for _, s := range w.servers {
		if _, out := o.Out[s.name]; !out && s.up() {
			can = append(can, s)
		}
	}
	if len(can) == 0 {
		return nil
	}
	return can[w.rng.IntN(len(can))]
}
