package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/apply"
	"github.com/omflow/booster/internal/release/conflicts"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/release/store"
)

// State is how a folder stands.
type State struct {
	// Applied is the release that the files are, zero for none. After a restore from
	// a backup it is the older one that was restored.
	Applied release.Ref
	// Staged is the newest release of which everything is here, ready to be applied.
	Staged release.Ref
	// Pending is how many files have changed here that are in no release yet, and
	// Waiting what they wait for, "" while they are being published.
	Pending int
	Waiting string
	// Trouble says why the newest release can't be staged, or one that was ordered
	// not be applied.
	Trouble string
	// Blocked says why the server must not be started, "" when it may.
	Blocked string
	// Restored is when files that were gone were last brought back under a server that
	// may have been running, zero for never: what it has read before that may not be what
	// they are. It outlives this process.
	Restored time.Time
	// Suspicious says why nothing is published or applied until the files are back or
	// Lost is called, Degraded what the watcher sees late or not at all.
	Suspicious, Degraded string
	// Finding names what Suspicious tells, for Lost; "" when nothing could be confirmed.
	Finding string
}

// State tells how the folder stands. It waits for nothing.
func (m *Member) State() State {
	w := m.watcher.Status()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{
		Staged: m.staged, Pending: m.waits.files, Waiting: m.waits.why,
		Trouble: m.failure, Blocked: m.blocked, Suspicious: w.Suspicious, Degraded: w.Degraded, Finding: w.Finding,
		Restored: m.restored,
	}
	if s.Trouble == "" {
		s.Trouble = m.trouble
	}
	s.Applied = m.is()
	if s.Blocked != "" || s.Suspicious != "" {
		s.Staged = release.Ref{} // it could not be applied now
	}
	return s
}

// is names the release that the files are, see [State].Applied. The caller holds mu.
func (m *Member) is() release.Ref {
	var applied release.Ref
	if m.folder != nil {
		applied = m.folder.applied.ref
	}
	if g := m.ground.ref; g.Number != 0 && g.Number < applied.Number {
		return g
	}
	return applied
}

// conflictList is what lies under conflicts/, as it was last seen.
type conflictList struct {
	list []conflicts.Kept // the newest
	more int
}

// listConflicts looks what lies under conflicts/: people remove files there.
func (m *Member) listConflicts() {
	applier := m.openApplier()
	if applier == nil {
		return
	}
	list, err := applier.Conflicts().List()
	if err != nil {
		m.log.Warn("it is not known what lies under conflicts", "error", err)
		return
	}
	slices.SortFunc(list, func(a, b conflicts.Kept) int { return b.Time.Compare(a.Time) })
	most := min(len(list), api.MaxConflicts)
	m.mu.Lock()
	m.kept = conflictList{list[:most], len(list) - most}
	m.mu.Unlock()
}

func (m *Member) openApplier() *apply.Applier {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.folder == nil {
		return nil
	}
	return m.folder.applier
}

// Standing implements api.Agent.
func (m *Member) Standing() api.Standing {
	s := m.State()
	out := api.Standing{
		Applied: s.Applied, Staged: s.Staged.Number, Pending: s.Pending, Waiting: text(s.Waiting),
		Trouble: text(s.Trouble), Watch: text(s.Degraded), Suspicious: text(s.Suspicious), Finding: s.Finding,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept.list {
		out.Conflicts = append(out.Conflicts, api.Conflict{
			Path: k.Path, Release: k.Number, From: k.Origin, Time: k.Time,
			File: m.state(filepath.Join("apply", filepath.FromSlash(k.File))),
		})
	}
	out.More = m.kept.more
	return out
}

// text cuts a sentence to what a Standing may hold.
func text(s string) string {
	if len(s) > api.MaxText {
		s = s[:api.MaxText-len("…")]
		return strings.ToValidUTF8(s, "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Head names the newest release that is known here, zero if there is none.
func (m *Member) Head() release.Ref { return m.releases.Head() }

// List describes all releases that are known here, newest first.
func (m *Member) List() []history.Entry { return m.releases.List() }

// Get reads a release. The error matches history.ErrUnknown if it is not here.
func (m *Member) Get(number uint64) (*release.Manifest, error) { return m.releases.Get(number) }

// OpenBlob opens a content for another node, which compares it with its hash: from the
// store, or from the folder, whose files were there before there were releases. The
// error matches fs.ErrNotExist if it is not here. One that the disk has damaged is not
// here any more, and is fetched anew.
func (m *Member) OpenBlob(h release.Hash) (fs.File, error) {
	b, err := m.blobs.OpenSound(h)
	if err == nil {
		return b, nil
	}
	if errors.Is(err, store.ErrDamaged) {
		m.damaged(h)
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	m.mu.Lock()
	f, holds := m.folder, m.holds()
	applied := known{}
	if f != nil {
		applied = f.applied
	}
	m.mu.Unlock()
	for _, of := range []known{holds, applied} {
		if in := f.find(of.m, h); in != nil {
			return in, nil
		}
	}
	return nil, err
}

// find opens a file of the folder that has the content h, as a release says, nil if none
// is there.
func (f *folder) find(of *release.Manifest, h release.Hash) fs.File {
	if f == nil || of == nil {
		return nil
	}
	i := slices.IndexFunc(of.Files, func(file release.File) bool { return file.SHA256 == h })
	if i < 0 {
		return nil
	}
	path := filepath.FromSlash(of.Files[i].Path)
	if info, err := f.root.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() != of.Files[i].Size {
		return nil
	}
	in, err := f.root.Open(path)
	if err != nil {
		return nil
	}
	return in
}

// collect removes releases that are too many, and contents that none has.
func (m *Member) collect() {
	m.mu.Lock()
	holds, ground := m.holds(), m.ground
	applied := known{}
	if m.folder != nil {
		applied = m.folder.applied
	}
	waits := m.waits.files > 0
	m.mu.Unlock()
	if waits || !m.pins.TryLock() {
		return // something is under way; there will be a better time
	}
	defer m.pins.Unlock()
	gone, err := m.releases.Prune(func(r release.Ref) bool { return r == holds.ref || r == applied.ref || r == ground.ref })
	if err != nil {
		m.log.Warn("old releases can't be removed", "error", err)
		return
	}
	needed, err := m.needed()
	if err != nil {
		m.log.Warn("it is not known which contents the releases need, and none is removed", "error", err)
		return
	}
	count, size, err := m.blobs.GC(func(h release.Hash) bool { return needed[h] })
	if err != nil {
		m.log.Warn("old contents can't be removed", "error", err)
	}
	if count > 0 || len(gone) > 0 {
		m.log.Info("old releases and contents were removed", "releases", len(gone), "contents", count, "bytes", size)
	}
}

// needed tells which contents must stay in the store.
func (m *Member) needed() (map[release.Hash]bool, error) {
	needed, err := m.releases.Contents()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	also := []*release.Manifest{m.ground.m, m.strays}
	if m.folder != nil {
		also = append(also, m.folder.applied.m)
	}
	m.mu.Unlock()
	for _, r := range also {
		if r == nil {
			continue
		}
		for _, file := range r.Files {
			needed[file.SHA256] = true
		}
	}
	return needed, nil
}

// Interface guard
var _ api.Agent = (*Member)(nil)
