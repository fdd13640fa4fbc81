package apply

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRemovedPackage: a package that is removed is gone, whatever Python has left in it;
// what somebody else has put there stays.
func TestRemovedPackage(t *testing.T) {
	for name, c := range map[string]struct {
		left  content
		stays bool
	}{
		"nothing":                {nil, false},
		"of the removed modules": {content{"app/__pycache__/a.cpython-311.pyc": "", "app/sub/__pycache__/b.cpython-311.opt-1.pyc": ""}, false},
		"of what went before":    {content{"app/__pycache__/older.cpython-37.pyc": "", "app/sub/__pycache__/older.cpython-37.pyc": ""}, false},
		"half written":           {content{"app/__pycache__/a.cpython-311.pyc.139872": ""}, false},
		"an empty folder of it":  {content{"app/__pycache__/": ""}, false},
		"a note beside it":       {content{"app/__pycache__/older.cpython-37.pyc": "", "app/note.txt": "mine"}, true},
		"a note in it":           {content{"app/__pycache__/older.cpython-37.pyc": "", "app/__pycache__/note.txt": "mine"}, true},
		"a folder in it":         {content{"app/__pycache__/odd.pyc/x": "mine"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, newStore(t))
			one := s.make(t, nil, content{"app/__init__.py": "", "app/a.py": "1", "app/sub/b.py": "1", "other.py": "1"})
			two := s.make(t, one, content{"other.py": "1"})
			a := s.applier(t, nil)
			mustApply(t, a, Request{Target: one})
			for path, text := range c.left {
				name := filepath.Join(s.root, filepath.FromSlash(path))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if path[len(path)-1] == '/' {
					if err := os.Mkdir(name, 0o755); err != nil {
						t.Fatal(err)
					}
				} else if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			mustApply(t, a, Request{Target: two})
			if _, err := os.Stat(filepath.Join(s.root, "app")); (err == nil) != c.stays {
				t.Errorf("the package's folder: %v", err)
			}
			for path, text := range c.left {
				if text != "mine" {
					continue
				}
				if _, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(path))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
