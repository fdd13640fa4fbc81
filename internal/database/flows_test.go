package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// words are what is looked for in designs.
var words = []string{"sleep", "outflow"}

// testFlows reads flows and designs. The tables are as Django makes them, and empty.
// uuid is how a UUID is read that was written as 32 digits.
func testFlows(t *testing.T, db *DB, uuid func(string) string) {
	t.Helper()
	do := func(statement string) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	digits := func(n int) string { return fmt.Sprintf("%032x", n) }
	do(`INSERT INTO omformflow_activeapplication (id, app_name) VALUES (1, '任務處理')`)
	row := func(id int, parent, path, gone, design string) {
		t.Helper()
		do(fmt.Sprintf(`INSERT INTO omformflow_flowactive (id, flow_uuid, parent_uuid, flow_name, api_path, undeploy_flag, flowobject, flow_app_id)
			VALUES (%d, '%s', %s, '任務 %d', %s, %s, %s, 1)`, id, digits(id), parent, id, path, gone, design))
	}
	long := `{"items":[{"type":"sleep"}]}` + strings.Repeat(" ", 1000)
	row(1, "NULL", "'mission'", "false", `'{"items":[{"type":"form","text":"sleep"}]}'`)
	row(2, "'"+digits(1)+"'", "NULL", "false", `'{"items":[{"type":"sleep","text":"暫停 ''%'' 😀"}]}'`)
	row(3, "NULL", "'gone'", "true", `'{"items":[{"type":"sleep"}]}'`)
	row(4, "NULL", "'calls'", "false", `'{"items":[{"type": "outflow"}]}'`)
	row(5, "NULL", "'long'", "false", "'"+long+"'")
	row(6, "NULL", "'none'", "false", "NULL")

	flows, more, err := db.Flows(t.Context())
	if err != nil || more || len(flows) != 5 {
		t.Fatalf("%d flows, %v, %v", len(flows), more, err)
	}
	for i, want := range []Flow{
		{ID: 1, UUID: uuid(digits(1)), App: "任務處理", Name: "任務 1", APIPath: "mission"},
		{ID: 2, UUID: uuid(digits(2)), Parent: uuid(digits(1)), App: "任務處理", Name: "任務 2"},
		{ID: 4, UUID: uuid(digits(4)), App: "任務處理", Name: "任務 4", APIPath: "calls"},
	} {
		if flows[i] != want {
			t.Errorf("flow %+v, want %+v", flows[i], want)
		}
	}
	designs, err := db.Designs(t.Context(), []int64{1, 2, 4, 5, 6, 99}, words, 1000)
	if err != nil || len(designs) != 5 {
		t.Fatalf("%d designs, %v", len(designs), err)
	}
	slices.SortFunc(designs, func(a, b FlowDesign) int { return int(a.ID - b.ID) })
	for i, want := range []FlowDesign{
		{1, []bool{true, false}, `{"items":[{"type":"form","text":"sleep"}]}`}, {2, []bool{true, false}, `{"items":[{"type":"sleep","text":"暫停 '%' 😀"}]}`},
		{4, []bool{false, true}, `{"items":[{"type": "outflow"}]}`}, {5, []bool{true, false}, ""}, {6, []bool{false, false}, ""},
	} {
		if got := designs[i]; got.ID != want.ID || !slices.Equal(got.Has, want.Has) || got.Text != want.Text {
			t.Errorf("design %+v, want %+v", got, want)
		}
	}
	if _, err := db.Designs(t.Context(), []int64{1}, []string{`%' OR '1`}, 10); err == nil {
		t.Error("a word with quotes is taken")
	}
	if designs, err := db.Designs(t.Context(), nil, words, 10); err != nil || len(designs) != 0 {
		t.Errorf("no designs: %v, %v", designs, err)
	}

	var ids []int64
	for id := 100; id < 100+MaxFlows; id++ { // in one statement they would be too many for some
		ids = append(ids, int64(id))
	}
	for some := range slices.Chunk(ids, 500) {
		var values []string
		for _, id := range some {
			values = append(values, fmt.Sprintf(`(%d, '%s', 'x', false, '"sleep"', 1)`, id, digits(int(id))))
		}
		do(`INSERT INTO omformflow_flowactive (id, flow_uuid, flow_name, undeploy_flag, flowobject, flow_app_id) VALUES ` + strings.Join(values, ", "))
	}
	flows, more, err = db.Flows(t.Context())
	if err != nil || !more || len(flows) != MaxFlows || flows[0].ID != 100 {
		t.Errorf("%d flows from %+v on, %v, %v", len(flows), flows[0], more, err)
	}
	designs, err = db.Designs(t.Context(), ids[:3*maxDesigns+1], words, 1000)
	if err != nil || len(designs) != 3*maxDesigns+1 {
		t.Errorf("%d designs, %v", len(designs), err)
	}
}

func TestPostgresFlows(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_flows LOGIN PASSWORD 'right'`, `CREATE DATABASE d_flows OWNER u_flows`)
	db := mustOpen(t, c.target("u_flows", "right", "d_flows"))
	if _, _, err := db.Flows(t.Context()); Classify(err) != NoTable {
		t.Errorf("without a table: %v", err)
	}
	c.do(t, "d_flows", `CREATE TABLE omformflow_flowactive (id serial PRIMARY KEY, flow_uuid uuid, parent_uuid uuid, flow_name varchar(200) NOT NULL,
		api_path varchar(500), undeploy_flag boolean NOT NULL, flowobject text, flow_app_id integer NOT NULL)`,
		`CREATE TABLE omformflow_activeapplication (id serial PRIMARY KEY, app_name varchar(200) NOT NULL)`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO u_flows`)
	testFlows(t, db, func(digits string) string {
		return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := db.Flows(ctx); err == nil {
		t.Error("flows are read for nobody")
	}
}

func TestMariaDBFlows(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_flows CHARACTER SET utf8mb4", "CREATE USER u_flows@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_flows.* TO u_flows@'%'")
	db := mustOpen(t, c.target("u_flows", "right", "d_flows"))
	c.do(t, "d_flows", "CREATE TABLE `omformflow_flowactive` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `flow_uuid` char(32) NULL, "+
		"`parent_uuid` char(32) NULL, `flow_name` varchar(200) NOT NULL, `api_path` varchar(500) NULL, `undeploy_flag` bool NOT NULL, "+
		"`flowobject` longtext NULL, `flow_app_id` integer NOT NULL)",
		"CREATE TABLE `omformflow_activeapplication` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `app_name` varchar(200) NOT NULL)")
	testFlows(t, db, func(digits string) string { return digits })
}

// TestFlowStatements finds a statement that no test here runs and that has a hole, or a
// quote or a bracket too many.
func TestFlowStatements(t *testing.T) {
	for engine := range dialects {
		db := &DB{target: Target{Engine: engine}}
		designs, err := db.designStatement([]int64{1, 2}, words, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{limited(flowStatements[engine].read, 1), designs} {
			wellFormed(t, engine, text)
		}
	}
}

func wellFormed(t *testing.T, engine Engine, text string) {
	t.Helper()
	if text == "" || strings.ContainsAny(text, "{}") || strings.Count(text, "'")%2+strings.Count(text, `"`)%2+
		strings.Count(text, "(")-strings.Count(text, ")") != 0 {
		t.Errorf("%s: %s", engine, text)
	}
}
