package patch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/apply"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/release/store"
	"github.com/omflow/booster/internal/watch"
)

const (
	// keepTime is how often the keeper looks after the folder.
	keepTime = time.Second
	// callTime bounds one call to a peer that is short.
	callTime = 10 * time.Second
	// maxNews is how many announcements may wait, and maxNewsFiles how many files their
	// releases may name: a file takes about 200 bytes of memory.
	maxNews      = 64
	maxNewsFiles = 1_000_000
)

// Member is one server's part in keeping a folder the same everywhere. All methods
// may be called concurrently.
type Member struct {
	cfg      Config
	log      *slog.Logger
	covers   func(path string) bool
	releases *history.Log
	blobs    *store.Store
	watcher  *watch.Watcher

	life context.Context // ends with Close
	end  context.CancelFunc
	done sync.WaitGroup

	// work is held by who changes what the folder is taken for: publishing, applying,
	// following another sequence. It comes before mu.
	work sync.Mutex
	// basing is held while the watcher's base is set.
	basing sync.Mutex
	// pins is held for reading while contents are stored that no release names yet.
	pins sync.RWMutex

	attempt chan struct{}    // a booster may answer again, or the sequence has changed
	news    chan struct{}    // there is something to fetch
	publish chan publishNow  // what is to be published without waiting
	offers  chan api.Content // what others are to be offered
	offered chan offered     // what others have offered

	mu        sync.Mutex
	turn      context.Context // of what gives way to Apply
	endTurn   context.CancelFunc
	folder    *folder // nil while it is not open
	blocked   string  // why the server must not be started
	ready     bool    // the folder was looked at since the start
	based     bool    // the watcher has a base
	ground    known   // none: the applied release is
	strays    *release.Manifest
	lost      lost          // of these; the keeper's
	unfit     []watch.Entry // files that can't be in a release
	turns     uint64        // grows after what the folder is taken for has changed
	heard     release.Ref   // the newest release, as a booster says
	asked     bool          // a booster has said something
	confirmed release.Ref   // the newest release that is here as a booster says
	announce  []announced
	staged    release.Ref // what was staged, and on top of what
	stagedOn  release.Ref
	waits     waiting // what is to be published
	trouble   string  // why the newest release can't be staged
	failure   string  // why a release that was ordered is not applied
	kept      conflictList
	rotten    []release.Hash                 // contents that the disk has damaged
	restored  time.Time                      // when files were last brought back
	coming    map[release.Hash]chan struct{} // contents that are fetched on an offer; closed when that has ended
	spare     []release.Hash                 // those that came, and that no release has named
}

// known is a manifest and its name, which takes time to find.
type known struct {
	m   *release.Manifest // nil: none
	ref release.Ref
}

func name(m *release.Manifest) known {
	if m == nil {
		return known{}
	}
	return known{m, m.Ref()}
}

// folder is the open folder.
type folder struct {
	applier *apply.Applier
	root    *os.Root
	info    os.FileInfo // which one it is
	applied known
}

// New begins to keep the folder in cfg, which need not be there yet. It fails when the
// state folder can't be used. The Member must be closed.
func New(cfg Config) (*Member, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.checkState(); err != nil {
		return nil, err
	}
	m := &Member{
		cfg: cfg, log: cfg.Logger.With("folder", cfg.Root),
		attempt: make(chan struct{}, 1), news: make(chan struct{}, 1), publish: make(chan publishNow),
		offers: make(chan api.Content, maxOffers), offered: make(chan offered, maxOffers), coming: make(map[release.Hash]chan struct{}),
		blocked: "it is not known yet whether a release was being applied",
	}
	covers, err := cfg.allowed()
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	m.covers = covers
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	if m.blobs, err = store.Open(store.Config{Dir: m.state("blobs"), Log: m.log}); err != nil {
		return nil, err
	}
	if m.releases, err = history.Open(history.Config{Dir: m.state("history"), Keep: cfg.Keep, Log: m.log}); err != nil {
		return nil, err
	}
	if err := m.loadGround(); err != nil {
		return nil, errors.Join(err, m.releases.Close())
	}
	m.loadRestored()
	watched := cfg.watch()
	watched.Copy = m.intake
	if m.watcher, err = watch.New(watched); err != nil {
		return nil, errors.Join(err, m.releases.Close())
	}
	ctx, end := context.WithCancel(context.Background())
	m.life, m.end = ctx, end
	m.turn, m.endTurn = context.WithCancel(ctx)
	m.done.Go(func() { m.keep(ctx) })
	m.done.Go(func() { m.publishAll(ctx) })
	m.done.Go(func() { m.fetchAll(ctx) })
	m.done.Go(func() { m.tellOffers(ctx) })
	m.done.Go(func() { m.takeOffers(ctx) })
	return m, nil
}

func (m *Member) state(name string) string { return filepath.Join(m.cfg.StateDir, name) }

