package patch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/watch"
)

// draft makes a manifest of what the folder holds, on top of the ground. The caller
// holds work.
func (m *Member) draft(d *draft, ground, strays *release.Manifest) (*release.Manifest, []release.Change, error) {
	files := make([]release.File, 0, d.tree.Len())
	var unfit []watch.Entry
	for e := range d.tree.All() {
		if strays != nil && isStray(strays, e) {
			continue
		}
		if err := release.CheckPath(e.Path); err != nil {
			unfit = append(unfit, e)
			if !slices.ContainsFunc(m.unfit, func(u watch.Entry) bool { return u.Path == e.Path }) {
				m.log.Warn("a file can't be published", "error", err)
			}
			continue
		}
		files = append(files, fileOf(e))
	}
	m.mu.Lock()
	m.unfit = unfit
	m.mu.Unlock()
	draft := release.Draft{Kind: release.Patch, Origin: m.cfg.Node, Time: d.found, Files: files}
	ours, err := release.New(ground, draft)
	if err != nil {
		return nil, nil, err
	}
	changes := release.Changes(ground, ours)
	if ground != nil && m.cfg.Deployed(paths(changes)) {
		draft.Kind = release.Deploy
		if ours, err = release.New(ground, draft); err != nil {
			return nil, nil, err
		}
	}
	return ours, changes, nil
}

func paths(changes []release.Change) []string {
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = c.Path
	}
	return out
}

// returned looks once more for the files that a change removes, which may have been
// found long ago, and names one that is there again: a removal costs most when it is
// wrong.
func (f *folder) returned(changes []release.Change) string {
	// Where the system ignores case a file that got another spelling is found under the
	// old one too.
	respelled := make(map[string]bool)
	for _, c := range changes {
		if c.Old == nil {
			respelled[release.FoldKey(c.Path)] = true
		}
	}
	for _, c := range changes {
		if c.New != nil || respelled[release.FoldKey(c.Path)] {
			continue
		}
		if info, err := f.root.Lstat(filepath.FromSlash(c.Path)); err == nil && info.Mode().IsRegular() {
			return c.Path
		}
	}
	return ""
}

// store puts what has changed into the blob store.
func (m *Member) store(f *folder, changes []release.Change) error {
	var news []release.File
	for _, c := range changes {
		if c.New != nil {
			news = append(news, *c.New)
		}
	}
	if err := m.room(m.blobs.ToWrite(news)); err != nil {
		return fmt.Errorf("copy what has changed: %w", err)
	}
	batch := m.blobs.NewBatch()
	defer batch.Abort()
	for _, file := range news {
		if err := batch.PutFile(f.root, file.Path, file.SHA256, file.Size); err != nil {
			return fmt.Errorf("copy what has changed: %w", err)
		}
	}
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("copy what has changed: %w", err)
	}
	return nil
}

// propose has ours, on top of the ground, numbered, and returns the release that it
// became, nil when nothing of it was left.
func (m *Member) propose(ctx context.Context, ground known, ours *release.Manifest) (*release.Manifest, error) {
	for range maxRebases {
		next, conflicts, err := m.onHead(ground, ours)
		if err != nil {
			return nil, err
		}
		if err := m.keepLosers(conflicts); err != nil {
			return nil, err
		}
		if next == nil {
			return nil, nil
		}
		if err := m.cfg.Check(pathsOf(next)); err != nil {
			return nil, err
		}
		proposal := api.Proposal{
			Manifest: next, Manual: m.cfg.Manual, Keep: m.cfg.Keep,
			// Another server's change that was merged in is not in the process.
			InMemory: next.Kind == release.Deploy && slices.Equal(next.Files, ours.Files),
		}
		cctx, cancel := context.WithTimeout(ctx, callTime)
		err = m.cfg.Peers.Propose(cctx, proposal)
		cancel()
		var stale *history.StaleError
		switch {
		case err == nil:
			return next, nil
		case !errors.As(err, &stale):
			return nil, err
		case ground.m == nil:
			return nil, errNotFirst
		}
		if err := m.follow(ctx, stale.Head); err != nil {
			return nil, err
		}
		if m.holdsNow() != ground.ref {
			return nil, errTurned
		}
	}
	return nil, errors.New("others were faster each time")
}

func (m *Member) holdsNow() release.Ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds().ref
}

// onHead puts ours on top of the newest release.
func (m *Member) onHead(ground known, ours *release.Manifest) (*release.Manifest, []release.Conflict, error) {
	head := m.releases.Head()
	if head == ground.ref {
		return ours, nil, nil
	}
	theirs, err := m.releases.Get(head.Number)
	if err != nil {
		return nil, nil, err
	}
	r, err := release.Rebase(ground.m, ours, theirs)
	return r.Manifest, r.Conflicts, err
}

func pathsOf(m *release.Manifest) []string {
	out := make([]string, len(m.Files))
	for i, f := range m.Files {
		out[i] = f.Path
	}
	return out
}

// keepLosers keeps versions aside that lost against another server's.
func (m *Member) keepLosers(conflicts []release.Conflict) error {
	head := m.releases.Head()
	for _, c := range conflicts {
		if c.Ours == nil {
			m.log.Warn("a file that was deleted here has been changed on another server, and stays", "path", c.Path, "release", head.Number)
			continue
		}
		r, err := m.blobs.Open(c.Ours.SHA256)
		if err != nil {
			return fmt.Errorf("keep %q aside: %w", c.Path, err)
		}
		kept, err := m.openApplier().Conflicts().Keep(head.Number, m.cfg.Node, c.Path, r)
		_ = r.Close() // it was read to its end
		if err != nil {
			return fmt.Errorf("keep %q aside: %w", c.Path, err)
		}
		m.log.Warn("a file was changed on another server first; the version of this one is kept aside",
			"path", c.Path, "release", head.Number, "with", c.With, "kept", m.state("apply/"+kept.File))
	}
	if len(conflicts) > 0 {
		m.listConflicts()
	}
	return nil
}

// accept takes a draft for published, as what the booster has numbered or, without
// that, as nothing that others lack.
func (m *Member) accept(ours, accepted *release.Manifest) error {
	if accepted != nil {
		var stale *history.StaleError
		if err := m.releases.Propose(accepted, "this server"); err != nil && !errors.As(err, &stale) {
			m.log.Error("the release can't be noted", "release", accepted.Number, "error", err)
		}
	}
	m.mu.Lock()
	first := m.holds().m == nil
	strays := m.strays
	m.mu.Unlock()
	if strays != nil {
		left := slices.DeleteFunc(slices.Clone(strays.Files), func(f release.File) bool {
			_, published := ours.File(f.Path)
			return published
		})
		if len(left) < len(strays.Files) {
			if err := m.setStrays(left); err != nil {
				return err
			}
		}
	}
	if err := m.setGround(ours); err != nil {
		return err
	}
	poke(m.news)
	if accepted != nil && (first || accepted.Kind == release.Deploy && slices.Equal(accepted.Files, ours.Files)) {
		return m.note(accepted)
	}
	return nil
}
