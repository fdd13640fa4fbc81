package balance

import (
	"fmt"
	"testing"
	"time"
)

// fixture is a balancer with a clock that the test moves.
type fixture struct {
	t   testing.TB
	b   *Balancer
	now time.Time
}

func newFixture(t testing.TB, cfg Config, specs ...Spec) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Unix(1_700_000_000, 0)}
	b, err := New(cfg, f.now)
	if err != nil {
		t.Fatal(err)
	}
	f.b = b
	if err := b.Update(f.now, specs); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		b.SetHealth(f.now, s.Name, Up, "")
	}
	return f
}

func (f *fixture) pass(d time.Duration) {
	const tick = 100 * time.Millisecond
	for ; d > 0; d -= tick {
		f.now = f.now.Add(tick)
		f.b.Tick(f.now)
	}
}

// get takes a slot that must be free.
func (f *fixture) get(r Request) Grant {
	f.t.Helper()
	g, w, err := f.b.Acquire(f.now, &r)
	if err != nil || w != nil {
		f.t.Fatalf("Acquire(%+v) = waiter %v, error %v; want a slot at once", r, w != nil, err)
	}
	return g
}

// wait asks for a slot that must not be free.
func (f *fixture) wait(r Request) *Waiter {
	f.t.Helper()
	g, w, err := f.b.Acquire(f.now, &r)
	if err != nil || w == nil {
		f.t.Fatalf("Acquire(%+v) = %v, error %v; want to wait", r, g, err)
	}
	return w
}

func (f *fixture) given(w *Waiter) (Grant, bool) {
	select {
	case g := <-w.C:
		return g, true
	default:
		return Grant{}, false
	}
}

func servers(n, capacity int) []Spec {
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = Spec{Name: fmt.Sprintf("s%d", i+1), Address: fmt.Sprintf("127.0.0.1:%d", 8001+i), Capacity: capacity, Weight: 100}
	}
	return specs
}

func TestShareByCapacityAndWeight(t *testing.T) {
	specs := servers(3, 8)
	specs[1].Weight = 200
	specs[2].Capacity = 16
	for _, policy := range []Policy{LeastLoad, RoundRobin} {
		t.Run(policy.String()+" one at a time", func(t *testing.T) {
			f := newFixture(t, Config{Policy: policy}, specs...)
			count := map[string]int{}
			for range 600 {
				g := f.get(Request{Lane: Static})
				count[g.Server.Name()]++
				f.b.Release(f.now, g, Outcome{})
			}
			for name, want := range map[string]int{"s1": 120, "s2": 240, "s3": 240} {
				if got := count[name]; got < want-2 || got > want+2 {
					t.Errorf("%s got %d of 600 requests, want %d", name, got, want)
				}
			}
		})
	}
	t.Run("many at once", func(t *testing.T) {
		f := newFixture(t, Config{}, specs...)
		count := map[string]int{}
		for range 20 {
			count[f.get(Request{Lane: Static}).Server.Name()]++
		}
		for name, want := range map[string]int{"s1": 4, "s2": 8, "s3": 8} {
			if got := count[name]; got < want-1 || got > want+1 {
				t.Errorf("%s has %d of 20 requests in flight, want about %d", name, got, want)
			}
		}
	})
}

// Servers without a limit, as a plain balancer's are, differ by weight alone, also by the
// highest ones.
func TestShareByHighWeights(t *testing.T) {
	specs := servers(2, Unlimited)
	specs[0].Weight, specs[1].Weight = MaxWeight, MaxWeight*6/10
	for _, policy := range []Policy{LeastLoad, RoundRobin} {
		for name, release := range map[string]bool{"one at a time": true, "many at once": false} {
			f := newFixture(t, Config{Policy: policy}, specs...)
			count := map[string]int{}
			for range 1600 {
				g := f.get(Request{Lane: Static})
				count[g.Server.Name()]++
				if release {
					f.b.Release(f.now, g, Outcome{})
				}
			}
			if n := count["s1"]; n < 980 || n > 1020 {
				t.Errorf("%s, %s: s1 got %d of 1,600 requests, want 1,000", policy, name, n)
			}
		}
	}
}

func TestSlowServerGetsFewerAmongEquals(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 8)...)
	count := map[string]int{}
	for range 400 {
		g := f.get(Request{Lane: Static})
		count[g.Server.Name()]++
		d := 10 * time.Millisecond
		if g.Server.Name() == "s2" {
			d = 30 * time.Millisecond
		}
		f.b.Release(f.now, g, Outcome{Served: d, Total: d})
		f.pass(100 * time.Millisecond)
	}
	if count["s2"] > 120 || count["s2"] < 80 {
		t.Errorf("the server that is three times slower got %d of 400 requests, want about 100", count["s2"])
	}
}

