package pair

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Two sets of witnesses of which one is enough for each booster have one in
// common, if not both have the casting vote.
func TestNeeded(t *testing.T) {
	for n := 1; n <= MaxWitnesses; n++ {
		if with, without := needed(n, true), needed(n, false); with+without <= n || 2*with < n || 2*without <= n {
			t.Errorf("of %d witnesses %d are enough with the casting vote and %d without", n, with, without)
		}
	}
}

func TestNextTerm(t *testing.T) {
	for _, tt := range []struct {
		after uint64
		role  Role
		want  uint64
	}{{0, Primary, 1}, {0, Secondary, 2}, {1, Primary, 3}, {1, Secondary, 2}, {2, Primary, 3}, {2, Secondary, 4}} {
		if got := nextTerm(tt.after, tt.role); got != tt.want {
			t.Errorf("the %s's next term after %d is %d, not %d", tt.role, tt.after, got, tt.want)
		}
	}
}

func TestQuorum(t *testing.T) {
	names := func(n int) (l list) {
		for i := range n {
			l.Names = append(l.Names, fmt.Sprint(i))
		}
		return l
	}
	until := func(ends ...int) func(string) time.Duration {
		return func(name string) time.Duration {
			return time.Duration(ends[slices.Index([]string{"0", "1", "2", "3", "4"}, name)])
		}
	}
	for _, tt := range []struct {
		ends []int
		vote bool
		want time.Duration
	}{
		{nil, false, forever},
		{[]int{7}, false, 7},
		{[]int{7}, true, 7},
		{[]int{7, 5}, false, 5},
		{[]int{7, 5}, true, 7},
		{[]int{1, 9, 5}, false, 5},
		{[]int{1, 9, 5}, true, 5},
		{[]int{1, 9, 5, 3}, false, 3},
		{[]int{1, 9, 5, 3}, true, 5},
		{[]int{1, 2, 3, 4, 5}, false, 3},
		{[]int{1, 2, 3, 4, 5}, true, 3},
	} {
		if got := quorum(names(len(tt.ends)), tt.vote, until(tt.ends...)); got != tt.want {
			t.Errorf("%+v: until %d", tt, got)
		}
	}
}

func TestLink(t *testing.T) {
	const other = 77
	l := newLink("b", 5, 0)
	from := func(run, seq, echoRun, echoSeq uint64) message {
		return message{Kind: kindBeat, From: "b", Run: run, Seq: seq, EchoRun: echoRun, EchoSeq: echoSeq}
	}
	take := func(what string, m message, now time.Duration, want bool) {
		t.Helper()
		if got := l.take(m, now); got != want {
			t.Errorf("%s: taken %v", what, got)
		}
	}
	take("a first message", from(other, 1, 0, 0), 0, false)
	take("an echo of nothing", from(other, 1, 5, 1), 0, false)
	out := l.stamp(message{Kind: kindHello, EchoRun: other, EchoSeq: 1}, time.Second)
	if out.To != "b" || out.Run != 5 || out.Seq != 1 || out.EchoRun != other {
		t.Errorf("stamped %+v", out)
	}
	take("an echo of another run", from(other, 2, 6, 1), time.Second, false)
	take("an echo that is too old", from(other, 2, 5, 1), time.Second+freshFor+1, false)
	take("a fresh echo", from(other, 3, 5, 1), time.Second+freshFor, true)
	take("the same again", from(other, 3, 5, 1), 2*time.Second, false)
	take("an earlier one", from(other, 2, 5, 1), 2*time.Second, false)
	take("a later one without echo", from(other, 4, 0, 0), time.Hour, true)
	if out := l.stamp(message{Kind: kindBeat}, time.Hour); out.EchoRun != other || out.EchoSeq != 4 {
		t.Errorf("the newest is not echoed: %+v", out)
	}
	take("a new run", from(other+1, 1, 5, 2), time.Hour, true)
	take("a recording of the old one", from(other, 9, 5, 2), time.Hour, false)
	l.stamp(message{Kind: kindBeat}, time.Hour+1)
	take("the old one, that lives", from(other, 10, 5, 3), time.Hour+2, true)
	take("the new one, that does not", from(other+1, 2, 5, 3), time.Hour+2, false)
	l.stamp(message{Kind: kindBeat}, time.Hour+3)
	take("the new one, that does", from(other+1, 3, 5, 4), time.Hour+4, true)
	if at, ok := l.when(from(other+1, 4, 5, 2)); !ok || at != time.Hour {
		t.Errorf("the echoed message was sent at %v, %v", at, ok)
	}
	for range sentKept {
		l.stamp(message{Kind: kindBeat}, time.Hour)
	}
	if _, ok := l.when(from(other+1, 5, 5, 2)); ok {
		t.Error("a message is remembered for ever")
	}
	for i := range uint64(100) {
		take("a run after the other", from(1000+i, 1, 5, l.out), time.Hour+5, true)
	}
	if len(l.retired) > retiredKept {
		t.Errorf("%d runs are remembered", len(l.retired))
	}
}

