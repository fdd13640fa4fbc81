package rollout

import (
	"testing"
	"time"
)

// The lead server is restarted for pauses that it does not know of, no other server is,
// and not again soon.
func TestPausesAreEnded(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		var lead *simServer
		w.do(func() { lead = w.lead() })
		starts := func() (lives int, others bool) {
			w.do(func() {
				for name, n := range w.starts() {
					if name == lead.name {
						lives = n
					} else if n != 1 {
						others = true
					}
				}
			})
			return lives, others
		}
		lost := func(n int) { w.do(func() { lead.proc.pauses = n }) }
		before, _ := starts()
		lost(3)
		if s, ok := w.boosters[0].coordinator.Status(); !ok || s.Pauses != 0 {
			t.Errorf("nobody has told of pauses yet: %+v, %v", s, ok)
		}
		w.pass(2 * second)
		if s, _ := w.boosters[0].coordinator.Status(); s.Pauses != 3 {
			t.Errorf("the status tells of %d pauses", s.Pauses)
		}
		w.until(time.Minute, "the lead server is restarted", func() bool { return lead.starts == before+1 && w.leadUp() == lead })
		ended := time.Now()
		lost(1)
		w.until(2*pauseTime, "the lead server is restarted once more", func() bool { return lead.starts == before+2 && w.leadUp() == lead })
		if took := time.Since(ended); took < pauseTime {
			t.Errorf("the lead server was restarted again after %s", took)
		}
		if _, others := starts(); others {
			t.Error("another server was restarted")
		}
		stop()
		w.settled(30 * second)
	})
}

// The lead server is not taken from the users for pauses while somebody works on a long
// step, and is restarted when that is done.
func TestPausesWaitForALongStep(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		const step = 3 * time.Minute
		var lead *simServer
		before := 0
		w.do(func() {
			lead = w.lead()
			before = lead.starts
			w.server("s2").openVia(w.boosters[0], step)
		})
		w.pass(20 * second)
		w.do(func() { lead.proc.pauses = 3 })
		w.during(step-30*second, "the lead server is left to the users", func() bool {
			return w.leadUp() == lead && lead.starts == before && len(w.boosters[0].inForce().Out) == 0
		})
		w.until(time.Minute, "the lead server is restarted", func() bool { return lead.starts == before+1 && w.leadUp() == lead })
		w.settled(30 * second)
	})
}
