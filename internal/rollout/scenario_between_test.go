package rollout

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Tickets of living servers stand between two steps, with no row in the journal, for as
// long as a database takes that is slow just then, when a lead server is started: none of
// their steps runs twice, wherever in its start they go on. The world finds a ticket that is
// put back while a server has it, and a step that two run.
func TestStallBetweenSteps(t *testing.T) {
	for _, who := range []string{"s1", "s2"} { // s1 is the lead
		for _, gap := range []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3 * second, 4500 * time.Millisecond, 6 * second, 20 * second} {
			t.Run(fmt.Sprint(who, " dies, tickets stand for ", gap), func(t *testing.T) {
				simulate(t, 2, 3, 1, func(w *world) {
					w.until(10*second, "all are up", w.atRest)
					w.do(func() {
						w.faulty, w.gap = true, gap
						for i := range 20 {
							for _, s := range w.servers {
								s.openVia(w.boosters[0], time.Duration(i)*100*time.Millisecond, 300*time.Millisecond, 700*time.Millisecond, second)
							}
						}
					})
					w.pass(second)
					w.do(w.server(who).proc.kill)
					w.settled(5 * time.Minute)
				})
			})
		}
	}
}

// What the dead server had between two steps goes on with the next lead process, without
// more waiting than for its rows.
func TestStrandedTicketsGoOn(t *testing.T) {
	for _, who := range []string{"s1", "s2"} {
		t.Run(who, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() {
					w.faulty, w.gap = true, 2*second
					for range 5 {
						w.server(who).openVia(w.boosters[1], second, second)
					}
				})
				w.pass(2 * second)
				w.do(w.server(who).proc.kill)
				w.settled(QuietTime)
				if w.restored != 5 {
					t.Errorf("%d tickets were put back", w.restored)
				}
			})
		})
	}
}

// A ticket that a living server has, and does not move on, does not leave the cluster
// without a lead server for ever, and one of which nothing is known hardly at all.
func TestTicketThatStandsStill(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint("known: ", known), func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() {
					w.faulty, w.gap = true, time.Hour
					if s := w.server("s3"); known {
						s.openVia(w.boosters[0], second, second)
					} else {
						s.open(second, second)
					}
				})
				w.pass(2 * second)
				w.do(w.server("s1").proc.kill)
				begun, most := time.Now(), StrandedTime+15*second
				if known {
					most = StalledTime + 15*second
				}
				w.until(most, "there is a lead server", func() bool { return w.leadUp() != nil })
				if took := time.Since(begun); known && took < StalledTime {
					t.Errorf("a living server's ticket was waited for for %s", took)
				}
				w.do(func() {
					if w.restored != 1 || len(w.problems) != 1 {
						w.problem("%d were put back", w.restored)
					} else {
						w.problems = nil // it was taken from a server that lives
					}
				})
			})
		})
	}
}

// When nobody can tell what is between two steps, a lead server is started all the same.
func TestSiftFails(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.siftErr = errors.New("the tables are locked")
		w.until(15*second, "all are up", w.atRest)
		w.do(func() {
			w.faulty = true
			w.server("s1").openVia(w.boosters[0], 3*second)
		})
		w.pass(second)
		w.do(w.server("s1").proc.kill)
		w.settled(QuietTime)
	})
}

// The database goes away while a lead server is still waited for: the servers whose flow
// queues stand still then are restarted, so that there will be one.
func TestDatabaseAwayWithoutALead(t *testing.T) {
	for _, who := range []string{"s1", "s2"} { // s2 becomes the lead, if s1 is lost
		t.Run(who, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() {
					w.faulty = true
					for _, s := range w.servers {
						s.openVia(w.boosters[0], longStep, second)
						s.open(20*second, second)
					}
					w.server("s1").proc.kill()
					if who == "s2" {
						w.server("s1").lose()
					}
				})
				w.pass(10 * second)
				w.outage(true)
				w.pass(6 * second)
				w.outage(false)
				w.settled(4 * time.Minute)
			})
		})
	}
}
