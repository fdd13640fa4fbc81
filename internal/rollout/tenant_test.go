package rollout

import (
	"testing"
	"time"
)

// tenancy is a Tenant and its clock, in seconds.
type tenancy struct {
	*testing.T
	*Tenant
	now float64
}

var epochZero = time.Unix(1e9, 0)

func at(s float64) time.Time { return epochZero.Add(time.Duration(s * float64(time.Second))) }

func newTenancy(t *testing.T) *tenancy { return &tenancy{T: t, Tenant: NewTenant()} }

func (t *tenancy) answer(sent float64, a Answer) *tenancy {
	t.Answered(at(sent), at(max(sent, t.now)), a)
	return t
}

// grant answers with a grant on what is offered now.
func (t *tenancy) grant(sent float64, grant uint64) *tenancy {
	return t.answer(sent, Answer{Term: 1, Part: Lead, Grant: grant, Offer: t.ask().Offer})
}

func (t *tenancy) ask() Ask {
	var a Ask
	t.Fill(at(t.now), &a)
	return a
}

func (t *tenancy) at(s float64) *tenancy {
	t.now = s
	return t
}

func (t *tenancy) wants(part Part, grant uint64) *tenancy {
	t.Helper()
	if w := t.Want(at(t.now)); w.Part != part || w.Grant != grant {
		t.Errorf("at %g s: %s under %d, want %s under %d", t.now, w.Part, w.Grant, part, grant)
	}
	return t
}

func (t *tenancy) says(grant uint64) *tenancy {
	t.Helper()
	if a := t.ask(); a.Grant != grant {
		t.Errorf("at %g s: it says that it holds %d, want %d", t.now, a.Grant, grant)
	}
	return t
}

func TestTenantParts(t *testing.T) {
	x := newTenancy(t)
	x.wants(Wait, 0).at(1000).wants(Wait, 0) // until a booster's word, however long
	x.answer(1000, Answer{Term: 1, Part: Follower}).wants(Follower, 0)
	x.answer(1001, Answer{Term: 1, Part: Wait}).wants(Wait, 0)
	x.at(2000).wants(Wait, 0)
}

func TestTenantLease(t *testing.T) {
	x := newTenancy(t).at(1).grant(0.5, 7).wants(Lead, 7).says(7)
	if w := x.Want(at(1)); !w.Until.Equal(at(10.5)) {
		t.Errorf("the lease ends at %s: it counts from the question", w.Until)
	}
	x.at(10.4).wants(Lead, 7)
	x.answer(5, Answer{Term: 1, Part: Lead, Grant: 7}).at(14.9).wants(Lead, 7)
	x.at(15).wants(Follower, 0).says(7) // its end, and the process is still there
	x.answer(16, Answer{Term: 1, Part: Lead, Grant: 7}).wants(Follower, 0)
	offer := x.ask().Offer
	x.Released()
	x.says(0).wants(Wait, 0).at(32.9).wants(Wait, 0).at(33).wants(Follower, 0).at(17)
	if x.ask().Offer == offer || x.ask().Offer == 0 {
		t.Error("another life does not make another offer")
	}
	x.answer(17, Answer{Term: 1, Part: Lead, Grant: 7, Offer: offer}).wants(Wait, 0).says(0)
}

func TestTenantRevoked(t *testing.T) {
	x := newTenancy(t).grant(0, 7)
	x.at(1).answer(1, Answer{Term: 1, Part: Follower}).wants(Follower, 0).says(7)
	x.answer(2, Answer{Term: 1, Part: Lead, Grant: 7}).at(2).wants(Follower, 0)
	x.Released()
	x.at(3).wants(Wait, 0) // the booster says what comes next
	x.answer(3, Answer{Term: 1, Part: Follower}).wants(Follower, 0)
}

// A booster that says Wait to a holder does not know it: the lease runs out by itself.
func TestTenantHolderTold(t *testing.T) {
	x := newTenancy(t).grant(0, 7)
	x.at(5).answer(5, Answer{Term: 1, Part: Wait}).wants(Lead, 7)
	x.at(10).wants(Follower, 0)
}

func TestTenantProcessEnds(t *testing.T) {
	x := newTenancy(t).grant(0, 7).at(2)
	x.Released() // by itself
	x.wants(Wait, 0).says(0).at(16.9).wants(Wait, 0)
	x.at(17).wants(Follower, 0) // no booster is there: better a follower than none
	x.Released()                // there is nothing to release
	x.wants(Follower, 0)
}

func TestTenantLateGrant(t *testing.T) {
	x := newTenancy(t).at(11)
	x.grant(0, 7).wants(Follower, 0)
	x.Released()
	x.says(0)

	y := newTenancy(t).at(3)
	offer := y.ask().Offer
	y.answer(2, Answer{Term: 1, Part: Follower})
	y.answer(1, Answer{Term: 1, Part: Lead, Grant: 7, Offer: offer}).wants(Follower, 0).says(0)
	if y.Hears(at(8)) || !y.Hears(at(7.9)) {
		t.Error("a late answer changes when the booster was heard")
	}
	y.answer(3, Answer{Term: 1, Part: Lead, Grant: 7, Offer: offer + 1}).wants(Follower, 0).says(0)
}

