package history

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// asideDir has the files of releases whose number another one has here.
const asideDir = "aside"

// single leaves one release of each number. There are two where a write failed so late
// that the file was there, and could not be taken back, and another release got the
// number later; or where somebody copied an older folder over this one. The next
// release says which of them is in the sequence: it names its parent. The others' files
// are put aside.
func (l *Log) single() error {
	var stay []known
	var want release.Ref // the parent of the release after; zero: not known
	for end := len(l.releases); end > 0; {
		start := end - 1
		for start > 0 && l.releases[start-1].ref.Number == l.releases[end-1].ref.Number {
			start--
		}
		chosen := l.choose(start, end, want)
		for _, k := range l.releases[start:end] {
			if k.ref == chosen {
				stay = append(stay, k)
				continue
			}
			if err := l.putAside(k.ref); err != nil {
				return err
			}
			l.log.Warn("two releases have one number here; the one that is not in the sequence is put aside",
				"release", k.ref, "in_the_sequence", chosen, "file", filepath.Join(l.dir, asideDir, fileName(k.ref)))
		}
		want = release.Ref{}
		if m, err := l.read(chosen); err == nil {
			want = m.Parent
		}
		end = start
	}
	slices.Reverse(stay)
	l.releases = stay
	return nil
}

// choose says which of the releases from index start to end, all of one number, stays:
// the one that the next release wants, or else one that can be read, before others one
// whose parent is here, and of several the one that was written last.
func (l *Log) choose(start, end int, want release.Ref) release.Ref {
	best, most, latest := l.releases[start].ref, -1, time.Time{}
	if end-start == 1 {
		return best
	}
	for _, k := range l.releases[start:end] {
		if k.ref == want {
			return k.ref
		}
		points := 0
		if m, err := l.read(k.ref); err == nil {
			points = 1
			if m.Parent.IsZero() || slices.ContainsFunc(l.releases[:start], func(b known) bool { return b.ref == m.Parent }) {
				points = 2
			}
		}
		var written time.Time
		if info, err := os.Stat(filepath.Join(l.manifests, fileName(k.ref))); err == nil {
			written = info.ModTime()
		}
		if points > most || points == most && written.After(latest) {
			best, most, latest = k.ref, points, written
		}
	}
	return best
}

func (l *Log) putAside(ref release.Ref) error {
	aside := filepath.Join(l.dir, asideDir)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return fmt.Errorf("put release %s aside: %w", ref, err)
	}
	if err := os.Rename(filepath.Join(l.manifests, fileName(ref)), filepath.Join(aside, fileName(ref))); err != nil {
		return fmt.Errorf("put release %s aside: %w", ref, err)
	}
	for _, dir := range []string{l.dir, aside, l.manifests} {
		if err := durable.SyncDir(dir); err != nil {
			return fmt.Errorf("put release %s aside: %w", ref, err)
		}
	}
	l.newest.drop(ref)
	return nil
}
