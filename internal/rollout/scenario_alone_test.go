package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Where only one booster is configured, the lead goes on while that is away.
func TestSingleBoosterAway(t *testing.T) {
	for _, servers := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			simulate(t, 1, servers, 1, func(w *world) {
				stop := faulted(w)
				w.do(w.boosters[0].kill)
				lead := func() bool { return w.leadUp() == w.server("s1") && w.server("s1").starts == 1 }
				w.during(60*second, "s1 stays the lead", lead)
				w.boosters[0].start()
				w.during(60*second, "s1 stays the lead when the booster is back", lead)
				stop()
				w.settled(30 * second)
			})
		})
	}
}

// The single booster does not reach the lead, and some witnesses reach neither.
func TestSingleBoosterCutOffFromTheLead(t *testing.T) {
	for witnesses := 1; witnesses <= 3; witnesses++ {
		// Each witness reaches both, the booster only, the lead only, or none.
		for combination := range 1 << (2 * witnesses) {
			if !slices.IsSorted([]int{combination & 3, combination >> 2 & 3, combination >> 4 & 3}[:witnesses]) {
				continue // as another, with other names
			}
			t.Run(fmt.Sprintf("%d witnesses, %b", witnesses, combination), func(t *testing.T) {
				t.Parallel()
				simulate(t, 1, 1+witnesses, 1, func(w *world) {
					stop := faulted(w)
					booster, lead := 0, 0
					w.do(func() {
						w.cut("booster-a", "s1")
						for i := range witnesses {
							name := fmt.Sprintf("s%d", i+2)
							b, l := combination>>(2*i)&1 == 1, combination>>(2*i+1)&1 == 1
							if b {
								booster++
							} else {
								w.cut(name, "booster-a")
							}
							switch {
							case !l:
								w.cut(name, "s1")
							case !b:
								lead++
							}
							if l && b {
								lead = -100 // one that hears the booster: it goes on no more
							}
						}
					})
					w.pass(60 * second)
					w.do(func() {
						goes := w.lead() == w.server("s1")
						if stays := lead >= 0 && 2*lead >= witnesses; goes != stays {
							w.problem("the lead goes on: %t, and should: %t", goes, stays)
						}
						other := w.lead() != nil && !goes
						if may := 2*booster > witnesses; other != may {
							w.problem("another is the lead: %t, and should: %t", other, may)
						}
						clear(w.cuts)
					})
					stop()
					w.settled(20 * time.Minute)
				})
			})
		}
	}
}

// The booster comes back with the mark as it was, while the witnesses have changed
// since, and is on the side of those of before.
func TestSingleBoosterBackAmongFormerWitnesses(t *testing.T) {
	simulate(t, 1, 11, 1, func(w *world) {
		stop := faulted(w)
		former, later := []string{}, []string{}
		w.do(func() {
			m, _ := decodeMark(w.boosters[0].marks[LeadKey].value)
			former = m.Witnesses
			for _, name := range former {
				w.cut(name, "booster-a")
			}
		})
		w.pass(10 * second)
		w.do(func() {
			m, _ := decodeMark(w.boosters[0].marks[LeadKey].value)
			later = m.Witnesses
			for _, name := range former {
				w.join(name, "booster-a")
			}
			w.boosters[0].kill()
			for _, name := range append(later, "s1") {
				w.cut(name, "booster-a")
				for _, other := range former {
					w.cut(name, other)
				}
			}
		})
		if len(former) != MaxWitnesses || len(later) != MaxWitnesses {
			t.Fatalf("witnesses %v, then %v", former, later)
		}
		w.boosters[0].start()
		w.during(60*second, "s1 stays the lead", func() bool { return w.lead() == w.server("s1") })
		stop()
		w.do(func() { clear(w.cuts) })
		w.settled(2 * time.Minute)
	})
}

// An operator knows that a machine is gone.
func TestSetLeadWhenTheLeadIsGone(t *testing.T) {
	simulate(t, 1, 2, 1, func(w *world) {
		stop := faulted(w)
		stop()
		w.pass(10 * second)
		w.do(func() {
			w.cut("s2", "booster-a") // the only witness hears nothing: nobody may decide
			w.server("s1").lose()
		})
		w.pass(10 * second)
		s3 := func() (s *simServer) {
			w.do(func() { s = w.addServer("s3") })
			s.agent.start()
			return s
		}()
		w.during(60*second, "there is no lead", func() bool { return w.lead() == nil })
		if err := w.boosters[0].coordinator.SetLead("s3", false); err != nil {
			t.Fatal(err)
		}
		w.during(20*second, "there is no lead, since its lease is waited for", func() bool { return w.lead() == nil })
		if err := w.boosters[0].coordinator.SetLead("s3", true); err != nil {
			t.Fatal(err)
		}
		w.until(90*second, "s3 is the lead", func() bool { return w.leadUp() == s3 })
		w.do(func() { clear(w.cuts) })
		w.settled(60 * second)
	})
}
