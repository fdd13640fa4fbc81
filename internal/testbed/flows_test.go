package testbed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
)

// copyCode copies what an operator would have to: models, migrations and code.
func copyCode(t *testing.T, from, to string) {
	t.Helper()
	for _, dir := range []string{"omformmodel", "omformflow/production"} {
		dst := filepath.Join(to, filepath.FromSlash(dir))
		if err := os.RemoveAll(dst); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dst, os.DirFS(filepath.Join(from, filepath.FromSlash(dir)))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeployedFlowIsUnknownElsewhere(t *testing.T) {
	c := newCluster(t, 3, 0)
	design := slowFlow(0)
	deploy(t, c, 0, design)
	one := newClient(t, c, 0)
	expect(t, must(t)(one.Create(t.Context(), token(t, one), "work", "on one")), 200, "Create")

	two := newClient(t, c, 1)
	expect(t, must(t)(two.Create(t.Context(), token(t, two), "work", "on two")), 500, "'NoneType' object has no attribute 'api'")
	expect(t, must(t)(two.List(t.Context(), token(t, two), "work", 10)), 404, "Cannot find the flow.")

	// Restarted without the files it knows the flow and loses its tickets.
	if err := c.Restart(1); err != nil {
		t.Fatal(err)
	}
	tok := token(t, two)
	a := must(t)(two.Create(t.Context(), tok, "work", "lost"))
	expect(t, a, 200, "Create data successfully.")
	if string(a.Result) != "null" {
		t.Errorf("the lost ticket's number is %s, want null", a.Result)
	}
	if n, err := c.Queries.TicketsByTitle("lost"); err != nil || len(n) != 0 {
		t.Errorf("the lost ticket exists: %v, %v", n, err)
	}
	if got := c.Servers[1].Instruments().Stats(); got.Lost != 1 || got.Created["lost"] != 0 {
		t.Errorf("instruments: %d lost, %v created", got.Lost, got.Created)
	}
	expect(t, must(t)(two.List(t.Context(), tok, "work", 10)), 404, "'bool' object has no attribute 'objects'")

	// With the files and a restart it serves the flow.
	copyCode(t, c.Config(0).Home, c.Config(2).Home)
	if err := c.Restart(2); err != nil {
		t.Fatal(err)
	}
	three := newClient(t, c, 2)
	tok = token(t, three)
	a = must(t)(three.Create(t.Context(), tok, "work", "on three"))
	if n, ok := a.Number(); !ok || n != 2 {
		t.Fatalf("ticket on the third server: %s", a.Body)
	}
	observe.Eventually(t, "ticket at its form", func() bool { return open(rows(t, c, design.UUID, 2)) == 1 })
}

func TestCodeMissing(t *testing.T) {
	c := newCluster(t, 1, 0)
	if err := os.RemoveAll(filepath.Join(c.Config(0).Home, "omformflow", "production", engine.MissionUUID)); err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, c, 0)
	expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "mission", "no code")), 200, "Create")
	// The next ticket, of another flow, passes the stuck one in the queue.
	d := slowFlow(0)
	deploy(t, c, 0, d)
	expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "work", "next")), 200, "Create")
	observe.Eventually(t, "next ticket at its form", func() bool { return open(rows(t, c, d.UUID, 1)) == 1 })
	observe.Eventually(t, "the stuck one alone in the journal", func() bool { return journal(t, c) == 1 })
	if r := rows(t, c, engine.MissionUUID, 1); len(r) != 1 || !r[0].Running {
		t.Errorf("without code: %+v", r)
	}
}

func TestDisabledFlowGoesOnElsewhere(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newClient(t, c, 0), newClient(t, c, 1)
	flows, err := c.Queries.Flows()
	if err != nil {
		t.Fatal(err)
	}
	var id int
	for _, f := range flows {
		if f.UUID == engine.MissionUUID {
			id = f.ID
		}
	}
	tok := token(t, one)
	set := func(action string) {
		t.Helper()
		expect(t, must(t)(one.Call(t.Context(), tok, "/flowmanage/api/flow-active/active/",
			map[string]any{"id": []int{id}, "active": action})), 200, "The setting is successful.")
	}
	set("inactive")
	expect(t, must(t)(one.Create(t.Context(), tok, "mission", "x")), 404, "The flow is currently disabled.")
	expect(t, must(t)(two.Create(t.Context(), token(t, two), "mission", "x")), 200, "Create")
	set("active")
	expect(t, must(t)(one.Create(t.Context(), tok, "mission", "x")), 200, "Create")
}

