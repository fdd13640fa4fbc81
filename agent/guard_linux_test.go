package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
)

// TestGuardAfterAReload: a server that something else has run is run by the agent from a
// reload on, and is guarded as the lead like any other.
func TestGuardAfterAReload(t *testing.T) {
	b := newBed(t)
	omflow := b.omflow()
	elsewhere := b.agent(func(a *Agent) { omflow(a); a.Run = nil })
	b.start(elsewhere, nil)
	b.start(b.agent(func(a *Agent) { omflow(a); a.Home = elsewhere.Home }), nil)
	b.to.say(granting())
	b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	guarded := false
	elsewhere.inUse.r.look(func(m *monitor) { guarded = m.part.guard != nil })
	if !guarded {
		t.Error("nothing ends the lead server when its agent can't")
	}
}

// TestLeadWithoutCommand: a reload takes the command of the lead server away. It is stopped
// then, and the lease is given back, so that another one becomes the lead.
func TestLeadWithoutCommand(t *testing.T) {
	b := newBed(t)
	omflow, grant := b.omflow(), granting()
	b.to.say(func(ask rollout.Ask) (rollout.Answer, error) {
		if !ask.Candidate && ask.Grant == 0 {
			return rollout.Answer{Term: 1, Part: rollout.Wait}, nil
		}
		return grant(ask)
	})
	first := b.agent(omflow)
	b.start(first, nil)
	lead := b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	b.start(b.agent(func(a *Agent) { omflow(a); a.Home, a.Run = first.Home, nil }), nil)
	b.to.wait(t, "no lead", func(r gossip.Report) bool { return !r.Lead && !r.Managed })
	b.to.waitAsk(t, "it has given the lease back", func(a rollout.Ask) bool { return a.Runs == "" && a.Grant == 0 && !a.Candidate })
	if alive(lead.PID) {
		t.Error("the process lives")
	}
}

// TestLeadIsStopped: an agent that is stopped with its lead server gives the lease back, and
// does not ask for it anew.
func TestLeadIsStopped(t *testing.T) {
	b := newBed(t)
	b.to.say(granting())
	a := b.agent(b.omflow())
	b.start(a, nil)
	b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.to.mu.Lock()
	defer b.to.mu.Unlock()
	if last := b.to.asked; last.Grant != 0 || last.Runs != "" || last.Offer != 0 {
		t.Errorf("its last word: %+v", last)
	}
}

// TestGuardIsLetGo: the end of an agent closes the guard's file, also when its server was
// no lead.
func TestGuardIsLetGo(t *testing.T) {
	b := newBed(t)
	a := b.agent(b.omflow())
	b.start(a, nil)
	b.to.wait(t, "up", up)
	file := filepath.Join(serversDir(b.dir), "s1", "lead.guard")
	if open := opened(t, file); open != 1 {
		t.Fatalf("open %d times while it runs", open)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if open := opened(t, file); open != 0 {
		t.Errorf("open %d times in the end", open)
	}
}

// opened counts the descriptors of this process for a file.
func opened(t *testing.T, file string) (n int) {
	t.Helper()
	const dir = "/proc/self/fd/"
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(dir + fd.Name()); err == nil && target == file {
			n++
		}
	}
	return n
}
