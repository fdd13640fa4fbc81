package database

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Methods of OMFLOW that the journal's rows name (OMFLOW 1.1.0.0): the flow's own goes on
// from a chart, the other goes on to one, and is what OMFLOW itself has called when a
// pause is over.
const (
	stepMethod = "main"
	pushModule = "omformflow.views"
	pushMethod = "pushSleepPoint"
)

// main has the flow go on from a chart.
func (l *lostData) main(t StrandedTicket, f *strandedFlow, chart, input string) strandedStep {
	return mainStep(f, strconv.FormatInt(t.DataID, 10), chart, input)
}

func mainStep(f *strandedFlow, row, chart, input string) strandedStep {
	return strandedStep{
		queueID: f.uuid + row + chart,
		module:  "omformflow.production." + f.uuid + "." + strconv.FormatInt(f.version, 10) + ".main", method: stepMethod, input: input,
	}
}

// push has the flow go on to the chart that the ticket was to go to. OMFLOW looks up the
// row by this name when it gets there, and deletes it: None is the chart it has left. It
// passes a form and a pause, as one whose form was sent or whose pause is over.
func (l *lostData) push(t StrandedTicket, moved bool) strandedStep {
	change := map[string]string{"data_id": strconv.FormatInt(t.DataID, 10)}
	if !moved {
		change["error"] = "false" // as for a person who pushes it on
	}
	return strandedStep{
		queueID: l.flow + strconv.FormatInt(t.DataID, 10) + "None", module: pushModule, method: pushMethod,
		input: `{"formdata": ` + l.rewrite(l.kept(change)) + `}`,
	}
}

// goBack has the flow go on from any chart to any other: so does OMFLOW when it comes to
// the end of a flow within a flow (endPoint in omengine.py), with what that brings back as
// content. It needs an end, of which nothing but that is used. row is the ticket's row,
// and data what it goes on with; it reports false if there is no such end.
func (l *lostData) goBack(f *strandedFlow, row, data string) (strandedStep, bool) {
	end := f.place(func(c flowChart) bool { return c.kind == kindEnd && !c.calculates })
	if end == "" {
		return strandedStep{}, false
	}
	value := string(l.value("flow_value"))
	if !strings.HasPrefix(value, "{") {
		return strandedStep{}, false
	}
	id := row
	if strings.HasPrefix(row, "0") {
		id = quoted(row) // JSON has no such numbers
	}
	return mainStep(f, row, end, `{"flow_uuid": "`+f.uuid+`", "chart_id_to": "", "chart_id_from": "`+end+`", "data_no": `+
		strconv.FormatInt(l.dataNo, 10)+`, "data_id": `+id+`, "table_uuid": "`+l.table+`", "flowlog": false, "error": false, "flow_value": `+value+
		`, "content": `+data+`}`), true
}

// arrive has the flow go on to a form or a pause and stay there, as if from its start:
// there OMFLOW does nothing but to write down what it goes on with.
func (l *lostData) arrive(t StrandedTicket, f *strandedFlow) (strandedStep, string) {
	start := f.place(func(c flowChart) bool { return c.kind == kindStart })
	row := strconv.FormatInt(t.DataID, 10)
	s, ok := l.goBack(f, row, l.rewrite(l.kept(map[string]string{"data_id": row, "chart_id_from": quoted(start)})))
	if start == "" || !ok {
		return strandedStep{}, "it was about to come to a form or a pause, and its flow has no end to get there from"
	}
	return s, ""
}

// begin are the rows that begin the branches that lead from a chart to others: those that
// the ticket's server has not begun. main is the row of the ticket that branches, mark
// what their rows have in common.
func (l *lostData) begin(f *strandedFlow, main int64, chart, mark string, others []string) (rows [maxBranches]strandedStep, ok bool) {
	if len(others) == 0 {
		return rows, true
	}
	if len(others) > maxBranches || main <= 0 || !queueForm.MatchString(mark) {
		return rows, false
	}
	row := strconv.FormatInt(main, 10)
	for i, to := range others {
		if !queueForm.MatchString(to) {
			return rows, false
		}
		data := l.rewrite(l.kept(map[string]string{
			"data_id": strconv.FormatInt(main, 10), "chart_id_from": quoted(chart), "chart_id_to": quoted(to),
			"collection_uuid": quoted(mark), "error": "false",
		}))
		if rows[i], ok = l.goBack(f, row, data); !ok {
			return rows, false
		}
		// OMFLOW deletes the only row of a name. The number with another zero is the same.
		row = "0" + row
	}
	return rows, true
}

// kept adds to changes what OMFLOW changes in memory, and not in the row that it has just
// written (do in omengine.py): it takes out what tells the row of the step before, and
// that would be looked for, and not found, at the next step.
func (l *lostData) kept(change map[string]string) map[string]string {
	for _, name := range []string{"async_main_ticket_id", "collection_ex_data_id", "collection_ex_chart_id"} {
		if l.has[name] {
			change[name] = ""
		}
	}
	if o, ok := l.opener(); ok && l.flow == l.table && !l.has["content"] && !l.has["preflow_content"] &&
		(o.from != "" || o.has["async_main_ticket_id"]) {
		change["outflow_content"] = o.rewrite(map[string]string{"chart_id_from": "null", "async_main_ticket_id": ""})
	}
	return change
}

// rewrite writes the object again, as Python's json.dumps does, with other values for
// some of its members, without those whose value is empty, and with those that it lacks
// behind.
func (l *lostData) rewrite(change map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	add := func(name, value string) {
		if value == "" {
			return
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + name + `": ` + value)
	}
	for _, m := range l.members {
		value, changed := change[m.name]
		if !changed {
			value = string(m.value)
		}
		add(m.name, value)
	}
	for _, name := range slices.Sorted(maps.Keys(change)) {
		if !l.has[name] {
			add(name, change[name])
		}
	}
	b.WriteByte('}')
	return b.String()
}

func quoted(chart string) string { return `"` + chart + `"` }

// place is a chart that is as asked for, "" for none: always the same of several.
func (f *strandedFlow) place(is func(flowChart) bool) string {
	for _, id := range slices.Sorted(maps.Keys(f.charts)) {
		if is(f.charts[id]) && queueForm.MatchString(id) {
			return id
		}
	}
	return ""
}
