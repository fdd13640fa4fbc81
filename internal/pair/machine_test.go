package pair

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// settled is a network of n witnesses in which a is active.
func settled(t *testing.T, seed uint64, n int) *sim {
	t.Helper()
	s := newSim(seed, n, n > 0)
	if !s.together() {
		t.Fatalf("a does not become active\n%s", s.log())
	}
	return s
}

func (s *sim) done(t *testing.T) {
	t.Helper()
	if s.failure != "" {
		t.Errorf("%s\n%s", s.failure, s.log())
	}
}

// Every split of the boosters from each other, with each witness on the side of
// one, of the other, or of nobody: who is active is what the package's doc
// comment says.
func TestEverySplit(t *testing.T) {
	for n := range MaxWitnesses + 1 {
		sides := 1
		for range n {
			sides *= 3
		}
		for split := range sides {
			var with [3]string
			var count [3]int
			for i, rest := 0, split; i < n; i, rest = i+1, rest/3 {
				with[rest%3] += fmt.Sprintf(" w%d", i+1)
				count[rest%3]++
			}
			var want []string
			switch {
			case n == 0:
				want = []string{"a", "b"}
			case 2*count[0] > n:
				want = []string{"a"}
			case 2*count[1] >= n:
				want = []string{"b"}
			}
			s := settled(t, uint64(split), n)
			s.cut("a"+with[0], "b"+with[1], with[2])
			s.run(s.now + 2*time.Second)
			if got := s.active(); !slices.Equal(got, want) {
				t.Errorf("a sees%s, b sees%s: %v are active, not %v", with[0], with[1], got, want)
			}
			if got := s.holders(); !slices.Equal(got, want) {
				t.Errorf("a sees%s, b sees%s: %v have the address, not %v", with[0], with[1], got, want)
			}
			// And one that has it all to itself takes it back as soon as it can.
			s.heal()
			if _, ok := s.until(2*time.Second, func() bool { return len(s.active()) == 1 }); !ok {
				t.Errorf("a saw%s, b saw%s: when it heals %v are active", with[0], with[1], s.active())
			}
			s.done(t)
		}
	}
}

// Only the boosters' own cable is cut: the witnesses hear the active one, which
// stays, and stays when it heals.
func TestCableBetweenBoosters(t *testing.T) {
	s := settled(t, 1, 3)
	s.blocked[[2]string{"a", "b"}], s.blocked[[2]string{"b", "a"}] = true, true
	for range 200 {
		s.run(s.now + 10*time.Millisecond)
		if got := s.active(); !slices.Equal(got, []string{"a"}) {
			t.Fatalf("%v are active\n%s", got, s.log())
		}
	}
	announced := s.node("a").m.announces
	s.heal()
	for range 200 {
		s.run(s.now + 10*time.Millisecond)
		if got := s.active(); !slices.Equal(got, []string{"a"}) {
			t.Fatalf("after the heal %v are active\n%s", got, s.log())
		}
	}
	if s.node("a").m.announces == announced {
		t.Error("the address is not announced after the heal")
	}
	s.done(t)
}

// The other one is active soon after the active one is lost, and by then the
// lost one has no right to be, whatever became of it.
func TestTakeOver(t *testing.T) {
	for n := range MaxWitnesses + 1 {
		for what, lose := range map[string]func(*sim){
			"killed":  func(s *sim) { s.kill(s.node("a")) },
			"stopped": func(s *sim) { s.stop(s.node("a")) },
			"cut off": func(s *sim) { s.cut("a", "b w1 w2 w3 w4 w5") },
		} {
			var took []time.Duration
			for seed := range uint64(20) {
				s := settled(t, seed, n)
				s.run(s.now + time.Duration(seed)*3*time.Millisecond)
				began := s.now
				lose(s)
				d, ok := s.until(time.Second, func() bool { return slices.Contains(s.active(), "b") })
				if !ok {
					t.Fatalf("%d witnesses, %s: b does not take over\n%s", n, what, s.log())
				}
				took = append(took, d)
				if n > 0 && slices.Contains(s.holders(), "a") {
					t.Errorf("%d witnesses, %s: a still has the address %v after", n, what, s.now-began)
				}
				if s.node("b").m.term != 2 {
					t.Errorf("b is active in term %d", s.node("b").m.term)
				}
				s.done(t)
			}
			if slices.Sort(took); took[len(took)-1] > 300*time.Millisecond || took[0] < 200*time.Millisecond {
				t.Errorf("%d witnesses, %s: b takes over after %v", n, what, took)
			}
		}
	}
}

// At each instant of a planned failover one of the two has the address, and
// they have it both for no longer than it takes to tell.
func TestPlannedFailover(t *testing.T) {
	for seed := range uint64(50) {
		s := settled(t, seed, int(seed%4))
		a := s.node("a")
		if !a.m.handover(s.clock(a)) {
			t.Fatal("no handover")
		}
		s.settle(a)
		for range 200 {
			s.run(s.now + 100*time.Microsecond)
			if len(s.holders()) == 0 {
				t.Fatalf("nobody has the address\n%s", s.log())
			}
		}
		if !s.only("b")() || s.longest > 5*time.Millisecond {
			t.Errorf("%v are active, and both had the address for %v", s.active(), s.longest)
		}
		s.run(s.now + time.Second)
		if !s.only("b")() {
			t.Errorf("then %v are active", s.active())
		}
		s.done(t)
	}
}

