package standin

import (
	"encoding/json"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// missing is the answer to a request without a parameter that it needs.
func missing(r *request) response {
	return jsonAnswer(statusNotFound, r.lang.Text("缺少必要參數，請確認後重新發送請求。"), nil)
}

// flowListAjax lists the deployed flows as the database has them.
func flowListAjax(s *Server, r *request) (response, error) {
	flows, err := s.db.Flows()
	if err != nil {
		return response{}, err
	}
	list := []map[string]any{}
	for _, f := range flows {
		list = append(list, map[string]any{
			"id": f.ID, "flow_uuid": f.UUID, "flow_app_id__app_name": f.App, "flow_name": f.Name,
			"api_path": f.APIPath, "version": f.Version, "is_active": f.Active, "api": f.API,
			"flowlog": f.Log, "undeploy_flag": f.Undeployed,
		})
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), list), nil
}

// flowUpdateAjax turns one of a flow's switches over.
func flowUpdateAjax(s *Server, r *request) (response, error) {
	field, app, flow := r.params.Text("field"), r.params.Text("app_name"), r.params.Text("flow_name")
	if field == "" || app == "" || flow == "" {
		return missing(r), nil
	}
	if err := s.engine.UpdateFlow(app, flow, field, r.params.Text("display_field")); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("設定成功。"), nil), nil
}

// appListAjax lists the applications that are deployed, as the database has them.
func appListAjax(s *Server, r *request) (response, error) {
	apps, err := s.db.Apps()
	if err != nil {
		return response{}, err
	}
	list := []map[string]any{}
	for _, a := range apps {
		if !a.Undeployed {
			list = append(list, map[string]any{"id": a.ID, "app_name": a.Name})
		}
	}
	return jsonAnswer(statusOK, r.lang.Text("查詢成功。"), list), nil
}

// undeployAjax takes a deployed application away.
func undeployAjax(s *Server, r *request) (response, error) {
	id, ok := r.params.Number("app_id")
	name := r.params.Text("app_name")
	if !ok && name == "" {
		return response{}, engine.Refusal("請提供必要參數：app_id或是app_name。")
	}
	if err := s.engine.Undeploy(id, name); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("下架成功。"), nil), nil
}

// redeployAjax brings one back.
func redeployAjax(s *Server, r *request) (response, error) {
	id, ok := r.params.Number("new_app_id")
	if !ok {
		return missing(r), nil
	}
	if err := s.engine.Redeploy(id, r.params.Text("lside_pid")); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("重新上架成功。"), nil), nil
}

// flowActiveAjax enables flows ("active") or disables them (anything else).
func flowActiveAjax(s *Server, r *request) (response, error) {
	ids := r.params.Numbers("id")
	action := r.params.Text("active")
	if len(ids) == 0 || action == "" {
		return missing(r), nil
	}
	if err := s.engine.SetActive(ids, action == "active"); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("設定成功。"), nil), nil
}

// workspaceListAjax lists the designed applications.
func workspaceListAjax(s *Server, r *request) (response, error) {
	apps, err := s.db.Workspaces()
	if err != nil {
		return response{}, err
	}
	list := []map[string]any{}
	for _, w := range apps {
		list = append(list, map[string]any{"id": w.ID, "app_name": w.Name})
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), list), nil
}

// workspaceImportAjax takes a designed application. Its format is the stand-in's
// own: {"app_name": …, "flows": [{"uuid", "name", "api_path", "steps":
// [{"name", "work": nanoseconds}]}]}. The answer's result is the ID for
// deployAjax.
func workspaceImportAjax(s *Server, r *request) (response, error) {
	w := database.Workspace{Name: r.params.Text("app_name")}
	if err := json.Unmarshal(r.params.Value("flows"), &w.Flows); err != nil {
		return response{}, engine.Refusal("請提供正確的應用。")
	}
	id, err := s.engine.Import(w)
	if err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("匯入成功。"), id), nil
}

// deployAjax deploys a designed application.
func deployAjax(s *Server, r *request) (response, error) {
	id, ok := r.params.Number("w_app_id")
	if !ok {
		return missing(r), nil
	}
	app, _ := r.params.Number("a_app_id") // none is a new application
	if err := s.engine.Deploy(id, app, r.params.Text("lside_pid")); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("上架成功。"), nil), nil
}

// scheduleAjax creates, changes and deletes schedules. A change is a new one.
func scheduleAjax(s *Server, r *request) (response, error) {
	action := r.params.Text("action")
	if action == "" {
		return missing(r), nil
	}
	var result any
	if action == "delete" || action == "update" {
		if err := s.engine.DeleteSchedules(r.params.Numbers("schedule_id")); err != nil {
			return response{}, err
		}
	}
	if action == "create" || action == "update" {
		every, _ := r.params.Number("every") // refused when it is not one
		exec, err := time.ParseInLocation(timeFormat, r.params.Text("exec_time"), time.Local)
		if err != nil {
			exec = time.Now()
		}
		made, err := s.engine.CreateSchedule(database.Schedule{
			FlowUUID: r.params.Text("flow_uuid"), Cycle: r.params.Text("cycle"), Every: every,
			Exec: exec, Form: r.params.Value("formdata"),
		})
		if err != nil {
			return response{}, err
		}
		result = made.ID
	}
	return jsonAnswer(statusOK, r.lang.Text("設定成功。"), result), nil
}

// scheduleActiveAjax turns a schedule off or on again.
func scheduleActiveAjax(s *Server, r *request) (response, error) {
	id, ok := r.params.Number("schedule_id")
	if !ok {
		return missing(r), nil
	}
	if err := s.engine.ToggleSchedule(id); err != nil {
		return response{}, err
	}
	return jsonAnswer(statusOK, r.lang.Text("設定成功。"), nil), nil
}

// scheduleListAjax lists the schedules as the database has them.
func scheduleListAjax(s *Server, r *request) (response, error) {
	all, err := s.db.Schedules()
	if err != nil {
		return response{}, err
	}
	list := []map[string]any{}
	for _, v := range all {
		if v.Mark != "" || v.Pause != nil {
			continue // no flow's
		}
		list = append(list, map[string]any{
			"id": v.ID, "flow_uuid": v.FlowUUID, "cycle": v.Cycle, "every": v.Every, "is_active": v.Active,
			"exec_time": v.Exec.Format(timeFormat), "last_exec_time": v.LastRun.Format(timeFormat),
		})
	}
	return jsonAnswer(statusOK, r.lang.Text("讀取成功。"), list), nil
}
