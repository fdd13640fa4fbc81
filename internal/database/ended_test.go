package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	endedFlow = "dc33fb340034418c8fbb3baf15525e86"
	otherFlow = "7f811b732ddf44d4995aeffdc56ad2ba"
)

// param is the beginning of an input_param as OMFLOW writes it.
func param(flow, table, chart string, dataNo, dataID any) string {
	return fmt.Sprintf(`{"flow_uuid": "%s", "chart_id_to": "", "chart_id_from": "%s", "data_no": %v, "data_id": %v, `+
		`"table_uuid": "%s", "flowlog": false, "start_input": {"a": [{"data_id": 99}]}, "error": false, "formdata": {`,
		flow, chart, dataNo, dataID, table)
}

func TestTicketStep(t *testing.T) {
	const queue = endedFlow + "17FITEM_2"
	for _, test := range []struct {
		name, queue, param string
		want               string // flow, number and row; "" for none
	}{
		{"a ticket", queue, param(endedFlow, endedFlow, "FITEM_2", 9, 17), endedFlow + " 9 17"},
		{"a flow within a flow", otherFlow + "17FITEM_2", param(otherFlow, endedFlow, "FITEM_2", 9, 17), endedFlow + " 9 17"},
		{"without a number", queue, param(endedFlow, endedFlow, "FITEM_2", "null", 17), endedFlow + " 0 17"},
		{"numbers within come first", queue, `{"x": {"data_id": 3, "flow_uuid": "f"}, "y": [[1, {}], 2], ` + param(endedFlow, endedFlow, "FITEM_2", 9, 17)[1:],
			endedFlow + " 9 17"},
		{"whole", queue, param(endedFlow, endedFlow, "FITEM_2", 9, 17) + "}}", endedFlow + " 9 17"},
		{"cut off before it is clear", queue, param(endedFlow, endedFlow, "FITEM_2", 9, 17)[:80], ""},
		{"before there is a ticket", endedFlow + "NoneFITEM_1", param(endedFlow, endedFlow, "FITEM_1", "null", "null"), ""},
		{"another row's queue_id", endedFlow + "18FITEM_2", param(endedFlow, endedFlow, "FITEM_2", 9, 17), ""},
		{"another chart's queue_id", endedFlow + "17FITEM_3", param(endedFlow, endedFlow, "FITEM_2", 9, 17), ""},
		{"a table that is no flow's", queue, param(endedFlow, "x; DROP TABLE omuser_omuser", "FITEM_2", 9, 17), ""},
		{"a chart with a quote", endedFlow + "17'", param(endedFlow, endedFlow, "'", 9, 17), ""},
		{"a negative row", endedFlow + "-17FITEM_2", param(endedFlow, endedFlow, "FITEM_2", 9, -17), ""},
		{"pushed on by a browser", queue, param(endedFlow, endedFlow, "FITEM_2", 9, `"17"`), endedFlow + " 9 17"},
		{"a row that is another text", queue, param(endedFlow, endedFlow, "FITEM_2", 9, `"017"`), ""},
		{"a row that is no number", queue, param(endedFlow, endedFlow, "FITEM_2", 9, "17.0"), ""},
		{"a list", queue, "[]", ""},
		{"nothing", "", "", ""},
	} {
		got, ok := ticketStep(test.queue, test.param)
		text := ""
		if ok {
			text = fmt.Sprint(got.Flow, " ", got.DataNo, " ", got.DataID)
		}
		if text != test.want || ok && got.Row.QueueID != test.queue {
			t.Errorf("%s: %q of %+v, want %q", test.name, text, got, test.want)
		}
	}
}

func FuzzTicketStep(f *testing.F) {
	f.Add(endedFlow+"17FITEM_2", param(endedFlow, endedFlow, "FITEM_2", 9, 17))
	f.Add("'17", `{"flow_uuid":"'","chart_id_from":"","data_id":17,"table_uuid":"`+endedFlow+`"}`)
	f.Fuzz(func(t *testing.T, queue, param string) {
		s, ok := ticketStep(queue, param)
		if !ok {
			return
		}
		for engine := range dialects {
			db := &DB{target: Target{Engine: engine}}
			// Nothing but what the statement itself brings can end a text or a name.
			for _, statement := range []string{endedStatements[engine].proof, endedStatements[engine].remove} {
				got := db.endedStatement(statement, s)
				if strings.Count(got, "'") != strings.Count(statement, "'") || strings.Count(got, `"`) != strings.Count(statement, `"`) || strings.ContainsAny(got, "{};\n") {
					t.Errorf("%s: %s", engine, got)
				}
			}
		}
	})
}

