package apply

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/durable"
)

// spoil damages a file of the state folder, if it is there.
func (s *site) spoil(t testing.TB, name, with string) bool {
	t.Helper()
	path := filepath.Join(s.state, name)
	if _, err := os.Stat(path); err != nil {
		return false
	}
	if err := os.WriteFile(path, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}

// isRelease checks that the tree is what the applier says that it is, that nothing which
// somebody has changed is lost, and that the next release can be applied.
func (u *upheaval) isRelease(t testing.TB, s *site, a *Applier) {
	t.Helper()
	m, tree := a.Applied(), s.tree(t)
	for _, f := range m.Files {
		want := map[uint64]content{1: u.one, 2: u.new}[m.Number][f.Path]
		if tree[f.Path] != want {
			t.Errorf("release %d: %s is %.40q, want %.40q", m.Number, f.Path, tree[f.Path], want)
		}
		delete(tree, f.Path)
	}
	maps.DeleteFunc(tree, func(path, _ string) bool {
		return strings.HasSuffix(path, "/") || slices.Contains([]string{"keeps/mine.log", "logs/server.log"}, path)
	})
	if len(tree) > 0 {
		t.Errorf("release %d: more is there: %v", m.Number, tree)
	}
	kept := slices.Collect(maps.Values(s.kept(t)))
	for _, text := range []string{"changed here", "changed here too"} {
		if !slices.Contains(kept, text) {
			t.Errorf("%q is not kept aside: %q", text, kept)
		}
	}
	mustApply(t, a, Request{Target: u.after})
	check(t, "tree after all", s.tree(t), u.new)
}

// TestRepair lets applying stop after the plan was written, damages the plan, and lets
// each step of the recovery be the last one or fail: the tree ends as one of the releases,
// and nobody is told that it does before that.
func TestRepair(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	for n, at := range first(labels, committed(t, labels)) {
		bad := []string{"", `{"format":1,"steps":[{`, "\x00\x00", `{"format":1,"steps":[{"path":"../x","new":{}}]}`}[n%4]
		t.Run(fmt.Sprintf("%d %s", at, labels[at]), func(t *testing.T) {
			t.Parallel()
			broken := func() (*site, string) {
				s := u.site(t)
				u.strike(t, s, &faults{strikes: []strike{{kill, at}}})
				for _, name := range []string{planFile, undoFile} {
					if s.spoil(t, name, bad) {
						return s, name
					}
				}
				return nil, ""
			}
			s, name := broken()
			if s == nil {
				t.Skip("there is no plan any more")
			}
			dry := &faults{}
			if err := u.recover(t, s, dry); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(s.state, name+durable.Damaged)); err != nil || string(b) != bad {
				t.Errorf("aside: %q, %v", b, err)
			}
			a := s.applier(t, nil)
			if o, err := a.Recover(); o != Nothing || err != nil {
				t.Errorf("recover again: %s, %v", o, err)
			}
			u.isRelease(t, s, a)
			for i, second := range first(dry.labels, 0) {
				if i%7 != n%7 { // all are met, but not by all; 7 has no divisor in common with the kinds
					continue
				}
				kind := []fault{kill, power, once, reorder}[(n+i)%4]
				s, _ := broken()
				_ = u.recover(t, s, &faults{strikes: []strike{{kind, second}}})
				a := s.applier(t, nil)
				if _, err := a.Recover(); err != nil {
					t.Fatal(err)
				}
				u.isRelease(t, s, a)
				if t.Failed() {
					t.Fatalf("after %s at step %d of the recovery: %s", names[kind], second, dry.labels[second])
				}
			}
		})
	}
}

// TestRepairWithoutContents: what can't be brought to a release stays unfinished, and
// is told why; nothing that a person could need is removed.
func TestRepairWithoutContents(t *testing.T) {
	s := newSite(t, newStore(t))
	one := s.make(t, nil, content{"a.py": "1", "b.py": "1"})
	two := s.make(t, one, content{"a.py": "2"})
	mustApply(t, s.applier(t, nil), Request{Target: one})
	f := &faults{before: map[string]func(){"put in new file": func() { panic(crash{}) }}}
	if !dies(func() { _, _ = s.applier(t, f).Apply(context.Background(), Request{Target: two}) }) {
		t.Fatal("it did not stop")
	}
	s.spoil(t, planFile, "")
	for _, file := range one.Files {
		if err := s.store.Drop(file.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	// The old files are still beside the tree: that is enough.
	a := s.applier(t, nil)
	old := filepath.Join(s.root, filepath.FromSlash(oldDir))
	if err := os.Rename(old, old+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.root, "a.py")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := a.Recover(); !isUnfinished(err) || !strings.Contains(err.Error(), `such as that of "a.py"`) {
			t.Fatalf("%v", err)
		}
	}
	if err := os.Rename(old+".away", old); err != nil {
		t.Fatal(err)
	}
	if o, err := a.Recover(); o != Undone || err != nil {
		t.Fatalf("%s, %v", o, err)
	}
	check(t, "tree", s.tree(t), content{"a.py": "1", "b.py": "1"})
}

// TestDamagedNote: an applier whose note of the applied release is damaged opens, says so,
// and keeps the note aside; a plan is finished or undone without it.
func TestDamagedNote(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	for _, at := range append(first(labels, committed(t, labels)), len(labels)) {
		name := "afterwards"
		if at < len(labels) {
			name = labels[at]
		}
		t.Run(fmt.Sprintf("%d %s", at, name), func(t *testing.T) {
			t.Parallel()
			s := u.site(t)
			u.strike(t, s, &faults{strikes: []strike{{kill, at}}})
			s.spoil(t, appliedFile, "half a man")
			s.spoil(t, targetFile, "half a man")
			var out bytes.Buffer
			cfg := s.config()
			cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
			a, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if a.Applied() != nil || !a.Lost() {
				t.Errorf("applied %v, lost %t", a.Applied(), a.Lost())
			}
			if !strings.Contains(out.String(), "level=ERROR") || !strings.Contains(out.String(), "applied.json.damaged") {
				t.Errorf("logged: %s", out.String())
			}
			if again := s.applier(t, nil); again.Applied() != nil || !again.Lost() {
				t.Errorf("after a crash: applied %v, lost %t", again.Applied(), again.Lost())
			}
			if _, err := a.Recover(); err != nil {
				t.Fatal(err)
			}
			if got := s.tree(t); !maps.Equal(got, u.new) {
				t.Errorf("the plan could be read, and was not finished:%s", diff(got, u.new))
			}
			if b, err := os.ReadFile(filepath.Join(s.state, appliedFile+durable.Damaged)); err != nil || string(b) != "half a man" {
				t.Errorf("aside: %q, %v", b, err)
			}
			// Whoever finds out which one it is notes it.
			if r := mustApply(t, a, Request{Target: u.after}); r.Changes.Added+r.Changes.Modified+r.Changes.Deleted > 0 {
				t.Errorf("%+v", r)
			}
			if a.Lost() || a.Applied().Number != 2 {
				t.Errorf("applied %v, lost %t", a.Applied(), a.Lost())
			}
		})
	}
}
