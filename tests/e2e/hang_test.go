//go:build linux

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/tests/e2e/harness"
)

// A server is stopped in mid-work under 200 requests a second, so that it takes
// connections and answers nothing: no read fails, each waits at most the response
// timeout once, and no create runs twice. The agent replaces the process.
func TestHungServer(t *testing.T) {
	const responseTimeout = 3 * time.Second
	c := start(t, harness.Config{Front: "response_timeout " + responseTimeout.String()})
	c.LeadFirst(t)
	const victim = 1
	name := c.Agents[victim].Name
	sessions := c.SignIn(t, 60)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 200, CreateEvery: 5, Titles: "hang"})
	harness.Wait(t, time.Minute, "the load runs", func() error { return atLeast(len(load.Records()), 200) })

	old := c.Agents[victim].ServerPID()
	// At least one create is on the server when it stops; what else is there is chance.
	meet(t, c.Agents[victim], instrument.Fault{Kind: instrument.Hang, Path: createPath, Times: 1})
	stopped := time.Now()
	c.StopServer(t, victim)
	harness.Wait(t, time.Minute, "the agent replaces the process", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		pid := c.Agents[victim].ServerPID()
		if state := status.State(name); pid == 0 || pid == old || state != "up alive" {
			return fmt.Errorf("process %d, %s", pid, state)
		}
		return nil
	})
	replaced := time.Now()
	if harness.Alive(old) {
		t.Errorf("process %d still hangs", old)
	}

	records := load.Stop(t)
	harness.AllWell(t, records, func(r harness.Record) bool {
		return r.OutcomeUnknown() && r.Title != "" && r.On == name && r.Ended.After(stopped) && r.Begun.Before(replaced)
	})
	c.RanOnce(t, records, "hang")
	if countUnknown(records) == 0 {
		t.Error("no create was on the server when it was stopped")
	}
	const wait = responseTimeout * 9 / 10 // it may be a little early, for the sake of speed
	spared := harness.SlowestSpared(records, name, stopped)
	limit := min(standstill, responseTimeout+2*time.Second+spared)
	slow := map[int]int{}
	for _, r := range records {
		if r.Took() > limit {
			t.Errorf("took longer than the response timeout: %s", r)
		}
		if r.Took() > wait {
			slow[r.Session]++
		}
	}
	for session, n := range slow {
		if n > 1 && spared < wait { // or it may be this machine that they waited for
			t.Errorf("browser %d waited %d times", session, n)
		}
	}
	if len(slow) == 0 {
		t.Error("nobody waited for the server that was stopped")
	}
}

// A server that is well, but for one request that it never answers, costs that
// request the response timeout: a read is then answered by another server, and a
// create is told that its outcome is unknown.
func TestResponseTimeout(t *testing.T) {
	t.Parallel()
	const responseTimeout = time.Second
	c := start(t, harness.Config{Servers: make([]harness.Server, 2), Front: "response_timeout " + responseTimeout.String()})
	s := c.SignIn(t, 1)[0]
	var a *harness.Node
	for _, n := range c.Agents {
		if n.Name == s.On {
			a = n
		}
	}
	timely := func(what string, begun time.Time) {
		t.Helper()
		// The timeout may be a little early, for the sake of speed, and this machine busy.
		if took := time.Since(begun); took < responseTimeout*9/10 || took > responseTimeout+10*time.Second {
			t.Errorf("%s was answered after %s", what, took)
		}
	}
	ctx := context.Background()
	a.Inject(t, instrument.Fault{Kind: instrument.Hang, Path: createPath, Times: 1})
	begun := time.Now()
	answer, err := s.Open(ctx, engine.MissionUUID, "timeout")
	timely("the create", begun)
	if r := (harness.Record{Title: "timeout", Answer: answer, Err: err}); !r.OutcomeUnknown() {
		t.Errorf("the create: %s", r)
	}
	a.Inject(t, instrument.Fault{Kind: instrument.Hang, Path: slowPage, Times: 1})
	begun = time.Now()
	answer, err = s.Post(ctx, slowPage, map[string]any{"start": 0, "limit": 1})
	timely("the read", begun)
	if err != nil || answer.Code != 200 || answer.Server() == a.Name {
		t.Errorf("the read: HTTP %d from %q, %v", answer.Code, answer.Server(), err)
	}
	if n := len(c.Tickets(t, "timeout")); n != 0 {
		t.Errorf("%d tickets were opened by a request that the server never carried out", n)
	}
}
