package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The statements of one who looks for tickets that run and of which the journal has no
// row: the flows, their designs, rows that run, what the journal and pauses name, one
// ticket with the proof, and the row that it lacks.
var (
	strandedFlows = `SELECT f.id, f.flow_uuid::text, f.parent_uuid::text, f.version, f.flow_name FROM omformflow_flowactive f ` +
		`WHERE f.undeploy_flag = false AND f.is_active = true ORDER BY f.id DESC LIMIT (\d{1,6})`

	strandedDesign = `SELECT CASE WHEN length\(f.flowobject\) <= \d{1,9} THEN f.flowobject END FROM omformflow_flowactive f WHERE f.id = (\d{1,9})`

	strandedRunning = `SELECT t.id, t.data_no, CASE WHEN t.createtime >= '([\d: +-]{22})' OR t.updatetime >= '[\d: +-]{22}' THEN 1 ELSE 0 END, ` +
		`CASE WHEN t.data_param LIKE '%"async_main_ticket_id": %' THEN 1 ELSE 0 END FROM omformmodel_omdata_(\w{32}) t WHERE t.id > \(SELECT MAX\(m.id\) FROM omformmodel_omdata_\w{32} m\) - (\d{1,9}) AND t.running = true ` +
		`AND t.history = false AND t.closed = false ORDER BY t.id DESC LIMIT (\d{1,6})`

	// Those tickets of which the newest row is history. The stand-in has no branches.
	strandedEnded = `SELECT t.id, t.data_no, CASE WHEN t.createtime >= '([\d: +-]{22})' OR t.updatetime >= '[\d: +-]{22}' THEN 1 ELSE 0 END, ` +
		`CASE WHEN t.history = false THEN 1 ELSE 0 END FROM omformmodel_omdata_(\w{32}) t JOIN \(SELECT MAX\(n.id\) AS last FROM omformmodel_omdata_\w{32} n ` +
		`WHERE n.id > \(SELECT MAX\(m.id\) FROM omformmodel_omdata_\w{32} m\) - (\d{1,9}) GROUP BY n.data_no\) l ON l.last = t.id WHERE t.running = false ` +
		`AND t.closed = false AND t.error = false AND \(t.history = true OR t.data_param LIKE '%"async_main_ticket_id": %'\) ORDER BY t.id DESC LIMIT (\d{1,6})`

	strandedJournal = `SELECT left\(q.queue_id, (\d{1,4})\), left\(q.input_param, (\d{1,4})\) FROM omflow_queuedata q ORDER BY q.id LIMIT (\d{1,6})`

	strandedPauses = `SELECT left\(p.input_param, (\d{1,4})\) FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = true ORDER BY p.id LIMIT (\d{1,6})`

	strandedTicket = `SELECT t.id, CASE WHEN length\(t.data_param\) <= \d{1,9} THEN t.data_param END, t.init_data_id FROM omformmodel_omdata_(\w{32}) t` + strandedProof

	strandedPast = `SELECT t.id, CASE WHEN length\(t.data_param\) <= \d{1,9} THEN t.data_param END, t.init_data_id FROM omformmodel_omdata_(\w{32}) t ` +
		`WHERE t.id IN \(([\d,]+)\) AND t.running = false AND t.history = true AND t.closed = false AND t.error = false ` +
		`AND NOT EXISTS \(SELECT 1 FROM omformmodel_omdata_\w{32} s WHERE s.id > t.id AND s.data_no = t.data_no\)` + strandedNowhere

	strandedRestore = `INSERT INTO omflow_queuedata \(queue_id, name, input_param, module_name, method_name\) SELECT '([\w-]{1,128})', 'FormFlow', ` + sqlText +
		`, '[\w.]{1,200}', '(\w{1,40})' FROM omformmodel_omdata_(\w{32}) t` + strandedProof + ` AND t.data_param = ` + sqlText

	sqlText = ` ?'((?:[^']|'')*)' ?`

	strandedProof = ` WHERE t.id IN \(([\d,]{1,1000})\) AND t.running = true AND t.history = false AND t.closed = false` + strandedNowhere

	// Rows that were read to their end need not be looked through; the stand-in looks through
	// all.
	strandedNowhere = ` AND NOT EXISTS \(SELECT 1 FROM omflow_queuedata q WHERE (?:q.id IN \([\d,]+\) AND )?` + strandedNaming("q") + `\) ` +
		`AND NOT EXISTS \(SELECT 1 FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = true AND ` + strandedNaming("p") + `\)`
)

func strandedNaming(table string) string {
	like := func(text string) string { return table + `.input_param LIKE '%` + text + `%'` }
	return like(`"table_uuid": "\w{32}"`) + ` AND \(` + like(`"data_id": ' \|\| t.id \|\| ',`) + ` OR ` + like(`"data_id": ' \|\| t.id \|\| '}`) +
		` OR ` + like(`"data_id": "' \|\| t.id \|\| '"`) + `\)`
}

