package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher turns what happens in a folder into settled sets of changes. All its
// methods may be called from any goroutine.
type Watcher struct {
	cfg     Config
	rules   *ruleset
	inbox   *inbox
	watches *watchList
	hasher  *hasher
	board   board

	changes chan Change
	cmds    chan func()
	waiting atomic.Int32 // callers that want the goroutine
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended

	state // belongs to the goroutine that run is
}

// New begins to watch. Nothing is published before [Watcher.SetBase] was called.
// The Watcher must be closed.
func New(cfg Config) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var n notifier
	system, err := fsnotify.NewWatcher()
	if err == nil {
		n = systemNotifier{system}
	}
	w, err2 := newWatcher(cfg, n)
	if err2 != nil {
		if n != nil {
			n.Close()
		}
		return nil, err2
	}
	if err != nil {
		w.watches.reason = noNotifier(err)
	}
	w.start()
	return w, nil
}

// newWatcher makes a Watcher that is not started. Without a notifier only
// rescans find changes.
func newWatcher(cfg Config, n notifier) (*Watcher, error) {
	cfg = cfg.withDefaults()
	rules, err := cfg.Rules.compile()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", cfg.Root, err)
	}
	w := &Watcher{
		cfg: cfg, rules: rules, inbox: newInbox(), watches: newWatchList(n, cfg.Root),
		changes: make(chan Change, 1), cmds: make(chan func()), done: make(chan struct{}),
	}
	w.state = state{settler: settler{settle: cfg.Settle, max: cfg.MaxSettle}, root: &dir{}, said: make(map[string]bool)}
	if w.cfg.CacheFile != "" {
		w.removals.file = w.cfg.CacheFile + ".removals"
	}
	w.hasher = newHasher(&w.cfg, nil)
	return w, nil
}

func (w *Watcher) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.hasher.interrupt = func() bool { return w.waiting.Load() > 0 || ctx.Err() != nil }
	var pumps sync.WaitGroup
	if n := w.watches.n; n != nil {
		pumps.Go(func() { w.inbox.pump(n, w.cfg.Root, w.rules) })
	}
	go func() {
		defer close(w.done)
		w.run(ctx)
		if w.watches.n != nil {
			_ = w.watches.n.Close() // there is nothing that a failure could harm
		}
		pumps.Wait()
		close(w.changes)
	}()
}

// Changes gives the settled sets of changes against the base. One that is not
// taken is replaced by the next, which holds all that it held. It is not given
// again until the folder or the base changes. The channel is closed by Close.
func (w *Watcher) Changes() <-chan Change { return w.changes }

// SetBase says what the folder should hold, such as what the last release says:
// only what differs from it is a change. A Change is accepted by setting its
// Tree. What differs from the base now is published, even if it was before.
func (w *Watcher) SetBase(base *Tree) {
	w.do(func() {
		w.withdraw()
		w.accept(base, time.Now())
		w.base, w.hasBase, w.stale = base, true, true
		w.offered, w.meant, w.judge = nil, nil, true
	})
}

// Pause ends publishing, for whoever writes into the folder with the intent to
// set the base. A Change that was not taken yet is withdrawn. Calls do not nest.
func (w *Watcher) Pause() {
	w.do(func() {
		w.withdraw()
		w.paused, w.offered = true, nil
	})
}

// Resume compares the whole folder and begins to publish again.
func (w *Watcher) Resume() {
	w.do(func() {
		if w.paused {
			w.paused, w.judge, w.rescanAt = false, true, time.Time{}
			w.settler.restart(time.Now())
		}
	})
}

// ConfirmRemoval says that what [Status.Suspicious] tells is meant: the files
// are gone, or the folder is another one, by intent. It stands for the files that were
// found to be gone by then and for no others, and holds until the base is set or they
// are back. finding is the [Status.Finding] that was looked at: when something else is gone
// by now, it fails. It fails as well when there is nothing to confirm, and when there is no
// folder.
func (w *Watcher) ConfirmRemoval(finding string) error {
	err := errors.New("the watcher is closed")
	w.do(func() {
		switch {
		case w.broken != "":
			err = errors.New(w.broken)
		case w.found.named() == "":
			err = errors.New("there is none that waits for it")
		case w.found.named() != finding:
			err = fmt.Errorf("what is gone has changed since %q was shown: look at it once more; it is %q now", finding, w.found.named())
		default:
			err, w.meant, w.judge = nil, w.found, true
		}
	})
	if err != nil {
		return fmt.Errorf("confirm the removal in %s: %w", w.cfg.Root, err)
	}
	return nil
}

// Snapshot compares the whole folder now and returns what it holds, without
// waiting for quiet. Files that are being written, and all that is refused, are
// in it as the base has them. It fails when the folder is not there, is
// suspicious, or has too many files.
func (w *Watcher) Snapshot(ctx context.Context) (*Tree, error) {
	var tree *Tree
	err := errors.New("the watcher is closed")
	w.do(func() { tree, err = w.snapshot(ctx) })
	if err != nil {
		return nil, fmt.Errorf("take a snapshot of %s: %w", w.cfg.Root, err)
	}
	return tree, nil
}

// Status tells how the Watcher is. It does not wait for a scan.
func (w *Watcher) Status() Status { return w.board.get() }

// Known tells whether folder, as Stat describes it, is the one that the base is about, and
// not another that has its place now: when a file system is unmounted there, or a directory
// above is renamed, the system reports nothing, and Status says so after the next rescan
// only. Before the first scan every folder is. It does not wait for a scan.
func (w *Watcher) Known(folder fs.FileInfo) bool {
	known := w.board.folder()
	return known == nil || os.SameFile(known, folder)
}

// Close ends the Watcher and saves the hashes. It may be called again.
func (w *Watcher) Close() error {
	w.cancel()
	<-w.done
	return nil
}

// do has the goroutine call fn, unless the Watcher is closed.
func (w *Watcher) do(fn func()) {
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	called := make(chan struct{})
	select {
	case w.cmds <- func() { fn(); close(called) }:
		<-called
	case <-w.done:
	}
}
