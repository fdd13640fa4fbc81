//go:build unix

package agent

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
)

// omflow makes an agent's server an OMFLOW Server, without a database.
func (b *bed) omflow() func(*Agent) {
	return func(a *Agent) { a.Home, a.Database = b.t.TempDir(), databaseNone }
}

// env is what the child has as RUN_MAIN.
func (b *bed) env() string {
	b.t.Helper()
	resp, err := http.Get("http://" + b.server + "/env")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// granting answers that the server is the lead, each time that it offers itself anew
// under another grant.
func granting() func(rollout.Ask) (rollout.Answer, error) {
	grant, offer := uint64(0), uint64(0)
	return func(ask rollout.Ask) (rollout.Answer, error) {
		if ask.Grant == 0 && ask.Offer != offer {
			grant, offer = grant+1, ask.Offer
		}
		return rollout.Answer{Term: 1, Part: rollout.Lead, Grant: grant, Offer: offer}, nil
	}
}

func follow(rollout.Ask) (rollout.Answer, error) {
	return rollout.Answer{Term: 1, Part: rollout.Follower}, nil
}

// TestWaitsForABooster: an OMFLOW Server is not started before it is known as what.
func TestWaitsForABooster(t *testing.T) {
	t.Setenv("RUN_MAIN", "true") // of the agent; a follower must not have it
	b := newBed(t)
	b.to.say(func(rollout.Ask) (rollout.Answer, error) { return rollout.Answer{}, errors.New("nobody there") })
	b.start(b.agent(b.omflow()), nil)
	r := b.to.wait(t, "waiting", func(r gossip.Report) bool { return r.Reason == "it waits for the word of a booster" })
	if r.State != gossip.ServerStarting || r.PID != 0 || !r.Managed {
		t.Errorf("report %+v", r)
	}
	b.to.say(follow)
	if r := b.to.wait(t, "up", up); r.Lead || b.env() != "" {
		t.Errorf("a follower: report %+v, RUN_MAIN=%q", r, b.env())
	}
}

// TestLeadAndBack: the environment and the process change with the part.
func TestLeadAndBack(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(b.omflow()), nil)
	follower := b.to.wait(t, "up", up)
	b.to.say(granting())
	lead := b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	if lead.PID == follower.PID || alive(follower.PID) || b.env() != "true" {
		t.Errorf("lead: report %+v, RUN_MAIN=%q, the follower's process lives: %v", lead, b.env(), alive(follower.PID))
	}
	b.to.waitAsk(t, "it asks as the lead", func(a rollout.Ask) bool { return a.Runs == rollout.Lead && a.Grant == 1 })
	b.to.say(follow)
	again := b.to.wait(t, "up as a follower", func(r gossip.Report) bool { return up(r) && !r.Lead })
	if alive(lead.PID) || again.PID == lead.PID || b.env() != "" {
		t.Errorf("follower again: report %+v, RUN_MAIN=%q", again, b.env())
	}
	b.to.waitAsk(t, "it has given the lease back", func(a rollout.Ask) bool { return a.Runs == rollout.Follower && a.Grant == 0 })
}

// TestLeadThatDies: the next life of the lead needs a grant of its own.
func TestLeadThatDies(t *testing.T) {
	b := newBed(t)
	b.to.say(granting())
	b.start(b.agent(b.omflow()), nil)
	lead := b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	wait := func(rollout.Ask) (rollout.Answer, error) { return rollout.Answer{Term: 1, Part: rollout.Wait}, nil }
	b.to.say(wait)
	if err := syscall.Kill(lead.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ask := b.to.waitAsk(t, "it has given the lease back", func(a rollout.Ask) bool { return a.Grant == 0 })
	if ask.Runs != "" || ask.Offer == 0 {
		t.Errorf("after the lead's death it asks %+v", ask)
	}
	if r := b.to.wait(t, "waiting", func(r gossip.Report) bool { return r.PID == 0 }); r.Lead {
		t.Errorf("report %+v", r)
	}
	b.to.say(granting())
	b.to.wait(t, "up as the lead again", func(r gossip.Report) bool { return up(r) && r.Lead && r.PID != lead.PID })
}

// TestRestartOrder: each order is carried out once, and what the new process has seen
// is told.
func TestRestartOrder(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(b.omflow()), nil)
	first := b.to.wait(t, "up", up)
	b.to.say(func(rollout.Ask) (rollout.Answer, error) {
		return rollout.Answer{Term: 1, Part: rollout.Follower, Restart: 7, Fast: true, Settled: rollout.Settled{Epoch: "booster-a=5"}}, nil
	})
	b.to.waitAsk(t, "done", func(a rollout.Ask) bool { return a.Done == 7 && a.Epoch == "booster-a=5" })
	second := b.to.wait(t, "up again", upWithout(first.PID))
	if second.Control != "booster-a=5" {
		t.Errorf("report %+v", second)
	}
	for range 20 { // it goes on asking, and does nothing more
		b.to.waitAsk(t, "asked", func(a rollout.Ask) bool { return a.Done == 7 })
	}
	if r := b.to.get(); r.PID != second.PID || r.Restarts != second.Restarts {
		t.Errorf("it was restarted once more: %+v", r)
	}
}
