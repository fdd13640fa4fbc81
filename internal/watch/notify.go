package watch

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// notifier is what is used of fsnotify.Watcher. Add and Remove may be called
// while events are read; Close closes both channels.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Close() error
	events() <-chan fsnotify.Event
	errors() <-chan error
}

type systemNotifier struct{ *fsnotify.Watcher }

func (n systemNotifier) events() <-chan fsnotify.Event { return n.Events }
func (n systemNotifier) errors() <-chan error          { return n.Errors }

// watchList keeps the notifier's watches in step with the directories. It is for
// one goroutine.
type watchList struct {
	n     notifier // nil: there is none, and why is what reason says
	root  string
	ids   map[dirID]string
	paths map[string]dirID

	missing map[string]bool // directories without a watch
	reason  string
	full    bool // the system's limit was met in this scan: more would be refused too
}

func newWatchList(n notifier, root string) *watchList {
	return &watchList{n: n, root: root, ids: make(map[dirID]string), paths: make(map[string]dirID), missing: make(map[string]bool)}
}

// noNotifier is the reason why there is no notifier, with what can be done about it.
func noNotifier(err error) string {
	if errors.Is(err, syscall.EMFILE) { // inotify_init(2) has it for both limits
		return err.Error() + ", see fs.inotify.max_user_instances and the limit of open files; it is tried again at the next start"
	}
	return err.Error()
}

// add watches the directory at path, again if need be: a watch ends silently
// when its directory is deleted, and the one that takes its place may have the
// same inode. The path is resolved once more here, so that a link which took the
// directory's place could be watched instead; it would only be a false hint.
func (l *watchList) add(path string, id dirID) {
	if l.n == nil || l.full {
		l.missing[path] = true
		return
	}
	// A watch belongs to an inode and keeps the path under which it was added: a
	// directory that was moved would report changes under its old path.
	if old, ok := l.ids[id]; ok && old != path && id != (dirID{}) {
		l.remove(old)
	}
	if old, ok := l.paths[path]; ok && old != id {
		l.remove(path)
	}
	err := l.n.Add(filepath.Join(l.root, filepath.FromSlash(path)))
	switch {
	case err == nil:
		l.paths[path], l.ids[id] = id, path
		delete(l.missing, path)
		return
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return // gone already: its parent has an event, or the next scan finds it
	case errors.Is(err, syscall.ENOSPC):
		l.full = true
		l.reason = "the limit of watches is reached, see fs.inotify.max_user_watches"
	default:
		l.reason = err.Error()
	}
	l.missing[path] = true
}

func (l *watchList) remove(path string) {
	delete(l.missing, path)
	id, ok := l.paths[path]
	if !ok {
		return
	}
	delete(l.paths, path)
	if l.ids[id] == path {
		delete(l.ids, id)
	}
	// Fails when the watch ended with its directory, which is as good.
	_ = l.n.Remove(filepath.Join(l.root, filepath.FromSlash(path)))
}

// degraded says which directories are without a watch, or "".
func (l *watchList) degraded() string {
	switch {
	case len(l.missing) == 0:
		return ""
	case l.n == nil:
		return "no directory is watched: " + l.reason
	}
	return fmt.Sprintf("%d directories are not watched: %s", len(l.missing), l.reason)
}

// maxHot bounds the paths that are remembered one by one, be it as changed or to be
// looked into: nothing is looked into in a pause, however long it is.
const maxHot = 10_000

// inbox gathers what the notifier says until the watcher's goroutine takes it,
// so that the system's queue is emptied however long a scan takes. It may be
// used by several goroutines.
type inbox struct {
	poke chan struct{} // has room for one; filled when something came

	mu          sync.Mutex
	dirty       map[string]bool      // directories to look into; true: and all below
	hot         map[string]time.Time // paths and when they last changed
	allHot      time.Time            // paths that did not fit in hot
	first, last time.Time
	overflows   int
}

func newInbox() *inbox {
	return &inbox{poke: make(chan struct{}, 1), dirty: make(map[string]bool), hot: make(map[string]time.Time)}
}

// pump reads the notifier until it is closed.
func (b *inbox) pump(n notifier, root string, rules *ruleset) {
	events, errs := n.events(), n.errors()
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if path, ok := relative(root, e.Name); ok {
				b.event(path, e.Op, rules, time.Now())
			}
		case _, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			// Whether the queue ran over or could not be read: events are lost.
			b.overflow(time.Now())
		}
	}
}

// relative returns the slash path of name below root, "" for root itself.
func relative(root, name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, root)
	if !ok || name == "" {
		return "", false
	}
	return strings.Trim(filepath.ToSlash(rest), "/"), true
}

func (b *inbox) event(path string, op fsnotify.Op, rules *ruleset, now time.Time) {
	if path != "" && !rules.concerns(path) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if path != "" {
		parent, _ := cutPath(path)
		b.look(parent, false)
	}
	// path may be a directory; if something came or went there, nothing in it
	// need be what it was.
	b.look(path, op.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename))
	if len(b.hot) < maxHot {
		b.hot[path] = now
	} else {
		b.allHot = now
	}
	b.note(now)
}

func (b *inbox) overflow(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.overflows++
	b.allHot = now
	b.note(now)
}

func (b *inbox) note(now time.Time) {
	if b.first.IsZero() {
		b.first = now
	}
	b.last = now
	select {
	case b.poke <- struct{}{}:
	default:
	}
}

// times returns when the first and the last thing came since the last call,
// zero for never, and whether events were lost.
func (b *inbox) times() (first, last time.Time, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, last, lost = b.first, b.last, b.overflows > 0
	b.first, b.overflows = time.Time{}, 0
	return first, last, lost
}

// take hands over the directories to look into.
func (b *inbox) take() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	dirty := b.dirty
	b.dirty = make(map[string]bool)
	return dirty
}

// mark asks for a look into dir.
func (b *inbox) mark(dir string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.look(dir, false)
}

func (b *inbox) look(dir string, deep bool) {
	if len(b.dirty) >= maxHot {
		clear(b.dirty)
		dir, deep = "", true
	}
	if !b.dirty[""] { // else it will be looked into with all others
		b.dirty[dir] = b.dirty[dir] || deep
	}
}

// recent tells of what happened after the given time: isHot whether that was at a
// path or a directory above it, last when the last of it was, zero if nothing
// was. Older things are forgotten.
func (b *inbox) recent(after time.Time) (isHot func(path string) bool, last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hot := make(map[string]bool)
	for path, t := range b.hot {
		if !t.After(after) {
			delete(b.hot, path)
			continue
		}
		hot[path] = true
		if t.After(last) {
			last = t
		}
	}
	all := b.allHot.After(after)
	if all && b.allHot.After(last) {
		last = b.allHot
	}
	return func(path string) bool {
		for !all && path != "" {
			if hot[path] {
				return true
			}
			path, _ = cutPath(path)
		}
		return all
	}, last
}
