package rollout

import (
	"fmt"
	"testing"
	"time"
)

func held(t *testing.T, l lease, holder string, unknown bool) {
	t.Helper()
	if l.holder != holder || l.unknown != unknown {
		t.Errorf("holder %q, unknown %t; want %q, %t", l.holder, l.unknown, holder, unknown)
	}
}

func TestRememberedLease(t *testing.T) {
	full, _ := mark{Server: "s1", Grant: 5, Others: []string{"s1", "s2"}, Witnesses: []string{"s2"}, Before: []string{"s3"}}.encode()
	l := remembered(at(0), full)
	held(t, l, "s1", true)
	if fmt.Sprint(l.others, l.witnesses, l.confirmed) != "[s1 s2] [s2] [s3]" || l.grant != 0 {
		t.Errorf("%+v", l)
	}
	held(t, remembered(at(0), ""), "", false)
	for _, text := range []string{"garbage", "{}", `{"s":"s1","w":["1","2","3","4","5","6"]}`} {
		held(t, remembered(at(0), text), "", true)
	}
}

func TestLeaseFromAMark(t *testing.T) {
	text, _ := mark{Server: "s1", Grant: 5, Others: []string{"s1", "s2", "s3"}}.encode()
	says := func(name string, grant uint64) Ask { return Ask{Server: name, Grant: grant, Offer: 9, Term: 2} }

	l := remembered(at(0), text)
	if l.answer(at(1), says("s1", 0), &Answer{}) {
		t.Error("the server of a mark is answered as the holder, without having said so")
	}
	l.heard(at(1), at(1), says("s1", 5), true, false)
	held(t, l, "s1", false)
	var a Answer
	if !l.answer(at(1), says("s1", 5), &a) || a.Part != Lead || a.Grant != 5 {
		t.Errorf("the holder is answered %+v", a)
	}

	l = remembered(at(0), text)
	l.heard(at(1), at(1), says("s4", 6), true, false)
	held(t, l, "s4", false) // the mark was not the last word
	if l.grant != 6 {
		t.Errorf("grant %d", l.grant)
	}

	l = remembered(at(0), text)
	for _, name := range []string{"s1", "s2"} {
		l.heard(at(1), at(1), says(name, 0), false, true)
	}
	held(t, l, "s1", true)
	l.heard(at(1), at(1), says("s3", 0), true, false) // it may still be granted it by another
	held(t, l, "s1", true)
	l.heard(at(2), at(2), says("s3", 0), false, true)
	held(t, l, "", false)
	if !l.lost {
		t.Error("whoever had it may have left something")
	}

	text, _ = mark{Server: "s1", Grant: 5}.encode()
	l = remembered(at(0), text)
	l.heard(at(1), at(1), says("s1", 0), false, true)
	held(t, l, "s1", true) // nobody knows who else there is
}

// Without a mark the cluster is new, unless an agent has heard of a booster before.
func TestLeaseWithoutAMark(t *testing.T) {
	l := remembered(at(0), "")
	l.heard(at(0), at(0), Ask{Server: "s1"}, true, false)
	l.heard(at(1), at(1), Ask{Server: "s1", Term: 2}, false, true)
	held(t, l, "", false)
	l = remembered(at(0), "")
	l.heard(at(0), at(0), Ask{Server: "s1", Term: 1}, true, false)
	held(t, l, "", true)
	if !l.expire(at(15), false, nil) {
		t.Error("it is not known for ever")
	}
	held(t, l, "", false)
}

