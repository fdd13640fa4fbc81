//go:build unix

package agent

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestFinishTakesAnswers: what is being done gives its own answer, for which there is no
// room, while the monitor waits for its end.
func TestFinishTakesAnswers(t *testing.T) {
	m := &monitor{part: newPart(), log: slog.New(slog.DiscardHandler)}
	for range cap(m.part.answers) {
		m.part.answers <- func() {}
	}
	p := &patching{}
	m.do("test", func() error { m.applied(p, 1, nil, nil); return nil })
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		m.finish()
	}()
	select {
	case <-finished:
	case <-time.After(observe.Patience):
		t.Fatal("both wait for each other")
	}
}

// command makes a patch folder's command for a change.
func command(t *testing.T, script string) *patching {
	return &patching{
		conf: Patch{Folder: t.TempDir(), OnChangeRun: []string{"sh", "-c", script}}, log: slog.New(slog.DiscardHandler),
	}
}

// TestCommandLeavesAProgram: a command that starts a server anew has done well, though
// the server goes on and holds what the command's output went to.
func TestCommandLeavesAProgram(t *testing.T) {
	p := command(t, "sleep 600 & echo $! >pid")
	err := p.run(t.Context())
	text, readErr := os.ReadFile(filepath.Join(p.conf.Folder, "pid"))
	pid, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if cause := errors.Join(readErr, parseErr); cause != nil {
		t.Fatal(cause)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	if err != nil {
		t.Error(err)
	}
	if !alive(pid) {
		t.Error("the program that it has started is gone")
	}
}

// TestCommandSaysMuch: a command that fails is told with the beginning of what it said, and
// no more of that is kept.
func TestCommandSaysMuch(t *testing.T) {
	err := command(t, "echo first; yes | head -c 1000000; exit 3").run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3: first") {
		t.Errorf("%v", err)
	}
	var said output
	for range 3 {
		if n, err := said.Write(make([]byte, maxOutput-1)); n != maxOutput-1 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if len(said) != maxOutput {
		t.Errorf("%d bytes are kept", len(said))
	}
	// What people on other machines are told has no passwords, wherever it is cut.
	err = command(t, "printf x%480s; echo postgres://omflow:hunter2hunter2@db/omflow refused; exit 1").run(t.Context())
	if err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v", err)
	}
}

// TestCommandFails: a release whose command has failed is applied all the same, and people
// are told.
func TestCommandFails(t *testing.T) {
	for name, run := range map[string][]string{"run by the agent": {os.Args[0], "child-web"}, "run by something else": nil} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			f := &folder{state: patch.State{Applied: ref(1), Staged: ref(2)}}
			b.patching(f, func(a *Agent) {
				if a.Run = run; run != nil {
					a.Run = append(run, b.server)
				}
				a.Patch.OnChange, a.Patch.OnChangeRun = onChangeRun, []string{"sh", "-c", "echo no such unit; exit 4"}
			})
			if run != nil {
				b.to.wait(t, "up", up)
			}
			b.to.say(ordering(5, 2))
			ask := b.to.waitAsk(t, "told", func(a rollout.Ask) bool { return a.Release == 2 && len(a.FailedCommands) > 0 })
			if text := ask.FailedCommands[0]; !strings.Contains(text, "release 2 is applied on server s1") || !strings.Contains(text, "exit status 4: no such unit") {
				t.Errorf("told %q", ask.FailedCommands)
			}
		})
	}
}

// TestBlockedAfterACrash: a server that has crashed is not started again on files that have
// come between two releases while it ran.
func TestBlockedAfterACrash(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(1), Staged: ref(1)}}
	b.patching(f, nil)
	first := b.to.wait(t, "up", up)
	f.set(func(s *patch.State) { s.Blocked = "the tree is between two releases" })
	syscall.Kill(first.PID, syscall.SIGKILL)
	b.to.wait(t, "why it waits", func(r gossip.Report) bool {
		return r.PID == 0 && strings.Contains(r.Reason, "between two releases")
	})
	f.set(func(s *patch.State) { s.Blocked = "" })
	f.cfg.Changed()
	b.to.wait(t, "up again", upWithout(first.PID))
}
