package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/omflow/booster/internal/release/disk"
)

// turn makes a plan one that is to be undone. A rename needs no space, so that
// a full disk doesn't stop it.
func (a *Applier) turn() error {
	if err := a.state.Rename("turn plan", planFile, undoFile); err != nil {
		return err
	}
	return a.state.Sync("sync turned plan", ".")
}

// undo brings the tree back to the old release, from wherever the plan or an
// earlier try to undo it stopped. Each step finds out from the disk whether it
// is to be done.
func (a *Applier) undo(p *plan) error {
	for i, s := range slices.Backward(p.Steps) {
		if err := a.takeBack(i, s); err != nil {
			return err
		}
	}
	for _, d := range slices.Backward(p.Made) {
		if err := a.removeEmpty("remove made folder", d); err != nil {
			return err
		}
	}
	for _, d := range p.Emptied {
		if err := a.remake(d); err != nil {
			return err
		}
	}
	for i, s := range p.Steps {
		if s.Old == nil {
			continue
		}
		there, err := exists(a.tree, "look for old file", kept(i))
		if err != nil {
			return err
		}
		if there {
			if err := a.tree.Rename("put back old file", kept(i), s.Path); err != nil {
				return err
			}
		}
	}
	if err := a.syncTree(p); err != nil {
		return err
	}
	if err := gone(a.state.Remove("remove undone plan", undoFile)); err != nil {
		return err
	}
	if err := a.state.Sync("sync removal of plan", "."); err != nil {
		return err
	}
	if err := a.sweep(); err != nil {
		a.log.Warn("can't remove what an undone plan has left", "error", err)
	}
	return nil
}

// takeBack removes the new file of step i if it was put in. Where only the mode
// differs, it could be the old file, put back before.
func (a *Applier) takeBack(i int, s step) error {
	if s.New == nil || s.Old != nil && s.Old.SHA256 == s.New.SHA256 {
		return nil
	}
	if there, err := exists(a.tree, "look for staged file", staged(i)); err != nil || there {
		return err
	}
	// Only what is surely this plan's is removed.
	ok, err := a.isNew(s)
	if err != nil || !ok {
		return err
	}
	return gone(a.tree.Remove("take back new file", s.Path))
}

// remake makes a folder again that deletions had left empty.
func (a *Applier) remake(d dir) error {
	if err := a.tree.Mkdir("make folder again", d.Path, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return a.tree.Chmod("set mode of folder", d.Path, d.Mode)
}

// sweep removes what no plan needs any more.
func (a *Applier) sweep() error {
	for _, name := range []string{targetFile, targetFile + ".new", planFile + ".new"} {
		if err := gone(a.state.Remove("sweep state folder", name)); err != nil && !errors.Is(err, disk.ErrNotFolder) {
			return err
		}
	}
	if err := a.conflicts.Sweep(); err != nil {
		return err
	}
	return a.sweepTree()
}

// Outcome is what Recover did.
type Outcome int

// The outcomes of Recover.
const (
	Nothing  Outcome = iota // no plan was begun
	Finished                // the tree is the new release
	Undone                  // the tree is the old release
)

// String implements fmt.Stringer.
func (o Outcome) String() string {
	switch o {
	case Nothing:
		return "nothing to do"
	case Finished:
		return "finished"
	case Undone:
		return "undone"
	default:
		return fmt.Sprintf("outcome %d", int(o))
	}
}

// Recover finishes a plan that a crash has stopped, or undoes it if that can't
// be done, so that the tree is exactly the new release or exactly the old one.
// It comes before the server is started. It can be called at any time and again;
// on an error, which matches ErrUnfinished, it can be tried again.
func (a *Applier) Recover() (Outcome, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.readPlan(undoFile)
	if err == nil {
		if err := a.undo(p); err != nil {
			return Nothing, fmt.Errorf("recover: undo release %s: %w: %w", p.To, ErrUnfinished, err)
		}
		a.log.Warn("undid a release that could not be put in place", "release", p.To, "back_to", p.From)
		return Undone, nil
	}
	if errors.Is(err, errDamaged) {
		return a.repair(undoFile, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Nothing, fmt.Errorf("recover: %w: %w", ErrUnfinished, err)
	}
	p, err = a.readPlan(planFile)
	if errors.Is(err, errDamaged) {
		return a.repair(planFile, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := a.sweep(); err != nil {
			return Nothing, fmt.Errorf("recover: %w", err)
		}
		return Nothing, nil
	}
	if err != nil {
		return Nothing, fmt.Errorf("recover: %w: %w", ErrUnfinished, err)
	}
	_, err = a.finish(p)
	if errors.Is(err, ErrUnfinished) {
		return Nothing, fmt.Errorf("recover: finish release %s: %w", p.To, err)
	}
	if err != nil {
		a.log.Error("undid a release that could not be put in place after a crash", "release", p.To, "back_to", p.From, "error", err)
		return Undone, nil
	}
	a.log.Info("finished a release after a crash", "release", p.To)
	return Finished, nil
}
