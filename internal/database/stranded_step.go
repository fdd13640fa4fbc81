package database

import (
	"encoding/json"
	"strconv"
	"strings"
)

// strandedStep is the row of the flow queue's journal that a ticket lacks.
type strandedStep struct{ queueID, module, method, input string }

// flowChart is a stop of a flow, as far as it matters here.
type flowChart struct {
	kind string
	// calculates: it works values out, which may be from what it wrote before.
	calculates bool
	// checked: another flow checks the data of a ticket that leaves it.
	checked bool
}

// Kinds of charts, as OMFLOW's designs name them.
const (
	kindStart, kindEnd, kindForm, kindSleep     = "start", "end", "form", "sleep"
	kindPython, kindSwitch, kindSetForm         = "python", "switch", "setform"
	kindAsync, kindCollection                   = "async", "collection"
	kindSubflow, kindOutflow, kindInflow        = "subflow", "outflow", "inflow"
	kindRoleInDepartment, kindRoleOfADepartment = "org1", "org2"
)

// readCharts reads a flow's design. What is none has no charts.
func readCharts(text string) map[string]flowChart {
	var design struct {
		Items []struct {
			ID     string `json:"id"`
			Type   string `json:"type"`
			Config struct {
				Calculate json.RawMessage `json:"calculate"`
				Subflow   json.RawMessage `json:"subflow_id"`
			} `json:"config"`
		} `json:"items"`
	}
	charts := map[string]flowChart{}
	if json.Unmarshal([]byte(text), &design) != nil {
		return charts
	}
	for _, item := range design.Items {
		charts[item.ID] = flowChart{kind: item.Type, calculates: !blank(item.Config.Calculate), checked: !blank(item.Config.Subflow)}
	}
	return charts
}

// blank reports whether a value is one that counts as none in a design.
func blank(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", "[]", "{}", `""`, "0", `"0"`:
		return true
	}
	return false
}

// lostData is what a ticket's row holds in data_param: what its flow last wrote there.
type lostData struct {
	members []jsonMember
	// flow is the flow that the ticket is in: its own, one within it, or one that checks
	// its data. from and to are the charts it had left and was to go to.
	flow, table, from, to string
	dataNo, dataID        int64 // 0 for null
	has                   map[string]bool
}

type jsonMember struct {
	name  string
	value json.RawMessage
}

// readLost reads a data_param as Python's json.dumps writes it: an object in plain
// ASCII. Anything else is refused: the row that a collection of branches makes holds it
// in another notation, for example.
func readLost(text string) (lostData, bool) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return lostData{}, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return lostData{}, false
	}
	l := lostData{has: map[string]bool{}}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return lostData{}, false
		}
		m := jsonMember{name: name.(string)}
		if err := d.Decode(&m.value); err != nil || l.has[m.name] || !queueForm.MatchString(m.name) {
			return lostData{}, false
		}
		l.has[m.name] = true
		l.members = append(l.members, m)
	}
	if _, err := d.Token(); err != nil || strings.TrimSpace(text[d.InputOffset():]) != "" {
		return lostData{}, false
	}
	l.flow, l.table, l.from, l.to = l.text("flow_uuid"), l.text("table_uuid"), l.text("chart_id_from"), l.text("chart_id_to")
	l.dataNo, l.dataID = l.number("data_no"), l.number("data_id")
	chart := func(id string) bool { return id == "" || queueForm.MatchString(id) }
	return l, flowForm.MatchString(l.flow) && flowForm.MatchString(l.table) && chart(l.from) && chart(l.to)
}

