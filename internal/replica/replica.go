package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release/conflicts"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/watch"
)

const (
	// pollPeers is how often it is looked who is alive.
	pollPeers = time.Second
	// chores is how often old deletions are forgotten and the log is looked after.
	chores = time.Minute
	// serving is how many files are sent to peers at once; more wait.
	serving = 8
	// unseenAfter is how long the watcher may take to see a file that was put in
	// place, beside the settle time, and lookAgain how often the folder is looked
	// through because it did not.
	unseenAfter = time.Second
	lookAgain   = 10 * time.Second
	// rebaseDelay gathers what was removed and replaced here before the watcher is told
	// of it; it must be told before that has settled.
	rebaseDelay = 50 * time.Millisecond
	// maxSaid bounds the causes that are remembered as logged.
	maxSaid = 1000
)

// errUnwritten: a new index is written when the folder has been looked at: after a
// crash before, nothing of what lies there may count as a change.
var errUnwritten = errors.New("the index is not written yet")

// Replica keeps one folder as the other nodes have it. All its methods may be
// called from any goroutine.
type Replica struct {
	cfg     Config
	log     *slog.Logger
	watcher *watch.Watcher
	state   disk.FS
	kept    *conflicts.Folder
	queue   *queue
	sends   chan struct{} // has room for what is sent at once

	// disk is held while the folder is changed, or looked at to say what changed
	// in it, so that neither sees the other's work half done. It comes before mu.
	disk sync.Mutex

	mu          sync.Mutex
	index       *index
	journal     *indexLog
	logErr      error // why the index is not on the disk; nil: it is
	ready       bool
	asked       map[string]bool // peers that know no more of what is unsure
	links       map[string]*link
	leveled     time.Time         // see level
	refused     map[string]string // local names that can't be on all nodes, with the reason
	refusals    int               // of what peers told
	said        map[string]bool   // causes that were logged
	saidRefused map[string]bool   // the same of what peers told, so that they can't use up the others' room
	away        bool              // for longer than deletions are remembered
	conflicts   int
	unsynced    map[string]*Entry    // what was made so in the folder, but is not on the disk yet
	outdated    []string             // what was removed or replaced here, of which the watcher's base still has what was there
	placed      map[string]time.Time // what it may not have yet

	// These belong to the goroutine that run is.
	hold holder
	base *watch.Tree // what the watcher last saw, or was to see
	seen time.Time   // when the folder was last looked through for what was not seen

	staging struct {
		sync.Mutex
		users int
	}

	changed chan struct{}              // has room for one: unsynced is not empty
	rebase  chan struct{}              // has room for one: outdated is not empty
	calls   chan func(context.Context) // for the goroutine that run is
	ended   chan struct{}              // closed when it takes no more
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
}