func TestLeaseOfAHolder(t *testing.T) {
	var l lease
	l.give(at(0), "s1", 9, 5, nil)
	ask := Ask{Server: "s1", Offer: 9}
	var a Answer
	if !l.answer(at(1), ask, &a) || a.Part != Lead || a.Grant != 5 || a.Offer != 9 {
		t.Errorf("%+v", a)
	}
	if l.answer(at(1), Ask{Server: "s2", Offer: 9}, &a) {
		t.Error("another is answered as the holder")
	}
	l.heard(at(2), at(2), Ask{Server: "s2", Grant: 4, Offer: 1}, false, true)
	held(t, l, "s1", false)
	l.heard(at(2), at(2), Ask{Server: "s1", Grant: 5, Offer: 9}, false, true)
	if l.running {
		t.Error("it runs before it says so")
	}
	l.heard(at(3), at(3), Ask{Server: "s1", Grant: 5, Offer: 9, Runs: Lead}, false, true)
	if !l.running || l.settled {
		t.Errorf("%+v", l)
	}
	a = Answer{}
	if !l.answer(at(3), Ask{Server: "s1", Grant: 4, Runs: Lead}, &a) || a.Part != Follower {
		t.Errorf("an older grant is answered %+v", a)
	}
	l.heard(at(4), at(4), Ask{Server: "s1", Offer: 10}, false, true)
	held(t, l, "", false)
	if l.last != "s1" || !l.lost {
		t.Errorf("%+v", l)
	}

	l.give(at(5), "s1", 10, 6, nil)
	l.revoked = true
	a = Answer{}
	if !l.answer(at(6), Ask{Server: "s1", Grant: 6}, &a) || a.Part != Follower || !l.renewed.Equal(at(5)) {
		t.Errorf("a revoked one is answered %+v", a)
	}
	l.end(at(7), time.Time{}, 0)
	if l.lost {
		t.Error("one that gives it back leaves nothing")
	}
	// It is not over: its agent says so.
	l.heard(at(8), at(8), Ask{Server: "s1", Grant: 6, Offer: 10, Runs: Lead, Age: time.Hour}, false, true)
	held(t, l, "s1", false)
	if !l.settled {
		t.Error("an old process has replayed long ago")
	}
}

