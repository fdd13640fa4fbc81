package rollout

import (
	"strings"
	"testing"
	"time"
)

// TestLags: a server is behind when another has more, or may have.
func TestLags(t *testing.T) {
	has := func(missing int) Ask { return Ask{MissingFiles: missing} }
	uncompared := Ask{Uncompared: true}
	for _, c := range []struct {
		name   string
		last   string // the lead server, "" for none
		before []string
		asks   map[string]Ask
		silent string
		want   bool // s1 is behind
	}{
		{"has all", "s2", nil, map[string]Ask{"s1": has(0), "s2": has(0)}, "", false},
		{"the only one, with all", "s2", []string{"s2"}, map[string]Ask{"s1": has(0)}, "", false},
		{"lacks some", "s2", nil, map[string]Ask{"s1": has(2), "s2": has(0)}, "", true},
		{"lacks some in a new cluster", "", nil, map[string]Ask{"s1": has(2), "s2": has(0)}, "", true},
		{"was the lead, and lacks some", "s1", nil, map[string]Ask{"s1": has(2), "s2": has(0)}, "", true},
		{"lacks more", "s2", nil, map[string]Ask{"s1": has(2), "s2": has(1)}, "", true},
		{"all lack the same", "s3", nil, map[string]Ask{"s1": has(2), "s2": has(2)}, "", false},
		{"who has all does not ask any more", "s2", nil, map[string]Ask{"s1": has(2), "s2": has(0)}, "s2", false},
		{"who may have all has not asked yet", "s2", []string{"s2"}, map[string]Ask{"s1": has(2)}, "", true},
		{"has not compared", "s2", nil, map[string]Ask{"s1": uncompared, "s2": has(0)}, "", true},
		{"nobody has compared", "s3", nil, map[string]Ask{"s1": uncompared, "s2": uncompared}, "", true},
		{"has not compared, alone", "s2", nil, map[string]Ask{"s1": uncompared}, "", true},
		{"has not compared, and was the lead", "s1", nil, map[string]Ask{"s1": uncompared, "s2": has(0)}, "", false},
		{"has not compared in a new cluster", "", nil, map[string]Ask{"s1": uncompared, "s2": has(0)}, "", false},
	} {
		cfg := testConfig()
		cfg.Marks = func() map[string]string {
			text, _ := mark{Server: c.last, Grant: 1}.encode()
			if c.last == "" {
				return nil
			}
			return map[string]string{LeadKey: text}
		}
		x, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		x.before, x.since = c.before, at(100)
		for name, ask := range c.asks {
			ask.Server, ask.Candidate, ask.Offer = name, true, 1
			if now := at(100); name != c.silent {
				x.agents.take(now, ask)
			} else {
				x.agents.take(now.Add(-HeardTime), ask)
			}
		}
		if got := x.lags(at(100), "s1"); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestWhoWasAwayIsNotTheNextLead: a server that was off, and lacks attachments or has not
// compared yet, does not become the lead when the lead's machine dies, though it comes first
// by name: the other one does.
func TestWhoWasAwayIsNotTheNextLead(t *testing.T) {
	for name, away := range map[string]func(*simAgent){
		"lacks some":       func(a *simAgent) { a.missing = 3 },
		"has not compared": func(a *simAgent) { a.uncompared = true },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				stop := faulted(w)
				w.do(func() {
					away(w.server("s2").agent)
					w.server("s1").lose()
				})
				w.until(time.Minute, "s3 is the lead", func() bool { return w.lead() == w.server("s3") })
				stop()
				w.settled(time.Minute)
			})
		})
	}
}

// TestWhoWasAwayIsWaitedFor: where all that can be the lead may lack attachments, the first
// that has them becomes it, and if none has within 30 s, one that has not.
func TestWhoWasAwayIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // it has compared then; 0: never
		lead  string
	}{
		"one catches up": {25 * time.Second, "s3"},
		"none does":      {0, "s2"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				stop := faulted(w)
				w.do(func() {
					w.server("s2").agent.uncompared = true
					w.server("s3").agent.uncompared = true
					w.server("s1").lose()
				})
				quiet := FenceTime - 2*second + lagTime // the last answer was a second or so ago
				if c.after != 0 {
					quiet = c.after
				}
				w.during(quiet, "none becomes the lead", func() bool { return w.lead() == nil })
				w.do(func() { w.server("s3").agent.uncompared = c.after == 0 })
				w.until(time.Minute, c.lead+" is the lead", func() bool { return w.lead() == w.server(c.lead) })
				stop()
				w.settled(time.Minute)
			})
		})
	}
}

