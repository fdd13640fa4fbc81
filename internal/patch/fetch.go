package patch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/apply"
	"github.com/omflow/booster/internal/release/history"
)

const (
	// fetchAgain is between two rounds of asking peers for contents that none had or
	// had time for, jittered so that many agents don't ask at the same moments.
	fetchAgain = 50 * time.Millisecond
	// fetchRetry is until a release that could not be staged is tried again.
	fetchRetry = 5 * time.Second
	// fetchPatience is how long the peers of a cluster are asked for one release's
	// contents without getting any, before the failure is told.
	fetchPatience = 5 * time.Second
	// commitBytes is how much is fetched before it is kept for good, so that what a
	// broken stream has brought needs not come again.
	commitBytes = 256 << 20
)

// fetchAll fetches what is new until ctx ends.
func (m *Member) fetchAll(ctx context.Context) {
	retry := time.NewTimer(fetchRetry)
	defer retry.Stop()
	told := make(map[release.Ref]bool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.news:
		case <-retry.C:
		}
		if m.preempted().Err() != nil {
			continue // who has the turn wakes it at the end
		}
		err := m.catchUp(m.preempted())
		if m.mend(m.preempted(), told) && errors.Is(err, history.ErrUnreadable) {
			err = m.catchUp(m.preempted())
		}
		m.replace(m.preempted())
		if ctx.Err() != nil {
			return
		}
		m.troubled(err)
		retry.Reset(fetchRetry)
	}
}

// troubled notes why the newest release can't be staged, nil when it is.
func (m *Member) troubled(err error) {
	text := ""
	switch {
	case errors.Is(err, context.Canceled):
		poke(m.news) // it gave way, and goes on
		return
	case err != nil:
		text = err.Error()
	}
	m.mu.Lock()
	was := m.trouble
	m.trouble = text
	m.mu.Unlock()
	if text == was {
		return
	}
	if err != nil {
		m.log.Warn("the newest release can't be staged", "error", err)
	}
	m.cfg.Changed()
}

// catchUp learns of the newest releases, and stages the newest.
func (m *Member) catchUp(ctx context.Context) error {
	m.mu.Lock()
	f, ready := m.folder, m.ready && m.blocked == ""
	m.mu.Unlock()
	if !ready {
		return nil // the keeper has it done again
	}
	if err := m.learn(ctx); err != nil {
		return err
	}
	head := m.releases.Head()
	m.mu.Lock()
	holds := m.holds()
	done := m.staged == head && m.stagedOn == holds.ref
	m.mu.Unlock()
	if head.IsZero() || done {
		return nil
	}
	target, err := m.releases.Get(head.Number)
	if err != nil {
		return err
	}
	if holds.ref != head {
		// Else it is in the folder already: it was made here.
		if err := m.stage(ctx, f, target, f.applier.Stage); err != nil {
			return err
		}
	}
	// The first release may be what the folder holds, and one that takes another back
	// may change nothing here: then the server needs no restart for it. That is noted
	// before anybody hears that the release could be applied. Any other that changes
	// nothing is not: it may wait for a person, by the configuration of whichever agent it
	// stands on, who may let out one before it, and a folder never goes back. What brings
	// an older content back waits for nobody.
	m.mu.Lock()
	same := f.applied.m == nil || target.Kind == release.Rollback && len(release.Changes(f.applied.m, target)) == 0
	m.mu.Unlock()
	if same {
		m.work.Lock()
		err := m.note(target)
		m.work.Unlock()
		if err != nil {
			return err
		}
	}
	m.mu.Lock()
	if m.staged != head {
		m.failure = "" // that was about an older one
	}
	m.staged, m.stagedOn = head, holds.ref
	if m.holds().ref == head {
		m.stagedOn = head // it was noted just now
	}
	m.mu.Unlock()
	m.cfg.Changed()
	return m.fetchOlder(ctx)
}

