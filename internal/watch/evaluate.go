package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// survey is a pass over all that is known of the folder.
type survey struct {
	files     []*file // sorted by path, without those that collide
	dirs      int
	bytes     int64
	refused   map[string]string // path to reason
	listed    []string          // of these, for the Status
	remounted string            // a directory that is on another device than before
}

// add takes in the directory root and all below it.
func (s *survey) add(root *dir, base *Tree) {
	s.refused = make(map[string]string)
	s.descend(root, base)
	slices.SortFunc(s.files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
}

func (s *survey) descend(d *dir, base *Tree) {
	s.dirs++
	if d.id.dev != d.home && s.remounted == "" && d.path != "" {
		s.remounted = d.path
	}
	for _, r := range d.refused {
		s.refused[r.path] = r.reason
	}
	const collides = "collides with another name, from which it differs by case only"
	// Of names that collide, the one that is in the base already goes on: it must
	// not vanish because somebody added another.
	for _, f := range d.files {
		if f.collides && !base.holds(f.path) {
			s.refused[f.path] = collides
			continue
		}
		if f.failure != "" {
			s.refused[f.path] = f.failure
		}
		s.files = append(s.files, f)
		s.bytes += f.stamp.size
	}
	for _, sub := range d.dirs {
		if sub.collides && !base.holds(sub.path) {
			s.refused[sub.path] = collides
			continue
		}
		s.descend(sub, base)
	}
}

// list makes what the Status shows of the refused names.
func (s *survey) list() {
	names := make([]string, 0, len(s.refused))
	for path, reason := range s.refused {
		names = append(names, printable(path)+": "+reason)
	}
	s.listed = listed(names)
}

// printable keeps a stranger's file name from garbling a terminal.
func printable(path string) string {
	if q := fmt.Sprintf("%q", path); q != `"`+path+`"` {
		return q
	}
	return path
}

// tree is what the folder holds. Files without a hash, or with one that was only read
// ahead, what is refused and what the rules leave out are in it as the base has them; gone tells whether a file
// that is not there counts as removed.
func (s *survey) tree(base *Tree, rules *ruleset, gone func(path string) bool) *Tree {
	entries := make([]Entry, 0, len(s.files))
	old := base.list()
	keep := func(e Entry) {
		if !rules.covers(e.Path) || s.refuses(e.Path) || !gone(e.Path) {
			entries = append(entries, e)
		}
	}
	for _, f := range s.files {
		for len(old) > 0 && old[0].Path < f.path {
			keep(old[0])
			old = old[1:]
		}
		var before *Entry
		if len(old) > 0 && old[0].Path == f.path {
			before, old = &old[0], old[1:]
		}
		switch {
		case f.hashed && !f.ahead:
			e := Entry{Path: f.path, Size: f.stamp.size, SHA256: f.sum, Exec: f.stamp.exec}
			if !execKnown && before != nil {
				e.Exec = before.Exec
			}
			entries = append(entries, e)
		case before != nil:
			entries = append(entries, *before)
		}
	}
	for _, e := range old {
		keep(e)
	}
	return newTree(entries)
}

// refuses tells whether path, or a directory above it, is refused.
func (s *survey) refuses(path string) bool {
	for len(s.refused) > 0 && path != "" {
		if _, ok := s.refused[path]; ok {
			return true
		}
		path, _ = cutPath(path)
	}
	return false
}

// pass says which files are read.
type pass struct {
	age   time.Duration // those that were quiet for so long; 0: all
	all   bool          // also when others are too young to count
	ahead bool          // nothing is decided by it
}

// reading is what came of reading the files that changed.
type reading struct {
	hashed  int
	open    []string
	quietAt time.Time // when the last of the young ones will be quiet
	stopped bool
}

func (r *reading) young(quietAt time.Time) {
	if quietAt.After(r.quietAt) {
		r.quietAt = quietAt
	}
}

// read hashes what has changed. What was read ahead is not read again, but looked at
// once more, when it counts.
func (w *Watcher) read(root *os.Root, now time.Time, p pass) reading {
	var r reading
	var todo []*file
	w.recheckAt = time.Time{}
	there := false
	for _, f := range w.survey.files {
		there = there || w.hasher.left != nil && w.hasher.left.f == f
		due := !f.recheck.IsZero() && !now.Before(f.recheck)
		switch {
		case f.hashed && !due && (p.ahead || !f.ahead) || f.failure != "":
			w.noteRecheck(f)
			continue
		}
		if quiet := w.hasher.quietAt(f, now, p.age); quiet.After(now) {
			r.young(quiet)
			continue
		}
		todo = append(todo, f)
	}
	w.hasher.first(todo, there)
	if !r.quietAt.IsZero() && !p.all {
		return r
	}
	for _, f := range todo {
		counted, sum := f.hashed && !f.ahead, f.sum
		v, blind := interrupted, ""
		if r.hashed == 0 || !w.hasher.interrupt() { // else nothing might ever be read
			v, blind = w.hasher.read(root, f)
		}
		if v != hashed && v != interrupted {
			f.hashed, f.ahead, f.recheck = false, false, time.Time{} // what was known of it is void
		}
		if blind != "" {
			w.leaseless = blind
		}
		switch v {
		case hashed:
			w.newSums, f.ahead = true, p.ahead && !(counted && f.sum == sum)
			r.hashed++
		case busy:
			r.open = append(r.open, f.path)
		case moved:
			dir, _ := cutPath(f.path)
			w.inbox.mark(dir)
			r.young(now.Add(w.cfg.Settle))
		case failed:
			w.survey.refused[f.path], w.survey.listed = f.failure, nil
		case interrupted:
			w.recheckAt = now // for those that were not reached
			r.stopped = true
			return r
		}
		w.noteRecheck(f)
	}
	return r
}

// noteRecheck keeps the earliest time at which a hash must be checked.
func (w *Watcher) noteRecheck(f *file) {
	if !f.recheck.IsZero() && (w.recheckAt.IsZero() || f.recheck.Before(w.recheckAt)) {
		w.recheckAt = f.recheck
	}
}

// copyOf asks for a Copy of a file that is a change for sure.
func (w *Watcher) copyOf(f *file) Copy {
	if w.cfg.Copy == nil {
		return nil
	}
	if e, ok := w.base.Get(f.path); ok && e.Size == f.stamp.size {
		return nil
	}
	return w.cfg.Copy(f.stamp.size)
}

// evaluate publishes what has settled.
func (w *Watcher) evaluate(root *os.Root, now time.Time) {
	w.hasher.copies = w.copyOf
	r := w.read(root, now, pass{age: w.cfg.Settle, all: w.settler.overdue(now)})
	w.hasher.copies = nil
	if r.stopped {
		return
	}
	w.judge = false
	w.open = listed(r.open)
	isHot, last := w.inbox.recent(now.Add(-w.cfg.Settle))
	if !last.IsZero() { // what is gone has no times that would tell its age
		r.young(last.Add(w.cfg.Settle))
	}
	gone := func(string) bool { return true }
	decided := w.settler.decide(now, r.quietAt, len(r.open) > 0)
	switch decided {
	case wait:
		return
	case publishPart:
		gone = func(path string) bool { return !isHot(path) }
	}
	change := w.change(root, gone, now)
	if decided == publish {
		w.meant = w.meant.still(change.lost())
	}
	reason, about := w.suspicious(root, &change)
	w.suspect(reason)
	if w.found = about; reason != "" {
		about.sign()
	}
	switch {
	case reason != "" || change.empty():
		w.withdraw()
		w.offered = nil
	case w.offered == nil || !w.offered.Equal(change.Tree):
		w.withdraw()
		w.offered, w.removed = change.Tree, change.lost()
		w.changes <- change // has room: it was emptied, and nobody else fills it
	}
}

// change tells how the folder differs from the base. gone tells whether a file that was
// not found counts as removed.
func (w *Watcher) change(root *os.Root, gone func(path string) bool, now time.Time) Change {
	change := compare(w.base, w.survey.tree(w.base, w.rules, gone))
	back := w.returned(root, &change)
	if len(back) == 0 {
		return change
	}
	w.settler.activity(now)
	return compare(w.base, w.survey.tree(w.base, w.rules, func(path string) bool { return gone(path) && !back[path] }))
}

// withdraw takes back a Change that nobody took.
func (w *Watcher) withdraw() {
	select {
	case <-w.changes:
	default:
	}
}

// snapshot is Snapshot, in the goroutine that owns the state.
func (w *Watcher) snapshot(ctx context.Context) (*Tree, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now := time.Now()
	w.rescanAt = time.Time{}
	root, err := w.look(now)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	interrupt := w.hasher.interrupt
	defer func() { w.hasher.interrupt = interrupt }()
	w.hasher.interrupt = func() bool { return ctx.Err() != nil }
	r := w.read(root, now, pass{all: true})
	if r.stopped {
		return nil, context.Cause(ctx)
	}
	change := w.change(root, func(string) bool { return true }, now)
	if reason, _ := w.suspicious(root, &change); reason != "" {
		return nil, errors.New(reason)
	}
	w.removed = change.lost() // should the tree become the base
	return change.Tree, nil
}

// degraded joins all that makes the watcher see less, or later.
func (w *Watcher) degraded() string {
	var parts []string
	add := func(part string) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if missing := w.watches.degraded(); missing != "" {
		add(fmt.Sprintf("%s: changes there are found by the rescan each %s", missing, w.cfg.Rescan))
		w.say("watches", "not all directories are watched; changes there are found by rescans", "reason", w.watches.reason)
	}
	if w.hasher.network != "" {
		part := fmt.Sprintf("on %s, changes from other machines are found by the rescan each %s and writers are not known", w.hasher.network, w.cfg.Rescan)
		add(part)
		w.say("network", "the folder is on a network file system", "reason", part)
	}
	if w.leaseless != "" {
		part := "writers are not known, only quiet time counts: " + w.leaseless
		add(part)
		w.say("lease", "a file may be published while it is being written", "reason", w.leaseless)
	}
	return strings.Join(parts, "; ")
}