// TestEndedStatements pins the SQL for those engines that no test here can run it on.
func TestEndedStatements(t *testing.T) {
	s := EndedStep{Row: JournalRow{ID: 3, QueueID: endedFlow + "17FITEM_2"}, Flow: endedFlow, DataID: 17}
	plain := `DELETE FROM omflow_queuedata WHERE id = 3 AND queue_id = '` + endedFlow + `17FITEM_2'; ` +
		`SELECT COUNT(*) FROM omformmodel_omdata_` + endedFlow + ` h WHERE h.id = 17 AND h.history = YES AND (h.closed = YES OR EXISTS (` +
		`SELECT 1 FROM omformmodel_omdata_` + endedFlow + ` s WHERE s.id > h.id AND s.data_no = h.data_no AND s.stoptime = h.stoptime AND s.stop_uuid = h.stop_uuid))`
	// Made with Django's own truncate_name.
	const cut = "OMFORMMODEL_OMDATA_DC33FB3E70B"
	for engine, want := range map[Engine]string{
		Postgres:  strings.ReplaceAll(plain, "YES", "true"),
		MySQL:     strings.ReplaceAll(plain, "YES", "1"),
		SQLServer: strings.ReplaceAll(plain, "YES", "1"),
		Oracle: `DELETE FROM "OMFLOW_QUEUEDATA" WHERE "ID" = 3 AND DBMS_LOB.SUBSTR("QUEUE_ID", 256, 1) = '` + endedFlow + `17FITEM_2'; ` +
			`SELECT COUNT(*) FROM "` + cut + `" h WHERE h."ID" = 17 AND h."HISTORY" = 1 AND (h."CLOSED" = 1 OR EXISTS (` +
			`SELECT 1 FROM "` + cut + `" s WHERE s."ID" > h."ID" AND s."DATA_NO" = h."DATA_NO" AND s."STOPTIME" = h."STOPTIME"` +
			` AND DBMS_LOB.COMPARE(s."STOP_UUID", h."STOP_UUID") = 0))`,
	} {
		db := &DB{target: Target{Engine: engine}}
		if got := db.endedStatement(endedStatements[engine].remove+"; "+endedStatements[engine].proof, s); got != want {
			t.Errorf("%s:\n%s, want\n%s", engine, got, want)
		}
	}
}

// testRemoveEnded looks at tickets in every state that a killed server can leave. The
// tables are there and empty. no and yes are the engine's words, at is a time.
func testRemoveEnded(t *testing.T, db *DB, no, yes string) {
	t.Helper()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), fmt.Sprintf(statement, args...)); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id, no int, history, closed, time, stop string) {
		exec("INSERT INTO omformmodel_omdata_%s (id, data_no, history, closed, stoptime, stop_uuid) VALUES (%d, %d, %s, %s, %s, %s)",
			endedFlow, id, no, history, closed, time, stop)
	}
	const at, later = "'2026-11-26 13:10:21.6095'", "'2026-11-26 13:10:21.609501'"
	row(1, 1, yes, no, at, "'FITEM_2'") // came to its form
	row(2, 1, no, no, at, "'FITEM_2'")
	row(3, 2, yes, no, at, "'FITEM_2'") // is to get its open row
	row(4, 3, no, no, "NULL", "NULL")   // in the middle of its step
	row(5, 4, yes, no, at, "'FITEM_2'") // another ticket came to that form at that time
	row(6, 5, yes, no, at, "'FITEM_3'") // branches
	row(7, 5, no, no, "NULL", "''")
	row(8, 5, no, no, "NULL", "''")
	row(9, 6, yes, no, at, "'FITEM_4'") // branches that were collected
	row(10, 6, no, no, at, "NULL")
	row(11, 7, yes, yes, at, "'FITEM_5'") // closed
	row(12, 8, no, yes, at, "'FITEM_5'")  // closed, not history: another's closing
	row(13, 9, yes, no, at, "'FITEM_2'")  // a later visit of the form
	row(14, 9, no, no, later, "'FITEM_2'")
	row(15, 10, yes, no, at, "'FITEM_2'") // pushed on since
	row(16, 10, yes, no, at, "'FITEM_2'")
	numbers := []int{0, 1, 1, 2, 3, 4, 5, 5, 5, 6, 6, 7, 8, 9, 9, 10, 10}
	for id := 1; id <= 16; id++ {
		data := fmt.Sprint(id)
		if id == 1 {
			data = `"1"` // a browser has pushed it on
		}
		exec("INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (%d, '%s%dFITEM_1', 'FormFlow', '%s')",
			100+id, endedFlow, id, param(endedFlow, endedFlow, "FITEM_1", numbers[id], data))
	}
	exec("INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (200, '%s1FITEM_1', 'FormFlow', '%s')",
		otherFlow, param(otherFlow, otherFlow, "FITEM_1", 1, 1)) // of a flow without a table
	exec("INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (201, NULL, 'FormFlow', NULL)")

	ids := func(steps []EndedStep) (ids []int64) {
		for _, s := range steps {
			ids = append(ids, s.Row.ID)
		}
		return ids
	}
	removed, _, err := db.RemoveEnded(t.Context())
	if want := []int64{101, 111, 115}; err != nil || !slices.Equal(ids(removed), want) {
		t.Fatalf("removed %v, %v; want %v", ids(removed), err, want)
	}
	if got := removed[0]; got.Flow != endedFlow || got.DataNo != 1 || got.DataID != 1 || got.Row.QueueID != endedFlow+"1FITEM_1" {
		t.Errorf("removed %+v", got)
	}
	j, err := db.Journal(t.Context(), 100)
	if err != nil || j.Count != 15 {
		t.Errorf("%d rows are left, %v; want 15", j.Count, err)
	}
	if again, _, err := db.RemoveEnded(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("once more: %v, %v", again, err)
	}
}

