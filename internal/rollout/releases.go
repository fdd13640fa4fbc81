package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Target is the release that all servers should have.
type Target struct {
	// Number and Hash name it; 0 is none.
	Number uint64
	Hash   string
	// Origin is the server whose files it was made from.
	Origin string
	// InMemory: the origin's process has it already, as OMFLOW has what it deployed
	// itself, so that the origin is not restarted.
	InMemory bool
}

// Releases is the sequence of releases, as the coordinator needs it. Its methods must
// not block, except Failed.
type Releases interface {
	// Target is the newest release that may be rolled out.
	Target() Target
	// Head is the newest release that there is, rolled out or not; 0 is none.
	Head() (number uint64, hash string)
	// Failed tells that a server did not do well with a release: it is not the target any
	// more, and a new one brings back what was before, as soon as it can. An error says why
	// the release is the target still.
	Failed(ctx context.Context, number uint64, server, reason string) error
}

// releaseTime bounds the time from a server's start with a new release until it is
// well: then the release is taken for a bad one.
const releaseTime = time.Minute

// target is the release that servers should have. The caller holds c.mu, here and
// below.
func (c *Coordinator) target() Target {
	if c.cfg.Releases == nil {
		return Target{}
	}
	return c.cfg.Releases.Target()
}

// has reports whether a server's files are the release.
func (a *asker) has(t Target) bool {
	return t.Number == 0 || a.ask.Release == t.Number && a.ask.ReleaseHash == t.Hash
}

// proven reports whether a server runs with the release, and is up.
func (c *Coordinator) proven(now time.Time, t Target) bool {
	for name, a := range c.agents {
		if a.alive(now) && a.ask.Runs != "" && a.has(t) && c.up(now, name) {
			return true
		}
	}
	return false
}

// due is the release that a server without a process should be brought to before it is
// started, 0 for none: the one that it is being brought to, or one that others run well
// with already, or that nobody can say anything of because no server runs.
func (c *Coordinator) due(now time.Time, a *asker) uint64 {
	if a.apply != 0 {
		return a.apply
	}
	t := c.target()
	if a.has(t) || t == c.bad.Target {
		return 0
	}
	anyRuns := false
	for _, other := range c.agents {
		anyRuns = anyRuns || other.alive(now) && other.ask.Runs != ""
	}
	if anyRuns && !c.proven(now, t) {
		return 0
	}
	return t.Number
}

// apply is the release that an agent is told to apply: due, once everything is there.
func (c *Coordinator) apply(now time.Time, a *asker) uint64 {
	if n := c.due(now, a); a.apply != 0 || a.ask.Staged >= n {
		return n
	}
	return 0
}

// catchesUp reports whether a server without a process is to wait, since it has not
// staged yet, or not applied, what it should have before it takes traffic: for
// stageTime at most, and not if it can't.
func (c *Coordinator) catchesUp(now time.Time, a *asker) bool {
	n := c.due(now, a)
	return n != 0 && a.ask.Release < n && a.ask.Trouble == "" && now.Sub(a.down) < stageTime
}

// stageTime is how long the lead server's turn waits for others that have not staged
// the release yet.
const stageTime = 30 * time.Second

