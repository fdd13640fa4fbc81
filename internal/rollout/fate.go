package rollout

import (
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// Fate is what has become of a row of the journal, as far as it is known who has it.
type Fate uint8

const (
	// Unknown: nobody knows whose it is.
	Unknown Fate = iota
	// Living: a process that lives has it.
	Living
	// Lost: it was a server's of which nobody knows whether it lives.
	Lost
	// Dead: the process that had it has ended.
	Dead
)

// String returns the fate's name.
func (f Fate) String() string {
	return [...]string{"unknown", "living", "lost", "dead"}[f]
}

// fate is what has become of a row that servers claim. Where several may have it, it is
// living if any of them has it living, and unknown if they are not alike otherwise. without is a server whose flow queue stands still, or "". The caller holds c.mu,
// as for all methods of Coordinator here.
func (c *Coordinator) fate(now time.Time, claims []owners.Claim, without string) Fate {
	fate, doubt := Unknown, false
	for i, claim := range claims {
		one := c.claimFate(now, claim, without)
		if one == Living {
			return Living
		}
		doubt = doubt || claim.Perhaps || i > 0 && one != fate
		fate = one
	}
	if doubt {
		return Unknown
	}
	return fate
}

// claimFate is what has become of what one server claims.
func (c *Coordinator) claimFate(now time.Time, claim owners.Claim, without string) Fate {
	a := c.agents[claim.Server]
	switch {
	case a == nil || !a.ask.Candidate:
		return Unknown // nobody tells of its process
	case c.ended(a, claim):
		return c.legacyFate(now, claim, without)
	case !a.alive(now) && !c.answers(now, claim.Server):
		return Lost
	case claim.Server == without:
		return Dead // it stands still, and ends before anybody takes it over
	case claim.At.Before(a.started) || a.ask.Runs == "" || a.ask.Stale:
		return Unknown // which process it was, or whether what it has stands still
	}
	return Living
}

// answers reports whether a server is up to the boosters, which ask it themselves: one
// whose agent alone has died goes on with its steps.
func (c *Coordinator) answers(now time.Time, server string) bool {
	return c.doors.Up[server] && now.Sub(c.doorsAt) < OrderTime
}

// ended reports whether the process that a claim is about has surely ended.
func (c *Coordinator) ended(a *asker, claim owners.Claim) bool {
	switch l := &c.lease; {
	case a.ask.Runs == "":
		return claim.At.Before(a.made)
	case a.sure && claim.At.Before(a.started):
		return true
	case a.made.IsZero() || !a.ask.Heard:
		return false
	default:
		// Of a lead process that is not heard of any more its lease tells. Its agent may have
		// a follower in its place, but not before soloTime without an answer, and of that
		// less than HeardTime had passed when it said this.
		return a.ask.Runs == Lead && l.holder != claim.Server && l.last == claim.Server &&
			claim.At.Before(a.made.Add(soloTime-HeardTime))
	}
}

// legacyFate is what has become of what a process that has ended had. A lead process
// that was started since has taken it over.
func (c *Coordinator) legacyFate(now time.Time, claim owners.Claim, without string) Fate {
	lead := c.agents[c.lease.holder]
	if lead == nil || lead.ask.Runs != Lead || lead.started.IsZero() {
		return Dead
	}
	switch {
	case claim.At.After(lead.started.Add(ageSlack)) || c.lease.holder == without:
		return Dead
	case claim.At.After(lead.started):
		return Unknown // the lead may have read the journal before
	case !lead.alive(now) && !c.answers(now, c.lease.holder):
		return Lost // it has its lease still, and may go on
	}
	return Living
}

// quiet is how long a row must stay unchanged to be taken for one that nobody works on.
func (c *Coordinator) quiet(fate Fate) time.Duration {
	switch {
	case fate == Dead:
		return 0
	case fate == Living || c.legacy.died.IsZero():
		return StuckTime
	case fate == Unknown && c.lease.holder != "":
		return UnknownTime
	}
	return QuietTime
}

// rule is what the journal is judged by. born is when the oldest process was started
// that may have rows in it.
func (c *Coordinator) rule(now, born time.Time, without string) Rule {
	return Rule{
		Born: born, Quiet: c.quiet,
		Fate: func(claims []owners.Claim) Fate { return c.fate(now, claims, without) },
	}
}