func (l *lostData) value(name string) json.RawMessage {
	for _, m := range l.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text is a member that is a text, "" if it is none.
func (l *lostData) text(name string) (s string) {
	_ = json.Unmarshal(l.value(name), &s) // "" for what is no text
	return s
}

// number is a member that is a row's or a ticket's number, or the text of one, as it
// comes from a browser; 0 if it is none.
func (l *lostData) number(name string) int64 {
	n, err := strconv.ParseInt(strings.Trim(string(l.value(name)), `"`), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// created reports whether the ticket has not come further than its row: what it was
// opened with is still there.
func (l *lostData) created() bool {
	return l.has["formdata"] && l.dataID == 0 && l.dataNo == 0 && l.from == ""
}

// Methods of OMFLOW that the journal's rows name (OMFLOW 1.1.0.0): the flow's own goes on
// from a chart, the other goes on to one, and is what OMFLOW itself has called when a
// pause is over.
const (
	stepMethod = "main"
	pushModule = "omformflow.views"
	pushMethod = "pushSleepPoint"
)

// step makes out the row that the ticket lacks, or says why it can't; waits tells that
// it may well wait for another ticket. f is the flow the ticket is in. The rules are in
// the table of the package's documentation.
func (l *lostData) step(t StrandedTicket, f *strandedFlow) (s strandedStep, why string, waits bool) {
	to, from := f.charts[l.to], f.charts[l.from]
	moved := l.dataID == t.DataID // by the flow; else a person had just set it going
	switch {
	case l.table != t.Flow || t.DataID <= 0 || t.DataNo <= 0 || !l.created() && l.dataNo != t.DataNo:
		return s, "what it goes on with is another ticket's", false
	case len(f.charts) == 0:
		return s, "its flow's design can't be read", false
	case to.kind == kindOutflow || to.kind == kindInflow:
		return s, "", true
	case l.created():
		s, why = l.begun(t, f, to)
		return s, why, false
	case l.has["async_main_ticket_id"] || l.has["collection_ex_data_id"] || to.kind == kindCollection || to.kind == kindAsync && !moved:
		return s, "it is between parallel branches", false
	case moved && l.to == "" && from.kind == kindEnd && l.has["content"]:
		// It had come to the end of a flow within its flow, and goes back from there.
		return l.main(t, f, l.from, t.param), "", false
	}
	switch to.kind {
	case kindPython, kindSwitch, kindSubflow, kindEnd, kindRoleInDepartment, kindRoleOfADepartment, kindAsync:
	case kindSetForm:
		if to.calculates {
			return s, "the values that it was given would be worked out again from themselves", false
		}
	case kindForm:
		switch {
		case moved:
			return s, "it was about to come to a form, and would pass it", false
		case to.checked:
			return s, "another flow is to check its data first", false
		}
	case kindSleep:
		if moved && (from.kind == "" || from.kind == kindSubflow) {
			return s, "it was about to pause, and would not", false
		}
	default:
		return s, "its next step is not known", false
	}
	return l.push(t, moved), "", false
}

// begun is for a ticket that was opened and not queued.
func (l *lostData) begun(t StrandedTicket, f *strandedFlow, to flowChart) (s strandedStep, why string) {
	switch {
	case to.kind != kindStart || l.flow != t.Flow:
		return s, "its next step is not known"
	case l.has["mapping_id"]:
		return s, "its attachments may be missing"
	case l.has["outflow_content"]:
		return s, "another ticket has opened it, and may open another in its place"
	}
	return l.main(t, f, l.to, l.rewrite(map[string]string{
		"data_no": strconv.FormatInt(t.DataNo, 10), "data_id": strconv.FormatInt(t.DataID, 10),
		"chart_id_from": `"` + l.to + `"`, "chart_id_to": `""`, "formdata": "",
	})), ""
}

// main has the flow go on from a chart.
func (l *lostData) main(t StrandedTicket, f *strandedFlow, chart, input string) strandedStep {
	return strandedStep{
		queueID: f.uuid + strconv.FormatInt(t.DataID, 10) + chart,
		module:  "omformflow.production." + f.uuid + "." + strconv.FormatInt(f.version, 10) + ".main", method: stepMethod, input: input,
	}
}

// push has the flow go on to the chart that the ticket was to go to. OMFLOW looks up the
// row by this name when it gets there, and deletes it: None is the chart it has left.
func (l *lostData) push(t StrandedTicket, moved bool) strandedStep {
	change := map[string]string{"data_id": strconv.FormatInt(t.DataID, 10)}
	if !moved {
		change["error"] = "false" // as for a person who pushes it on
	}
	return strandedStep{
		queueID: l.flow + strconv.FormatInt(t.DataID, 10) + "None", module: pushModule, method: pushMethod,
		input: `{"formdata": ` + l.rewrite(change) + `}`,
	}
}

// rewrite writes the object again, as Python's json.dumps does, with other values for
// some of its members and without those whose value is empty.
func (l *lostData) rewrite(change map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, m := range l.members {
		value, changed := change[m.name]
		if changed && value == "" {
			continue
		}
		if !changed {
			value = string(m.value)
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + m.name + `": ` + value)
	}
	b.WriteByte('}')
	return b.String()
}
