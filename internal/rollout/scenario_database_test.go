package rollout

import (
	"fmt"
	"testing"
	"time"
)

// After an outage of the database all flow queues stand still, until their servers are
// restarted.
func TestDatabaseOutage(t *testing.T) {
	for _, servers := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			simulate(t, 2, servers, 1, func(w *world) {
				stop := faulted(w)
				w.outage(true)
				w.pass(20 * second)
				w.outage(false)
				back := time.Now()
				w.pass(15 * second)
				stop()
				w.settled(60*second - time.Since(back))
				w.do(func() {
					for name, starts := range w.starts() {
						if starts != 2 {
							w.problem("%s was started %d times", name, starts-1)
						}
					}
				})
			})
		})
	}
}

// One follower has lost the database: what it has is resumed, and the others go on.
func TestOneQueueStandsStill(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() {
			w.server("s2").proc.stale = true
			w.server("s2").openVia(w.boosters[0], second)
		})
		w.pass(60 * second)
		stop()
		w.settled(30 * second)
		w.do(func() {
			if n := w.starts(); n["s3"] != 1 {
				w.problem("s3 was restarted")
			}
		})
	})
}

// The journal can't be read: its place is taken by waiting.
func TestJournalUnreadable(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.do(func() { w.blind = true })
		w.until(30*second, "all are up", w.atRest)
		_, longest := w.watchHold()
		stop := w.load(300*time.Millisecond, 2*second)
		w.pass(5 * second)
		w.control()
		w.pass(90 * second)
		w.until(time.Minute, "the servers are refreshed", func() bool { return w.server("s2").starts == 2 && w.server("s3").starts == 2 })
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		s, _ := w.boosters[0].coordinator.Status()
		if s.Blind == "" {
			t.Errorf("status %+v does not tell that the journal can't be read", s)
		}
		w.until(2*time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
		stop()
		w.settled(time.Minute)
		w.do(func() {
			if *longest > BlindTime+10*second {
				w.problem("work was held for %s at once", *longest)
			}
		})
	})
}
