package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/release/store"
)

// look finds out what is on the disk where a release wants to change something.
type look struct {
	a       *Applier
	req     Request
	applied *release.Manifest

	// folders has what each folder above a path is; nil if it is not there, or
	// is a file that the plan deletes.
	folders map[string]fs.FileInfo
	top     fs.FileInfo     // the tree itself
	deleted map[string]bool // files that the plan deletes
	inWay   []dir           // folders where files come, and those in them, outer ones first
}

// found is what the disk holds at a path.
type found struct {
	info   fs.FileInfo // nil: nothing, or a folder
	folder bool
	hash   release.Hash
}

// candidate is a path to look at, with what the applied release and the target
// say of it.
type candidate struct {
	path     string
	old, new *release.File
	disk     found
}

// is reports whether the disk holds f.
func (d found) is(f *release.File) bool {
	return f != nil && d.info != nil && d.hash == f.SHA256 && (!disk.ModesCount || executable(d.info) == f.Exec)
}

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

// steps finds what must be done, sorted by path.
func (l *look) steps(ctx context.Context) ([]step, error) {
	var err error
	if l.top, err = l.a.tree.Lstat("look at tree", "."); err != nil {
		return nil, err
	}
	candidates := l.candidates()
	respelled := l.respelled(candidates)
	var steps []step
	var unknown []int // steps whose old content neither release has
	for i := range candidates {
		c := &candidates[i]
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("look at tree: %w", err)
		}
		if c.new == nil && !l.a.allowed(c.path) {
			continue // left out of releases by now, and so it is not deleted
		}
		if c.disk, err = l.at(c.path, c.new != nil); err != nil {
			return nil, err
		}
		nothing := c.disk.info == nil && c.new == nil
		if nothing || c.disk.is(c.new) && !respelled[c.path] {
			continue
		}
		s := step{Path: c.path}
		if c.new != nil {
			s.New = &newFile{Size: c.new.Size, SHA256: c.new.SHA256, Exec: c.new.Exec}
			s.like = l.nearest(c.path, c.disk.info)
		} else {
			l.deleted[c.path] = true
		}
		if info := c.disk.info; info != nil {
			s.Old = &oldFile{Size: info.Size(), SHA256: c.disk.hash, Mode: info.Mode().Perm(), Modified: info.ModTime().UTC()}
			if !c.holds(c.disk.hash) {
				s.Old.Local = true
				unknown = append(unknown, len(steps))
			}
		}
		steps = append(steps, s)
	}
	l.recognise(steps, unknown)
	steps = slices.DeleteFunc(steps, func(s step) bool {
		// What no release that is known had here was not deleted by the target
		// either: somebody made it, and has yet to publish it.
		stays := s.New == nil && s.Old.Local && !l.had(s.Path)
		if stays {
			delete(l.deleted, s.Path)
		}
		return stays
	})
	for _, c := range candidates {
		if c.new != nil && c.disk.folder {
			if err := l.checkFolder(c.path); err != nil {
				return nil, err
			}
		}
	}
	return steps, nil
}

// holds reports whether one of the two releases has content h at the path.
func (c *candidate) holds(h release.Hash) bool {
	return c.old != nil && c.old.SHA256 == h || c.new != nil && c.new.SHA256 == h
}

// had reports whether the applied release has path.
func (l *look) had(path string) bool {
	if l.applied == nil {
		return false
	}
	_, ok := l.applied.File(path)
	return ok
}

// candidates lists the paths to look at, sorted. A tree that has no release yet
// is looked at as a whole.
func (l *look) candidates() []candidate {
	if !l.req.Whole && l.applied != nil {
		var out []candidate
		for _, c := range release.Changes(l.applied, l.req.Target) {
			out = append(out, candidate{path: c.Path, old: c.Old, new: c.New})
		}
		return out
	}
	all := make(map[string]candidate, len(l.req.Target.Files))
	if l.req.Past != nil {
		for m := range l.req.Past {
			for i := range m.Files {
				all[m.Files[i].Path] = candidate{path: m.Files[i].Path}
			}
			for _, d := range m.Deleted {
				all[d.Path] = candidate{path: d.Path}
			}
		}
	}
	if l.applied != nil {
		for i := range l.applied.Files {
			f := &l.applied.Files[i]
			all[f.Path] = candidate{path: f.Path, old: f}
		}
	}
	for i := range l.req.Target.Files {
		f := &l.req.Target.Files[i]
		all[f.Path] = candidate{path: f.Path, old: all[f.Path].old, new: f}
	}
	out := make([]candidate, 0, len(all))
	for _, c := range all {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b candidate) int { return cmp.Compare(a.path, b.path) })
	return out
}

