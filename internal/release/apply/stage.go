package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/conflicts"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/release/store"
)

// largeFile is the size, in bytes, from which on a file may be staged as room alone. To
// copy less takes about as long as to make the file.
const largeFile = 1 << 20

// Stage prepares what Apply will put in place, while the server runs: it checks
// the release against the tree and the space on the disk, and copies the new
// files beside the tree; for large ones whose blobs were checked minutes ago it
// only makes sure of the room. The tree itself is unchanged. It says what Apply will
// do, as the tree is now. Staging another release takes the place of this one.
//
// It does not wait for the disk: after a crash what was staged is swept anyway.
//
// While another release is prepared, nothing is copied: that one's server is being
// stopped, and must not have to wait for its files again. The release is only checked
// against the tree then, and Prepare, or Stage once the other one was applied, copies it.
func (a *Applier) Stage(ctx context.Context, req Request) (Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.check(ctx, req)
	if err == nil && !a.synced {
		err = a.place(ctx, p)
	}
	if err != nil {
		return Result{}, fmt.Errorf("stage release: %w", err)
	}
	return p.result(), nil
}

// Prepare is Stage, and has all of it copied and on the disk, so that Apply need not
// do that while the server is stopped. It stays there until this release was applied, or
// was given up: another one is prepared or applied.
func (a *Applier) Prepare(ctx context.Context, req Request) (Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.check(ctx, req)
	if err == nil {
		err = a.place(ctx, p)
	}
	if err == nil {
		err = a.complete(ctx, p)
	}
	if err != nil {
		return Result{}, fmt.Errorf("prepare release: %w", err)
	}
	return p.result(), nil
}

// check makes a plan. Callers hold mu, here and below.
func (a *Applier) check(ctx context.Context, req Request) (*plan, error) {
	if err := a.finished(); err != nil {
		return nil, err
	}
	return a.plan(ctx, req)
}

// place has the files of a plan staged, unless they are.
func (a *Applier) place(ctx context.Context, p *plan) error {
	if a.staged.sameFiles(p) {
		a.staged = p
		return nil
	}
	if err := a.stage(ctx, p); err != nil {
		return errors.Join(err, a.sweepTree())
	}
	return nil
}

// finished fails while a plan is to be finished or undone.
func (a *Applier) finished() error {
	for _, name := range []string{planFile, undoFile} {
		there, err := exists(a.state, "look for plan", name)
		if err != nil {
			return err
		}
		if there {
			return ErrUnfinished
		}
	}
	return nil
}

func (a *Applier) stage(ctx context.Context, p *plan) error {
	if err := a.sweepTree(); err != nil {
		return err
	}
	if len(p.Steps) == 0 {
		a.staged = p
		return nil
	}
	if err := a.checkSpace(p); err != nil {
		return err
	}
	for _, d := range []string{release.StagingDir, newDir, oldDir} {
		if err := a.tree.Mkdir("make staging folder", d, 0o700); err != nil {
			return err
		}
	}
	for i, s := range p.Steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("copy to staging folder: %w", err)
		}
		if s.New == nil {
			continue
		}
		if err := a.stageFile(i, s); err != nil {
			return err
		}
	}
	a.staged = p
	return nil
}

// complete has what is staged for p whole and on the disk. No plan is written before
// that.
func (a *Applier) complete(ctx context.Context, p *plan) error {
	if a.synced || len(p.Steps) == 0 {
		return nil
	}
	for len(a.hollow) > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("copy to staging folder: %w", err)
		}
		i := a.hollow[0]
		if err := a.fill(i, p.Steps[i]); err != nil {
			// What is half a file, or has its mode already, can't be filled again.
			return errors.Join(err, a.sweepTree())
		}
		a.hollow = a.hollow[1:]
	}
	if err := a.syncStaged(p); err != nil {
		// To sync again may succeed, and what could not be written is lost all the same.
		return errors.Join(err, a.sweepTree())
	}
	a.synced = true
	return nil
}

func (a *Applier) syncStaged(p *plan) error {
	var files []string
	for i, s := range p.Steps {
		if s.New != nil {
			files = append(files, staged(i))
		}
	}
	if err := a.tree.Sync("sync staged files", files...); err != nil {
		return err
	}
	return a.tree.Sync("sync staging folders", newDir, oldDir, release.StagingDir, ".")
}

// checkSpace fails if the new files don't fit beside the old ones, which stay
// until the plan is finished.
func (a *Applier) checkSpace(p *plan) error {
	const block = 4096
	inTree, inState := uint64(headroom), uint64(headroom)
	for _, s := range p.Steps {
		if s.New != nil {
			inTree += uint64(s.New.Size) + block
		}
		if s.Old != nil && s.Old.Local {
			inState += uint64(s.Old.Size) + block
		}
	}
	for _, need := range []struct {
		f     disk.FS
		where string
		bytes uint64
	}{{a.tree, a.cfg.Root, inTree}, {a.state, a.cfg.State, inState}} {
		free, err := need.f.Free("look for space")
		if err != nil {
			return err
		}
		if free < need.bytes {
			return fmt.Errorf("not enough space on the disk of %s: %d bytes are needed, %d are free", need.where, need.bytes, free)
		}
	}
	return nil
}

