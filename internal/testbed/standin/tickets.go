package standin

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// noneAttribute is the Python exception of a flow that this process does not
// know.
func noneAttribute(name string) error {
	return fmt.Errorf("'NoneType' object has no attribute '%s'", name)
}

// errNoModel is the Python exception of a flow whose class is not loaded.
var errNoModel = errors.New("'bool' object has no attribute 'objects'")

// flow returns the flow that a request is about: by its name in the path for API
// clients, by flow_uuid in the body for the browser, which writes None in the
// path.
func (s *Server) flow(r *request) (database.Flow, bool) {
	if r.arg != "" && r.arg != "None" {
		return s.engine.FlowByPath(r.arg)
	}
	return s.engine.Flow(r.params.Text("flow_uuid"))
}

// ticketEditAjax creates, updates and deletes tickets.
func ticketEditAjax(s *Server, r *request) (response, error) {
	f, ok := s.flow(r)
	if r.params.Truthy("omflow_restapi") {
		if !ok {
			return response{}, noneAttribute("api")
		}
		if !f.API {
			return response{}, engine.Refusal("該流程未啟用API呼叫。")
		}
	}
	uuid := f.UUID
	if !ok {
		uuid = r.params.Text("flow_uuid")
	}
	switch r.params.Text("action") {
	case "create":
		return s.createTicket(r, uuid)
	case "update":
		id, _ := r.params.Number("data_id") // none there is a ticket that does not exist
		no, err := s.engine.Update(uuid, id, r.params.Value("formdata"), r.user)
		if err != nil {
			return response{}, err
		}
		return jsonAnswer(statusOK, r.lang.Text("推單成功。"), no), nil
	case "delete":
		if err := s.engine.Delete(uuid, r.params.Numbers("data_no")); err != nil {
			return response{}, err
		}
		return jsonAnswer(statusOK, r.lang.Text("刪除成功。"), ""), nil
	case "":
		return jsonAnswer(statusNotFound, r.lang.Text("缺少必要參數，請確認後重新發送請求。"), nil), nil
	default:
		return jsonAnswer(statusNotFound, r.lang.Text("請提供正確的動作，新增、編輯或刪除。"), nil), nil
	}
}

func (s *Server) createTicket(r *request, uuid string) (response, error) {
	no, err := s.create(r, uuid, r.params.Value("formdata"))
	if err != nil {
		return response{}, err
	}
	var result any // null without a number
	if no != 0 {
		result = no
	}
	return jsonAnswer(statusOK, r.lang.Text("開單成功。"), result), nil
}

// create opens a ticket and counts it. The number is 0 where OMFLOW reports success
// without one: see engine.Create, and a ticket that is lost.
func (s *Server) create(r *request, uuid string, form json.RawMessage) (int, error) {
	no, err := s.engine.Create(uuid, form, r.user, r.files)
	if errors.Is(err, engine.ErrLost) {
		s.inst.CountCreate(engine.Title(form), true)
		return 0, nil
	}
	if no != 0 { // also when the rest of the work failed
		s.inst.CountCreate(engine.Title(form), false)
	}
	return no, err
}

// dataIDAjax lists the open rows of a ticket that wait for a person.
func dataIDAjax(s *Server, r *request) (response, error) {
	no, ok := r.params.Number("data_no")
	if !ok {
		return jsonAnswer(statusNotFound, r.lang.Text("缺少必要參數，請確認後重新發送請求。"), nil), nil
	}
	f, ok := s.engine.FlowByPath(r.arg)
	if !ok {
		return jsonAnswer(statusNotFound, r.lang.Text("查詢失敗。"), nil), nil
	}
	if !s.engine.HasModel(f.UUID) {
		return response{}, errNoModel
	}
	rows, err := s.db.Tickets(database.TicketQuery{Flow: f.UUID, DataNo: no, Open: true})
	if err != nil {
		return response{}, err
	}
	type open struct {
		DataID int    `json:"data_id"`
		Stop   string `json:"stop_chart_text"`
	}
	list := []open{}
	for _, row := range rows.Rows {
		if !row.Ticket.Running {
			list = append(list, open{row.Ticket.ID, row.Ticket.Stop})
		}
	}
	return jsonAnswer(statusOK, r.lang.Text("查詢成功。"), list), nil
}

// ticketLoadAjax gives one row with its form.
func ticketLoadAjax(s *Server, r *request) (response, error) {
	uuid := r.params.Text("flow_uuid")
	if !s.engine.HasModel(uuid) {
		return response{}, errNoModel
	}
	id, _ := r.params.Number("data_id") // none there is a ticket that does not exist
	t, err := s.db.Ticket(uuid, id)
	if err != nil {
		return response{}, err
	}
	if t.ID == 0 {
		return response{}, engine.Refusal("Omdata_" + uuid + " matching query does not exist.")
	}
	row := columns(uuid, t)
	row["formdata"] = t.Form
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), row), nil
}
