package testbed

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
)

// apiClient is an API client with its token.
type apiClient struct {
	*client.Client
	t   *testing.T
	tok string
}

func newAPI(t *testing.T, c *Cluster, i int) *apiClient {
	t.Helper()
	cl := newClient(t, c, i)
	return &apiClient{cl, t, token(t, cl)}
}

// call makes a call and expects an answer of that status and message.
func (p *apiClient) call(path string, params map[string]any, status int, message string) client.Answer {
	p.t.Helper()
	a := must(p.t)(p.Call(p.t.Context(), p.tok, path, params))
	expect(p.t, a, status, message)
	return a
}

func (p *apiClient) create(flow string, status int, message string) client.Answer {
	p.t.Helper()
	a := must(p.t)(p.Create(p.t.Context(), p.tok, flow, "x"))
	expect(p.t, a, status, message)
	return a
}

// flow is a flow's row in the database.
func flow(t *testing.T, c *Cluster, uuid string) database.Flow {
	t.Helper()
	flows, err := c.Queries.Flows()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range flows {
		if f.UUID == uuid {
			return f
		}
	}
	t.Fatalf("no flow %s in the database", uuid)
	return database.Flow{}
}

func TestUndeployedFlowGoesOnElsewhere(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newAPI(t, c, 0), newAPI(t, c, 1)
	app := flow(t, c, engine.StampUUID).AppID
	schedule, err := c.Queries.SaveSchedule(database.Schedule{FlowUUID: engine.StampUUID, Cycle: "Daily", Every: 1})
	if err != nil {
		t.Fatal(err)
	}
	undeploy := "/flowmanage/api/flow-active-app/undeploy/"
	one.call(undeploy, nil, 404, "Please provide the necessary parameters")
	one.call(undeploy, map[string]any{"app_name": "stamp"}, 200, "Success to undeploy.")
	one.call(undeploy, map[string]any{"app_name": "stamp"}, 404, "The APP flow could not be found.")
	one.create("stamp", 500, "'NoneType' object has no attribute 'api'")
	two.create("stamp", 200, "Create data successfully.")

	code := func(i int) bool {
		_, err := os.Stat(filepath.Join(c.Config(i).Home, "omformflow", "production", engine.StampUUID))
		return err == nil
	}
	if code(0) || !code(1) {
		t.Errorf("code of the flow: on the first server %v, on the second %v; want only there", code(0), code(1))
	}
	if s, err := c.Queries.Schedule(schedule.ID); err != nil || s.ID != 0 {
		t.Errorf("the flow's schedule is left: %+v, %v", s, err)
	}
	for i, want := range []bool{false, true} { // the menu of the second is stale
		if got := strings.Contains(sidebar(t, c, i), "stamp"); got != want {
			t.Errorf("server %d has it in the menu: %v", i+1, got)
		}
	}
	// A restart learns of it.
	if err := c.Restart(1); err != nil {
		t.Fatal(err)
	}
	two = newAPI(t, c, 1)
	two.create("stamp", 500, "'NoneType' object has no attribute 'api'")

	redeploy := "/flowmanage/api/flow-active-app/redeploy/"
	one.call(redeploy, map[string]any{"new_app_id": 12345}, 404, "The APP flow could not be found.")
	one.call(redeploy, map[string]any{"new_app_id": app, "lside_pid": "custom_1"}, 200, "Re-deploy successfully.")
	one.create("stamp", 200, "Create data successfully.")
	two.create("stamp", 500, "'NoneType' object has no attribute 'api'")
	if !code(0) || !strings.Contains(sidebar(t, c, 0), "stamp") {
		t.Error("code or menu entry did not come back")
	}
}

// sidebar is a server's menu, as JSON.
func sidebar(t *testing.T, c *Cluster, i int) string {
	t.Helper()
	return string(newAPI(t, c, i).call("/api/sidebar-design/load/", nil, 200, "Read successfully.").Result)
}

