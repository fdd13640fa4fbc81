package patch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/apply"
)

// first is what the first release finds in a folder that is in no release.
type first struct {
	removed *release.Manifest // Config.Exact says that they must not stay; nil: none
	strays  []release.File    // the others
}

// errHeld: an order names an older release than the one that the folder holds. A
// coordinator gives such an order in good faith: a release that takes others back may
// change nothing here, and is noted before the roll-out of the others has ended.
var errHeld = errors.New("the folder holds a later one already")

// Prepare makes sure that everything is here that Apply of the release needs, so that
// the server is not stopped in vain. It fails, and [State].Trouble does not say so, when
// there is nothing to do since the folder holds a later release of the same sequence.
func (m *Member) Prepare(ctx context.Context, number uint64) error {
	f, target, err := m.ordered(number)
	if err == nil {
		err = m.stage(ctx, f, target, f.applier.Prepare)
	}
	if err != nil {
		err = fmt.Errorf("prepare release %d: %w", number, err)
	}
	m.failed(err)
	return err
}

// ordered finds a release that is to be applied.
func (m *Member) ordered(number uint64) (*folder, *release.Manifest, error) {
	m.mu.Lock()
	f, blocked, heard := m.folder, m.blocked, m.heard
	holds := m.is()
	m.mu.Unlock()
	if blocked != "" || f == nil {
		return nil, nil, errors.New(cmp.Or(blocked, "the folder is not open"))
	}
	if number < holds.Number && m.has(holds) {
		return nil, nil, fmt.Errorf("release %d: %w", holds.Number, errHeld)
	}
	if is, _ := m.releases.Ref(heard.Number); is != heard || number > heard.Number {
		return nil, nil, fmt.Errorf("release %d is not in the sequence that a booster has confirmed", number)
	}
	target, err := m.releases.Get(number)
	return f, target, err
}

// Apply brings the folder to a release. The server must have stopped, or not mind. On
// an error the folder is as it was, unless [State].Blocked says that it is not. An older
// release than the folder holds fails as with Prepare.
func (m *Member) Apply(ctx context.Context, number uint64) error {
	m.mu.Lock()
	m.endTurn()
	m.mu.Unlock()
	m.work.Lock()
	defer m.work.Unlock()
	defer m.nextTurn()
	f, target, err := m.ordered(number)
	if err == nil {
		err = m.apply(ctx, f, target)
	}
	if err != nil {
		err = fmt.Errorf("apply release %d: %w", number, err)
	}
	m.failed(err)
	if errors.Is(err, apply.ErrUnfinished) {
		m.block(err)
	}
	return err
}

// failed notes why a release that was ordered is not applied, nil when it is. That there
// was nothing to do is no trouble, and says nothing of an earlier one.
func (m *Member) failed(err error) {
	if errors.Is(err, errHeld) {
		m.log.Info("an older release was ordered, there is nothing to do", "reason", err)
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
		m.log.Error("a release is not applied", "error", err)
	}
	m.mu.Lock()
	m.failure = text
	m.mu.Unlock()
	m.cfg.Changed()
}

