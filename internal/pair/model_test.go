package pair

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// schedules is how many random schedules TestModel runs for each number of
// witnesses, PAIR_SCHEDULES if it is set.
func schedules(t *testing.T) int {
	if s := os.Getenv("PAIR_SCHEDULES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() || raceEnabled {
		return 30
	}
	return 300
}

// Whatever happens to the network, the processes and their clocks: no two
// boosters act as active at a time, none uses a term of the other or twice, and
// both hold the address for no longer than a planned failover takes. When all
// is well again one of them is active and stays so, and hears all others.
func TestModel(t *testing.T) {
	for n := range MaxWitnesses + 1 {
		t.Run(fmt.Sprintf("%d witnesses", n), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(schedules(t)) {
				s := newSim(seed, n, true)
				s.disturb(30 * time.Second)
				s.recover()
				// And what its clock is slow by.
				if s.failure == "" && !s.lone && s.longest > 2*beatOf(simFailover)+time.Millisecond {
					s.fail("both held the address for %v", s.longest)
				}
				if s.failure != "" {
					t.Fatalf("seed %d: %s\n%s\n%v", seed, s.failure, s.log(), s.nodes)
				}
			}
		})
	}
}

// disturb does random harm for d.
func (s *sim) disturb(d time.Duration) {
	for _, n := range s.nodes {
		s.at(time.Duration(s.rand.Int64N(int64(3*time.Second))), func() { s.start(n) })
	}
	for s.now < d && s.failure == "" {
		s.run(s.now + time.Duration(s.rand.ExpFloat64()*float64(300*time.Millisecond)))
		n := s.nodes[s.rand.IntN(len(s.nodes))]
		if s.rand.IntN(2) == 0 {
			n = s.boosters()[s.rand.IntN(2)]
		}
		switch s.rand.IntN(14) {
		case 0, 1, 2:
			groups := make([]string, 2+s.rand.IntN(2))
			for _, n := range s.nodes {
				groups[s.rand.IntN(len(groups))] += " " + n.name
			}
			s.cut(groups...)
		case 3:
			s.cut("a b") // all witnesses are away
		case 4:
			other := s.nodes[s.rand.IntN(len(s.nodes))]
			s.note("one way from %s to %s is cut", n.name, other.name)
			s.blocked[[2]string{n.name, other.name}] = true
		case 5:
			s.heal()
		case 6:
			s.stop(n)
			s.at(s.now+time.Duration(s.rand.ExpFloat64()*float64(400*time.Millisecond)), func() { s.resume(n) })
		case 7:
			s.kill(n)
			s.at(s.now+time.Duration(s.rand.ExpFloat64()*float64(500*time.Millisecond)), func() { s.start(n) })
		case 8:
			s.loss = []float64{0, 0, 0.05, 0.5}[s.rand.IntN(4)]
			s.delay = []time.Duration{time.Millisecond, time.Millisecond, 20 * time.Millisecond, 400 * time.Millisecond}[s.rand.IntN(4)]
			s.note("loss %v, delay up to %v", s.loss, s.delay)
		case 9:
			if n.m != nil && !n.stopped {
				s.note("%s hands over", n.name)
				n.m.handover(s.clock(n))
				s.settle(n)
			}
		case 10:
			if n.m != nil && !n.stopped {
				s.note("%s would take over", n.name)
				n.m.want(time.Second, s.clock(n))
				s.settle(n)
			}
		case 11:
			s.note("replay")
			for range min(20, len(s.old)) {
				s.deliver(s.old[s.rand.IntN(len(s.old))], time.Duration(s.rand.Int64N(int64(100*time.Millisecond))))
			}
		case 12:
			// Agents come and go, from the boosters' point of view.
			for _, b := range s.boosters() {
				b.agents = nil
				for i, n := range s.nodes[2:] {
					// Not all: without any, rules are others.
					if i == 0 || s.rand.IntN(4) > 0 {
						b.agents = append(b.agents, n.name)
					}
				}
				if b.m != nil {
					b.m.setAgents(b.agents)
				}
			}
		case 13:
			// Whoever is asked to hand over does so.
			for _, b := range s.boosters() {
				if b.m != nil && !b.stopped && b.m.state == Active && b.m.peer.wants >= 0 {
					s.note("%s hands over as it is asked to", b.name)
					b.m.handover(s.clock(b))
					s.settle(b)
				}
			}
		}
	}
}

// recover mends everything and looks whether the pair comes to rest.
func (s *sim) recover() {
	s.heal()
	s.loss, s.delay = 0, time.Millisecond
	for _, n := range s.nodes {
		s.resume(n)
		s.start(n)
	}
	s.run(s.now + 6*time.Second)
	before := s.active()
	if len(before) != 1 {
		s.fail("all is well, and %v are active: %v", before, s.nodes[:2])
		return
	}
	term := s.node(before[0]).m.term
	s.run(s.now + 2*time.Second)
	for _, n := range s.boosters() {
		if !n.m.inTouch() {
			s.fail("all is well, and %s does not hear the other booster: %v", n.name, s.nodes[:2])
		}
	}
	for _, w := range s.node(before[0]).m.status().Witnesses {
		if !w.Heard {
			s.fail("all is well, and %s does not hear its witness %s: %v", before[0], w.Name, s.nodes)
		}
	}
	if now := s.active(); s.failure == "" && (len(now) != 1 || now[0] != before[0] || s.node(now[0]).m.term != term) {
		s.fail("all is well, and after %v is active comes %v", before, now)
	}
}