// A booster whose word is lost on its way goes on, and soon.
func TestPlannedFailoverIsLost(t *testing.T) {
	s := settled(t, 1, 3)
	a := s.node("a")
	a.m.handover(s.clock(a))
	s.settle(a)
	if _, ok := s.until(20*time.Millisecond, func() bool { return a.m.away.until > 0 }); !ok {
		t.Fatal("nobody asks for the place")
	}
	s.kill(s.node("b"))
	a.m.yieldUntil = 0
	if took, ok := s.until(time.Second, s.only("a")); !ok || took > simFailover+2*beatOf(simFailover) {
		t.Errorf("a goes on after %v: %v", took, ok)
	}
	s.done(t)
	if a.m.handover(s.clock(a)) {
		t.Error("handed over to nobody")
	}
}

func TestPreempt(t *testing.T) {
	for _, preempt := range []time.Duration{DefaultPreempt, 0} {
		s := settled(t, 1, 3)
		a, b := s.node("a"), s.node("b")
		s.kill(a)
		s.until(time.Second, s.only("b"))
		s.start(a)
		a.m.preempt = preempt
		began := s.now
		took, ok := s.until(8*time.Second, func() bool { return b.m.peer.wants >= 0 })
		if ok != (preempt > 0) {
			t.Fatalf("with preempt %v, a asks for its place: %v\n%s", preempt, ok, s.log())
		}
		if ok {
			if took < preempt || took > preempt+time.Second {
				t.Errorf("a asks for its place after %v", took)
			}
			b.m.handover(s.clock(b))
			s.settle(b)
			if took, ok := s.until(time.Second, s.only("a")); !ok || took > 10*time.Millisecond {
				t.Errorf("a is active after %v: %v", took, ok)
			}
		} else if !s.only("b")() {
			t.Errorf("%v after its start %v are active", s.now-began, s.active())
		}
		s.done(t)
	}
}

// What an operator has done is not undone.
func TestNoPreemptAfterAPlannedFailover(t *testing.T) {
	s := settled(t, 1, 3)
	a, b := s.node("a"), s.node("b")
	a.m.handover(s.clock(a))
	s.settle(a)
	if _, ok := s.until(time.Second, s.only("b")); !ok {
		t.Fatalf("%v are active", s.active())
	}
	if _, ok := s.until(2*DefaultPreempt, func() bool { return b.m.peer.wants >= 0 }); ok {
		t.Error("a asks for the place that it has given away")
	}
	s.kill(a)
	s.start(a)
	if _, ok := s.until(2*DefaultPreempt, func() bool { return b.m.peer.wants >= 0 }); !ok {
		t.Error("a does not ask for its place after a restart")
	}
	s.done(t)
}

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		first, second string
		apart         time.Duration
		want          string
		within        time.Duration
	}{
		{"a", "b", 0, "a", 500 * time.Millisecond},
		{"b", "a", 0, "a", 500 * time.Millisecond},
		{"b", "a", 900 * time.Millisecond, "a", 1500 * time.Millisecond},
		{"a", "", 0, "a", primaryAlone + 500*time.Millisecond},
		{"b", "", 0, "b", secondaryAlone + 500*time.Millisecond},
		{"b", "a", 6 * time.Second, "b", secondaryAlone + 500*time.Millisecond},
	} {
		for n := range 4 {
			s := newSim(uint64(n), n, n > 0)
			for _, w := range s.nodes[2:] {
				s.start(w)
			}
			s.start(s.node(tt.first))
			if tt.second != "" {
				s.at(tt.apart, func() { s.start(s.node(tt.second)) })
			}
			if took, ok := s.until(10*time.Second, func() bool { return len(s.active()) > 0 }); !ok || took > tt.within {
				t.Errorf("%d witnesses, %+v: active after %v: %v\n%s", n, tt, took, ok, s.log())
			}
			s.run(8 * time.Second)
			if !s.only(tt.want)() {
				t.Errorf("%d witnesses, %+v: %v are active\n%s", n, tt, s.active(), s.log())
			}
			s.done(t)
		}
	}
}

// A booster that was cut off when it was started has its last witnesses' word
// to wait for.
func TestStartCutOff(t *testing.T) {
	s := settled(t, 1, 3)
	s.kill(s.node("b"))
	s.cut("a w1 w2 w3", "b")
	s.start(s.node("b"))
	s.run(s.now + 20*time.Second)
	if !s.only("a")() {
		t.Errorf("%v are active", s.active())
	}
	s.cut("a w1", "b w2 w3")
	if _, ok := s.until(time.Second, s.only("b")); !ok {
		t.Errorf("with two of three witnesses %v are active", s.active())
	}
	s.done(t)
}

