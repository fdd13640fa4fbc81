package apply

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
)

// TestCatchUp brings a server that was away through a change, a deletion and a
// rename in one step.
func TestCatchUp(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"a.py": "1", "b.py": "1", "dir/c.py": "1", "same.py": "1"})
	two := s.make(t, one, content{"a.py": "2", "b.py": "1", "dir/c.py": "1", "same.py": "1"})
	three := s.make(t, two, content{"a.py": "2", "renamed.py": "1", "same.py": "1", "short.py": "3"})
	four := s.make(t, three, content{"a.py": "4", "renamed.py": "1", "same.py": "1"})
	mustApply(t, a, Request{Target: one})
	s.write(t, content{"mine.log": "not a release's"})

	r := mustApply(t, a, Request{Target: four, Past: past(one, two, three, four)})
	check(t, "tree", s.tree(t), content{"a.py": "4", "renamed.py": "1", "same.py": "1", "mine.log": "not a release's"})
	if want := (release.Summary{Added: 1, Modified: 1, Deleted: 2, Bytes: 2}); r.Changes != want || len(r.Kept) != 0 {
		t.Errorf("%+v, want %+v", r, want)
	}
	if r.From != one.Ref() || r.To != four.Ref() || a.Applied().Ref() != four.Ref() {
		t.Errorf("%+v", r)
	}
	if _, err := a.Apply(context.Background(), Request{Target: two}); err == nil || !strings.Contains(err.Error(), "rolling back takes a new release") {
		t.Errorf("an older release: %v", err)
	}
	check(t, "tree", s.tree(t), content{"a.py": "4", "renamed.py": "1", "same.py": "1", "mine.log": "not a release's"})
}

// TestRollBack brings old content back, also such that only this server still
// had when the release came.
func TestRollBack(t *testing.T) {
	s := newSite(t, newStore(t))
	before := content{"a.py": "found here", "b.py": "found here too+x"}
	s.write(t, before)
	// The first release is what the tree held; its content comes from no peer.
	one := (&site{store: newStore(t)}).make(t, nil, before)
	a := s.applier(t, nil)
	if r := mustApply(t, a, Request{Target: one}); r.Changes != (release.Summary{}) {
		t.Errorf("the tree was changed: %s", r.Changes)
	}
	two := s.make(t, one, content{"a.py": "2", "c/d.py": "2"})
	mustApply(t, a, Request{Target: two})
	check(t, "release 2", s.tree(t), content{"a.py": "2", "c/": "", "c/d.py": "2"})
	three, err := release.Revert(two, one, "booster", epoch, "")
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, a, Request{Target: three})
	check(t, "rolled back", s.tree(t), before)
}

// TestOrigin applies a release on the server where it was made: the tree has it.
func TestOrigin(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"a.py": "1", "b.py": "1"})
	two := s.make(t, one, content{"a.py": "2"})
	mustApply(t, a, Request{Target: one})
	s.write(t, content{"a.py": "2"})
	s.remove(t, "b.py")
	info, err := os.Stat(filepath.Join(s.root, "a.py"))
	if err != nil {
		t.Fatal(err)
	}
	if r := mustApply(t, a, Request{Target: two}); r.Changes != (release.Summary{}) || len(r.Kept) != 0 {
		t.Errorf("%+v", r)
	}
	after, err := os.Stat(filepath.Join(s.root, "a.py"))
	if err != nil || !os.SameFile(info, after) {
		t.Errorf("the file was written again: %v", err)
	}
	if got := s.applier(t, nil).Applied(); got == nil || got.Ref() != two.Ref() {
		t.Errorf("applied %v", got)
	}
}

