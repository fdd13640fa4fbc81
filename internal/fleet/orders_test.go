package fleet

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/balance"
)

// who returns the servers that are said to be the lead.
func (b *bed) who() string {
	var leads []string
	for _, s := range b.Servers() {
		if s.Lead {
			leads = append(leads, s.Name)
		}
	}
	return strings.Join(leads, " ")
}

// leadGets returns the server that a control request is given to, or "".
func (b *bed) leadGets() string {
	b.t.Helper()
	g, w, err := b.Balancer().Acquire(time.Now(), &balance.Request{Lane: balance.Control, ToLead: true})
	if err != nil {
		b.t.Fatal(err)
	}
	if w != nil {
		b.Balancer().Cancel(time.Now(), w)
		return ""
	}
	b.Balancer().Release(time.Now(), g, balance.Outcome{})
	return g.Server.Name()
}

func TestWhoIsTheLead(t *testing.T) {
	s1, s2, s3 := static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"), static("s3", "10.0.0.3:80")
	backup := s1
	backup.Backup = true
	marked := s3
	marked.Lead = true
	a4 := agent("a4", "10.0.0.4:80")
	for _, tt := range []struct {
		name   string
		static []Static
		agents []Agent
		given  string
		plain  bool
		want   string
	}{
		{"nobody there", nil, nil, "", false, ""},
		{"the first", []Static{s1, s2}, nil, "", false, "s1"},
		{"the first that is no backup", []Static{backup, s2}, nil, "", false, "s2"},
		{"backups alone", []Static{backup}, nil, "", false, "s1"},
		{"the one that is marked", []Static{s1, s2, marked}, nil, "", false, "s3"},
		{"the one that was given", []Static{s1, s2}, nil, "s2", false, "s2"},
		{"marked goes before given", []Static{s1, s2, marked}, []Agent{a4}, "a4", false, "s3"},
		{"an agent that was given", []Static{s1}, []Agent{a4}, "a4", false, "a4"},
		{"with agents nobody is it unasked", []Static{s1}, []Agent{a4}, "", false, ""},
		{"one that is not there yet", []Static{s1}, nil, "a9", false, ""},
		{"plain", []Static{s1, marked}, nil, "s1", true, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t)
			defer b.Close()
			b.SetLead(tt.given)
			cfg := b.config(tt.static...)
			cfg.Plain = tt.plain
			if err := b.Configure(cfg); err != nil {
				t.Fatal(err)
			}
			b.agents(tt.agents...)
			time.Sleep(time.Second)
			if got, gets := b.who(), b.leadGets(); got != tt.want || gets != tt.want {
				t.Errorf("%s: %q is the lead, and %q gets its requests; want %q", tt.name, got, gets, tt.want)
			}
		})
	}
}

func TestLeadChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
		defer b.Close()
		time.Sleep(time.Second)
		b.oracle.set("10.0.0.1:80", "gone")
		time.Sleep(10 * time.Second)
		b.want("s1", "down", "GET /live: gone")
		if got := b.leadGets(); got != "" || b.who() != "s1" {
			t.Errorf("without agents the lead stays the same while it is down, but %q got its request", got)
		}
		b.agents(agent("a3", "10.0.0.3:80"))
		if b.who() != "" {
			t.Errorf("with an agent the lead is what its owner says, not %s", b.who())
		}
		time.Sleep(time.Second)
		b.SetLead("a3")
		if got := b.leadGets(); got != "a3" || b.who() != "a3" {
			t.Errorf("%q got the lead's request", got)
		}
		b.agents()
		b.SetLead("")
		if b.who() != "s1" {
			t.Errorf("%q is the lead", b.who())
		}
		if n := strings.Count(b.log.String(), "lead server has changed"); n != 4 { // s1, none, a3, s1
			t.Errorf("logged %d times:\n%s", n, b.log.String())
		}
	})
}

