package history

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
)

// harm does something to the file of a release.
func harm(t *testing.T, dir string, m *release.Manifest, how func(path string) error) {
	t.Helper()
	if err := how(filepath.Join(dir, "manifests", fileName(m.Ref()))); err != nil {
		t.Fatal(err)
	}
}

func cut(path string) error { return os.Truncate(path, 100) }

// TestUnreadableHead: a newest release whose file is damaged or gone stops what builds
// on it, says so, and is mended by whoever has it.
func TestUnreadableHead(t *testing.T) {
	mends := map[string]func(l *Log, all []*release.Manifest) error{
		"mend":    func(l *Log, all []*release.Manifest) error { return l.Mend(all[1], "s2") },
		"propose": func(l *Log, all []*release.Manifest) error { return l.Propose(all[1], "s2") },
		"follow": func(l *Log, all []*release.Manifest) error {
			_, err := l.Follow(all[:2], "s2")
			return err
		},
	}
	harms := map[string]func(string) error{
		"cut": cut, "gone": os.Remove,
		"swapped": func(path string) error {
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil {
				return err
			}
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), entries[0].Name()))
			if err != nil {
				return err
			}
			return os.WriteFile(path, b, 0o600)
		},
	}
	for by, mend := range mends {
		for what, how := range harms {
			t.Run(by+" "+what, func(t *testing.T) {
				dir := t.TempDir()
				all := chain(t, nil, "1", "2", "3")
				propose(t, open(t, dir, 0), all[:2]...)
				l := open(t, dir, 0)
				harm(t, dir, all[1], how)
				if got := l.Unreadable(); got != nil {
					t.Errorf("unreadable before anybody asked: %v", got)
				}
				if err := l.Propose(all[2], ""); !errors.Is(err, ErrUnreadable) {
					t.Errorf("proposed on it: %v", err)
				}
				if _, err := l.Get(2); !errors.Is(err, ErrUnreadable) {
					t.Errorf("read it: %v", err)
				}
				if got := l.Unreadable(); !slices.Equal(got, []release.Ref{all[1].Ref()}) {
					t.Errorf("unreadable: %v", got)
				}
				if err := mend(l, all); err != nil {
					t.Fatal(err)
				}
				if got := l.Unreadable(); got != nil {
					t.Errorf("unreadable after it was mended: %v", got)
				}
				propose(t, l, all[2])
				l = open(t, dir, 0)
				if _, err := l.Get(2); err != nil {
					t.Errorf("read it after a restart: %v", err)
				}
				b, err := os.ReadFile(filepath.Join(dir, "published.jsonl"))
				if err != nil || strings.Count(string(b), `"mended"`) != 1 {
					t.Errorf("the record says\n%s%v", b, err)
				}
			})
		}
	}
}

// TestMendRefuses: only what the log has, and can't read, is written.
func TestMendRefuses(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	all := chain(t, nil, "1", "2")
	propose(t, l, all[0])
	if err := l.Mend(all[1], ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("mended a release that is not in the log: %v", err)
	}
	if err := l.Mend(next(t, nil, "another 1"), ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("mended with another release of the number: %v", err)
	}
	if err := l.Mend(all[0], ""); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "published.jsonl")); strings.Contains(string(b), "mended") {
		t.Error("a release that can be read was written again")
	}
	// What was removed as planned is not lost.
	propose(t, l, all[1])
	l.keep = 1
	if _, err := l.Prune(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.get(all[0].Ref()); !errors.Is(err, ErrUnknown) || l.Unreadable() != nil {
		t.Errorf("a release that was pruned: %v, unreadable %v", err, l.Unreadable())
	}
}

// TestTwoOfOneNumber: the log opens with the release that is in the sequence, and keeps
// the other's file.
func TestTwoOfOneNumber(t *testing.T) {
	all := chain(t, nil, "1", "2", "3")
	other := next(t, all[0], "other 2")
	stranger := next(t, next(t, next(t, nil, "x"), "y"), "z")
	for name, c := range map[string]struct {
		written []*release.Manifest // in this order
		cut     *release.Manifest
		stays   []*release.Manifest
	}{
		"the next one names its parent": {[]*release.Manifest{all[0], all[1], all[2], other}, nil, all},
		"the newest was written last":   {[]*release.Manifest{other, all[0], all[1]}, nil, all[:2]},
		"only one can be read":          {[]*release.Manifest{all[0], other, all[1]}, all[1], []*release.Manifest{all[0], other}},
		"only one has its parent here":  {[]*release.Manifest{all[0], all[1], all[2], stranger}, nil, all},
		"the next one can't be read":    {[]*release.Manifest{other, all[0], all[1], all[2]}, all[2], all},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir, 0)
			for i, m := range c.written {
				b, err := m.Encode()
				if err != nil {
					t.Fatal(err)
				}
				harm(t, dir, m, func(path string) error {
					at := epoch.Add(time.Duration(i) * time.Second)
					return errors.Join(os.WriteFile(path, b, 0o600), os.Chtimes(path, at, at))
				})
			}
			if c.cut != nil {
				harm(t, dir, c.cut, cut)
			}
			l := open(t, dir, 0)
			for range 2 {
				var want []release.Ref
				for _, m := range c.stays {
					want = append(want, m.Ref())
				}
				if got := l.refs(); !slices.Equal(got, want) {
					t.Fatalf("releases %v, want %v", got, want)
				}
				aside, err := os.ReadDir(filepath.Join(dir, asideDir))
				if err != nil || len(aside) != 1 {
					t.Errorf("aside: %v, %v", aside, err)
				}
				l = open(t, dir, 0)
			}
		})
	}
}
