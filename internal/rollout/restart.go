package rollout

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// restart takes a follower out, restarts it, and puts it back when it is well. It is
// waited for what it has in the flow queue, unless that stands still anyway.
func (r *round) restart(ctx context.Context, server string, working bool) error {
	c := r.c
	r.yields = func(now time.Time) bool {
		return working && (c.nextLead(now) != "" || !r.acted && (c.resumable(now) || len(c.stale(now)) > 0 || r.refreshes && c.unpublished(now)))
	}
	if err := r.spare(ctx, server); err != nil {
		return err
	}
	r.takeOut(server, "is restarted")
	if err := r.drain(ctx, server); err != nil {
		return err
	}
	if working {
		if err := r.empty(ctx, server); err != nil {
			return r.putOff(ctx, server, err)
		}
		r.hold(false)
	}
	c.mu.Lock()
	c.restarts++
	order := c.restarts
	if a := c.agents[server]; a != nil {
		a.restart, a.fast = order, true
	}
	c.mu.Unlock()
	r.acted = true
	err := r.until(ctx, startTime, "server "+server+" to be started again", func(now time.Time) bool {
		a := c.agents[server]
		return a != nil && a.alive(now) && a.ask.Done >= order
	})
	if err == nil {
		err = r.well(ctx, server)
	}
	r.acted, r.yields = false, nil
	c.mu.Lock()
	if a := c.agents[server]; a != nil {
		a.restart = 0
	}
	if !working {
		c.legacy.add(time.Now())
	}
	c.mu.Unlock()
	return r.putOff(ctx, server, err)
}

// putOff notes that a restart went wrong, if it did: it is not tried again for retryTime.
func (r *round) putOff(ctx context.Context, server string, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errTermOver) || errors.Is(err, errYield) {
		return err
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if a := r.c.agents[server]; a != nil {
		a.failed = time.Now()
	}
	return err
}

// spare waits until all other servers are up, so that one can be spared. A server
// that is down itself is not needed, and the only one is restarted all the same.
func (r *round) spare(ctx context.Context, server string) error {
	return r.until(ctx, startTime, "the other servers to be up, so that "+server+" can be spared", func(now time.Time) bool {
		if !r.c.up(now, server) {
			return true
		}
		for name := range r.c.doors.Up {
			if a := r.c.agents[name]; name != server && a != nil && a.alive(now) && !r.c.up(now, name) {
				return false
			}
		}
		return true
	})
}

// drain waits until no request is on the server any more, or has taken too long.
func (r *round) drain(ctx context.Context, server string) error {
	err := r.until(ctx, drainTime, "requests on server "+server+" to end", func(time.Time) bool {
		return r.c.doors.InFlight[server] == 0
	})
	if errors.Is(err, errLate) {
		r.c.cfg.Logger.Warn("requests are still on the server; it is restarted all the same", "server", server, "error", err)
		return nil
	}
	return err
}

// empty waits for a moment at which the journal has no row that may be the drained
// server's: a follower has none that is older than its process. If that does not come
// by itself, work is held.
func (r *round) empty(ctx context.Context, server string) error {
	c := r.c
	begun := time.Now()
	held := time.Time{}
	var looks looks
	return r.until(ctx, restTime, "the flow queue of server "+server+" to be empty", func(now time.Time) bool {
		if c.blind != nil {
			return now.Sub(begun) >= BlindTime
		}
		if c.journal.Read().Before(begun) {
			return false
		}
		v := c.journal.Judge(now, c.planned(now, server))
		switch {
		case looks.see(c.journal.Read(), v.Rest()) >= restLooks:
			return true
		case v.Rest():
			return false // so far; between two steps a ticket has no row for a moment
		case held.IsZero() && now.Sub(begun) > emptyTime && v.Busy == 0:
			held, c.orders.Hold = now, true
		case !held.IsZero() && now.Sub(held) > holdTime:
			// A long step: work is not held for that.
			held, begun, c.orders.Hold = time.Time{}, now, false
		}
		return false
	})
}

// planned is what the journal is judged by when a server is to be restarted.
func (c *Coordinator) planned(now time.Time, server string) Rule {
	rule := c.rule(now, c.process(now, server), "")
	rule.Quiet = func(fate Fate) time.Duration {
		if fate == Dead {
			return 0
		}
		return StuckTime
	}
	return rule
}

// process is when a server's process was started, as late as that can have been.
func (c *Coordinator) process(now time.Time, server string) time.Time {
	if a := c.agents[server]; a != nil && a.alive(now) && a.ask.Runs != "" {
		return a.born()
	}
	return time.Time{}
}

// born is when the oldest process was started that may work on rows of the journal,
// leaving out one server.
func (c *Coordinator) born(now time.Time, without string) time.Time {
	if c.cfg.Strangers() || len(c.absent(now)) > 0 {
		return time.Time{}
	}
	return c.agents.born(now, without)
}

// well waits until a server has been up for a while.
func (r *round) well(ctx context.Context, server string) error {
	r.change(func(o *Orders) { delete(o.Out, server) })
	var since time.Time
	return r.until(ctx, cmp.Or(r.wellLimit, startTime), "server "+server+" to be well", func(now time.Time) bool {
		switch {
		case !r.c.up(now, server):
			since = time.Time{}
		case since.IsZero():
			since = now
		}
		return !since.IsZero() && now.Sub(since) >= wellTime
	})
}

// heal restarts servers whose flow queues stand still, since they have lost their
// connections to the database. The lead comes last and replays what all have left;
// until then it gets no requests, so that all of that is older than the others.
func (r *round) heal(ctx context.Context) error {
	c := r.c
	for {
		c.mu.Lock()
		lead := c.lease.holder
		stale := c.stale(time.Now())
		c.mu.Unlock()
		followers := slices.DeleteFunc(slices.Clone(stale), func(name string) bool { return name == lead })
		leadToo := len(followers) < len(stale)
		switch {
		case len(followers) == 0 && lead == "":
			return nil
		case len(followers) == 0:
			return r.healLead(ctx, lead, leadToo)
		case leadToo:
			r.takeOut(lead, "its flow queue has lost the database")
			if err := r.drain(ctx, lead); err != nil {
				return err
			}
		}
		if err := r.restart(ctx, followers[0], false); err != nil {
			return err
		}
	}
}

// healLead gives the lead server a new process. stale tells that its flow queue stands
// still.
func (r *round) healLead(ctx context.Context, lead string, stale bool) error {
	c := r.c
	without := ""
	if stale {
		without = lead
	}
	r.yields = func(now time.Time) bool {
		return slices.ContainsFunc(c.stale(now), func(name string) bool { return name != lead })
	}
	err := r.revoke(ctx, lead, lead, without)
	if errors.Is(err, errYield) {
		return err
	}
	if err != nil {
		return r.notLead(lead, err)
	}
	return r.install(ctx, lead)
}
