package standin

import (
	"encoding/json"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// sidebarLoadAjax gives the sidebar as this process has it.
func sidebarLoadAjax(s *Server, r *request) (response, error) {
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), map[string]any{"sidebar_design": s.engine.Sidebar()}), nil
}

// sidebarUpdateAjax replaces the sidebar. The parameter "format" is the JSON of all
// of it, as a string.
func sidebarUpdateAjax(s *Server, r *request) (response, error) {
	var items []engine.SidebarItem
	if err := json.Unmarshal(r.params.Value("format"), &items); err != nil {
		return response{}, err
	}
	if err := s.engine.UpdateSidebar(items); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("更新成功。"), nil), nil
}

// systemLoadAjax gives the system settings.
func systemLoadAjax(s *Server, r *request) (response, error) {
	v, err := s.engine.System()
	if err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), map[string]any{
		"LOG_LEVEL": v.LogLevel, "POOL_MAX_WORKER": engine.Workers, "PI_agree": v.Personal, "SU_agree": v.Software,
		"ldap_config": v.LDAP,
	}), nil
}

// systemUpdateAjax changes the system settings.
func systemUpdateAjax(s *Server, r *request) (response, error) {
	done, err := s.engine.UpdateSystem(engine.System{
		LogLevel: r.params.Text("LOG_LEVEL"), Personal: r.params.Text("PI_agree"), Software: r.params.Text("SU_agree"),
		LDAP: engine.LDAP{
			Server: r.params.Text("ldap_client_server"), Port: r.params.Text("ldap_client_server_port"),
			Base: r.params.Text("ldap_base_dn"), User: r.params.Text("ldap_bind_user"),
			Password: r.params.Text("ldap_bind_user_password"), Domain: r.params.Text("ldap_client_domain"),
		},
	})
	if err != nil {
		return response{}, err
	}
	if !done {
		return jsonAnswer(statusForbidden, r.lang.Text("LDAP更新正在執行。"), nil), nil
	}
	return jsonAnswer(statusOK, r.lang.Text("更新成功。"), nil), nil
}

// parameterListAjax lists the system parameters as the database has them.
func parameterListAjax(s *Server, r *request) (response, error) {
	all, err := s.db.Parameters()
	if err != nil {
		return response{}, err
	}
	draw, _ := r.params.Number("draw") // zero when there is none
	data := []map[string]any{}
	for _, p := range all {
		data = append(data, map[string]any{
			"id": p.ID, "name": p.Name, "value": p.Value, "description": p.Description, "type": p.Type, "shadow": p.Shadow,
		})
	}
	return jsonValue(map[string]any{
		"draw": draw, "recordsTotal": len(data), "recordsFiltered": len(data), "recordsNum": len(data), "data": data,
	}), nil
}

// parameterCreateAjax creates a system parameter.
func parameterCreateAjax(s *Server, r *request) (response, error) {
	if r.params.Text("name") == "" {
		return missing(r), nil
	}
	if err := s.engine.SaveParameter(r.parameter(0)); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("建立成功。"), nil), nil
}

// parameterUpdateAjax changes a system parameter.
func parameterUpdateAjax(s *Server, r *request) (response, error) {
	id, ok := r.params.Number("id")
	if !ok || id < 1 {
		return missing(r), nil
	}
	if err := s.engine.SaveParameter(r.parameter(id)); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("更新成功。"), nil), nil
}

func (r *request) parameter(id int) database.Parameter {
	return database.Parameter{
		ID: id, Name: r.params.Text("name"), Value: r.params.Text("value"), Description: r.params.Text("description"),
		Type: r.params.Text("type"), Shadow: r.params.Truthy("shadow"),
	}
}

// parameterDeleteAjax deletes system parameters.
func parameterDeleteAjax(s *Server, r *request) (response, error) {
	ids := r.params.Numbers("id")
	if len(ids) == 0 {
		return missing(r), nil
	}
	if err := s.engine.DeleteParameters(ids); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("刪除成功。"), nil), nil
}
