package rollout

import (
	"maps"
	"testing"
	"time"
)

const second = time.Second

func TestColdStart(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.until(second, "s1 is the lead, since nobody was before", func() bool { return w.lead().name == "s1" })
		w.during(30*second, "nobody is started twice", func() bool {
			return maps.Equal(w.starts(), map[string]int{"s1": 1, "s2": 1, "s3": 1}) && w.atRest()
		})
	})
}

func TestColdStartWithTicketsLeft(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.do(func() {
			for i := range 5 {
				t := &ticket{id: i + 1, steps: []time.Duration{second, second}}
				w.tickets = append(w.tickets, t)
				w.addRow(t)
			}
		})
		w.settled(20 * second)
		w.do(func() {
			if !maps.Equal(w.starts(), map[string]int{"s1": 1, "s2": 1, "s3": 1}) {
				w.problem("starts: %v", w.starts())
			}
		})
	})
}

func TestLeadCrash(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		stop := w.load(200*time.Millisecond, 2*second)
		w.pass(5 * second)
		w.do(func() {
			w.faulty = true
			for range 3 {
				w.lead().open(8*second, second)
			}
		})
		w.pass(second)
		var before map[string]int
		w.do(func() {
			before = w.starts()
			w.lead().proc.kill()
		})
		w.until(60*second, "there is a lead again", func() bool { return w.leadUp() != nil })
		w.pass(5 * second)
		stop()
		w.settled(30 * second)
		w.do(func() {
			n := 0
			for name, starts := range w.starts() {
				if w.lead().name != name {
					n += starts - before[name]
				}
			}
			if n != 0 {
				w.problem("followers were started %d times", n)
			}
		})
	})
}
