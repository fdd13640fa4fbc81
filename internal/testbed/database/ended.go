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

	// What some rows of the journal are about, from one row on.
	stepsRead = `SELECT id, left\(queue_id, (\d{1,4})\), left\(input_param, (\d{1,4})\) FROM omflow_queuedata WHERE id >= (\d{1,9}) ORDER BY id LIMIT (\d{1,6})`

	endedRemove = `DELETE FROM omflow_queuedata WHERE id = (\d{1,9}) AND queue_id = '([\w-]{1,128})' AND EXISTS \(` +
		`SELECT 1 FROM omformmodel_omdata_(\w{32}) h WHERE h.id = (\d{1,9}) AND h.history = true AND \(h.closed = true OR EXISTS \(` +
		`SELECT 1 FROM omformmodel_omdata_(\w{32}) s WHERE s.id > h.id AND s.data_no = h.data_no AND s.stoptime = h.stoptime AND s.stop_uuid = h.stop_uuid\)\)\)`
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
	return s.steps(number(args[0]), number(args[1]), number(args[2]), number(args[3]))
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

// removeEnded removes a row of the journal if the ticket's table says that its step
// has ended.
func (s *Server) removeEnded(args []string) (result, error) {
	id, queueID, flow, dataID := number(args[0]), args[1], args[2], number(args[3])
	if args[4] != flow {
		return result{}, refuse(stateUnsupported, "two flows' tables in one statement")
	}
	calls := service{s.store}
	defer calls.change()()
	t := s.store.state.Tables[flow]
	if t == nil {
		return result{}, refuse(stateNoTable, `relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	h := t.row(dataID)
	q, ok := s.store.state.Queue[id]
	if !ok || q.QueueID() != queueID || h == nil || !h.History || !h.Closed && !slices.ContainsFunc(t.Rows, func(r Ticket) bool {
		return r.ID > h.ID && r.DataNo == h.DataNo && r.Stop == h.Stop && !h.StopTime.IsZero() && r.StopTime.Equal(h.StopTime)
	}) {
		return result{tag: "DELETE 0"}, nil
	}
	delete(s.store.state.Queue, id)
	return result{tag: "DELETE 1"}, nil
}
