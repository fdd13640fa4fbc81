package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/conflicts"
	"github.com/omflow/booster/internal/release/disk"
)

// Apply brings the tree to the release, staging first what Stage has not staged.
// The server must have stopped. On an error the tree is as it was, unless the
// error matches ErrUnfinished: then Recover must succeed before the server may
// start. ctx ends the preparation; what is begun then is finished.
//
// Where the tree has the release already, as on the server where somebody
// changed it, nothing is written but the note that it is the applied one.
func (a *Applier) Apply(ctx context.Context, req Request) (Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.check(ctx, req)
	if err == nil {
		err = a.place(ctx, p)
	}
	if err != nil {
		return Result{}, fmt.Errorf("apply release: %w", err)
	}
	r := p.result()
	if len(p.Steps) == 0 && p.From == p.To {
		return r, nil
	}
	if err := a.complete(ctx, p); err != nil {
		return Result{}, fmt.Errorf("apply release %s: %w", p.To, err)
	}
	if r.Kept, err = a.keepOld(p); err != nil {
		return Result{}, fmt.Errorf("apply release %s: %w", p.To, err)
	}
	if err := a.commit(p, req.Target); err != nil {
		return Result{}, fmt.Errorf("apply release %s: %w", p.To, err)
	}
	a.staged, a.hollow, a.synced = nil, nil, false // it is the plan's from here on
	more, err := a.finish(p)
	r.Kept = append(r.Kept, more...)
	if err != nil {
		return Result{}, fmt.Errorf("apply release %s: %w", p.To, err)
	}
	a.log.Info("release applied", "release", p.To, "from", p.From, "changes", r.Changes.String(), "kept_aside", len(r.Kept))
	return r, nil
}

// commit writes the plan. Once plan.json has its name, the tree goes to the new
// release, and before that it is untouched.
func (a *Applier) commit(p *plan, target *release.Manifest) error {
	m, err := target.Encode()
	if err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	if err := a.writeState("write target", targetFile, m); err != nil {
		return err
	}
	if err := a.writeState("write plan", planFile, b); err != nil {
		// It may have its name without being on the disk for sure. Nothing was
		// changed yet, so it can go.
		if rerr := gone(a.state.Remove("take back plan", planFile)); rerr != nil {
			return fmt.Errorf("%w: %w", ErrUnfinished, errors.Join(err, rerr))
		}
		return err
	}
	return nil
}

