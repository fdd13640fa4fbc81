package pair

import (
	"slices"
	"testing"
	"time"
)

// lone is a network without witnesses in which a booster is active that knows of no other.
func lone(t *testing.T, seed uint64, role Role, failover time.Duration) (s *sim, n *simNode) {
	t.Helper()
	s = newSim(seed, 0, false)
	s.failover = failover
	n = s.boosters()[0]
	if role == Secondary {
		n = s.boosters()[1]
	}
	s.start(n)
	n.m.setPeer("")
	if _, ok := s.until(10*time.Second+2*failover, s.only(n.name)); !ok {
		t.Fatalf("%s does not become active\n%s", n.name, s.log())
	}
	s.run(s.now + time.Second)
	return s, n
}

// TestLoneStandsStill: a booster that knows of no other does not lose its lease when its
// machine is busy for a moment, and takes nothing for granted after a longer one.
func TestLoneStandsStill(t *testing.T) {
	for _, tt := range []struct {
		failover, pause time.Duration
		held            bool
	}{
		{simFailover, 700 * time.Millisecond, true}, {simFailover, 1500 * time.Millisecond, false},
		// Who comes looks for two seconds, whatever the failover time is.
		{10 * time.Second, 700 * time.Millisecond, true}, {10 * time.Second, 1500 * time.Millisecond, false},
		{10 * time.Second, 6 * time.Second, false},
	} {
		pause, held := tt.pause, tt.held
		s, a := lone(t, 1, Primary, tt.failover)
		s.stop(a)
		s.run(s.now + pause - 10*time.Millisecond)
		if got := a.valid > s.now; got != held {
			t.Errorf("failover %s: after %s its lease is good: %t", tt.failover, pause, got)
		}
		s.run(s.now + 10*time.Millisecond)
		s.resume(a)
		if got := a.valid > s.now; got != held {
			t.Errorf("failover %s: when it goes on after %s its lease is good: %t", tt.failover, pause, got)
		}
		if _, ok := s.until(time.Second+2*tt.failover, s.only("a")); !ok {
			t.Errorf("after %s it is not active any more\n%s", pause, s.log())
		}
	}
}

// TestLoneKnowsAnother: its lease is that of two as soon as it hears that there is another.
func TestLoneKnowsAnother(t *testing.T) {
	s, a := lone(t, 1, Primary, simFailover)
	a.m.setPeer("b")
	s.settle(a)
	if left := a.valid - s.now; left > leaseOf(simFailover)+time.Millisecond {
		t.Errorf("its lease has %s left", left)
	}
}

// TestLoneAndAnother: another booster comes, at any moment of a lone one that stands still
// now and then, and that hears of it late. Never are both active.
func TestLoneAndAnother(t *testing.T) {
	took := 0
	for seed := range uint64(100) {
		role := Primary
		if seed%2 == 1 {
			role = Secondary
		}
		s, a := lone(t, seed, role, simFailover)
		s.lone = false // so that it is a failure if both are active
		b := s.boosters()[seed%2^1]
		ms := func(n int64) time.Duration { return time.Duration(s.rand.Int64N(n)) * time.Millisecond }
		begun, life := s.now, a.life
		s.at(begun+ms(3000), func() { s.stop(a) })
		s.at(begun+3*time.Second+ms(6000), func() { s.resume(a) })
		s.at(begun+ms(5000), func() {
			s.start(b)
			s.at(s.now+ms(900), func() {
				s.on(a, life, func() {
					a.m.setPeer(b.name)
					s.settle(a)
				})
			})
		})
		s.run(begun + 12*time.Second)
		s.done(t)
		if got := s.active(); len(got) != 1 {
			t.Errorf("seed %d: active are %v\n%s", seed, got, s.log())
		} else if slices.Contains(got, b.name) {
			took++
		}
		if t.Failed() {
			return
		}
	}
	if took == 0 {
		t.Error("the other one has never taken over")
	}
}