// testRemoveLocked: what a server is just working on is not waited for. A proof that locks
// what it looks at would make OMFLOW's own statements wait in turn, or fail.
func testRemoveLocked(t *testing.T, db *DB, w strandedWorld) {
	t.Helper()
	for id, what := range map[int]string{900: "90, true, 'FITEM_2'", 901: "91, false, NULL", 902: "90, false, 'FITEM_2'"} {
		w.exec("INSERT INTO omformmodel_omdata_%s (id, data_no, history, stop_uuid, closed, stoptime) VALUES (%d, %s, false, '2026-11-26 13:10:21.6095')", endedFlow, id, what)
	}
	w.exec("INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (900, '%s900FITEM_1', 'FormFlow', %s)", endedFlow,
		w.text(lost(endedFlow, `"FITEM_1"`, "", "90", "900", "")))
	working, err := db.pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer working.Rollback()
	if _, err := working.Exec("UPDATE omformmodel_omdata_" + endedFlow + " SET stop_uuid = 'FITEM_3' WHERE id = 901"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	removed, _, err := db.RemoveEnded(ctx)
	if err != nil || len(removed) != 1 || removed[0].DataID != 900 {
		t.Errorf("while another ticket's row is written: removed %+v, %v", removed, err)
	}
}

func TestPostgresRemoveEnded(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_ended LOGIN PASSWORD 'right'`, `CREATE DATABASE d_ended OWNER u_ended`)
	db := mustOpen(t, c.target("u_ended", "right", "d_ended"))
	if _, _, err := db.RemoveEnded(t.Context()); Classify(err) != NoTable {
		t.Errorf("without a journal: %v", err)
	}
	c.do(t, "d_ended", `CREATE TABLE omflow_queuedata (id serial NOT NULL PRIMARY KEY, queue_id text NULL, name varchar(50) NOT NULL,
		module_name text NULL, method_name text NULL, input_param text NULL)`,
		`CREATE TABLE omformmodel_omdata_`+endedFlow+` (id serial NOT NULL PRIMARY KEY, data_no integer NULL, history boolean NOT NULL,
		closed boolean NOT NULL, stop_uuid text NULL, stoptime timestamp with time zone NULL)`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO u_ended`)
	testRemoveEnded(t, db, "false", "true")
	testRemoveLocked(t, db, strandedWorld{t: t, db: db})
	testMisread(t, db, strandedWorld{db: db}.text)
}

func TestMariaDBRemoveEnded(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_ended CHARACTER SET utf8mb4", "CREATE USER u_ended@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_ended.* TO u_ended@'%'")
	db := mustOpen(t, c.target("u_ended", "right", "d_ended"))
	var level string
	if err := db.pool.QueryRow("SELECT @@tx_isolation").Scan(&level); err != nil || level != "READ-COMMITTED" {
		t.Errorf("the isolation level is %s, %v", level, err)
	}
	c.do(t, "d_ended", "CREATE TABLE `omflow_queuedata` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `queue_id` longtext NULL, "+
		"`name` varchar(50) NOT NULL, `module_name` longtext NULL, `method_name` longtext NULL, `input_param` longtext NULL)",
		"CREATE TABLE `omformmodel_omdata_"+endedFlow+"` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `data_no` integer NULL, "+
			"`history` bool NOT NULL, `closed` bool NOT NULL, `stop_uuid` longtext NULL, `stoptime` datetime(6) NULL)")
	testRemoveEnded(t, db, "false", "true")
	testRemoveLocked(t, db, strandedWorld{t: t, db: db})
	testMisread(t, db, strandedWorld{db: db}.text)
}
