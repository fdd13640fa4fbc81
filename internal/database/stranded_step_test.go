package database

import (
	"strings"
	"testing"
)

// strandedDesign is a flow with a chart of each kind, as OMFLOW's designer writes one.
const strandedDesign = `{"uid": 1, "flow_item_counter": 20, "items": [
	{"id": "FITEM_1", "type": "start", "text": "開始", "config": {"calculate": [], "subflow_id": ""}},
	{"id": "FITEM_2", "type": "form", "config": {"calculate": "", "subflow_id": 0}},
	{"id": "FITEM_3", "type": "python", "config": {"calculate": [{"type": "num+"}]}},
	{"id": "FITEM_4", "type": "switch", "config": {}},
	{"id": "FITEM_5", "type": "subflow", "config": {"subflow_id": "2"}},
	{"id": "FITEM_6", "type": "end", "config": {}},
	{"id": "FITEM_7", "type": "sleep", "config": {}},
	{"id": "FITEM_8", "type": "setform", "config": {"calculate": []}},
	{"id": "FITEM_9", "type": "setform", "config": {"calculate": [{"type": "num+"}]}},
	{"id": "FITEM_10", "type": "async", "config": {}},
	{"id": "FITEM_11", "type": "collection", "config": {}},
	{"id": "FITEM_12", "type": "outflow", "config": {"app_name": "a", "flow_name": "任務單"}},
	{"id": "FITEM_13", "type": "inflow", "config": {}},
	{"id": "FITEM_14", "type": "org1", "config": {}},
	{"id": "FITEM_15", "type": "org2", "config": {}},
	{"id": "FITEM_16", "type": "form", "config": {"subflow_id": "3"}},
	{"id": "FITEM_17", "type": "line", "config": {"source_item": "FITEM_1", "target_item": "FITEM_2"}},
	{"id": "FITEM_18", "type": "collection", "config": {"main": "FITEM_3", "rules": [{}, {}]}},
	{"id": "FITEM_19", "type": "line", "config": {"source_item": "FITEM_10", "target_item": "FITEM_3"}},
	{"id": "FITEM_20", "type": "line", "config": {"source_item": "FITEM_10", "target_item": "FITEM_2"}},
	{"id": "FITEM_21", "type": "async", "config": {}},
	{"id": "FITEM_22", "type": "line", "config": {"source_item": "FITEM_21", "target_item": "FITEM_2"}},
	{"id": "FITEM_23", "type": "line", "config": {"source_item": "FITEM_21", "target_item": "FITEM_3"}},
	{"id": "FITEM_24", "type": "line", "config": {"source_item": "FITEM_21", "target_item": "FITEM_4"}},
	{"id": "FITEM_25", "type": "async", "config": {}},
	{"id": "FITEM_26", "type": "line", "config": {"source_item": "FITEM_25", "target_item": "FITEM_5"}},
	{"id": "FITEM_27", "type": "line", "config": {"source_item": "FITEM_25", "target_item": "FITEM_7"}},
	{"id": "FITEM_28", "type": "line", "config": {"source_item": "FITEM_25", "target_item": "FITEM_4"}}]}`

// lost is a data_param as OMFLOW writes it, with more members at its end.
func lost(flow, from, to, dataNo, dataID, more string) string {
	return `{"flow_uuid": "` + flow + `", "chart_id_to": "` + to + `", "chart_id_from": ` + from + `, "data_no": ` + dataNo + `, "data_id": ` + dataID +
		`, "table_uuid": "` + endedFlow + `", "flowlog": true, "error": true, "flow_value": {"a": "\u958b", "n": 1.50}` + more + `}`
}

