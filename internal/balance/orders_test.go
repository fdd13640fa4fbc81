package balance

import (
	"errors"
	"testing"
	"time"
)

// name returns where a request that waited was sent, or "" while it waits.
func (f *fixture) name(w *Waiter) string {
	if g, ok := f.given(w); ok {
		return g.Server.Name() + " " + string(g.Why)
	}
	return ""
}

func TestLeadAlone(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 2)...)
	ask := Request{Lane: Control, ToLead: true, Sticky: IDOf("s3")}
	w := f.wait(ask) // nobody is the lead
	if f.b.ReadyFor(&ask) || !f.b.Ready() {
		t.Error("ready for the lead's requests without one")
	}
	f.b.SetLead(f.now, "s2")
	if got := f.name(w); got != "s2 lead" {
		t.Errorf("a request that waited for a lead went to %q", got)
	}
	s2 := f.b.table.Load().byID[IDOf("s2")]
	ask.Tried = []*Server{s2}
	g := f.get(ask) // again on the same, though it failed there
	if g.Server != s2 || g.Why != WhyLead {
		t.Errorf("went to %s (%s)", g.Server.Name(), g.Why)
	}
	if f.b.Untried(&ask) {
		t.Error("another server than the lead is said to be left")
	}
	w = f.wait(ask) // it is full, the others are free
	if s, _ := f.b.Server("s2"); s.Waiting != 1 {
		t.Errorf("%d wait for the lead, want 1", s.Waiting)
	}
	f.b.Release(f.now, g, Outcome{})
	if got := f.name(w); got != "s2 lead" {
		t.Errorf("went to %q", got)
	}
	// Its other slots are anybody's, and others don't wait for it.
	w = f.wait(ask)
	for range 4 {
		if g := f.get(Request{Lane: Control}); g.Server == s2 {
			t.Error("a request that may go anywhere took a place that the lead has not")
		}
	}
	f.b.Cancel(f.now, w)
	if n := f.b.Queued(Control); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// Whatever takes the lead away, its requests wait for it or its successor.
func TestLeadAway(t *testing.T) {
	for name, test := range map[string]struct{ take, back func(f *fixture) }{
		"down": {func(f *fixture) { f.b.SetHealth(f.now, "s1", Down, "") }, func(f *fixture) { f.b.SetHealth(f.now, "s1", Up, "") }},
		"draining": {func(f *fixture) { f.b.SetMark(f.now, "s1", Drain) },
			func(f *fixture) { f.b.SetMark(f.now, "s1", NoMark) }},
		"out": {func(f *fixture) { f.b.SetOut(f.now, map[string]string{"s1": "release 8"}) },
			func(f *fixture) { f.b.SetOut(f.now, nil) }},
		"nobody": {func(f *fixture) { f.b.SetLead(f.now, "") }, func(f *fixture) { f.b.SetLead(f.now, "s1") }},
		"gone": {func(f *fixture) { _ = f.b.Update(f.now, servers(3, 1)[1:]) }, func(f *fixture) {
			_ = f.b.Update(f.now, servers(3, 1))
			f.b.SetHealth(f.now, "s1", Up, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Config{OnDrain: time.Hour}, servers(3, 1)...)
			f.b.SetLead(f.now, "s1")
			test.take(f)
			first, second := f.wait(Request{Lane: File, ToLead: true}), f.wait(Request{Lane: Control, ToLead: true})
			f.pass(time.Second)
			if f.name(first) != "" || f.name(second) != "" {
				t.Fatal("the lead's request went to another")
			}
			test.back(f)
			if got := f.name(first); got != "s1 lead" {
				t.Errorf("the first went to %q", got)
			}
			f.b.SetLead(f.now, "s3")
			if got := f.name(second); got != "s3 lead" {
				t.Errorf("when the lead changed the second went to %q", got)
			}
		})
	}
}

