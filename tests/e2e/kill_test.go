//go:build linux

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/tests/e2e/harness"
)

// createPath is where pages open tickets.
const createPath = "/flowmanage/api/omdata/edit/"

// A server is killed under 200 requests a second: no read fails, no create runs
// twice, only creates that the dead server had been sent are answered with an
// error, which says that the outcome is unknown. The agent starts the server again
// and it takes requests as before.
func TestKilledServer(t *testing.T) {
	c := start(t, harness.Config{})
	c.LeadFirst(t)
	const victim = 1 // not the lead server, without which no ticket is opened for some seconds
	name := c.Agents[victim].Name
	sessions := c.SignIn(t, 60)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 200, CreateEvery: 5, Titles: "kill"})

	// First, creates that ran and whose answer is lost: whoever sends them again
	// makes a second ticket. Then, creates that are on the server when it dies.
	const lost, hung = 3, 3
	meet(t, c.Agents[victim], instrument.Fault{Kind: instrument.Drop, Path: createPath, Times: lost})
	meet(t, c.Agents[victim], instrument.Fault{Kind: instrument.Hang, Path: createPath, Times: hung})
	old := c.Agents[victim].ServerPID()
	c.KillServer(t, victim)
	dead := time.Now()

	harness.Wait(t, time.Minute, "the agent starts the server again", func() error {
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
	// New sessions are put on the server that has none.
	fresh := c.SignIn(t, 6)
	if len(on(fresh, name)) == 0 {
		t.Errorf("none of %d new sessions is on %s, which is up again", len(fresh), name)
	}

	records := load.Stop(t)
	harness.AllWell(t, records, func(r harness.Record) bool {
		return r.OutcomeUnknown() && r.Title != "" && r.On == name && r.Begun.Before(dead)
	})
	c.RanOnce(t, records, "kill")
	if n := countUnknown(records); n < lost+hung {
		t.Errorf("%d creates were told that their outcome is unknown, but %d were on the server that failed", n, lost+hung)
	}
	// Not longer than on the servers that live, and there no longer than a machine stands
	// still.
	limit := min(standstill, 2*time.Second+harness.SlowestSpared(records, name, dead))
	for _, r := range records {
		if r.Title == "" && r.Took() > limit {
			t.Errorf("a read took longer than %s: %s", limit, r)
		}
	}
}

// standstill is longer than a machine stands still that has other things to do.
const standstill = 20 * time.Second

// meet has so many creates of the load meet a fault as it says.
func meet(t *testing.T, a *harness.Node, f instrument.Fault) {
	t.Helper()
	a.Inject(t, f)
	a.ResetStats(t)
	harness.Wait(t, time.Minute, fmt.Sprintf("creates meet the fault %q", f.Kind), func() error {
		return atLeast(a.Stats(t).ByURL["POST "+createPath+"None/"], f.Times)
	})
}
