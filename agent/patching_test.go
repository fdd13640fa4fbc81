//go:build unix

package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// folder is a patch folder that only keeps account.
type folder struct {
	mu     sync.Mutex
	state  patch.State
	calls  []string
	heard  release.Ref
	cfg    patch.Config
	fail   error             // of Apply
	spoilt error             // of Prepare
	check  func() (pid int)  // the process that must be gone during Apply
	alive  func(what string) // told of one that is not
}

func ref(number uint64) release.Ref {
	return release.Ref{Number: number, Hash: release.Hash{byte(number)}}
}

func (f *folder) State() patch.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *folder) set(change func(*patch.State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.state)
}

func (f *folder) Heard(r release.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = r
}

func (f *folder) Prepare(context.Context, uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "prepare")
	if f.spoilt != nil {
		f.state.Trouble = f.spoilt.Error()
	}
	return f.spoilt
}

func (f *folder) Apply(_ context.Context, number uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "apply")
	if f.check != nil {
		if pid := f.check(); pid != 0 && alive(pid) {
			f.alive("a release was applied under a running server")
		}
	}
	if f.fail != nil {
		f.state.Trouble = f.fail.Error()
		return f.fail
	}
	f.state.Applied, f.state.Trouble = ref(number), ""
	return nil
}

func (f *folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "close")
	return nil
}

// latest is what it heard last, and how it was opened last.
func (f *folder) latest() (heard release.Ref, cfg patch.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heard, f.cfg
}

func (f *folder) did() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// patching starts an agent of an OMFLOW Server with a patch folder.
func (b *bed) patching(f *folder, change func(*Agent)) {
	b.t.Helper()
	f.alive = func(what string) { b.t.Error(what) }
	if b.home == "" {
		b.home = b.t.TempDir()
	}
	a := b.agent(func(a *Agent) {
		a.Home, a.Database, a.Patch = b.home, databaseNone, &Patch{}
		if change != nil {
			change(a)
		}
	})
	b.start(a, func(s *settings) {
		s.openPatch = func(cfg patch.Config) (patches, error) {
			if err := cfg.Validate(); err != nil {
				return nil, err
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.cfg = cfg
			return f, nil
		}
	})
}

func ordering(restart, apply uint64) func(rollout.Ask) (rollout.Answer, error) {
	return func(ask rollout.Ask) (rollout.Answer, error) {
		a := rollout.Answer{Term: 1, Part: rollout.Follower, Restart: restart, Fast: true, Head: 2, HeadHash: ref(2).Hash.String()}
		if ask.Runs == "" || restart != 0 {
			a.Apply = apply
		}
		return a, nil
	}
}

// TestReleaseOrder: on the booster's order the server is stopped, the release applied,
// and the server started again.
func TestReleaseOrder(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1), Staged: ref(2), Pending: 3}}
	b.patching(f, nil)
	first := b.to.wait(t, "up", up)
	ask := b.to.waitAsk(t, "told of the folder", func(a rollout.Ask) bool { return a.Release == 1 && a.Staged == 2 })
	if !ask.Pending || ask.ReleaseHash != ref(1).Hash.String() || first.Release != 1 {
		t.Errorf("asked %+v, reported %+v", ask, first)
	}
	f.check = func() int { return first.PID }
	b.to.say(ordering(5, 2))
	b.to.waitAsk(t, "the order was carried out", func(a rollout.Ask) bool { return a.Done == 5 && a.Release == 2 })
	second := b.to.wait(t, "up again with the release", func(r gossip.Report) bool { return upWithout(first.PID)(r) && r.Release == 2 })
	for range 10 {
		b.to.waitAsk(t, "asked", func(a rollout.Ask) bool { return a.Done == 5 })
	}
	if got := f.did(); !slices.Equal(got, []string{"prepare", "prepare", "apply"}) || b.to.get().PID != second.PID {
		t.Errorf("calls %v; %+v", got, b.to.get())
	}
	if heard, _ := f.latest(); heard != ref(2) {
		t.Errorf("heard of %v", heard)
	}
}

// TestReleaseBeforeStart: a server that does not run catches up before it is started.
func TestReleaseBeforeStart(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1), Staged: ref(2)}}
	b.to.say(ordering(0, 2))
	started := func() bool { return b.to.get().PID != 0 }
	f.check = func() int {
		if started() {
			f.alive("the server was started before the release was applied")
		}
		return 0
	}
	b.patching(f, nil)
	b.to.wait(t, "up with the release", func(r gossip.Report) bool { return up(r) && r.Release == 2 })
}