// A lead is a lead, also as a backup or with weight 0.
func TestOddLead(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"backup":   func(s *Spec) { s.Backup = true },
		"weight 0": func(s *Spec) { s.Weight = 0 },
	} {
		specs := servers(2, 1)
		change(&specs[1])
		f := newFixture(t, Config{}, specs...)
		f.b.SetLead(f.now, "s2")
		if g := f.get(Request{Lane: Control, ToLead: true}); g.Server.Name() != "s2" {
			t.Errorf("%s: went to %s", name, g.Server.Name())
		}
	}
}

func TestBehind(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 2)...)
	f.b.SetLead(f.now, "s1")
	on2 := Request{Lane: Session, Sticky: IDOf("s2")}
	f.get(on2)
	f.get(on2)
	w := f.wait(on2)
	f.b.SetBehind(f.now, map[string]string{"s1": "flow deployed", "s2": "flow deployed"})
	if got := f.name(w); got != "s3 moved" && got != "s1 moved" {
		t.Errorf("a session that waited for a server that fell behind: %q", got)
	}
	if s, _ := f.b.Server("s2"); s.State != "behind" || s.Reason != "flow deployed" {
		t.Errorf("s2 is %s, %q", s.State, s.Reason)
	}
	if s, _ := f.b.Server("s1"); s.State != "up" || s.Reason != "" {
		t.Errorf("the lead is %s, %q", s.State, s.Reason)
	}
	for range 3 { // all places that are left
		for _, r := range []Request{on2, {Lane: Flow}, {Lane: Control}, {Lane: File}, {Lane: Session}} {
			g, w, _ := f.b.Acquire(f.now, &r)
			if w == nil && g.Server.Name() == "s2" {
				t.Fatalf("a request of lane %s went to a server that is behind", r.Lane)
			}
			if w != nil {
				f.b.Cancel(f.now, w)
			}
		}
	}
	for _, s := range f.b.table.Load().servers {
		if s.name == "s2" {
			s.load.Store(0)
		}
	}
	for _, p := range []Policy{LeastLoad, RoundRobin, RandomChoose, First} {
		if err := f.b.Configure(Config{Policy: p}); err != nil {
			t.Fatal(err)
		}
		g := f.get(Request{Lane: Static}) // the only one with room
		if g.Server.Name() != "s2" {
			t.Errorf("%s: a static file came from %s", p, g.Server.Name())
		}
		f.b.Release(f.now, g, Outcome{})
	}
	f.get(Request{Lane: Static})
	f.get(Request{Lane: Static})
	static := f.wait(Request{Lane: Static})
	session := f.wait(Request{Lane: Session})
	f.b.Release(f.now, Grant{Server: f.b.table.Load().byID[IDOf("s2")], lane: Static}, Outcome{})
	if got := f.name(static); got != "s2 waited" || f.name(session) != "" {
		t.Errorf("a free place on a server that is behind: static %q", got)
	}
	f.b.SetBehind(f.now, nil)
	f.b.Release(f.now, Grant{Server: f.b.table.Load().byID[IDOf("s2")], lane: Static}, Outcome{})
	if got := f.name(session); got != "s2 waited" {
		t.Errorf("after its refresh: %q", got)
	}
	if f.b.Stale() {
		t.Error("stale, though another was left all the time")
	}
}

// Old answers are better than none for everybody.
func TestBehindWhenNoOtherIsLeft(t *testing.T) {
	specs := servers(4, 1)
	specs[2].Backup, specs[3].Backup = true, true
	behind := map[string]string{"s2": "old", "s4": "old"}
	for _, test := range []struct {
		down  []string
		takes string // who takes a session
		stale bool
	}{
		{nil, "s1", false},
		{[]string{"s1"}, "s3", false},
		{[]string{"s1", "s3"}, "s2", true},
		{[]string{"s1", "s2", "s3"}, "s4", true},
	} {
		f := newFixture(t, Config{}, specs...)
		f.b.SetLead(f.now, "s1")
		f.b.SetBehind(f.now, behind)
		for _, name := range test.down {
			f.b.SetHealth(f.now, name, Down, "")
		}
		if g := f.get(Request{Lane: Session}); g.Server.Name() != test.takes {
			t.Errorf("without %v a session went to %s, want %s", test.down, g.Server.Name(), test.takes)
		}
		w := f.wait(Request{Lane: Session}) // and nobody else takes one
		if f.b.Stale() != test.stale {
			t.Errorf("without %v stale is %v", test.down, f.b.Stale())
		}
		if test.stale {
			s, _ := f.b.Server(test.takes)
			if s.State != "behind" {
				t.Errorf("%s is %s, want behind, though it serves", test.takes, s.State)
			}
			f.b.SetHealth(f.now, "s1", Up, "")
			if got := f.name(w); got != "s1 waited" || f.b.Stale() {
				t.Errorf("the lead is back: %q", got)
			}
		}
	}
}

