//go:build linux

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/tests/e2e/harness"
)

// Tickets of one client whose first step is a pause go on after it, and for that no
// server is restarted.
func TestPauses(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	leads := c.WatchLeads(t)
	defer leads.Stop(t)
	harness.Wait(t, time.Minute, "the booster knows the flows that pause", func() error { return pausing(c) })
	naps(t, c, 36, engine.NapPause+time.Minute)
	for _, a := range c.Agents {
		if got := a.Stats(t).Created; a != c.Lead() && len(got) > 0 {
			t.Errorf("%s, which is not the lead server, has opened %v", a.Name, got)
		}
	}
	if n := leads.Count(); n != 1 {
		t.Errorf("there were %d processes of the lead server", n)
	}
}

// With the routing switched off, tickets that pause on a follower go on when the lead
// server is restarted for them, all with one restart.
func TestPausesOnFollowers(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Front: "repairs_off pauses"})
	leads := c.WatchLeads(t)
	defer leads.Stop(t)
	opening := naps(t, c, 36, 4*time.Minute)
	followers := 0
	for _, a := range c.Agents {
		if got := a.Stats(t).Created; a != c.Lead() && len(got) > 0 {
			followers++
		}
	}
	// One restart is for all that are there, ten seconds after the first was due: on a machine
	// on which it takes longer than that to open them, more come later, and wait for another
	// one, which is not before three minutes are over.
	most := 2 + int(opening/(10*time.Second))
	if n := leads.Count(); followers == 0 || n < 2 || n > most {
		t.Errorf("%d followers have opened tickets, and there were %d processes of the lead server, want 2 to %d", followers, n, most)
	}
}

// pausing says what is missing until the booster knows that a flow pauses.
func pausing(c *harness.Cluster) error {
	status, err := c.Booster.Status()
	if err == nil && status.Pauses.Pausing == 0 {
		err = fmt.Errorf("of %d flows none pauses %s", status.Pauses.Flows, status.Pauses.Off)
	}
	return err
}

// naps has one client open n tickets that pause, eight at a time, and waits until each
// is at its form, in one row. It returns how long it took to open them.
func naps(t *testing.T, c *harness.Cluster, n int, patience time.Duration) (opening time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	program, err := client.New(client.Config{URL: c.Booster.URL, User: "admin", Password: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := program.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var clients sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range n {
		turns <- struct{}{}
		clients.Go(func() {
			defer func() { <-turns }()
			a, err := program.Create(ctx, token, "nap", fmt.Sprintf("nap %d", i))
			if _, ok := a.Number(); err != nil || !ok {
				t.Errorf("ticket %d: HTTP %d, %s, %v", i, a.Code, a.Message, err)
			}
		})
	}
	clients.Wait()
	opening = time.Since(began)
	harness.Wait(t, patience, "all tickets go on", func() error {
		open, err := c.Queries.Tickets(database.TicketQuery{Flow: engine.NapUUID, Open: true, Limit: 10 * n})
		if err != nil {
			return err
		}
		rows, running := make(map[int]int), 0
		for _, row := range open.Rows {
			if row.Ticket.Running {
				running++
			} else if rows[row.Ticket.DataNo]++; rows[row.Ticket.DataNo] > 1 {
				t.Fatalf("ticket %d went on twice", row.Ticket.DataNo)
			}
		}
		if running > 0 || len(rows) != n {
			return fmt.Errorf("%d still run, %d are at their form", running, len(rows))
		}
		return nil
	})
	t.Logf("%.1f s after they were opened all tickets had gone on", (time.Since(began) - opening).Seconds())
	return opening
}