// Progress is what a ticket's row holds in OMFLOW's column data_param, as far as it
// differs between rows: the charts that the ticket had left and was to go to, and the row
// that it was in. The zero value is that of a ticket that was opened.
type Progress struct {
	From, To string
	DataID   int
}

// param is the column data_param, or the end of an input_param for a ticket that has come
// to it.
func (t Ticket) param(flow string) string {
	p, null := t.Progress, "null"
	from, id, no, form := strconv.Quote(p.From), strconv.Itoa(p.DataID), strconv.Itoa(t.DataNo), ""
	if p.To == "" {
		p.To, from, id, no, form = "FITEM_1", null, null, null, `, "formdata": {}`
	}
	return fmt.Sprintf(`{"flow_uuid": "%s", "chart_id_to": "%s", "chart_id_from": %s, "data_no": %s, "data_id": %s, "table_uuid": "%s", "standin_user": %s%s}`,
		flow, p.To, from, no, id, flow, quoteJSON(t.UpdateUser), form)
}

// quoteJSON writes a text as Python does, in ASCII.
func quoteJSON(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		return `""` // can't be: it is a text
	}
	var b strings.Builder
	for _, r := range string(raw) {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// queued is what a row of the journal holds in input_param that others have written.
type queued struct {
	Flow   string  `json:"flow_uuid"`
	To     string  `json:"chart_id_to"`
	From   *string `json:"chart_id_from"`
	DataNo int     `json:"data_no"`
	DataID int     `json:"data_id"`
	User   string  `json:"standin_user"`
	Form   *queued `json:"formdata"`
}

// readQueued makes an item of what others have written into the journal.
func readQueued(method, param string) (QueueItem, error) {
	var q queued
	if err := json.Unmarshal([]byte(param), &q); err != nil {
		return QueueItem{}, err
	}
	item := QueueItem{Created: time.Now()}
	switch {
	case method == pushSleepPoint && q.Form != nil:
		q = *q.Form
		item.Chart, item.Push = q.To, true
	case method == "main" && q.From != nil:
		item.Chart = *q.From
	default:
		return QueueItem{}, fmt.Errorf("the journal's method %s has no chart", method)
	}
	item.FlowUUID, item.DataNo, item.DataID, item.User = q.Flow, q.DataNo, q.DataID, q.User
	return item, nil
}

// pythonJSON writes JSON with the blanks that Python's json.dumps has.
func pythonJSON(raw []byte) []byte {
	var b []byte
	inside, escaped := false, false
	for _, c := range raw {
		b = append(b, c)
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case !inside && (c == ':' || c == ','):
			b = append(b, ' ')
		}
	}
	return b
}

func (s *Server) strandedFlows(args []string) (result, error) {
	var all []Flow
	if err := (service{s.store}).Flows(None{}, &all); err != nil {
		return result{}, err
	}
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(f Flow) bool { return f.Undeployed || !f.Active })
	all = all[:min(number(args[0]), len(all))]
	r := result{tag: fmt.Sprintf("SELECT %d", len(all)), columns: []pgproto3.FieldDescription{
		intColumn("id"), textColumn("flow_uuid"), textColumn("parent_uuid"), intColumn("version"), textColumn("flow_name"),
	}}
	for _, f := range all {
		r.rows = append(r.rows, [][]byte{
			strconv.AppendInt(nil, int64(f.ID), 10), []byte(dashed(f.UUID)), nil, strconv.AppendInt(nil, int64(f.Version), 10), []byte(f.Name),
		})
	}
	return r, nil
}

func (s *Server) strandedDesign(args []string) (result, error) {
	var all []Flow
	if err := (service{s.store}).Flows(None{}, &all); err != nil {
		return result{}, err
	}
	i := slices.IndexFunc(all, func(f Flow) bool { return f.ID == number(args[0]) })
	if i < 0 {
		return result{tag: "SELECT 0", columns: []pgproto3.FieldDescription{textColumn("flowobject")}}, nil
	}
	return oneRow(textColumn("flowobject"), all[i].flowObject()), nil
}

func (s *Server) strandedRunning(args []string) (result, error) {
	return s.strandedRows(args, func(_ *table, v *Ticket) bool { return v.Running && !v.History && !v.Closed })
}

