//go:build unix

package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestReload(t *testing.T) {
	b := newBed(t)
	old := b.agent(nil)
	b.start(old, nil)
	first := b.to.wait(t, "up", up)
	reload := func(a *Agent) *Agent {
		t.Helper()
		b.start(a, nil)
		if err := old.Stop(); err != nil {
			t.Fatal(err)
		}
		old = a
		return a
	}

	states := b.to.changes()
	change := func(a *Agent) { a.Capacity = 2; a.Health.Fall = 9 }
	reload(b.agent(change))
	r := b.to.wait(t, "the new capacity", func(r gossip.Report) bool { return r.Capacity == 2 })
	if r.PID != first.PID || r.Restarts != 0 || !up(r) || b.to.changes() != states {
		t.Errorf("an unchanged command: %+v, %d changes of state", r, b.to.changes()-states)
	}

	b.to = &board{} // a reload with another node and nothing else
	reload(b.agent(change))
	if r := b.to.wait(t, "a report to the new node", up); r.PID != first.PID {
		t.Errorf("another node: %+v", r)
	}

	reload(b.agent(nil, os.Args[0], "child-web", b.server, "another"))
	second := b.to.wait(t, "another process", upWithout(first.PID))
	if alive(first.PID) {
		t.Error("the old process lives")
	}

	reload(b.agent(func(a *Agent) { a.Run = nil })) // managed elsewhere from now on
	b.to.wait(t, "no process", func(r gossip.Report) bool { return r.PID == 0 && r.State == gossip.ServerDown })
	observe.Eventually(t, "the process is gone, which is not ours any more", func() bool { return !alive(second.PID) })
	reload(b.agent(nil))
	b.to.wait(t, "ours again", upWithout(0))
}

// TestReloadTakenBack: when another part of a new configuration fails, Caddy
// stops the new agent and the old one goes on as it was.
func TestReloadTakenBack(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(nil), nil)
	first := b.to.wait(t, "up", up)
	taken := b.agent(func(a *Agent) { a.Capacity = 2 }, os.Args[0], "child-web", b.server, "another")
	b.start(taken, nil)
	b.to.wait(t, "another process", upWithout(first.PID))
	if err := taken.Stop(); err != nil {
		t.Fatal(err)
	}
	r := b.to.wait(t, "the old settings", func(r gossip.Report) bool { return up(r) && r.Capacity == 8 && r.Restarts == 2 })
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.PID))
	if err == nil && strings.Contains(string(args), "another") {
		t.Errorf("the process runs %q", args)
	}
}

// TestRenamedServer: under another name the process waits for the port.
func TestRenamedServer(t *testing.T) {
	b := newBed(t)
	old := b.agent(nil)
	b.start(old, nil)
	first := b.to.wait(t, "up", up)
	renamed, to := b.agent(nil), &board{}
	s := renamed.settings(to, "s2")
	s.backoff = time.Millisecond
	if err := renamed.start(b.dir, "s2", s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { renamed.Stop() })
	to.wait(t, "the wait for the port", func(r gossip.Report) bool { return strings.Contains(r.Reason, "let go of the port") })
	if err := old.Stop(); err != nil {
		t.Fatal(err)
	}
	if r := to.wait(t, "up", up); r.Server != "s2" || r.Restarts != 0 || r.PID == first.PID {
		t.Errorf("report %+v", r)
	}
}

// TestReloadAndChecks: checks begin anew when they changed, and only then.
func TestReloadAndChecks(t *testing.T) {
	b := newBed(t)
	a := b.agent(nil)
	b.start(a, nil)
	b.to.wait(t, "up", up)
	running := func() (results <-chan health.Status) {
		done := make(chan struct{})
		a.inUse.r.ask <- func(m *monitor) { results = m.results; close(done) }
		<-done
		return results
	}
	first := running()
	b.start(b.agent(func(a *Agent) { a.Weight = 7 }), nil)
	if running() != first {
		t.Error("another weight began the checks anew")
	}
	b.start(b.agent(func(a *Agent) { a.Health.Rise = 7 }), nil)
	if running() == first {
		t.Error("another rise did not begin the checks anew")
	}
}