// TestStatusOfWaitingForFiles: people see why there is no lead server.
func TestStatusOfWaitingForFiles(t *testing.T) {
	simulate(t, 1, 2, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() {
			w.server("s2").agent.uncompared = true
			w.server("s1").lose()
		})
		c := w.boosters[0].coordinator
		const want = "server s2 to have the files of the replicated folder that others have"
		begun := time.Now()
		for s, _ := c.Status(); s.Lead != "" || s.Waiting != want || s.Doing != ""; s, _ = c.Status() {
			if time.Since(begun) > FenceTime+10*second {
				t.Fatalf("%+v, want that it waits for %s", s, want)
			}
			w.pass(50 * time.Millisecond)
		}
		stop()
		w.settled(2 * time.Minute)
		if s, _ := c.Status(); s.Lead != "s2" || s.Waiting != "" {
			t.Errorf("%+v", s)
		}
	})
}

// TestFirstStartWithoutComparison: in a new cluster nobody is behind, and the first lead
// is the first by name, as soon as ever.
func TestFirstStartWithoutComparison(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.do(func() {
			w.server("s1").agent.uncompared = true
			w.server("s3").agent.uncompared = true
		})
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			if w.lead() != w.server("s1") {
				w.problem("the lead is %s", w.lead().name)
			}
		})
	})
}

// TestProcessOfTheLeadDies: the lead server is started again at once, whether it has
// compared or not: it has what came.
func TestProcessOfTheLeadDies(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() {
			w.server("s1").agent.uncompared = true
			w.server("s1").proc.kill()
		})
		w.until(15*second, "s1 is the lead again", func() bool { return w.leadUp() == w.server("s1") })
		stop()
		w.settled(time.Minute)
	})
}

// TestChoosingOneThatWasAway: an operator's choice has to have the attachments first, and
// is given up if it does not get them.
func TestChoosingOneThatWasAway(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		choose := func() {
			if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
				t.Fatal(err)
			}
		}
		w.do(func() { w.server("s2").agent.missing = 1 })
		w.pass(2 * second)
		choose()
		w.during(lagTime-second, "s1 stays the lead", func() bool { return w.leadUp() == w.server("s1") })
		w.do(func() { w.server("s2").agent.missing = 0 })
		w.until(30*second, "s2 is the lead", func() bool { return w.leadUp() == w.server("s2") })
		w.settled(time.Minute)

		w.do(func() { w.server("s1").agent.uncompared = true })
		w.pass(2 * second)
		if err := w.boosters[0].coordinator.SetLead("s1", false); err != nil {
			t.Fatal(err)
		}
		w.during(2*lagTime, "s2 stays the lead", func() bool { return w.leadUp() == w.server("s2") })
		w.do(func() { w.server("s1").agent.uncompared = false })
		w.during(30*second, "s2 stays the lead: it was given up", func() bool { return w.leadUp() == w.server("s2") })
	})
}

// TestLeadDiesWhileTheChosenOneIsWaitedFor: an operator's choice that lacks attachments is
// not the next lead either when the lead's machine dies meanwhile, and is not waited for then.
func TestLeadDiesWhileTheChosenOneIsWaitedFor(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		stop := faulted(w)
		w.do(func() { w.server("s2").agent.missing = 1 })
		w.pass(2 * second)
		if err := w.boosters[0].coordinator.SetLead("s2", false); err != nil {
			t.Fatal(err)
		}
		w.pass(3 * second)
		w.do(w.server("s1").lose)
		w.until(time.Minute, "s3 is the lead", func() bool { return w.lead() == w.server("s3") })
		if log := w.out.String(); strings.Contains(log, errLate.Error()+" for "+lagTime.String()+", for server s2 to have the files") {
			t.Error("s2 was waited for to the end")
		}
		stop()
		w.settled(time.Minute)
	})
}