// nextRelease returns the server that should be brought to the target now, or "": one
// that is not well first, since nothing is lost by it, then the origin, so that a bad
// release stops where it was made, and the lead last.
func (c *Coordinator) nextRelease(now time.Time) (server string, t Target) {
	t = c.target()
	if t != c.targeted {
		c.targeted, c.targetedAt = t, now
	}
	if t.Number != 0 && t != c.bad.Target { // none is no other one: releases are compared just now
		c.bad = badRelease{}
	}
	if t.Number == 0 || t == c.bad.Target {
		return "", t
	}
	head := Target{}
	head.Number, head.Hash = c.cfg.Releases.Head()
	lacks := func(a *asker) bool {
		// One that holds the newest of all, which waits for a person, is not brought back.
		return a != nil && a.alive(now) && a.ask.Candidate && a.ask.Runs != "" && !a.has(t) && !a.has(head)
	}
	may := func(a *asker) bool {
		return lacks(a) && a.ask.Staged >= t.Number && (a.refused != t.Number || now.Sub(a.failed) >= retryTime)
	}
	names := slices.Sorted(maps.Keys(c.agents))
	for _, name := range names {
		if a := c.agents[name]; may(a) && !c.up(now, name) && a.ask.Release != 0 {
			return name, t
		}
	}
	if origin := c.agents[t.Origin]; !t.InMemory && lacks(origin) && origin.refused != t.Number {
		if !may(origin) {
			return "", t // its word that it has staged what it made is on its way
		}
		return t.Origin, t
	}
	waits := false
	for _, name := range names {
		a := c.agents[name]
		if name != c.lease.holder && may(a) {
			return name, t
		}
		waits = waits || name != c.lease.holder && lacks(a) && a.refused != t.Number
	}
	if may(c.agents[c.lease.holder]) && (!waits || now.Sub(c.targetedAt) >= stageTime) {
		return c.lease.holder, t
	}
	return "", t
}

// release brings one server to a release.
func (r *round) release(ctx context.Context, server string, t Target) error {
	c := r.c
	c.mu.Lock()
	holder := c.lease.holder
	a := c.agents[server]
	if a != nil {
		a.apply = t.Number
	}
	c.mu.Unlock()
	if a == nil {
		return nil
	}
	var err error
	r.wellLimit = releaseTime
	if server == holder {
		err = r.move(ctx, server, server)
	} else {
		err = r.restart(ctx, server, true)
	}
	c.mu.Lock()
	a.apply = 0
	has, trouble := a.has(t), a.ask.Trouble
	c.mu.Unlock()
	switch {
	case ctx.Err() != nil, errors.Is(err, errTermOver), errors.Is(err, errYield):
		return err
	case err == nil && has:
		c.cfg.Logger.Info("server has the release", "server", server, "release", t.Number)
		return nil
	}
	c.mu.Lock()
	a.failed, a.refused = time.Now(), t.Number
	c.mu.Unlock()
	switch {
	case !has && trouble != "":
		// A full disk, for instance, says nothing of the release: the others get it.
		return fmt.Errorf("release %d can't be applied on server %s: %s", t.Number, server, trouble)
	case !has && err != nil:
		return err // it was not stopped, or not started again: nothing is said of the release
	case !has:
		return fmt.Errorf("server %s was restarted for release %d, and its agent has not applied it and does not say why", server, t.Number)
	}
	reason := fmt.Sprint(err)
	return c.failed(ctx, badRelease{Target: t, server: server, reason: reason})
}

// badRelease is a release that a server did not do well with, and that could not be
// marked as bad, because the booster's disk is full, for instance: no other server gets it.
type badRelease struct {
	Target
	server, reason string
	tried          time.Time // to mark it
}

// failed has a release marked as bad, and says so in any case.
func (c *Coordinator) failed(ctx context.Context, b badRelease) error {
	err := c.cfg.Releases.Failed(ctx, b.Number, b.server, b.reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		b.tried = time.Now()
		c.bad = b
		return fmt.Errorf("release %d on server %s: %s; it could not be marked as bad, and is not rolled out any further: %w", b.Number, b.server, b.reason, err)
	}
	c.bad = badRelease{} // if it is the target again, a person wants it tried again
	return fmt.Errorf("release %d is bad, and is not rolled out any further: server %s did not do well with it: %s", b.Number, b.server, b.reason)
}

// takeBack says what is to be done about a release that could not be marked as bad.
func (c *Coordinator) takeBack(now time.Time) (what string, do func(context.Context, *round) error) {
	b := c.bad
	if b.Number == 0 || c.target() != b.Target || now.Sub(b.tried) < retryTime {
		return "", nil
	}
	return fmt.Sprintf("taking back release %d, with which server %s did not do well", b.Number, b.server), func(ctx context.Context, _ *round) error {
		return c.failed(ctx, b)
	}
}
