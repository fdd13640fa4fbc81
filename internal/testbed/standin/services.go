package standin

import (
	"encoding/json"
	"mime"

	"github.com/omflow/booster/internal/testbed/engine"
)

// serviceRequestAjax opens a ticket through an entry of the service catalogue. It
// reads forms only, and its answer never has a number, whether there is a ticket or
// not.
func serviceRequestAjax(s *Server, r *request) (response, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isForm := err == nil && (kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data")
	path, id := r.params.Text("api_path"), r.params.Text("service_id")
	var fields []json.RawMessage
	if !isForm || path == "" || id == "" || json.Unmarshal(r.params.Value("formdata"), &fields) != nil {
		return response{}, engine.Refusal("缺少必填欄位。")
	}
	entry, err := s.db.Service(id)
	if err != nil {
		return response{}, err
	}
	if entry.ID == "" {
		return jsonAnswer(statusError, r.lang.Text("查無此服務。"), nil), nil
	}
	var defaults []json.RawMessage
	if err := json.Unmarshal(entry.Defaults, &defaults); err != nil {
		return response{}, err
	}
	form, err := json.Marshal(append(fields, defaults...))
	if err != nil {
		return response{}, err
	}
	f, _ := s.engine.FlowByPath(path) // an unknown one is refused by the create
	if _, err := s.create(r, f.UUID, form); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("開單成功。"), nil), nil
}
