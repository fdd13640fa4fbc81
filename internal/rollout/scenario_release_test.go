package rollout

import (
	"strings"
	"testing"
	"time"
)

// TestRelease: one server at a time, the origin first and the lead last, and tickets go
// on.
func TestRelease(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		stop := w.load(200*time.Millisecond, second)
		w.do(func() { w.releases.publish("s2", false) })
		var order []string
		w.until(3*time.Minute, "all have it", func() bool {
			for _, s := range w.servers {
				if s.agent.release == 1 && !strings.Contains(strings.Join(order, " "), s.name) {
					order = append(order, s.name)
				}
			}
			return w.releases.allHave()
		})
		stop()
		w.settled(30 * second)
		if got := strings.Join(order, " "); got != "s2 s3 s1" {
			t.Errorf("the order was %s", got)
		}
		w.do(func() {
			for name, n := range w.starts() {
				if n != 2 {
					w.problem("%s was started %d times", name, n)
				}
			}
			for _, t := range w.tickets {
				if len(t.runs) != len(t.steps) {
					w.problem("ticket %d was interrupted", t.id)
				}
			}
		})
	})
}

// TestDeploy: what OMFLOW has deployed itself is in its process already.
func TestDeploy(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			w.releases.publish("s1", true)
		})
		w.control()
		w.until(2*time.Minute, "all have it", w.releases.allHave)
		w.until(2*time.Minute, "all are fresh", w.fresh)
		w.do(func() {
			if n := w.starts(); n["s1"] != 1 || n["s2"] != 2 || n["s3"] != 2 {
				w.problem("files and restart were to be one step, and the lead to be left alone: starts %v", n)
			}
		})
	})
}

// TestDeployDuringARefresh: who is restarted for a control change while another one is under
// way would count as having seen both, without the files of the second.
func TestDeployDuringARefresh(t *testing.T) {
	for name, begins := range map[string]time.Duration{"before the refresh": 0, "while a server is drained for it": DefaultSettle + second} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				flight := func(n int) { w.activeBooster().flight = map[string]int{"s2": n} }
				w.do(func() { flight(min(int(begins), 1)) })
				w.control()
				w.pass(begins)
				w.do(func() { w.changing = "s1"; flight(0) })
				w.pass(DefaultSettle + 5*second)
				w.do(func() {
					if n := w.starts(); n["s2"] != 1 || n["s3"] != 1 {
						w.problem("a server was restarted meanwhile: starts %v", n)
					}
					w.releases.publish("s1", true)
				})
				w.control()
				w.do(func() { w.changing = "" })
				w.until(2*time.Minute, "all have it", w.releases.allHave)
				w.until(2*time.Minute, "all are fresh", w.fresh)
				w.do(func() {
					if n := w.starts(); n["s1"] != 1 || n["s2"] != 2 || n["s3"] != 2 {
						w.problem("files and restart were to be one step: starts %v", n)
					}
				})
			})
		})
	}
}

// failedOnly sees that all failures that were told begin so. The caller holds w.mu.
func (w *world) failedOnly(prefix string) {
	for _, failed := range w.releases.failed {
		if !strings.HasPrefix(failed, prefix) {
			w.problem("failures: %q", w.releases.failed)
		}
	}
}

// TestBadRelease: it stops at the first server, and what was before comes back there.
func TestBadRelease(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.faulty = true
		w.do(func() {
			w.releases.bad[1] = true
			w.releases.publish("s2", false)
		})
		w.until(3*time.Minute, "it is taken back", func() bool { return w.releases.target.Number == 2 })
		w.until(3*time.Minute, "all have what was before", w.releases.allHave)
		w.do(func() {
			if len(w.releases.failed) != 1 || !strings.HasPrefix(w.releases.failed[0], "1 on s2: ") {
				w.problem("failures: %q", w.releases.failed)
			}
		})
	})
}

// TestBadReleaseStays: one that can't be taken back at once, since the booster's disk is
// full, stops at the first server all the same, and is taken back later.
func TestBadReleaseStays(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.faulty = true
		w.do(func() {
			w.releases.bad[1] = true
			w.releases.full = 2
			w.releases.publish("s2", false)
		})
		w.until(10*time.Minute, "it is taken back", func() bool { return w.releases.target.Number == 2 })
		w.until(3*time.Minute, "all have what was before", w.releases.allHave)
		w.do(func() {
			w.failedOnly("1 on s2: ")
			if n := len(w.releases.failed); n != 3 {
				w.problem("told %d times", n)
			}
		})
	})
}