// New begins to keep the folder alike. Peers may be asked, and may ask, from then
// on. The Replica must be closed.
func New(cfg Config) (*Replica, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: cfg.withDefaults(), queue: newQueue(), sends: make(chan struct{}, serving),
		asked: make(map[string]bool), links: make(map[string]*link), refused: make(map[string]string),
		said: make(map[string]bool), saidRefused: make(map[string]bool), unsynced: make(map[string]*Entry), placed: make(map[string]time.Time), changed: make(chan struct{}, 1), rebase: make(chan struct{}, 1),
		calls: make(chan func(context.Context)), ended: make(chan struct{}),
	}
	r.log = r.cfg.Logger
	fresh, err := r.open()
	if err != nil {
		r.queue.close()
		return nil, fmt.Errorf("replica of %s: %w", r.cfg.Root, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.queue.pause(true)
	r.tasks.Go(func() { r.run(ctx, fresh) })
	r.tasks.Go(func() { r.commit(ctx) })
	for range r.cfg.Transfers {
		r.tasks.Go(func() { r.work(ctx) })
	}
	return r, nil
}

// open opens all that is on the disk. fresh tells that nothing is known of the
// folder.
func (r *Replica) open() (fresh bool, err error) {
	if err := os.MkdirAll(r.cfg.StateDir, 0o700); err != nil {
		return false, fmt.Errorf("make the state folder: %w", err)
	}
	if r.state, err = disk.Open(r.cfg.StateDir); err != nil {
		return false, fmt.Errorf("open the state folder: %w", err)
	}
	defer func() {
		if err != nil {
			_ = r.state.Close() // nothing waits in it
			if r.journal != nil {
				_ = r.journal.f.Close()
			}
		}
	}()
	r.kept = conflicts.New(r.state)
	if err := r.kept.Sweep(); err != nil {
		return false, err
	}
	r.countKept()
	if err := durable.Sweep(r.cfg.StateDir); err != nil {
		return false, err
	}
	if fresh, err = r.openIndex(); err != nil {
		return false, err
	}
	if fresh {
		if err := os.MkdirAll(r.cfg.Root, 0o755); err != nil {
			return false, fmt.Errorf("make the folder: %w", err)
		}
	}
	r.watcher, err = watch.New(r.cfg.watch())
	return fresh, err
}

func (r *Replica) openIndex() (fresh bool, err error) {
	empty := func() *index {
		return newIndex(r.cfg.Node, limits{
			files: r.cfg.MaxFiles, tombstones: r.cfg.MaxTombstones, fileSize: r.cfg.MaxFileSize,
			tombstoneLife: r.cfg.TombstoneLife, allowed: r.cfg.Allowed,
		})
	}
	r.index = empty()
	r.journal, fresh, err = openLog(r.cfg.StateDir, r.index)
	if errors.Is(err, errDamaged) {
		r.log.Error("the index can't be read and is made anew from the folder", "error", err,
			"kept", filepath.Join(r.cfg.StateDir, logName+".damaged"))
		if err := setAside(r.cfg.StateDir); err != nil {
			return false, err
		}
		r.index = empty()
		r.journal, fresh, err = openLog(r.cfg.StateDir, r.index)
	}
	if err != nil {
		return false, err
	}
	if fresh {
		r.journal.since = r.cfg.now().UTC()
		r.logErr = errUnwritten
	}
	return fresh, nil
}

// countKept counts the versions that were kept aside and are still there.
func (r *Replica) countKept() {
	list, err := r.kept.List()
	if err != nil {
		r.log.Warn("the versions that are kept aside can't be counted", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conflicts = len(list)
}

// Close ends all work and what peers are sent. What is not done is done after the
// next New. It may be called again.
func (r *Replica) Close() error {
	r.cancel()
	r.queue.close()
	r.tasks.Wait()
	r.commitNow() // or what came last and is deleted before the next start would come back
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal == nil {
		return nil
	}
	err := errors.Join(r.watcher.Close(), r.journal.flush(), r.journal.f.Sync(), r.journal.f.Close(), r.state.Close())
	r.journal, r.ready = nil, false
	if err != nil {
		return fmt.Errorf("close the replica of %s: %w", r.cfg.Root, err)
	}
	return nil
}

// run owns what is known of the watcher, and sees to what is done from time to
// time.
func (r *Replica) run(ctx context.Context, fresh bool) {
	defer close(r.ended)
	if !r.begin(ctx, fresh) {
		return
	}
	r.look(ctx)
	poll := time.NewTicker(pollPeers)
	defer poll.Stop()
	chore := time.NewTicker(chores)
	defer chore.Stop()
	var rebase <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case c, ok := <-r.watcher.Changes():
			if !ok {
				return
			}
			r.report(c)
		case call := <-r.calls:
			call(ctx)
		case <-r.hold.due():
			r.release()
		case <-r.rebase:
			if rebase == nil {
				rebase = time.After(rebaseDelay)
			}
		case <-rebase:
			if r.hold.change != nil { // it may be one that was confirmed, see hold
				rebase = time.After(rebaseDelay)
				continue
			}
			rebase = nil
			r.setBase(r.base)
		case <-poll.C:
			r.look(ctx)
			if r.hold.change == nil {
				r.miss(ctx)
			}
		case <-chore.C:
			r.chores()
		}
	}
}

// scan looks through the whole folder now.
func (r *Replica) scan(ctx context.Context) error {
	tree, err := r.watcher.Snapshot(ctx)
	if err != nil {
		return err
	}
	if tree, err = r.takeIn(r.since(tree), true, false); err != nil {
		return err
	}
	r.hold.drop()
	r.setBase(tree)
	return nil
}

// restore makes what is gone from the folder missing.
func (r *Replica) restore() error {
	r.disk.Lock()
	defer r.disk.Unlock()
	t, err := r.cfg.openTree()
	if err != nil {
		return err
	}
	defer t.Close()
	var gone []string
	r.mu.Lock()
	for path, rec := range r.index.all() {
		if rec.present() {
			if _, err := t.Lstat("look for the file", path); isGone(err) {
				gone = append(gone, path)
			}
		}
	}
	for _, path := range gone {
		rec := r.index.get(path)
		r.index.set(path, record{entry: rec.entry, unsure: rec.unsure})
		r.queue.want(path)
	}
	if !r.leveled.IsZero() {
		r.leveled = time.Now() // what is gone counts as missing at once, see Lag
	}
	r.outdated = append(r.outdated, gone...)
	r.rewrite(true) // a line can't take back what another says
	r.mu.Unlock()
	r.log.Info("what is gone from the folder is fetched again", "files", len(gone))
	r.hold.drop()
	r.setBase(r.base)
	r.gate()
	return nil
}

// begin finds out what the folder holds now. It reports false when the replica was
// closed before.
func (r *Replica) begin(ctx context.Context, fresh bool) bool {
	r.setBase(r.have())
	for first := true; ; first = false {
		tree, err := r.watcher.Snapshot(ctx)
		if err == nil {
			err = r.first(tree, fresh)
		}
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			return true
		}
		if first {
			r.log.Warn("the folder can't be looked at", "error", err)
		}
		if !fresh {
			// What is known from before holds, and the watcher says when the folder is
			// back.
			r.setReady()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollPeers):
		}
	}
}