func TestStickySessions(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 2)...)
	on := IDOf("s2")
	for range 50 {
		g := f.get(Request{Lane: Session, Sticky: on, Session: 7})
		if g.Server.Name() != "s2" || g.Why != WhySticky {
			t.Fatalf("went to %s (%s), want s2 (sticky)", g.Server.Name(), g.Why)
		}
		f.b.Release(f.now, g, Outcome{})
	}
	if s, _ := f.b.Server("s2"); s.Sessions != 1 {
		t.Errorf("s2 has %d sessions, want 1", s.Sessions)
	}

	// It waits for its server although others are free, and goes when that dies.
	f.get(Request{Lane: Session, Sticky: on})
	f.get(Request{Lane: Session, Sticky: on})
	w := f.wait(Request{Lane: Session, Sticky: on, Session: 7})
	f.b.SetHealth(f.now, "s2", Down, "killed")
	g, ok := f.given(w)
	if !ok || g.Server.Name() == "s2" || g.Why != WhyMoved {
		t.Fatalf("a request that waited for the dead server was not moved: %v %v", g, ok)
	}
	if s, _ := f.b.Server("s2"); s.Sessions != 0 {
		t.Errorf("the dead server has %d sessions, want 0", s.Sessions)
	}
	if g := f.get(Request{Lane: Session, Sticky: on}); g.Server.Name() == "s2" {
		t.Error("a session went to a server that is down")
	}

	// A server that nobody knows is no error.
	if g := f.get(Request{Lane: Session, Sticky: 12345}); g.Why != WhyMoved {
		t.Errorf("a cookie of an unknown server gave %s, want moved", g.Why)
	}
}

func TestSessionsAreForgotten(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 8)...)
	f.b.Release(f.now, f.get(Request{Lane: Session, Sticky: IDOf("s1"), Session: 1}), Outcome{})
	f.pass(sessionOpen - time.Second)
	if s, _ := f.b.Server("s1"); s.Sessions != 1 {
		t.Errorf("%d sessions just before the end of one, want 1", s.Sessions)
	}
	f.pass(5 * time.Second)
	if s, _ := f.b.Server("s1"); s.Sessions != 0 {
		t.Errorf("%d sessions after the end of one, want 0", s.Sessions)
	}
}

func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name    string
		onDrain time.Duration
		mark    Mark
		sticky  bool // a session on the server stays for now
	}{
		{"drain", 0, Drain, false},
		{"drain with grace", 10 * time.Second, Drain, true},
		{"maintenance", 10 * time.Second, Maintenance, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, Config{OnDrain: test.onDrain}, servers(2, 8)...)
			f.b.SetMark(f.now, "s1", test.mark)
			for range 8 {
				if g := f.get(Request{Lane: Session}); g.Server.Name() != "s2" {
					t.Fatal("a new request went to the server in", test.name)
				}
			}
			sticky := Request{Lane: Session, Sticky: IDOf("s1")}
			if test.sticky {
				g := f.get(sticky)
				if g.Server.Name() != "s1" {
					t.Error("a session left before its grace was over")
				}
				f.b.Release(f.now, g, Outcome{})
				f.pass(test.onDrain)
			}
			w := f.wait(sticky) // the other server is full
			f.b.SetMark(f.now, "s1", NoMark)
			if g, ok := f.given(w); !ok || g.Server.Name() != "s1" {
				t.Error("resuming the server did not give its slots to those that wait")
			}
		})
	}
}

func TestBackupOnlyWhenNoOtherIsUp(t *testing.T) {
	specs := servers(2, 1)
	specs[1].Backup = true
	f := newFixture(t, Config{}, specs...)
	f.get(Request{Lane: Session})
	w := f.wait(Request{Lane: Session})
	f.b.SetHealth(f.now, "s1", Down, "")
	if g, ok := f.given(w); !ok || g.Server.Name() != "s2" {
		t.Error("the backup did not step in")
	}
}

func TestTriedServersAreAvoided(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 4)...)
	g := f.get(Request{Lane: Session})
	for range 3 {
		other := f.get(Request{Lane: Session, Sticky: g.Server.ID(), Tried: []*Server{g.Server}})
		if other.Server == g.Server {
			t.Fatal("a server that failed the request got it again while another was up")
		}
	}
	f.get(Request{Lane: Session, Tried: []*Server{g.Server}})
	// The other one is full: it waits for that and does not take the first.
	w := f.wait(Request{Lane: Session, Tried: []*Server{g.Server}})
	// When there is no other, the first gets another chance.
	for _, s := range f.b.Servers() {
		if s.Name != g.Server.Name() {
			f.b.SetHealth(f.now, s.Name, Down, "")
		}
	}
	if again, ok := f.given(w); !ok || again.Server != g.Server {
		t.Error("the only server left did not get the request")
	}
}

