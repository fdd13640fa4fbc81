package pair

import (
	"fmt"
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
	s.cut("a", "b", "w1 w2", "w3 w4")
	s.run(s.now + simFailover) // what those have granted is over
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

// Who was away for long is on the list again, and its word counts again: for both
// boosters, in whose runs it was asked before.
func TestWitnessComesBack(t *testing.T) {
	s := newSim(1, 3, false)
	a, b := s.node("a"), s.node("b")
	if !s.together() {
		t.Fatalf("%v are active\n%s", s.active(), s.log())
	}
	for _, agents := range [][]string{{"w1", "w2", "w3"}, {"w2", "w3"}, {"w1", "w2", "w3"}} {
		a.m.setAgents(agents)
		if _, ok := s.until(5*time.Second, func() bool {
			return slices.Equal(b.m.list.Names, agents) && a.m.list.is(b.m.list) && a.m.list.is(a.m.committed)
		}); !ok {
			t.Fatalf("the witnesses are %v, not %v\n%s", b.m.list, agents, s.log())
		}
	}
	s.lone = false
	s.run(s.now + time.Second)
	for _, w := range a.m.status().Witnesses {
		if !w.Heard {
			t.Errorf("%s is a witness and is not heard", w.Name)
		}
	}
	s.kill(s.node("w3"))
	s.kill(a)
	if _, ok := s.until(time.Second, s.only("b")); !ok {
		t.Errorf("with two of three witnesses %v are active\n%s", s.active(), s.log())
	}
	s.done(t)
}

// The other booster is known under its name again, after another one was taken for it.
func TestPeerComesBack(t *testing.T) {
	s := settled(t, 1, 3)
	a, b := s.node("a"), s.node("b")
	s.run(s.now + 10*time.Second) // more than a second's messages are counted
	a.m.setPeer("c")
	s.run(s.now + time.Second)
	if a.m.inTouch() {
		t.Fatal("a hears somebody who is not there")
	}
	a.m.setPeer("b")
	s.run(s.now + time.Second)
	if !a.m.inTouch() || !b.m.inTouch() || !s.only("a")() {
		t.Errorf("a hears b: %v, b hears a: %v, %v are active", a.m.inTouch(), b.m.inTouch(), s.active())
	}
	s.done(t)
}

// A witness that has forgotten a booster, because of many others, is heard by it.
func TestWitnessForgets(t *testing.T) {
	s := settled(t, 1, 1)
	w := s.node("w1").w
	for i := range maxBoosters {
		w.receive(message{Kind: kindBeat, From: fmt.Sprint("x", i), To: "w1", Run: 1, Seq: 1}, w.now)
	}
	s.blocked[[2]string{"a", "b"}], s.blocked[[2]string{"b", "a"}] = true, true
	s.run(s.now + 2*time.Second)
	if !s.only("a")() {
		t.Errorf("%v are active\n%s", s.active(), s.log())
	}
	s.done(t)
}

// Two lists of one booster have different numbers, also when the first one's saving
// takes longer than the agents stay the same.
func TestListNumbers(t *testing.T) {
	s := settled(t, 1, 3)
	a := s.node("a").m
	propose := func(agents ...string) saved {
		t.Helper()
		a.setAgents(agents)
		for _, name := range slices.Concat(a.list.Names, agents) {
			a.seen[name] = a.now - time.Hour // who is away is away for long
		}
		a.save = nil
		for range 2 { // at first they are sent beats
			for _, name := range agents {
				a.elector(name).until = a.now + time.Second
			}
			a.keepList()
		}
		if a.save == nil || !slices.Equal(a.save.Witnesses.Names, agents) {
			t.Fatalf("of %v is made %+v", agents, a.save)
		}
		return *a.save
	}
	first := propose("w1")
	second := propose("w1", "w2")
	if first.Witnesses.is(second.Witnesses) {
		t.Errorf("both lists have one number: %+v and %+v", first.Witnesses, second.Witnesses)
	}
	a.wasSaved(first, a.now)
	if len(a.list.Names) != 3 {
		t.Errorf("a list that is to be replaced is used: %v", a.list)
	}
	a.wasSaved(second, a.now)
	if !slices.Equal(a.list.Names, []string{"w1", "w2"}) || !a.durable.is(a.list) {
		t.Errorf("the list is %v", a.list)
	}
}

// A booster that was just installed, and hears the agents and not the other booster,
// stays out.
func TestStartWithoutAList(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(seed, 7, false)
		a, b := s.node("a"), s.node("b")
		for _, n := range s.nodes {
			if n != b {
				s.start(n)
			}
		}
		if _, ok := s.until(5*time.Second, func() bool { return s.only("a")() && len(a.m.list.Names) == MaxWitnesses }); !ok {
			t.Fatalf("%v are active\n%s", s.active(), s.log())
		}
		s.lone = false
		s.blocked[[2]string{"a", "b"}], s.blocked[[2]string{"b", "a"}] = true, true
		b.agents = []string{"w7", "w6", "w5", "w4", "w3", "w2", "w1"}
		if seed%2 == 0 {
			b.disk.Reserved = 100 // its term is above a's
		}
		s.start(b)
		s.run(s.now + 10*time.Second)
		if !s.only("a")() || a.m.term != 1 {
			t.Errorf("%v are active, in term %d\n%s", s.active(), a.m.term, s.log())
		}
		// And takes over when it may.
		s.kill(a)
		if _, ok := s.until(time.Second, s.only("b")); !ok {
			t.Errorf("then %v are active\n%s", s.active(), s.log())
		}
		s.done(t)
	}
}

