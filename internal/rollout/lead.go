package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// nextLead returns the server that should be made the lead now, or "".
func (c *Coordinator) nextLead(now time.Time) string {
	if c.lease.holder != "" || c.lease.unknown || c.cfg.FixedLead() != "" || !c.looked {
		c.laggard, c.lagging = "", time.Time{}
		return ""
	}
	candidates := c.agents.candidates(now, c.prefer(), c.epoch)
	if len(candidates) == 0 {
		c.laggard, c.lagging = "", time.Time{}
		return ""
	}
	best := candidates[0]
	if slices.Contains(candidates, c.wanted) && !c.lags(now, c.wanted) {
		return c.wanted
	}
	if best != c.prefer() && now.Sub(c.since) < gatherTime {
		return ""
	}
	if !c.lags(now, best) {
		c.laggard, c.lagging = "", time.Time{}
		return best
	}
	if c.laggard = best; c.lagging.IsZero() {
		c.lagging = now
		c.cfg.Logger.Warn("no server is made the lead yet: the best one lacks files of the replicated folder that others have, or has not compared it with theirs",
			"server", best, "at_most", lagTime)
	}
	if now.Sub(c.lagging) < lagTime {
		return ""
	}
	// One that has all, though on an older release, loses nothing for good.
	if i := slices.IndexFunc(candidates, func(name string) bool { return !c.agents[name].ask.Failed && !c.lags(now, name) }); i >= 0 {
		return candidates[i]
	}
	return best
}

// lags reports whether a server may lack files of the replicated folder that others have:
// one whose agent asks, or one that has not asked this booster yet. What all of them lack is
// not worth waiting for.
func (c *Coordinator) lags(now time.Time, server string) bool {
	lead := c.prefer()
	lag := c.agents.lag(server, lead)
	if lag == 0 || lag == unknownLag {
		return lag != 0
	}
	for other, a := range c.agents {
		if a.alive(now) && c.agents.lag(other, lead) < lag {
			return true
		}
	}
	return len(c.absent(now)) > 0
}

// prefer is the server that was the lead before.
func (c *Coordinator) prefer() string { return Granted(c.cfg.Marks()) }

// install makes a server the lead.
func (r *round) install(ctx context.Context, server string) error {
	c := r.c
	c.mu.Lock()
	c.lease.next, c.lease.nextSince = server, time.Now()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.lease.next = ""
		c.mu.Unlock()
	}()
	r.acted, r.yields = false, func(now time.Time) bool { return len(c.stale(now)) > 0 }
	err := r.prepare(ctx, server)
	if err == nil {
		err = r.grant(server)
	}
	if errors.Is(err, errYield) {
		return err
	}
	if err != nil {
		return r.notLead(server, err)
	}
	return r.settle(ctx, server)
}

// settle waits, while work is held, until the holder of the lease runs as the lead and
// is up: then it has replayed the journal.
func (r *round) settle(ctx context.Context, server string) error {
	c := r.c
	r.acted, r.yields = true, nil
	err := r.until(ctx, cmp.Or(r.wellLimit, startTime), "server "+server+" to be started as the lead server", func(now time.Time) bool {
		return c.lease.holder != server || c.lease.running && c.up(now, server)
	})
	c.mu.Lock()
	held := c.lease.holder == server
	switch {
	case !held:
		err = errors.Join(err, errors.New("its process ended"))
	case err == nil:
		c.lease.settled = true
		if c.wanted == server {
			c.wanted = ""
		}
		if c.legacy.died.Before(c.lease.given) {
			c.legacy.died, c.legacy.left = time.Time{}, time.Time{}
		}
	case c.lease.running && c.lease.given.IsZero():
		c.lease.settled = true // another booster has made it the lead; it is left alone
	default:
		c.lease.revoked = true // it is told to stop what it may have started
	}
	c.mu.Unlock()
	if err != nil {
		return r.notLead(server, err)
	}
	c.cfg.Logger.Info("server is the lead server", "server", server)
	return nil
}

// prepare waits until a server may be started as the lead: the flow queue is at rest,
// and no request is on it, if it runs.
func (r *round) prepare(ctx context.Context, server string) error {
	c := r.c
	out := false
	for {
		if c.runs(server) && !out {
			out = true
			r.takeOut(server, "becomes the lead server")
			if err := r.drain(ctx, server); err != nil {
				return err
			}
		}
		if err := r.caughtUp(ctx, server); err != nil {
			return err
		}
		if err := r.atRest(ctx); err != nil {
			return err
		}
		if !c.runs(server) || out {
			return nil
		}
		r.hold(false) // it was started meanwhile, since waiting took long
	}
}

// caughtUp waits until a server without a process has the release that it should have,
// or has been waited for long enough.
func (r *round) caughtUp(ctx context.Context, server string) error {
	return r.until(ctx, startTime, "server "+server+" to have the newest release", func(now time.Time) bool {
		a := r.c.agents[server]
		return a == nil || !a.alive(now) || a.ask.Runs != "" || !r.c.catchesUp(now, a)
	})
}

// runs reports whether a server's agent says that it has a process.
func (c *Coordinator) runs(server string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.agents[server]
	return a != nil && a.ask.Runs != ""
}

