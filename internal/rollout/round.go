package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// drainTime bounds waiting for requests in flight, longer than a server may take
	// for an answer by default, and a little.
	drainTime = 150 * time.Second
	// startTime bounds waiting for a server that was started.
	startTime = 2 * time.Minute
	// wellTime is how long a server must be up to count as well.
	wellTime = time.Second
	// emptyTime is how long the journal is given to be empty by itself before work
	// is held.
	emptyTime = 5 * time.Second
	// holdTime bounds how long work is held for rows that do not go.
	holdTime = 10 * time.Second
	// restTime bounds waiting for the journal before a planned restart is put off.
	restTime = 2 * time.Minute
	// backTime bounds waiting for the lead server before to be a follower.
	backTime = 30 * time.Second
)

// round is one thing that the coordinator does, and what it has ordered for that.
type round struct {
	c    *Coordinator
	term uint64
	// acted: a process is being stopped or started, which does not end when a booster
	// does not confirm its orders.
	acted bool
	// wellLimit bounds waiting for a server that was started; 0 is startTime.
	wellLimit time.Duration
	// sifts: tickets between two steps are looked for when the journal is read. unsifted is
	// how many times that has failed; sifted: the flow queue was found at rest with them.
	sifts, sifted bool
	unsifted      int
	// refreshes: a server is restarted for a control change, whose files it has.
	refreshes bool
	// yields reports whether something else comes first; nil: nothing does.
	yields func(now time.Time) bool
}

// next finds what is to be done, and does it.
func (r *round) next(ctx context.Context) (what string, err error) {
	c := r.c
	c.mu.Lock()
	what, do := c.plan(time.Now())
	c.doing = what
	c.mu.Unlock()
	if do == nil {
		return "", nil
	}
	c.cfg.Logger.Info(what)
	return what, do(ctx, r)
}

// plan says what is to be done now: nil for nothing. The caller holds c.mu, as for
// all methods of Coordinator here.
func (c *Coordinator) plan(now time.Time) (what string, do func(context.Context, *round) error) {
	c.tend(now)
	holder := c.lease.holder
	if holder != "" && c.lease.grant != 0 && !c.lease.settled && !c.lease.revoked {
		return "waiting for the lead server " + holder, func(ctx context.Context, r *round) error {
			r.hold(true)
			return r.settle(ctx, holder)
		}
	}
	if stale := strings.Join(c.stale(now), ", "); stale != c.staleNames {
		c.staleNames, c.staleSince = stale, now
	}
	lead := c.nextLead(now)
	if len(c.staleNames) > 0 {
		// Before a lead server is started, too: it would resume what these still have.
		if now.Sub(c.staleSince) < gatherTime {
			return "", nil
		}
		return "restarting servers whose flow queues have lost the database: " + c.staleNames, func(ctx context.Context, r *round) error {
			return r.heal(ctx)
		}
	}
	if lead != "" {
		what := "starting " + lead + " as the lead server"
		if c.lags(now, lead) {
			what += ", although it may lack files of the replicated folder that others have"
		}
		return what, func(ctx context.Context, r *round) error { return r.install(ctx, lead) }
	}
	if a := c.agents[c.wanted]; c.wanted != "" && (a == nil || !a.alive(now)) {
		c.cfg.Logger.Warn("the server that was to become the lead has no agent any more that answers", "server", c.wanted)
		c.wanted = ""
	}
	if wanted := c.wanted; wanted != "" && holder != "" && holder != wanted {
		return "making " + wanted + " the lead server in the place of " + holder, func(ctx context.Context, r *round) error {
			return r.move(ctx, holder, wanted)
		}
	}
	if c.resumes(now) {
		return "restarting the lead server " + holder + ", to resume tickets of a server that died", func(ctx context.Context, r *round) error {
			return r.move(ctx, holder, holder)
		}
	}
	if what, do := c.endPauses(now); do != nil {
		return what, do
	}
	if what, do := c.takeBack(now); do != nil {
		return what, do
	}
	if server, target := c.nextRelease(now); server != "" {
		return fmt.Sprintf("bringing server %s to release %d", server, target.Number), func(ctx context.Context, r *round) error {
			return r.release(ctx, server, target)
		}
	}
	if c.unpublished(now) {
		return "", nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.agents)) {
		a := c.agents[name]
		if c.behind(now, name, a) && c.onItsWay(now, a) {
			return "", nil
		}
		if c.behind(now, name, a) && a.ask.NextEpoch.Covers(c.epoch) && now.Sub(a.failed) >= retryTime {
			return "restarting server " + name + ", which has not seen the newest control change", func(ctx context.Context, r *round) error {
				r.refreshes = true
				return r.restart(ctx, name, true)
			}
		}
	}
	return "", nil
}