// stageFile copies the new file of step i to where a rename can fetch it. A large one
// that was hashed minutes ago is as good in the store until the release is applied, if
// that is to be: there is only room made for it now.
func (a *Applier) stageFile(i int, s step) error {
	r, err := a.cfg.Store.Open(s.New.SHA256)
	if err != nil {
		return fmt.Errorf("stage %q: %w", s.Path, err)
	}
	defer r.Close()
	perm := fs.FileMode(0o666)
	if s.New.Exec {
		perm = 0o777
	}
	if r.Fresh() && r.Size() == s.New.Size && s.New.Size >= a.cfg.large {
		err := a.tree.Reserve("reserve staged file", staged(i), perm, s.New.Size)
		if err == nil {
			a.hollow = append(a.hollow, i)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	w, err := a.tree.Create("create staged file", staged(i), perm)
	if err != nil {
		return err
	}
	return a.copy(w, r, i, s)
}

// fill copies the new file of step i to where there is room for it.
func (a *Applier) fill(i int, s step) error {
	r, err := a.cfg.Store.Open(s.New.SHA256)
	if err != nil {
		return fmt.Errorf("stage %q: %w", s.Path, err)
	}
	defer r.Close()
	w, err := a.tree.Fill("fill staged file", staged(i))
	if err != nil {
		return err
	}
	return a.copy(w, r, i, s)
}

// copy copies a blob to the staged file of step i, which it closes. A blob that was
// written minutes ago was hashed then; any other may have been damaged on the disk
// since, and is hashed again.
func (a *Applier) copy(w io.WriteCloser, r *store.Blob, i int, s step) (err error) {
	got := s.New.SHA256
	var n int64
	if r.Fresh() {
		n, err = io.Copy(w, r)
	} else {
		n, got, err = store.Hash(r, w)
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("stage %q: %w", s.Path, err)
	}
	if got != s.New.SHA256 || n != s.New.Size {
		// The store checked it once; it must come from a peer again.
		err := fmt.Errorf("stage %q: blob %s is damaged: it has %d bytes with hash %s", s.Path, s.New.SHA256, n, got)
		return errors.Join(err, a.cfg.Store.Drop(s.New.SHA256))
	}
	return a.dress(i, s)
}

// dress gives a staged file the mode and owner of the one that it replaces. A
// new file has its mode from the umask and its owner from the folder.
func (a *Applier) dress(i int, s step) error {
	if s.Old != nil {
		mode := s.Old.Mode &^ 0o111
		if s.New.Exec {
			mode = s.Old.Mode | s.Old.Mode&0o444>>2 // who may read may execute
		}
		if err := a.tree.Chmod("set mode of staged file", staged(i), mode); err != nil {
			return err
		}
	}
	return a.tree.Own("set owner of staged file", staged(i), s.like)
}

// sweepTree removes the staging folder. What was staged is gone with it.
func (a *Applier) sweepTree() error {
	a.staged, a.hollow, a.synced = nil, nil, false
	return a.tree.RemoveAll("sweep staging folder", release.StagingDir)
}

// keepOld has everything that the plan takes out of the tree stored: what
// somebody changed here under conflicts/, what a release had in the blob store,
// so that it can be rolled back to.
func (a *Applier) keepOld(p *plan) ([]conflicts.Kept, error) {
	var out []conflicts.Kept
	batch := a.cfg.Store.NewBatch()
	defer batch.Abort()
	for _, s := range p.Steps {
		switch {
		case s.Old == nil:
		case s.Old.Local:
			k, err := a.keepAside(p.To.Number, s.Path, s.Path)
			if err != nil {
				return out, err
			}
			out = append(out, k)
		case !a.cfg.Store.Has(s.Old.SHA256):
			r, err := a.tree.Open("open old file", s.Path)
			if err != nil {
				return out, err
			}
			err = batch.Put(r, s.Old.SHA256, s.Old.Size)
			_ = r.Close()
			if err != nil {
				return out, fmt.Errorf("keep old %q: %w", s.Path, err)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		return out, err
	}
	return out, nil
}

// keepAside copies a file of the tree under conflicts/.
func (a *Applier) keepAside(number uint64, path, from string) (conflicts.Kept, error) {
	r, err := a.tree.Open("open file to keep aside", from)
	if err != nil {
		return conflicts.Kept{}, err
	}
	defer r.Close()
	k, err := a.conflicts.Keep(number, a.cfg.Node, path, r)
	if err != nil {
		return conflicts.Kept{}, err
	}
	a.log.Warn("a file was changed on this server alone; it is kept aside and overwritten",
		"path", path, "release", number, "kept", a.cfg.State+string(os.PathSeparator)+k.File)
	return k, nil
}