func TestTenantTerms(t *testing.T) {
	x := newTenancy(t)
	x.answer(0, Answer{Term: 5, Part: Wait})
	x.answer(1, Answer{Term: 4, Part: Lead, Grant: 7, Offer: x.ask().Offer}).at(1).wants(Wait, 0).says(0)
	if x.Term() != 5 || x.ask().Term != 5 || !x.Hears(at(1)) || x.Hears(at(6)) {
		t.Errorf("term %d, %+v", x.Term(), x.ask())
	}
	x.answer(2, Answer{Term: 6, Part: Lead, Grant: 8, Offer: x.ask().Offer}).wants(Lead, 8)
	x.answer(3, Answer{Term: 5, Part: Follower}).at(3).wants(Lead, 8)
	x.answer(4, Answer{Term: 7, Part: Lead, Grant: 8}).at(13.9).wants(Lead, 8) // another booster has taken over
}

func TestTenantResume(t *testing.T) {
	x := newTenancy(t)
	x.Resume(7, at(5))
	x.says(7).wants(Lead, 7).at(4.9).wants(Lead, 7)
	x.answer(4, Answer{Term: 1, Part: Lead, Grant: 7}).at(13.9).wants(Lead, 7).at(14).wants(Follower, 0)
	y := newTenancy(t).at(6)
	y.Resume(7, at(5))
	y.wants(Follower, 0).says(7).answer(6, Answer{Term: 1, Part: Lead, Grant: 7}).wants(Follower, 0)
	y.Released()
	y.says(0)
}

func TestTenantRestart(t *testing.T) {
	x := newTenancy(t)
	order := func(now float64, n uint64, fast bool) {
		t.Helper()
		if w := x.Want(at(now)); w.Restart != n || w.Fast != fast {
			t.Errorf("at %g s: order %d, fast %t, want %d", now, w.Restart, w.Fast, n)
		}
	}
	order(0, 0, false)
	x.answer(0, Answer{Term: 1, Part: Follower, Restart: 5, Fast: true})
	order(0, 5, true)
	x.Restarted(5)
	order(0, 0, false)
	x.answer(1, Answer{Term: 1, Part: Follower, Restart: 5})
	order(1, 0, false)
	if x.ask().Done != 5 {
		t.Errorf("%+v", x.ask())
	}
	x.answer(2, Answer{Term: 1, Part: Follower, Restart: 6})
	order(6.9, 6, false)
	order(7, 0, false) // too old
	x.answer(8, Answer{Term: 1, Part: Follower, Restart: 6})
	order(8, 6, false)
	x.answer(9, Answer{Term: 1, Part: Follower})
	order(9, 0, false) // taken back
	x.Restarted(3)
	if x.ask().Done != 5 {
		t.Error("an older order takes the newer one's place")
	}
}

func TestTenantHears(t *testing.T) {
	x := newTenancy(t)
	if x.Heard() || x.Hears(at(0)) || x.ask().Heard {
		t.Error("it has heard a booster")
	}
	x.answer(1, Answer{Term: 1, Part: Wait})
	for now, want := range map[float64][2]bool{1: {true, true}, 3.9: {true, true}, 4: {false, true}, 6.9: {false, true}, 7: {false, false}} {
		if got := [2]bool{x.at(now).ask().Heard, x.Hears(at(now))}; got != want {
			t.Errorf("at %g s: %v", now, got)
		}
	}
	if !x.Heard() {
		t.Error("it has never heard a booster")
	}
}

func TestTenantExtend(t *testing.T) {
	names := []string{"s2", "s3", "s4"}
	alone := func() *tenancy {
		x := newTenancy(t)
		return x.answer(0, Answer{Term: 1, Part: Lead, Grant: 7, Offer: x.ask().Offer, Alone: true, Witnesses: names})
	}
	x := alone()
	if _, ok := x.Tenant.Witnesses(at(4.9)); ok {
		t.Error("witnesses are asked too early")
	}
	if got, ok := x.Tenant.Witnesses(at(5)); !ok || len(got) != 3 || len(x.ask().Witnesses) != 3 {
		t.Errorf("witnesses %v, %t", got, ok)
	}
	for _, c := range []struct {
		name           string
		asked          float64
		names          []string
		reached, hears int
		want           bool
	}{
		{"all", 9, names, 3, 0, true},
		{"two of three", 9, names, 2, 0, true},
		{"one of three", 9, names, 1, 0, false},
		{"one hears", 9, names, 3, 1, false},
		{"other witnesses", 9, names[:2], 2, 0, false},
		{"too late", 10, names, 3, 0, false},
	} {
		x := alone()
		if got := x.Extend(at(c.asked), c.names, c.reached, c.hears); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		want := Follower
		if c.want {
			want = Lead
		}
		if w := x.Want(at(12.9)); w.Part != want {
			t.Errorf("%s: %s", c.name, w.Part)
		}
		if w := x.Want(at(13)); w.Part != Follower {
			t.Errorf("%s: it goes on too long", c.name)
		}
	}
	x = alone()
	x.Extend(at(5), names, 3, 0)
	if x.at(9.9).wants(Lead, 7); x.Want(at(9.9)).Until != at(10) {
		t.Error("it makes the lease shorter")
	}
	x.answer(6, Answer{Term: 1, Part: Follower})
	if _, ok := x.Tenant.Witnesses(at(9)); ok || x.Extend(at(9), names, 3, 0) {
		t.Error("a revoked lease is extended")
	}
	x = newTenancy(t).grant(0, 7)
	if _, ok := x.Tenant.Witnesses(at(9)); ok || x.Extend(at(9), nil, 0, 0) {
		t.Error("a lease is extended though another booster may grant it")
	}
	x = newTenancy(t)
	x.answer(0, Answer{Term: 1, Part: Lead, Grant: 7, Offer: x.ask().Offer, Alone: true})
	if got, ok := x.Tenant.Witnesses(at(9)); !ok || len(got) != 0 || !x.Extend(at(9), nil, 0, 0) {
		t.Error("the only server does not go on without its booster")
	}
}
