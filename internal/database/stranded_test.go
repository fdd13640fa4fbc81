package database

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// joinedRow is how an engine has the number of a ticket's row within a text.
var joinedRow = regexp.MustCompile(`'(?: \|\| |, | \+ )(?:t\.id|TO_CHAR\(t\."ID"\)|CAST\(t\.id AS varchar\(20\)\))(?: \|\| |, | \+ )'`)

// TestStrandedStatements finds a statement that no test here runs and that has a hole, or
// a quote too many.
func TestStrandedStatements(t *testing.T) {
	ticket := StrandedTicket{Flow: endedFlow, DataID: 17, strandedPlan: strandedPlan{step: strandedStep{queueID: "q", module: "m", method: "f"}}}
	for engine := range dialects {
		s, db := strandedStatements[engine], &DB{target: Target{Engine: engine}}
		for _, text := range []string{s.flows, s.design, s.running, s.journal, s.pauses, s.ended, s.ticket, s.begin, s.restore, s.opener, s.opened, s.row, s.later, s.passed, s.spare} {
			filled := strings.NewReplacer("{limit}", "1", "{head}", "1", "{most}", "1", "{window}", "1", "{since}", s.times, "{row}", "1", "{after}", "1", "{no}", "1", "{passed}", "q").
				Replace(db.strandedStatement(text, ticket))
			// A row's number may stand at the end of the JSON that is looked for.
			braces := strings.NewReplacer(`"data_id": 17}`, "", openerMember, `""`).Replace(joinedRow.ReplaceAllString(filled, "17"))
			if text == "" || strings.ContainsAny(braces, "{}") || strings.Count(filled, "'")%2+strings.Count(filled, `"`)%2+
				strings.Count(filled, "(")-strings.Count(filled, ")") != 0 {
				t.Errorf("%s: %s", engine, filled)
			}
		}
		for _, text := range s.proofs[:proofBranch] {
			for _, part := range []string{`"data_id": {data},`, `"data_id": {data}}`, `"data_id": "{data}"`, `"table_uuid": "{flow}"`} {
				if strings.Count(joinedRow.ReplaceAllString(text, "{data}"), part) != 2 {
					t.Errorf("%s does not look for %s in the journal and among pauses: %s", engine, part, text)
				}
			}
		}
	}
}

// strandedWorld fills tables with tickets in every state that matters here.
type strandedWorld struct {
	t       *testing.T
	db      *DB
	yes, no string
	at, old string // times of now and of long ago
}

func (w strandedWorld) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.db.pool.ExecContext(w.t.Context(), fmt.Sprintf(statement, args...)); err != nil {
		w.t.Fatal(err)
	}
}

