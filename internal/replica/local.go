package replica

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/watch"
)

// since is how the folder differs from the base.
func (r *Replica) since(tree *watch.Tree) watch.Change {
	c := watch.Change{Tree: tree}
	for e := range tree.All() {
		switch old, ok := r.base.Get(e.Path); {
		case !ok:
			c.Added = append(c.Added, e)
		case old != e:
			c.Changed = append(c.Changed, e)
		}
	}
	for e := range r.base.All() {
		if _, ok := tree.Get(e.Path); !ok {
			c.Removed = append(c.Removed, e)
		}
	}
	return c
}

// first takes in what the folder holds at the start. Of a fresh index all is
// without a version.
func (r *Replica) first(tree *watch.Tree, fresh bool) error {
	if err := r.prepare(); err != nil {
		return err
	}
	tree, err := r.takeIn(r.since(tree), true, fresh)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.rewrite(false)
	r.mu.Unlock()
	r.setBase(tree)
	r.setReady()
	return nil
}

// prepare removes what a crash left of files that were being fetched.
func (r *Replica) prepare() error {
	t, err := r.cfg.openTree()
	if err != nil {
		return err
	}
	defer t.Close()
	return t.RemoveAll("empty the staging folder", release.StagingDir)
}

// setReady begins to answer peers, to change the folder, and has what it lacks
// fetched.
func (r *Replica) setReady() {
	r.mu.Lock()
	r.ready = true
	for path, rec := range r.index.all() {
		if !rec.done() {
			r.queue.want(path)
		}
	}
	r.mu.Unlock()
	r.gate()
}

// gate keeps the folder from being changed while it may not be the folder. It
// tells whether that is so.
func (r *Replica) gate() bool {
	suspicious := r.watcher.Status().Suspicious != ""
	r.queue.pause(suspicious)
	return suspicious
}

// have is what the index says of the folder.
func (r *Replica) have() *watch.Tree {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []watch.Entry
	for path, rec := range r.index.all() {
		if rec.present() {
			list = append(list, seenAs(path, rec.local))
		}
	}
	return newTree(list)
}

// newTree makes a tree of entries that have one path each.
func newTree(list []watch.Entry) *watch.Tree {
	t, err := watch.NewTree(list)
	if err != nil {
		panic("replica: two files of one path: " + err.Error())
	}
	return t
}

// setBase tells the watcher what it should see: what it saw, without what has been
// removed here since, and with what has been put in the place of other contents: somebody
// who writes one of these again makes a change, although the watcher may see no other.
func (r *Replica) setBase(tree *watch.Tree) {
	r.mu.Lock()
	done := make(map[string]record, len(r.outdated))
	for _, path := range r.outdated {
		done[path] = r.index.get(path)
	}
	r.outdated = nil
	r.mu.Unlock()
	if len(done) > 0 {
		var list []watch.Entry
		for e := range tree.All() {
			if _, ok := done[e.Path]; !ok {
				list = append(list, e)
			}
		}
		for path, rec := range done {
			if rec.present() {
				list = append(list, seenAs(path, rec.local))
			}
		}
		tree = newTree(list)
	}
	r.base = tree
	r.watcher.SetBase(tree)
}

// seenAs is a file as the watcher sees it.
func seenAs(path string, e *Entry) watch.Entry {
	return watch.Entry{Path: path, Size: e.Size, SHA256: e.SHA256, Exec: e.Exec}
}

// miss looks for files that were put in place and that the watcher does not see:
// they vanished before it could, or the system reports nothing. What has vanished
// becomes a part of the base, so that it is judged with all else that has.
func (r *Replica) miss(ctx context.Context) {
	r.mu.Lock()
	var late []watch.Entry
	for path, at := range r.placed {
		rec := r.index.get(path)
		_, known := r.base.Get(path)
		switch {
		case known || !rec.present():
			delete(r.placed, path)
		case time.Since(at) > r.cfg.MaxSettle+unseenAfter:
			late = append(late, seenAs(path, rec.local))
		}
	}
	r.mu.Unlock()
	if len(late) == 0 || time.Since(r.seen) < lookAgain {
		return
	}
	tree, err := r.watcher.Snapshot(ctx)
	r.seen = time.Now()
	if err != nil {
		tree = r.base
	} else if tree, err = r.takeIn(r.since(tree), false, false); err != nil {
		r.say("report", "changes in the folder can't be taken in", "error", err)
		return
	}
	late = slices.DeleteFunc(late, func(e watch.Entry) bool {
		_, ok := tree.Get(e.Path)
		return ok
	})
	for e := range r.base.All() { // removals are for the watcher to judge
		if _, ok := tree.Get(e.Path); !ok {
			late = append(late, e)
		}
	}
	r.setBase(newTree(slices.AppendSeq(late, tree.All())))
}

// report takes in what the watcher saw. Whatever became of the folder since is
// seen by it later, for its base is what it saw, not what should be there.
func (r *Replica) report(c watch.Change) {
	r.gate()
	many := r.hold.many(len(c.Removed), time.Now())
	tree, err := r.takeIn(c, !many, false)
	switch {
	case err != nil:
		r.say("report", "changes in the folder can't be taken in", "error", err)
		r.hold.keep(c, retryReport)
	case many:
		r.hold.keep(c, removalQuiet)
	case tree != c.Tree: // the watcher may need a moment to see what changed meanwhile
		r.hold.keep(c, retryReport)
	default:
		r.forget("report")
		r.hold.drop()
		r.hold.told += len(c.Removed)
		r.setBase(tree)
	}
}

