package database

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// opened is a row's input_param whose ticket was opened by another one, up to its end.
func opened(by string) string {
	return param(endedFlow, endedFlow, "FITEM_2", 9, 17) + `}, "flow_value": {}, "outflow_content": ` + by + `}`
}

func TestReadStep(t *testing.T) {
	const queue = endedFlow + "17FITEM_2"
	whole := param(endedFlow, endedFlow, "FITEM_2", 9, 17) + "}}"
	mine := Ticket{endedFlow, 9, 17}
	for _, test := range []struct {
		name, queue, param string
		rest               behind
		want               step
	}{
		{"a ticket", queue, whole, behind{}, step{ticket: mine}},
		{"cut off", queue, whole[:len(whole)-2], behind{}, step{ticket: mine, unsure: true}},
		{"pushed on by a browser", queue, param(endedFlow, endedFlow, "FITEM_2", 9, `"17"`) + "}}", behind{}, step{ticket: mine}},
		{"cut off before it is clear", queue, whole[:80], behind{}, step{}},
		{"a flow within a flow", otherFlow + "17FITEM_2", param(otherFlow, endedFlow, "FITEM_2", 9, 17) + "}}", behind{}, step{ticket: mine}},
		{"without a number", queue, param(endedFlow, endedFlow, "FITEM_2", "null", 17) + "}}", behind{}, step{ticket: Ticket{endedFlow, 0, 17}}},
		{"before there is a ticket", endedFlow + "NoneFITEM_1", param(endedFlow, endedFlow, "FITEM_1", "null", "null") + "}}", behind{}, step{}},
		{"another row's queue_id", endedFlow + "18FITEM_2", whole, behind{}, step{}},
		{"a table that is no flow's", queue, param(endedFlow, "x", "FITEM_2", 9, 17) + "}}", behind{}, step{}},
		{"opened by another", queue, opened(param(otherFlow, otherFlow, "FITEM_3", 4, 8) + "}}"), behind{}, step{ticket: mine, opener: Ticket{otherFlow, 4, 8}}},
		{"the opener is cut off", queue, opened(param(otherFlow, otherFlow, "FITEM_3", 4, 8)), behind{}, step{ticket: mine, unsure: true}},
		{"the opener is none", queue, opened(`{"table_uuid": "x", "data_id": 8}`), behind{}, step{ticket: mine}},
		{"another ticket was ended", queue, strings.TrimSuffix(whole, "}") + `, "outflow_done": true}`, behind{}, step{ticket: mine, unsure: true}},
		{"nothing", "", "", behind{}, step{}},
		{"a list", queue, "[]", behind{}, step{}},
		{"long", queue, whole[:len(whole)-2], behind{is: true}, step{ticket: mine}},
		{"long, another ticket was ended", queue, whole[:len(whole)-2], behind{is: true, done: true}, step{ticket: mine, unsure: true}},
		{"long, opened by another", queue, whole[:len(whole)-2], behind{is: true, opener: openerMember + param(otherFlow, otherFlow, "FITEM_3", 4, 8)[1:]},
			step{ticket: mine, opener: Ticket{otherFlow, 4, 8}}},
		{"long, opened by another in a browser", queue, whole[:len(whole)-2], behind{is: true, opener: openerMember + param(otherFlow, otherFlow, "FITEM_3", 4, `"8"`)[1:]},
			step{ticket: mine, opener: Ticket{otherFlow, 4, 8}}},
		{"long, and the opener is cut off", queue, whole[:len(whole)-2], behind{is: true, opener: openerMember + `"flow_uuid": "x`}, step{ticket: mine, unsure: true}},
		{"long, and it has no opener", queue, whole[:len(whole)-2], behind{is: true, opener: `{"flow_uuid": "x`}, step{ticket: mine}},
	} {
		if got := readStep(test.queue, test.param, test.rest); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func FuzzReadStep(f *testing.F) {
	f.Add(endedFlow+"17FITEM_2", opened(param(otherFlow, otherFlow, "FITEM_3", 4, 8)+"}}"))
	f.Fuzz(func(t *testing.T, queue, param string) {
		s := readStep(queue, param, behind{is: len(queue)%2 == 0, opener: param})
		for _, ticket := range []Ticket{s.ticket, s.opener} {
			if ticket != (Ticket{}) && (!ticket.valid() || ticket.No < 0) {
				t.Errorf("%+v", s)
			}
		}
		// Where both look, they see the same.
		if old, ok := ticketStep(queue, param); ok && s.ticket != (Ticket{old.Flow, old.DataNo, old.DataID}) && s.ticket != (Ticket{}) {
			t.Errorf("%+v, and %+v", s, old)
		}
	})
}

// testTickets adds rows of tickets to a journal that holds others.
func testTickets(t *testing.T, db *DB) {
	t.Helper()
	// Each is longer than what is read of it at first: behind that are members that matter.
	more := map[int]string{
		5: `}, "x": "` + strings.Repeat("x", 2*maxStepHead) + `"}`,
		6: `}, "x": "` + strings.Repeat("x", 2*maxStepHead) + `", "outflow_content": ` + param(otherFlow, otherFlow, "FITEM_3", 4, 8) + `}}}`,
		7: `}, "x": "` + strings.Repeat("x", 2*maxStepHead) + `", "outflow_done": true}`,
	}
	add := func(id, row int) {
		t.Helper()
		text := param(endedFlow, endedFlow, "FITEM_2", 1, row) + cmp.Or(more[row], more[5])
		if _, err := db.pool.ExecContext(t.Context(), fmt.Sprintf(
			"INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (%d, '%s%dFITEM_2', 'FormFlow', '%s')", id, endedFlow, row, text)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[int64]int64) {
		t.Helper()
		j, err := db.Journal(t.Context(), MaxJournalRows)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range j.Rows {
			row := want[r.ID]
			if r.Ticket.Row != row || r.Unsure != (row == 7) || r.Opener.Row != map[bool]int64{true: 8}[row == 6] || row != 0 && r.Ticket.Flow != endedFlow {
				t.Errorf("row %d is about %+v, want row %d of a ticket", r.ID, r, row)
			}
		}
	}
	add(21, 5)
	check(map[int64]int64{21: 5})
	add(22, 6)
	add(20, 4) // numbers may be given out in another order
	check(map[int64]int64{20: 4, 21: 5, 22: 6})
	if n := len(db.journaled.steps); n != 8 {
		t.Errorf("%d rows are known", n)
	}
	if _, err := db.pool.ExecContext(t.Context(), "DELETE FROM omflow_queuedata WHERE id = 21"); err != nil {
		t.Fatal(err)
	}
	check(map[int64]int64{20: 4, 22: 6})
	if n := len(db.journaled.steps); n != 7 {
		t.Errorf("%d rows are known after one has gone", n)
	}
	if _, err := db.pool.ExecContext(t.Context(), "DELETE FROM omflow_queuedata WHERE id = 22"); err != nil {
		t.Fatal(err)
	}
	add(22, 7) // the database was restarted meanwhile
	check(map[int64]int64{20: 4, 22: 7})
}

// TestHeadStatements pins the SQL for those engines that no test here can run it on.
func TestHeadStatements(t *testing.T) {
	for engine, want := range map[Engine]string{
		SQLServer: `SELECT TOP (7) q.id, left(q.queue_id, 256), left(q.input_param, {head}), CASE WHEN LEN(q.input_param) > {head} THEN 1 ELSE 0 END, ` +
			`CASE WHEN LEN(q.input_param) > {head} AND q.input_param LIKE '%"outflow_done": %' THEN 1 ELSE 0 END, ` +
			`CASE WHEN LEN(q.input_param) > {head} THEN SUBSTRING(q.input_param, CHARINDEX('"outflow_content": {', q.input_param), 600) END ` +
			`FROM omflow_queuedata q WHERE q.id >= {from} ORDER BY q.id`,
		Oracle: `SELECT q."ID", DBMS_LOB.SUBSTR(q."QUEUE_ID", 256, 1), DBMS_LOB.SUBSTR(q."INPUT_PARAM", {head}, 1), ` +
			`CASE WHEN DBMS_LOB.GETLENGTH(q."INPUT_PARAM") > {head} THEN 1 ELSE 0 END, ` +
			`CASE WHEN DBMS_LOB.GETLENGTH(q."INPUT_PARAM") > {head} AND DBMS_LOB.INSTR(q."INPUT_PARAM", '"outflow_done": ') > 0 THEN 1 ELSE 0 END, ` +
			`CASE WHEN DBMS_LOB.GETLENGTH(q."INPUT_PARAM") > {head} THEN DBMS_LOB.SUBSTR(q."INPUT_PARAM", 600, DBMS_LOB.INSTR(q."INPUT_PARAM", '"outflow_content": {')) END ` +
			`FROM "OMFLOW_QUEUEDATA" q WHERE q."ID" >= {from} ORDER BY q."ID" FETCH FIRST 7 ROWS ONLY`,
	} {
		if got := limited(headStatements[engine], 7); got != want {
			t.Errorf("%s: %s", engine, got)
		}
	}
}