// apply puts a release in place. The caller holds work.
func (m *Member) apply(ctx context.Context, f *folder, target *release.Manifest) error {
	if !f.isThere(m.cfg.Root) {
		return errors.New("the folder is not there, or is another one")
	}
	if why := m.watcher.Status().Suspicious; why != "" && f.applied.m != nil {
		return errors.New(why)
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	req, extra, err := m.gather(ctx, f, target)
	if err != nil {
		return err
	}
	if extra != nil && extra.removed != nil {
		if err := m.keepRemoved(f, target.Number, extra.removed); err != nil {
			return err
		}
	}
	m.watcher.Pause()
	result, err := f.applier.Apply(ctx, req)
	if errors.Is(err, apply.ErrUnfinished) {
		return err // nothing may be published from a mix: the keeper resumes
	}
	defer m.watcher.Resume()
	if err != nil {
		return err
	}
	if err := m.applied(f, extra); err != nil {
		return fmt.Errorf("note that it is applied: %w", err)
	}
	if len(result.Kept) > 0 || extra != nil {
		m.listConflicts()
	}
	return nil
}

// applied takes note of the release that the folder holds now. The caller holds work.
func (m *Member) applied(f *folder, extra *first) error {
	if extra != nil {
		left := slices.DeleteFunc(extra.strays, func(file release.File) bool {
			_, err := f.root.Lstat(filepath.FromSlash(file.Path))
			return errors.Is(err, fs.ErrNotExist)
		})
		if len(left) > 0 {
			m.log.Warn("files are here that are in no release; they stay, and are not published until they change",
				"files", len(left), "first", left[0].Path)
		}
		if err := m.setStrays(left); err != nil {
			return err
		}
	}
	named := name(f.applier.Applied())
	m.mu.Lock()
	f.applied, m.based = named, true
	m.failure = "" // that was about this one, or an older one
	m.mu.Unlock()
	return m.setGround(nil)
}

// request is what the applier is told of a release. extra are files that are in no
// release and are removed with it.
func (m *Member) request(ctx context.Context, f *folder, target *release.Manifest) (req apply.Request, extra *first, err error) {
	m.mu.Lock()
	ground, applied := m.ground.m, f.applied.m
	whole := m.whole(f, target)
	m.mu.Unlock()
	req = apply.Request{Target: target, Past: m.past(ground), Whole: whole}
	if applied != nil || ground != nil {
		return req, nil, nil // what more is here is somebody's change
	}
	if extra, err = m.firstTime(ctx, target); err != nil {
		return req, nil, err
	}
	req.Past = m.past(ground, extra.removed)
	return req, extra, nil
}

// note applies a release that the folder holds already, and does nothing when it does
// not: the server needs no restart for it. The caller holds work.
func (m *Member) note(target *release.Manifest) error {
	m.mu.Lock()
	f := m.folder
	m.mu.Unlock()
	if f == nil {
		return nil
	}
	ctx := m.preempted()
	req, extra, err := m.request(ctx, f, target)
	if err != nil {
		return err
	}
	result, err := f.applier.Stage(ctx, req)
	if err != nil || result.Changes != (release.Summary{}) || extra != nil && extra.removed != nil {
		return err
	}
	m.watcher.Pause()
	if _, err := f.applier.Apply(ctx, req); errors.Is(err, apply.ErrUnfinished) {
		m.block(err)
		return err
	} else if err != nil {
		m.watcher.Resume()
		return err
	}
	defer m.watcher.Resume()
	m.log.Info("the folder is the release already", "release", target.Number)
	err = m.applied(f, extra)
	m.cfg.Changed()
	return err
}

// whole reports whether the folder has to be looked at as a whole: it holds something
// that neither the applied release nor the target has, and that would stay. The caller
// holds mu.
func (m *Member) whole(f *folder, target *release.Manifest) bool {
	ground, applied := m.ground.m, f.applied.m
	if ground == nil || applied == nil {
		return false
	}
	touched := make(map[string]bool)
	for _, c := range release.Changes(applied, target) {
		touched[c.Path] = true
	}
	return slices.ContainsFunc(release.Changes(ground, target), func(c release.Change) bool { return !touched[c.Path] })
}

// past are the releases that this node knows, and these.
func (m *Member) past(more ...*release.Manifest) iter.Seq[*release.Manifest] {
	return func(yield func(*release.Manifest) bool) {
		for _, r := range more {
			if r != nil && !yield(r) {
				return
			}
		}
		m.releases.All()(yield)
	}
}

// firstTime finds the files of the folder that are in no release, before the first
// one is applied.
func (m *Member) firstTime(ctx context.Context, target *release.Manifest) (*first, error) {
	tree, err := m.watcher.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var x first
	var removed []release.File
	for e := range tree.All() {
		if _, ok := target.File(e.Path); ok || release.CheckPath(e.Path) != nil {
			continue
		}
		if m.cfg.Exact(e.Path) {
			removed = append(removed, fileOf(e))
		} else {
			x.strays = append(x.strays, fileOf(e))
		}
	}
	if len(removed) > 0 {
		if x.removed, err = m.loose(removed); err != nil {
			return nil, err
		}
	}
	return &x, nil
}

// keepRemoved keeps files aside that the first release removes.
func (m *Member) keepRemoved(f *folder, number uint64, removed *release.Manifest) error {
	for _, file := range removed.Files {
		r, err := f.root.Open(filepath.FromSlash(file.Path))
		if err != nil {
			return fmt.Errorf("keep %q aside: %w", file.Path, err)
		}
		_, err = f.applier.Conflicts().Keep(number, m.cfg.Node, file.Path, r)
		_ = r.Close() // it was read to its end
		if err != nil {
			return fmt.Errorf("keep %q aside: %w", file.Path, err)
		}
		m.log.Warn("a file is in no release and would break the others here; it is kept aside", "path", file.Path)
	}
	return nil
}
