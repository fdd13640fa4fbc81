package apply

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/conflicts"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/release/store"
)

// ErrUnfinished: a plan was begun and is neither finished nor undone. The tree
// may be a mix; the server must not be started until Recover has succeeded.
var ErrUnfinished = errors.New("the tree is between two releases")

// Names in the state folder.
const (
	appliedFile = "applied.json" // manifest of the release that the tree holds
	targetFile  = "target.json"  // manifest of the release that a plan leads to
	planFile    = "plan.json"    // a plan that is to be finished
	undoFile    = "undo.json"    // a plan that is to be undone
)

// Names in the tree.
const (
	newDir = release.StagingDir + "/new" // what comes into the tree
	oldDir = release.StagingDir + "/old" // what went out of it
)

// headroom is how many bytes must stay free beside what a plan writes: others
// write to the disk too, and folders grow.
const headroom = 16 << 20

// Config configures an Applier.
type Config struct {
	// Root is the top of the patched tree. It must be there: a folder that has
	// vanished is not made anew.
	Root string
	// State is the applier's own folder; it is made when it isn't there.
	State string
	// Node is this node's name, for what is kept aside.
	Node string
	// Store has the blobs of the releases that are applied.
	Store *store.Store
	// Allowed says whether releases may touch path. A release that has a file
	// where they may not is refused as a whole; a deletion there is left out.
	// Default: they may.
	Allowed func(path string) bool
	// Log hears what is done. Default: nobody.
	Log *slog.Logger

	// open opens a folder; tests put faults in its way.
	open func(dir string) (disk.FS, error)
	// large is what largeFile is; tests, which apply thousands of times, have it lower.
	large int64
}

// Validate tells what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Root == "":
		return errors.New("applier: no root folder")
	case c.State == "":
		return errors.New("applier: no state folder")
	case c.Store == nil:
		return errors.New("applier: no blob store")
	}
	if err := release.CheckOrigin(c.Node); err != nil {
		return fmt.Errorf("applier: %w", err)
	}
	return nil
}

// Applier brings one tree from release to release. Its methods may be called
// concurrently; they wait for each other. Only one Applier may work on a tree.
type Applier struct {
	cfg         Config
	log         *slog.Logger
	tree, state disk.FS
	conflicts   *conflicts.Folder

	applied atomic.Pointer[release.Manifest] // nil: none yet, or it is not known
	lost    atomic.Bool                      // it is not known: its note was damaged

	mu     sync.Mutex
	staged *plan // what lies in newDir; nil: nothing that can be used
	hollow []int // of its steps, those for whose files there is only room yet
	synced bool  // all of that is there, and on the disk: it is prepared
}

// Request says what to bring a tree to.
type Request struct {
	// Target is the release. Its blobs must be in the store, except those that
	// the tree has already.
	Target *release.Manifest
	// Past is the releases that this node knows, in any order; it may be read
	// twice. A file that has the content that one of them gave it is old, and
	// is overwritten; without Past it would be taken for changed by somebody
	// and kept aside as well.
	Past iter.Seq[*release.Manifest]
	// Whole looks at every path of the target, not only at those that changed
	// since the release that was applied last: for a tree that may not be what
	// that release said, such as one restored from a backup. A file that is
	// missing then comes back, and one that an old release had and Target has
	// not is deleted, so what people did on purpose must have been published
	// before.
	Whole bool
}

// Result says what was done, or what will be.
type Result struct {
	From, To release.Ref
	Changes  release.Summary // of the tree
	// Kept is what somebody had changed on this server alone and the release
	// overwrote or deleted.
	Kept []conflicts.Kept
}

// Open opens the tree and the applier's state. It changes nothing: Recover comes
// first, then the server may start. The caller closes the Applier.
func Open(cfg Config) (*Applier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Applier{cfg: cfg, log: cfg.Log}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.cfg.large = cmp.Or(cfg.large, largeFile)
	open := cfg.open
	if open == nil {
		open = disk.Open
	}
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, fmt.Errorf("make applier's state folder: %w", err)
	}
	var err error
	if a.tree, err = open(cfg.Root); err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	if a.state, err = open(cfg.State); err != nil {
		return nil, errors.Join(fmt.Errorf("open applier's state folder: %w", err), a.tree.Close())
	}
	a.conflicts = conflicts.New(a.state)
	if err := a.loadApplied(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Conflicts returns where versions of files that lost are kept, in the state
// folder.
func (a *Applier) Conflicts() *conflicts.Folder { return a.conflicts }

// Close ends the use of the folders.
func (a *Applier) Close() error { return errors.Join(a.tree.Close(), a.state.Close()) }

// Applied returns the release that the tree holds, nil if there was none yet, or Lost.
// While the tree is between two releases it is the older one. It never waits.
func (a *Applier) Applied() *release.Manifest { return a.applied.Load() }

func (a *Applier) loadApplied() error {
	f, err := a.state.Open("open applied release", appliedFile)
	if errors.Is(err, fs.ErrNotExist) {
		// A note that was put aside before this process began is lost as well, until there
		// is another.
		there, err := exists(a.state, "look for damaged note", appliedFile+durable.Damaged)
		if err != nil {
			return err
		}
		a.applied.Store(nil)
		a.lost.Store(there)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := release.ReadManifest(f)
	if err != nil {
		a.log.Error("which release the tree holds can't be read; it is found out by comparing", "error", err, "kept", appliedFile+durable.Damaged)
		a.applied.Store(nil)
		a.lost.Store(true)
		return a.putAside(appliedFile, appliedFile)
	}
	a.applied.Store(m)
	a.lost.Store(false)
	return nil
}

// refOf names m, which may be nil.
func refOf(m *release.Manifest) release.Ref {
	if m == nil {
		return release.Ref{}
	}
	return m.Ref()
}

// exists reports whether name is in f.
func exists(f disk.FS, op, name string) (bool, error) {
	_, err := f.Lstat(op, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// gone lets a removal of what is not there succeed.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeState replaces a file of the state folder as a whole.
func (a *Applier) writeState(op, name string, b []byte) error {
	tmp := name + ".new"
	if err := gone(a.state.Remove(op+": remove old temporary file", tmp)); err != nil {
		return err
	}
	f, err := a.state.Create(op+": create", tmp, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := a.state.Sync(op+": sync file", tmp); err != nil {
		return err
	}
	if err := a.state.Rename(op+": rename", tmp, name); err != nil {
		return err
	}
	return a.state.Sync(op+": sync folder", ".")
}

// maxPlan bounds what is read of a plan: release.MaxFiles steps twice, of long
// paths.
const maxPlan = 1 << 30

func (a *Applier) readPlan(name string) (*plan, error) {
	f, err := a.state.Open("open plan", name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var p plan
	b, err := io.ReadAll(io.LimitReader(f, maxPlan))
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil {
		err = p.validate()
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w: %w", errDamaged, err)
	}
	return &p, nil
}
