package patch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/apply"
	"github.com/omflow/booster/internal/watch"
)

// errDamaged: a file of the state folder is there and can't be read.
var errDamaged = errors.New("the file is damaged")

// lost says what is not known any more since the file that said it is damaged.
type lost struct{ ground, strays bool }

// loadGround reads what the folder is known to hold. What can't be read is found out again
// before anything is published or applied, see rebuild.
func (m *Member) loadGround() error {
	ground, err := m.load(groundFile)
	if m.lost.ground = errors.Is(err, errDamaged); err != nil && !m.lost.ground {
		return err
	}
	strays, serr := m.load(straysFile)
	if m.lost.strays = errors.Is(serr, errDamaged); serr != nil && !m.lost.strays {
		return serr
	}
	m.ground, m.strays = name(ground), strays
	for _, err := range []error{err, serr} {
		if err != nil {
			m.log.Error("what the folder holds is found out by comparing it with the releases", "error", err)
		}
	}
	return nil
}

// rebuild finds out what damaged files of the state folder said, from the folder itself
// and the releases that are known. What is not sure is taken for nobody's change: it is
// not published, and when a release is applied it gives way and is kept aside. So nothing
// comes back that was undone elsewhere. The caller holds work.
func (m *Member) rebuild(ctx context.Context) error {
	m.mu.Lock()
	f := m.folder
	m.mu.Unlock()
	if !f.applier.Lost() && m.lost == (lost{}) {
		return nil
	}
	tree, err := m.watcher.Snapshot(ctx)
	if err == nil && f.applier.Lost() {
		err = m.findApplied(ctx, f, tree)
	}
	if err == nil && m.lost.ground {
		err = m.again(groundFile, func() error {
			ground, err := m.guessGround(f, tree)
			if err != nil {
				return err
			}
			return m.setGround(ground)
		})
		m.lost.ground = err != nil
	}
	if err == nil && m.lost.strays {
		err = m.again(straysFile, func() error { return m.setStrays(m.guessStrays(tree)) })
		m.lost.strays = err != nil
	}
	if err != nil {
		return fmt.Errorf("find out what the folder holds: %w", err)
	}
	return nil
}

// again has a damaged file written anew, and keeps the damaged one.
func (m *Member) again(file string, write func() error) error {
	aside, err := durable.KeepDamaged(m.state(file))
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	m.log.Warn("a damaged file was made anew of what the folder and the releases are", "file", m.state(file), "kept", aside)
	return nil
}

// findApplied notes which release the folder is. One that is none exactly is treated like
// a folder that was there before there were releases: see request.
func (m *Member) findApplied(ctx context.Context, f *folder, tree *watch.Tree) error {
	is := m.sameRelease(tree)
	if is == nil {
		m.log.Error("the folder is no release that is known here: what differs from the next one is kept aside and replaced, and is not published")
		return nil
	}
	req := apply.Request{Target: is, Past: m.past()}
	result, err := f.applier.Stage(ctx, req)
	if err != nil {
		return err
	}
	if result.Changes != (release.Summary{}) {
		return fmt.Errorf("the folder has changed while it was compared with release %d", is.Number)
	}
	if _, err := f.applier.Apply(ctx, req); err != nil {
		return err
	}
	m.log.Warn("the folder is this release", "release", is.Ref())
	m.mu.Lock()
	f.applied = name(f.applier.Applied())
	m.mu.Unlock()
	return nil
}

// sameRelease finds the release that a tree is, but for the strays: one of these, or the
// newest; nil: none.
func (m *Member) sameRelease(tree *watch.Tree, first ...*release.Manifest) *release.Manifest {
	if m.strays != nil {
		tree = treeOf(slices.DeleteFunc(slices.Collect(tree.All()), func(e watch.Entry) bool { return isStray(m.strays, e) }))
	}
	for r := range m.past(first...) {
		if m.differences(tree, r) == 0 {
			return r
		}
	}
	return nil
}

// guessGround is what the folder is known to hold, nil for the applied release: the
// release that it is, or else whatever of it some release has said, and for the rest what
// the applied release says. A file that is missing is not taken for deleted.
func (m *Member) guessGround(f *folder, tree *watch.Tree) (*release.Manifest, error) {
	m.mu.Lock()
	applied := f.applied
	m.mu.Unlock()
	if applied.m == nil {
		return nil, nil
	}
	if is := m.sameRelease(tree, applied.m); is != nil {
		if is == applied.m {
			is = nil
		}
		return is, nil
	}
	known := make(map[string]release.File)
	for r := range m.past(applied.m) {
		for e := range tree.All() {
			if r.Said(e.Path, e.SHA256) {
				known[e.Path] = fileOf(e)
			}
		}
	}
	var files []release.File
	for e := range tree.All() {
		file, ok := known[e.Path]
		if !ok {
			file, ok = applied.m.File(e.Path)
		}
		if ok {
			files = append(files, file)
		}
	}
	return m.loose(files)
}

// guessStrays are the files that are not in the release that the folder is known to hold.
func (m *Member) guessStrays(tree *watch.Tree) (strays []release.File) {
	m.mu.Lock()
	holds := m.holds()
	m.mu.Unlock()
	for e := range tree.All() {
		if holds.m == nil || release.CheckPath(e.Path) != nil {
			continue
		}
		if _, ok := holds.m.File(e.Path); !ok {
			strays = append(strays, fileOf(e))
		}
	}
	return strays
}