// TestWhole repairs trees that are not what the applied release says.
func TestWhole(t *testing.T) {
	st := newStore(t)
	maker := &site{store: st}
	one := maker.make(t, nil, content{"a.py": "1", "b.py": "1", "gone.py": "1", "dir/gone.py": "1"})
	two := maker.make(t, one, content{"a.py": "2", "b.py": "1", "late.py": "2"})
	three := maker.make(t, two, content{"a.py": "2", "b.py": "3", "late.py": "2"})
	all := past(one, two, three)
	tests := []struct {
		name string
		disk content // with mine.log in any case
		want content // nil: the release
		kept content
	}{
		{"as it should be", content{"a.py": "2", "b.py": "1", "late.py": "2"}, nil, nil},
		{"backup of release 1", content{"a.py": "1", "b.py": "1", "gone.py": "1", "dir/gone.py": "1"}, nil, nil},
		{"wiped", content{}, nil, nil},
		{"a file changed here", content{"a.py": "mine", "b.py": "1", "late.py": "2"}, nil, content{"3-server-1/a.py": "mine"}},
		{"newer than it believes", content{"a.py": "2", "b.py": "3", "late.py": "2"}, nil, nil},
		{"deleted files with other content are somebody's", content{"a.py": "1", "gone.py": "mine", "dir/gone.py": "1"},
			content{"a.py": "2", "b.py": "3", "late.py": "2", "gone.py": "mine"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, st)
			a := s.applier(t, nil)
			mustApply(t, a, Request{Target: two})
			s.remove(t, "a.py", "b.py", "late.py")
			s.write(t, tt.disk)
			s.write(t, content{"mine.log": "mine"})
			want := content{"a.py": "2", "b.py": "3", "late.py": "2"}
			if tt.want != nil {
				want = tt.want
			}
			want["mine.log"] = "mine"
			mustApply(t, a, Request{Target: three, Past: all, Whole: true})
			check(t, "tree", s.tree(t), want)
			check(t, "kept aside", s.kept(t), tt.kept)
		})
	}
	t.Run("the same release again", func(t *testing.T) {
		s := newSite(t, st)
		a := s.applier(t, nil)
		mustApply(t, a, Request{Target: three})
		s.write(t, content{"a.py": "1"})
		s.remove(t, "b.py")
		mustApply(t, a, Request{Target: three, Past: all, Whole: true})
		check(t, "tree", s.tree(t), content{"a.py": "2", "b.py": "3", "late.py": "2"})
		check(t, "kept aside", s.kept(t), nil)
	})
}

// TestOldContent: what an old release had is overwritten, and not kept aside,
// when the release is known, and kept aside when it is not.
func TestOldContent(t *testing.T) {
	st := newStore(t)
	maker := &site{store: st}
	one := maker.make(t, nil, content{"a.py": "1"})
	two := maker.make(t, one, content{"a.py": "2"})
	three := maker.make(t, two, content{"a.py": "3"})
	for _, known := range []bool{true, false} {
		s := newSite(t, st)
		a := s.applier(t, nil)
		mustApply(t, a, Request{Target: two})
		s.write(t, content{"a.py": "1"})
		req := Request{Target: three}
		want := content{"3-server-1/a.py": "1"}
		if known {
			req.Past, want = past(one, two, three), nil
		}
		r := mustApply(t, a, req)
		check(t, "tree", s.tree(t), content{"a.py": "3"})
		check(t, "kept aside", s.kept(t), want)
		if len(r.Kept) != len(want) {
			t.Errorf("kept %+v", r.Kept)
		}
	}
}

