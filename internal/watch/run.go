package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// retryRoot is how often it is looked whether a folder that is not there, or is
// another one, is back. Nothing reports that.
const retryRoot = time.Second

// maxSaid bounds the causes that are remembered as logged.
const maxSaid = 10_000

// state is what one goroutine owns.
type state struct {
	settler  settler
	root     *dir
	survey   survey
	stale    bool              // survey is older than root or base
	cache    map[string]cached // from the file, until the first scan
	newSums  bool              // hashes that the cache file does not have
	rescanAt time.Time
	// recheckAt is when a hash that may be older than its file is checked; zero:
	// there is none.
	recheckAt time.Time
	scanned   time.Time

	known    os.FileInfo // the folder that the base is about; nil before the first scan
	present  os.FileInfo // the folder that is there
	replaced bool        // they are not the same
	rootAt   time.Time   // when to look whether the known one is back; zero: it is there
	broken   string      // why the folder cannot be compared

	base     *Tree
	hasBase  bool
	offered  *Tree   // the last that went out; nil: none since the base was set
	removed  []Entry // the removals of that one, but for what was moved
	removals removals
	judge    bool      // compare with the base at the next step
	tried    time.Time // the latest activity after which was read ahead
	aheadFor time.Time // the beginning of the wait in which something was
	paused   bool

	suspicion string
	found     *finding // what that is about; nil: nothing that could be meant
	meant     *finding // what somebody has confirmed; nil: nothing
	open      []string // changed files that a writer has open
	leaseless string   // why writers are not known
	said      map[string]bool
}

// run is the goroutine that owns the state.
func (w *Watcher) run(ctx context.Context) {
	w.loadCache()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		called := false
		select {
		case <-ctx.Done():
			w.hasher.drop()
			w.saveCache()
			return
		case fn := <-w.cmds:
			fn()
			called = true
		case <-w.inbox.poke:
		case <-timer.C:
		}
		w.hear()
		if w.step(time.Now()) || called {
			w.report()
		}
		timer.Reset(time.Until(w.next()))
	}
}

// hear passes on what the notifier said.
func (w *Watcher) hear() {
	first, last, lost := w.inbox.times()
	if !first.IsZero() {
		w.settler.activity(first)
		w.settler.activity(last)
	}
	if lost {
		w.say("overflow", "the system lost events; each time the whole folder is compared")
		w.rescanAt = time.Time{}
	}
}

// next is when the next step is due. Events and calls come in between.
func (w *Watcher) next() time.Time {
	switch {
	case w.paused:
		return time.Now().Add(time.Hour)
	case w.broken != "":
		return w.rescanAt
	case w.judge:
		return time.Time{}
	}
	t := w.rescanAt
	for _, other := range []time.Time{w.settler.due(), w.aheadAt(), w.recheckAt, w.rootAt} {
		if !other.IsZero() && other.Before(t) {
			t = other
		}
	}
	return t
}

// step does what is due, and tells whether anything was.
func (w *Watcher) step(now time.Time) bool {
	if w.paused || now.Before(w.next()) {
		return false
	}
	root, err := w.look(now)
	if err != nil {
		w.fail(err, now)
		return true
	}
	defer root.Close()
	if due := w.settler.due(); !due.IsZero() && now.Before(due) {
		w.judge = false // it is judged with what settles now
		if !w.recheckAt.After(now) {
			w.recheckAt = time.Time{} // and checked then
		}
		if at := w.aheadAt(); !at.IsZero() && !now.Before(at) {
			w.readAhead(root, now)
		}
		return true
	}
	if w.hasBase {
		w.evaluate(root, now)
	} else {
		// Nothing is read before there is a base: what a Snapshot has read is checked then.
		w.settler.stop()
		w.judge, w.recheckAt = false, time.Time{}
	}
	return true
}

// look brings root and survey up to date and returns the open folder.
func (w *Watcher) look(now time.Time) (*os.Root, error) {
	root, err := w.openRoot(now)
	if err != nil {
		return nil, err
	}
	if err := w.compare(root, now); err != nil {
		root.Close()
		return nil, err
	}
	if w.stale {
		w.survey = survey{}
		w.survey.add(w.root, w.base)
		w.stale = false
	}
	if n := len(w.survey.files) + len(w.survey.refused); n > w.cfg.MaxFiles {
		root.Close()
		return nil, errTooMany
	}
	if w.broken != "" { // it can be compared again, whoever wanted to look
		w.broken = ""
		w.settler.activity(now)
	}
	return root, nil
}