// TestReleaseFails: the server is started on what it had, and the booster hears why.
func TestReleaseFails(t *testing.T) {
	for name, f := range map[string]*folder{
		"while it is applied":  {fail: errors.New("no space left on device")},
		"while it is prepared": {spoilt: errors.New("no other server has it")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			f.state = patch.State{Applied: ref(1), Staged: ref(2)}
			b.patching(f, nil)
			first := b.to.wait(t, "up", up)
			b.to.say(ordering(5, 2))
			ask := b.to.waitAsk(t, "the order is over", func(a rollout.Ask) bool { return a.Done == 5 })
			if ask.Trouble == "" || ask.Release != 1 {
				t.Errorf("asked %+v", ask)
			}
			r := b.to.wait(t, "up", up)
			if stopped := r.PID != first.PID; stopped != (f.fail != nil) {
				t.Errorf("stopped: %v", stopped)
			}
			b.to.say(ordering(0, 2))
			b.to.waitAsk(t, "asked", func(a rollout.Ask) bool { return a.Runs == rollout.Follower })
			if n := len(slices.DeleteFunc(f.did(), func(s string) bool { return s != "apply" })); n > 1 {
				t.Errorf("tried %d times", n)
			}
		})
	}
}

// TestBlocked: a server is not started on files that are between two releases.
func TestBlocked(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Blocked: "the tree is between two releases"}}
	b.to.say(ordering(0, 0))
	b.patching(f, nil)
	r := b.to.wait(t, "why it waits", func(r gossip.Report) bool { return strings.Contains(r.Reason, "between two releases") })
	for range 10 {
		b.to.waitAsk(t, "asked", func(a rollout.Ask) bool { return a.Server != "" })
	}
	if r.PID != 0 || b.to.get().PID != 0 {
		t.Error("it was started")
	}
	f.set(func(s *patch.State) { s.Blocked = "" })
	f.cfg.Changed()
	b.to.wait(t, "up", up)
}

// TestRestored: a server that ran while its files were gone has not the release, as the
// booster is told, until it was restarted in its turn.
func TestRestored(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1), Staged: ref(1)}}
	b.patching(f, nil)
	first := b.to.wait(t, "up", up)
	b.to.waitAsk(t, "it has the release", func(a rollout.Ask) bool { return a.ReleaseHash == ref(1).Hash.String() })
	f.set(func(s *patch.State) { s.Restored = time.Now() })
	f.cfg.Changed()
	b.to.waitAsk(t, "it has not", func(a rollout.Ask) bool { return a.Release == 1 && a.ReleaseHash == "" && a.Runs != "" })
	if r := b.to.get(); r.PID != first.PID {
		t.Error("it was restarted out of its turn")
	}
	b.to.say(ordering(5, 1))
	b.to.waitAsk(t, "it has the release again", func(a rollout.Ask) bool { return a.Done == 5 && a.ReleaseHash == ref(1).Hash.String() })
	b.to.wait(t, "up again", upWithout(first.PID))
	if got := f.did(); len(got) > 0 {
		t.Errorf("calls %v", got)
	}
}

// TestOnChange: where the configuration says so, the server is left running.
func TestOnChange(t *testing.T) {
	for _, how := range []string{onChangeNone, onChangeRun} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t)
			f := &folder{state: patch.State{Applied: ref(1), Staged: ref(2)}}
			mark := filepath.Join(t.TempDir(), "mark")
			b.patching(f, func(a *Agent) {
				if a.Patch.OnChange = how; how == onChangeRun {
					a.Patch.OnChangeRun = []string{"touch", mark}
				}
			})
			first := b.to.wait(t, "up", up)
			b.to.say(ordering(5, 2))
			b.to.waitAsk(t, "done", func(a rollout.Ask) bool { return a.Done == 5 && a.Release == 2 })
			if r := b.to.get(); r.PID != first.PID {
				t.Error("the server was restarted")
			}
			if _, err := os.Stat(mark); (err == nil) != (how == onChangeRun) {
				t.Errorf("command: %v", err)
			}
		})
	}
}