// TestModes: a new file has the old one's mode, and only the executable bit
// comes from the release.
func TestModes(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"secret.py": "1", "run.sh": "1+x", "plain.txt": "1"})
	two := s.make(t, one, content{"secret.py": "2", "run.sh": "2", "plain.txt": "2+x"})
	mustApply(t, a, Request{Target: one})
	modes := map[string]os.FileMode{"secret.py": 0o600, "run.sh": 0o750, "plain.txt": 0o640}
	for name, mode := range modes {
		if err := os.Chmod(filepath.Join(s.root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	r := mustApply(t, a, Request{Target: two})
	if len(r.Kept) != 0 {
		t.Errorf("a mode is no local change: %+v", r.Kept)
	}
	for name, want := range map[string]os.FileMode{"secret.py": 0o600, "run.sh": 0o640, "plain.txt": 0o750} {
		if info, err := os.Stat(filepath.Join(s.root, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %s, want %s", name, info.Mode(), want)
		}
	}
}

// TestStage: what is staged is used, unless the tree or the target has changed.
func TestStage(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"a.py": "1", "b.py": "1"})
	two := s.make(t, one, content{"a.py": "2", "b.py": "2"})
	three := s.make(t, two, content{"a.py": "3", "b.py": "2"})
	mustApply(t, a, Request{Target: one})
	r, err := a.Stage(context.Background(), Request{Target: two})
	if err != nil || r.Changes != (release.Summary{Modified: 2, Bytes: 2}) {
		t.Fatalf("%+v, %v", r, err)
	}
	check(t, "staged, not applied", s.tree(t), content{"a.py": "1", "b.py": "1"})
	staged, err := os.Stat(filepath.Join(s.root, newDir, "0"))
	if err != nil {
		t.Fatal(err)
	}
	// Somebody changes a file between the two.
	s.write(t, content{"b.py": "mine"})
	mustApply(t, a, Request{Target: two})
	check(t, "applied", s.tree(t), content{"a.py": "2", "b.py": "2"})
	check(t, "kept aside", s.kept(t), content{"2-server-1/b.py": "mine"})
	if info, err := os.Stat(filepath.Join(s.root, "a.py")); err != nil || !os.SameFile(info, staged) {
		t.Errorf("what was staged is not what was applied: %v", err)
	}
	// A file that changes so that the plan is another.
	if _, err := a.Stage(context.Background(), Request{Target: three}); err != nil {
		t.Fatal(err)
	}
	s.write(t, content{"a.py": "3"})
	mustApply(t, a, Request{Target: three})
	check(t, "applied", s.tree(t), content{"a.py": "3", "b.py": "2"})

	// A mode that changes: what was staged has the old one.
	four := s.make(t, three, content{"a.py": "4"})
	if _, err := a.Stage(context.Background(), Request{Target: four}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.root, "a.py"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustApply(t, a, Request{Target: four})
	if info, err := os.Stat(filepath.Join(s.root, "a.py")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %s, %v", info.Mode(), err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	five := s.make(t, four, content{"a.py": "5"})
	if _, err := a.Stage(ctx, Request{Target: five}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestStagedIsLost: somebody removes the staging folder between Stage and Apply.
func TestStagedIsLost(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"a.py": "1"})
	two := s.make(t, one, content{"a.py": "2", "b/c.py": "2"})
	mustApply(t, a, Request{Target: one})
	if _, err := a.Stage(context.Background(), Request{Target: two}); err != nil {
		t.Fatal(err)
	}
	s.remove(t, release.StagingDir)
	if _, err := a.Apply(context.Background(), Request{Target: two}); err == nil || isUnfinished(err) {
		t.Errorf("%v", err)
	}
	check(t, "tree", s.tree(t), content{"a.py": "1"})
	mustApply(t, a, Request{Target: two})
	check(t, "tree", s.tree(t), content{"a.py": "2", "b/": "", "b/c.py": "2"})
}

// TestLateWrite: a program that has the old file open writes into it while it
// is replaced.
func TestLateWrite(t *testing.T) {
	s := newSite(t, newStore(t))
	a := s.applier(t, nil)
	one := s.make(t, nil, content{"a.py": "1", "gone.py": "1"})
	two := s.make(t, one, content{"a.py": "2"})
	mustApply(t, a, Request{Target: one})
	a.Close()
	cfg := s.config()
	f := &faults{before: map[string]func(){"sync folders": func() {
		// The old files, by their second name.
		for _, name := range []string{"0", "1"} {
			old := filepath.Join(s.root, oldDir, name)
			if err := os.WriteFile(old, []byte("late "+name), 0o644); err != nil {
				t.Error(err)
			}
			if err := os.Chtimes(old, time.Time{}, epoch); err != nil {
				t.Error(err)
			}
		}
	}}}
	cfg.open = f.open
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r := mustApply(t, a, Request{Target: two})
	check(t, "tree", s.tree(t), content{"a.py": "2"})
	check(t, "kept aside", s.kept(t), content{"2-server-1/a.py": "late 0", "2-server-1/gone.py": "late 1"})
	if len(r.Kept) != 2 {
		t.Errorf("%+v", r.Kept)
	}
}

// TestSpace: a release that doesn't fit is refused before anything is written.
func TestSpace(t *testing.T) {
	s := newSite(t, newStore(t))
	one := s.make(t, nil, content{"a.py": "1"})
	cfg := s.config()
	f := &faults{free: headroom + 4096}
	cfg.open = f.open
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Stage(context.Background(), Request{Target: one}); err == nil || !strings.Contains(err.Error(), "not enough space") {
		t.Errorf("%v", err)
	}
	if got := listing(t, s.root); strings.Contains(got, "\n") {
		t.Errorf("tree %s", got)
	}
	f.free++
	mustApply(t, a, Request{Target: one})
}

// TestUnfinished: nothing is staged or applied on a tree between two releases.
func TestUnfinished(t *testing.T) {
	u := newUpheaval(t)
	s := u.site(t)
	err, _ := u.strike(t, s, &faults{strikes: []strike{{broken, committed(t, u.prepare(t)) + 20}}})
	if !isUnfinished(err) {
		t.Fatal(err)
	}
	a := s.applier(t, nil)
	for what, try := range map[string]func(context.Context, Request) (Result, error){"stage": a.Stage, "apply": a.Apply} {
		if _, err := try(context.Background(), Request{Target: u.after}); !isUnfinished(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	u.settle(t, s)
}

// TestDamagedPlan: a plan that can't be read, where no release is known either, is nobody's to
// guess at.
func TestDamagedPlan(t *testing.T) {
	for _, text := range []string{"", "{", `{"format":2}`, `{"format":1,"steps":[{"path":"../x","new":{}}]}`, `{"format":1,"steps":[{"path":"x"}]}`} {
		for _, name := range []string{planFile, undoFile} {
			s := newSite(t, newStore(t))
			a := s.applier(t, nil)
			if err := os.WriteFile(filepath.Join(s.state, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if o, err := a.Recover(); !isUnfinished(err) {
				t.Errorf("%s %q: %s, %v", name, text, o, err)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	good := newSite(t, newStore(t)).config()
	for name, spoil := range map[string]func(*Config){
		"no root":     func(c *Config) { c.Root = "" },
		"root gone":   func(c *Config) { c.Root += "-gone" },
		"no state":    func(c *Config) { c.State = "" },
		"no store":    func(c *Config) { c.Store = nil },
		"no node":     func(c *Config) { c.Node = "" },
		"node leaves": func(c *Config) { c.Node = "a/b" },
	} {
		cfg := good
		spoil(&cfg)
		if a, err := Open(cfg); err == nil {
			a.Close()
			t.Errorf("%s: it was taken", name)
		}
	}
}

// TestVanished: a file that is to be replaced is deleted between the look at the
// tree and its replacement, and the process dies after that. The new file is
// not taken for an old one that somebody wrote to.
func TestVanished(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	s := u.site(t)
	f := &faults{
		strikes: []strike{{kill, slices.Index(labels, "sync folders")}},
		before:  map[string]func(){"write plan: create": func() { s.remove(t, "manage.py") }},
	}
	if _, crashed := u.strike(t, s, f); !crashed || s.tree(t)["manage.py"] != "two" {
		t.Fatalf("crashed: %v, manage.py is %q", crashed, s.tree(t)["manage.py"])
	}
	u.settle(t, s)
}

// TestUndoLeavesOthersFiles: somebody makes a file where a new one should come,
// with the very same content, and then the plan is undone.
func TestUndoLeavesOthersFiles(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	s := u.site(t)
	mine := content{"new/a/d.py": u.new["new/a/d.py"]}
	f := &faults{
		strikes: []strike{{once, slices.Index(labels, "put in new file")}},
		before:  map[string]func(){"sync old files": func() { s.write(t, mine) }},
	}
	if err, _ := u.strike(t, s, f); err == nil || isUnfinished(err) {
		t.Fatal(err)
	}
	want := maps.Clone(u.old)
	maps.Copy(want, content{"new/": "", "new/a/": "", "new/a/d.py": mine["new/a/d.py"]})
	check(t, "tree", s.tree(t), want)
}
