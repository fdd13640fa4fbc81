package sequence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

// Propose implements api.Booster. Proposing a release that is in the sequence already
// does no harm.
func (s *Sequencer) Propose(ctx context.Context, p api.Proposal, from string) error {
	if err := s.lead(ctx); err != nil {
		return err
	}
	defer s.end()
	if p.Keep != 0 {
		s.keep = p.Keep
	}
	m := p.Manifest
	ref := m.Ref()
	head := s.chain.Head()
	known, there := s.chain.Ref(m.Number)
	switch {
	case there && known == ref:
	case m.Parent.Number > head.Number:
		if s.suspect(m.Parent) {
			return errNotReady
		}
		return &history.StaleError{Head: head}
	case m.Parent != head:
		return &history.StaleError{Head: head}
	default:
		if err := s.check(m, head); err != nil {
			return err
		}
	}
	if err := s.publish(ctx, m, ref, p.InMemory, p.Manual, from); err != nil {
		return err
	}
	if !there {
		s.tell(m, ref)
	}
	return nil
}

// check refuses a release that can't be the one after head.
func (s *Sequencer) check(m *release.Manifest, head release.Ref) error {
	var parent *release.Manifest
	if !head.IsZero() {
		var err error
		if parent, err = s.chain.Get(head.Number); err != nil {
			return err
		}
	}
	if err := m.Follows(parent); err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	if err := s.cfg.Check(m); err != nil {
		s.log.Error("a release is refused", "origin", m.Origin, "release", m.Number, "error", err)
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	return nil
}

// publish writes a release that was found to be good, and copies it. The caller holds
// work.
func (s *Sequencer) publish(ctx context.Context, m *release.Manifest, ref release.Ref, inMemory, waits bool, from string) error {
	// A release on one that waits for a person holds what that one holds.
	if !waits && s.approved() == m.Parent {
		if err := s.approve(ref); err != nil {
			return err
		}
	}
	if err := s.chain.Propose(m, from); err != nil {
		return err
	}
	if inMemory {
		s.mu.Lock()
		s.memory[ref] = true
		s.mu.Unlock()
	}
	s.prune()
	s.renew()
	s.copyAll(ctx)
	return nil
}

// tell logs a new release.
func (s *Sequencer) tell(m *release.Manifest, ref release.Ref) {
	level := s.log.Info
	args := []any{"release", ref, "kind", m.Kind, "origin", m.Origin}
	if s.Approved().Number < ref.Number {
		level = s.log.Warn
		args = append(args, "waits", fmt.Sprintf("for `booster omflow releases approve %d`", ref.Number))
	}
	level("a release was published", args...)
}

// prune removes what need not stay. The caller holds work.
func (s *Sequencer) prune() {
	head, approved := s.chain.Head(), s.approved()
	gone, err := s.chain.Prune(func(ref release.Ref) bool {
		return ref.Number+uint64(s.keep) > head.Number || ref.Number >= approved.Number
	})
	if err != nil {
		s.log.Warn("an old release can't be removed", "error", err)
	}
	for _, ref := range gone {
		s.forget(ref)
		s.mu.Lock()
		delete(s.memory, ref)
		s.mu.Unlock()
	}
}

// Approve implements api.Booster. Approving the newest approved release that is in
// quarantine has it tried again.
func (s *Sequencer) Approve(ctx context.Context, number uint64) error {
	if err := s.lead(ctx); err != nil {
		return err
	}
	defer s.end()
	ref, ok := s.chain.Ref(number)
	if !ok {
		return fmt.Errorf("approve release %d: %w", number, history.ErrUnknown)
	}
	approved := s.approved()
	bad := s.chain.QuarantineReason(ref) != ""
	switch {
	case bad && number < approved.Number:
		return fmt.Errorf("%w: release %d did not do well and was taken back; `booster omflow releases rollback %d` brings its content once more", api.ErrRefused, number, number)
	case number < approved.Number:
		return nil
	case bad:
		if err := s.lift(ref); err != nil {
			return err
		}
	}
	if err := s.approve(ref); err != nil {
		return err
	}
	s.log.Info("a release was approved", "release", ref, "was_in_quarantine", bad)
	s.renew()
	s.copyAll(ctx)
	return nil
}

// Rollback implements api.Booster. The new release is approved, and so is all that it
// stands on.
func (s *Sequencer) Rollback(ctx context.Context, number uint64) (uint64, error) {
	if err := s.lead(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	old, err := s.chain.Get(number)
	if err != nil {
		return 0, err
	}
	head, err := s.chain.Get(s.chain.Head().Number)
	if err != nil {
		return 0, err
	}
	if slices.Equal(head.Files, old.Files) && s.target().Number == head.Number {
		return 0, fmt.Errorf("%w: release %d, the newest, has the content of release %d", api.ErrRefused, head.Number, number)
	}
	m, err := s.revert(ctx, head, old, fmt.Sprintf("back to release %d", number))
	if err != nil {
		return 0, err
	}
	return m.Number, nil
}

// target is the view's, whether this booster is the active one or not.
func (s *Sequencer) target() rollout.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.target
}

// revert publishes old's content after head, approved. The caller holds work.
func (s *Sequencer) revert(ctx context.Context, head, old *release.Manifest, note string) (*release.Manifest, error) {
	m, err := release.Revert(head, old, s.cfg.Node, time.Now(), note)
	if err != nil {
		return nil, err
	}
	ref := m.Ref()
	if err := s.approve(ref); err != nil {
		return nil, err
	}
	if err := s.publish(ctx, m, ref, false, true, s.cfg.Node); err != nil {
		return nil, err
	}
	s.log.Warn("the content of an older release was published again", "release", ref, "content_of", old.Number, "why", note)
	return m, nil
}

// Failed tells that a server did not do well with a release. See the package's
// description for what becomes of it. An error says why it could not be put in
// quarantine; that nothing can take its place is none, and is logged.
func (s *Sequencer) Failed(ctx context.Context, number uint64, server, reason string) error {
	if err := s.lead(ctx); err != nil {
		return err
	}
	defer s.end()
	ref, ok := s.chain.Ref(number)
	if !ok {
		return fmt.Errorf("quarantine release %d: %w", number, history.ErrUnknown)
	}
	if err := s.quarantine(ref, fmt.Sprintf("server %s did not do well with it: %s", server, reason)); err != nil {
		return err
	}
	s.renew()
	s.log.Error("a release is in quarantine: it is not rolled out any further", "release", ref, "server", server, "reason", reason)
	s.vacant = "" // why nothing replaces this one is news
	if !s.replace(ctx) {
		s.copyAll(ctx)
	}
	return nil
}