func TestSwitchesOfAFlowAreTurnedInMemory(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newAPI(t, c, 0), newAPI(t, c, 1)
	turn := func(p *apiClient, field string) {
		t.Helper()
		p.call("/flowmanage/api/flow-active/update/",
			map[string]any{"app_name": "mission", "flow_name": "mission", "field": field, "display_field": "{}"}, 200, "The setting is successful.")
	}
	turn(one, "is_active")
	one.create("mission", 404, "The flow is currently disabled.")
	two.create("mission", 200, "Create")
	turn(one, "flowlog")
	turn(one, "display_field")
	if f := flow(t, c, engine.MissionUUID); f.Active || !f.Log || f.DisplayField != "{}" {
		t.Errorf("in the database: %+v", f)
	}
	// The second turns what it has in memory, and its whole row replaces the first's.
	turn(two, "api")
	if f := flow(t, c, engine.MissionUUID); !f.Active || f.API || f.Log {
		t.Errorf("after the second's change: %+v; want it enabled again", f)
	}
	two.create("mission", 404, "API call is not enabled for this flow.")
	turn(two, "api")
	two.create("mission", 200, "Create")
	one.call("/flowmanage/api/flow-active/update/",
		map[string]any{"app_name": "mission", "flow_name": "nothing", "field": "api"}, 404, "The flow could not be found.")
	one.call("/flowmanage/api/flow-active/update/", map[string]any{"field": "api"}, 404, "Missing necessary parameters")
}

// addFolder adds a folder to a server's menu as the page does: it sends back all that
// it was shown, but the flows.
func addFolder(t *testing.T, p *apiClient, id string) {
	t.Helper()
	var shown struct {
		Items []engine.SidebarItem `json:"sidebar_design"`
	}
	a := p.call("/api/sidebar-design/load/", nil, 200, "Read successfully.")
	if err := json.Unmarshal(a.Result, &shown); err != nil {
		t.Fatal(err)
	}
	var send []engine.SidebarItem
	for _, i := range shown.Items {
		if !strings.HasPrefix(i.ID, "formflow") {
			send = append(send, i)
		}
	}
	send = append(send, engine.SidebarItem{ID: id, Name: id, FlowUUID: "custom", Icon: "folder"})
	text, err := json.Marshal(send)
	if err != nil {
		t.Fatal(err)
	}
	p.call("/api/sidebar-design/update/", map[string]any{"format": string(text)}, 200, "Update successfully.")
}

func TestStaleSidebarUndoesAChange(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newAPI(t, c, 0), newAPI(t, c, 1)
	stored := func(id string) bool {
		t.Helper()
		s, err := c.Queries.Setting("sidebar_design")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(s.Value, "formflow-"+engine.MissionUUID) {
			t.Error("a flow is gone from the menu")
		}
		return strings.Contains(s.Value, id)
	}
	addFolder(t, one, "custom_2")
	if !stored("custom_2") || strings.Contains(sidebar(t, c, 1), "custom_2") {
		t.Fatal("the folder is not in the database, or the second server knows it")
	}
	addFolder(t, two, "custom_3")
	if stored("custom_2") || !stored("custom_3") {
		t.Error("the first change survived the second, or neither did")
	}
	// A deploy writes the menu that its server has in memory.
	deploy(t, c, 0, slowFlow(0))
	if !stored("custom_2") || stored("custom_3") || !stored("formflow-"+slowFlow(0).UUID) {
		t.Error("the deploy did not write its own server's menu")
	}
	// And the page's poll shows it.
	signIn(t, one.Client, false)
	a := must(t)(one.Post(t.Context(), "/api/l-side/load/", map[string]any{"draw_$": 1}))
	if expect(t, a, 200, "Read"); !strings.Contains(string(a.Result), "custom_2") {
		t.Errorf("the poll has %s", a.Result)
	}
	one.call("/api/sidebar-design/update/", map[string]any{"format": "[]"}, 404, "Parameter error:Cannot delete preset items.")
	one.call("/api/sidebar-design/update/", map[string]any{"format": "{"}, 500, "")
}

// status creates a ticket in the flow that writes the parameter, and returns what it
// wrote.
func status(t *testing.T, c *Cluster, p *apiClient) string {
	t.Helper()
	n, ok := p.create("stamp", 200, "Create").Number()
	if !ok {
		t.Fatal("no ticket")
	}
	observe.Eventually(t, "ticket at its form", func() bool { return open(rows(t, c, engine.StampUUID, n)) == 1 })
	r := rows(t, c, engine.StampUUID, n)
	return r[len(r)-1].Status
}