func TestOut(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 100)...)
	f.pass(time.Minute)
	g := f.get(Request{Sticky: IDOf("s1")})
	out := map[string]string{"s1": "release 8", "s3": "release 8"}
	f.b.SetOut(f.now, out)
	delete(out, "s1") // it is the caller's
	if got := f.get(Request{Sticky: IDOf("s1")}); got.Server.Name() != "s2" {
		t.Error("a session went to a server that is out")
	}
	if s, _ := f.b.Server("s1"); s.State != "draining" || s.Reason != "release 8" {
		t.Errorf("s1 is %s, %q", s.State, s.Reason)
	}
	if n := f.b.InFlight("s1"); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	f.b.Release(f.now, g, Outcome{})
	if n, other := f.b.InFlight("s1"), f.b.InFlight("nobody"); n != 0 || other != 0 {
		t.Errorf("%d and %d in flight", n, other)
	}
	f.b.SetHealth(f.now, "s1", Down, "connection refused")
	if s, _ := f.b.Server("s1"); s.State != "draining" || s.Reason != "release 8; connection refused" {
		t.Errorf("s1 is %s, %q", s.State, s.Reason)
	}
	f.b.SetHealth(f.now, "s1", Up, "")

	// The operator's mark is another matter.
	f.b.SetMark(f.now, "s1", Drain)
	f.b.SetOut(f.now, nil)
	if s, _ := f.b.Server("s1"); s.State != "draining" || s.Reason != "" {
		t.Errorf("s1 is %s, %q", s.State, s.Reason)
	}
	f.b.SetOut(f.now, map[string]string{"s1": "release 8", "s3": "release 8"})
	f.b.SetMark(f.now, "s1", NoMark)
	if s, _ := f.b.Server("s1"); s.State != "draining" || f.get(Request{}).Server.Name() != "s2" {
		t.Error("the operator's resume put a server back that the roll-out had taken out")
	}
	f.pass(slowStart)
	f.b.SetOut(f.now, map[string]string{"s3": "release 8"})
	if s := f.b.table.Load().byID[IDOf("s1")]; s.slots.Load() != 10 {
		t.Errorf("a server that was put back takes %d at once, want a tenth of 100", s.slots.Load())
	}
	// One that joins is out from the beginning.
	if err := f.b.Update(f.now, servers(3, 100)); err != nil {
		t.Fatal(err)
	}
	f.b.SetHealth(f.now, "s3", Up, "")
	if s, _ := f.b.Server("s3"); s.State != "draining" {
		t.Errorf("s3 is %s", s.State)
	}
}