// behind reports whether a server has not seen the newest control change.
func (c *Coordinator) behind(now time.Time, name string, a *asker) bool {
	return a.ask.Candidate && name != c.lease.holder && a.alive(now) && a.ask.Runs == Follower && !a.ask.Epoch.Covers(c.epoch)
}

// stale returns the servers whose flow queues stand still.
func (c *Coordinator) stale(now time.Time) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.agents)) {
		a := c.agents[name]
		if a.alive(now) && a.ask.Candidate && a.ask.Stale && a.ask.Runs != "" && now.Sub(a.failed) >= retryTime {
			names = append(names, name)
		}
	}
	return names
}

// up reports whether a server is up: to the boosters, and to its agent, since what the
// boosters say may be about the process before, whose end they have not seen.
func (c *Coordinator) up(now time.Time, server string) bool {
	if a := c.agents[server]; a != nil && a.ask.Candidate && a.alive(now) && (a.ask.Runs == "" || !a.ask.Ready) {
		return false
	}
	return c.doors.Up[server]
}

// waits tells people what is waited for.
func (r *round) waits(format string, args ...any) {
	r.c.mu.Lock()
	r.c.waiting = fmt.Sprintf(format, args...)
	r.c.mu.Unlock()
}

// errLate ends waiting that has taken too long.
var errLate = errors.New("waited in vain")

// until looks, and repeats the orders, until ready says so. The error of a deadline
// says what was waited for.
func (r *round) until(ctx context.Context, limit time.Duration, what string, ready func(now time.Time) bool) error {
	r.waits("%s", what)
	deadline := time.Now().Add(limit)
	for {
		err := r.order(ctx)
		unsure := err != nil && r.acted && ctx.Err() == nil && !errors.Is(err, errTermOver)
		if err != nil && !unsure {
			return err
		}
		if err := r.read(ctx); err != nil {
			return err
		}
		now := time.Now()
		r.c.mu.Lock()
		r.c.tend(now)
		yield := r.yields != nil && r.yields(now)
		ok := !unsure && ready(now)
		r.c.mu.Unlock()
		switch {
		case yield:
			return errYield
		case ok:
			return nil
		}
		if now.After(deadline) {
			return fmt.Errorf("%w for %s, for %s", errLate, limit, what)
		}
		r.c.pause(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// order hands the orders to the boosters and takes what they say.
func (r *round) order(ctx context.Context) error {
	c := r.c
	c.mu.Lock()
	if c.look(time.Now()); !c.active || c.term != r.term {
		c.mu.Unlock()
		return errTermOver
	}
	orders := Orders{Term: c.term, Hold: c.orders.Hold, Out: maps.Clone(c.orders.Out)}
	c.mu.Unlock()
	asked := time.Now()
	octx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	doors, err := c.cfg.Order(octx, orders)
	if err != nil {
		return fmt.Errorf("give orders to the boosters: %w", err)
	}
	c.mu.Lock()
	c.doors, c.doorsAt = doors, asked
	c.mu.Unlock()
	return nil
}

// change changes the orders; they are given with the next until.
func (r *round) change(f func(*Orders)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.orders.Out == nil {
		r.c.orders.Out = make(map[string]string)
	}
	f(&r.c.orders)
}

func (r *round) takeOut(server, why string) {
	r.change(func(o *Orders) { o.Out[server] = why })
}

func (r *round) hold(on bool) {
	r.change(func(o *Orders) { o.Hold = on })
}

// end takes all orders back.
func (r *round) end(ctx context.Context) {
	r.c.mu.Lock()
	any := r.c.orders.Hold || len(r.c.orders.Out) > 0
	r.c.orders = Orders{}
	r.c.mu.Unlock()
	if !any {
		return
	}
	if err := r.order(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errTermOver) {
		r.c.cfg.Logger.Warn("the boosters could not be told that a restart is over; they find out by themselves", "error", err)
	}
}