func TestDeployConflicts(t *testing.T) {
	c := newCluster(t, 2, 0)
	a, b := slowFlow(0), slowFlow(0)
	b.UUID, b.Name, b.APIPath = strings.Repeat("b", 32), "other", "other"
	deploy(t, c, 0, a)
	deploy(t, c, 1, b)
	homes := []string{c.Config(0).Home, c.Config(1).Home}
	// The migrations of both in one folder have two ends.
	name := "0002_omdata_" + a.UUID + ".py"
	src, err := os.ReadFile(filepath.Join(homes[0], "omformmodel", "migrations", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(homes[1], "omformmodel", "migrations", name), src, 0o644); err != nil {
		t.Fatal(err)
	}
	third := slowFlow(0)
	third.UUID, third.Name, third.APIPath = strings.Repeat("c", 32), "third", "third"
	id, err := c.Queries.SaveWorkspace(database.Workspace{Name: "third", Flows: []database.Design{third}})
	if err != nil {
		t.Fatal(err)
	}
	two := newClient(t, c, 1)
	expect(t, must(t)(two.Call(t.Context(), token(t, two), "/flowmanage/api/flow-workspace-app/deploy/",
		map[string]any{"w_app_id": id})), 404, "Conflicting migrations detected")
}

func TestDeployOnFilesThatWereNotLoaded(t *testing.T) {
	c := newCluster(t, 2, 0)
	deploy(t, c, 0, slowFlow(0))
	copyCode(t, c.Config(0).Home, c.Config(1).Home) // and no restart
	d := slowFlow(0)
	d.UUID, d.Name, d.APIPath = strings.Repeat("d", 32), "late", "late"
	deploy(t, c, 1, d) // says that all is well
	if _, err := c.Queries.Tickets(database.TicketQuery{Flow: d.UUID}); err == nil {
		t.Error("the flow's table exists")
	}
}

func TestSchedulesFireInEveryLeadProcess(t *testing.T) {
	c := newCluster(t, 3, 2)
	one := newClient(t, c, 0)
	tok := token(t, one)
	schedule := func(params map[string]any) {
		t.Helper()
		expect(t, must(t)(one.Call(t.Context(), tok, "/flowmanage/api/flow-active/schedule/", params)), 200, "The setting is successful.")
	}
	exec := time.Now().Add(-time.Minute).Format("2006-01-02 15:04:05")
	schedule(map[string]any{
		"action": "create", "flow_uuid": engine.MissionUUID, "cycle": "Secondly", "every": 1, "exec_time": exec,
		"formdata": []any{map[string]any{"id": "1", "type": "h_title", "value": "scheduled"}},
	})
	list, err := c.Queries.Schedules()
	if err != nil || len(list) != 1 {
		t.Fatalf("schedules: %v, %v", list, err)
	}
	id := list[0].ID
	// Created on the first server only that one fires, until the second starts
	// again. The third has no RUN_MAIN.
	for i := range 2 {
		if err := c.Restart(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	fired := func() int {
		n, err := c.Queries.TicketsByTitle("scheduled")
		if err != nil {
			t.Fatal(err)
		}
		return n["scheduled"]
	}
	begun, before := time.Now(), fired()
	n, most := 0, 0 // what one of them fires at most: one that was due before may be late
	observe.Eventually(t, "more is fired than by one, for some seconds", func() bool {
		n = fired() - before
		most = int(time.Since(begun)/time.Second) + 2
		return most >= 8 && n > most
	})
	if n > 2*most {
		t.Errorf("%d tickets with two leads and one follower, of each at most %d", n, most)
	}
	// Deleted on the first, the second goes on and brings the row back, it may be before it
	// can be seen to be gone.
	observe.Eventually(t, "row gone after a deletion", func() bool {
		schedule(map[string]any{"action": "delete", "schedule_id": []int{id}})
		s, err := c.Queries.Schedule(id)
		return err == nil && s.ID == 0
	})
	observe.Eventually(t, "row inserted again", func() bool {
		s, err := c.Queries.Schedule(id)
		return err == nil && s.ID == id
	})
}
