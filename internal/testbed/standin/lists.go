package standin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// pageLength is how many rows the browser's tables show.
const pageLength = 10

// maxPage bounds how many rows one answer has.
const maxPage = 10_000

// timeFormat is OMFLOW's DATETIME_FORMAT.
const timeFormat = "2006-01-02 15:04:05"

// columns are a ticket's row as OMFLOW names its columns.
func columns(flow string, t database.Ticket) map[string]any {
	return map[string]any{
		"id": t.ID, "data_id": t.ID, "data_no": t.DataNo, "flow_uuid": flow, "stop_chart_text": t.Stop,
		"title": t.Title, "level": t.Level, "status": t.Status, "group": t.Group,
		"create_user_id": t.CreateUser, "update_user_id": t.UpdateUser,
		"createtime": t.CreateTime.Format(timeFormat), "updatetime": t.UpdateTime.Format(timeFormat),
		"history": t.History, "closed": t.Closed, "running": t.Running, "error": false,
	}
}

// ticketListAjax lists a flow's rows: for API clients with their conditions, for
// the browser a page of the open ones.
func ticketListAjax(s *Server, r *request) (response, error) {
	f, ok := s.flow(r)
	if !ok {
		return response{}, engine.Refusal("找不到流程。")
	}
	if !s.engine.HasModel(f.UUID) {
		return response{}, engine.Refusal(errNoModel.Error())
	}
	if r.params.Truthy("omflow_restapi") {
		return s.query(r, f.UUID)
	}
	return s.table(r, database.TicketQuery{Flow: f.UUID})
}

// missionListAjax lists what is open in all flows.
func missionListAjax(s *Server, r *request) (response, error) {
	return s.table(r, database.TicketQuery{})
}

// table answers as the browser's table widget wants it.
func (s *Server) table(r *request, q database.TicketQuery) (response, error) {
	draw, _ := r.params.Number("draw") // zero when there is none
	length, ok := r.params.Number("length")
	if !ok || length < 1 {
		length = pageLength
	}
	start, _ := r.params.Number("start")
	q.Open, q.Newest, q.Start, q.Limit = true, true, max(start, 0), min(length, maxPage)
	rows, err := s.db.Tickets(q)
	if err != nil {
		return response{}, err
	}
	data := []map[string]any{}
	for _, row := range rows.Rows {
		c := columns(row.Flow, row.Ticket)
		if f, ok := s.engine.Flow(row.Flow); ok {
			c["flow_name"] = f.Name
		}
		data = append(data, c)
	}
	return jsonValue(map[string]any{
		"draw": draw, "recordsTotal": rows.Total, "recordsFiltered": rows.Total,
		"recordsNum": len(data), "data": data,
	}), nil
}

// condition is one of an API client's search conditions.
type condition struct {
	Column    string `json:"column"`
	Condition string `json:"condition"`
	Value     any    `json:"value"`
}

// query answers an API client's search. As in OMFLOW, limit is not a number of
// rows but where they end: start 100 and limit 200 are a hundred.
func (s *Server) query(r *request, flow string) (response, error) {
	start, _ := r.params.Number("start")
	end, ok := r.params.Number("limit")
	if !ok {
		end = 100
	}
	var (
		conditions []condition
		wanted     []string
		order      []string
	)
	for name, into := range map[string]any{
		"search_conditions": &conditions, "search_columns": &wanted, "order_columns": &order,
	} {
		if raw := r.params.Value(name); len(raw) > 0 {
			if err := json.Unmarshal(raw, into); err != nil {
				return jsonAnswer(statusNotFound, r.lang.Text("查詢失敗。"), nil), nil
			}
		}
	}
	plain := len(conditions) == 0 && (len(order) == 0 || slices.Equal(order, []string{"id"}))
	q := database.TicketQuery{Flow: flow, Limit: maxPage}
	if plain {
		q.Start, q.Limit = max(start, 0), min(max(end-max(start, 0), 1), maxPage)
	}
	rows, err := s.db.Tickets(q)
	if err != nil {
		return response{}, err
	}
	list := make([]map[string]any, 0, len(rows.Rows))
	for _, row := range rows.Rows {
		if c := columns(flow, row.Ticket); matches(c, conditions) {
			list = append(list, c)
		}
	}
	if !plain {
		sortRows(list, order)
		list = list[min(max(start, 0), len(list)):min(max(end, 0), len(list))]
	} else if end <= start {
		list = list[:0]
	}
	if len(wanted) > 0 {
		for i, c := range list {
			list[i] = only(c, wanted)
		}
	}
	return jsonAnswer(statusOK, r.lang.Text("查詢成功。"), list), nil
}

func only(row map[string]any, names []string) map[string]any {
	out := make(map[string]any, len(names))
	for _, n := range names {
		if v, ok := row[n]; ok {
			out[n] = v
		}
	}
	return out
}

// matches tells whether a row meets all conditions. One about a column that does
// not exist is not met.
func matches(row map[string]any, conditions []condition) bool {
	for _, c := range conditions {
		v, ok := row[c.Column]
		if !ok || !c.met(v) {
			return false
		}
	}
	return true
}

func (c condition) met(v any) bool {
	have, want := strings.ToLower(fmt.Sprint(v)), strings.ToLower(fmt.Sprint(c.Value))
	switch c.Condition {
	case "contains":
		return strings.Contains(have, want)
	case "in":
		list, _ := c.Value.([]any)
		return slices.ContainsFunc(list, func(item any) bool { return fmt.Sprint(item) == fmt.Sprint(v) })
	case ">":
		return compare(v, c.Value) > 0
	case "<":
		return compare(v, c.Value) < 0
	default:
		return fmt.Sprint(v) == fmt.Sprint(c.Value)
	}
}

// sortRows orders by columns; a minus before one means descending.
func sortRows(rows []map[string]any, order []string) {
	if len(order) == 0 {
		order = []string{"id"}
	}
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for _, name := range order {
			name, descending := strings.CutPrefix(name, "-")
			if d := compare(a[name], b[name]); d != 0 {
				if descending {
					return -d
				}
				return d
			}
		}
		return 0
	})
}

// compare orders numbers as numbers and everything else as text.
func compare(a, b any) int {
	x, okX := asNumber(a)
	y, okY := asNumber(b)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func asNumber(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
