package rollout

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCandidates(t *testing.T) {
	const epoch = "a=2"
	good := func(change func(*asker)) *asker {
		a := &asker{heard: at(100), ask: Ask{Candidate: true, Offer: 1, Runs: Follower, Epoch: epoch, Release: 5}}
		if change != nil {
			change(a)
		}
		return a
	}
	g := agents{
		"d-plain":     good(nil),
		"c-plain":     good(nil),
		"e-preferred": good(nil),
		"a-old":       good(func(a *asker) { a.ask.Release = 4 }),
		"b-behind":    good(func(a *asker) { a.ask.Epoch = "a=1" }),
		"b-lacks":     good(func(a *asker) { a.ask.MissingFiles = 1 }),
		"a-lacks":     good(func(a *asker) { a.ask.MissingFiles = 2 }),
		"a-unknown":   good(func(a *asker) { a.ask.Uncompared = true }),
		"a-down":      good(func(a *asker) { a.ask.Runs, a.ask.Epoch = "", "" }),
		"a-failed":    good(func(a *asker) { a.ask.Failed, a.ask.Release = true, 6 }),
		"a-retried":   good(func(a *asker) { a.failed, a.ask.Release = at(41), 6 }),
		"z-retried":   good(func(a *asker) { a.failed, a.ask.Release = at(40), 5 }),
		"x-silent":    good(func(a *asker) { a.heard = at(97) }),
		"x-holds":     good(func(a *asker) { a.ask.Grant = 1 }),
		"x-no-offer":  good(func(a *asker) { a.ask.Offer = 0 }),
		"x-stranger":  good(func(a *asker) { a.ask.Candidate = false }),
	}
	got := strings.Join(g.candidates(at(100), "e-preferred", epoch), " ")
	if want := "e-preferred a-down c-plain d-plain z-retried b-behind b-lacks a-lacks a-unknown a-old a-retried a-failed"; got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

func TestBorn(t *testing.T) {
	slack := ageSlack.Seconds()
	g := make(agents)
	born := func(now float64, without string) float64 {
		b := g.born(at(now), without)
		if b.IsZero() {
			return -1
		}
		return b.Sub(at(0)).Seconds()
	}
	ask := func(now float64, name string, runs Part, age float64) {
		g.take(at(now), Ask{Server: name, Candidate: true, Runs: runs, Age: time.Duration(age * float64(time.Second))})
	}
	check := func(what string, got, want float64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	check("nobody", born(100, ""), 100)
	ask(100, "s1", Follower, 50)
	ask(101, "s2", Follower, 20)
	check("the oldest", born(101, ""), 50-slack)
	check("without it", born(101, "s1"), 81-slack)
	ask(102, "s1", "", 0)
	check("the oldest has ended", born(102, ""), 81-slack)
	g["s1"].told = at(70)
	check("it may have been started", born(102, ""), 70)
	ask(103, "s1", Follower, 1)
	if !g["s1"].told.IsZero() {
		t.Error("it is still waited for what it says that it runs")
	}
	check("it was", born(103, ""), 81-slack)
	check("an agent is silent", born(104, ""), -1)
	ask(700, "s1", Follower, 1)
	check("it is still", born(700, ""), -1)
	ask(702, "s1", Follower, 1)
	check("too long", born(702, ""), 701-slack)
	g.take(at(702), Ask{Server: "s1", Candidate: true, Runs: Follower, Age: time.Second, Answer: g["s1"].answers.give(at(702))})
	check("it is proved", born(702, ""), 701)
	g.take(at(702), Ask{Server: "s2", Candidate: true, Runs: Lead, Grant: 1})
	check("a lead process has replayed what is older", born(702, ""), -1)
	check("without the lead", born(702, "s2"), 701)
	g.take(at(702), Ask{Server: "s3"})
	check("a stranger's", born(702, ""), -1)
}

func TestFollowersDeath(t *testing.T) {
	for name, c := range map[string]struct {
		before, after Ask
		order         uint64
		want          bool
	}{
		"goes on":          {Ask{Runs: Follower, Age: 10 * time.Second}, Ask{Runs: Follower, Age: 11 * time.Second}, 0, false},
		"none":             {Ask{}, Ask{Runs: Follower}, 0, false},
		"ended":            {Ask{Runs: Follower, Age: 10 * time.Second}, Ask{}, 0, true},
		"was replaced":     {Ask{Runs: Follower, Age: 10 * time.Second}, Ask{Runs: Follower, Age: time.Second}, 0, true},
		"by order":         {Ask{Runs: Follower, Age: 10 * time.Second}, Ask{}, 5, false},
		"becomes the lead": {Ask{Runs: Follower, Age: 10 * time.Second}, Ask{Grant: 1}, 0, false},
		"lead ended":       {Ask{Runs: Lead, Grant: 1}, Ask{}, 0, false},
	} {
		g := make(agents)
		g.take(at(0), c.before).restart = c.order
		if got := g.take(at(1), c.after).died; got != c.want {
			t.Errorf("%s: died %t", name, got)
		}
	}
}

func TestHearing(t *testing.T) {
	g := make(agents)
	for now := range 40 {
		g.take(at(float64(now)), Ask{Server: "steady", Heard: true})
		g.take(at(float64(now)), Ask{Server: "deaf", Heard: now != 30})
		if now < 25 || now > 28 {
			g.take(at(float64(now)), Ask{Server: "gap", Heard: true})
		}
		if now < 36 {
			g.take(at(float64(now)), Ask{Server: "gone", Heard: true})
		}
	}
	for name, want := range map[string]int{"steady": 1, "deaf": 0, "gap": 0, "gone": 0, "unknown": 0} {
		if got := g.hearing(at(39), []string{name}); got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := g.hearing(at(45.1), []string{"steady"}); got != 0 {
		t.Error("an agent that is silent is counted")
	}
}

func TestWitnesses(t *testing.T) {
	g := make(agents)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		g[name] = &asker{heard: at(0)}
	}
	if got := strings.Join(g.witnesses(at(1), "b", nil), ""); got != "acdef" {
		t.Error(got)
	}
	g["c"].heard = at(-9)
	if got := strings.Join(g.witnesses(at(1), "b", []string{"c", "g", "d"}), ""); got != "adefg" {
		t.Errorf("%s: those named before are kept", got)
	}
}

func testConfig() Config {
	return Config{
		Active: func() (uint64, bool) { return 1, true }, Alone: func() bool { return false },
		Order:       func(context.Context, Orders) (Doors, error) { return Doors{}, nil },
		ReadJournal: func(context.Context, bool) (Reading, error) { return Reading{}, nil },
		Marks:       func() map[string]string { return nil }, SetMark: func(string, string) error { return nil },
		FixedLead: func() string { return "" }, Strangers: func() bool { return false },
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestConfigValidate(t *testing.T) {
	if err := testConfig().Validate(); err != nil {
		t.Error(err)
	}
	for i, change := range []func(*Config){
		func(c *Config) { c.Active = nil }, func(c *Config) { c.Alone = nil }, func(c *Config) { c.Order = nil },
		func(c *Config) { c.ReadJournal = nil }, func(c *Config) { c.Marks = nil }, func(c *Config) { c.SetMark = nil },
		func(c *Config) { c.FixedLead = nil }, func(c *Config) { c.Strangers = nil }, func(c *Config) { c.Logger = nil },
		func(c *Config) { c.Settle = -1 },
	} {
		c := testConfig()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("change %d is not refused", i)
		}
	}
}

func TestMayStart(t *testing.T) {
	ask := Ask{Server: "s1", Candidate: true}
	for _, c := range []struct {
		name  string
		now   float64
		setup func(*Coordinator)
		fixed string
		want  bool
	}{
		{"the journal was not read", 1.9, func(c *Coordinator) { c.looked = false }, "s9", false},
		{"nor will be", 3, func(c *Coordinator) { c.looked = false }, "s9", true},
		{"the lead is fixed", 0, nil, "s9", true},
		{"it may become the lead", 2.9, nil, "", false},
		{"nobody became it", 3, nil, "", true},
		{"another has it", 1, func(c *Coordinator) { c.lease.holder = "s2" }, "", true},
		{"it just had it", 10.9, func(c *Coordinator) { c.lease.last, c.lease.ended = "s1", at(10) }, "", false},
		{"it had it", 11, func(c *Coordinator) { c.lease.last, c.lease.ended = "s1", at(10) }, "", true},
		{"it will have it", 14.9, func(c *Coordinator) { c.lease.next, c.lease.nextSince = "s1", at(10) }, "", false},
		{"that takes long", 15.1, func(c *Coordinator) { c.lease.next, c.lease.nextSince = "s1", at(10) }, "", true},
		{"another will", 10.1, func(c *Coordinator) { c.lease.next, c.lease.nextSince = "s2", at(10) }, "", true},
	} {
		cfg := testConfig()
		cfg.FixedLead = func() string { return c.fixed }
		x, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		x.since, x.looked = at(0), true
		if c.setup != nil {
			c.setup(x)
		}
		if got := x.mayStart(at(c.now), ask); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestCoordinatorRefuses(t *testing.T) {
	cfg := testConfig()
	active, fixed := false, "s2"
	cfg.Active = func() (uint64, bool) { return 3, active }
	cfg.FixedLead = func() string { return fixed }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(Ask{Server: "s1"}); !errors.Is(err, ErrNotActive) {
		t.Errorf("a standby answers %v", err)
	}
	if _, ok := c.Status(); ok || !errors.Is(c.SetLead("s1", false), ErrNotActive) {
		t.Error("a standby knows more than it can")
	}
	active = true
	if _, err := c.Ask(Ask{Server: "s1", Term: 4}); !errors.Is(err, ErrNotActive) {
		t.Errorf("one whose term is over answers %v", err)
	}
	if _, err := c.Ask(Ask{}); err == nil || errors.Is(err, ErrNotActive) {
		t.Errorf("what no agent says is answered %v", err)
	}
	a, err := c.Ask(Ask{Server: "s1", Candidate: true, Offer: 1, Epoch: "x=1", Runs: Follower})
	if err != nil || a.Part != Follower || a.Term != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	if err := c.SetLead("s1", false); err == nil || !strings.Contains(err.Error(), "s2") {
		t.Errorf("the configuration is overruled: %v", err)
	}
	fixed = ""
	if err := c.SetLead("s9", false); err == nil || !strings.Contains(err.Error(), "are s1") {
		t.Errorf("a server that is unknown: %v", err)
	}
	fixed = "s2"
	if s, ok := c.Status(); !ok || s.Lead != "" || !slices.Equal(s.Behind, nil) {
		t.Errorf("%+v", s)
	}
}
