package database

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const createdDesign = `{"items": [{"id": "FITEM_1", "type": "start", "config": {"subflow_id": %q}}, {"id": "FITEM_2", "type": "form", "config": {}}]}`

// TestCreatedStatements finds a statement that no test here runs and that has a hole, or a
// quote too many.
func TestCreatedStatements(t *testing.T) {
	q := CreatedQuery{Flow: endedFlow, After: 7, Since: time.Now(), Columns: []string{"formitm_1", "formitm_12"}, Limit: 10}
	for engine := range dialects {
		text := createdStatements[engine].statement(engine, q)
		if strings.ContainsAny(text, "{}") || strings.Count(text, "'")%2+strings.Count(text, `"`)%2+strings.Count(text, "(")-strings.Count(text, ")") != 0 {
			t.Errorf("%s: %s", engine, text)
		}
		for _, part := range []string{"formitm_12", ticketTable(engine, endedFlow), "11", "> 7"} {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
				t.Errorf("%s lacks %s: %s", engine, part, text)
			}
		}
	}
}

func TestCreatedRefuses(t *testing.T) {
	well := CreatedQuery{Flow: endedFlow, After: 1, Columns: []string{"formitm_1"}, Limit: 1}
	for name, change := range map[string]func(*CreatedQuery){
		"flow":       func(q *CreatedQuery) { q.Flow = "x' OR '1" },
		"no columns": func(q *CreatedQuery) { q.Columns = nil },
		"column":     func(q *CreatedQuery) { q.Columns = []string{"formitm_1 FROM x"} },
	} {
		q := well
		change(&q)
		db := &DB{target: Target{Engine: Postgres}} // which would panic if it was asked
		if err := db.Created(t.Context(), q, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	well.After = 0
	if err := (&DB{target: Target{Engine: MySQL}}).Created(t.Context(), well, nil); !errors.Is(err, ErrNoTime) {
		t.Errorf("without a number: %v", err)
	}
}

// testCreated looks for new tickets. The tables are as Django makes them, and empty; now is
// the engine's.
func testCreated(t *testing.T, db *DB, now, old, yes, no string) {
	t.Helper()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), fmt.Sprintf(statement, args...)); err != nil {
			t.Fatal(err)
		}
	}
	flow := func(id int, checked string) {
		exec("INSERT INTO omformflow_flowactive (id, flow_uuid, undeploy_flag, is_active, version, flow_name, flowobject) VALUES (%d, '%s', %s, %s, 1, 'f', '%s')",
			id, endedFlow, no, yes, fmt.Sprintf(createdDesign, checked))
	}
	row := func(id, number int, at, first, user, text string) {
		exec("INSERT INTO omformmodel_omdata_%s (id, data_no, createtime, init_data_id, create_user_id, formitm_1, formitm_2) VALUES (%d, %d, %s, %s, %s, %s, NULL)",
			endedFlow, id, number, at, first, user, text)
	}
	row(1, 1, old, "1", "'admin'", "'old'")
	row(2, 2, now, "2", "'admin'", "'a ''quoted'' 流程'")
	row(3, 2, now, "2", "'admin'", "'at its form'")
	row(4, 3, now, "NULL", "'bob'", "NULL") // cut off
	full := strings.Repeat("流", maxCreatedText)
	row(5, 4, now, "5", "NULL", "'"+full+"x'")
	row(6, 5, now, "6", "NULL", "'"+full+"'")
	q := CreatedQuery{Flow: endedFlow, After: 1, Since: time.Now().Add(-time.Hour), Columns: []string{"formitm_2", "formitm_1"}, Limit: 4}
	var found []string
	look := func() error {
		found = nil
		return db.Created(t.Context(), q, func(c CreatedTicket) { found = append(found, fmt.Sprint(c.No, c.User, c.Texts)) })
	}
	if err := look(); err == nil || errors.Is(err, ErrChecked) {
		t.Errorf("of a flow that is not there: %v", err)
	}
	flow(1, "")
	// A text that is too long is not taken for none: it would be that of a create which says none.
	want := []string{"2admin[ a 'quoted' 流程]", "3bob[ ]", fmt.Sprint(4, "", []string{UnreadText, UnreadText}), fmt.Sprint(5, "", []string{"", full})}
	if err := look(); err != nil || !slices.Equal(found, want) {
		t.Errorf("found %.60q, %v; want %.60q", found, err, want)
	}
	if db.target.Engine == Postgres {
		q.After = 0
		if err := look(); err != nil || !slices.Equal(found, want) {
			t.Errorf("by the time alone %.60q, %v; want %.60q", found, err, want)
		}
	}
	q.After = 3
	if err := look(); err != nil || !slices.Equal(found, want[2:]) {
		t.Errorf("after number 3 %.60q, %v", found, err)
	}
	q.After, q.Limit = 1, 2
	if err := look(); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %.60q, %v", found, err)
	}
	flow(2, "7")
	if err := look(); !errors.Is(err, ErrChecked) || len(found) > 0 {
		t.Errorf("of a flow whose data is checked: %q, %v", found, err)
	}
}

func TestPostgresCreated(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE DATABASE d_created`)
	c.do(t, "d_created",
		`CREATE TABLE omformflow_flowactive (id integer PRIMARY KEY, flow_uuid uuid, parent_uuid uuid, undeploy_flag boolean NOT NULL, is_active boolean NOT NULL,
			version integer, flow_name varchar(200), flowobject text)`,
		`CREATE TABLE omformmodel_omdata_`+endedFlow+` (id integer PRIMARY KEY, data_no integer, createtime timestamptz NOT NULL, init_data_id integer,
			create_user_id varchar(150), formitm_1 text, formitm_2 text)`)
	target := c.admin
	target.Name = "d_created"
	testCreated(t, mustOpen(t, target), "now()", "now() - interval '2 hours'", "true", "false")
}

func TestMariaDBCreated(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", `CREATE DATABASE d_created CHARACTER SET utf8mb4`)
	c.do(t, "d_created",
		`CREATE TABLE omformflow_flowactive (id integer PRIMARY KEY, flow_uuid char(32), parent_uuid char(32), undeploy_flag bool NOT NULL, is_active bool NOT NULL,
			version integer, flow_name varchar(200), flowobject longtext)`,
		`CREATE TABLE omformmodel_omdata_`+endedFlow+` (id integer PRIMARY KEY, data_no integer, createtime datetime(6) NOT NULL, init_data_id integer,
			create_user_id varchar(150), formitm_1 longtext, formitm_2 longtext)`)
	target := c.admin
	target.Name = "d_created"
	testCreated(t, mustOpen(t, target), "now(6)", "now(6) - interval 2 hour", "1", "0")
}