// openRoot opens the folder and finds out whether it is the known one.
func (w *Watcher) openRoot(now time.Time) (*os.Root, error) {
	root, err := os.OpenRoot(w.cfg.Root)
	if err != nil {
		return nil, err
	}
	w.present, err = root.Stat(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	if w.known == nil {
		w.know(w.present)
	}
	if replaced := !os.SameFile(w.known, w.present); replaced != w.replaced {
		w.replaced, w.rescanAt = replaced, time.Time{}
	}
	w.rootAt = time.Time{}
	if w.replaced {
		w.rootAt = now.Add(retryRoot)
	}
	return root, nil
}

// know makes a folder the one that the base is about.
func (w *Watcher) know(folder os.FileInfo) {
	w.known = folder
	w.board.setFolder(folder)
}

// compare brings what is known of the folder up to date: all of it when that is
// due, else the directories on which something was reported.
func (w *Watcher) compare(root *os.Root, now time.Time) error {
	s := &scanner{
		cfg: &w.cfg, rules: w.rules, now: now, left: w.cfg.MaxFiles, watches: w.watches, cache: w.cache,
		changed: make(map[string]bool),
	}
	dirty := w.inbox.take()
	whole := !now.Before(w.rescanAt)
	w.stale = w.stale || whole || len(dirty) > 0
	if !whole {
		for path, deep := range dirty {
			if err := s.nearest(root, w.root, path, deep); err != nil {
				return err
			}
		}
		return nil
	}
	w.hasher.network = networkFS(w.cfg.Root)
	w.watches.full = false
	if err := s.full(root, w.root); err != nil {
		return err
	}
	w.cache = nil
	w.scanned, w.rescanAt = now, now.Add(w.cfg.nextRescan())
	if len(s.changed) > 0 {
		// Nothing told when these changed; they are looked at again when they
		// should be quiet.
		w.settler.activity(now)
		for path := range s.changed {
			w.inbox.mark(path)
		}
	}
	w.saveCache()
	return nil
}

// fail notes that the folder cannot be compared. Everything is compared when it
// can be again.
func (w *Watcher) fail(err error, now time.Time) {
	w.withdraw()
	w.settler.stop()
	w.judge, w.offered, w.open = false, nil, nil
	w.rescanAt = now.Add(retryRoot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.broken = "the folder is not there"
	case errors.Is(err, errTooMany):
		w.broken = fmt.Sprintf("there are more than %d files", w.cfg.MaxFiles)
		w.rescanAt = now.Add(w.cfg.nextRescan()) // not for nothing each second
	default:
		w.broken = "the folder " + readFailure(err)
	}
	w.suspect(w.broken)
	w.found = nil
	w.hasher.drop()
}

// suspect sets or clears the reason why nothing is published.
func (w *Watcher) suspect(reason string) {
	if reason == w.suspicion {
		return
	}
	w.suspicion = reason
	if reason == "" {
		w.cfg.Logger.Info("the folder is no longer suspicious")
		return
	}
	w.cfg.Logger.Warn("nothing is published from the folder", "reason", reason)
}

// say logs a cause for the first time that it is met.
func (w *Watcher) say(cause, message string, args ...any) {
	if !w.said[cause] && len(w.said) < maxSaid {
		w.said[cause] = true
		w.cfg.Logger.Warn(message, args...)
	}
}

// report makes the Status.
func (w *Watcher) report() {
	degraded := w.degraded()
	if w.survey.listed == nil && len(w.survey.refused) > 0 {
		w.survey.list()
		for _, name := range w.survey.listed {
			w.say(name, "a name is not looked at", "name", name)
		}
	}
	w.board.set(Status{
		Files: len(w.survey.files), Dirs: w.survey.dirs, Bytes: w.survey.bytes,
		Watches: len(w.watches.paths), Degraded: degraded, Suspicious: w.suspicion, Finding: w.found.named(),
		Open: w.open, Refused: w.survey.listed, RefusedCount: len(w.survey.refused),
		Paused: w.paused, LastScan: w.scanned,
	})
}

func (w *Watcher) loadCache() {
	if w.cfg.CacheFile == "" {
		return
	}
	if err := w.removals.load(); err != nil {
		w.cfg.Logger.Warn("what was removed before the start does not count", "error", err)
	}
	var err error
	if w.cache, err = loadCache(w.cfg.CacheFile); err != nil {
		w.cfg.Logger.Warn("all files are hashed anew", "error", err)
	}
}

func (w *Watcher) saveCache() {
	if w.cfg.CacheFile == "" || !w.newSums {
		return
	}
	w.newSums = false
	if err := saveCache(w.cfg.CacheFile, w.survey.files); err != nil {
		w.say("cache", "the hashes are not kept", "error", err)
	}
}
