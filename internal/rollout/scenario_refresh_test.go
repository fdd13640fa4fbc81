package rollout

import (
	"strings"
	"testing"
	"time"
)

// fresh reports whether all servers have seen all control changes. The caller holds
// w.mu.
func (w *world) fresh() bool {
	b := w.activeBooster()
	if b == nil {
		return false
	}
	epoch := EpochOf(b.marks.values())
	for _, s := range w.servers {
		if s.proc == nil || !s.proc.lead && !s.proc.epoch.Covers(epoch) {
			return false
		}
	}
	return w.atRest()
}

// watchHold notes how long work is held in all, and the longest at once.
func (w *world) watchHold() (total, longest *time.Duration) {
	total, longest = new(time.Duration), new(time.Duration)
	const step = 50 * time.Millisecond
	w.go_(func() {
		at := time.Duration(0)
		for w.sleep(w.ctx, step) {
			w.do(func() {
				if b := w.activeBooster(); b != nil && b.inForce().Hold {
					at += step
					*total += step
				} else {
					at = 0
				}
				*longest = max(*longest, at)
			})
		}
	})
	return total, longest
}

func TestRefresh(t *testing.T) {
	simulate(t, 2, 4, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		_, longest := w.watchHold()
		stop := w.load(100*time.Millisecond, second)
		w.pass(5 * second)
		w.control()
		w.pass(second)
		w.control()
		w.during(2500*time.Millisecond, "nothing happens before it has settled", func() bool { return len(w.boosters[0].inForce().Out) == 0 })
		w.until(2*time.Minute, "the second is being refreshed", func() bool { return w.server("s3").starts == 2 })
		w.control()
		w.pass(2 * time.Minute)
		stop()
		w.until(30*second, "all are fresh", w.fresh)
		w.settled(second)
		w.do(func() {
			n := w.starts()
			if n["s1"] != 1 || n["s2"] != 3 || n["s3"] != 3 || n["s4"] != 2 {
				w.problem("starts: %v", n)
			}
			if *longest > holdTime+2*second {
				w.problem("work was held for %s", *longest)
			}
			for _, t := range w.tickets {
				if len(t.runs) != len(t.steps) {
					w.problem("ticket %d was interrupted", t.id)
				}
			}
		})
	})
}

func TestRefreshWaitsForTheJournal(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		total, longest := w.watchHold()
		stop := w.load(500*time.Millisecond, second)
		var long *ticket
		w.do(func() { long = w.server("s2").open(4 * time.Minute) })
		w.control()
		w.until(150*second, "s2 is put off, and it is s3's turn", func() bool { return w.boosters[0].inForce().Out["s3"] != "" })
		w.pass(5 * time.Minute)
		stop()
		w.until(60*second, "all are fresh", w.fresh)
		w.settled(second)
		w.do(func() {
			if len(long.runs) != 1 {
				w.problem("the long step was run %d times", len(long.runs))
			}
			if *total > time.Minute || *longest > holdTime+2*second {
				w.problem("work was held for %s, %s at once", *total, *longest)
			}
		})
	})
}

func TestRefreshStopsAtAServerThatDoesNotComeBack(t *testing.T) {
	simulate(t, 2, 4, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		stop := w.load(300*time.Millisecond, second)
		w.control()
		w.until(30*second, "s2 is being restarted", func() bool { return w.server("s2").starts == 2 })
		w.do(func() { w.server("s2").hangs = true })
		w.during(5*time.Minute, "the others are left alone", func() bool {
			return w.server("s3").starts == 1 && w.server("s4").starts == 1
		})
		w.do(func() { w.server("s2").hangs = false })
		w.pass(3 * time.Minute)
		stop()
		w.until(time.Minute, "all are fresh", w.fresh)
		w.settled(second)
	})
}

func TestRefreshNeedsAllBoosters(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.boosters[0].orderErr = ErrNotActive })
		w.control()
		w.during(time.Minute, "nobody is restarted", func() bool { return w.server("s2").starts+w.server("s3").starts == 2 })
		w.do(func() { w.boosters[0].orderErr = nil })
		w.until(time.Minute, "all are fresh", w.fresh)
	})
}

// An order that an agent has not carried out is none any more when it wakes.
func TestOldOrderIsNotCarriedOut(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		frozen := false
		w.do(func() {
			w.boosters[0].hook = func(o Orders) {
				if _, out := o.Out["s2"]; out && !frozen {
					frozen, w.server("s2").agent.delay = true, 400*time.Millisecond
				}
			}
		})
		w.control()
		w.until(time.Minute, "s2 is told", func() bool {
			a := w.server("s2").agent
			if a.tenant.restart == 0 {
				return false
			}
			a.frozen, a.stopping, a.order = true, nil, 0
			return true
		})
		w.pass(2*startTime + 10*second)
		w.do(func() {
			w.cut("s2", "booster-a")
			w.cut("s2", "booster-b")
			w.server("s2").agent.frozen = false
		})
		w.during(30*second, "s2 is not restarted", func() bool { return w.server("s2").starts == 1 })
		w.do(func() { clear(w.cuts); w.faulty = true })
		w.until(5*time.Minute, "all are fresh", w.fresh)
	})
}

func TestSetLead(t *testing.T) {
	for _, servers := range []int{2, 3} {
		simulate(t, 2, servers, 1, func(w *world) {
			w.until(10*second, "all are up", w.atRest)
			_, longest := w.watchHold()
			stop := w.load(200*time.Millisecond, second)
			w.pass(3 * second)
			served := time.Duration(0)
			w.go_(func() {
				for w.sleep(w.ctx, 100*time.Millisecond) {
					w.do(func() {
						n := 0
						for _, s := range w.servers {
							if _, out := w.boosters[0].inForce().Out[s.name]; s.up() && !out {
								n++
							}
						}
						if n < servers-1 {
							served += 100 * time.Millisecond
						}
					})
				}
			})
			if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
				t.Fatal(err)
			}
			w.until(time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
			w.pass(10 * second)
			stop()
			w.settled(30 * second)
			w.do(func() {
				if n := w.starts(); n["s1"] != 2 || n["s2"] != 2 || n["s3"] != servers-2 {
					w.problem("starts: %v", n)
				}
				if served > 0 {
					w.problem("more than one server was missing for %s", served)
				}
				if *longest > holdTime+2*second {
					w.problem("work was held for %s at once", *longest)
				}
			})
			for _, name := range []string{"s9", ""} {
				if err := w.boosters[0].coordinator.SetLead(name, true); err == nil || !strings.Contains(err.Error(), "agent") {
					t.Errorf("lead %q: %v", name, err)
				}
			}
		})
	}
}

// A long step on a follower is not run twice by a new lead, and work goes on.
func TestSetLeadDuringALongStep(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		total, longest := w.watchHold()
		stop := w.load(300*time.Millisecond, second)
		w.do(func() { w.server("s3").open(2 * time.Minute) })
		w.pass(40 * second)
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.until(3*time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
		stop()
		w.settled(time.Minute)
		w.do(func() {
			if *total > 40*second || *longest > holdTime+2*second {
				w.problem("work was held for %s, %s at once", *total, *longest)
			}
		})
	})
}

// A new lead is wanted that dies meanwhile: the old one stays.
func TestSetLeadToAServerThatDies(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.faulty = true; w.server("s2").agent.frozen = true })
		w.pass(2 * second)
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.during(time.Minute, "s1 is the lead, or will be at once", func() bool { return w.server("s1").starts <= 2 })
		w.do(func() { w.server("s2").agent.frozen = false })
		w.settled(time.Minute)
	})
}