// release takes in what had to wait.
func (r *Replica) release() {
	c := *r.hold.change
	r.hold.drop()
	if r.gate() {
		return // the watcher gives it again when the folder is what it was
	}
	tree, err := r.takeIn(c, true, false)
	if err != nil {
		r.say("report", "changes in the folder can't be taken in", "error", err)
		r.hold.keep(c, retryReport)
		return
	}
	r.forget("report")
	r.setBase(tree)
}

// takeIn makes versions of what changed in the folder, brings it to the disk, and
// has peers told. Without removals those are left out. It returns what the folder holds of
// which that was done: the base to be.
func (r *Replica) takeIn(c watch.Change, removals, unversioned bool) (*watch.Tree, error) {
	r.disk.Lock()
	defer r.disk.Unlock()
	t, err := r.openFolder()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	entries, otherwise, err := r.verify(t, c, removals)
	if err != nil {
		return nil, err
	}
	tree := r.but(c.Tree, otherwise)
	if len(entries) == 0 {
		return tree, nil
	}
	// What peers are told must be here after a crash: a file that came back empty
	// would be taken for a change of it.
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Path)
	}
	dirs := foldersAbove(names)
	for i := len(names) - 1; i >= 0; i-- {
		if entries[i].Deleted {
			names = append(names[:i], names[i+1:]...)
		}
	}
	if err := t.Sync("sync what changed", append(names, dirs...)...); err != nil {
		return nil, err
	}
	r.mu.Lock()
	var tell []string
	for _, e := range entries {
		if r.index.change(e, unversioned) {
			tell = append(tell, e.Path)
		} else if rec := r.index.get(e.Path); !rec.done() {
			r.queue.want(e.Path)
		}
		r.note(e.Path)
	}
	r.save()
	log := r.journal.f
	r.mu.Unlock()
	// A log that was written anew meanwhile has been synced.
	if err := log.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		r.say("sync", "the index is not brought to the disk", "error", err)
	}
	r.tell(tell)
	return tree, nil
}

// but is the tree with some paths as the base has them, so that the watcher tells of them
// again unless they become what the base says.
func (r *Replica) but(tree *watch.Tree, paths map[string]bool) *watch.Tree {
	if len(paths) == 0 {
		return tree
	}
	list := slices.DeleteFunc(slices.Collect(tree.All()), func(e watch.Entry) bool { return paths[e.Path] })
	for path := range paths {
		if e, ok := r.base.Get(path); ok {
			list = append(list, e)
		}
	}
	return newTree(list)
}

// verify makes entries of what changed, but leaves out what was done here, and what is
// otherwise by now, of which it returns the paths. Callers hold disk.
func (r *Replica) verify(t *tree, c watch.Change, removals bool) (out []Entry, otherwise map[string]bool, err error) {
	now := r.cfg.now()
	otherwise = make(map[string]bool)
	for _, list := range [][]watch.Entry{c.Added, c.Changed} {
		for _, e := range list {
			if err := release.CheckPath(e.Path); err != nil {
				r.refuse(e.Path, err)
				continue
			}
			info, err := t.Lstat("look at what changed", e.Path)
			switch {
			case isGone(err):
				otherwise[e.Path] = true
				continue
			case err != nil:
				return nil, nil, err
			case !info.Mode().IsRegular() || info.Size() != e.Size:
				otherwise[e.Path] = true
				continue
			}
			next := Entry{
				Path: e.Path, Size: e.Size, SHA256: e.SHA256, Exec: e.Exec, Made: now.UnixNano(),
				Time: max(0, min(info.ModTime().UnixNano(), now.UnixNano())),
			}
			r.mu.Lock()
			rec := r.index.get(e.Path)
			r.mu.Unlock()
			if rec.stamp != nil && *rec.stamp == stampOf(info) || rec.local != nil && rec.local.same(&next) {
				continue
			}
			out = append(out, next)
		}
	}
	if !removals {
		return out, otherwise, nil
	}
	for _, e := range c.Removed {
		info, err := t.Lstat("look at what was removed", e.Path)
		switch {
		case err == nil && !info.IsDir():
			otherwise[e.Path] = true
			continue
		case err != nil && !isGone(err):
			return nil, nil, err
		}
		r.mu.Lock()
		delete(r.refused, e.Path)
		rec := r.index.get(e.Path)
		r.mu.Unlock()
		if rec.present() {
			out = append(out, Entry{Path: e.Path, Deleted: true, Made: now.UnixNano()})
		}
	}
	return out, otherwise, nil
}

// isGone tells whether there is nothing of that name.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrNotFolder)
}

// refuse notes a local name that can't be on all nodes.
func (r *Replica) refuse(path string, why error) {
	r.mu.Lock()
	r.refused[path] = why.Error()
	r.mu.Unlock()
	r.say("name "+path, "a file is not copied to the others", "error", why)
}
