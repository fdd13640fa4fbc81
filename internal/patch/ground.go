package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/watch"
)

// Files of the state folder that hold one manifest each.
const (
	groundFile = "ground.json"
	straysFile = "strays.json"
)

// checkState refuses a state folder that would become part of releases.
func (c Config) checkState() error {
	matcher, err := c.rules().Compile()
	if err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	rel, err := filepath.Rel(c.Root, c.StateDir)
	rel = filepath.ToSlash(rel)
	if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") && matcher.Covers(rel+"/x") {
		return fmt.Errorf("patch: the state folder %s is in the patch folder: exclude it, or move it", c.StateDir)
	}
	return nil
}

// allowed tells which paths releases may touch. Where a system ignores case, a name
// that differs by case only from one that is left out is left out too.
func (c Config) allowed() (func(path string) bool, error) {
	matcher, err := c.rules().Compile()
	if err != nil || runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return matcher.Covers, err
	}
	var lower watch.Rules
	for _, p := range c.rules().Exclude {
		lower.Exclude = append(lower.Exclude, strings.ToLower(p))
	}
	folded, err := lower.Compile()
	if err != nil {
		return nil, err
	}
	return func(path string) bool { return matcher.Covers(path) && folded.Covers(strings.ToLower(path)) }, nil
}

// treeOf is what a folder holds that has these files; where several have a path, the
// first counts. A nil manifest has none.
func treeOf(files []watch.Entry, of ...*release.Manifest) *watch.Tree {
	entries := slices.Clone(files)
	seen := make(map[string]bool)
	for _, e := range files {
		seen[e.Path] = true
	}
	for _, m := range of {
		if m == nil {
			continue
		}
		for _, f := range m.Files {
			if !seen[f.Path] {
				seen[f.Path] = true
				entries = append(entries, watch.Entry{Path: f.Path, Size: f.Size, SHA256: f.SHA256, Exec: f.Exec})
			}
		}
	}
	tree, err := watch.NewTree(entries)
	if err != nil {
		panic(fmt.Sprintf("paths that were made unique are not: %v", err))
	}
	return tree
}

func fileOf(e watch.Entry) release.File {
	return release.File{Path: e.Path, Size: e.Size, SHA256: e.SHA256, Exec: e.Exec}
}

// loose makes a manifest that is in no sequence, of files.
func (m *Member) loose(files []release.File) (*release.Manifest, error) {
	return release.New(nil, release.Draft{Kind: release.Patch, Origin: m.cfg.Node, Time: time.Now(), Files: files})
}