// strandedRows are the newest rows of a flow's table, within a window, that are asked for.
func (s *Server) strandedRows(args []string, wanted func(*table, *Ticket) bool) (result, error) {
	flow, window, limit := args[1], number(args[2]), number(args[3])
	since, err := moment(strings.TrimSuffix(args[0], "+00"))
	if err != nil {
		return result{}, err
	}
	defer service{s.store}.lock()()
	t := s.store.state.Tables[flow]
	if t == nil {
		return result{}, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	r := result{columns: strandedColumns()}
	for i := len(t.Rows) - 1; i >= 0 && len(r.rows) < limit; i-- {
		if v := &t.Rows[i]; v.ID > t.NextID-1-window && wanted(t, v) {
			r.rows = append(r.rows, v.strandedColumns(since))
		}
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

func strandedColumns() []pgproto3.FieldDescription {
	return []pgproto3.FieldDescription{intColumn("id"), intColumn("data_no"), intColumn("case"), intColumn("case")}
}

func (t *Ticket) strandedColumns(since time.Time) [][]byte {
	recent := "0"
	if !t.CreateTime.Before(since) || !t.UpdateTime.Before(since) {
		recent = "1"
	}
	return [][]byte{strconv.AppendInt(nil, int64(t.ID), 10), strconv.AppendInt(nil, int64(t.DataNo), 10), []byte(recent), []byte("0")}
}

func (s *Server) strandedEnded(args []string) (result, error) {
	return s.strandedRows(args, func(t *table, v *Ticket) bool { return v.past() && t.newest(v) })
}

// past reports whether a row is history of a ticket that has not ended.
func (t *Ticket) past() bool { return t.History && !t.Running && !t.Closed && t.Error == "" }

// newest reports whether a ticket has no row after this one.
func (t *table) newest(row *Ticket) bool {
	return !slices.ContainsFunc(t.Rows, func(r Ticket) bool { return r.ID > row.ID && r.DataNo == row.DataNo })
}

func (s *Server) strandedPast(args []string) (result, error) {
	return s.strandedParam(args, func(t *table, row *Ticket) bool { return row.past() && t.newest(row) })
}

// texts are rows of one text.
func texts(params [][]byte, head, limit string) (result, error) {
	r := result{columns: []pgproto3.FieldDescription{textColumn("left")}}
	for _, p := range params[:min(number(limit), len(params))] {
		r.rows = append(r.rows, [][]byte{left(string(p), number(head))})
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

func (s *Server) strandedJournal(args []string) (result, error) {
	var queue []QueueItem
	if err := (service{s.store}).Queue(None{}, &queue); err != nil {
		return result{}, err
	}
	r := result{columns: []pgproto3.FieldDescription{textColumn("left"), textColumn("left")}}
	for _, q := range queue[:min(number(args[2]), len(queue))] {
		r.rows = append(r.rows, [][]byte{left(q.QueueID(), number(args[0])), left(string(q.param()), number(args[1]))})
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

func (s *Server) strandedPauses(args []string) (result, error) {
	all, err := s.newestFirst()
	slices.Reverse(all)
	var params [][]byte
	for _, v := range all {
		if err == nil && v.Active && v.Cycle == "Once" {
			var param []byte
			param, err = v.param()
			params = append(params, param)
		}
	}
	if err != nil {
		return result{}, err
	}
	return texts(params, args[0], args[1])
}

// runs reports whether a row is one that runs.
func runs(_ *table, row *Ticket) bool { return row.Running && !row.History && !row.Closed }

// strandedRow returns a row that is as asked for and is neither in the journal nor rests.
// The caller holds the store.
func (s *Server) strandedRow(flow string, id int, is func(*table, *Ticket) bool) (*Ticket, error) {
	t := s.store.state.Tables[flow]
	if t == nil {
		return nil, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	row := t.row(id)
	if row == nil || !is(t, row) {
		return nil, nil
	}
	for _, q := range s.store.state.Queue {
		if q.FlowUUID == flow && q.DataID == id {
			return nil, nil
		}
	}
	for _, v := range s.store.state.Schedules {
		if v.Active && v.FlowUUID == flow && v.Pause != nil && v.Pause.DataID == id {
			return nil, nil
		}
	}
	return row, nil
}

func (s *Server) strandedTicket(args []string) (result, error) { return s.strandedParam(args, runs) }

func (s *Server) strandedParam(args []string, is func(*table, *Ticket) bool) (result, error) {
	flow := args[0]
	defer service{s.store}.lock()()
	r := result{columns: []pgproto3.FieldDescription{intColumn("id"), textColumn("data_param"), intColumn("init_data_id")}}
	for id := range strings.SplitSeq(args[1], ",") {
		row, err := s.strandedRow(flow, number(id), is)
		if err != nil {
			return result{}, err
		}
		if row != nil {
			r.rows = append(r.rows, [][]byte{[]byte(id), []byte(row.param(flow)), []byte(id)})
		}
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

func (s *Server) strandedRestore(args []string) (result, error) {
	input, method, flow, id, param := strings.ReplaceAll(args[1], "''", "'"), args[2], args[3], number(args[4]), strings.ReplaceAll(args[5], "''", "'")
	defer service{s.store}.change()()
	row, err := s.strandedRow(flow, id, runs)
	if err != nil {
		return result{}, err
	}
	if row == nil || row.param(flow) != param {
		return result{tag: "INSERT 0 0"}, nil
	}
	item, err := readQueued(method, input)
	if err != nil {
		return result{}, refuse(stateUnsupported, "%v", err)
	}
	if item.QueueID() != args[0] {
		return result{}, refuse(stateUnsupported, "queue_id %s of the row %s", args[0], item.QueueID())
	}
	item.ID = s.store.nextID()
	s.store.state.Queue[item.ID] = item
	return result{tag: "INSERT 0 1"}, nil
}