func TestWitness(t *testing.T) {
	const f = 250
	w := newWitness("w1", 9, 0)
	seq := map[string]uint64{}
	say := func(now time.Duration, m message) (message, bool) {
		m.To, m.Run, m.Failover, m.Role, m.State = "w1", uint64(len(m.From)), f, Primary, Standby
		if m.Kind == kindBeat && m.Term > 0 {
			m.State = Active
		}
		seq[m.From]++
		m.Seq = seq[m.From]
		w.link(m.From).run = m.Run // as if they had been greeted
		return w.receive(m, now)
	}
	for i, step := range []struct {
		at   time.Duration
		in   message
		want verdict
	}{
		{100, message{Kind: kindBeat, From: "a", Term: 1}, starting},
		{200, message{Kind: kindAsk, From: "b", Ask: 2}, starting},
		{300, message{Kind: kindAsk, From: "b", Ask: 2}, hears},
		{300, message{Kind: kindBeat, From: "a", Term: 1}, granted},
		{310, message{Kind: kindAsk, From: "b", Ask: 1}, outdated},
		{549, message{Kind: kindAsk, From: "b", Ask: 2}, hears},
		{551, message{Kind: kindAsk, From: "b", Ask: 2}, granted},
		{552, message{Kind: kindBeat, From: "a", Term: 1}, promised},
		{553, message{Kind: kindBeat, From: "b", Term: 2}, granted},
		{554, message{Kind: kindBeat, From: "a", Term: 1}, outdated},
		{555, message{Kind: kindBeat, From: "a", Term: 3}, promised}, // it can't have become that by this witness
		{804, message{Kind: kindBeat, From: "a", Term: 3}, granted},
		{805, message{Kind: kindBeat, From: "b", Term: 3}, outdated},
	} {
		out, ok := say(step.at*time.Millisecond, step.in)
		if !ok || out.Verdict != step.want {
			t.Errorf("step %d: %q instead of %q", i, out.Verdict, step.want)
		}
		if (out.Verdict == hears || out.Verdict == promised) && out.Kind == kindAnswer && out.Wait <= 0 {
			t.Errorf("step %d: no word of when to ask again: %+v", i, out)
		}
	}
	if _, ok := say(time.Second, message{Kind: kindBeat, From: "b"}); ok {
		t.Error("a standby's beat is answered")
	}
	if name, term := w.hears(1053 * time.Millisecond); name != "a" || term != 3 {
		t.Errorf("hears %q in term %d", name, term)
	}
	if name, term := w.hears(1055 * time.Millisecond); name != "" || term != 3 {
		t.Errorf("still hears %q in term %d", name, term)
	}
	for i := range 100 {
		w.receive(message{Kind: kindBeat, From: fmt.Sprint("x", i), To: "w1", Run: 1, Seq: 1}, time.Second)
	}
	if len(w.links) > maxBoosters {
		t.Errorf("%d senders are remembered", len(w.links))
	}
	if _, ok := w.receive(message{Kind: kindBeat, From: "a", To: "w2", Run: 1, Seq: 1000}, time.Second); ok {
		t.Error("what is for another witness is answered")
	}
}