// load reads a manifest of the state folder, nil when there is none. The error matches
// errDamaged when what is there can't be read.
func (m *Member) load(file string) (*release.Manifest, error) {
	f, err := os.Open(m.state(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	defer f.Close()
	manifest, err := release.ReadManifest(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", f.Name(), errDamaged, err)
	}
	return manifest, nil
}

// save replaces a manifest of the state folder; nil removes it.
func (m *Member) save(file string, manifest *release.Manifest) error {
	if manifest == nil {
		// What a loss of power brought back would be taken for true.
		err := os.Remove(m.state(file))
		if err == nil {
			err = durable.SyncDir(m.cfg.StateDir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", file, err)
		}
		return nil
	}
	b, err := manifest.Encode()
	if err == nil {
		err = durable.WriteFile(m.state(file), b)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// setGround makes g what the folder is known to hold, nil for the applied release. What
// differs from it is somebody's change from now on. The caller holds work.
func (m *Member) setGround(g *release.Manifest) error {
	if err := m.save(groundFile, g); err != nil {
		return err
	}
	named := name(g)
	m.mu.Lock()
	m.ground = named
	m.mu.Unlock()
	m.turned()
	return nil
}

// turned tells the watcher what the folder is taken for now. A change that was found
// before that does not count: whoever takes one compares turns, which grow after it.
// The caller holds work.
func (m *Member) turned() {
	m.rebase()
	m.mu.Lock()
	m.turns++
	m.mu.Unlock()
}

// setStrays notes the files that are in no release and are not to be published. The
// caller holds work and sets the base after it.
func (m *Member) setStrays(files []release.File) error {
	var strays *release.Manifest
	if len(files) > 0 {
		var err error
		if strays, err = m.loose(files); err != nil {
			return err
		}
	}
	if err := m.save(straysFile, strays); err != nil {
		return err
	}
	m.mu.Lock()
	m.strays = strays
	m.mu.Unlock()
	return nil
}

// findGround finds out, once after the folder was opened, whether it holds an older
// release than the one that was applied: then it was restored from a backup, and what
// it lacks of the newer ones is no deletion. It is taken for the release that it
// differs from in the fewest files. The caller holds work.
func (m *Member) findGround(ctx context.Context) error {
	m.mu.Lock()
	holds, applied := m.holds(), m.folder.applied
	m.mu.Unlock()
	if holds.m == nil {
		return nil
	}
	if is, ok := m.releases.Ref(applied.ref.Number); ok && is != applied.ref && applied.ref == holds.ref {
		return m.common(applied.ref.Number) // a crash came between fork and its note
	}
	tree, err := m.watcher.Snapshot(ctx)
	if err != nil {
		return err
	}
	least := m.differences(tree, holds.m)
	if least == 0 || tree.Len() == 0 {
		return nil // what an empty folder means, the watcher knows
	}
	var older *release.Manifest
	for old := range m.releases.All() {
		if old.Number >= min(holds.m.Number, applied.ref.Number) {
			continue
		}
		if n := m.differences(tree, old); n < least {
			least, older = n, old
		}
	}
	if older == nil {
		return nil
	}
	m.log.Warn("the folder holds an older release than the one that was applied, as after a restore from a backup; it is brought up to date",
		"holds", older.Ref(), "applied", applied.ref, "other_differences", least)
	return m.setGround(older)
}

// differences counts the files in which a tree is not what a release says.
func (m *Member) differences(tree *watch.Tree, of *release.Manifest) int {
	n, found := 0, 0
	for e := range tree.All() {
		f, ok := of.File(e.Path)
		if ok && m.covers(e.Path) {
			found++
		}
		if !ok || !sameFile(f, e) {
			n++
		}
	}
	for _, f := range of.Files {
		if m.covers(f.Path) {
			found--
		}
	}
	return n - found // which is less than 0 by those that are not there
}

// sameFile reports whether a file is what a release says. Where the system has no
// executable bit it does not count.
func sameFile(f release.File, e watch.Entry) bool {
	if runtime.GOOS == "windows" {
		e.Exec = f.Exec
	}
	return f == fileOf(e)
}

func isStray(strays *release.Manifest, e watch.Entry) bool {
	f, ok := strays.File(e.Path)
	return ok && sameFile(f, e)
}

// fork notes that the sequence of the booster has taken the place of releases that this
// node knew. What the folder has of them is published again, on top of the sequence:
// the ground becomes what both had in common. The caller holds work.
func (m *Member) fork(dropped []*release.Manifest) error {
	m.mu.Lock()
	var applied known
	if m.folder != nil {
		applied = m.folder.applied
	}
	if slices.ContainsFunc(dropped, func(d *release.Manifest) bool { return d.Ref() == m.staged }) {
		m.staged = release.Ref{}
	}
	m.mu.Unlock()
	wasApplied := slices.ContainsFunc(dropped, func(d *release.Manifest) bool { return d.Ref() == applied.ref })
	own := slices.ContainsFunc(dropped, func(d *release.Manifest) bool { return d.Origin == m.cfg.Node })
	if !wasApplied && !own {
		return nil
	}
	first := dropped[0].Number
	m.log.Warn("the booster has other releases than this server knew; what is changed here is published again", "from", first)
	if !wasApplied {
		return m.setGround(nil)
	}
	return m.common(first)
}

// common makes the ground what this node's releases and the booster's have in common,
// which part at a number. The caller holds work.
func (m *Member) common(number uint64) error {
	var ancestor *release.Manifest
	var err error
	if number == 1 {
		ancestor, err = m.loose(nil)
	} else {
		ancestor, err = m.releases.Get(number - 1)
	}
	if err != nil {
		return fmt.Errorf("find what the releases have in common: %w", err)
	}
	return m.setGround(ancestor)
}