// Close ends the Member. What it has staged stays. It must not be called twice.
func (m *Member) Close() error {
	m.end()
	m.done.Wait()
	err := m.watcher.Close()
	m.work.Lock()
	defer m.work.Unlock()
	return errors.Join(err, m.closeFolder(), m.releases.Close())
}

// keep opens the folder, and looks after it, until ctx ends.
func (m *Member) keep(ctx context.Context) {
	t := time.NewTicker(keepTime)
	defer t.Stop()
	for n := 0; ; n++ {
		m.lookAfter(ctx)
		if n%60 == 0 {
			m.listConflicts()
		}
		if n%3600 == 3599 {
			m.collect()
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// lookAfter opens the folder when it is there, mends it, and lets changes be found.
func (m *Member) lookAfter(ctx context.Context) {
	m.mu.Lock()
	f, ok := m.folder, m.ready && m.blocked == ""
	m.mu.Unlock()
	if ok && f.isThere(m.cfg.Root) {
		m.begin()
		return
	}
	m.work.Lock()
	defer m.work.Unlock()
	err := m.openFolder()
	if err == nil {
		err = m.rebuild(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			m.block(err)
		}
		return
	}
	if err := m.findGround(ctx); err != nil {
		if ctx.Err() != nil {
			return
		}
		m.log.Warn("it is not known whether the folder was restored from a backup", "error", err)
	}
	m.mu.Lock()
	m.ready, m.blocked = true, ""
	m.mu.Unlock()
	m.turned() // what was found while the folder was a mix does not count
	m.watcher.Resume()
	m.begin()
	m.wake()
	m.cfg.Changed()
}

func (f *folder) isThere(root string) bool {
	info, err := os.Stat(root)
	return f != nil && err == nil && os.SameFile(f.info, info)
}

// block notes why the server must not be started.
func (m *Member) block(err error) {
	m.mu.Lock()
	was := m.blocked
	m.blocked = err.Error()
	m.mu.Unlock()
	if was != err.Error() {
		m.log.Error("the server is not started on this folder", "error", err)
		m.cfg.Changed()
	}
}

// openFolder opens the folder that is there, and finishes or undoes what a crash has
// left. The caller holds work.
func (m *Member) openFolder() error {
	m.mu.Lock()
	f := m.folder
	m.mu.Unlock()
	if !f.isThere(m.cfg.Root) {
		if err := m.closeFolder(); err != nil {
			m.log.Warn("the folder that was there before could not be closed", "error", err)
		}
		var err error
		if f, err = m.open(); err != nil {
			return err
		}
	}
	outcome, err := f.applier.Recover()
	if err != nil {
		return fmt.Errorf("bring the folder to one release: %w", err)
	}
	if outcome != apply.Nothing {
		m.log.Warn("a release that was being applied is "+outcome.String(), "release", f.applier.Applied().Ref())
	}
	m.mu.Lock()
	f.applied = name(f.applier.Applied())
	m.mu.Unlock()
	return nil
}

func (m *Member) open() (*folder, error) {
	info, err := os.Stat(m.cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("open the patch folder: %w", err)
	}
	applier, err := apply.Open(apply.Config{
		Root: m.cfg.Root, State: m.state("apply"), Node: m.cfg.Node, Store: m.blobs, Allowed: m.covers, Log: m.log,
	})
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(m.cfg.Root)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the patch folder: %w", err), applier.Close())
	}
	f := &folder{applier: applier, root: root, info: info}
	m.mu.Lock()
	m.folder, m.ready = f, false
	m.mu.Unlock()
	return f, nil
}

func (m *Member) closeFolder() error {
	m.mu.Lock()
	f := m.folder
	m.folder = nil
	m.mu.Unlock()
	if f == nil {
		return nil
	}
	return errors.Join(f.applier.Close(), f.root.Close())
}

// begin lets the watcher find changes as soon as it is known against what: this
// server's folder as a whole when it may be the first release.
func (m *Member) begin() {
	m.mu.Lock()
	now := !m.based && m.ready && (m.holds().m != nil || m.asked && m.heard.IsZero() && m.cfg.First())
	m.based = m.based || now
	m.mu.Unlock()
	if now {
		m.rebase()
	}
}

// holds is the release that the folder is known to hold: the ground. The caller holds
// mu.
func (m *Member) holds() known {
	if m.ground.m != nil || m.folder == nil {
		return m.ground
	}
	return m.folder.applied
}

// rebase makes the ground the watcher's base. It waits for a scan that is under way, so
// mu is not held meanwhile.
func (m *Member) rebase() {
	m.basing.Lock()
	defer m.basing.Unlock()
	m.mu.Lock()
	based, holds, strays, unfit := m.based, m.holds().m, m.strays, m.unfit
	m.mu.Unlock()
	if based {
		m.watcher.SetBase(treeOf(unfit, holds, strays))
	}
}

// preempted is the context of what gives way to Apply.
func (m *Member) preempted() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.turn
}

// wake has the publisher and the fetcher look.
func (m *Member) wake() {
	poke(m.attempt)
	poke(m.news)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
