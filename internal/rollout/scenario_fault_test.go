package rollout

import (
	"fmt"
	"testing"
	"time"
)

// faulted starts a world with tickets being opened, and lets faults begin.
func faulted(w *world) (stop func()) {
	w.until(10*second, "all are up", w.atRest)
	stop = w.load(300*time.Millisecond, 2*second)
	w.pass(5 * second)
	w.do(func() { w.faulty = true })
	return stop
}

func TestFollowerCrash(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() {
			for range 3 {
				w.server("s2").openVia(w.boosters[0], 8*second, second)
			}
		})
		w.pass(second)
		var before map[string]int
		w.do(func() {
			before = w.starts()
			w.server("s2").proc.kill()
		})
		w.pass(90 * second)
		stop()
		w.settled(30 * second)
		w.do(func() {
			for name, starts := range w.starts() {
				if starts != before[name]+map[string]int{"s1": 1, "s2": 1}[name] {
					w.problem("%s was started %d times", name, starts-before[name])
				}
			}
		})
	})
}

// A ticket that was accepted in the last moment before the crash is not seen before. It is
// resumed soon when a booster knows whose it is, and in the end when nobody does.
func TestFollowerCrashWithANewTicket(t *testing.T) {
	for i := range 12 {
		for known, limit := range map[bool]time.Duration{true: 20 * second, false: UnknownTime + 30*second} {
			t.Run(fmt.Sprintf("%d, known %t", i, known), func(t *testing.T) {
				simulate(t, 2, 2, 1, func(w *world) {
					w.until(10*second, "all are up", w.atRest)
					w.pass(time.Duration(i) * 90 * time.Millisecond)
					w.do(func() {
						if s := w.server("s2"); known {
							s.openVia(w.boosters[1], second)
						} else {
							s.open(second)
						}
						w.server("s2").proc.kill()
					})
					w.settled(limit)
				})
			})
		}
	}
}

func TestMachineLost(t *testing.T) {
	for _, name := range []string{"s1", "s2"} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				stop := faulted(w)
				w.do(func() {
					for range 3 {
						w.server(name).openVia(w.boosters[0], 8*second, second)
					}
				})
				w.pass(second)
				w.do(w.server(name).lose)
				w.pass(100 * second)
				stop()
				w.settled(30 * second)
			})
		})
	}
}

func TestAgentStopsAndWakes(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		for _, name := range []string{"s1", "s2", "s3"} {
			w.do(func() { w.server(name).agent.frozen = true })
			w.pass(30 * second)
			w.do(func() { w.server(name).agent.frozen = false })
			w.until(60*second, "there is a lead", func() bool { return w.leadUp() != nil })
			w.pass(30 * second)
		}
		stop()
		w.settled(60 * second)
	})
}

// The holder of the lease can't be asked to give it back: its process is killed before
// another is started, and it does not come back with it.
func TestAgentCutOff(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() {
			w.cut("s1", "booster-a")
			w.cut("s1", "booster-b")
		})
		w.until(16*second, "s1 is no lead any more", func() bool { return w.lead() == nil })
		w.until(60*second, "another is", func() bool { return w.leadUp() != nil })
		w.until(30*second, "s1 serves as a follower", w.server("s1").up)
		w.do(func() {
			w.join("s1", "booster-a")
			w.join("s1", "booster-b")
		})
		w.during(30*second, "s1 stays a follower", func() bool { return w.lead() != w.server("s1") })
		stop()
		w.settled(60 * second)
	})
}

func TestAgentCrashLeavesTheLead(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		for _, name := range []string{"s1", "s2"} {
			w.do(func() { w.server(name).agent.restart() })
			w.during(30*second, "nobody is restarted", func() bool {
				n := w.starts()
				return n["s1"]+n["s2"]+n["s3"] == 3 && w.leadUp() == w.server("s1")
			})
		}
		stop()
		w.settled(30 * second)
	})
}

func TestLeadThatNeverStartsIsReplaced(t *testing.T) {
	for _, kind := range []string{"crashes", "hangs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			simulate(t, 2, 3, 1, func(w *world) {
				stop := faulted(w)
				w.do(func() {
					s := w.server("s1")
					s.crash, s.hangs = kind == "crashes", kind == "hangs"
					s.agent.release = 2 // it would be the best, if it worked
					s.proc.kill()
				})
				w.until(4*time.Minute, "another is the lead", func() bool { return w.leadUp() != nil })
				stop()
				w.pass(30 * second)
				w.do(func() { w.server("s1").crash, w.server("s1").hangs = false, false })
				w.settled(5 * time.Minute)
			})
		})
	}
}

// A booster dies in the middle of each phase of a change of lead.
func TestBoosterDiesDuringAChangeOfLead(t *testing.T) {
	for i := range 18 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			simulate(t, 2, 3, uint64(i), func(w *world) {
				stop := faulted(w)
				w.do(func() { w.server("s3").open(4 * second) })
				if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
					t.Fatal(err)
				}
				w.pass(time.Duration(i) * 1100 * time.Millisecond)
				w.do(w.boosters[0].kill)
				w.pass(10 * second)
				w.boosters[0].start()
				w.pass(60 * second)
				stop()
				w.settled(20 * time.Minute)
			})
		})
	}
}

// The standby has to take over what the active one did last, in the moment in which
// it did it: its marks lag.
func TestBoosterDiesDuringAColdStart(t *testing.T) {
	for i := range 14 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			simulate(t, 2, 3, uint64(i), func(w *world) {
				w.do(func() {
					w.faulty = true
					w.cut("booster-b", "s1") // it does not hear of the lead's lease
				})
				w.pass(time.Duration(i) * 600 * time.Millisecond)
				w.do(w.boosters[0].kill)
				w.pass(60 * second)
				w.do(func() { w.join("booster-b", "s1") })
				w.settled(2 * time.Minute)
			})
		})
	}
}

func TestBoosterWithoutOrWithOldMarks(t *testing.T) {
	for name, forget := range map[string]func(b *simBooster){
		"lost": func(b *simBooster) { b.marks = make(marks) },
		"old": func(b *simBooster) {
			b.marks[LeadKey] = markValue{`{"s":"s3","g":7,"n":["s1","s2","s3"]}`, 1 << 30}
		},
		"garbage": func(b *simBooster) { b.marks[LeadKey] = markValue{`{"s":`, 1 << 30} },
	} {
		for _, reach := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, lead reachable %t", name, reach), func(t *testing.T) {
				simulate(t, 2, 3, 1, func(w *world) {
					stop := faulted(w)
					w.do(func() {
						w.boosters[0].kill()
						for _, s := range w.servers {
							s.agent.marks = make(marks)
							forget(&simBooster{marks: s.agent.marks})
						}
						forget(w.boosters[1])
						if !reach {
							w.cut("s1", "booster-b")
						}
					})
					if reach {
						w.during(30*second, "s1 stays the lead", func() bool { return w.leadUp() == w.server("s1") })
					} else {
						w.until(90*second, "another is the lead", func() bool { l := w.leadUp(); return l != nil && l.name != "s1" })
						w.do(func() { w.join("s1", "booster-b") })
					}
					stop()
					w.settled(2 * time.Minute)
				})
			})
		}
	}
}
