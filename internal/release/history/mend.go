package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// ErrUnreadable: the log has a release whose file can't be read any more. Log.Mend
// takes it from another node.
var ErrUnreadable = errors.New("its file can't be read")

// load is read for callers that hold mu.
func (l *Log) load(ref release.Ref) (*release.Manifest, error) {
	m, err := l.read(ref)
	if err != nil {
		return nil, l.unreadable(ref, err)
	}
	return m, nil
}

// get is read for callers that don't hold mu.
func (l *Log) get(ref release.Ref) (*release.Manifest, error) {
	m, err := l.read(ref)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, l.unreadable(ref, err)
	}
	return m, nil
}

// unreadable takes note of a release that could not be read, and gives the error its
// name. A file that is gone because the release was removed meanwhile is none.
// Callers hold mu.
func (l *Log) unreadable(ref release.Ref, err error) error {
	i, ok := l.find(ref.Number)
	if !ok || l.releases[i].ref != ref {
		return fmt.Errorf("read release %s: %w", ref, ErrUnknown)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("it is gone")
	}
	err = fmt.Errorf("read release %s: %w: %w", ref, ErrUnreadable, err)
	if !l.releases[i].lost {
		l.releases[i].lost = true
		l.log.Error("a release of the log is lost here until another node sends it", "error", err)
	}
	return err
}

// Unreadable names the releases whose files were found to be damaged or gone, oldest
// first. What nobody has asked for since Open is not known of.
func (l *Log) Unreadable() []release.Ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []release.Ref
	for _, k := range l.releases {
		if k.lost {
			out = append(out, k.ref)
		}
	}
	return out
}

// Mend writes the file of a release that is Unreadable again, from m, which came from
// the given node: its hash says that it is the same. The error matches ErrUnknown if
// the log doesn't have the release.
func (l *Log) Mend(m *release.Manifest, from string) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	ref := m.Ref()
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.find(ref.Number)
	if !ok || l.releases[i].ref != ref {
		return fmt.Errorf("mend release %s: %w", ref, ErrUnknown)
	}
	return l.mend(i, m, b, from)
}

// mend writes the release at index i again, which is m with encoding b, if it can't be
// read. Callers hold mu.
func (l *Log) mend(i int, m *release.Manifest, b []byte, from string) error {
	ref := l.releases[i].ref
	if !l.releases[i].lost {
		return nil
	}
	if err := durable.WriteFile(filepath.Join(l.manifests, fileName(ref)), b); err != nil {
		return fmt.Errorf("mend release %s: %w", ref, err)
	}
	l.releases[i].lost = false
	l.newest.put(ref, m)
	l.log.Info("a release of the log that could not be read is there again", "release", ref, "from", from)
	if err := l.record(Record{Act: Mended, Release: ref, Kind: m.Kind, Origin: m.Origin, From: from}); err != nil {
		return fmt.Errorf("mend release %s: %w", ref, err)
	}
	return nil
}
