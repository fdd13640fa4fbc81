package replica

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/conflicts"
)

// staging is where files are written before they are put in place: a folder that
// no release and no replica may hold anything in, on the same file system.
const staging = release.StagingDir

// place puts a staged file where e says. Nothing is overwritten but what the index
// knows of, and no version that e does not go back to is lost.
func (r *Replica) place(t *tree, e *Entry, name string) (err error) {
	r.disk.Lock()
	defer r.disk.Unlock()
	placed := false
	defer func() {
		if !placed {
			_ = t.Remove("remove the staged file", name) // else at the next start
		}
	}()
	old, current, err := r.claim(t, e)
	if err != nil || !current {
		return err
	}
	dir, err := t.parents(e.Path)
	if err != nil {
		return err
	}
	perm := mode(dir.Mode(), e.Exec)
	if old != nil {
		perm = old.Mode().Perm()&^0o111 | mode(old.Mode(), e.Exec)&0o111
	}
	if err := t.like(name, dir, perm); err != nil {
		return err
	}
	if err := t.Rename("put the file in place", name, e.Path); err != nil {
		return err
	}
	placed = true
	info, err := t.Lstat("look at the new file", e.Path)
	if err != nil {
		info = nil // somebody was quick; the watcher will tell
	}
	r.arrived(e, info)
	return nil
}

// remove carries out a deletion.
func (r *Replica) remove(t *tree, e *Entry) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	old, current, err := r.claim(t, e)
	if err != nil || !current {
		return err
	}
	if old != nil {
		if err := t.Remove("remove the file", e.Path); err != nil {
			return err
		}
		t.prune(e.Path)
	}
	r.arrived(e, nil)
	return nil
}

// claim tells whether e is still what the path should be, makes sure that
// the disk holds there what the index says, and keeps that aside if e does not go
// back to it. old is the file that is there; nil: none is. Callers hold disk.
func (r *Replica) claim(t *tree, e *Entry) (old fs.FileInfo, current bool, err error) {
	r.mu.Lock()
	rec := r.index.get(e.Path)
	r.mu.Unlock()
	if rec.entry != e || rec.done() {
		return nil, false, nil
	}
	if err := r.sound(); err != nil {
		return nil, false, err
	}
	if err := t.straight(e.Path); err != nil {
		return nil, false, err
	}
	old, err = t.Lstat("look at the file's place", e.Path)
	switch {
	case isGone(err):
		if rec.present() && !e.Deleted {
			return nil, false, errChanged
		}
		return nil, true, nil
	case err != nil:
		return nil, false, err
	case !rec.present() || !old.Mode().IsRegular():
		return nil, false, errChanged
	}
	if rec.stamp == nil || *rec.stamp != stampOf(old) {
		size, h, err := t.hash(e.Path)
		if err != nil {
			return nil, false, err
		}
		if size != rec.local.Size || h != rec.local.SHA256 {
			return nil, false, errChanged
		}
	}
	if r.loses(rec.local, e) {
		k, err := r.keep(t, rec.local, e)
		if err != nil {
			return nil, false, err
		}
		r.log.Warn("a file was changed on two servers; one version is kept aside", "path", e.Path,
			"won", e.Version.last().Node, "deleted", e.Deleted, "lost", k.Origin, "kept", k.File)
	}
	return old, true, nil
}

// sound fails while the folder may not be the right one, or has lost its files.
func (r *Replica) sound() error {
	if why := r.watcher.Status().Suspicious; why != "" {
		return fmt.Errorf("the folder may not be the right one: %s", why)
	}
	return nil
}

// loses tells whether local, what is here, has a content that would be lost with
// e: who made e did not know it. That holds too when e has a change of this node
// that this node does not know of: it has lost its index, or was set back.
func (r *Replica) loses(local, e *Entry) bool {
	if local.SHA256 == e.SHA256 {
		return false
	}
	mine, _ := local.Version.counter(r.cfg.Node)
	theirs, _ := e.Version.counter(r.cfg.Node)
	return !e.Version.follows(local.Version) || local.Version.last().Node == r.cfg.Node && mine != theirs
}

// keep keeps a version aside that loses against e. Callers hold disk.
func (r *Replica) keep(t *tree, local, e *Entry) (conflicts.Kept, error) {
	in, err := t.FS.Open("read what is kept aside", local.Path)
	if err != nil {
		return conflicts.Kept{}, err
	}
	defer in.Close()
	k, err := r.kept.Keep(e.Version.last().Counter, local.Version.last().Node, local.Path, in)
	if err != nil {
		return conflicts.Kept{}, err
	}
	r.mu.Lock()
	r.conflicts++
	r.mu.Unlock()
	return k, nil
}

// arrived notes that the disk holds what e says. Callers hold disk.
func (r *Replica) arrived(e *Entry, info fs.FileInfo) {
	r.mu.Lock()
	rec := record{entry: e, local: e}
	now := r.index.get(e.Path)
	replaced := now.present()
	if now.entry != e {
		// It has come meanwhile. If it is what was here before e, nothing was to be done then.
		rec.entry = now.entry
		r.queue.want(e.Path)
	}
	if info != nil {
		s := stampOf(info)
		rec.stamp = &s
	}
	r.index.set(e.Path, rec)
	r.unsynced[e.Path] = e
	if !e.Deleted {
		r.placed[e.Path] = time.Now()
	}
	if e.Deleted || replaced {
		r.outdated = append(r.outdated, e.Path)
		wake(r.rebase)
	}
	delete(r.said, "path "+e.Path)
	r.mu.Unlock()
	wake(r.changed)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
