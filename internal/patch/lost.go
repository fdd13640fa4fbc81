package patch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/apply"
)

// Lost implements api.Agent: it says what to make of files that are gone, of which
// [State].Suspicious tells. With api.Confirm the removal is published like any change.
// With api.Restore the folder becomes again what the release says that it is known to
// hold; files that have changed besides are kept aside, and a server that runs is to be
// restarted: see [State].Restored. It fails when nothing waits for that, and api.Confirm
// when what is gone is not what finding, a [State].Finding, is about.
func (m *Member) Lost(ctx context.Context, act api.Lost, finding string) error {
	if err := act.Validate(); err != nil {
		return fmt.Errorf("decide on what is gone: %w", err)
	}
	if act == api.Confirm {
		return m.watcher.ConfirmRemoval(finding)
	}
	m.mu.Lock()
	m.endTurn()
	m.mu.Unlock()
	m.work.Lock()
	defer m.work.Unlock()
	defer m.nextTurn()
	if err := m.restore(ctx); err != nil {
		err = fmt.Errorf("bring back what is gone: %w", err)
		if errors.Is(err, apply.ErrUnfinished) {
			m.block(err)
		}
		return err
	}
	return nil
}

// restore puts the release in place again that the folder is known to hold. The caller
// holds work.
func (m *Member) restore(ctx context.Context) error {
	m.mu.Lock()
	f, blocked, ground := m.folder, m.blocked, m.ground
	m.mu.Unlock()
	switch {
	case f == nil || blocked != "" || !f.isThere(m.cfg.Root):
		return errors.New("the folder is not there, or between two releases")
	case m.watcher.Status().Suspicious == "":
		return errors.New("nothing is known to be gone")
	case f.applied.m == nil:
		return errors.New("there is no release here yet")
	case ground.m != nil:
		return errors.New("the newest changes of this server are not applied here yet: wait for the roll-out to end")
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	target := f.applied.m
	// What is still in the folder is not needed from elsewhere, and nobody else may have
	// it: whether something is missing the applier finds out.
	missing := m.fetch(ctx, target.Origin, m.blobs.Missing(target.Files))
	m.mu.Lock()
	before := m.restored
	m.mu.Unlock()
	// It is written down before it is so: who crashes in between must not forget it.
	if err := m.writeRestored(time.Now()); err != nil {
		return err
	}
	m.watcher.Pause()
	result, err := f.applier.Apply(ctx, apply.Request{Target: target, Past: m.past(), Whole: true})
	if errors.Is(err, apply.ErrUnfinished) {
		m.mu.Lock()
		m.restored = time.Now()
		m.mu.Unlock()
		return err // nothing may be published from a mix: the keeper resumes
	}
	defer m.watcher.Resume()
	at := before
	if err == nil && result.Changes != (release.Summary{}) {
		at = time.Now()
	}
	m.mu.Lock()
	m.restored = at
	m.mu.Unlock()
	if werr := m.writeRestored(at); werr != nil {
		m.log.Warn("a restart of the agent may have the server restarted once more than needed, or less", "error", werr)
	}
	if err != nil {
		return errors.Join(err, missing)
	}
	m.log.Warn("files that were gone are back", "release", target.Number, "changes", result.Changes.String(), "kept_aside", len(result.Kept))
	m.turned()
	if len(result.Kept) > 0 {
		m.listConflicts()
	}
	m.cfg.Changed()
	return nil
}

// nextTurn lets go on what gave way.
func (m *Member) nextTurn() {
	m.mu.Lock()
	m.endTurn() // of two that were waited for at once, the first has begun another one
	m.turn, m.endTurn = context.WithCancel(m.life)
	m.mu.Unlock()
	m.wake()
}