// finish does what a committed plan says, and undoes it if that fails.
func (a *Applier) finish(p *plan) ([]conflicts.Kept, error) {
	there, err := exists(a.state, "look for target", targetFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	if !there {
		return nil, a.done(p)
	}
	kept, err := a.forward(p)
	if err == nil {
		err = a.state.Rename("note applied release", targetFile, appliedFile)
	}
	if err == nil {
		return kept, a.done(p)
	}
	a.log.Error("can't put a release in place, going back", "release", p.To, "error", err)
	if uerr := a.turn(); uerr != nil {
		return kept, fmt.Errorf("%w: %w", ErrUnfinished, errors.Join(err, uerr))
	}
	if uerr := a.undo(p); uerr != nil {
		return kept, fmt.Errorf("%w: %w", ErrUnfinished, errors.Join(err, uerr))
	}
	return kept, err
}

// forward brings the tree to the new release, from wherever an earlier try
// stopped.
func (a *Applier) forward(p *plan) ([]conflicts.Kept, error) {
	for i, s := range p.Steps {
		if err := a.takeOut(i, s); err != nil {
			return nil, err
		}
	}
	// No new file takes a name before the old one is sure to have another.
	if err := a.tree.Sync("sync old files", oldDir); err != nil {
		return nil, err
	}
	if err := a.dropCompiled(p); err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(p.Emptied) {
		if err := a.dropLeft(d.Path); err != nil {
			return nil, err
		}
		if err := a.removeEmpty("remove empty folder", d.Path); err != nil {
			return nil, err
		}
	}
	for _, d := range p.Made {
		if err := a.makeFolder(d); err != nil {
			return nil, err
		}
	}
	for i, s := range p.Steps {
		if err := a.putIn(i, s); err != nil {
			return nil, err
		}
	}
	if err := a.syncTree(p); err != nil {
		return nil, err
	}
	return a.keepLate(p)
}

// takeOut brings the old file of step i to where it waits for the end of the
// plan. One that is replaced keeps its name too until the new one takes it, so
// that there is no moment without the file.
func (a *Applier) takeOut(i int, s step) error {
	if s.Old == nil {
		return nil
	}
	if there, err := exists(a.tree, "look for old file", kept(i)); err != nil || there {
		return err
	}
	if s.New == nil {
		return gone(a.tree.Rename("take out deleted file", s.Path, kept(i)))
	}
	// Without the staged file the path is the new file already.
	if there, err := exists(a.tree, "look for staged file", staged(i)); err != nil || !there {
		return err
	}
	err := a.tree.Link("link old file", s.Path, kept(i))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// Not every file system has links.
	return gone(a.tree.Rename("take out replaced file", s.Path, kept(i)))
}

// removeEmpty removes name if it is an empty folder. It may be a file by now, or
// still: what was a folder becomes one, or the other way.
func (a *Applier) removeEmpty(op, name string) error {
	info, err := a.tree.Lstat("look at folder to remove", name)
	if err != nil {
		if errors.Is(err, disk.ErrNotFolder) {
			return nil
		}
		return gone(err)
	}
	if !info.IsDir() {
		return nil
	}
	if err := a.tree.Remove(op, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return gone(err)
	}
	return nil
}

func (a *Applier) makeFolder(name string) error {
	if err := a.tree.Mkdir("make folder", name, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	above := "."
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		above = name[:i]
	}
	like, err := a.tree.Lstat("look at folder above", above)
	if err != nil {
		return err
	}
	return a.tree.Own("set owner of folder", name, like)
}

// putIn gives the new file of step i its name.
func (a *Applier) putIn(i int, s step) error {
	if s.New == nil {
		return nil
	}
	there, err := exists(a.tree, "look for staged file", staged(i))
	if err != nil {
		return err
	}
	if there {
		return a.tree.Rename("put in new file", staged(i), s.Path)
	}
	return a.checkPut(s)
}

// checkPut fails unless the new file of s, which is not staged any more, was put
// in. Somebody may have changed it since, before the plan was gone on with.
func (a *Applier) checkPut(s step) error {
	ok, err := a.isNew(s)
	if err != nil || ok {
		return err
	}
	missing := fmt.Errorf("new %q is neither staged nor in place", s.Path)
	h, err := hash(a.tree, "hash changed file", s.Path)
	if err != nil || s.Old != nil && h == s.Old.SHA256 {
		return errors.Join(missing, err)
	}
	a.log.Warn("a file of a release was changed before the release was finished", "path", s.Path)
	return nil
}

// isNew reports whether the tree has the new file of s.
func (a *Applier) isNew(s step) (bool, error) {
	info, err := a.tree.Lstat("look at new file", s.Path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != s.New.Size {
		if errors.Is(err, disk.ErrNotFolder) {
			return false, nil
		}
		return false, gone(err)
	}
	h, err := hash(a.tree, "hash new file", s.Path)
	return err == nil && h == s.New.SHA256, err
}

// syncTree brings all names that the plan has changed to the disk.
func (a *Applier) syncTree(p *plan) error {
	folders := map[string]bool{".": true, newDir: true, oldDir: true}
	for _, s := range p.Steps {
		for _, d := range parents(s.Path) {
			folders[d] = true
		}
	}
	names := make([]string, 0, len(folders))
	for d := range folders {
		names = append(names, d)
	}
	slices.Sort(names)
	return a.tree.Sync("sync folders", names...)
}

// keepLate keeps old files aside that were written after the plan was made, by
// somebody who doesn't know of it.
func (a *Applier) keepLate(p *plan) ([]conflicts.Kept, error) {
	var out []conflicts.Kept
	for i, s := range p.Steps {
		if s.Old == nil {
			continue
		}
		info, err := a.tree.Lstat("look at old file", kept(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, err
		}
		if info.Size() == s.Old.Size && info.ModTime().Equal(s.Old.Modified) {
			continue
		}
		k, err := a.keepAside(p.To.Number, s.Path, kept(i))
		if err != nil {
			return out, err
		}
		out = append(out, k)
	}
	return out, nil
}

// done removes the plan after its release was noted as the applied one.
func (a *Applier) done(p *plan) error {
	err := a.state.Sync("sync applied release", ".")
	if err == nil {
		err = a.loadApplied()
	}
	// Where the note can't be read the steps have made sure of the tree.
	if m := a.applied.Load(); err == nil && !a.lost.Load() && refOf(m) != p.To {
		err = fmt.Errorf("release %s is noted as the applied one, not %s", refOf(m), p.To)
	}
	if err == nil {
		err = gone(a.state.Remove("remove finished plan", planFile))
	}
	if err == nil {
		err = a.state.Sync("sync removal of plan", ".")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	if err := a.sweepTree(); err != nil {
		a.log.Warn("can't remove the staging folder", "error", err)
	}
	return nil
}
