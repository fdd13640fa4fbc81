package rollout

import (
	"testing"
	"time"
)

// seen reports whether the server's process has seen all control changes. The caller holds
// w.mu.
func (s *simServer) seen() bool {
	b := s.w.activeBooster() // none in the moment of a failover
	return s.proc != nil && b != nil && s.proc.epoch.Covers(EpochOf(b.marks.values()))
}

// watchSeen notes a problem whenever a follower counts as having seen all changes without
// the files of a release.
func (w *world) watchSeen(release uint64) {
	w.go_(func() {
		for w.sleep(w.ctx, 20*time.Millisecond) {
			w.do(func() {
				for _, s := range w.servers {
					if s.proc != nil && !s.proc.lead && s.proc.release < release && s.seen() {
						w.problem("%s counts as having seen a change whose files it has not", s.name)
					}
				}
			})
		}
	})
}

// A server that dies, or whose machine is started, between a deploy's answer and its release
// has not seen the deploy. It is brought to the release like the others, and not restarted
// for the change besides.
func TestStartBeforeTheRelease(t *testing.T) {
	for name, tt := range map[string]struct {
		published time.Duration // after the deploy
		dies      time.Duration
		reboots   bool // the agent with it
		pending   bool // the agent of the lead server says so by then
	}{
		"at once":            {published: 1500 * time.Millisecond, dies: 0},
		"just before":        {published: 1500 * time.Millisecond, dies: 1300 * time.Millisecond},
		"the machine":        {published: 1500 * time.Millisecond, dies: 0, reboots: true},
		"a long settle":      {published: 12 * second, dies: second, pending: true},
		"the machine, later": {published: 12 * second, dies: 5 * second, reboots: true, pending: true},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() { w.faulty = true })
				w.control()
				w.watchSeen(1)
				w.do(func() { w.server("s1").agent.pending = tt.pending })
				w.pass(tt.dies)
				w.do(func() {
					w.server("s3").proc.kill()
					if tt.reboots {
						w.server("s3").agent.restart()
					}
				})
				w.pass(tt.published - tt.dies)
				w.do(func() {
					w.releases.publish("s1", true)
					w.server("s1").agent.pending = false
				})
				w.until(2*time.Minute, "all have it", w.releases.allHave)
				w.until(2*time.Minute, "all are fresh", w.fresh)
				w.pass(time.Minute)
				w.do(func() {
					n := w.starts()
					if n["s1"] != 1 || n["s2"] != 2 || n["s3"] > 3 {
						w.problem("starts: %v", n)
					}
				})
			})
		})
	}
}

// What changes no files is settled by itself: who is started meanwhile is restarted once, or
// waits for that moment.
func TestStartBeforeItIsSettled(t *testing.T) {
	for name, want := range map[string]int{"the server dies": 3, "the machine is started": 2} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() { w.faulty = true })
				w.control()
				w.pass(second / 2)
				w.do(func() {
					s := w.server("s3")
					s.proc.kill()
					if want == 2 {
						s.agent.restart()
						s.agent.retry = time.Now().Add(second / 2)
						return
					}
					s.begin(false, 0, time.Time{}) // as its supervisor does
				})
				w.until(2*time.Minute, "all are fresh", w.fresh)
				w.pass(time.Minute)
				w.do(func() {
					if n := w.starts(); n["s1"] != 1 || n["s2"] != 2 || n["s3"] != want {
						w.problem("starts: %v", n)
					}
				})
			})
		})
	}
}

// A server that can't apply the release of a change is behind, and is not restarted for that
// again and again.
func TestChangeWithFilesThatOneServerCantApply(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.control() // without files, so that an epoch is settled already
		w.until(time.Minute, "all are fresh", w.fresh)
		w.control()
		w.watchSeen(1)
		w.do(func() { w.server("s3").agent.full = true })
		w.pass(1500 * time.Millisecond)
		w.do(func() { w.releases.publish("s1", true) })
		w.until(time.Minute, "s2 has it", func() bool { return w.server("s2").seen() })
		w.until(time.Minute, "it was tried on s3", func() bool { return w.server("s3").starts == 3 && w.atRest() })
		w.during(50*second, "s3 is left alone", func() bool { return w.server("s3").starts == 3 })
		w.do(func() { w.server("s3").agent.full, w.server("s3").agent.trouble = false, "" })
		w.until(5*time.Minute, "all are fresh", w.fresh)
	})
}

// The agent of the lead server stands still when the deploy is answered: what it said before
// says nothing of the files.
func TestLeadAgentStandsStillDuringADeploy(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.server("s1").agent.frozen, w.faulty = true, true })
		w.control()
		w.watchSeen(1)
		w.pass(4 * second)
		w.do(func() { w.server("s3").proc.kill() })
		w.pass(second)
		w.do(func() {
			a := w.server("s1").agent
			a.pending, a.frozen, a.changed = true, false, true
		})
		w.pass(2 * second)
		w.do(func() {
			w.releases.publish("s1", true)
			w.server("s1").agent.pending = false
		})
		w.until(2*time.Minute, "all are fresh", w.fresh)
		w.do(func() {
			if n := w.starts(); n["s2"] != 2 || n["s3"] > 3 {
				w.problem("starts: %v", n)
			}
		})
	})
}

// Another booster becomes the active one before the release of a deploy is there.
func TestFailoverBeforeTheRelease(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.control()
		w.watchSeen(1)
		w.pass(500 * time.Millisecond)
		w.do(func() {
			w.faulty = true
			w.boosters[0].kill()
			w.server("s3").proc.kill()
		})
		w.pass(2 * second)
		w.do(func() { w.releases.publish("s1", true) })
		w.until(2*time.Minute, "all have it", w.releases.allHave)
		w.until(2*time.Minute, "all are fresh", w.fresh)
	})
}
