package sequence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// copyAll copies the sequence, and what is said of it, to the other boosters that are
// reached. What fails is told, and made good for by the next comparison. The caller
// holds work.
func (s *Sequencer) copyAll(ctx context.Context) { s.copyWithin(ctx, callTime) }

func (s *Sequencer) copyWithin(ctx context.Context, limit time.Duration) {
	boosters, _ := s.cfg.Others()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	var wg sync.WaitGroup
	for _, name := range boosters {
		wg.Go(func() {
			if err := s.copyTo(ctx, name); err != nil {
				s.log.Warn("the other booster does not have the newest release yet", "booster", name, "error", err)
			}
		})
	}
	wg.Wait()
}

// copyTo copies to one booster what it does not have. It is asked each time: it may
// have lost its folder.
func (s *Sequencer) copyTo(ctx context.Context, name string) error {
	last, err := s.client.Head(ctx, name)
	if err != nil {
		return err
	}
	if ref, ok := s.chain.Ref(last.Number); !ok || ref != last {
		last = release.Ref{} // where the sequences part is not known
	}
	return s.copyAfter(ctx, name, last.Number)
}

// copyAfter copies all releases after a number, one at a time, and with each what is
// said of them.
func (s *Sequencer) copyAfter(ctx context.Context, name string, after uint64) error {
	u := s.update()
	entries := s.chain.List()
	sent := false
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Ref.Number <= after {
			continue
		}
		m, err := s.chain.Get(entries[i].Ref.Number)
		if err != nil {
			return err
		}
		u.Chain = []*release.Manifest{m}
		if err := s.client.Follow(ctx, name, u); err != nil {
			return err
		}
		sent = true
	}
	if sent {
		return nil
	}
	return s.client.Follow(ctx, name, u)
}

// update is what is said of the releases.
func (s *Sequencer) update() api.Update {
	u := api.Update{Approved: s.approved(), Keep: s.keep}
	entries := s.chain.List()
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Term = s.term
	for _, e := range entries {
		if s.memory[e.Ref] {
			u.InMemory = append(u.InMemory, e.Ref)
		}
		if e.Quarantined != "" {
			u.Quarantined = append(u.Quarantined, api.Quarantine{Release: e.Ref, Reason: cut(e.Quarantined, api.MaxText)})
		}
	}
	u.InMemory, u.Quarantined = api.Clip(u.InMemory), api.Clip(u.Quarantined)
	return u
}

// Follow implements api.Booster: it takes over what the active booster has.
func (s *Sequencer) Follow(u api.Update, from string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return fmt.Errorf("take over releases of booster %s: %w", from, err)
	}
	defer s.end()
	if err := s.fence(u.Term, from); err != nil {
		return err
	}
	dropped, err := s.chain.Follow(u.Chain, from)
	s.lost(dropped, from)
	defer s.renew()
	if err != nil {
		return fmt.Errorf("take over releases of booster %s: %w", from, err)
	}
	if u.Keep != 0 {
		s.keep = u.Keep
	}
	if !u.Approved.IsZero() {
		if err := s.approvals.add(u.Approved, s.approved()); err != nil {
			return err
		}
	}
	if err := s.agree(u); err != nil {
		return err
	}
	s.prune()
	return nil
}

// fence refuses what comes from a booster that is not the active one any more.
func (s *Sequencer) fence(term uint64, from string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	if s.active && term <= s.term || term < s.seen {
		return fmt.Errorf("booster %s of term %d is not the active one", from, term)
	}
	s.seen = term
	return nil
}

// agree makes what is said of releases here what the active booster says.
func (s *Sequencer) agree(u api.Update) error {
	bad := make(map[release.Ref]bool)
	for _, q := range u.Quarantined {
		bad[q.Release] = true
		if err := s.chain.Quarantine(q.Release, q.Reason); err != nil && !errors.Is(err, history.ErrUnknown) {
			return err
		}
	}
	for _, e := range s.chain.List() {
		if e.Quarantined != "" && !bad[e.Ref] && e.Ref.Number <= u.Approved.Number {
			if err := s.chain.Clear(e.Ref); err != nil {
				return err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range u.InMemory {
		if known, ok := s.chain.Ref(ref.Number); ok && known == ref {
			s.memory[ref] = true
		}
	}
	return nil
}

// lost tells of releases that another sequence has taken the place of.
func (s *Sequencer) lost(dropped []*release.Manifest, from string) {
	for _, m := range dropped {
		s.log.Error("a release that this booster had numbered is not in the sequence of the cluster; its origin publishes what it changed again",
			"release", m.Ref(), "origin", m.Origin, "sequence_of", from)
	}
}
