package apply

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/store"
)

var names = map[fault]string{kill: "kill", power: "power", reorder: "reorder", once: "once", full: "full", broken: "broken"}

// testLarge is what Config.large is here, in bytes: more than a blob that the store packs
// with others.
const testLarge = 32 << 10

// large is a content for which there is room before it is there.
func large(text string) string { return strings.Repeat(text+"\n", testLarge/len(text)) }

// upheaval is a release that does everything a release can do to a tree.
type upheaval struct {
	store         *store.Store
	before, after *release.Manifest
	local         content // what somebody has changed on the server, nil: see site
	one           content // what the old release says
	old, new      content // the whole tree
	kept          content // under conflicts/ afterwards
	crashes       []int   // see faults
	template      *site   // what sites are copies of; nil: there is none yet
}

func newUpheaval(t testing.TB) *upheaval {
	u := &upheaval{store: newStore(t)}
	s := &site{store: u.store}
	u.one = content{
		"manage.py":             "one",
		"models.py":             "class One: pass",
		"run.sh":                "echo one",
		"same.txt":              "same",
		"gone.txt":              "gone",
		"deep/er/gone.py":       "gone",
		"deep/er/too.py":        "gone too",
		"turns":                 "a file that becomes a folder",
		"turned/a.txt":          "in a folder that becomes a file",
		"turned/b/c.txt":        "deeper in it",
		"local/changed.py":      "one",
		"local/deleted.py":      "one",
		"local/missing.py":      "one",
		"Spelling/x.txt":        "spelling",
		"keeps/company.txt":     "one",
		"swap/one.py":           "1",
		"swap/two.py":           "2",
		"static/already-new.js": "one",
		"static/large.bin":      large("one"),
	}
	u.before = s.make(t, nil, u.one)
	u.after = s.make(t, u.before, content{
		"manage.py":             "two",
		"models.py":             "class Two: pass",
		"run.sh":                "echo one+x",
		"same.txt":              "same",
		"turns/into/folder.txt": "new",
		"turned":                "a file now",
		"local/changed.py":      "two",
		"local/missing.py":      "two",
		"spelling/x.txt":        "spelling",
		"new/a/b/c.py":          "new",
		"new/a/d.py":            "new",
		"swap/one.py":           "2",
		"swap/two.py":           "1",
		"static/already-new.js": "two",
		"static/large.bin":      large("two"),
	})
	return u
}