// text is a literal.
func (w strandedWorld) text(s string) string {
	if w.db.target.Engine == MySQL {
		s = strings.ReplaceAll(s, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func (w strandedWorld) row(id int, running, history, closed, first, at, param string) {
	w.t.Helper()
	w.exec("INSERT INTO omformmodel_omdata_%s (id, data_no, running, history, closed, createtime, updatetime, init_data_id, data_param) "+
		"VALUES (%d, %d, %s, %s, %s, %s, %s, %s, %s)", endedFlow, id, id, running, history, closed, w.old, at, first, w.text(param))
}

// runs is a ticket whose row runs, on its way between two charts.
func (w strandedWorld) runs(id int, from, to string) {
	w.t.Helper()
	w.row(id, w.yes, w.no, w.no, fmt.Sprint(id), w.at, lost(endedFlow, `"`+from+`"`, to, fmt.Sprint(id), fmt.Sprint(id), ""))
}

func (w strandedWorld) journal(param string) {
	w.t.Helper()
	w.exec("INSERT INTO omflow_queuedata (queue_id, name, input_param) VALUES ('q', 'FormFlow', %s)", w.text(param))
}

func (w strandedWorld) paused(id int, active string) {
	w.t.Helper()
	w.exec("INSERT INTO omflow_scheduler (cycle, is_active, input_param) VALUES ('Once', %s, %s)", active,
		w.text(`{"module_name": "omformflow.views", "flow_uuid": "`+endedFlow+`", "formdata": `+lost(endedFlow, `"FITEM_3"`, "FITEM_7", "1", fmt.Sprint(id), "")+"}"))
}

func testStranded(w strandedWorld) {
	t, db := w.t, w.db
	t.Helper()
	flow := func(id int, uuid, parent, undeployed, active, version string) {
		w.exec("INSERT INTO omformflow_flowactive (id, flow_uuid, parent_uuid, undeploy_flag, is_active, version, flow_name, flowobject) VALUES (%d, '%s', %s, %s, %s, %s, '任務單', %s)",
			id, uuid, parent, undeployed, active, version, w.text(strandedDesign))
	}
	const third = "11111111111111111111111111111111"
	flow(1, endedFlow, "NULL", w.yes, w.yes, "3")
	flow(2, endedFlow, "NULL", w.no, w.yes, "4")
	flow(3, otherFlow, "'"+endedFlow+"'", w.no, w.yes, "4")
	flow(4, third, "NULL", w.no, w.no, "1")
	opened := lost(endedFlow, "null", "FITEM_1", "null", "null", `, "formdata": {"title": "it's"}`)
	w.row(1, w.yes, w.no, w.no, "1", w.at, opened)    // opened
	w.row(2, w.yes, w.no, w.no, "NULL", w.at, opened) // and not even its own first row
	w.row(3, w.yes, w.no, w.no, "3", w.at, opened)    // queued
	w.journal(lost(endedFlow, `"FITEM_1"`, "", "3", "3", ""))
	w.runs(4, "FITEM_1", "FITEM_3")
	w.runs(5, "FITEM_1", "FITEM_3") // its last member in the journal is its row
	w.journal(`{"table_uuid": "` + endedFlow + `", "data_id": 5}`)
	w.runs(6, "FITEM_1", "FITEM_3") // pushed on in a browser
	w.journal(`{"data_id": "6", "table_uuid": "` + endedFlow + `"}`)
	w.runs(40, "FITEM_1", "FITEM_3") // 4 and 0, not 4
	w.journal(lost(endedFlow, `"FITEM_1"`, "", "40", "40", ""))
	w.runs(7, "FITEM_3", "FITEM_7") // pauses
	w.paused(7, w.yes)
	w.runs(8, "FITEM_3", "FITEM_7") // was woken
	w.paused(8, w.no)
	w.row(9, w.yes, w.yes, w.no, "9", w.at, opened)  // history
	w.row(10, w.yes, w.no, w.yes, "9", w.at, opened) // closed
	w.row(11, w.no, w.no, w.no, "9", w.at, opened)   // at a form
	w.runs(12, "FITEM_3", "FITEM_12")                // waits for another ticket
	w.runs(13, "FITEM_5", "FITEM_2")                 // comes to a form from a flow within it
	w.row(14, w.yes, w.no, w.no, "14", w.old, opened)
	w.row(15, w.yes, w.no, w.no, "15", w.at, lost(otherFlow, `"FITEM_6"`, "", "15", "15", `, "content": {}`))
	w.row(16, w.yes, w.no, w.no, "16", w.at, `{'flow_uuid': 1}`)
	w.row(17, w.yes, w.no, w.no, "17", w.at, lost(third, `"FITEM_1"`, "FITEM_3", "17", "17", ""))
	w.row(18, w.yes, w.no, w.no, "NULL", w.at, lost(endedFlow, `"FITEM_1"`, "FITEM_3", "18", "18", ""))
	w.row(19, w.yes, w.no, w.no, "19", w.at, strings.Replace(opened, "it's", strings.Repeat("x", maxDataParam), 1))

	found, err := db.Stranded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	for _, f := range found {
		got[f.DataID] = f.Why + f.step.method
		if f.Flow != endedFlow || f.Name != "任務單" || f.DataNo != f.DataID {
			t.Errorf("found %+v", f)
		}
	}
	want := map[int64]string{1: "main", 2: "main", 4: "pushSleepPoint", 8: "pushSleepPoint", 15: "main",
		13: "main", 14: "it was opened and pushed on more than a day agomain",
		16: "what it goes on with can't be read", 17: "its flow is not active", 18: "its row does not tell the ticket's first rowpushSleepPoint",
		19: "what it goes on with can't be read"}
	for id, text := range want {
		if got[id] != text {
			t.Errorf("ticket %d: %q, want %q", id, got[id], text)
		}
		delete(got, id)
	}
	if len(got) != 0 {
		t.Errorf("found as well: %v", got)
	}
	if again, err := db.StillStranded(t.Context(), found); err != nil || !slices.Equal(again, found) {
		t.Errorf("a second look differs: %+v, %v", again, err)
	}
	moved, elsewhere := found[0], found[1]
	moved.param, elsewhere.Flow = moved.param+" ", otherFlow
	if again, err := db.StillStranded(t.Context(), []StrandedTicket{moved, found[2], elsewhere}); err != nil || !slices.Equal(again, found[2:3]) {
		t.Errorf("after one has moved on: %+v, %v", again, err)
	}
	w.unfinished(found)
	w.restore(found)
}

// unfinished looks at all that is not finished: each ticket that runs is in one place.
func (w strandedWorld) unfinished(found []StrandedTicket) {
	w.t.Helper()
	read := func() (u Unfinished, between map[int64]BetweenSteps) {
		u, err := w.db.Unfinished(w.t.Context(), 100)
		if err != nil || u.More {
			w.t.Fatalf("%+v, %v", u, err)
		}
		between = map[int64]BetweenSteps{}
		for _, b := range u.Between {
			between[b.Row] = b
		}
		return u, between
	}
	u, between := read()
	if len(between) != len(found) || len(u.Rows) != 4 {
		w.t.Errorf("%d rows, and between two steps %+v; stranded are %d", len(u.Rows), between, len(found))
	}
	for _, f := range found {
		b, ok := between[f.DataID]
		if !ok || b.State == "" || b.Ticket != (Ticket{f.Flow, f.DataNo, f.DataID}) {
			w.t.Errorf("ticket %d is between two steps as %+v", f.DataID, b)
		}
	}
	if between[4].Unsure || !between[19].Unsure {
		w.t.Errorf("what is known of ticket 4: %+v, of 19: %+v", between[4], between[19])
	}
	w.exec("UPDATE omformmodel_omdata_%s SET data_param = %s WHERE id = 4", endedFlow, w.text(lost(endedFlow, `"FITEM_2"`, "FITEM_3", "4", "4", "")))
	if _, now := read(); now[4].State == between[4].State || now[1] != between[1] {
		w.t.Errorf("ticket 4 has moved on: %+v, before %+v", now[4], between[4])
	}
	w.exec("UPDATE omformmodel_omdata_%s SET data_param = %s WHERE id = 4", endedFlow, w.text(lost(endedFlow, `"FITEM_1"`, "FITEM_3", "4", "4", "")))
}

// restore has what was found restored, some of it after it has changed.
func (w strandedWorld) restore(found []StrandedTicket) {
	t, db := w.t, w.db
	t.Helper()
	w.exec("DELETE FROM omflow_queuedata")
	done := map[int64]bool{}
	for _, f := range found {
		switch f.DataID {
		case 4:
			w.exec("UPDATE omformmodel_omdata_%s SET data_param = %s WHERE id = 4", endedFlow, w.text(strings.ToUpper(f.param)))
		case 8:
			w.paused(8, w.yes)
		case 15:
			w.exec("UPDATE omformmodel_omdata_%s SET running = %s WHERE id = 15", endedFlow, w.no)
		}
		for range 2 {
			ok, err := db.Restore(t.Context(), f)
			if f.Why != "" {
				if err == nil {
					t.Errorf("ticket %d is restored, although %s", f.DataID, f.Why)
				}
				continue
			}
			if err != nil || ok && done[f.DataID] {
				t.Errorf("ticket %d: restored %v, %v", f.DataID, ok, err)
			}
			done[f.DataID] = done[f.DataID] || ok
		}
	}
	if !done[1] || !done[2] || !done[13] || len(done) != 6 || done[4] || done[8] || done[15] {
		t.Errorf("restored %v, want 1, 2 and 13 of six", done)
	}
	var first int
	if err := db.pool.QueryRow("SELECT init_data_id FROM omformmodel_omdata_" + endedFlow + " WHERE id = 2").Scan(&first); err != nil || first != 2 {
		t.Errorf("the ticket's first row is %d, %v", first, err)
	}
	var queue, name, param, module, method string
	if err := db.pool.QueryRow("SELECT queue_id, name, input_param, module_name, method_name FROM omflow_queuedata WHERE queue_id = '"+endedFlow+"1FITEM_1'").
		Scan(&queue, &name, &param, &module, &method); err != nil {
		t.Fatal(err)
	}
	wantParam := strings.Replace(lost(endedFlow, `"FITEM_1"`, "", "1", "1", ""), `"formdata"`, "", 1)
	if name != "FormFlow" || param != wantParam || module != "omformflow.production."+endedFlow+".4.main" || method != "main" {
		t.Errorf("the journal has %s %s %s\n%s, want\n%s", name, module, method, param, wantParam)
	}
	if again, err := db.Stranded(t.Context()); err != nil || slices.ContainsFunc(again, func(f StrandedTicket) bool { return f.DataID <= 2 }) {
		t.Errorf("what was restored is still found: %v", err)
	}
}

func TestPostgresStranded(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_stranded LOGIN PASSWORD 'right'`, `CREATE DATABASE d_stranded OWNER u_stranded`)
	db := mustOpen(t, c.target("u_stranded", "right", "d_stranded"))
	if _, err := db.Stranded(t.Context()); Classify(err) != NoTable {
		t.Errorf("without tables: %v", err)
	}
	c.do(t, "d_stranded", `CREATE TABLE omflow_queuedata (id serial NOT NULL PRIMARY KEY, queue_id text NULL, name varchar(50) NOT NULL,
		module_name text NULL, method_name text NULL, input_param text NULL)`,
		`CREATE TABLE omflow_scheduler (id serial PRIMARY KEY, cycle varchar(50), input_param text NOT NULL, is_active boolean NOT NULL)`,
		`CREATE TABLE omformflow_flowactive (id serial PRIMARY KEY, flow_uuid uuid, parent_uuid uuid, version integer, flow_name varchar(200),
		undeploy_flag boolean NOT NULL, is_active boolean NOT NULL, flowobject text)`,
		`CREATE TABLE omformmodel_omdata_`+endedFlow+` (id serial NOT NULL PRIMARY KEY, data_no integer NULL, running boolean NOT NULL,
		history boolean NOT NULL, closed boolean NOT NULL, error boolean NOT NULL DEFAULT false, createtime timestamp with time zone NOT NULL, updatetime timestamp with time zone NOT NULL,
		data_param text NULL, init_data_id integer NULL)`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO u_stranded`, `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO u_stranded`)
	testStranded(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "now()", old: "now() - interval '3 days'"})
	testRelated(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "now()", old: "now()"})
	testManyUnfinished(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "now()", old: "now()"})
	testComesBetween(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "now()", old: "now()"})
}