func TestLeaseExpires(t *testing.T) {
	hearing := func(n int) func([]string) int {
		return func(names []string) int { return min(n, len(names)) }
	}
	three := []string{"s2", "s3", "s4"}
	for _, c := range []struct {
		name                 string
		alone                bool
		witnesses, confirmed []string
		heard                int
		after                float64
		want                 bool
	}{
		{"pair, too early", false, nil, nil, 0, 14.9, false},
		{"pair", false, nil, nil, 0, 15, true},
		{"pair, whoever hears", false, three, three, 0, 15, true},
		{"alone, too early", true, three, three, 3, 14.9, false},
		{"alone, all", true, three, three, 3, 15, true},
		{"alone, most", true, three, three, 2, 15, true},
		{"alone, few", true, three, three, 1, 1000, false},
		{"alone, half", true, three[:2], three[:2], 1, 1000, false},
		{"alone, the only one", true, three[:1], three[:1], 1, 15, true},
		{"alone, nobody to ask", true, nil, nil, 0, 1000, false},
		{"alone, most of the old ones only", true, nil, three, 3, 1000, false},
		{"alone, most of the new ones only", true, three, nil, 3, 1000, false},
	} {
		var l lease
		l.give(at(0), "s1", 9, 5, c.witnesses)
		l.confirmed = c.confirmed
		if got := l.expire(at(c.after), c.alone, hearing(c.heard)); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	var nobody lease
	if nobody.expire(at(1000), false, nil) {
		t.Error("nobody's lease expires")
	}
	l := lease{}
	l.give(at(0), "s1", 9, 5, nil)
	l.answer(at(10), Ask{Server: "s1", Grant: 5}, &Answer{})
	if l.expire(at(24.9), false, nil) || !l.expire(at(25), false, nil) {
		t.Error("it does not count from the last answer")
	}
}

// The next holder is told when a lead server surely ran last, and since when surely
// none has.
func TestVacancy(t *testing.T) {
	says := func(grant, offer uint64, runs Part, ended time.Duration) Ask {
		return Ask{Server: "s1", Grant: grant, Offer: offer, Runs: runs, Ended: ended}
	}
	const s = time.Second
	ran := func() lease { // since 1, last heard at 20
		var l lease
		l.give(at(0), "s1", 7, 5, nil)
		l.heard(at(1), at(1), says(5, 7, Lead, 0), false, true)
		l.heard(at(20), at(20), says(5, 7, Lead, 0), false, true)
		return l
	}
	known, _ := mark{Server: "s1", Grant: 5}.encode()
	for _, test := range []struct {
		name       string
		end        func() lease // and now is 40
		ran, ended time.Duration
		none       bool
	}{
		{"its agent saw the end", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", 500*time.Millisecond), false, true)
			return l
		}, 19*s + s/2, 19*s + s/2, false},
		{"its agent said so long before it was heard", func() lease {
			l := ran()
			l.heard(at(25), at(21), says(0, 8, "", 500*time.Millisecond), false, true)
			return l
		}, 19*s + s/2, 15*s + s/2, false},
		{"its agent does not prove when it said so", func() lease {
			l := ran()
			l.heard(at(25), time.Time{}, says(0, 8, "", 500*time.Millisecond), false, true)
			return l
		}, 20 * s, 15*s + s/2, false},
		{"it was said to run long before that was heard", func() lease {
			l := ran()
			l.heard(at(25), at(22), says(5, 7, Lead, 0), false, true)
			l.heard(at(26), at(25.9), says(0, 8, "", 0), false, true)
			return l
		}, 18 * s, 14 * s, false},
		{"its agent does not say when", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", 0), false, true)
			return l
		}, 20 * s, 19 * s, false},
		{"its agent speaks of an earlier end", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", 10*s), false, true)
			return l
		}, 20 * s, 19 * s, false},
		{"its agent is gone", func() lease {
			l := ran()
			l.expire(at(36), false, nil)
			return l
		}, 20 * s, 4 * s, false},
		{"the next one did not start", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", s), false, true)
			l.give(at(22), "s1", 8, 6, nil)
			l.heard(at(25), at(25), says(0, 9, "", 5*s), false, true)
			return l
		}, 20 * s, 20 * s, false},
		{"the next one may have run unseen", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", s), false, true)
			l.give(at(22), "s2", 8, 6, nil)
			l.expire(at(38), false, nil)
			return l
		}, 20 * s, 2 * s, false},
		{"it was another booster's", func() lease {
			l := remembered(at(20), known)
			l.expire(at(36), false, nil)
			return l
		}, 20*s + heirTime, 4 * s, false},
		{"the next one ran unseen, and its agent says until when", func() lease {
			l := ran()
			l.heard(at(21), at(21), says(0, 8, "", s), false, true)
			l.give(at(22), "s1", 8, 6, nil)
			l.heard(at(30), at(30), says(0, 9, "", 5*s), false, true)
			return l
		}, 20 * s, 15 * s, false},
		{"it was another booster's, and heard once", func() lease {
			l := remembered(at(20), known)
			l.heard(at(21), time.Time{}, says(5, 7, Lead, 0), false, true)
			l.answer(at(21), says(5, 7, Lead, 0), &Answer{})
			l.heard(at(22), at(22), says(0, 8, "", s/2), false, true)
			return l
		}, 19*s + heirTime, 18 * s, false},
		{"it was another booster's, and heard", func() lease {
			l := remembered(at(20), known)
			l.heard(at(21), at(21), says(5, 7, Lead, 0), false, true)
			l.expire(at(38), false, nil)
			return l
		}, 19 * s, 2 * s, false},
		{"there was none", func() lease { return lease{} }, 0, 0, true},
		{"nobody knows who had it", func() lease {
			l := remembered(at(20), "garbage")
			l.expire(at(36), false, nil)
			return l
		}, 0, 0, true},
	} {
		l := test.end()
		l.give(at(39), "s3", 3, 9, nil)
		ask := Ask{Server: "s3", Offer: 3}
		var a Answer
		if !l.answer(at(40), ask, &a) || a.Validate() != nil {
			t.Fatalf("%s: %+v, %v", test.name, a, a.Validate())
		}
		switch v := a.Vacant; {
		case v == nil || test.none:
			if v != nil || !test.none {
				t.Errorf("%s: %+v", test.name, v)
			}
		case *v != Vacancy{Ran: test.ran, Ended: test.ended}:
			t.Errorf("%s: ran %s ago, ended %s ago; want %s and %s", test.name, v.Ran, v.Ended, test.ran, test.ended)
		}
		ask.Grant, ask.Runs = 9, Lead
		l.heard(at(41), at(41), ask, false, true)
		if a = (Answer{}); !l.answer(at(41), ask, &a) || a.Vacant != nil {
			t.Errorf("%s: told again while it runs: %+v", test.name, a)
		}
	}
}
