package rollout

import (
	"testing"
	"time"
)

// The boosters' health checks take their time to see that a server is down: a new
// process is not taken for well because the old one was.
func TestSlowHealthChecks(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.blur = 8 * second })
		stop := w.load(200*time.Millisecond, second)
		w.pass(5 * second)
		w.control()
		w.until(time.Minute, "all have been refreshed", func() bool { return w.server("s2").starts == 2 && w.server("s3").starts == 2 })
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.until(time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
		stop()
		w.settled(time.Minute)
	})
}

// The active booster dies while a lead process starts, which takes longer than its
// orders hold: the other one goes on holding work until the journal was replayed.
func TestBoosterDiesWhileTheLeadStarts(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() { w.boot = 20 * second })
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.until(2*time.Minute, "s2 is started", func() bool { return w.lead() == w.server("s2") })
		w.pass(2 * second)
		w.do(w.boosters[0].kill)
		w.until(time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
		w.pass(5 * second)
		w.boosters[0].start()
		stop()
		w.settled(time.Minute)
	})
}

// Work is not held all the time that a slow request takes.
func TestSlowRequestDuringAChangeOfLead(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		total, longest := w.watchHold()
		w.do(func() { w.boosters[1].working++ })
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.during(60*second, "the lead is not stopped", func() bool { return w.server("s1").starts == 1 && w.lead() != nil })
		w.do(func() {
			if *total > 45*second || *longest > holdTime+second {
				w.problem("work was held for %s, %s at once", *total, *longest)
			}
			w.boosters[1].working--
		})
		w.until(time.Minute, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
	})
}

// Each new lead server is told how long there was none, as exactly as that is known: the
// world checks it against what happened.
func TestNewLeadIsToldOfTheTimeWithoutOne(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		told := func(what string, n int) {
			w.until(time.Minute, what, func() bool { return w.leadUp() != nil && w.vacancies == n })
		}
		w.do(func() {
			if w.vacancies != 0 {
				w.problem("the first lead of all is told of one before it")
			}
		})
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		told("after a planned change", 1)
		w.do(func() { w.lead().proc.kill() })
		told("after a lead process died", 2)
		w.do(func() { w.faulty = true; w.lead().lose() })
		told("after its machine died", 3)
		w.do(func() { w.boosters[0].kill(); w.lead().lose() })
		told("after it died together with the active booster", 4)
	})
}

func TestOrphans(t *testing.T) {
	for _, c := range []struct {
		name             string
		seen, died, born float64 // died < 0: nobody
		now              float64
		inherited        bool
		want             int
	}{
		{"left by the dead", 50, 52, 10, 175, false, 1},
		{"not yet quiet", 50, 52, 10, 169, false, 0},
		{"came later", 54, 52, 10, 200, false, 0},
		{"nobody died", 50, -1, 10, 500, false, 0},
		{"replayed already", 50, 52, 54, 200, false, 0},
		{"replayed at that moment", 50, 52, 52, 200, false, 1},
		{"inherited", 50, -1, 10, 649, true, 0},
		{"inherited, and stuck", 50, -1, 10, 650, true, 1},
		{"inherited, and replayed since", 50, -1, 60, 650, true, 0},
	} {
		x, err := New(testConfig())
		if err != nil {
			t.Fatal(err)
		}
		if !c.inherited {
			x.legacy.observed(at(0), at(0))
		}
		if c.died >= 0 && c.seen < c.died {
			x.journal.Observe(at(c.seen), at(c.seen), []Row{{ID: 1}}, nil, false)
		}
		if c.died >= 0 {
			x.legacy.add(at(c.died))
			x.legacy.observed(at(c.died-0.1), at(c.died+0.5)) // was begun too early
			x.legacy.observed(at(c.died), at(c.died+1))
		}
		if c.inherited {
			x.legacy.observed(at(c.seen), at(c.seen))
		}
		if c.died < 0 || c.seen >= c.died {
			x.journal.Observe(at(c.seen), at(c.seen), []Row{{ID: 1}}, nil, false)
		}
		x.lease.holder = "s1"
		x.agents.take(at(c.now), Ask{Server: "s1", Candidate: true, Grant: 1, Runs: Lead, Age: at(c.now).Sub(at(c.born))})
		if got := x.orphans(at(c.now)); got != c.want {
			t.Errorf("%s: %d", c.name, got)
		}
	}
}

// What the holder may go by is written down before it is told anything else.
func TestWitnessesAreWrittenDown(t *testing.T) {
	marks := make(map[string]string)
	cfg := testConfig()
	cfg.Alone = func() bool { return true }
	cfg.Marks = func() map[string]string { return marks }
	cfg.SetMark = func(key, value string) error { marks[key] = value; return nil }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.lease.give(at(0), "s1", 1, 5, []string{"s2"})
	check := func(told []string, witness, before string) {
		t.Helper()
		c.note(at(10), told)
		m, err := decodeMark(marks[LeadKey])
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Witnesses) != 1 || m.Witnesses[0] != witness || len(c.lease.witnesses) != 1 || c.lease.witnesses[0] != witness {
			t.Errorf("witnesses %v, %v", m.Witnesses, c.lease.witnesses)
		}
		if got := append(m.Before, ""); got[0] != before {
			t.Errorf("before %v", m.Before)
		}
	}
	c.agents["s3"] = &asker{heard: at(10)}
	check([]string{"s2"}, "s3", "s2")
	check([]string{"s3"}, "s3", "")
}

// A server that the booster before knew may run, though its agent does not say so.
func TestAbsentServers(t *testing.T) {
	c, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.since, c.before = at(0), []string{"s1", "s2"}
	c.agents.take(at(1), Ask{Server: "s1", Candidate: true})
	if !c.born(at(1), "").IsZero() {
		t.Error("s2 is forgotten")
	}
	if got := c.others(at(1)); len(got) != 2 {
		t.Errorf("the lease could be granted to %v", got)
	}
	c.Forget("s2")
	if c.born(at(1), "").IsZero() {
		t.Error("s2 has left, and is waited for")
	}
	c.before = []string{"s2"}
	c.agents.take(at(601), Ask{Server: "s1", Candidate: true})
	if c.born(at(601), "").IsZero() {
		t.Error("s2 is waited for all the time")
	}
}
