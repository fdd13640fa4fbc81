package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// errDamaged: a file of the state folder is there and can't be read.
var errDamaged = errors.New("the file is damaged")

// Lost reports whether the note of which release the tree holds was found to be damaged,
// so that Applied knows none. The note was kept aside; the tree itself says which it was,
// and to apply that one notes it again.
func (a *Applier) Lost() bool { return a.lost.Load() }

// putAside keeps a damaged file of the state folder under a name that says so, and takes
// its own away.
func (a *Applier) putAside(name, as string) error {
	if err := a.state.Rename("put damaged file aside", name, as+durable.Damaged); err != nil {
		return err
	}
	return a.state.Sync("sync damaged file", ".")
}

// repair brings the tree to one release when the plan that a crash has stopped can't be
// read. What is on the disk is compared with the release that was applied before, or where
// there was none with the one that was to be, and what differs is put right. The damaged
// plan, as undo.json, tells to the end that the tree may be a mix: whatever stops this, it
// is begun again from what the disk holds then. Callers hold mu.
func (a *Applier) repair(name string, cause error) (Outcome, error) {
	outcome, to, err := a.goal()
	if err == nil && name == planFile {
		err = a.turn()
	}
	var p *plan
	if err == nil {
		p, err = a.replan(to)
	}
	if err == nil {
		_, err = a.forward(p)
	}
	if err == nil && outcome == Finished {
		err = a.state.Rename("note applied release", targetFile, appliedFile)
	}
	if err == nil {
		err = a.putAside(undoFile, name)
	}
	if err == nil {
		err = a.loadApplied()
	}
	if err != nil {
		return Nothing, fmt.Errorf("recover: %w: %w", ErrUnfinished, errors.Join(cause, err))
	}
	a.log.Error("a plan that a crash has stopped can't be read; the tree was compared with the release and brought to it",
		"release", to.Ref(), "error", cause, "changes", p.result().Changes.String(), "kept", name+durable.Damaged)
	if err := a.sweep(); err != nil {
		a.log.Warn("can't remove what a damaged plan has left", "error", err)
	}
	return outcome, nil
}

// goal is the release that a tree which may be a mix is brought to, and what that makes of
// the damaged plan.
func (a *Applier) goal() (Outcome, *release.Manifest, error) {
	if m := a.applied.Load(); m != nil {
		return Undone, m, nil
	}
	m, err := a.readTarget()
	return Finished, m, err
}

func (a *Applier) readTarget() (*release.Manifest, error) {
	f, err := a.state.Open("open target", targetFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return release.ReadManifest(f)
}

// replan finds what leads from whatever the tree is to a release, and makes sure of all
// that is needed for it.
func (a *Applier) replan(to *release.Manifest) (*plan, error) {
	past := []*release.Manifest{to}
	if m, err := a.readTarget(); err == nil {
		past = append(past, m) // what the damaged plan led to
	}
	ctx := context.Background()
	p, err := a.plan(ctx, Request{Target: to, Past: slices.Values(past), Whole: true})
	if err != nil {
		return nil, err
	}
	// Old files have left the tree, and new ones may be nowhere else.
	if err := a.harvest(to); err != nil {
		return nil, err
	}
	var files []release.File
	for _, s := range p.Steps {
		if s.New != nil {
			files = append(files, release.File{Path: s.Path, Size: s.New.Size, SHA256: s.New.SHA256})
		}
	}
	if missing := a.cfg.Store.Missing(files); len(missing) > 0 {
		return nil, fmt.Errorf("%d contents are not here, such as that of %q", len(missing), missing[0].Path)
	}
	if err := a.stage(ctx, p); err != nil {
		return nil, err
	}
	if err := a.complete(ctx, p); err != nil {
		return nil, err
	}
	_, err = a.keepOld(p)
	return p, err
}

// harvest stores contents of a release that only the staging folder may have.
func (a *Applier) harvest(of *release.Manifest) error {
	sizes := make(map[release.Hash]int64, len(of.Files))
	for _, f := range of.Files {
		sizes[f.SHA256] = f.Size
	}
	for _, dir := range []string{oldDir, newDir} {
		entries, err := a.tree.ReadDir("list staging folder", dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			h, err := hash(a.tree, "hash staged file", name)
			if err != nil {
				return err
			}
			size, wanted := sizes[h]
			if !wanted || a.cfg.Store.Has(h) {
				continue
			}
			r, err := a.tree.Open("open staged file", name)
			if err != nil {
				return err
			}
			err = a.cfg.Store.Put(r, h, size)
			_ = r.Close() // it was only read
			if err != nil {
				return fmt.Errorf("keep staged file: %w", err)
			}
		}
	}
	return nil
}
