package testbed

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/programs"
)

// target is the cluster's database as a home folder's settings.py names it, read by
// Python as OMFLOW reads it.
func target(t *testing.T, home string) database.Target {
	t.Helper()
	programs.Python(t)
	s, err := settings.Read(t.Context(), settings.Config{File: settings.FileIn(home), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Errorf("settings.py: %v", err)
	}
	if len(s.Boosters) != 0 {
		t.Errorf("settings.py names boosters %v; the operator does that", s.Boosters)
	}
	tg, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

// The agent's own database package signs in with what settings.py says, is content
// with the database and reads the journal.
func TestJournalOverPostgres(t *testing.T) {
	c := startCluster(t, ClusterConfig{Servers: 1, Postgres: true})
	db, err := database.Open(target(t, c.Config(0).Home))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := db.Check(t.Context()); r.Failed() != nil {
		t.Errorf("check: %+v", r.Failed())
	}
	cl := newClient(t, c, 0)
	expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "slow", "journal")), 200, "Create")
	running(t, c, engine.SlowUUID, 1, "背景處理")
	observe.Eventually(t, "the step's row in the journal", func() bool {
		j, err := db.Journal(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return j.Count == 1 && j.Rows[0].QueueID == engine.SlowUUID+"1FITEM_2"
	})
	c.Database.Stop()
	if err := db.Ping(t.Context()); err == nil {
		t.Error("the database is down and answers")
	}
	if err := c.Database.Start(); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the database back", func() bool { return db.Ping(t.Context()) == nil })
}

// A settings.py that is there stays, whatever else is missing.
func TestSettingsFileStays(t *testing.T) {
	home := filepath.Join(t.TempDir(), "s1")
	name := filepath.Join(home, "omflow", "settings.py")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	const mine = "SECRET_KEY = 'mine'\n"
	if err := os.WriteFile(name, []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := NewCluster(ClusterConfig{Servers: 1, Dir: filepath.Dir(home), Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if b, err := os.ReadFile(name); err != nil || string(b) != mine {
		t.Errorf("settings.py is %q, %v", b, err)
	}
}

// The journal names the step that runs, in a row of its own.
func TestJournalHasARowForEachStep(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	last := 0
	// A step that this test was too slow to see is seen of another ticket.
	for begun, ticket := time.Now(), 1; ; ticket++ {
		expect(t, must(t)(cl.Create(t.Context(), tok, "stamp", "steps")), 200, "Create")
		charts := stepsOf(t, c, ticket, &last)
		got := strings.TrimPrefix(strings.Join(charts, " "), "FITEM_1 ")
		if got == "FITEM_2 FITEM_3 FITEM_4" {
			break
		}
		if !slices.IsSorted(charts) || time.Since(begun) > observe.Patience {
			t.Fatalf("charts in the journal: %v", charts)
		}
	}
	if r := rows(t, c, engine.StampUUID, 1); r[len(r)-1].Status != engine.StampValue {
		t.Errorf("status %q, want the parameter's value", r[len(r)-1].Status)
	}
	observe.Eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
}

// stepsOf returns the steps that the journal names until the ticket has come to its form.
// last is the newest row that was seen.
func stepsOf(t *testing.T, c *Cluster, ticket int, last *int) (charts []string) {
	t.Helper()
	observe.Eventually(t, "ticket at its form", func() bool {
		q, err := c.Queries.Queue()
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range q {
			if item.ID < *last {
				t.Errorf("row %d came after row %d", item.ID, *last)
			}
			if item.ID != *last {
				*last, charts = item.ID, append(charts, item.Chart)
			}
		}
		return open(rows(t, c, engine.StampUUID, ticket)) == 1
	})
	return charts
}

// Data is checked before there is a ticket: the answer has no number, and a ticket
// whose data does not pass never comes.
func TestValidationFlow(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	d := checkedFlow()
	deploy(t, c, 0, d)
	for _, title := range []string{"", "passes"} {
		a := must(t)(cl.Create(t.Context(), tok, d.APIPath, title))
		expect(t, a, 200, "Create data successfully.")
		if string(a.Result) != "null" {
			t.Errorf("%q: result %s, want null", title, a.Result)
		}
		if n := len(rows(t, c, d.UUID, 0)); n != 0 {
			t.Errorf("%q: %d tickets before the check", title, n)
		}
		q, err := c.Queries.Queue()
		if err != nil || len(q) != 1 || q[0].QueueID() != d.UUID+"NoneFITEM_1" {
			t.Errorf("%q: journal %+v, %v", title, q, err)
		}
		start := time.Now()
		observe.Eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
		if took := time.Since(start); took < d.Validation/10 {
			t.Errorf("%q: checked within %v", title, took)
		}
	}
	observe.Eventually(t, "the ticket that passed", func() bool { return open(rows(t, c, d.UUID, 1)) == 1 })
	if r := rows(t, c, d.UUID, 2); len(r) != 0 {
		t.Errorf("the ticket that did not pass: %+v", r)
	}
}

// Two checks of one flow have one queue_id, and then neither row goes.
func TestTwoValidationsLeaveTheirRows(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	d := checkedFlow()
	deploy(t, c, 0, d)
	for range 2 {
		expect(t, must(t)(cl.Create(t.Context(), tok, d.APIPath, "twin")), 200, "Create")
	}
	observe.Eventually(t, "both tickets at their form", func() bool {
		return open(rows(t, c, d.UUID, 1)) == 1 && open(rows(t, c, d.UUID, 2)) == 1
	})
	observe.Eventually(t, "the two rows of the checks alone", func() bool { return journal(t, c) == 2 })
	// A replay opens the tickets once more.
	if err := c.RestartWith(0, runMain(c, 0)); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "both tickets again", func() bool {
		n, err := c.Queries.TicketsByTitle("twin")
		return err == nil && n["twin"] == 4
	})
}
