package apply

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// TestBlobs: a blob that is missing or damaged stops the release, be it small, in a file
// with others, or large.
func TestBlobs(t *testing.T) {
	for name, filler := range map[string]string{"small": "", "large": strings.Repeat("x", 100<<10)} {
		t.Run(name, func(t *testing.T) {
			dir := memory(t)
			s := newSite(t, openStore(t, dir))
			one := s.make(t, nil, content{"a.py": "1"})
			two := s.make(t, one, content{"a.py": "damaged" + filler, "b.py": "2"})
			damage(t, dir, "damaged", "DAMAGED")
			s.store = openStore(t, dir) // what was written before the start is hashed again
			a := s.applier(t, nil)
			mustApply(t, a, Request{Target: one})
			if _, err := a.Stage(context.Background(), Request{Target: two}); err == nil || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("%v", err)
			}
			// It is dropped, so that it is fetched again.
			if missing := s.store.Missing(two.Files); len(missing) != 1 {
				t.Errorf("missing %v", missing)
			}
			if _, err := a.Stage(context.Background(), Request{Target: two}); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%v", err)
			}
			check(t, "tree", s.tree(t), content{"a.py": "1"})
			f, _ := two.File("a.py")
			if err := s.store.Put(strings.NewReader("damaged"+filler), f.SHA256, f.Size); err != nil {
				t.Fatal(err)
			}
			mustApply(t, a, Request{Target: two})
		})
	}
}

// damage changes a text in the files below dir, without a trace in their times.
func damage(t *testing.T, dir, from, to string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(from)) {
			return err
		}
		found++
		return os.WriteFile(path, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600)
	})
	if err != nil || found == 0 {
		t.Fatalf("damaged %d files: %v", found, err)
	}
}

// TestPrepared: what was prepared is not synced again while the server is stopped; what
// was only staged is, before there is a plan.
func TestPrepared(t *testing.T) {
	for _, prepared := range []bool{true, false} {
		s := newSite(t, newStore(t))
		one := s.make(t, nil, content{"a.py": "1"})
		f := &faults{}
		a := s.applier(t, f)
		before := a.Stage
		if prepared {
			before = a.Prepare
		}
		if _, err := before(context.Background(), Request{Target: one}); err != nil {
			t.Fatal(err)
		}
		if synced := slices.Contains(f.labels, "sync staged files"); synced != prepared {
			t.Errorf("prepared %t: synced %t", prepared, synced)
		}
		n := len(f.labels)
		mustApply(t, a, Request{Target: one})
		again, plan := slices.Index(f.labels[n:], "sync staged files"), slices.Index(f.labels[n:], "write plan: create")
		if (again >= 0) == prepared || plan < again || plan < 0 {
			t.Errorf("prepared %t: synced at step %d of the applying, the plan is step %d", prepared, again, plan)
		}
	}
}

// TestPreparedStays: what is staged after a release was prepared does not take its place,
// so that nothing is copied while the server is stopped; what is prepared or applied does.
func TestPreparedStays(t *testing.T) {
	s := newSite(t, newStore(t))
	one := s.make(t, nil, content{"a.py": "1", "large.bin": large("one")})
	two := s.make(t, one, content{"a.py": "2", "large.bin": large("two")})
	three := s.make(t, two, content{"a.py": "3", "b.py": "3", "large.bin": large("two")})
	f := &faults{}
	a := s.applier(t, f)
	mustApply(t, a, Request{Target: one})
	copied := func() (n int) {
		for _, label := range f.labels {
			if label == "create staged file" || label == "fill staged file" {
				n++
			}
		}
		f.labels = nil
		return n
	}
	mustStage := func(how func(context.Context, Request) (Result, error), m, want *release.Manifest) {
		t.Helper()
		r, err := how(context.Background(), Request{Target: m})
		if err != nil || r.To != want.Ref() {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	mustStage(a.Prepare, two, two)
	if n := copied(); n == 0 {
		t.Fatal("nothing was copied for a release that was prepared")
	}
	// Two comes while one's server is stopped; what it says of the tree is right.
	r, err := a.Stage(context.Background(), Request{Target: three})
	if err != nil || r.To != three.Ref() || r.Changes.Added != 1 || r.Changes.Modified != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	mustStage(a.Prepare, two, two)
	mustApply(t, a, Request{Target: two})
	if n := copied(); n != 0 {
		t.Errorf("%d files were copied of what had been prepared", n)
	}
	check(t, "tree", s.tree(t), content{"a.py": "2", "large.bin": large("two")})
	// Applied: the next one is staged.
	mustStage(a.Stage, three, three)
	if n := copied(); n != 2 {
		t.Errorf("%d files were copied for the next release, not 2", n)
	}
	// Given up: another is prepared.
	mustStage(a.Prepare, three, three)
	four := s.make(t, three, content{"a.py": "4"})
	mustStage(a.Stage, four, four)
	mustStage(a.Prepare, four, four)
	if n := copied(); n != 1 {
		t.Errorf("%d files were copied for the release that took the place, not 1", n)
	}
	mustApply(t, a, Request{Target: four})
	check(t, "tree", s.tree(t), content{"a.py": "4"})
}

// TestFillFails: a large file that could not be filled, or not be synced, is staged anew,
// and not taken for whole.
func TestFillFails(t *testing.T) {
	for _, op := range []string{"fill staged file: write", "set mode of staged file", "set owner of staged file", "sync staged files"} {
		t.Run(op, func(t *testing.T) {
			s := newSite(t, newStore(t))
			one := s.make(t, nil, content{"large.bin": large("one")})
			mustApply(t, s.applier(t, nil), Request{Target: one})
			two := s.make(t, one, content{"large.bin": large("two")})
			f := &faults{}
			a := s.applier(t, f)
			if _, err := a.Stage(context.Background(), Request{Target: two}); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(f.labels, "reserve staged file") {
				t.Skip("no room can be reserved here")
			}
			f.before = map[string]func(){op: func() {
				f.strikes = []strike{{once, len(f.labels)}}
				f.before = nil
			}}
			if _, err := a.Prepare(context.Background(), Request{Target: two}); err == nil {
				t.Fatal("it did not fail")
			}
			if a.staged != nil || len(a.hollow) > 0 {
				t.Error("what failed is taken for staged")
			}
			mustApply(t, a, Request{Target: two})
			check(t, "tree", s.tree(t), content{"large.bin": large("two")})
		})
	}
}
