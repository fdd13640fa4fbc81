package rollout

import (
	"errors"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// legacy is what servers that died may have left in the journal, for the next lead
// process to resume.
type legacy struct {
	// died is when the last one was noticed, or the zero time.
	died time.Time
	// left is when the journal was first read after that. The rows that were first
	// seen until then may be a dead server's.
	left time.Time
	// inherited is when the journal was first read by this booster. Of the rows that
	// were there nobody here knows whether a server had died.
	inherited time.Time
}

func (l *legacy) add(now time.Time) { l.died, l.left = now, time.Time{} }

// observed notes that the journal was read between begun and now.
func (l *legacy) observed(begun, now time.Time) {
	if l.inherited.IsZero() {
		l.inherited = now
	}
	if !l.died.IsZero() && l.left.IsZero() && !begun.Before(l.died) {
		l.left = now
	}
}

// tend notes what has changed by itself. The caller holds c.mu, as for all methods of
// Coordinator here but oldDoors.
func (c *Coordinator) tend(now time.Time) {
	c.follow(now)
	c.lease.expire(now, c.cfg.Alone(), func(names []string) int { return c.agents.hearing(now, names) })
	if c.lease.lost {
		c.lease.lost = false
		c.legacy.add(now)
	}
	for name, a := range c.agents {
		gone := a.lost(now) && c.doorsAt.After(a.heard.Add(FenceTime)) && !c.doors.Up[name]
		if a.died || gone {
			a.died, a.mourned = false, gone
			c.legacy.add(now)
		}
	}
	if l := &c.legacy; !l.left.IsZero() && len(c.journal.rows) == 0 && c.blind == nil {
		l.died, l.left = time.Time{}, time.Time{}
	}
}

// lost reports whether the agent of a follower does not ask any more, and it is not
// known whether the server has died with it.
func (a *asker) lost(now time.Time) bool {
	return a.ask.Candidate && a.ask.Runs == Follower && a.ask.Grant == 0 && !a.mourned && now.Sub(a.heard) > FenceTime
}

// oldDoors reports whether the boosters are to be given orders although there may be
// nothing to do: because a server may have died whose agent is lost, which they know;
// because one that has just started holds work until it gets some; or because a release
// goes to the next server, and which one that is depends on who is up now: one that came
// up a moment ago would be taken for one of which nothing is lost. The last two not
// before the lead server is known: work may be held for its start.
func (c *Coordinator) oldDoors() bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lease.settled || c.cfg.FixedLead() != "" {
		server, _ := c.nextRelease(now)
		if server != "" || now.Sub(c.doorsAt) >= orderEvery {
			return true
		}
	}
	if now.Sub(c.doorsAt) < FenceTime {
		return false
	}
	for _, a := range c.agents {
		if a.lost(now) {
			return true
		}
	}
	return false
}

// orphans counts the rows that a server which died has left: it is known that they were
// its, or they have not changed for long. Those that the lead has replayed already and
// that are still there would not go by another replay.
func (c *Coordinator) orphans(now time.Time) (n int) {
	lead := c.agents[c.lease.holder]
	if c.blind != nil || lead == nil || !lead.alive(now) {
		return 0
	}
	l := &c.legacy
	c.journal.each(func(first time.Time, claims []owners.Claim) {
		age, fate := now.Sub(first), c.fate(now, claims, "")
		var dead bool
		switch fate {
		case Living:
		case Dead:
			dead = age >= youngTime // by then its agent has removed it, if it had ended
		default:
			dead = !l.left.IsZero() && !first.After(l.left) && age >= c.quiet(fate) || !first.After(l.inherited) && age >= StuckTime
		}
		if dead && first.After(lead.born()) {
			n++
		}
	})
	return n
}

// resumable reports whether the lead server should be restarted for orphans, or for
// stranded tickets, which its agent puts into the journal then.
func (c *Coordinator) resumable(now time.Time) bool {
	a := c.agents[c.lease.holder]
	return a != nil && c.lease.running && now.Sub(a.failed) >= retryTime && (c.orphans(now) > 0 || c.stranded(now))
}

// resumes reports whether the lead server is to be restarted for orphans now. While a
// living server works on a long step that could not be done before its end, and would only
// keep the lead server from the users: so it is not begun then, for up to UnknownTime, since
// where all steps are long there is always one.
func (c *Coordinator) resumes(now time.Time) bool {
	if !c.resumable(now) {
		c.resumableSince = time.Time{}
		return false
	}
	if c.resumableSince.IsZero() {
		c.resumableSince = now
	}
	return !c.longStep(now) || now.Sub(c.resumableSince) >= UnknownTime
}

// longStep reports whether a living server works on a step that has taken longer than work
// is held.
func (c *Coordinator) longStep(now time.Time) (long bool) {
	c.journal.each(func(first time.Time, claims []owners.Claim) {
		age := now.Sub(first)
		long = long || age > holdTime && age < StuckTime && c.fate(now, claims, "") == Living
	})
	return long
}

// stranded reports whether an agent has found stranded tickets since the lead process
// was started. A start makes up for all that were found before it, or leaves them to
// people, so that no ticket causes another.
func (c *Coordinator) stranded(now time.Time) bool {
	lead := c.agents[c.lease.holder]
	for _, a := range c.agents {
		if a.alive(now) && a.ask.Stranded > 0 && a.heard.Add(-a.ask.Stranded).After(lead.begin()) {
			return true
		}
	}
	return false
}

// errYield ends a round that can wait.
var errYield = errors.New("something else comes first")