// TestPatchReload: the folder stays open over a reload, unless its block has changed,
// and the process goes on in any case.
func TestPatchReload(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1)}}
	b.patching(f, nil)
	first := b.to.wait(t, "up", up)
	b.patching(f, func(a *Agent) { a.Capacity = 3 })
	b.to.wait(t, "the new capacity", func(r gossip.Report) bool { return r.Capacity == 3 })
	if got := f.did(); len(got) > 0 {
		t.Errorf("a reload that changes something else: %v", got)
	}
	b.patching(f, func(a *Agent) { a.Patch.Exclude = []string{"*.txt"} })
	observe.Eventually(t, "closed and opened anew", func() bool {
		_, cfg := f.latest()
		return slices.Equal(f.did(), []string{"close"}) && len(cfg.Rules.Exclude) > 1
	})
	b.patching(f, func(a *Agent) { a.Patch = nil })
	b.to.wait(t, "no release", func(r gossip.Report) bool { return up(r) && r.Release == 0 })
	if got := f.did(); !slices.Equal(got, []string{"close", "close"}) || b.to.get().PID != first.PID {
		t.Errorf("without a patch block: %v, %+v", got, b.to.get())
	}
}

// TestElsewhere: a server that something else runs.
func TestElsewhere(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1), Staged: ref(2)}}
	mark := filepath.Join(t.TempDir(), "mark")
	b.to.say(ordering(0, 2))
	b.patching(f, func(a *Agent) {
		a.Run, a.Patch.OnChange, a.Patch.OnChangeRun = nil, onChangeRun, []string{"touch", mark}
	})
	b.to.waitAsk(t, "applied", func(a rollout.Ask) bool { return a.Release == 2 })
	observe.Eventually(t, "the command is run", func() bool { _, err := os.Stat(mark); return err == nil })
}

// TestWhoIsFirst: the lead server's folder becomes the first release, and what it
// deploys itself needs no restart there.
func TestWhoIsFirst(t *testing.T) {
	b := newBed(t)
	f := &folder{}
	b.to.say(func(rollout.Ask) (rollout.Answer, error) {
		return rollout.Answer{Term: 1, Part: rollout.Follower}, nil
	})
	b.patching(f, nil)
	b.to.wait(t, "up", up)
	deploy := []string{"omformmodel/models.py"}
	if f.cfg.First() || f.cfg.Deployed(deploy) {
		t.Error("a follower's folder may be first, or it deploys")
	}
	b.to.say(granting())
	b.to.wait(t, "lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	b.to.waitAsk(t, "asked twice as the lead", func(a rollout.Ask) bool { return a.Runs == rollout.Lead && a.Age > 0 })
	observe.Eventually(t, "first", func() bool { return f.cfg.First() && f.cfg.Deployed(deploy) })
	if f.cfg.Deployed([]string{"omflow/urls.py"}) {
		t.Error("a patch is taken for a deploy")
	}
	if f.cfg.Check == nil || f.cfg.Exact == nil {
		t.Error("nothing is known of OMFLOW's files")
	}
}

// TestPatchRefuses holds mistakes in a configuration against what is said of them.
func TestPatchRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Agent){
		"without home it needs a folder": func(a *Agent) { a.Home = "" },
		"is a file: write a folder":      func(a *Agent) { a.Patch.Folder = file },
		"can't restart a server that it": func(a *Agent) { a.Run = nil },
		"keep 1001: write a number":      func(a *Agent) { a.Patch.Keep = 1001 },
		"must not be negative":           func(a *Agent) { a.Patch.Settle = -1 },
		"longest settle time":            func(a *Agent) { a.Patch.Settle, a.Patch.MaxSettle = 2, 1 },
		`on_change "x"`:                  func(a *Agent) { a.Patch.OnChange = "x" },
		"on_change run needs a command":  func(a *Agent) { a.Patch.OnChange = onChangeRun },
		`approve "x"`:                    func(a *Agent) { a.Patch.Approve = "x" },
		"exclude":                        func(a *Agent) { a.Patch.Exclude = []string{"a["} },
	} {
		b := newBed(t)
		a := &Agent{Server: b.server, Home: t.TempDir(), Run: []string{"gunicorn"}, Patch: &Patch{}}
		change(a)
		if a.Home == "" {
			a.Health = b.agent(nil).Health
		}
		if err := provision(t, a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
