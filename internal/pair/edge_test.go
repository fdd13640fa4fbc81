package pair

import (
	"slices"
	"testing"
	"time"
)

// There is one casting vote, and the standby has it as soon as both hear each
// other.
func TestCastingVote(t *testing.T) {
	s := settled(t, 1, 2)
	a, b := s.node("a"), s.node("b")
	if a.m.vote || !b.m.vote {
		t.Fatalf("a has it: %v, b has it: %v", a.m.vote, b.m.vote)
	}
	s.cut("a w1", "b w2")
	if _, ok := s.until(2*time.Second, s.only("b")); !ok {
		t.Fatalf("%v are active", s.active())
	}
	s.run(s.now + 2*time.Second)
	if a.m.vote || !b.m.vote || !s.only("b")() {
		t.Errorf("in the split a has it: %v, b has it: %v, %v are active", a.m.vote, b.m.vote, s.active())
	}
	s.heal()
	s.run(s.now + time.Second)
	if !a.m.vote || b.m.vote || !s.only("b")() {
		t.Errorf("healed, a has it: %v, b has it: %v, %v are active", a.m.vote, b.m.vote, s.active())
	}
	s.done(t)
}

// A standby that stood still finds silence, and does not take it for the other
// one's.
func TestPauseIsNoSilence(t *testing.T) {
	for n := range 4 {
		for seed := range uint64(20) { // in whatever order it finds what came
			s := settled(t, seed, n)
			s.stop(s.node("b"))
			s.run(s.now + 5*time.Second)
			s.resume(s.node("b"))
			s.run(s.now + time.Second)
			if !s.only("a")() || s.node("a").m.term != 1 {
				t.Fatalf("%d witnesses: %v are active\n%s", n, s.active(), s.log())
			}
			s.done(t)
			// And when it looks at its clock before it looks at its packets.
			b := s.node("b")
			b.m.tick(s.clock(b) + 5*time.Second)
			if b.m.state == Active || b.m.ticket != nil {
				t.Fatalf("%d witnesses: it would be active as soon as it wakes", n)
			}
		}
	}
}

// An active booster that has stood still, without witnesses, hears the other
// one before it acts.
func TestActiveAfterAPause(t *testing.T) {
	for n := range 4 {
		s := settled(t, 1, n)
		a := s.node("a")
		if a.m.tick(s.clock(a) + 5*time.Second); a.m.state == Active && a.m.leaseEnd() > a.m.now {
			t.Errorf("%d witnesses: it acts as soon as it wakes", n)
		}
	}
	for seed := range uint64(20) {
		s := settled(t, seed, 0)
		s.stop(s.node("a"))
		if _, ok := s.until(time.Second, s.only("b")); !ok {
			t.Fatalf("%v are active", s.active())
		}
		s.run(s.now + time.Second)
		s.resume(s.node("a"))
		for range 500 {
			s.run(s.now + time.Millisecond)
			if !s.only("b")() {
				t.Fatalf("%v are active\n%s", s.active(), s.log())
			}
		}
		s.done(t)
	}
}

// In a planned failover the first one keeps the address for two beats at most,
// even if nothing is heard of the second one.
func TestOverlapIsBounded(t *testing.T) {
	s := settled(t, 1, 3)
	a := s.node("a")
	a.m.handover(s.clock(a))
	s.settle(a)
	if _, ok := s.until(20*time.Millisecond, func() bool { return a.m.away.until > 0 }); !ok {
		t.Fatal("nobody asks for the place")
	}
	for _, n := range s.nodes[1:] {
		s.blocked[[2]string{n.name, "a"}] = true
	}
	s.run(s.now + 2*beatOf(simFailover) + time.Millisecond)
	if h := s.holders(); !slices.Equal(h, []string{"b"}) {
		t.Errorf("%v have the address", h)
	}
	s.run(s.now + time.Second)
	if !s.only("b")() {
		t.Errorf("%v are active", s.active())
	}
	s.done(t)
}

// Once the first one has handed over it may vanish: the witnesses stand by the
// second one at once.
func TestFirstOneVanishesAfterItHasHandedOver(t *testing.T) {
	for seed := range uint64(20) {
		s := settled(t, seed, 3)
		a := s.node("a")
		a.m.handover(s.clock(a))
		s.settle(a)
		if _, ok := s.until(100*time.Millisecond, func() bool { return s.only("b")() && a.m.state == Standby }); !ok {
			t.Fatalf("%v are active", s.active())
		}
		s.kill(a)
		for range 100 {
			s.run(s.now + 10*time.Millisecond)
			if !slices.Equal(s.holders(), []string{"b"}) {
				t.Fatalf("%v have the address\n%s", s.holders(), s.log())
			}
		}
		s.done(t)
	}
}

// While one list of witnesses takes the place of another, a booster that would
// be active needs both.
func TestTwoLists(t *testing.T) {
	s := newSim(1, 4, false)
	b := s.node("b")
	b.disk = saved{
		Witnesses: list{Term: 1, Serial: 2, Names: []string{"w3", "w4"}},
		Before:    list{Term: 1, Serial: 1, Names: []string{"w1", "w2"}},
	}
	for _, n := range s.nodes[1:] {
		s.start(n)
	}
	s.cut("a", "b w3 w4", "w1 w2")
	s.run(10 * time.Second)
	if len(s.terms) > 0 {
		t.Error("it was active by the new list alone")
	}
	s.cut("a", "b w1 w2", "w3 w4")
	s.run(s.now + 5*time.Second)
	if len(s.terms) > 0 {
		t.Error("it was active by the old list alone")
	}
	s.heal()
	if _, ok := s.until(5*time.Second, s.only("b")); !ok {
		t.Errorf("with both %v are active", s.active())
	}
}

// What a standby says that it has, it still has after a crash.
func TestStandbySaysWhatIsSaved(t *testing.T) {
	s := settled(t, 1, 3)
	b := s.node("b")
	b.m.list = list{Term: 9, Serial: 9, Names: []string{"w1"}}
	b.m.outbox = nil
	b.m.sendBeats()
	for _, p := range b.m.outbox {
		if p.m.List.Term == 9 {
			t.Errorf("to %s it says that it has %v", p.to, p.m.List)
		}
	}
	b.m.save = nil
	b.m.reserve()
	b.m.wasSaved(*b.m.save, b.m.now)
	b.m.outbox = nil
	b.m.sendBeats()
	if len(b.m.outbox) == 0 || b.m.outbox[0].m.List.Term != 9 {
		t.Errorf("then it says %+v", b.m.outbox)
	}
}

// A hello says that a message came and was not taken: it is no acknowledgement.
func TestHelloIsNoAcknowledgement(t *testing.T) {
	s := settled(t, 1, 1)
	a := s.node("a").m
	for _, kind := range []kind{kindHello, kindBeat} {
		a.peer.until = 0
		a.receive(message{
			Kind: kind, From: "b", To: "a", Run: a.peer.link.run, Seq: a.peer.link.seq + 1, EchoRun: a.run, EchoSeq: a.peer.link.out,
			Role: Secondary, State: Standby, Term: a.term,
		}, a.now)
		if held := a.peer.until > a.now; held != (kind == kindBeat) {
			t.Errorf("after a %s the other booster stands by it: %v", kind, held)
		}
	}
}
