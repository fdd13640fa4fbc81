package database

import (
	"encoding/json"
	"strconv"
	"strings"
)

// strandedStep is a row of the flow queue's journal that a ticket lacks.
type strandedStep struct{ queueID, module, method, input string }

// maxBranches bounds how many branches of one ticket are begun in one's place.
const maxBranches = 8

// strandedPlan is what restores a ticket, all of it or nothing.
type strandedPlan struct {
	// step is the row that the ticket lacks; none if it has no method.
	step strandedStep
	// branches are rows that begin those branches which the ticket's server has not.
	branches [maxBranches]strandedStep
	// passed names the rows of the journal that its server would have deleted before it
	// wrote step, by their queue_id, with a space between two.
	passed string
	// spare is true when the ticket's row is one too many, for the journal makes it anew:
	// it becomes history.
	spare bool
}

// flowChart is a stop of a flow, as far as it matters here.
type flowChart struct {
	kind string
	// calculates: it works values out, which may be from what it wrote before.
	calculates bool
	// checked: another flow checks the data of a ticket that leaves it.
	checked bool
	// gathers: of where branches meet, it is designed which one the ticket goes on from.
	gathers bool
	// calls is the name of the flow that it opens a ticket of.
	calls string
	// next are the charts that lines lead to, in the order in which OMFLOW takes them.
	next []string
}

// Kinds of charts, as OMFLOW's designs name them.
const (
	kindStart, kindEnd, kindForm, kindSleep     = "start", "end", "form", "sleep"
	kindPython, kindSwitch, kindSetForm         = "python", "switch", "setform"
	kindAsync, kindCollection, kindLine         = "async", "collection", "line"
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
				Main      json.RawMessage `json:"main"`
				Calls     any             `json:"flow_name"`
				From      string          `json:"source_item"`
				To        string          `json:"target_item"`
			} `json:"config"`
		} `json:"items"`
	}
	charts := map[string]flowChart{}
	if json.Unmarshal([]byte(text), &design) != nil {
		return charts
	}
	for _, item := range design.Items {
		c := flowChart{kind: item.Type, calculates: !blank(item.Config.Calculate), checked: !blank(item.Config.Subflow), gathers: !blank(item.Config.Main)}
		c.calls, _ = item.Config.Calls.(string)
		charts[item.ID] = c
	}
	for _, item := range design.Items {
		if c, ok := charts[item.Config.From]; ok && item.Type == kindLine {
			c.next = append(c.next, item.Config.To)
			charts[item.Config.From] = c
		}
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
	// gathered: it is of a row in which branches have met.
	gathered bool
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
	return rowNumber(strings.Trim(string(l.value(name)), `"`))
}

// opener is what the ticket that has opened this one goes on with.
func (l *lostData) opener() (lostData, bool) {
	if !l.has["outflow_content"] {
		return lostData{}, false
	}
	return readLost(string(l.value("outflow_content")))
}

// created reports whether the ticket has not come further than its row: what it was
// opened with is still there.
func (l *lostData) created() bool {
	return l.has["formdata"] && l.dataID == 0 && l.dataNo == 0 && l.from == ""
}

// relation is what else has to be looked at to know how a ticket goes on.
type relation uint8

const (
	relNone     relation = iota
	relWaits             // it may well wait for the ticket that it has opened
	relOpened            // another ticket has opened it
	relBranched          // it is the first step of a branch
	relCopied            // it is a copy of the row that was to branch
	relGathered          // it is where branches have met
)

const whyBranches = "it is between parallel branches"

