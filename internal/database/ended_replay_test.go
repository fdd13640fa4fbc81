package database

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// misreadParam is an input_param with more members at its end.
func misreadParam(from, id, more string) string {
	return lost(endedFlow, `"`+from+`"`, "", "9", id, more)
}

func TestReadMisread(t *testing.T) {
	queue := func(chart string) string { return endedFlow + "17" + chart }
	opener := func(from, more string) string {
		return `, "outflow_content": ` + lost(otherFlow, from, "FITEM_12", "4", "8", more)
	}
	for _, test := range []struct {
		name, queue, param, want string // "" for one that stays
	}{
		{"a step", queue("FITEM_3"), misreadParam("FITEM_3", "17", ""), ""},
		{"the first of a branch", queue("FITEM_3"), misreadParam("FITEM_3", "17", `, "collection_uuid": "x", "async_main_ticket_id": 16`),
			misreadParam("FITEM_3", "17", `, "collection_uuid": "x"`)},
		{"the same, in a browser", queue("FITEM_3"), misreadParam("FITEM_3", `"17"`, `, "async_main_ticket_id": "16"`), misreadParam("FITEM_3", `"17"`, "")},
		{"where branches met", queue("FITEM_11"), misreadParam("FITEM_11", "17", `, "collection_ex_data_id": 15, "collection_ex_chart_id": "FITEM_3"`),
			misreadParam("FITEM_11", "17", "")},
		{"the first of a ticket that another one has opened", queue("FITEM_1"), misreadParam("FITEM_1", "17", opener(`"FITEM_3"`, "")),
			misreadParam("FITEM_1", "17", opener("null", ""))},
		{"the same, from a branch", queue("FITEM_1"), misreadParam("FITEM_1", "17", opener(`"FITEM_10"`, `, "async_main_ticket_id": 16`)),
			misreadParam("FITEM_1", "17", opener("null", ""))},
		{"a later one of such a ticket", queue("FITEM_3"), misreadParam("FITEM_3", "17", opener("null", "")), ""},
		{"one that is checked before it is opened", endedFlow + "17FITEM_1",
			misreadParam("FITEM_1", "17", opener(`"FITEM_3"`, "")+`, "preflow_content": {}`), ""},
		{"another row's queue_id", endedFlow + "18FITEM_3", misreadParam("FITEM_3", "17", `, "async_main_ticket_id": 16`), ""},
		{"a queue_id with a quote", endedFlow + "17'", misreadParam("'", "17", `, "async_main_ticket_id": 16`), ""},
		{"cut off", queue("FITEM_3"), strings.TrimSuffix(misreadParam("FITEM_3", "17", `, "async_main_ticket_id": 16`), "}"), ""},
	} {
		got, ok := readMisread(test.queue, test.param)
		if ok != (test.want != "") || ok && (got.is != test.want || got.ticket != Ticket{endedFlow, 9, 17}) {
			t.Errorf("%s: %v\n%+v, want\n%s", test.name, ok, got, test.want)
		}
	}
}

// TestReplayStatements finds a statement that no test here runs and that has a hole, or a
// quote too many.
func TestReplayStatements(t *testing.T) {
	for engine := range dialects {
		s := replayStatements[engine]
		for _, text := range []string{s.read, s.mend} {
			filled := strings.NewReplacer("{limit}", "1", "{chars}", "1", "{row}", "1", "{queue}", "q", openerMember+`%"chart_id_from": "`, "").Replace(text)
			if text == "" || strings.ContainsAny(filled, "{}") || strings.Count(filled, "'")%2+strings.Count(filled, `"`)%2+
				strings.Count(filled, "(")-strings.Count(filled, ")") != 0 {
				t.Errorf("%s: %s", engine, filled)
			}
		}
	}
}

// testMisread mends a journal whose table is there and empty. text is the engine's literal.
func testMisread(t *testing.T, db *DB, text func(string) string) {
	t.Helper()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), fmt.Sprintf(statement, args...)); err != nil {
			t.Fatal(err)
		}
	}
	long := `, "x": "` + strings.Repeat("x", 2*maxParamHead) + `"`
	rows := []struct{ queue, method, param, want string }{
		{endedFlow + "17FITEM_3", "main", misreadParam("FITEM_3", "17", long+`, "t": "it's \u958b\n", "async_main_ticket_id": 16`), misreadParam("FITEM_3", "17", long+`, "t": "it's \u958b\n"`)},
		{endedFlow + "17FITEM_4", "main", misreadParam("FITEM_4", "17", ""), ""},
		{endedFlow + "18FITEM_3", "main", misreadParam("FITEM_3", "17", `, "async_main_ticket_id": 16`), ""},
		{endedFlow + "17None", "pushSleepPoint", `{"formdata": ` + misreadParam("FITEM_3", "17", `, "async_main_ticket_id": 16`) + `}`, ""},
		{endedFlow + "17FITEM_1", "main", misreadParam("FITEM_1", "17", `, "outflow_content": `+lost(otherFlow, `"FITEM_3"`, "FITEM_12", "4", "8", "")),
			misreadParam("FITEM_1", "17", `, "outflow_content": `+lost(otherFlow, "null", "FITEM_12", "4", "8", ""))},
		{endedFlow + "17FITEM_11", "main", misreadParam("FITEM_11", "17", `, "collection_ex_data_id": 15`), misreadParam("FITEM_11", "17", "")},
	}
	for i, r := range rows {
		exec("INSERT INTO omflow_queuedata (id, queue_id, name, method_name, input_param) VALUES (%d, '%s', 'FormFlow', '%s', %s)", 301+i, r.queue, r.method, text(r.param))
	}
	ticket := Ticket{endedFlow, 9, 17}
	for _, want := range [][]Ticket{{ticket, ticket, ticket}, nil} { // what was mended stays so
		removed, mended, err := db.RemoveEnded(t.Context())
		if err != nil || len(removed) != 0 || !slices.Equal(mended, want) {
			t.Fatalf("removed %v, mended %v, %v; want %v mended", removed, mended, err, want)
		}
		for i, r := range rows {
			var got string
			if err := db.pool.QueryRowContext(t.Context(), fmt.Sprintf("SELECT input_param FROM omflow_queuedata WHERE id = %d", 301+i)).Scan(&got); err != nil {
				t.Fatal(err)
			}
			want := r.want
			if want == "" {
				want = r.param
			}
			if got != want {
				t.Errorf("row %d of the journal:\n%s, want\n%s", 301+i, got, want)
			}
		}
	}
	exec("DELETE FROM omflow_queuedata WHERE id > 300")
}