// respelled finds the new paths that differ only by case from one that is
// deleted. Where case is ignored, the disk shows the old file under the new
// name, so it must be written in any case.
func (l *look) respelled(candidates []candidate) map[string]bool {
	deleted := make(map[string]bool)
	for _, c := range candidates {
		if c.new == nil {
			deleted[release.FoldKey(c.path)] = true
		}
	}
	if len(deleted) == 0 {
		return nil
	}
	out := make(map[string]bool)
	for _, c := range candidates {
		if c.new != nil && deleted[release.FoldKey(c.path)] {
			out[c.path] = true
		}
	}
	return out
}

// recognise clears Local for content that one of the releases of the past had:
// the disk is older than this node thought.
func (l *look) recognise(steps []step, unknown []int) {
	if len(unknown) == 0 || l.req.Past == nil {
		return
	}
	for m := range l.req.Past {
		for _, i := range unknown {
			if m.Said(steps[i].Path, steps[i].Old.SHA256) {
				steps[i].Old.Local = false
			}
		}
	}
}

// at describes what is at path; comes tells whether something new is to come there.
func (l *look) at(path string, comes bool) (found, error) {
	for _, d := range parents(path) {
		there, err := l.above(d, comes)
		if err != nil {
			return found{}, err
		}
		if !there {
			return found{}, nil
		}
	}
	info, err := l.a.tree.Lstat("look at file", path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found{}, nil
	case err != nil:
		return found{}, err
	case info.IsDir():
		return found{folder: true}, nil
	case !info.Mode().IsRegular():
		return found{}, fmt.Errorf("%q is in the way: it is no regular file (%s)", path, info.Mode().Type())
	}
	d := found{info: info}
	d.hash, err = hash(l.a.tree, "hash file", path)
	return d, err
}

// nearest describes the file at path, or the innermost folder above it that is
// there.
func (l *look) nearest(path string, info fs.FileInfo) fs.FileInfo {
	if info != nil {
		return info
	}
	for _, d := range slices.Backward(parents(path)) {
		if l.folders[d] != nil {
			return l.folders[d]
		}
	}
	return l.top
}

// above reports whether the folder d is there. A file in its place has nothing below it;
// it is in the way only when something comes there.
func (l *look) above(d string, comes bool) (bool, error) {
	if info, ok := l.folders[d]; ok {
		return info != nil, nil
	}
	info, err := l.a.tree.Lstat("look at folder", d)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && l.deleted[d] && info.Mode().IsRegular():
		l.folders[d] = nil
		return false, nil
	case err != nil:
		return false, err
	case !comes && info.Mode().IsRegular():
		return false, nil
	case !info.IsDir():
		return false, fmt.Errorf("%q is in the way: it is no folder (%s)", d, info.Mode().Type())
	}
	l.folders[d] = info
	return true, nil
}

func hash(in disk.FS, op, path string) (release.Hash, error) {
	f, err := in.Open(op, path)
	if err != nil {
		return release.Hash{}, err
	}
	defer f.Close()
	_, h, err := store.Hash(f)
	if err != nil {
		return release.Hash{}, fmt.Errorf("%s: %w", op, err)
	}
	return h, nil
}

// checkFolder refuses a file whose place is taken by a folder, unless the plan
// empties that, or it is empty.
func (l *look) checkFolder(path string) error {
	info, err := l.a.tree.Lstat("look at folder in the way", path)
	if err != nil {
		return err
	}
	l.inWay = append(l.inWay, dir{Path: path, Mode: info.Mode().Perm()})
	entries, err := l.a.tree.ReadDir("list folder in the way", path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path + "/" + e.Name()
		switch {
		case l.deleted[name], strings.HasSuffix(name, "/"+cacheDir):
		case e.IsDir():
			if err := l.checkFolder(name); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is in the way: it must be a file and holds %q, which is no release's", path, name)
		}
	}
	return nil
}