// site makes a server on the old release, where somebody has changed things. Not the
// first one is made concurrently with others.
func (u *upheaval) site(t testing.TB) *site {
	if u.template == nil {
		u.template = u.newSite(t)
	}
	s := newSite(t, u.store)
	for from, to := range map[string]string{u.template.root: s.root, u.template.state: s.state} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (u *upheaval) newSite(t testing.TB) *site {
	s := newSite(t, u.store)
	a := s.applier(t, nil)
	mustApply(t, a, Request{Target: u.before})
	defer a.Close()
	if u.local != nil {
		s.write(t, u.local)
		return s
	}
	s.write(t, content{
		"local/changed.py":                         "changed here",
		"local/deleted.py":                         "changed here too",
		"static/already-new.js":                    "two",
		"keeps/mine.log":                           "no release's",
		"logs/server.log":                          "no release's",
		"__pycache__/models.cpython-311.pyc":       "stale",
		"__pycache__/models.cpython-311.opt-1.pyc": "stale",
		"__pycache__/models2.cpython-311.pyc":      "of another file",
		"deep/er/__pycache__/gone.cpython-37.pyc":  "stale",
		"deep/er/__pycache__/ago.cpython-37.pyc":   "of what went long ago",
	})
	s.remove(t, "local/missing.py")
	return s
}

// prepare fills in what the trees are, from one run without a fault.
func (u *upheaval) prepare(t testing.TB) []string {
	s := u.site(t)
	u.old = s.tree(t)
	f := &faults{}
	mustApply(t, s.applier(t, f), Request{Target: u.after})
	u.new = s.tree(t)
	u.kept, u.crashes = s.kept(t), f.crashes()

	want := content{
		"keeps/": "", "keeps/mine.log": "no release's", "logs/": "", "logs/server.log": "no release's",
		"turns/": "", "turns/into/": "", "new/": "", "new/a/": "", "new/a/b/": "", "local/": "",
		"spelling/": "", "swap/": "", "static/": "",
		"manage.py": "two", "models.py": "class Two: pass", "run.sh": "echo one+x", "same.txt": "same",
		"turns/into/folder.txt": "new", "turned": "a file now", "local/changed.py": "two",
		"local/missing.py": "two", "spelling/x.txt": "spelling", "new/a/b/c.py": "new", "new/a/d.py": "new",
		"swap/one.py": "2", "swap/two.py": "1", "static/already-new.js": "two",
		"static/large.bin": large("two"),
	}
	check(t, "tree after the release", u.new, want)
	check(t, "kept aside", u.kept, content{
		"2-server-1/local/changed.py": "changed here",
		"2-server-1/local/deleted.py": "changed here too",
	})
	for path, there := range map[string]bool{
		"__pycache__/models.cpython-311.pyc":       false,
		"__pycache__/models.cpython-311.opt-1.pyc": false,
		"__pycache__/models2.cpython-311.pyc":      true,
	} {
		if _, err := os.Stat(filepath.Join(s.root, path)); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
	return f.labels
}

// settle checks that s holds exactly one of the two releases, and knows which;
// then the new one must apply without a fault.
// It returns what the first recovery did.
func (u *upheaval) settle(t testing.TB, s *site) Outcome {
	t.Helper()
	a := s.applier(t, nil)
	o, err := a.Recover()
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(s.root, release.StagingDir)); err == nil {
		t.Errorf("the staging folder is left")
	}
	tree := s.tree(t)
	switch {
	case maps.Equal(tree, u.old):
		if o == Finished || a.Applied().Number != 1 {
			t.Errorf("old tree, but %s and release %d", o, a.Applied().Number)
		}
	case maps.Equal(tree, u.new):
		if o == Undone || a.Applied().Number != 2 {
			t.Errorf("new tree, but %s and release %d", o, a.Applied().Number)
		}
		check(t, "kept aside", s.kept(t), u.kept)
	default:
		t.Errorf("%s; neither old:%s\nnor new:%s", o, diff(tree, u.old), diff(tree, u.new))
		return o
	}
	if o, err := a.Recover(); err != nil || o != Nothing {
		t.Errorf("recover again: %s, %v", o, err)
	}
	check(t, "tree after it recovered again", s.tree(t), tree)
	mustApply(t, a, Request{Target: u.after})
	check(t, "tree after all", s.tree(t), u.new)
	check(t, "kept aside after all", s.kept(t), u.kept)
	return o
}

// strike opens s with faults and applies the new release.
func (u *upheaval) strike(t testing.TB, s *site, f *faults) (err error, crashed bool) {
	crashed = dies(func() {
		cfg := s.config()
		cfg.open = f.open
		var a *Applier
		if a, err = Open(cfg); err != nil {
			return
		}
		t.Cleanup(func() { a.Close() })
		_, err = a.Apply(context.Background(), Request{Target: u.after})
	})
	return err, crashed
}

// first lists, of the steps from index from on, the first of each label.
func first(labels []string, from int) []int {
	var out []int
	seen := make(map[string]bool)
	for i := from; i < len(labels); i++ {
		if !seen[labels[i]] {
			seen[labels[i]] = true
			out = append(out, i)
		}
	}
	return out
}

// ends lists the first and the last step of each label.
func ends(labels []string, from int) []int {
	out := first(labels, from)
	reversed := slices.Clone(labels)
	slices.Reverse(reversed)
	for _, i := range first(reversed, 0) {
		if at := len(labels) - 1 - i; at >= from && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// TestFaultAtEachStep lets each step of applying a release be the last one
// before the process or the machine dies, or fail in each way.
func TestFaultAtEachStep(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	if t.Failed() {
		return
	}
	plan, done := committed(t, labels), slices.Index(labels, "remove finished plan")
	for kind, name := range names {
		moments := ends(labels, 0)
		if kind.kills() && !testing.Short() {
			moments = u.crashes
		}
		t.Run(name, func(t *testing.T) {
			t.Logf("%d of %d steps", len(moments), len(labels))
			for _, at := range moments {
				t.Run(fmt.Sprintf("%d %s", at, labels[at]), func(t *testing.T) {
					t.Parallel()
					s := u.site(t)
					err, crashed := u.strike(t, s, &faults{strikes: []strike{{kind, at}}})
					switch {
					case crashed:
					case kind.kills():
						t.Error("the fault did not strike")
					case err == nil:
						check(t, "tree after success", s.tree(t), u.new)
					case !isUnfinished(err):
						check(t, "tree after "+err.Error(), s.tree(t), u.old)
					}
					o := u.settle(t, s)
					// The plan counts from the moment that it has its name, and
					// after a loss of power from the moment that this is synced.
					if kind == kill && (o == Finished) != (at >= plan && at <= done) ||
						kind.kills() && (at > plan && at <= done && o != Finished || at < plan && o != Nothing) {
						t.Errorf("%s at step %d, with the plan written by %d and removed by %d", o, at, plan, done)
					}
				})
			}
		})
	}
}

// TestTryAgain lets each step fail once, and applies again at once.
func TestTryAgain(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	const opened = 1 // the first step is Open's
	for _, at := range first(labels, opened) {
		t.Run(fmt.Sprintf("%d %s", at, labels[at]), func(t *testing.T) {
			t.Parallel()
			s := u.site(t)
			a := s.applier(t, &faults{strikes: []strike{{once, at}}})
			if _, err := a.Apply(context.Background(), Request{Target: u.after}); isUnfinished(err) {
				if _, err := a.Recover(); err != nil {
					t.Fatal(err)
				}
			}
			mustApply(t, a, Request{Target: u.after})
			check(t, "tree", s.tree(t), u.new)
			check(t, "kept aside", s.kept(t), u.kept)
		})
	}
}

// committed returns the index of the first step after the plan was written.
func committed(t testing.TB, labels []string) int {
	t.Helper()
	i := slices.Index(labels, "write plan: rename")
	if i < 0 {
		t.Fatalf("no plan is written: %q", labels)
	}
	return i + 1
}

// TestCrashWhileRecovering lets applying stop after the plan was written, and
// then each step of the recovery be the last one or fail.
func TestCrashWhileRecovering(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	for n, at := range first(labels, committed(t, labels)) {
		// With some space left the recovery finishes, without it undoes.
		lasting := []strike{}
		if n%2 == 1 {
			lasting = append(lasting, strike{full, 0})
		}
		t.Run(fmt.Sprintf("%d %s", at, labels[at]), func(t *testing.T) {
			t.Parallel()
			dry := &faults{strikes: lasting}
			s := u.site(t)
			u.strike(t, s, &faults{strikes: []strike{{kill, at}}})
			_ = u.recover(t, s, dry)
			for i, second := range first(dry.labels, 0) {
				if testing.Short() && i%3 != n%3 { // all are met, but not by all
					continue
				}
				kind := []fault{kill, power, broken, reorder}[(n+i)%4]
				s := u.site(t)
				u.strike(t, s, &faults{strikes: []strike{{kill, at}}})
				_ = u.recover(t, s, &faults{strikes: append(slices.Clone(lasting), strike{kind, second})})
				u.settle(t, s)
				if t.Failed() {
					t.Fatalf("after %s at step %d of the recovery: %s", names[kind], second, dry.labels[second])
				}
			}
		})
	}
}

// recover opens s with faults and recovers.
func (u *upheaval) recover(t testing.TB, s *site, f *faults) (err error) {
	dies(func() {
		cfg := s.config()
		cfg.open = f.open
		var a *Applier
		if a, err = Open(cfg); err != nil {
			return
		}
		t.Cleanup(func() { a.Close() })
		_, err = a.Recover()
	})
	return err
}

// TestCrashWhileUndoing lets a step fail after the plan was written, so that the
// plan is undone, and then each further step be the last one or fail.
func TestCrashWhileUndoing(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	for n, at := range first(labels, committed(t, labels)) {
		t.Run(fmt.Sprintf("%d %s", at, labels[at]), func(t *testing.T) {
			t.Parallel()
			dry := &faults{strikes: []strike{{once, at}}}
			u.strike(t, u.site(t), dry)
			for i, second := range first(dry.labels, at+1) {
				if testing.Short() && i%3 != n%3 { // all are met, but not by all
					continue
				}
				kind := []fault{kill, power, broken, reorder}[(n+i)%4]
				s := u.site(t)
				u.strike(t, s, &faults{strikes: []strike{{once, at}, {kind, second}}})
				u.settle(t, s)
				if t.Failed() {
					t.Fatalf("after %s at step %d: %s", names[kind], second, dry.labels[second])
				}
			}
		})
	}
}

// TestPowerLossAfterwards: what Apply has returned from doesn't come back.
func TestPowerLossAfterwards(t *testing.T) {
	u := newUpheaval(t)
	u.prepare(t)
	for name, strikes := range map[string][]strike{"applied": nil, "undone": {{once, committed(t, u.prepare(t)) + 10}}} {
		s := u.site(t)
		f := &faults{strikes: strikes}
		err, _ := u.strike(t, s, f)
		if (err != nil) != (strikes != nil) || isUnfinished(err) {
			t.Fatalf("%s: %v", name, err)
		}
		s.write(t, content{"manage.py": "changed after it"})
		for _, d := range f.disks {
			d.lose(power)
		}
		want := s.tree(t)
		a := s.applier(t, nil)
		if o, err := a.Recover(); err != nil || o != Nothing {
			t.Errorf("%s: %s, %v", name, o, err)
		}
		check(t, name, s.tree(t), want)
		if want["manage.py"] != "changed after it" {
			t.Errorf("%s: manage.py is %q", name, want["manage.py"])
		}
	}
}

// TestChangedBeforeRecovery: somebody changes a file of the new release after
// the crash and before the recovery.
func TestChangedBeforeRecovery(t *testing.T) {
	u := newUpheaval(t)
	labels := u.prepare(t)
	// models.py comes after manage.py, which is then in place.
	put := slices.Index(labels, "put in new file") + 4
	for _, at := range []int{put + 1, slices.Index(labels, "sync folders"), slices.Index(labels, "remove finished plan")} {
		s := u.site(t)
		if _, crashed := u.strike(t, s, &faults{strikes: []strike{{kill, at}}}); !crashed {
			t.Fatal("the fault did not strike")
		}
		want := maps.Clone(u.new)
		want["manage.py"] = "changed in between"
		if got := s.tree(t)["manage.py"]; got != u.new["manage.py"] {
			t.Fatalf("step %d, %s: manage.py is %q", at, labels[at], got)
		}
		s.write(t, content{"manage.py": "changed in between"})
		a := s.applier(t, nil)
		if o, err := a.Recover(); err != nil || o != Finished {
			t.Errorf("%s, %v", o, err)
		}
		check(t, labels[at], s.tree(t), want)
	}
}
