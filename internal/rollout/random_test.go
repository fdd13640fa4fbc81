package rollout

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestRandomFaults lets faults happen at random for four minutes, several at a time,
// and checks that never two servers run as the lead, that no step runs on two servers,
// and that all is well in the end. ROLLOUT_SEEDS in the environment makes it longer.
func TestRandomFaults(t *testing.T) {
	seeds := 12
	if text := os.Getenv("ROLLOUT_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, 1+seed%3%2, 2+seed%4, uint64(seed), func(w *world) {
				w.do(func() { w.faulty, w.gap = true, time.Duration(seed%3)*300*time.Millisecond })
				stop := w.load(800*time.Millisecond, 4*second)
				for begun := time.Now(); time.Since(begun) < 4*time.Minute; {
					w.fault()
					var d time.Duration
					w.do(func() { d = time.Duration(w.rng.Int64N(int64(15 * second))) })
					w.pass(d)
				}
				w.calm()
				w.pass(30 * second)
				stop()
				var since time.Time
				w.until(25*time.Minute, "the cluster is at rest for a while", func() bool {
					if !w.atRest() {
						since = time.Time{}
					} else if since.IsZero() {
						since = time.Now()
					}
					return !since.IsZero() && time.Since(since) > 20*second
				})
				w.settled(0)
			})
		})
	}
}

// fault makes something go wrong, or ends what goes wrong.
func (w *world) fault() {
	w.mu.Lock()
	s := w.servers[w.rng.IntN(len(w.servers))]
	b := w.boosters[w.rng.IntN(len(w.boosters))]
	kind := w.rng.IntN(14)
	w.note("fault %d, %s, %s", kind, s.name, b.name)
	var after func()
	switch kind {
	case 0, 1:
		if s.proc != nil {
			s.proc.kill()
		}
	case 2:
		s.agent.frozen = !s.agent.frozen
	case 3:
		w.cut(s.name, b.name)
	case 4:
		for _, b := range w.boosters {
			w.cut(s.name, b.name)
		}
	case 5:
		clear(w.cuts)
	case 6:
		if b.alive {
			b.kill()
		} else {
			after = b.start
		}
	case 7:
		s.agent.restart()
	case 8:
		s.agent.delay = time.Duration(w.rng.Int64N(int64(second)))
	case 9:
		if a := w.activeBooster(); a != nil {
			key := EpochKey + a.name
			a.set(key, NextChange(a.marks[key].value, time.Now()))
		}
	case 10:
		c, gone := b.coordinator, false
		after = func() { _ = c.SetLead(s.name, gone) }
	case 11:
		down := !w.dbDown
		after = func() { w.outage(down) }
	case 12:
		w.blind = !w.blind
		b.lag = time.Duration(w.rng.Int64N(int64(second)))
	case 13:
		s.hangs = !s.hangs
	}
	w.mu.Unlock()
	if after != nil {
		after()
	}
}

// calm ends all faults.
func (w *world) calm() {
	if w.dbDown {
		w.outage(false)
	}
	for _, b := range w.boosters {
		if !b.alive {
			b.start()
		}
	}
	w.do(func() {
		w.note("all faults end")
		clear(w.cuts)
		w.blind = false
		for _, b := range w.boosters {
			b.lag = 0
		}
		for _, s := range w.servers {
			s.agent.frozen, s.agent.delay, s.hangs = false, 0, false
		}
	})
}