// Without its next term on disk no booster takes over.
func TestTermIsSavedFirst(t *testing.T) {
	s := settled(t, 1, 3)
	b := s.node("b")
	b.m.reserved = 0
	s.kill(s.node("a"))
	s.run(s.now + 2*time.Second)
	if len(s.active()) > 0 {
		t.Errorf("%v are active in a term that is not saved", s.active())
	}
	b.m.wasSaved(saved{Reserved: b.m.next()}, s.clock(b))
	if _, ok := s.until(500*time.Millisecond, s.only("b")); !ok {
		t.Error("b does not take over when its term is saved")
	}
	s.done(t)
}

// Two boosters of one role differ all the same.
func TestSameRole(t *testing.T) {
	for _, role := range []Role{Primary, Secondary} {
		s := newSim(1, 3, true)
		s.node("a").role, s.node("b").role = role, role
		if !s.together() {
			t.Fatalf("two of role %s: %v are active\n%s", role, s.active(), s.log())
		}
		s.kill(s.node("a"))
		if _, ok := s.until(time.Second, s.only("b")); !ok {
			t.Errorf("two of role %s: b does not take over", role)
		}
		if st := s.node("b").m.status(); !strings.Contains(st.Problem, "same role") {
			t.Errorf("it is not told: %+v", st)
		}
		s.done(t)
	}
}

// When one of them is put right and restarted, both have the role that was meant, and
// nothing more is told.
func TestSameRoleIsPutRight(t *testing.T) {
	s := newSim(1, 3, true)
	a, b := s.node("a"), s.node("b")
	a.role, b.role = Primary, Primary // b shall be it
	if !s.together() {
		t.Fatalf("%v are active\n%s", s.active(), s.log())
	}
	s.kill(a)
	a.role = Secondary
	s.run(s.now + time.Second)
	s.start(a)
	s.run(s.now + 2*time.Second)
	for _, n := range s.boosters() {
		if st := n.m.status(); st.Role != n.role || st.Problem != "" {
			t.Errorf("%s is %+v", n.name, st)
		}
	}
	if !s.only("b")() {
		t.Errorf("%v are active\n%s", s.active(), s.log())
	}
	s.done(t)
}

// Nobody takes over from what a recording, or a stranger, says.
func TestRecordings(t *testing.T) {
	s := settled(t, 1, 3)
	s.kill(s.node("a"))
	s.until(time.Second, s.only("b"))
	s.start(s.node("a"))
	s.run(s.now + 4*time.Second)
	old := slices.Clone(s.old)
	if len(old) < 20 {
		t.Fatalf("only %d recordings", len(old))
	}
	refused := func() (n uint64) {
		for _, node := range s.nodes {
			if node.w != nil {
				n += node.w.refused
			} else {
				n += node.m.refused
			}
		}
		return n
	}
	before := refused()
	s.run(s.now + freshFor) // what is recorded is old by now
	for i := range 10_000 {
		s.deliver(old[i%len(old)], time.Duration(i)*100*time.Microsecond)
	}
	for range 100 {
		s.run(s.now + 10*time.Millisecond)
		if !s.only("b")() || s.node("b").m.term != 2 {
			t.Fatalf("%v are active in term %d\n%s", s.active(), s.node("b").m.term, s.log())
		}
	}
	if got := refused() - before; got < 10_000 {
		t.Errorf("only %d of 10000 recordings were refused", got)
	}
	s.done(t)
}

// Agents come and go; the list follows when it may.
func TestList(t *testing.T) {
	s := newSim(1, 7, false)
	a, b := s.node("a"), s.node("b")
	a.agents, b.agents = []string{"w2", "w1"}, nil
	if !s.together() {
		t.Fatalf("%v are active\n%s", s.active(), s.log())
	}
	names := func(n *simNode) string { return strings.Join(n.m.list.Names, " ") }
	is := func(want string) func() bool {
		return func() bool {
			return names(a) == want && names(b) == want && a.m.list.is(a.m.committed)
		}
	}
	expect := func(want string) {
		t.Helper()
		if _, ok := s.until(5*time.Second, is(want)); !ok {
			t.Fatalf("a has %q, b has %q, not %q\n%s", names(a), names(b), want, s.log())
		}
		if !s.only("a")() {
			t.Fatalf("%v are active\n%s", s.active(), s.log())
		}
	}
	expect("w1 w2")
	a.m.setAgents([]string{"w1", "w2", "w3", "w4", "w5", "w6", "w7"})
	expect("w1 w2 w3 w4 w5")
	a.m.setAgents([]string{"w2", "w3", "w4", "w5", "w6", "w7"})
	expect("w2 w3 w4 w5 w6")
	// All are away: they stay on the list for ten times as long.
	a.m.setAgents(nil)
	s.run(s.now + 5*simGone)
	expect("w2 w3 w4 w5 w6")
	s.run(s.now + 6*simGone)
	expect("")
	s.lone = false
	s.done(t)
}