// notLead notes that a server could not be made the lead: another is tried first.
func (r *round) notLead(server string, err error) error {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.agents[server]; a != nil {
		a.failed = time.Now()
	}
	if c.wanted == server {
		c.wanted = ""
	}
	return fmt.Errorf("server %s: %w", server, err)
}

// move takes the lead from one server and gives it to another, or to a new process of
// the same.
func (r *round) move(ctx context.Context, from, to string) error {
	if from != to {
		r.yields = func(now time.Time) bool { return r.c.lease.holder != from || len(r.c.stale(now)) > 0 }
		err := r.until(ctx, lagTime, "server "+to+" to have the files of the replicated folder that others have", func(now time.Time) bool {
			return r.c.agents[to] == nil || !r.c.lags(now, to)
		})
		if errors.Is(err, errYield) {
			return err
		}
		if err != nil {
			return r.notLead(to, err)
		}
	}
	begun := time.Now()
	r.yields = func(now time.Time) bool { return len(r.c.stale(now)) > 0 }
	err := r.spare(ctx, from)
	if err == nil {
		err = r.until(ctx, HeardTime, "the agent of server "+to+" to ask once more", func(time.Time) bool {
			a := r.c.agents[to]
			return a != nil && a.made.After(begun)
		})
	}
	if err == nil {
		err = r.revoke(ctx, from, to, "")
	}
	if errors.Is(err, errYield) {
		return err
	}
	if err != nil {
		return r.notLead(to, err)
	}
	if from != to {
		r.hold(false)
		// Two servers are not taken from the users at a time, unless the first does
		// not come back: then a lead server matters more.
		err := r.until(ctx, backTime, "server "+from+" to be back as a follower", func(now time.Time) bool {
			return r.c.up(now, from) || r.c.lease.holder != ""
		})
		if ctx.Err() != nil || errors.Is(err, errTermOver) {
			return err
		}
	}
	return r.install(ctx, to)
}

// grant gives the lease to a server, and writes that down first.
func (r *round) grant(server string) error {
	c := r.c
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.look(now); !c.active || c.term != r.term {
		return errTermOver
	}
	a := c.agents[server]
	switch {
	case a == nil || !a.alive(now) || a.ask.Grant != 0 || a.ask.Offer == 0:
		return fmt.Errorf("the agent of server %s does not offer itself any more", server)
	case c.lease.holder != "" || c.lease.unknown:
		return fmt.Errorf("the lease is another server's, %s", c.lease.holder)
	case now.Sub(c.doorsAt) >= OrderTime:
		return errors.New("the boosters have not confirmed for too long that work is held")
	}
	m := mark{
		Server: server, Grant: max(1, rand.Uint64()), Others: c.others(now),
		Witnesses: c.agents.witnesses(now, server, nil),
	}
	text, ok := m.encode()
	if !ok {
		return errors.New("write the grant down: the names are too long")
	}
	if err := c.cfg.SetMark(LeadKey, text); err != nil {
		return fmt.Errorf("write the grant down: %w", err)
	}
	c.lease.give(now, server, a.ask.Offer, m.Grant, m.Witnesses)
	c.lease.sifted = r.sifted && !c.cfg.Strangers()
	return nil
}

// others returns all servers that could be granted the lease. Those that the booster
// before knew are among them for lostTime.
func (c *Coordinator) others(now time.Time) []string {
	names := make(map[string]bool)
	for name, a := range c.agents {
		if a.ask.Candidate {
			names[name] = true
		}
	}
	for _, name := range c.absent(now) {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// note keeps the mark and the witnesses right while the holder asks, which says what
// witnesses it was told last.
func (c *Coordinator) note(now time.Time, confirmed []string) {
	l := &c.lease
	l.confirmed = confirmed
	m := mark{Server: l.holder, Grant: l.grant, Others: c.others(now), Witnesses: l.witnesses}
	if c.cfg.Alone() {
		m.Witnesses = c.agents.witnesses(now, l.holder, l.witnesses)
	}
	if !slices.Equal(confirmed, m.Witnesses) {
		m.Before = confirmed
	}
	text, ok := m.encode()
	if !ok {
		return // the witnesses stay what they are
	}
	if text != c.cfg.Marks()[LeadKey] {
		if err := c.cfg.SetMark(LeadKey, text); err != nil {
			c.cfg.Logger.Warn("the lead server's lease can't be written down", "error", err)
			return
		}
	}
	l.witnesses = m.Witnesses
}

// revoke takes the lease from its holder, when the flow queue is at rest: a lead
// process that ends leaves nothing then. next is who will have it. without is the
// holder, if its own flow queue stands still.
func (r *round) revoke(ctx context.Context, server, next, without string) error {
	r.takeOut(server, "gives the lead away")
	if err := r.drain(ctx, server); err != nil {
		return err
	}
	if err := r.still(ctx, &rest{without: without}); err != nil {
		return err
	}
	c := r.c
	c.mu.Lock()
	if c.lease.holder == server {
		c.lease.revoked = true
		c.lease.next, c.lease.nextSince = next, time.Now()
	}
	c.mu.Unlock()
	r.acted, r.yields = true, nil
	err := r.until(ctx, startTime, "server "+server+" to give the lease back", func(time.Time) bool {
		return c.lease.holder != server
	})
	if next != server {
		r.change(func(o *Orders) { delete(o.Out, server) })
	}
	return err
}
