package rollout

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// longStep is a step that takes longer than any row that nobody claims is waited for.
const longStep = UnknownTime + 30*time.Second

// A step of a living server runs once, however long it takes, when another one dies: the
// world finds a step that runs on two servers.
func TestLongStepOfALivingServer(t *testing.T) {
	for _, who := range []string{"s1", "s2", "s3"} { // s1 is the lead
		for _, via := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s dies, through booster %d", who, via), func(t *testing.T) {
				simulate(t, 2, 3, 1, func(w *world) {
					w.until(10*second, "all are up", w.atRest)
					w.do(func() {
						w.faulty = true
						for _, s := range w.servers {
							s.openVia(w.boosters[via], longStep, second)
						}
					})
					w.pass(2 * second)
					w.do(w.server(who).proc.kill)
					w.settled(3 * longStep)
				})
			})
		}
	}
}

// A server whose agent alone has died goes on with its steps, and they run once.
func TestLongStepOfAServerWithoutItsAgent(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			w.faulty = true
			w.server("s3").openVia(w.boosters[0], longStep)
			w.server("s2").openVia(w.boosters[0], 3*second)
		})
		w.pass(second)
		w.do(func() {
			w.server("s3").agent.stop()
			w.server("s2").proc.kill()
		})
		w.pass(longStep)
		w.do(w.server("s3").agent.start)
		w.settled(longStep)
	})
}

// What is known to be the dead server's is resumed without waiting for QuietTime.
func TestDeadServersTicketsAreResumedSoon(t *testing.T) {
	for _, who := range []string{"s1", "s2"} {
		t.Run(who, func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() {
					w.faulty = true
					for range 3 {
						w.server(who).openVia(w.boosters[1], 3*second, second)
					}
				})
				w.pass(second)
				w.do(w.server(who).proc.kill)
				w.settled(QuietTime - 5*second)
			})
		})
	}
}

// What was resumed is the lead server's from then on: it is not taken from it because its
// first owner is dead when the next server dies.
func TestResumedTicketIsTheLeads(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		var long *ticket
		w.do(func() {
			w.faulty = true
			long = w.server("s2").openVia(w.boosters[0], longStep)
		})
		w.pass(second)
		w.do(w.server("s2").proc.kill)
		w.until(30*second, "the lead has resumed it", func() bool { return len(long.runs) == 2 && w.leadUp() != nil })
		var before map[string]int
		w.until(30*second, "all are up", func() bool { return w.server("s2").up() && w.server("s3").up() })
		w.do(func() {
			before = w.starts()
			w.server("s3").openVia(w.boosters[0], 3*second)
		})
		w.pass(second)
		w.do(w.server("s3").proc.kill)
		w.settled(2 * longStep)
		w.do(func() {
			want := maps.Clone(before)
			want["s1"]++
			want["s3"]++
			if len(long.runs) != 2 || !maps.Equal(w.starts(), want) {
				w.problem("the resumed step ran %d times; starts %v, %v before", len(long.runs), w.starts(), before)
			}
		})
	})
}

// A booster that takes over knows what the one before it knew.
func TestOwnersOutliveTheBooster(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			w.faulty = true
			w.server("s3").openVia(w.boosters[0], longStep)
			w.server("s2").openVia(w.boosters[0], 3*second)
		})
		w.pass(second)
		w.do(func() {
			w.boosters[0].kill()
			w.server("s2").proc.kill()
		})
		w.settled(2 * longStep)
	})
}

// While a living server works on a long step the lead server is left to the users: what a
// dead server has left could not be resumed before its end anyway.
func TestLeadServesDuringALongStep(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() {
			w.faulty = true
			w.server("s3").openVia(w.boosters[0], 100*second)
		})
		w.pass(15 * second)
		w.do(func() { w.server("s2").openVia(w.boosters[0], 30*second) })
		w.pass(second)
		w.do(w.server("s2").proc.kill)
		w.during(80*second, "the lead server serves", func() bool {
			return w.leadUp() != nil && w.boosters[0].inForce().Out["s1"] == ""
		})
		w.settled(70 * second)
	})
}
