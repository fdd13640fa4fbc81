package testbed

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/standin"
)

// runMain returns the i-th server's configuration with RunMain set.
func runMain(c *Cluster, i int) standin.Config {
	cfg := c.Config(i)
	cfg.RunMain = true
	return cfg
}

// running waits until a ticket is in its background step.
func running(t *testing.T, c *Cluster, flow string, number int, step string) {
	t.Helper()
	observe.Eventually(t, "ticket in step "+step, func() bool {
		r := rows(t, c, flow, number)
		return len(r) == 1 && r[0].Running && r[0].Stop == step
	})
}

func TestReplayRunsStepsOfLivingServersAgain(t *testing.T) {
	c := newCluster(t, 2, 0)
	d := slowFlow(500 * time.Millisecond)
	deploy(t, c, 0, d)
	copyCode(t, c.Config(0).Home, c.Config(1).Home)
	one := newClient(t, c, 0)
	expect(t, must(t)(one.Create(t.Context(), token(t, one), "work", "twice")), 200, "Create")
	running(t, c, d.UUID, 1, "work")
	if err := c.RestartWith(1, runMain(c, 1)); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "both runs at the form", func() bool { return open(rows(t, c, d.UUID, 1)) == 2 })
	observe.Eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
}

func TestDeadServersTicketsWaitForRunMain(t *testing.T) {
	c := newCluster(t, 2, 0)
	d := slowFlow(3 * time.Second) // the server dies before it is over, also on a busy machine
	deploy(t, c, 0, d)
	copyCode(t, c.Config(0).Home, c.Config(1).Home)
	one := newClient(t, c, 0)
	tok := token(t, one)
	expect(t, must(t)(one.Create(t.Context(), tok, "work", "orphan")), 200, "Create")
	running(t, c, d.UUID, 1, "work")
	observe.Eventually(t, "the journal names the step", func() bool {
		q, err := c.Queries.Queue()
		return err == nil && len(q) == 1 && q[0].Chart == "FITEM_2"
	})
	c.Servers[0].Kill()
	// A start without RUN_MAIN replays nothing, though it runs its own tickets.
	if err := c.Restart(1); err != nil {
		t.Fatal(err)
	}
	two := newClient(t, c, 1)
	expect(t, must(t)(two.Create(t.Context(), token(t, two), "work", "own")), 200, "Create")
	observe.Eventually(t, "own ticket at its form", func() bool { return open(rows(t, c, d.UUID, 2)) == 1 })
	observe.Eventually(t, "the orphan alone in the journal", func() bool { return journal(t, c) == 1 })
	if r := rows(t, c, d.UUID, 1); len(r) != 1 || !r[0].Running {
		t.Fatalf("orphan: %+v", r)
	}
	if err := c.RestartWith(1, runMain(c, 1)); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "orphan at its form", func() bool { return open(rows(t, c, d.UUID, 1)) == 1 })
	observe.Eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
}

func TestDatabaseDownAndUp(t *testing.T) {
	failed := &counter{message: "ticket not moved on"}
	c := startCluster(t, ClusterConfig{Servers: 1, Lead: 1, Logger: slog.New(failed)})
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	program := newClient(t, c, 0)
	tok := token(t, program)
	c.Database.Stop()

	if ok, err := program.Ready(t.Context()); ok || err != nil {
		t.Errorf("ready without a database: %v, %v", ok, err)
	}
	if a := must(t)(program.Get(t.Context(), "/accounts/login/")); a.Code != 200 {
		t.Errorf("login page: HTTP %d, want the misleading 200", a.Code)
	}
	expect(t, must(t)(program.Get(t.Context(), "/rest/x")), 403, "URL error")
	expect(t, must(t)(program.Create(t.Context(), tok, "mission", "down")), 500, "connection to server at")
	if a := must(t)(cl.Home(t.Context())); a.Code != 500 || a.Status != 0 {
		t.Errorf("with a session: HTTP %d, want a 500 page", a.Code)
	}
	if err := program.SignIn(t.Context(), false); err == nil {
		t.Error("signed in without a database")
	} else if want := "no such user account"; !strings.Contains(err.Error(), want) {
		t.Errorf("sign-in: %v, want %q", err, want)
	}

	if err := c.Database.Start(); err != nil {
		t.Fatal(err)
	}
	// Requests recover by themselves.
	if ok, err := program.Ready(t.Context()); !ok || err != nil {
		t.Errorf("ready with the database back: %v, %v", ok, err)
	}
	if a := must(t)(cl.Poll(t.Context())); a.Code != 200 {
		t.Errorf("session with the database back: HTTP %d", a.Code)
	}
	// The flow queue does not: tickets are taken and stay.
	for range 4 {
		expect(t, must(t)(program.Create(t.Context(), tok, "mission", "stuck")), 200, "Create")
	}
	observe.Eventually(t, "workers tried all four", func() bool { return failed.n.Load() == 4 })
	if n := stuck(t, c); n != 4 || journal(t, c) != 4 {
		t.Fatalf("%d of 4 tickets running, %d in the journal", n, journal(t, c))
	}
	if err := c.Restart(0); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "a restart runs them all", func() bool { return stuck(t, c) == 0 && journal(t, c) == 0 })
}

// counter is a log that counts one message.
type counter struct {
	message string
	n       atomic.Int64
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }
func (c *counter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *counter) WithGroup(string) slog.Handler            { return c }
func (c *counter) Handle(_ context.Context, r slog.Record) error {
	if r.Message == c.message {
		c.n.Add(1)
	}
	return nil
}

// stuck counts the running ones of the first four tickets.
func stuck(t *testing.T, c *Cluster) int {
	t.Helper()
	n := 0
	for i := range 4 {
		for _, r := range rows(t, c, engine.MissionUUID, i+1) {
			if r.Running && !r.History {
				n++
			}
		}
	}
	return n
}
