package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// Entry is a release as a list shows it.
type Entry struct {
	Ref    release.Ref
	Kind   release.Kind
	Origin string
	Time   time.Time
	Note   string
	Files  int   // in the release
	Bytes  int64 // their sizes together
	// Changes counts what it changed. Nil when its parent is no longer known.
	Changes *release.Summary
	// Quarantined says why the release may not be rolled out; "" if it may.
	Quarantined string
}

// fileName is where a release lies.
func fileName(ref release.Ref) string {
	return fmt.Sprintf("%020d-%s.json", ref.Number, ref.Hash)
}

func parseFileName(name string) (release.Ref, error) {
	number, hash, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return release.Ref{}, err
	}
	h, err := release.ParseHash(hash)
	if err != nil {
		return release.Ref{}, err
	}
	ref := release.Ref{Number: n, Hash: h}
	if fileName(ref) != name {
		return release.Ref{}, errors.New("not a release's name")
	}
	return ref, nil
}

// list finds the releases on disk. The folder is read sorted by name, and so by
// number.
func (l *Log) list() error {
	entries, err := os.ReadDir(l.manifests)
	if err != nil {
		return err
	}
	double := false
	for _, e := range entries {
		ref, err := parseFileName(e.Name())
		if err != nil {
			if !l.strays[e.Name()] { // Reopen comes again and again
				l.strays[e.Name()] = true
				l.log.Warn("a file that is no release lies in the release log", "file", e.Name())
			}
			continue
		}
		n := len(l.releases)
		double = double || n > 0 && l.releases[n-1].ref.Number == ref.Number
		l.releases = append(l.releases, known{ref: ref})
	}
	if double {
		return l.single()
	}
	return nil
}

// read reads a release and checks that it is the one that its name says.
func (l *Log) read(ref release.Ref) (*release.Manifest, error) {
	if m := l.newest.get(ref); m != nil {
		return m, nil
	}
	f, err := os.Open(filepath.Join(l.manifests, fileName(ref)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, release.MaxManifest+1))
	if err != nil {
		return nil, err
	}
	m, err := release.Decode(b)
	if err != nil {
		return nil, err
	}
	if got := m.Ref(); got != ref {
		return nil, fmt.Errorf("the file holds %s", got)
	}
	l.newest.put(ref, m)
	return m, nil
}

// newest keeps one release in memory, the newest that was read or written: what comes
// next is compared with it.
type newest struct {
	mu  sync.Mutex
	ref release.Ref
	m   *release.Manifest
}

func (n *newest) get(ref release.Ref) *release.Manifest {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil || n.ref != ref {
		return nil
	}
	return n.m
}

func (n *newest) put(ref release.Ref, m *release.Manifest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ref.Number >= n.ref.Number {
		n.ref, n.m = ref, m
	}
}

func (n *newest) drop(ref release.Ref) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ref == ref {
		n.ref, n.m = release.Ref{}, nil
	}
}

// append adds m, whose encoding is b. Callers hold mu and have checked it. The
// record is written first: a release that is here must be in it.
func (l *Log) append(m *release.Manifest, ref release.Ref, b []byte, parent *release.Manifest, from string) error {
	e := entry(m, ref, parent)
	if err := l.record(Record{Act: Published, Release: ref, Kind: m.Kind, Origin: m.Origin, From: from, Changes: e.Changes}); err != nil {
		return fmt.Errorf("append release %s: %w", ref, err)
	}
	path := filepath.Join(l.manifests, fileName(ref))
	if err := durable.WriteFile(path, b); err != nil {
		// It may be there without being on the disk for sure, and the next
		// release of this number may be another.
		_ = os.Remove(path)
		return fmt.Errorf("append release %s: %w", ref, err)
	}
	l.releases = append(l.releases, known{ref: ref, entry: e})
	l.newest.put(ref, m)
	return nil
}

// remove takes away the release at index i. Callers hold mu.
func (l *Log) remove(i int) error {
	err := os.Remove(filepath.Join(l.manifests, fileName(l.releases[i].ref)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.SyncDir(l.manifests); err != nil {
		return err
	}
	l.newest.drop(l.releases[i].ref)
	l.releases = slices.Delete(l.releases, i, i+1)
	return nil
}

// entry describes m; parent is nil if it is not known or there is none.
func entry(m *release.Manifest, ref release.Ref, parent *release.Manifest) *Entry {
	e := &Entry{Ref: ref, Kind: m.Kind, Origin: m.Origin, Time: m.Time, Note: m.Note, Files: len(m.Files)}
	for _, f := range m.Files {
		e.Bytes += f.Size
	}
	if parent != nil || m.Parent.IsZero() {
		s := release.Summarize(release.Changes(parent, m))
		e.Changes = &s
	}
	return e
}

// List describes all releases, newest first. The first call after Open reads
// them from the disk. One that can't be read is left out.
func (l *Log) List() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	var before *release.Manifest
	for i := range l.releases {
		k := &l.releases[i]
		// A manifest is needed for its own entry and for the next one's.
		next := i+1 < len(l.releases) && l.releases[i+1].entry == nil
		if k.entry == nil || next {
			m, err := l.load(k.ref)
			if err != nil {
				before = nil
				continue
			}
			if k.entry == nil {
				if before != nil && before.Number != m.Parent.Number {
					before = nil
				}
				k.entry = entry(m, k.ref, before)
			}
			before = m
		}
		e := *k.entry
		e.Quarantined = l.quarantined[k.ref]
		out = append(out, e)
	}
	slices.Reverse(out)
	return out
}

// All reads the releases one by one, newest first. One that can't be read is
// left out. Each is in memory only as long as the caller keeps it.
func (l *Log) All() iter.Seq[*release.Manifest] {
	return func(yield func(*release.Manifest) bool) {
		for _, ref := range slices.Backward(l.refs()) {
			m, err := l.get(ref)
			if err != nil {
				continue
			}
			if !yield(m) {
				return
			}
		}
	}
}

// Contents are those that the releases name. When one of them can't be read it is an
// error: who removes what no release needs would remove that one's contents.
func (l *Log) Contents() (map[release.Hash]bool, error) {
	named := make(map[release.Hash]bool)
	for _, ref := range l.refs() {
		m, err := l.get(ref)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			named[f.SHA256] = true
		}
	}
	return named, nil
}

// refs are the names of the releases, oldest first.
func (l *Log) refs() []release.Ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	refs := make([]release.Ref, 0, len(l.releases))
	for _, k := range l.releases {
		refs = append(refs, k.ref)
	}
	return refs
}