// plan makes out what restores a ticket, or says why nothing can, as far as its own row
// tells. f is the flow the ticket is in. The rules are in the table of the package's
// documentation.
func (l *lostData) plan(t StrandedTicket, f *strandedFlow) (p strandedPlan, why string, r relation) {
	to, from := f.charts[l.to], f.charts[l.from]
	moved := l.dataID == t.DataID // by the flow; else a person had just set it going
	switch {
	case l.table != t.Flow || t.DataID <= 0 || t.DataNo <= 0 || !l.created() && l.dataNo != t.DataNo:
		return p, "what it goes on with is another ticket's", relNone
	case len(f.charts) == 0:
		return p, "its flow's design can't be read", relNone
	case l.gathered:
		if to.kind != kindCollection || l.has["collection_uuid"] {
			return p, whyUnread, relNone
		}
		p.step = l.main(t, f, l.to, l.rewrite(l.kept(map[string]string{
			"data_id": strconv.FormatInt(t.DataID, 10), "chart_id_from": quoted(l.to), "chart_id_to": `""`,
		})))
		return p, "", relGathered
	case to.kind == kindOutflow || to.kind == kindInflow:
		return p, "", relWaits
	case l.created():
		p.step, why = l.begun(t, f, to)
		if l.has["outflow_content"] {
			r = relOpened
		}
		return p, why, r
	case to.kind == kindAsync && !moved:
		return p, whyBranches, relCopied
	case moved && l.to == "" && from.kind == kindEnd && l.has["content"]:
		// It had come to the end of a flow within its flow, and goes back from there.
		p.step = l.main(t, f, l.from, t.param)
		return p, "", relNone
	case moved && l.has["async_main_ticket_id"] && from.kind == kindAsync:
		r = relBranched
	}
	p.step, why = l.onward(t, f, moved)
	return p, why, r
}

// pastPlan is for a ticket whose newest row is history, and reports false for one that is
// so by itself. It has come to a branching or a form, and its server was killed before it
// wrote the row of the branching, or made the form's.
func (l *lostData) pastPlan(t StrandedTicket, f *strandedFlow) (p strandedPlan, why string, ok bool) {
	if l.table != t.Flow || l.dataNo != t.DataNo || l.dataID != t.DataID {
		return p, "", false
	}
	switch f.charts[l.to].kind {
	case kindAsync:
		p.step = l.main(t, f, l.to, l.rewrite(l.kept(map[string]string{"chart_id_from": quoted(l.to), "chart_id_to": `""`})))
		return p, "", true
	case kindForm:
		p.step, why = l.arrive(t, f)
		return p, why, true
	}
	return p, "", false
}

// onward is for a ticket that was to go from one chart to another.
func (l *lostData) onward(t StrandedTicket, f *strandedFlow, moved bool) (s strandedStep, why string) {
	to, from := f.charts[l.to], f.charts[l.from]
	switch to.kind {
	case kindPython, kindSwitch, kindSubflow, kindEnd, kindRoleInDepartment, kindRoleOfADepartment, kindAsync:
	case kindSetForm:
		if to.calculates {
			return s, "the values that it was given would be worked out again from themselves"
		}
	case kindCollection:
		if !to.gathers {
			return s, whyBranches
		}
	case kindForm:
		switch {
		case moved:
			return l.arrive(t, f)
		case to.checked:
			return s, "another flow is to check its data first"
		}
	case kindSleep:
		switch {
		case moved && from.kind == kindSubflow:
			return l.arrive(t, f)
		case moved && from.kind == "":
			return s, "it was about to pause, and would not"
		}
	default:
		return s, "its next step is not known"
	}
	return l.push(t, moved), ""
}

// begun is for a ticket that was opened and not queued.
func (l *lostData) begun(t StrandedTicket, f *strandedFlow, to flowChart) (s strandedStep, why string) {
	switch {
	case to.kind != kindStart || l.flow != t.Flow:
		return s, "its next step is not known"
	case l.has["mapping_id"]:
		return s, "its attachments may be missing"
	}
	return l.main(t, f, l.to, l.rewrite(l.kept(map[string]string{
		"data_no": strconv.FormatInt(t.DataNo, 10), "data_id": strconv.FormatInt(t.DataID, 10),
		"chart_id_from": quoted(l.to), "chart_id_to": `""`, "formdata": "",
	}))), ""
}