func TestParametersAreStaleUntilARestart(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newAPI(t, c, 0), newAPI(t, c, 1)
	all, err := c.Queries.Parameters()
	if err != nil || len(all) != 1 {
		t.Fatalf("parameters %+v, %v", all, err)
	}
	const base = "/flowmanage/api/omparameter/"
	set := map[string]any{"id": all[0].ID, "name": engine.StampParameter, "value": "new"}
	one.call(base+"update/", set, 200, "Update successfully.")
	if a, b := status(t, c, one), status(t, c, two); a != "new" || b != engine.StampValue {
		t.Errorf("the servers wrote %q and %q; want the second's to be stale", a, b)
	}
	if err := c.Restart(1); err != nil {
		t.Fatal(err)
	}
	two = newAPI(t, c, 1)
	if got := status(t, c, two); got != "new" {
		t.Errorf("after a restart the second wrote %q", got)
	}
	two.call(base+"delete/", map[string]any{"id": []int{all[0].ID}}, 200, "Delete successfully.")
	if a, b := status(t, c, one), status(t, c, two); a != "new" || b != "" {
		t.Errorf("deleted on the second, the servers wrote %q and %q", a, b)
	}
	two.call(base+"create/", map[string]any{"name": engine.StampParameter, "value": "again"}, 200, "Created successfully.")
	two.call(base+"create/", map[string]any{"name": engine.StampParameter, "value": "twice"}, 404, "Duplicate name.")
	two.call(base+"create/", nil, 404, "Missing necessary parameters")
	var list struct {
		Data []struct{ Name, Value string } `json:"data"`
	}
	a := must(t)(one.Call(t.Context(), one.tok, base+"list/", map[string]any{"datatable": true}))
	if err := json.Unmarshal(a.Body, &list); err != nil || len(list.Data) != 1 || list.Data[0].Value != "again" {
		t.Errorf("list %s, %v; want what the database has", a.Body, err)
	}
}