func TestStrandedStep(t *testing.T) {
	const (
		main     = "main"
		push     = "pushSleepPoint"
		branches = "it is between parallel branches"
		unknown  = "its next step is not known"
		other    = "what it goes on with is another ticket's"
	)
	moved := func(from, to string) string { return lost(endedFlow, `"`+from+`"`, to, "9", "17", "") }
	pushed := func(to, more string) string { return lost(endedFlow, `"FITEM_1"`, to, "9", "16", more) }
	opened := func(more string) string {
		return lost(endedFlow, "null", "FITEM_1", "null", "null", `, "formdata": {"title": "it's"}`+more)
	}
	for _, test := range []struct {
		name, param string
		want        string // the method, or why not; "waits"
	}{
		{"opened", opened(""), main},
		{"opened, with files", opened(`, "mapping_id": "x"`), "its attachments may be missing"},
		{"opened by another ticket", opened(`, "outflow_content": {}`), main},
		{"opened, from a place", strings.Replace(opened(""), "null", `"FITEM_3"`, 1), other},
		{"opened, to no start", strings.Replace(opened(""), "FITEM_1", "FITEM_3", 1), unknown},
		{"opened in another flow", lost(otherFlow, "null", "FITEM_1", "null", "null", `, "formdata": {}`), unknown},
		{"to a program", moved("FITEM_1", "FITEM_3"), push},
		{"to a choice", moved("FITEM_3", "FITEM_4"), push},
		{"to a flow within it", moved("FITEM_3", "FITEM_5"), push},
		{"to its end", moved("FITEM_3", "FITEM_6"), push},
		{"to a role", moved("FITEM_3", "FITEM_14"), push},
		{"to another's role", moved("FITEM_3", "FITEM_15"), push},
		{"to values", moved("FITEM_3", "FITEM_8"), push},
		{"to values that are worked out", moved("FITEM_3", "FITEM_9"), "the values that it was given would be worked out again from themselves"},
		{"to branches, from a flow within it", moved("FITEM_5", "FITEM_10"), push},
		{"a branch that is a copy", pushed("FITEM_10", ""), branches},
		{"a branch that begins", lost(endedFlow, `"FITEM_10"`, "FITEM_3", "9", "17", `, "async_main_ticket_id": 16`), push},
		{"a branch that begins at a form", lost(endedFlow, `"FITEM_10"`, "FITEM_2", "9", "17", `, "async_main_ticket_id": 16`), main},
		{"a branch further on", lost(endedFlow, `"FITEM_3"`, "FITEM_4", "9", "17", `, "collection_uuid": "x"`), push},
		{"to where branches meet", moved("FITEM_3", "FITEM_11"), branches},
		{"to where branches meet, of which one goes on", moved("FITEM_3", "FITEM_18"), push},
		{"branches that met, before", lost(endedFlow, `"FITEM_3"`, "FITEM_4", "9", "17", `, "collection_ex_data_id": 16`), push},
		{"waits for another flow's ticket", moved("FITEM_3", "FITEM_12"), "waits"},
		{"waits for a ticket of its own application", moved("FITEM_3", "FITEM_13"), "waits"},
		{"woken from a pause", moved("FITEM_3", "FITEM_7"), push},
		{"to a pause, from a flow within it", moved("FITEM_5", "FITEM_7"), main},
		{"to a pause, from nowhere", moved("FITEM_99", "FITEM_7"), "it was about to pause, and would not"},
		{"to a form, from a flow within it", moved("FITEM_5", "FITEM_2"), main},
		{"pushed on from its form", pushed("FITEM_2", `, "ex_data_id": 16`), push},
		{"pushed on from its form, in a browser", strings.Replace(pushed("FITEM_2", ""), "16", `"16"`, 1), push},
		{"pushed on from a form that checks", pushed("FITEM_16", ""), "another flow is to check its data first"},
		{"repaired by a person", pushed("FITEM_3", ""), push},
		{"moved, after somebody pushed it on in a browser", strings.Replace(moved("FITEM_3", "FITEM_4"), "17", `"17"`, 1), push},
		{"at the end of a flow within its flow", lost(endedFlow, `"FITEM_6"`, "", "9", "17", `, "content": {}`), main},
		{"at its own end", lost(endedFlow, `"FITEM_6"`, "", "9", "17", ""), unknown},
		{"out of charts", moved("FITEM_3", ""), unknown},
		{"to a start", moved("FITEM_3", "FITEM_1"), unknown},
		{"to a line", moved("FITEM_3", "FITEM_17"), unknown},
		{"to a chart that is not there", moved("FITEM_3", "FITEM_99"), unknown},
		{"another number", lost(endedFlow, `"FITEM_1"`, "FITEM_3", "8", "17", ""), other},
		{"another table", strings.ReplaceAll(moved("FITEM_1", "FITEM_3"), endedFlow, otherFlow), other},
		{"no number", lost(endedFlow, `"FITEM_1"`, "FITEM_3", "null", "17", ""), other},
	} {
		l, ok := readLost(test.param)
		if !ok {
			t.Errorf("%s: can't be read: %s", test.name, test.param)
			continue
		}
		flow := &strandedFlow{uuid: l.flow, version: 4, charts: readCharts(strandedDesign)}
		p, why, relation := l.plan(StrandedTicket{Flow: endedFlow, DataNo: 9, DataID: 17, param: test.param}, flow)
		got := why
		switch {
		case relation == relWaits:
			got = "waits"
		case why == "":
			got = p.step.method
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestStrandedRow compares with rows that OMFLOW 1.1.0.0 has written, and with those that
// its functions take.
func TestStrandedRow(t *testing.T) {
	value := `"flowlog": true, "error": `
	rest := `, "flow_value": {"a": "\u958b", "n": 1.50}`
	head := func(from, to, id string) string {
		return `{"flow_uuid": "` + endedFlow + `", "chart_id_to": "` + to + `", "chart_id_from": ` + from + `, "data_no": 9, "data_id": ` + id + `, "table_uuid": "` + endedFlow + `", `
	}
	inner := lost(otherFlow, `"FITEM_6"`, "", "9", "17", `, "content": {"data_id": 17}`)
	for _, test := range []struct {
		name, param, flow string
		want              strandedStep
	}{
		{"opened", lost(endedFlow, "null", "FITEM_1", "null", "null", `, "formdata": {"title": "it's"}, "outcome": []`), endedFlow,
			strandedStep{endedFlow + "17FITEM_1", "omformflow.production." + endedFlow + ".4.main", "main", head(`"FITEM_1"`, "", "17") + value + `true` + rest + `, "outcome": []}`}},
		{"between steps", lost(endedFlow, `"FITEM_3"`, "FITEM_4", "9", "17", ""), endedFlow,
			strandedStep{endedFlow + "17None", "omformflow.views", "pushSleepPoint", `{"formdata": ` + head(`"FITEM_3"`, "FITEM_4", "17") + value + `true` + rest + `}}`}},
		{"pushed on by a person", lost(endedFlow, `"FITEM_1"`, "FITEM_2", "9", "16", ""), endedFlow,
			strandedStep{endedFlow + "17None", "omformflow.views", "pushSleepPoint", `{"formdata": ` + head(`"FITEM_1"`, "FITEM_2", "17") + value + `false` + rest + `}}`}},
		{"at the first step of a branch", lost(endedFlow, `"FITEM_10"`, "FITEM_3", "9", "17", `, "async_main_ticket_id": 16, "x": 1`), endedFlow,
			strandedStep{endedFlow + "17None", "omformflow.views", "pushSleepPoint", `{"formdata": ` + head(`"FITEM_10"`, "FITEM_3", "17") + value + `true` + rest + `, "x": 1}}`}},
		{"to a form from a flow within its flow", lost(endedFlow, `"FITEM_5"`, "FITEM_2", "9", "17", ""), endedFlow,
			strandedStep{endedFlow + "17FITEM_6", "omformflow.production." + endedFlow + ".4.main", "main",
				`{"flow_uuid": "` + endedFlow + `", "chart_id_to": "", "chart_id_from": "FITEM_6", "data_no": 9, "data_id": 17, "table_uuid": "` + endedFlow +
					`", "flowlog": false, "error": false` + rest + `, "content": ` + head(`"FITEM_1"`, "FITEM_2", "17") + value + `true` + rest + `}}`}},
		{"at the end of a flow within its flow", inner, otherFlow,
			strandedStep{otherFlow + "17FITEM_6", "omformflow.production." + otherFlow + ".4.main", "main", inner}},
	} {
		l, ok := readLost(test.param)
		if !ok {
			t.Fatalf("%s: can't be read", test.name)
		}
		flow := &strandedFlow{uuid: test.flow, version: 4, charts: readCharts(strandedDesign)}
		p, why, _ := l.plan(StrandedTicket{Flow: endedFlow, DataNo: 9, DataID: 17, param: test.param}, flow)
		if why != "" || p.step != test.want {
			t.Errorf("%s: %q\n%+v, want\n%+v", test.name, why, p.step, test.want)
		}
	}
}

func TestReadLostRefuses(t *testing.T) {
	good := lost(endedFlow, `"FITEM_1"`, "FITEM_3", "9", "17", "")
	if _, ok := readLost(good); !ok {
		t.Fatal("a good one is refused")
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"Python's own notation": strings.ReplaceAll(strings.ReplaceAll(good, `"`, `'`), "true", "True"),
		"cut off":               good[:len(good)-1],
		"something after it":    good + "}",
		"a list":                "[" + good + "]",
		"not ASCII":             strings.Replace(good, `\u958b`, "開", 1),
		"twice the same":        strings.Replace(good, `"flowlog"`, `"data_id": 3, "flowlog"`, 1)[:len(good)] + "}",
		"NaN":                   strings.Replace(good, "1.50", "NaN", 1),
		"a chart with a quote":  strings.Replace(good, "FITEM_3", "x'", 1),
		"a flow with a quote":   strings.Replace(good, endedFlow, endedFlow[:31]+"'", 1),
		"a name with a quote":   strings.Replace(good, "flowlog", "flow'log", 1),
	} {
		if _, ok := readLost(text); ok {
			t.Errorf("%s is taken: %s", name, text)
		}
	}
	for name, text := range map[string]string{"no JSON": "{", "another shape": `{"items": 3}`, "nothing": ""} {
		if charts := readCharts(text); charts == nil || len(charts) != 0 {
			t.Errorf("%s gives charts %v", name, charts)
		}
	}
}

func FuzzStrandedStep(f *testing.F) {
	f.Add(lost(endedFlow, `"FITEM_1"`, "FITEM_3", "9", "17", ""), strandedDesign)
	f.Add(lost(endedFlow, "null", "FITEM_1", "null", "null", `, "formdata": {}`), strandedDesign)
	f.Add(lost(endedFlow, `"FITEM_6"`, "", "9", "17", `, "content": {}`), `{"items": [{"id": "FITEM_6", "type": "end"}]}`)
	f.Fuzz(func(t *testing.T, param, design string) {
		l, ok := readLost(param)
		if !ok {
			return
		}
		ticket := StrandedTicket{Flow: endedFlow, DataNo: 9, DataID: 17, param: param}
		var why string
		var rel relation
		ticket.strandedPlan, why, rel = l.plan(ticket, &strandedFlow{uuid: l.flow, version: 1, charts: readCharts(design)})
		if why != "" || rel == relWaits {
			return
		}
		if _, ok := readLost(strings.TrimSuffix(strings.TrimPrefix(ticket.step.input, `{"formdata": `), strings.Repeat("}", strings.Count(ticket.step.method, "push")))); !ok {
			t.Errorf("what is written can't be read: %s", ticket.step.input)
		}
		for engine, s := range strandedStatements {
			db := &DB{target: Target{Engine: engine}}
			// Nothing but what the statement itself brings can end a text or a name.
			got := db.strandedStatement(s.restore, ticket)
			own := strings.ReplaceAll(s.restore, "{proof}", s.proofs[ticket.proof])
			if strings.Count(got, "'") != strings.Count(own, "'") || strings.ContainsAny(got, ";\n\\") {
				t.Errorf("%s: %s", engine, got)
			}
		}
	})
}

// TestBeginBranches: OMFLOW deletes the only row of a name, so that no two may be alike.
func TestBeginBranches(t *testing.T) {
	l, ok := readLost(lost(endedFlow, `"FITEM_10"`, "FITEM_3", "9", "17", `, "async_main_ticket_id": 16`))
	if !ok {
		t.Fatal("can't be read")
	}
	f := &strandedFlow{uuid: endedFlow, version: 4, charts: readCharts(strandedDesign)}
	rows, ok := l.begin(f, 16, "FITEM_10", "u1", []string{"FITEM_2", "FITEM_4"})
	if !ok {
		t.Fatal("refused")
	}
	content := func(to string) string {
		return `"content": {"flow_uuid": "` + endedFlow + `", "chart_id_to": "` + to + `", "chart_id_from": "FITEM_10", "data_no": 9, "data_id": 16, "table_uuid": "` + endedFlow +
			`", "flowlog": true, "error": false, "flow_value": {"a": "\u958b", "n": 1.50}, "collection_uuid": "u1"}}`
	}
	for i, want := range []struct{ queue, id, to string }{{"16FITEM_6", `16`, "FITEM_2"}, {"016FITEM_6", `"016"`, "FITEM_4"}} {
		if got := rows[i]; got.queueID != endedFlow+want.queue || !strings.Contains(got.input, `"data_id": `+want.id+`, "table_uuid"`) || !strings.HasSuffix(got.input, content(want.to)) {
			t.Errorf("row %d is %+v, want %+v\n%s", i, got, want, content(want.to))
		}
	}
	noEnd := &strandedFlow{uuid: endedFlow, version: 4, charts: readCharts(strings.ReplaceAll(strandedDesign, `"end"`, `"form"`))}
	for name, ok := range map[string]bool{
		"too many":             second(l.begin(f, 16, "FITEM_10", "u1", make([]string, maxBranches+1))),
		"a chart with a quote": second(l.begin(f, 16, "FITEM_10", "u1", []string{`"`})),
		"a mark with a quote":  second(l.begin(f, 16, "FITEM_10", `"`, []string{"FITEM_2"})),
		"no mark":              second(l.begin(f, 16, "FITEM_10", "", []string{"FITEM_2"})),
		"no row that branches": second(l.begin(f, 0, "FITEM_10", "u1", []string{"FITEM_2"})),
		"no end in the flow":   second(l.begin(noEnd, 16, "FITEM_10", "u1", []string{"FITEM_2"})),
	} {
		if ok {
			t.Errorf("%s: begun", name)
		}
	}
}

func second(_ [maxBranches]strandedStep, ok bool) bool { return ok }