func TestBehindByConsistency(t *testing.T) {
	for _, consistency := range []Consistency{Strict, Eventual} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t)
			defer b.Close()
			cfg := b.config(static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
			cfg.Consistency = consistency
			if err := b.Configure(cfg); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			names := map[string]string{"s1": "flow deployed", "s2": "flow deployed"}
			b.SetBehind(names)
			delete(names, "s2") // it is the caller's
			if s := b.server("s1"); s.Behind || s.BehindReason != "" || s.State != "up" {
				t.Errorf("%s: the lead is behind: %+v", consistency, s)
			}
			s := b.server("s2")
			if !s.Behind || s.BehindReason != "flow deployed" || (s.State == "behind") != (consistency == Strict) {
				t.Errorf("%s: %+v", consistency, s)
			}
			g, _, _ := b.Balancer().Acquire(time.Now(), &balance.Request{Sticky: balance.IDOf("s2")})
			if (g.Server.Name() == "s1") != (consistency == Strict) {
				t.Errorf("%s: a session on the server that is behind went to %s", consistency, g.Server.Name())
			}
			b.Balancer().Release(time.Now(), g, balance.Outcome{})

			// A reload changes its mind at once.
			cfg.Consistency = Strict + Eventual - consistency
			if err := b.Configure(cfg); err != nil {
				t.Fatal(err)
			}
			if s := b.server("s2"); (s.State == "behind") != (cfg.Consistency == Strict) {
				t.Errorf("%s now: %+v", cfg.Consistency, s)
			}
			b.SetBehind(nil)
			if s := b.server("s2"); s.Behind || s.State != "up" {
				t.Errorf("after its refresh: %+v", s)
			}
		})
	}
}

// That old answers are given rather than none is logged once.
func TestBehindTakesOverIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
		defer b.Close()
		time.Sleep(time.Second)
		b.SetBehind(map[string]string{"s2": "flow deployed"})
		b.SetMark("s1", balance.Drain)
		time.Sleep(time.Minute)
		b.want("s2", "behind", "flow deployed")
		g, _, err := b.Balancer().Acquire(time.Now(), &balance.Request{})
		if err != nil || g.Server == nil || g.Server.Name() != "s2" || !b.Ready() {
			t.Fatalf("nobody takes a request: %v", err)
		}
		b.Balancer().Release(time.Now(), g, balance.Outcome{})
		if n := strings.Count(b.log.String(), "take requests: no other is left"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, b.log.String())
		}
		b.SetMark("s1", balance.NoMark)
		time.Sleep(time.Minute)
		if n := strings.Count(b.log.String(), "take no requests any more"); n != 1 {
			t.Errorf("its end is logged %d times:\n%s", n, b.log.String())
		}
	})
}

func TestOutAndHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
		defer b.Close()
		time.Sleep(time.Second)
		g := b.grant("s2")
		b.SetOut(map[string]string{"s2": "release 8", "a3": "release 8"})
		b.SetMark("s2", balance.NoMark)
		b.want("s2", "draining", "release 8")
		if n := b.InFlight("s2"); n != 1 {
			t.Errorf("%d in flight", n)
		}
		b.agents(agent("a3", "10.0.0.3:80"))
		time.Sleep(time.Second)
		b.want("a3", "draining", "release 8")
		b.Balancer().Release(time.Now(), g, balance.Outcome{})
		if n := b.InFlight("s2"); n != 0 {
			t.Errorf("%d in flight", n)
		}
		b.SetOut(nil)
		b.want("s2", "up", "")

		b.SetHold(true)
		_, w, err := b.Balancer().Acquire(time.Now(), &balance.Request{Work: true})
		if held, working, waiting := b.Held(); err != nil || w == nil || !held || working != 0 || waiting != 1 {
			t.Fatalf("held %v, %d working, %d waiting, %v", held, working, waiting, err)
		}
		b.configure(static("s1", "10.0.0.1:80")) // a reload does not end it
		if held, _, waiting := b.Held(); !held || waiting != 1 {
			t.Errorf("held %v, %d waiting", held, waiting)
		}
		b.SetHold(false)
		b.Balancer().Release(time.Now(), <-w.C, balance.Outcome{})
		if held, working, waiting := b.Held(); held || working != 0 || waiting != 0 {
			t.Errorf("held %v, %d working, %d waiting", held, working, waiting)
		}
	})
}

func TestParseConsistency(t *testing.T) {
	for _, c := range []Consistency{Strict, Eventual} {
		if got, err := ParseConsistency(c.String()); err != nil || got != c {
			t.Errorf("ParseConsistency(%s) = %v, %v", c, got, err)
		}
	}
	if got, err := ParseConsistency(""); err != nil || got != Strict {
		t.Errorf("the default is %v, %v", got, err)
	}
	if _, err := ParseConsistency("loose"); err == nil {
		t.Error("ParseConsistency took an unknown word")
	}
}
