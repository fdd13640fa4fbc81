package apply

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefuses has things in the way that a release must not touch.
func TestRefuses(t *testing.T) {
	st := newStore(t)
	maker := &site{store: st}
	one := maker.make(t, nil, content{"a.py": "1", "dir/b.py": "1"})
	tests := []struct {
		name    string
		prepare func(t *testing.T, s *site)
		target  content
		want    string
	}{
		{"a link instead of a file", func(t *testing.T, s *site) {
			s.remove(t, "a.py")
			link(t, filepath.Join(s.state, "victim"), filepath.Join(s.root, "a.py"))
		}, content{"a.py": "2", "dir/b.py": "1"}, "no regular file"},
		{"a link instead of a folder", func(t *testing.T, s *site) {
			s.remove(t, "dir")
			link(t, s.state, filepath.Join(s.root, "dir"))
		}, content{"a.py": "1", "dir/b.py": "2"}, "no folder"},
		{"a link to a folder inside", func(t *testing.T, s *site) {
			link(t, "dir", filepath.Join(s.root, "other"))
		}, content{"a.py": "1", "dir/b.py": "1", "other/c.py": "2"}, "no folder"},
		{"a link above", func(t *testing.T, s *site) {
			link(t, "..", filepath.Join(s.root, "up"))
		}, content{"a.py": "1", "dir/b.py": "1", "up/c.py": "2"}, "no folder"},
		{"a file where a folder must be", func(t *testing.T, s *site) {
			s.write(t, content{"new": "mine"})
		}, content{"a.py": "1", "dir/b.py": "1", "new/c.py": "2"}, "no folder"},
		{"a folder where a file must be", func(t *testing.T, s *site) {
			s.write(t, content{"new/mine.log": "mine"})
		}, content{"a.py": "1", "dir/b.py": "1", "new": "2"}, "holds \"new/mine.log\", which is no release's"},
		{"a path that is left out", func(*testing.T, *site) {},
			content{"a.py": "1", "dir/b.py": "1", "omflow/settings.py": "2"}, "may not be in a release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, st)
			cfg := s.config()
			cfg.Allowed = func(path string) bool { return path != "omflow/settings.py" }
			a, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			mustApply(t, a, Request{Target: one})
			tt.prepare(t, s)
			before := listing(t, s.root)
			two := maker.make(t, one, tt.target)
			for what, try := range map[string]func(context.Context, Request) (Result, error){"stage": a.Stage, "apply": a.Apply} {
				if _, err := try(context.Background(), Request{Target: two}); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", what, err, tt.want)
				}
				if after := listing(t, s.root); after != before {
					t.Errorf("%s: the tree was %s and is %s", what, before, after)
				}
			}
			if a.Applied().Number != 1 {
				t.Errorf("release %d", a.Applied().Number)
			}
		})
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skip(err)
	}
}

// listing names all that is in a tree, without following links.
func listing(t *testing.T, root string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		out = append(out, path+" "+d.Type().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// TestLeftOut: a file that was in releases and is left out by now is not
// deleted, although the next release hasn't it.
func TestLeftOut(t *testing.T) {
	s := newSite(t, newStore(t))
	one := s.make(t, nil, content{"a.py": "1", "logs/x": "1"})
	two := s.make(t, one, content{"a.py": "2"})
	mustApply(t, s.applier(t, nil), Request{Target: one})
	cfg := s.config()
	cfg.Allowed = func(path string) bool { return !strings.HasPrefix(path, "logs/") }
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	mustApply(t, a, Request{Target: two})
	check(t, "tree", s.tree(t), content{"a.py": "2", "logs/": "", "logs/x": "1"})
}
