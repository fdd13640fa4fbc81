package history

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// DefaultKeep is how many releases stay for rolling back.
const DefaultKeep = 20

// maxKeep bounds Config.Keep: each may pin blobs of whole trees.
const maxKeep = 1000

// ErrUnknown: the log has no such release, or no longer.
var ErrUnknown = errors.New("unknown release")

// StaleError: a proposed release does not follow the head.
type StaleError struct {
	Head release.Ref
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("the head is release %s by now", e.Head)
}

// Config configures a Log.
type Config struct {
	// Dir is the log's own folder; it is made when it isn't there.
	Dir string
	// Keep is how many of the newest releases Prune leaves. Default 20.
	Keep int
	// Tolerate has Open return a Log without releases where Dir can't be read or written
	// to, as after a disk was remounted read-only. Nothing can be added to it, see
	// [Log.Trouble]. Default: that is an error.
	Tolerate bool
	// Log hears what was found wrong. Default: nobody.
	Log *slog.Logger
}

// Validate tells what is wrong with c.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("release log: no folder")
	}
	if c.Keep < 0 || c.Keep > maxKeep {
		return fmt.Errorf("release log: keep %d: not in 1 to %d", c.Keep, maxKeep)
	}
	return nil
}

// Log is the releases that this node knows. All methods may be called
// concurrently. Only one Log may work on a folder.
type Log struct {
	dir, manifests string
	keep           int
	log            *slog.Logger
	newest         newest

	mu          sync.Mutex
	releases    []known // by number
	quarantined map[release.Ref]string
	published   *os.File // nil: trouble says why
	trouble     error
	strays      map[string]bool // files that are no releases and were told of
}

type known struct {
	ref   release.Ref
	entry *Entry // nil until it was asked for
	lost  bool   // its file can't be read
}

// Open opens the log in cfg.Dir, or makes an empty one. The caller closes it.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Log{dir: cfg.Dir, manifests: filepath.Join(cfg.Dir, "manifests"), keep: cfg.Keep, log: cfg.Log, strays: make(map[string]bool)}
	if l.keep == 0 {
		l.keep = DefaultKeep
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.trouble = l.open(); l.trouble != nil && !cfg.Tolerate {
		return nil, l.trouble
	}
	return l, nil
}

// open reads the folder. On an error the log is empty. Callers hold mu, or are Open.
func (l *Log) open() (err error) {
	defer func() {
		if err != nil {
			// Some without the marks of others could be rolled out again that did not do well.
			l.releases, l.quarantined = nil, make(map[release.Ref]string)
			err = fmt.Errorf("open release log: %w", err)
		}
	}()
	if err := os.MkdirAll(l.manifests, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{l.dir, l.manifests} {
		if err := durable.Sweep(dir); err != nil {
			return err
		}
	}
	if err := l.list(); err != nil {
		return err
	}
	if err := l.loadQuarantine(); err != nil {
		return err
	}
	return l.openPublished()
}

// Trouble is why the log could not be opened, and is empty; nil when it could.
func (l *Log) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// Reopen opens the log if it could not be opened before, and returns what Trouble says
// then.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble != nil {
		l.trouble = l.open()
	}
	return l.trouble
}

// Close closes the log's files. Nothing may be called after it.
func (l *Log) Close() error {
	if l.published == nil {
		return nil
	}
	return l.published.Close()
}

// Head names the newest release, zero if there is none.
func (l *Log) Head() release.Ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head()
}

func (l *Log) head() release.Ref {
	if len(l.releases) == 0 {
		return release.Ref{}
	}
	return l.releases[len(l.releases)-1].ref
}

// find returns where number is or would be. Callers hold mu.
func (l *Log) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(l.releases, number, func(k known, n uint64) int {
		switch {
		case k.ref.Number < n:
			return -1
		case k.ref.Number > n:
			return 1
		}
		return 0
	})
}

// Ref returns the full name of release number.
func (l *Log) Ref(number uint64) (release.Ref, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.find(number)
	if !ok {
		return release.Ref{}, false
	}
	return l.releases[i].ref, true
}

// Get reads release number. The error matches ErrUnknown if the log doesn't
// have it, and ErrUnreadable if its file can't be read.
func (l *Log) Get(number uint64) (*release.Manifest, error) {
	ref, ok := l.Ref(number)
	if !ok {
		return nil, fmt.Errorf("read release %d: %w", number, ErrUnknown)
	}
	return l.get(ref)
}

