package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The statements of one who looks for steps that had ended when their server died:
// what the journal says of each ticket, and the removal of a row whose ticket has its
// next row already, or is closed.
const (
	endedRead = `SELECT id, left\(queue_id, (\d{1,4})\), left\(input_param, (\d{1,4})\) FROM omflow_queuedata ORDER BY id LIMIT (\d{1,6})`

	// What some rows of the journal are about, from one row on, and of long ones whether
	// they name other tickets.
	stepsRead = `SELECT q.id, left\(q.queue_id, (\d{1,4})\), left\(q.input_param, (\d{1,4})\), CASE WHEN length\(q.input_param\) > \d{1,4} THEN 1 ELSE 0 END, ` +
		`CASE WHEN length\(q.input_param\) > \d{1,4} AND q.input_param LIKE '%"outflow_done": %' THEN 1 ELSE 0 END, ` +
		`CASE WHEN length\(q.input_param\) > \d{1,4} THEN substr\(q.input_param, strpos\(q.input_param, '"outflow_content": {'\), \d{1,4}\) END ` +
		`FROM omflow_queuedata q WHERE q.id >= (\d{1,9}) ORDER BY q.id LIMIT (\d{1,6})`

	// The rows that a start would misread. The stand-in has no parallel branches, and no
	// flows that open tickets of others, so it has none.
	misreadRead = `SELECT q.id, left\(q.queue_id, \d{1,4}\), q.input_param FROM omflow_queuedata q WHERE q.method_name = 'main' AND ` +
		`length\(q.input_param\) <= \d{1,9} AND \(q.input_param LIKE '%"async_main_ticket_id": %' OR q.input_param LIKE '%"collection_ex_data_id": %' ` +
		`OR q.input_param LIKE '%"outflow_content": {%"chart_id_from": "%'\) ORDER BY q.id LIMIT \d{1,6}`

	endedProof = `SELECT COUNT\(\*\) FROM omformmodel_omdata_(\w{32}) h WHERE h.id = (\d{1,9}) AND h.history = true AND \(h.closed = true OR EXISTS \(` +
		`SELECT 1 FROM omformmodel_omdata_(\w{32}) s WHERE s.id > h.id AND s.data_no = h.data_no AND s.stoptime = h.stoptime AND s.stop_uuid = h.stop_uuid\)\)`
	endedRemove = `DELETE FROM omflow_queuedata WHERE id = (\d{1,9}) AND queue_id = '([\w-]{1,128})'`
)

// param is the column input_param: what the step goes on with. OMFLOW's has more,
// after this.
func (q QueueItem) param() []byte {
	if q.Push {
		return []byte(`{"formdata": ` + Ticket{DataNo: q.DataNo, UpdateUser: q.User, Progress: Progress{To: q.Chart, DataID: q.DataID}}.param(q.FlowUUID) + `}`)
	}
	// A pointer, since Python writes null where a row has no ticket yet.
	row := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	text, err := json.Marshal(struct {
		Flow   string          `json:"flow_uuid"`
		To     string          `json:"chart_id_to"`
		From   string          `json:"chart_id_from"`
		DataNo *int            `json:"data_no"`
		DataID *int            `json:"data_id"`
		Table  string          `json:"table_uuid"`
		User   string          `json:"standin_user"`
		Form   json.RawMessage `json:"formdata,omitempty"`
	}{q.FlowUUID, "", q.Chart, row(q.DataNo), row(q.DataID), q.FlowUUID, q.User, q.Form})
	if err != nil {
		return []byte("null") // a form that is no JSON, which no client can send
	}
	return pythonJSON(text)
}

// journalSteps are the first rows of the journal with what they go on with.
func (s *Server) journalSteps(args []string) (result, error) {
	return s.steps(number(args[0]), number(args[1]), 0, number(args[2]))
}

// journalStepsFrom are those from a row on.
func (s *Server) journalStepsFrom(args []string) (result, error) {
	head := number(args[1])
	r, err := s.steps(number(args[0]), maxParam, number(args[2]), number(args[3]))
	r.columns = append(r.columns, intColumn("case"), intColumn("case"), textColumn("case"))
	for i, row := range r.rows {
		longer := "0"
		if cut := left(string(row[2]), head); len(cut) < len(row[2]) {
			row[2], longer = cut, "1"
		}
		r.rows[i] = append(row, []byte(longer), []byte("0"), nil)
	}
	return r, err
}

// maxParam is more than an input_param has characters.
const maxParam = 1 << 30

// misread are no rows, see misreadRead.
func (s *Server) misread([]string) (result, error) {
	return result{tag: "SELECT 0", columns: []pgproto3.FieldDescription{intColumn("id"), textColumn("left"), textColumn("input_param")}}, nil
}

func (s *Server) steps(length, head, from, limit int) (result, error) {
	var queue []QueueItem
	if err := (service{s.store}).Queue(None{}, &queue); err != nil {
		return result{}, err
	}
	queue = slices.DeleteFunc(queue, func(q QueueItem) bool { return q.ID < from })
	queue = queue[:min(limit, len(queue))]
	r := result{
		tag:     fmt.Sprintf("SELECT %d", len(queue)),
		columns: []pgproto3.FieldDescription{intColumn("id"), textColumn("left"), textColumn("left")},
	}
	for _, q := range queue {
		r.rows = append(r.rows, [][]byte{strconv.AppendInt(nil, int64(q.ID), 10), left(q.QueueID(), length), left(string(q.param()), head)})
	}
	return r, nil
}

// left is SQL's function of that name.
func left(text string, length int) []byte {
	runes := []rune(text)
	return []byte(string(runes[:min(length, len(runes))]))
}

// provesEnded counts 1 if the ticket's table says that its step has ended.
func (s *Server) provesEnded(args []string) (result, error) {
	flow, dataID := args[0], number(args[1])
	if args[2] != flow {
		return result{}, refuse(stateUnsupported, "two flows' tables in one statement")
	}
	calls := service{s.store}
	defer calls.change()()
	t := s.store.state.Tables[flow]
	if t == nil {
		return result{}, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	h, ended := t.row(dataID), "0"
	if h != nil && h.History && (h.Closed || slices.ContainsFunc(t.Rows, func(r Ticket) bool {
		return r.ID > h.ID && r.DataNo == h.DataNo && r.Stop == h.Stop && !h.StopTime.IsZero() && r.StopTime.Equal(h.StopTime)
	})) {
		ended = "1"
	}
	return result{tag: "SELECT 1", columns: []pgproto3.FieldDescription{intColumn("count")}, rows: [][][]byte{{[]byte(ended)}}}, nil
}

// removeEnded removes a row of the journal.
func (s *Server) removeEnded(args []string) (result, error) {
	id, queueID := number(args[0]), args[1]
	calls := service{s.store}
	defer calls.change()()
	if q, ok := s.store.state.Queue[id]; !ok || q.QueueID() != queueID {
		return result{tag: "DELETE 0"}, nil
	}
	delete(s.store.state.Queue, id)
	return result{tag: "DELETE 1"}, nil
}
