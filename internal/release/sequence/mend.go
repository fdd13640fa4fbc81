package sequence

import (
	"context"
	"errors"
	"time"

	"github.com/omflow/booster/internal/release"
)

// mendTime is between two tries to get releases from other nodes whose files can't be
// read here.
const mendTime = 5 * time.Second

// mender gets such releases. It is for one goroutine.
type mender struct {
	s    *Sequencer
	last time.Time // of a try
	told map[release.Ref]bool
}

// mendAll gets such releases until ctx ends. It has a goroutine of its own: who is asked
// may hang, and a booster must see meanwhile that it is the active one.
func (s *Sequencer) mendAll(ctx context.Context) {
	m := mender{s: s, told: make(map[release.Ref]bool)}
	t := time.NewTicker(pollTime)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			m.look(ctx)
		}
	}
}

// look gets what is known to be unreadable, whether this booster is the active one or
// not: a standby can't follow on top of it either.
func (m *mender) look(ctx context.Context) {
	lost := m.s.chain.Unreadable()
	if len(lost) == 0 || time.Since(m.last) < mendTime {
		return
	}
	mended := false
	for _, ref := range lost {
		err := m.mend(ctx, ref)
		mended = mended || err == nil
		if err != nil && ctx.Err() == nil && !m.told[ref] {
			m.told[ref] = true
			m.s.log.Warn("no other node sends a release that can't be read here; they are asked again", "release", ref, "error", err)
		}
	}
	m.last = time.Now()
	if !mended || m.s.begin(ctx) != nil {
		return
	}
	defer m.s.end()
	m.s.renew()
	m.s.poke() // what could not be copied, or taken over, can be now
}

// mend gets one release from whoever has it.
func (m *mender) mend(ctx context.Context, ref release.Ref) error {
	boosters, agents := m.s.cfg.Others()
	errs := []error{errNobody}
	for _, name := range append(boosters, agents...) {
		cctx, cancel := context.WithTimeout(ctx, callTime)
		found, err := m.s.client.Release(cctx, name, ref)
		cancel()
		if err == nil {
			return m.s.chain.Mend(found, name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

var errNobody = errors.New("nobody has it")
