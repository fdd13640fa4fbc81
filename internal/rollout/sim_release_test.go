package rollout

import (
	"context"
	"errors"
	"fmt"
)

// simReleases is the sequence of releases, which all boosters have.
type simReleases struct {
	w      *world
	target Target
	bad    map[uint64]bool // servers don't come up with them
	failed []string
	full   int    // how many times Failed can't write
	head   uint64 // the newest, if it waits for a person
	none   bool   // there is no target, as while releases are compared
}

func (r *simReleases) hash(n uint64) string { return fmt.Sprintf("hash %d", n) }

func (r *simReleases) Target() Target {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if r.none {
		return Target{}
	}
	return r.target
}

func (r *simReleases) Head() (uint64, string) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	n := max(r.target.Number, r.head)
	return n, r.hash(n)
}

func (r *simReleases) Failed(_ context.Context, n uint64, server, reason string) error {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf("%d on %s: %s", n, server, reason))
	if r.full > 0 {
		r.full--
		return errors.New("the disk is full")
	}
	r.publish(r.target.Origin, false)
	return nil
}

// publish makes the next release, which everyone stages at once. The caller holds
// w.mu.
func (r *simReleases) publish(origin string, inMemory bool) {
	n := r.target.Number + 1
	r.target = Target{Number: n, Hash: r.hash(n), Origin: origin, InMemory: inMemory}
	for _, s := range r.w.servers {
		s.agent.staged, s.agent.trouble = n, ""
		if inMemory && s.name == origin {
			s.agent.release = n
		}
	}
	r.w.note("release %d of %s", n, origin)
}

// allHave reports whether all servers run with the target. The caller holds w.mu.
func (r *simReleases) allHave() bool {
	for _, s := range r.w.servers {
		if !s.gone && (s.proc == nil || s.agent.release != r.target.Number || s.proc.release != r.target.Number && !r.target.InMemory) {
			return false
		}
	}
	return r.w.atRest()
}