func TestSystemSettings(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newAPI(t, c, 0), newAPI(t, c, 1)
	type shown struct {
		Level string      `json:"LOG_LEVEL"`
		PI    string      `json:"PI_agree"`
		LDAP  engine.LDAP `json:"ldap_config"`
	}
	load := func(p *apiClient) (v shown) {
		t.Helper()
		a := p.call("/api/system-config/load/", nil, 200, "Read successfully.")
		if err := json.Unmarshal(a.Result, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	change := map[string]any{"LOG_LEVEL": "DEBUG", "PI_agree": "agreed", "ldap_bind_user_password": "ldap-secret"}
	one.call("/api/system-config/update/", change, 200, "Update successfully.")
	if a, b := load(one), load(two); a.Level != "DEBUG" || b.Level != "ERROR" || a.PI != "agreed" || b.PI != "agreed" {
		t.Errorf("the servers show %+v and %+v; want the log level to differ and the text not", a, b)
	}
	// The level is in the first's settings.py, which no other server sees.
	for i := range 2 {
		if err := c.Restart(i); err != nil {
			t.Fatal(err)
		}
	}
	one, two = newAPI(t, c, 0), newAPI(t, c, 1)
	if a, b := load(one), load(two); a.Level != "DEBUG" || b.Level != "ERROR" {
		t.Errorf("after restarts: %+v and %+v", a, b)
	}
	one.call("/api/system-config/update/", map[string]any{"LOG_LEVEL": "LOUD"}, 500, "unknown level")
	// Another LDAP server, and the second process is busy with it for ever.
	change["ldap_client_server"] = "ldap.example"
	two.call("/api/system-config/update/", change, 200, "Update successfully.")
	two.call("/api/system-config/update/", change, 403, "LDAP update is in progress.")
	if v := load(two); v.LDAP.Server != "ldap.example" {
		t.Errorf("LDAP settings %+v", v.LDAP)
	}
	if err := c.Restart(1); err != nil {
		t.Fatal(err)
	}
	newAPI(t, c, 1).call("/api/system-config/update/", change, 200, "Update successfully.")
}

func TestServiceRequest(t *testing.T) {
	c := newCluster(t, 1, 0)
	p := newAPI(t, c, 0)
	ask := func(fields map[string]string, status int, message string) {
		t.Helper()
		send := map[string]string{"security": p.tok, "omflow_restapi": "true"}
		for k, v := range fields {
			send[k] = v
		}
		a := must(t)(p.PostFiles(t.Context(), "/rest/service/api/request/", send, client.File{Name: "a.txt", Data: []byte("a")}))
		expect(t, a, status, message)
		if string(a.Result) != "null" {
			t.Errorf("%v: result %s; OMFLOW gives none", fields, a.Result)
		}
	}
	fields := map[string]string{
		"api_path": "mission", "service_id": engine.ServiceID, "formdata": `[{"id":"FORMITM_1","type":"h_title","value":"asked"}]`,
	}
	ask(fields, 200, "Create data successfully.")
	observe.Eventually(t, "ticket at its form", func() bool { return open(rows(t, c, engine.MissionUUID, 1)) == 1 })
	if r := rows(t, c, engine.MissionUUID, 1); r[0].Title != "asked" || r[0].Level != "green" {
		t.Errorf("ticket %+v", r[0])
	}
	if f, err := c.Queries.TicketFiles(engine.MissionUUID, 1); err != nil || len(f) != 1 {
		t.Errorf("attachments %v, %v", f, err)
	}
	for name, tt := range map[string]struct {
		value   string
		status  int
		message string
	}{
		"service_id": {"none", 500, "Check that this service is not available."},
		"api_path":   {"nothing", 404, "'NoneType' object has no attribute 'is_active'"},
		"formdata":   {"", 404, "Missing required fields."},
	} {
		bad := map[string]string{"api_path": fields["api_path"], "service_id": fields["service_id"], "formdata": fields["formdata"]}
		bad[name] = tt.value
		ask(bad, tt.status, tt.message)
	}
	// JSON is not read.
	p.call("/service/api/request/", map[string]any{
		"api_path": "mission", "service_id": engine.ServiceID, "formdata": fields["formdata"],
	}, 404, "Missing required fields.")
}

// Turned off on one server and on again on another, a schedule has two jobs there.
func TestScheduleToggledOnTwoServersFiresTwice(t *testing.T) {
	c := newCluster(t, 2, 2)
	one := newAPI(t, c, 0)
	one.call("/flowmanage/api/flow-active/schedule/", map[string]any{
		"action": "create", "flow_uuid": engine.MissionUUID, "cycle": "Secondly", "every": 1, "formdata": client.Form("toggled"),
	}, 200, "The setting is successful.")
	list, err := c.Queries.Schedules()
	if err != nil || len(list) != 1 {
		t.Fatalf("schedules %v, %v", list, err)
	}
	toggle := func(i int) {
		t.Helper()
		newAPI(t, c, i).call("/flowmanage/api/schedule/active/", map[string]any{"schedule_id": list[0].ID}, 200, "The setting is successful.")
	}
	toggle(1) // off: the second server has no job of it
	toggle(0) // on: the first has one more
	observe.Eventually(t, "two tickets in one second", func() bool {
		page, err := c.Queries.Tickets(database.TicketQuery{Flow: engine.MissionUUID, TitlePrefix: "toggled", Open: true, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		seconds := map[int64]map[int]bool{}
		for _, r := range page.Rows {
			s := r.Ticket.CreateTime.Unix()
			if seconds[s] == nil {
				seconds[s] = map[int]bool{}
			}
			if seconds[s][r.Ticket.DataNo] = true; len(seconds[s]) == 2 {
				return true
			}
		}
		return false
	})
	// Deleted on the first, neither job is left: once more where one was just at work and
	// has brought its row back.
	observe.Eventually(t, "the schedule is gone", func() bool {
		// By a client without connections, which the server may be about to close.
		newAPI(t, c, 0).call("/flowmanage/api/flow-active/schedule/", map[string]any{"action": "delete", "schedule_id": []int{list[0].ID}}, 200, "")
		s, err := c.Queries.Schedule(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID == 0
	})
}