func TestMariaDBStranded(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_stranded CHARACTER SET utf8mb4", "CREATE USER u_stranded@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_stranded.* TO u_stranded@'%'")
	db := mustOpen(t, c.target("u_stranded", "right", "d_stranded"))
	c.do(t, "d_stranded", "CREATE TABLE `omflow_queuedata` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `queue_id` longtext NULL, "+
		"`name` varchar(50) NOT NULL, `module_name` longtext NULL, `method_name` longtext NULL, `input_param` longtext NULL)",
		"CREATE TABLE `omflow_scheduler` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `cycle` varchar(50) NULL, `input_param` longtext NOT NULL, `is_active` bool NOT NULL)",
		"CREATE TABLE `omformflow_flowactive` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `flow_uuid` char(32) NULL, `parent_uuid` char(32) NULL, "+
			"`version` integer NULL, `flow_name` varchar(200), `undeploy_flag` bool NOT NULL, `is_active` bool NOT NULL, `flowobject` longtext NULL)",
		"CREATE TABLE `omformmodel_omdata_"+endedFlow+"` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `data_no` integer NULL, `running` bool NOT NULL, "+
			"`history` bool NOT NULL, `closed` bool NOT NULL, `error` bool NOT NULL DEFAULT 0, `createtime` datetime(6) NOT NULL, `updatetime` datetime(6) NOT NULL, `data_param` longtext NULL, `init_data_id` integer NULL)")
	testStranded(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "utc_timestamp(6)", old: "utc_timestamp(6) - interval 3 day"})
	testRelated(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "utc_timestamp(6)", old: "utc_timestamp(6)"})
	testManyUnfinished(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "utc_timestamp(6)", old: "utc_timestamp(6)"})
	testComesBetween(strandedWorld{t: t, db: db, yes: "true", no: "false", at: "utc_timestamp(6)", old: "utc_timestamp(6)"})
}