// stage fetches what a release needs here, and puts it beside the folder with one of
// the applier's methods.
func (m *Member) stage(ctx context.Context, f *folder, target *release.Manifest, put func(context.Context, apply.Request) (apply.Result, error)) error {
	if why := m.watcher.Status().Suspicious; why != "" && f.applied.m != nil {
		return fmt.Errorf("nothing is applied: %s", why)
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	req, _, err := m.gather(ctx, f, target)
	if err != nil {
		return err
	}
	_, err = put(ctx, req)
	return err
}

// gather fetches what a release needs here, and says what the applier is to do. The
// caller holds pins, as long as the contents are to stay.
func (m *Member) gather(ctx context.Context, f *folder, target *release.Manifest) (apply.Request, *first, error) {
	if err := m.named(ctx, target); err != nil {
		return apply.Request{}, nil, err
	}
	missing, err := m.missing(ctx, f, target)
	if err != nil {
		return apply.Request{}, nil, err
	}
	if err := m.fetch(ctx, target.Origin, missing); err != nil {
		return apply.Request{}, nil, err
	}
	return m.request(ctx, f, target)
}

// missing lists the contents that a release needs and that are not here: in the store,
// or in the folder, of which the applier takes what is right already.
func (m *Member) missing(ctx context.Context, f *folder, target *release.Manifest) ([]release.File, error) {
	m.mu.Lock()
	applied := f.applied.m
	whole := m.whole(f, target)
	m.mu.Unlock()
	if applied != nil && !whole {
		var news []release.File
		for _, c := range release.Changes(applied, target) {
			if c.New != nil {
				news = append(news, *c.New)
			}
		}
		return m.blobs.Missing(news), nil
	}
	tree, err := m.watcher.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return m.blobs.Missing(slices.DeleteFunc(slices.Clone(target.Files), func(file release.File) bool {
		e, ok := tree.Get(file.Path)
		return ok && sameFile(file, e)
	})), nil
}

// fetch gets contents from peers, from the origin first.
func (m *Member) fetch(ctx context.Context, origin string, files []release.File) error {
	if err := m.room(files); err != nil {
		return err
	}
	begun := time.Now()
	for len(files) > 0 {
		var errs []error
		for _, agent := range m.sources(origin) {
			err := m.fetchFrom(ctx, agent, files)
			if err != nil {
				errs = append(errs, err)
			}
			left := m.blobs.Missing(files)
			if len(left) < len(files) {
				begun = time.Now()
			}
			if files = left; len(files) == 0 {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if time.Since(begun) > fetchPatience {
			return fmt.Errorf("no other server has the content of %q, or can send it: %w", files[0].Path, errors.Join(errs...))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fetchAgain/2 + rand.N(fetchAgain)):
		}
	}
	return nil
}

// sources are the agents to ask, in turn: the origin, and the others in any order.
func (m *Member) sources(origin string) []string {
	agents := m.cfg.Peers.Agents()
	rand.Shuffle(len(agents), func(i, j int) { agents[i], agents[j] = agents[j], agents[i] })
	if i := slices.Index(agents, origin); i > 0 {
		agents[0], agents[i] = agents[i], agents[0]
	}
	return agents
}

// fetchFrom gets what one agent has. What has come of a stream that breaks is kept.
func (m *Member) fetchFrom(ctx context.Context, agent string, files []release.File) error {
	batch := m.blobs.NewBatch()
	defer func() { batch.Abort() }()
	size := int64(0)
	err := m.cfg.Peers.Blobs(ctx, agent, files, func(r io.Reader, h release.Hash, n int64) error {
		if err := batch.Put(r, h, n); err != nil {
			return err
		}
		if size += n; size < commitBytes {
			return nil
		}
		err := batch.Commit()
		batch, size = m.blobs.NewBatch(), 0
		return err
	})
	if cerr := batch.Commit(); cerr != nil {
		return errors.Join(err, cerr)
	}
	if errors.Is(err, api.ErrBusy) {
		return fmt.Errorf("agent %s: %w", agent, api.ErrBusy)
	}
	return err
}

// fetchOlder gets what the releases between the applied one and the newest had: one of
// them may be the newest that is approved, or come back.
func (m *Member) fetchOlder(ctx context.Context) error {
	m.mu.Lock()
	applied := known{}
	if m.folder != nil {
		applied = m.folder.applied
	}
	m.mu.Unlock()
	if applied.m == nil {
		return nil
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	before := applied.m
	for number := applied.ref.Number + 1; number < m.releases.Head().Number; number++ {
		next, err := m.releases.Get(number)
		if errors.Is(err, history.ErrUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		var news []release.File
		for _, c := range release.Changes(before, next) {
			if c.New != nil {
				news = append(news, *c.New)
			}
		}
		if err := m.named(ctx, next); err != nil {
			return err
		}
		if err := m.fetch(ctx, next.Origin, m.blobs.Missing(news)); err != nil {
			return fmt.Errorf("fetch release %d: %w", number, err)
		}
		before = next
	}
	return nil
}