// TestBadReleaseStaysStopped: it is not rolled out again after there was no target for a
// moment, as while releases are compared.
func TestBadReleaseStaysStopped(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.faulty = true
		w.do(func() {
			w.releases.bad[1] = true
			w.releases.full = 1000
			w.releases.publish("s2", false)
		})
		w.until(5*time.Minute, "it can't be marked", func() bool { return len(w.releases.failed) > 0 })
		w.do(func() { w.releases.none = true })
		w.pass(5 * second)
		w.do(func() { w.releases.none = false })
		w.pass(5 * time.Minute)
		w.do(func() {
			w.failedOnly("1 on s2: ")
			w.releases.full = 0
		})
		w.until(10*time.Minute, "it is taken back", func() bool { return w.releases.target.Number == 2 })
	})
}

// TestReleaseThatIsHeld: a server that holds a later release than the target does not go
// back. Is it the newest, it is left alone; else it is tried now and then. The others get
// the target.
func TestReleaseThatIsHeld(t *testing.T) {
	for name, tt := range map[string]struct {
		head   uint64
		starts int
	}{"the newest": {2, 1}, "another": {3, 2}} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() {
					w.releases.publish("s2", false)
					w.releases.head = tt.head
					a := w.server("s2").agent
					a.release, a.changed = 2, true
				})
				w.until(time.Minute, "the others have it", func() bool {
					return w.atRest() && w.server("s1").proc.release == 1 && w.server("s3").proc.release == 1
				})
				w.do(func() {
					if n := w.starts(); n["s2"] != tt.starts {
						w.problem("starts: %v", n)
					}
					if len(w.releases.failed) != 0 {
						w.problem("failures: %q", w.releases.failed)
					}
				})
			})
		})
	}
}

// TestReleaseAfterAServerCameBack: one that the boosters have last seen down, and that is up
// again, is not tried before the origin, which is where a bad release is to stop.
func TestReleaseAfterAServerCameBack(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.releases.publish("s2", false) })
		w.until(3*time.Minute, "all have the first", w.releases.allHave)
		var c *Coordinator
		w.do(func() { c, w.server("s3").unseen = w.activeBooster().coordinator, true })
		for seen := true; seen; w.pass(10 * time.Millisecond) {
			c.mu.Lock()
			seen = c.doors.Up["s3"]
			c.mu.Unlock()
		}
		w.do(func() {
			w.server("s3").unseen = false
			w.releases.publish("s2", false)
			w.server("s3").agent.changed = true // it is the first to say that it has staged it
		})
		first := ""
		w.until(3*time.Minute, "all have it", func() bool {
			for _, s := range w.servers {
				if first == "" && s.agent.release == 2 {
					first = s.name
				}
			}
			return w.releases.allHave()
		})
		if first != "s2" {
			t.Errorf("%s had it first", first)
		}
	})
}

// TestReleaseThatOneServerCantApply: the others get it, and that one later.
func TestReleaseThatOneServerCantApply(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			w.releases.publish("s2", false)
			w.server("s2").agent.full = true
		})
		w.until(3*time.Minute, "the others have it", func() bool {
			return w.atRest() && w.server("s1").proc.release == 1 && w.server("s3").proc.release == 1
		})
		w.do(func() {
			if len(w.releases.failed) != 0 {
				w.problem("failures: %q", w.releases.failed)
			}
			a := w.server("s2").agent
			a.full, a.trouble = false, ""
		})
		w.until(5*time.Minute, "all have it", w.releases.allHave)
	})
}

// TestReleaseIsContinued: the booster that leads dies in the middle.
func TestReleaseIsContinued(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.faulty = true
		w.do(func() { w.releases.publish("s2", false) })
		w.until(time.Minute, "the first is being restarted", func() bool { return w.server("s2").proc == nil })
		w.do(func() { w.boosters[0].kill() })
		w.until(5*time.Minute, "all have it", w.releases.allHave)
	})
}

// TestColdStartWithARelease: servers that were off get it before they are started.
func TestColdStartWithARelease(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.do(func() { w.releases.publish("s2", false) })
		w.until(time.Minute, "all have it", w.releases.allHave)
		w.do(func() {
			for name, n := range w.starts() {
				if n != 1 {
					w.problem("%s was started %d times", name, n)
				}
			}
		})
	})
}

// TestCatchUp: a server that was off for a release is started once, with it.
func TestCatchUp(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		s := w.server("s3")
		w.faulty = true
		w.do(func() {
			s.agent.stop()
			s.proc.kill()
			w.releases.publish("s2", false)
		})
		w.until(5*time.Minute, "the others have it", func() bool {
			return w.server("s1").agent.release == 1 && w.server("s2").agent.release == 1 && w.leadUp() != nil
		})
		var before int
		w.do(func() {
			s.agent.staged, before = 0, s.starts
			s.agent.restart()
		})
		w.pass(3 * second)
		w.do(func() { s.agent.staged = 1 })
		w.until(time.Minute, "all have it", w.releases.allHave)
		w.do(func() {
			if s.starts != before+1 {
				w.problem("s3 was started %d times", s.starts-before)
			}
		})
	})
}