func TestSlowStart(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 100)...)
	f.pass(time.Minute)
	f.b.SetHealth(f.now, "s2", Down, "")
	f.b.SetHealth(f.now, "s2", Up, "")
	inFlight := func() (int, int) {
		var gs []Grant
		for range 100 {
			gs = append(gs, f.get(Request{Lane: Static}))
		}
		one, two := f.b.Servers()[0].InFlight, f.b.Servers()[1].InFlight
		for _, g := range gs {
			f.b.Release(f.now, g, Outcome{})
		}
		return one, two
	}
	if _, two := inFlight(); two > 10 {
		t.Errorf("a server that just came up has %d of 100 requests, want at most 10", two)
	}
	f.pass(slowStart)
	if one, two := inFlight(); two < 45 || one < 45 {
		t.Errorf("after slow start the servers have %d and %d of 100, want half each", one, two)
	}
}

func TestServersAtTheBeginningDoNotStartSlowly(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 8)...)
	for range 24 {
		f.get(Request{Lane: Static})
	}
}

func TestReturningServerDoesNotGetAllAmongEquals(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 8)...)
	f.b.SetHealth(f.now, "s1", Down, "")
	for range 10_000 {
		f.b.Release(f.now, f.get(Request{Lane: Static}), Outcome{})
	}
	f.b.SetHealth(f.now, "s1", Up, "")
	f.pass(slowStart)
	count := 0
	for range 200 {
		g := f.get(Request{Lane: Static})
		if g.Server.Name() == "s1" {
			count++
		}
		f.b.Release(f.now, g, Outcome{})
	}
	if count > 120 {
		t.Errorf("the server that was away got %d of 200 requests", count)
	}
}

func TestUpdateKeepsStateAndFreesWaiters(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 1)...)
	f.b.SetMark(f.now, "s1", Drain)
	f.get(Request{Lane: Session, Sticky: IDOf("s2")})
	w := f.wait(Request{Lane: Session, Sticky: IDOf("s2")})
	if err := f.b.Update(f.now, servers(1, 1)); err != nil {
		t.Fatal(err)
	}
	if s, _ := f.b.Server("s1"); s.State != "draining" {
		t.Errorf("s1 is %s after an update, want draining", s.State)
	}
	f.b.SetMark(f.now, "s1", NoMark)
	if g, ok := f.given(w); !ok || g.Server.Name() != "s1" {
		t.Error("a request that waited for a server that was removed got stuck")
	}
}

func TestUpdateRefusesNonsense(t *testing.T) {
	good := Spec{Name: "a", Address: "127.0.0.1:1", Capacity: 1, Weight: 1}
	for name, specs := range map[string][]Spec{
		"two of one name": {good, good},
		"no name":         {{Address: "127.0.0.1:1", Capacity: 1}},
		"no address":      {{Name: "a", Capacity: 1}},
		"no capacity":     {{Name: "a", Address: "127.0.0.1:1"}},
		"huge capacity":   {{Name: "a", Address: "127.0.0.1:1", Capacity: MaxCapacity + 1}},
		"negative weight": {{Name: "a", Address: "127.0.0.1:1", Capacity: 1, Weight: -1}},
		"enormous weight": {{Name: "a", Address: "127.0.0.1:1", Capacity: 1, Weight: MaxWeight + 1}},
	} {
		f := newFixture(t, Config{}, good)
		if err := f.b.Update(f.now, specs); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(f.b.Servers()) != 1 {
			t.Errorf("%s: a refused update changed the table", name)
		}
	}
}

func TestPolicies(t *testing.T) {
	f := newFixture(t, Config{Policy: First}, servers(3, 2)...)
	for _, want := range []string{"s1", "s1", "s2", "s2", "s3"} {
		if g := f.get(Request{Lane: Session}); g.Server.Name() != want {
			t.Errorf("first: got %s, want %s", g.Server.Name(), want)
		}
	}
	f = newFixture(t, Config{Policy: RandomChoose}, servers(3, 100)...)
	for range 150 {
		f.get(Request{Lane: Session})
	}
	for _, s := range f.b.Servers() {
		if s.InFlight < 40 || s.InFlight > 60 {
			t.Errorf("random_choose: %s has %d of 150, want about 50", s.Name, s.InFlight)
		}
	}
}

func TestParse(t *testing.T) {
	for l := range Lanes {
		if got, err := ParseLane(Lane(l).String()); err != nil || got != Lane(l) {
			t.Errorf("ParseLane(%s) = %v, %v", Lane(l), got, err)
		}
	}
	if _, err := ParseLane("flows"); err == nil {
		t.Error("ParseLane took an unknown lane")
	}
	if _, err := ParsePolicy("leastconn"); err == nil {
		t.Error("ParsePolicy took an unknown policy")
	}
}
