package rollout

import (
	"testing"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// The servers of the test of fates, all heard of at 100: s1 is the lead since 20, s2 a
// follower since 10, s3 has no process since 60, s4 is somebody else's, s5 is silent since
// 50 and was started at 30, s6 has lost the database, s7 was heard of once,
// so that it has not proved when it said that.
func fates(t *testing.T) *Coordinator {
	t.Helper()
	c, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	tell := func(now, born float64, ask Ask) {
		ask.Age, ask.Heard = at(now).Sub(at(born)), true
		if a := c.agents[ask.Server]; a != nil {
			ask.Answer = a.answers.give(at(now))
		}
		c.agents.take(at(now), ask)
	}
	for _, now := range []float64{99, 100} {
		tell(now, 20, Ask{Server: "s1", Candidate: true, Runs: Lead, Grant: 1})
		tell(now, 10, Ask{Server: "s2", Candidate: true, Runs: Follower})
		tell(now, now, Ask{Server: "s3", Candidate: true})
		tell(now, 10, Ask{Server: "s4"})
		tell(now-50, 30, Ask{Server: "s5", Candidate: true, Runs: Follower})
		tell(now, 10, Ask{Server: "s6", Candidate: true, Runs: Follower, Stale: true})
	}
	tell(100, 40, Ask{Server: "s7", Candidate: true, Runs: Follower})
	c.lease.holder, c.lease.running = "s1", true
	return c
}

func TestFate(t *testing.T) {
	sure := func(server string, seconds float64) owners.Claim {
		return owners.Claim{Server: server, At: at(seconds)}
	}
	perhaps := func(server string, seconds float64) owners.Claim {
		return owners.Claim{Server: server, At: at(seconds), Perhaps: true}
	}
	for _, tt := range []struct {
		name    string
		claims  []owners.Claim
		without string
		want    Fate
	}{
		{"nobody", nil, "", Unknown},
		{"a follower", []owners.Claim{sure("s2", 50)}, "", Living},
		{"since its start", []owners.Claim{sure("s2", 10)}, "", Living},
		{"the lead", []owners.Claim{sure("s1", 50)}, "", Living},
		{"the process before, and the lead was started since", []owners.Claim{sure("s2", 9)}, "", Living},
		{"the lead's process before", []owners.Claim{sure("s1", 19)}, "", Living},
		{"no process, and the lead was started since", []owners.Claim{sure("s3", 15)}, "", Living},
		{"when the lead was started", []owners.Claim{sure("s3", 21)}, "", Unknown},
		{"no process, after the lead was started", []owners.Claim{sure("s3", 50)}, "", Dead},
		{"no process was there, and one may be", []owners.Claim{sure("s3", 101)}, "", Unknown},
		{"somebody else's process", []owners.Claim{sure("s4", 50)}, "", Unknown},
		{"a server that has left", []owners.Claim{sure("s9", 50)}, "", Unknown},
		{"a silent agent's", []owners.Claim{sure("s5", 40)}, "", Lost},
		{"a silent agent's process before", []owners.Claim{sure("s5", 25)}, "", Dead},
		{"one whose queue stands still", []owners.Claim{sure("s6", 50)}, "", Unknown},
		{"heard of once", []owners.Claim{sure("s7", 50)}, "", Living},
		{"before its start, as heard of once", []owners.Claim{sure("s7", 39)}, "", Unknown},
		{"the lead that stands still", []owners.Claim{sure("s1", 50)}, "s1", Dead},
		{"what that has taken over", []owners.Claim{sure("s3", 15)}, "s1", Dead},
		{"another one beside it", []owners.Claim{sure("s2", 50)}, "s1", Living},
		{"two that live", []owners.Claim{sure("s1", 50), sure("s2", 50)}, "", Living},
		{"two of which one lives", []owners.Claim{sure("s2", 50), sure("s3", 50)}, "", Living},
		{"two that don't", []owners.Claim{sure("s3", 50), sure("s3", 60)}, "", Dead},
		{"dead and lost", []owners.Claim{sure("s3", 50), sure("s5", 40)}, "", Unknown},
		{"perhaps one that lives", []owners.Claim{perhaps("s2", 50)}, "", Living},
		{"perhaps one that does not", []owners.Claim{perhaps("s3", 50)}, "", Unknown},
		{"dead, and perhaps one that lives", []owners.Claim{sure("s3", 50), perhaps("s2", 70)}, "", Living},
		{"dead, and perhaps another dead one", []owners.Claim{sure("s3", 50), perhaps("s3", 70)}, "", Unknown},
		{"living, and perhaps a dead one", []owners.Claim{sure("s2", 50), perhaps("s3", 70)}, "", Living},
		{"unknown, and one that lives", []owners.Claim{sure("s4", 50), sure("s2", 50)}, "", Living},
	} {
		if got := fates(t).fate(at(100), tt.claims, tt.without); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Without a lead server nobody has taken over what a dead one had, and a lead whose agent
// is silent has ended when its lease has.
func TestFateWithoutALead(t *testing.T) {
	c := fates(t)
	c.lease = lease{last: "s1", ended: at(110)}
	claim := func(server string, seconds float64) []owners.Claim {
		return []owners.Claim{{Server: server, At: at(seconds)}}
	}
	for _, tt := range []struct {
		claims []owners.Claim
		now    float64
		want   Fate
	}{
		{claim("s3", 15), 100, Dead}, {claim("s2", 9), 100, Dead}, {claim("s2", 50), 100, Living},
		{claim("s1", 50), 120, Dead}, {claim("s1", 113.9), 120, Dead}, {claim("s2", 50), 120, Lost},
		// By then its agent may have a follower in its place.
		{claim("s1", 114), 120, Lost},
	} {
		if got := c.fate(at(tt.now), tt.claims, ""); got != tt.want {
			t.Errorf("%v at %g: %s, want %s", tt.claims, tt.now, got, tt.want)
		}
	}
}

// A server that answers the boosters goes on with its steps although its agent is silent,
// and so may a lead server that has its lease still with those that it has taken over.
func TestFateOfSilentAgents(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server string
		at     float64
		up     string // to the boosters
		asked  float64
		want   Fate
	}{
		{"down", "s5", 40, "", 100, Lost},
		{"up", "s5", 40, "s5", 100, Living},
		{"up some time ago", "s5", 40, "s5", 90, Lost},
		{"up, before its process", "s5", 25, "s5", 100, Dead},
		{"the lead has taken it over", "s3", 15, "", 100, Lost},
		{"the lead has taken it over and is up", "s3", 15, "s1", 100, Living},
		{"the lead may not have", "s3", 50, "", 100, Dead},
	} {
		c := fates(t)
		c.agents["s1"].heard = at(95)
		c.agents["s1"].ask.Age = at(95).Sub(at(20))
		c.doors.Up, c.doorsAt = map[string]bool{tt.up: true}, at(tt.asked)
		if got := c.fate(at(100), []owners.Claim{{Server: tt.server, At: at(tt.at)}}, ""); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// How long a row must stand still is a matter of who died.
func TestQuiet(t *testing.T) {
	for _, tt := range []struct {
		name         string
		died         bool
		holder       string
		want         [4]time.Duration // unknown, living, lost, dead
		wantsPlanned [4]time.Duration
	}{
		{"nobody died", false, "s1", [4]time.Duration{StuckTime, StuckTime, StuckTime, 0}, [4]time.Duration{StuckTime, StuckTime, StuckTime, 0}},
		{"a follower", true, "s1", [4]time.Duration{UnknownTime, StuckTime, QuietTime, 0}, [4]time.Duration{StuckTime, StuckTime, StuckTime, 0}},
		{"the lead", true, "", [4]time.Duration{QuietTime, StuckTime, QuietTime, 0}, [4]time.Duration{StuckTime, StuckTime, StuckTime, 0}},
	} {
		c := fates(t)
		if tt.died {
			c.legacy.add(at(90))
		}
		c.lease.holder = tt.holder
		for fate := range Dead + 1 {
			if got := c.quiet(fate); got != tt.want[fate] {
				t.Errorf("%s, %s: %s, want %s", tt.name, fate, got, tt.want[fate])
			}
			if got := c.planned(at(100), "s2").Quiet(fate); got != tt.wantsPlanned[fate] {
				t.Errorf("%s, %s, a planned restart: %s, want %s", tt.name, fate, got, tt.wantsPlanned[fate])
			}
		}
	}
}
