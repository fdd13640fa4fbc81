package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/testbed/engine"
)

// target is the cluster's database as a home folder's settings.py names it, read by
// Python as OMFLOW reads it.
func target(t *testing.T, home string) database.Target {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
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
	eventually(t, "the step's row in the journal", func() bool {
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
	eventually(t, "the database back", func() bool { return db.Ping(t.Context()) == nil })
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
	expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "stamp", "steps")), 200, "Create")
	var charts []string
	last := 0
	eventually(t, "ticket at its form", func() bool {
		q, err := c.Queries.Queue()
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range q {
			if item.ID < last {
				t.Errorf("row %d came after row %d", item.ID, last)
			}
			if item.ID != last {
				last, charts = item.ID, append(charts, item.Chart)
			}
		}
		return open(rows(t, c, engine.StampUUID, 1)) == 1
	})
	if got := strings.TrimPrefix(strings.Join(charts, " "), "FITEM_1 "); got != "FITEM_2 FITEM_3 FITEM_4" {
		t.Errorf("charts in the journal: %v", charts)
	}
	if r := rows(t, c, engine.StampUUID, 1); r[len(r)-1].Status != engine.StampValue {
		t.Errorf("status %q, want the parameter's value", r[len(r)-1].Status)
	}
	eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
}

// Data is checked before there is a ticket: the answer has no number, and a ticket
// whose data does not pass never comes.
func TestValidationFlow(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	for _, title := range []string{"", "passes"} {
		a := must(t)(cl.Create(t.Context(), tok, "checked", title))
		expect(t, a, 200, "Create data successfully.")
		if string(a.Result) != "null" {
			t.Errorf("%q: result %s, want null", title, a.Result)
		}
		if n := len(rows(t, c, engine.CheckedUUID, 0)); n != 0 {
			t.Errorf("%q: %d tickets before the check", title, n)
		}
		q, err := c.Queries.Queue()
		if err != nil || len(q) != 1 || q[0].QueueID() != engine.CheckedUUID+"NoneFITEM_1" {
			t.Errorf("%q: journal %+v, %v", title, q, err)
		}
		start := time.Now()
		eventually(t, "journal empty", func() bool { return journal(t, c) == 0 })
		if d := time.Since(start); d < engine.ShortStep/2 {
			t.Errorf("%q: checked within %v", title, d)
		}
	}
	eventually(t, "the ticket that passed", func() bool { return open(rows(t, c, engine.CheckedUUID, 1)) == 1 })
	if r := rows(t, c, engine.CheckedUUID, 2); len(r) != 0 {
		t.Errorf("the ticket that did not pass: %+v", r)
	}
}

// Two checks of one flow have one queue_id, and then neither row goes.
func TestTwoValidationsLeaveTheirRows(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	for range 2 {
		expect(t, must(t)(cl.Create(t.Context(), tok, "checked", "twin")), 200, "Create")
	}
	eventually(t, "both tickets at their form", func() bool {
		return open(rows(t, c, engine.CheckedUUID, 1)) == 1 && open(rows(t, c, engine.CheckedUUID, 2)) == 1
	})
	eventually(t, "the two rows of the checks alone", func() bool { return journal(t, c) == 2 })
	// A replay opens the tickets once more.
	if err := c.RestartWith(0, runMain(c, 0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both tickets again", func() bool {
		n, err := c.Queries.TicketsByTitle("twin")
		return err == nil && n["twin"] == 4
	})
}
