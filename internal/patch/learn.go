package patch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
)

// newsTime is how long the origin of a release may take to tell of it, from when the
// booster has told that there is one. After that the booster is asked for it.
const newsTime = 100 * time.Millisecond

// learn takes over the releases that were announced, and those that the booster has
// and this node lacks.
func (m *Member) learn(ctx context.Context) error {
	heard := m.takeNews()
	if heard.Number == m.releases.Head().Number+1 {
		// Its origin is about to tell of it: the booster, which has told all agents in the
		// same moment, need not send it to each of them as well.
		for late := time.After(newsTime); late != nil && !m.has(heard); {
			select {
			case <-m.news:
			case <-late:
				late = nil
			case <-ctx.Done():
				return ctx.Err()
			}
			if more := m.takeNews(); more.Number >= heard.Number {
				heard = more
			}
		}
	}
	if !m.has(heard) {
		m.work.Lock()
		defer m.work.Unlock()
		if !m.has(heard) { // else it was published here just now
			if err := m.follow(ctx, heard); err != nil {
				return err
			}
		}
	}
	m.mu.Lock()
	m.confirmed = heard
	m.mu.Unlock()
	return nil
}

// has tells whether a release, or none, is in the sequence.
func (m *Member) has(ref release.Ref) bool {
	is, _ := m.releases.Ref(ref.Number)
	return is == ref
}

// takeNews takes over the releases that were announced, and returns the newest that is
// known to be: the booster has it, or others are missing before one that was announced.
func (m *Member) takeNews() (newest release.Ref) {
	m.mu.Lock()
	list := m.announce
	m.announce, newest = nil, m.heard
	m.mu.Unlock()
	for _, a := range list {
		for _, next := range a.chain {
			err := m.releases.Propose(next, a.from)
			var stale *history.StaleError
			switch {
			case errors.As(err, &stale) && next.Number > stale.Head.Number:
				if next.Number > newest.Number {
					newest = next.Ref()
				}
			case errors.As(err, &stale): // the booster says which of two is right
			case err != nil:
				m.log.Warn("a release that a peer told of is not taken", "peer", a.from, "release", next.Number, "error", err)
			}
		}
	}
	return newest
}

// follow takes over the booster's sequence up to a release that it has. The caller
// holds work.
func (m *Member) follow(ctx context.Context, want release.Ref) error {
	known := m.releases.Head().Number
	if want.Number > 0 {
		known = min(known, want.Number-1)
	}
	var err error
	for _, after := range slices.Compact([]uint64{known, known - min(known, history.DefaultKeep), 0}) {
		cctx, cancel := context.WithTimeout(ctx, callTime)
		var chain []*release.Manifest
		chain, err = m.cfg.Peers.Chain(cctx, after)
		cancel()
		if err != nil {
			return err
		}
		var dropped []*release.Manifest
		dropped, err = m.releases.Follow(chain, "the booster")
		if len(dropped) > 0 {
			err = errors.Join(err, m.fork(dropped))
		}
		var stale *history.StaleError
		if errors.As(err, &stale) {
			continue // they part before that
		}
		break
	}
	if err != nil {
		return err
	}
	if !m.has(want) {
		return fmt.Errorf("release %s is not in the booster's sequence", want)
	}
	return nil
}