// The server of an agent that is restarted leaves the table for a moment, and works on:
// it takes no more than its capacity then, and whoever waits until it has no request sees
// those from before.
func TestServerComesBackWithItsRequests(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 3)...)
	const s1 = "s1"
	r := Request{Lane: Session, Sticky: IDOf(s1)}
	grants := []Grant{f.get(r), f.get(r)}
	inFlight := func(when string, want int) {
		t.Helper()
		if n := f.b.InFlight(s1); n != want {
			t.Errorf("%s it has %d requests, want %d", when, n, want)
		}
	}
	update := func(specs []Spec) {
		t.Helper()
		if err := f.b.Update(f.now, specs); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		update(servers(2, 3)[1:])
		inFlight("while it is away", 2)
		update(servers(2, 3))
	}
	if s, _ := f.b.Server(s1); s.State != "starting" || s.InFlight != 2 {
		t.Errorf("when it is back it is %+v", s)
	}
	f.b.SetHealth(f.now, s1, Up, "")
	f.pass(slowStart)
	grants = append(grants, f.get(r))
	w := f.wait(r)
	f.b.Release(f.now, grants[0], Outcome{})
	if g, ok := f.given(w); !ok || g.Server.Name() != s1 {
		t.Error("a slot from before is not passed on")
	} else {
		f.b.Release(f.now, g, Outcome{})
	}
	update(servers(2, 3)[1:])
	f.b.Release(f.now, grants[1], Outcome{})
	f.b.Release(f.now, grants[2], Outcome{})
	inFlight("at the end", 0)
	update(servers(2, 3)[1:])
	if n := len(f.b.departed); n > 0 {
		t.Errorf("%d servers without requests are remembered", n)
	}
}

func TestOutWithGrace(t *testing.T) {
	f := newFixture(t, Config{OnDrain: 10 * time.Second}, servers(2, 8)...)
	f.b.SetOut(f.now, map[string]string{"s1": "release 8"})
	on1 := Request{Sticky: IDOf("s1")}
	if g := f.get(on1); g.Server.Name() != "s1" {
		t.Error("a session left before its grace was over")
	}
	f.pass(10 * time.Second)
	if g := f.get(on1); g.Server.Name() != "s2" {
		t.Error("a session stayed after its grace was over")
	}
}

func TestHold(t *testing.T) {
	f := newFixture(t, Config{QueueLength: 3}, servers(1, 2)...)
	f.b.SetLead(f.now, "s1")
	held := func(hold bool, working, waiting int) {
		t.Helper()
		if h, wo, wa := f.b.Held(); h != hold || wo != working || wa != waiting {
			t.Errorf("Held() = %v, %d, %d; want %v, %d, %d", h, wo, wa, hold, working, waiting)
		}
	}
	work := Request{Lane: Session, Work: true}
	g := f.get(work)
	held(false, 1, 0)
	other := f.get(Request{Lane: Session})
	early := []*Waiter{f.wait(work), f.wait(Request{Lane: Session, Work: true, Sticky: IDOf("s1")}), f.wait(Request{Lane: Session})}
	file := f.wait(Request{Lane: File, Work: true, ToLead: true})
	f.b.SetHold(f.now, true)
	f.b.SetHold(f.now, true)
	held(true, 1, 3)
	if n := f.b.Queued(Session); n != 3 {
		t.Errorf("%d wait, want 3", n)
	}
	if _, _, err := f.b.Acquire(f.now, &work); !errors.Is(err, ErrQueueFull) {
		t.Errorf("the queue is full, but: %v", err)
	}
	f.b.Release(f.now, g, Outcome{})
	held(true, 0, 3)
	if got := f.name(early[2]); got != "s1 waited" {
		t.Errorf("one that is no work waited behind some that are held: %q", got)
	}
	f.b.Release(f.now, other, Outcome{})
	if g := f.get(Request{Lane: Session}); g.Server == nil { // without a wait, although some are held back
		t.Error("no place")
	} else {
		f.b.Release(f.now, g, Outcome{})
	}
	late := f.wait(work) // a place is free
	gone := f.wait(Request{Lane: Flow, Work: true})
	f.b.Cancel(f.now, gone)
	held(true, 0, 4)
	f.b.SetHold(f.now, false)
	if got := f.name(early[0]); got != "s1 waited" {
		t.Errorf("the first went to %q", got)
	}
	held(false, 1, 0)
	for i, w := range []*Waiter{early[1], file, late} { // in their order
		if got := f.name(w); got != "" {
			t.Errorf("%d went to %q before its turn", i, got)
		}
		f.b.Release(f.now, Grant{Server: g.Server, lane: Session, work: true}, Outcome{})
		if got := f.name(w); got != []string{"s1 sticky", "s1 lead", "s1 waited"}[i] {
			t.Errorf("%d went to %q", i, got)
		}
	}
	held(false, 1, 0)
}
