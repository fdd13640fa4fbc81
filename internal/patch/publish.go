package patch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/watch"
)

const (
	// retryMin and retryMax are between two attempts at publishing the same change,
	// unless a booster is heard of before.
	retryMin = 500 * time.Millisecond
	retryMax = 15 * time.Second
	// maxRebases bounds how often one attempt is put on top of what others have
	// published meanwhile. Each time somebody else's change has got through.
	maxRebases = 8
)

// errTurned: what the folder is taken for has changed since the change was found. The
// watcher gives it again if it still is one.
var errTurned = errors.New("the folder was brought to another release meanwhile")

// errNotFirst: the first release of a cluster is another server's.
var errNotFirst = errors.New("the first release comes from another server")

// draft is a change on its way to become a release.
type draft struct {
	tree  *watch.Tree
	found time.Time
	turn  uint64 // of Member.turns
}

// publishNow asks for what differs now, settled or not.
type publishNow struct {
	ctx    context.Context
	answer chan<- published
}

type published struct {
	number uint64
	err    error
}

// waiting is what State tells of a draft.
type waiting struct {
	files int
	why   string
	logs  string // the last reason that was logged
}

// publishAll makes releases of changes until ctx ends.
func (m *Member) publishAll(ctx context.Context) {
	var d *draft
	pause := retryMin
	// again: the folder is to be looked at, at the next retry. looked: it was, and what was
	// found counts as pending until the watcher gives it anew, or has had nothing to give for
	// retryMax, which is longer than files may go on changing.
	again, looked := false, false
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		turn := m.turnNow() // before a change is taken: see turned
		var err error
		select {
		case <-ctx.Done():
			return
		case c, ok := <-m.watcher.Changes():
			if !ok {
				return
			}
			d, pause, again, looked = &draft{c.Tree, time.Now(), turn}, retryMin, false, false
			m.wait(len(c.Added)+len(c.Changed)+len(c.Removed), "")
		case p := <-m.publish:
			var number uint64
			number, err = m.publishSnapshot(p.ctx, &d)
			p.answer <- published{number, err}
			if err == nil {
				m.wait(0, "")
			}
		case <-m.attempt:
		case <-retry.C:
			switch {
			case again:
				again, looked = false, true
				retry.Reset(retryMax)
				m.rebase() // so that the watcher gives it when it has settled
			case looked && d == nil: // it was taken back
				looked = false
				m.wait(0, "")
			}
		}
		if d == nil {
			continue
		}
		if err == nil {
			_, err = m.publishOne(d)
		}
		switch {
		case err == nil:
			d = nil
			m.wait(0, "")
		case errors.Is(err, errNotFirst):
			d = nil
			m.wait(0, "")
			m.unbase()
		case errors.Is(err, errTurned):
			d = nil
			m.wait(0, "")
			m.rebase() // so that the watcher gives it again
		case errors.Is(err, api.ErrChanging):
			// What was found may be half of it, also when it may be published later.
			d, again = nil, true
			m.wait(-1, err.Error())
			retry.Reset(retryMin)
		case ctx.Err() == nil:
			m.wait(-1, err.Error())
			retry.Reset(pause)
			pause = min(2*pause, retryMax)
		}
	}
}

// publishSnapshot publishes what the folder holds now. What can't be published takes
// the place of the draft that waits.
func (m *Member) publishSnapshot(ctx context.Context, d **draft) (number uint64, err error) {
	for range maxRebases {
		turn := m.turnNow()
		tree, err := m.watcher.Snapshot(ctx)
		if err != nil {
			return 0, err
		}
		*d = &draft{tree, time.Now(), turn}
		number, err = m.publishOne(*d)
		if err == nil {
			*d = nil
		}
		if !errors.Is(err, errTurned) {
			return number, err
		}
	}
	return 0, errTurned
}

// unbase has the keeper set the watcher's base again when there is one: this folder may
// still become the first release.
func (m *Member) unbase() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.based = m.holds().m != nil
}

func (m *Member) turnNow() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.turns
}

// wait notes how many files wait to be published, and why; -1 leaves their number.
func (m *Member) wait(files int, why string) {
	m.mu.Lock()
	was := m.waits
	if files >= 0 {
		m.waits.files = files
	}
	m.waits.why = why
	logs := why != "" && why != was.logs
	if logs || files == 0 {
		m.waits.logs = why
	}
	changed := m.waits != was
	m.mu.Unlock()
	if logs {
		m.log.Warn("changed files wait to be published", "files", was.files, "reason", why)
	}
	if changed {
		m.cfg.Changed()
	}
}

// Publish publishes at once what has changed, settled or not, and returns the number
// of the release, 0 when nothing had.
func (m *Member) Publish(ctx context.Context) (uint64, error) {
	answer := make(chan published, 1)
	select {
	case m.publish <- publishNow{ctx, answer}:
	case <-ctx.Done():
		return 0, fmt.Errorf("publish changes: %w", ctx.Err())
	}
	select {
	case p := <-answer:
		if p.err != nil {
			return 0, fmt.Errorf("publish changes: %w", p.err)
		}
		return p.number, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("publish changes: %w", ctx.Err())
	}
}

// publishOne has a draft numbered. It returns 0 when nothing was left to publish.
func (m *Member) publishOne(d *draft) (number uint64, err error) {
	ctx := m.preempted()
	m.work.Lock()
	defer m.work.Unlock()
	m.mu.Lock()
	holds, strays, heard := m.holds(), m.strays, m.heard
	f, turn, ready := m.folder, m.turns, m.ready && m.blocked == ""
	m.mu.Unlock()
	switch {
	case turn != d.turn:
		return 0, errTurned
	case !ready || f == nil:
		return 0, errors.New("the folder is not open, or between two releases")
	case holds.m == nil && (!heard.IsZero() || !m.releases.Head().IsZero() || !m.cfg.First()):
		return 0, errNotFirst
	}
	ours, changes, err := m.draft(d, holds.m, strays)
	if err != nil {
		return 0, err
	}
	if len(changes) == 0 {
		m.turned() // what can't be published is not offered again
		return 0, nil
	}
	m.wait(len(changes), "")
	if path := f.returned(changes); path != "" {
		return 0, fmt.Errorf("%q was removed and is there again: %w", path, errTurned)
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	if err := m.store(f, changes); err != nil {
		return 0, err
	}
	accepted, err := m.propose(ctx, holds, ours)
	if err != nil {
		return 0, err
	}
	if accepted == nil {
		return 0, m.accept(ours, nil)
	}
	m.done.Go(func() { m.tell(accepted) })
	m.log.Info("release published", "release", accepted.Number, "kind", accepted.Kind, "changes", release.Summarize(changes).String())
	return accepted.Number, m.accept(ours, accepted)
}

// tell announces a release to the other agents.
func (m *Member) tell(accepted *release.Manifest) {
	ctx, cancel := context.WithTimeout(m.life, callTime)
	defer cancel()
	m.cfg.Peers.Announce(ctx, accepted)
}