// Propose appends m if it follows the head, and notes that it came from the
// given address. Another head is a *StaleError. If m is in the log already,
// nothing is done, but that its file is written again if it can't be read.
func (l *Log) Propose(m *release.Manifest, from string) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	ref := m.Ref()
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.find(m.Number); ok && l.releases[i].ref == ref {
		return l.mend(i, m, b, from)
	}
	head := l.head()
	if m.Parent != head {
		return fmt.Errorf("propose release %s on %s: %w", ref, m.Parent, &StaleError{Head: head})
	}
	var parent *release.Manifest
	if !head.IsZero() {
		if parent, err = l.load(head); err != nil {
			return fmt.Errorf("propose release %s: %w", ref, err)
		}
	}
	if err := m.Follows(parent); err != nil {
		return fmt.Errorf("propose release %s: %w", ref, err)
	}
	return l.append(m, ref, b, parent, from)
}

// Follow takes over chain, releases of the sequencer in their order, each the
// parent of the next. What the log has already is skipped. If the sequencer has
// other releases under numbers of this log, those and all after them are dropped
// and returned, oldest first. If chain begins after the head, what lies between
// stays unknown. On an error the releases before the one that failed were taken.
func (l *Log) Follow(chain []*release.Manifest, from string) (dropped []*release.Manifest, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parent *release.Manifest
	for i, m := range chain {
		if i > 0 {
			parent = chain[i-1]
			if err := m.Follows(parent); err != nil {
				return dropped, fmt.Errorf("follow: %w", err)
			}
		}
		gone, err := l.follow(m, parent, from)
		dropped = append(dropped, gone...)
		if err != nil {
			return dropped, fmt.Errorf("follow: %w", err)
		}
	}
	return dropped, nil
}

func (l *Log) follow(m, parent *release.Manifest, from string) (dropped []*release.Manifest, err error) {
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	ref := m.Ref()
	i, there := l.find(m.Number)
	if there && l.releases[i].ref == ref {
		return nil, l.mend(i, m, b, from)
	}
	// The parent that the log has must be m's, or m's chain parts from ours
	// before m, and the sequencer has to send more of it.
	if i > 0 && parent == nil && l.releases[i-1].ref.Number == m.Parent.Number {
		before := l.releases[i-1].ref
		if before != m.Parent {
			return nil, fmt.Errorf("release %s has parent %s: %w", ref, m.Parent, &StaleError{Head: before})
		}
		if parent, err = l.load(before); err != nil {
			return nil, err
		}
		if err := m.Follows(parent); err != nil {
			return nil, err
		}
	}
	if i < len(l.releases) {
		if dropped, err = l.drop(i, from); err != nil {
			return nil, err
		}
	}
	return dropped, l.append(m, ref, b, parent, from)
}

// drop removes the releases from index i on, newest first. Callers hold mu.
func (l *Log) drop(i int, from string) ([]*release.Manifest, error) {
	var dropped []*release.Manifest
	for _, k := range l.releases[i:] {
		m, err := l.load(k.ref)
		if err != nil {
			return nil, fmt.Errorf("drop release %s: %w", k.ref, err)
		}
		dropped = append(dropped, m)
	}
	for n := len(l.releases) - 1; n >= i; n-- {
		ref := l.releases[n].ref
		if err := l.record(Record{Act: Dropped, Release: ref, Origin: dropped[n-i].Origin, From: from}); err != nil {
			return nil, err
		}
		if err := l.remove(n); err != nil {
			return nil, err
		}
		l.log.Warn("dropped a release: the sequencer has another one of this number", "release", ref)
	}
	return dropped, nil
}

// Prune removes all but the newest Keep releases and those that needed says are
// still in use, and returns what it removed.
func (l *Log) Prune(needed func(release.Ref) bool) ([]release.Ref, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var gone []release.Ref
	for i := len(l.releases) - l.keep - 1; i >= 0; i-- {
		ref := l.releases[i].ref
		if needed != nil && needed(ref) {
			continue
		}
		if err := l.remove(i); err != nil {
			return gone, fmt.Errorf("prune releases: %w", err)
		}
		if _, ok := l.quarantined[ref]; ok {
			delete(l.quarantined, ref)
			if err := l.saveQuarantine(); err != nil {
				return gone, fmt.Errorf("prune releases: %w", err)
			}
		}
		gone = append(gone, ref)
	}
	return gone, nil
}