// One that hears agents which know of no booster waits for their word only, and not for
// that of agents that don't answer.
func TestStartAmongAgents(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		s := newSim(1, 3, false)
		for _, n := range s.nodes[2:] {
			s.start(n)
		}
		if deaf {
			s.kill(s.node("w2"))
		}
		s.start(s.node("a"))
		if took, ok := s.until(5*time.Second, s.only("a")); !ok || took > primaryAlone+2*simFailover {
			t.Errorf("active after %v, %v", took, ok)
		}
		s.done(t)
	}
}

// A list without witnesses takes the place of one with some only when that may be: who
// crashed before needs the old one's.
func TestEmptyListAndTheOneBefore(t *testing.T) {
	s := newSim(1, 2, false)
	b := s.node("b")
	b.disk = saved{Witnesses: list{Term: 1, Serial: 2}, Before: list{Term: 1, Serial: 1, Names: []string{"w1", "w2"}}}
	b.agents = nil
	s.start(b)
	s.run(10 * time.Second)
	if len(s.terms) > 0 {
		t.Error("it was active by the new list alone")
	}
	s.start(s.node("w1"))
	s.start(s.node("w2"))
	if _, ok := s.until(5*time.Second, s.only("b")); !ok {
		t.Errorf("with both %v are active\n%s", s.active(), s.log())
	}
}

// Two that don't hear each other and ask at the same moment don't share the witnesses
// between them for ever.
func TestWitnessesAreNotSharedForEver(t *testing.T) {
	for _, known := range []bool{true, false} {
		for n := 1; n <= MaxWitnesses; n++ {
			for seed := range uint64(40) {
				s := newSim(seed, n, known)
				s.lone = false
				a, b := s.node("a"), s.node("b")
				s.blocked[[2]string{"a", "b"}], s.blocked[[2]string{"b", "a"}] = true, true
				for _, w := range s.nodes[2:] {
					s.start(w)
				}
				s.start(b)
				s.at(secondaryAlone-primaryAlone, func() { s.start(a) })
				s.run(secondaryAlone + 2*deferral)
				before := s.active()
				s.run(s.now + 2*deferral)
				if now := s.active(); len(before) != 1 || !slices.Equal(before, now) {
					t.Errorf("%d witnesses, known: %v, seed %d: %v are active, and then %v\n%s", n, known, seed, before, now, s.log())
				}
				s.done(t)
			}
		}
	}
}

// A question is sent alone: a beat after it that came before it would have it refused.
func TestQuestionIsSentAlone(t *testing.T) {
	s := settled(t, 1, 3)
	b := s.node("b")
	s.cut("a w1 w2 w3", "b")
	if _, ok := s.until(time.Second, func() bool { return b.m.ticket != nil }); !ok {
		t.Fatal("it does not ask")
	}
	b.m.outbox = nil
	b.m.tick(b.m.nextBeat)
	kinds := make(map[string][]kind)
	for _, p := range b.m.outbox {
		kinds[p.to] = append(kinds[p.to], p.m.Kind)
	}
	for _, name := range []string{"a", "w1", "w2", "w3"} {
		if !slices.Equal(kinds[name], []kind{kindAsk}) {
			t.Errorf("%s is sent %v", name, kinds[name])
		}
	}
}
