package omflow

import (
	"encoding/json"
	"testing"
)

const (
	restEdit    = "/rest/flowmanage/api/omdata/edit/mission/"
	browserEdit = "/flowmanage/api/omdata/edit/None/"
	aToken      = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
	aFlow       = "0f8fad5bd9cb469fa16570867728950e"
	lostAnswer  = `{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": null}`
)

func TestSilentLoss(t *testing.T) {
	const (
		create  = `{"action":"create"}`
		update  = `{"action":"update"}`
		updated = `{"status":200,"message":"更新成功。","result":null}`
	)
	for _, tt := range []struct {
		name, path, contentType, body, answer string
		status                                int
		want                                  bool
	}{
		{"rest", restEdit, jsonType, create, lostAnswer, 200, true},
		{"rest, no slash", restEdit[:len(restEdit)-1], jsonType, create, lostAnswer, 200, true},
		{"browser", browserEdit, jsonType, create, lostAnswer, 200, true},
		{"a form", browserEdit, multipartType, "--x\r\n", lostAnswer, 200, true},
		{"English", restEdit, formType, "action=create", `{"status":200,"message":"Create data successfully.","result":null}`, 200, true},
		{"Japanese", restEdit, formType, "action=create", `{"status":200,"message":"作成しました。","result":null}`, 200, true},
		{"Simplified Chinese", restEdit, formType, "action=create", `{"status":200,"message":"开单成功。","result":null}`, 200, true},
		{"other words, told by the request", restEdit, jsonType, create, `{"status":200,"message":"ok","result":null}`, 200, true},
		{"the last action counts", restEdit, jsonType, `{"action":"update","action":"create"}`, `{"status":200,"message":"ok","result":null}`, 200, true},

		{"a number", restEdit, jsonType, create, `{"status":200,"message":"開單成功。","result":1}`, 200, false},
		{"an empty text", restEdit, jsonType, create, `{"status":200,"message":"開單成功。","result":""}`, 200, false},
		{"no result", restEdit, jsonType, create, `{"status":200,"message":"開單成功。"}`, 200, false},
		{"refused", restEdit, jsonType, create, `{"status":404,"message":"該流程目前為停用狀態。","result":null}`, 200, false},
		{"an error page", restEdit, jsonType, create, lostAnswer, 500, false},
		{"broken off", restEdit, jsonType, create, lostAnswer[:60], 200, false},
		{"more after it", restEdit, jsonType, create, lostAnswer + "x", 200, false},
		{"an update", restEdit, jsonType, update, updated, 200, false},
		{"not clear what", restEdit, formType, "action=update", updated, 200, false},
		{"broken JSON", restEdit, jsonType, create + "x", updated, 200, false},
		{"a service request", "/service/api/request/", multipartType, "", lostAnswer, 200, false},
		{"another create", "/rest/flowmanage/api/omdata-worklog/create/", jsonType, create, lostAnswer, 200, false},
	} {
		r := question("POST", tt.path, tt.contentType, tt.body)
		if got := builtInTable.SilentLoss(r, tt.status, []byte(tt.answer)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	r := &Request{Method: "POST", Path: restEdit, Body: []byte(create)}
	if builtInTable.SilentLoss(r, 200, []byte(updated)) {
		t.Error("a body that goes on is taken for a create")
	}
	r.BodyComplete = true
	if n := testing.AllocsPerRun(100, func() { builtInTable.SilentLoss(r, 200, []byte(lostAnswer)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheckLoss(t *testing.T) {
	byName := `{"action":"create","flow_uuid":"` + aFlow + `"}`
	for _, tt := range []struct {
		path, token, body  string
		method, url, check string // "" for none
	}{
		{restEdit, aToken, "{}", "POST", "/rest/flowmanage/api/omdata-data-id/get/mission/", `{"security":"` + aToken + `","omflow_restapi":true,"data_no":1}`},
		{restEdit[:len(restEdit)-1], aToken, "", "POST", "/rest/flowmanage/api/omdata-data-id/get/mission/", `{"security":"` + aToken + `","omflow_restapi":true,"data_no":1}`},
		{"/rest/flowmanage/api/omdata/edit/%E4%BB%BB", aToken, "", "POST", "/rest/flowmanage/api/omdata-data-id/get/%E4%BB%BB/", `{"security":"` + aToken + `","omflow_restapi":true,"data_no":1}`},
		{"/flowmanage/api/omdata/edit/mission/", "", "", "GET", "/flowmanage/api/omdata-data-id/get/mission/", `{"data_no":1}`},
		{browserEdit, "", byName, "GET", "/flowmanage/api/omdata/list/None/", `{"omflow_restapi":true,"flow_uuid":"` + aFlow + `","search_columns":["id"],"search_conditions":[],"order_columns":["id"],"start":0,"limit":1}`},
		{"/rest" + browserEdit, aToken, byName, "POST", "/rest/flowmanage/api/omdata/list/None/", `{"security":"` + aToken + `","omflow_restapi":true,"flow_uuid":"` + aFlow + `","search_columns":["id"],"search_conditions":[],"order_columns":["id"],"start":0,"limit":1}`},

		{path: restEdit, token: ""},
		{path: restEdit, token: `x","action":"create","aaaaaaaaaaaaaaa`},
		{path: "/rest/flowmanage/api//omdata/edit/mission/", token: aToken},
		{path: "/rest/flowmanage/api/omdata/edit/../", token: aToken},
		{path: "/rest/flowmanage/api/omdata/edit/a%2f..%2fb/", token: aToken},
		{path: "/rest/flowmanage/%61pi/omdata/edit/mission/", token: aToken},
		{path: "/rest/flowmanage/api/omdata/edit/a/b/", token: aToken},
		{path: "/rest/flowmanage/api/omdata/edit/", token: aToken},
		{path: "/service/api/request/"},
		{path: browserEdit, body: `{"action":"create"}`},
		{path: browserEdit, body: `{"flow_uuid":"` + aFlow + `","app_name":"a","flow_name":"b"}`},
		{path: browserEdit, body: `{"flow_uuid":"` + aFlow[1:] + `\""}`},
		{path: browserEdit, body: byName + "x"},
		{path: browserEdit, body: "flow_uuid=" + aFlow},
	} {
		check, ok := builtInTable.CheckLoss(question("POST", tt.path, "", tt.body), tt.token)
		if ok != (tt.url != "") || check.Method != tt.method || check.Path != tt.url || string(check.Body) != tt.check {
			t.Errorf("%s %s: %v, %+v, %s", tt.path, tt.body, ok, check, check.Body)
		}
		if ok && !json.Valid(check.Body) {
			t.Errorf("%s: %s is not JSON", tt.path, check.Body)
		}
		// The check is a read, by the package's own rules.
		if res := builtInTable.Classify(question(check.Method, check.Path, check.ContentType, string(check.Body))); ok && res.Class != Read {
			t.Errorf("%s %s is a %v", check.Method, check.Path, res.Class)
		}
	}
	r := question("POST", browserEdit, jsonType, byName)
	r.BodyComplete = false
	if _, ok := builtInTable.CheckLoss(r, ""); ok {
		t.Error("a flow is taken from half a body")
	}
}

func TestLost(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   bool
	}{
		{200, `{"status": 500, "message": "'bool' object has no attribute 'objects'", "result": null}`, true},
		{200, `{"status": 404, "message": "'bool' object has no attribute 'objects'", "result": null}`, true},
		{200, `{"status": 200, "message": "查詢成功。", "result": []}`, false}, // a flow with a validation flow
		{200, `{"status": 200, "message": "'bool' object has no attribute 'objects'", "result": []}`, false},
		{200, `{"status": 404, "message": "查詢失敗。", "result": null}`, false},
		{200, `{"status": 403, "message": "您沒有權限進行此操作。", "result": null}`, false},
		{200, `{"status": 500, "message": "connection to server failed", "result": null}`, false},
		{500, `{"status": 500, "message": "'bool' object has no attribute 'objects'", "result": null}`, false},
		{302, ``, false},
	} {
		if got := builtInTable.Lost(tt.status, []byte(tt.body)); got != tt.want {
			t.Errorf("%d %s: %v", tt.status, tt.body, got)
		}
	}
}

// FuzzCheckLoss holds that what a stranger writes adds nothing to the check.
func FuzzCheckLoss(f *testing.F) {
	f.Add(restEdit, aToken, []byte(`{}`))
	f.Add(browserEdit, "", []byte(`{"flow_uuid":"`+aFlow+`"}`))
	f.Add("/rest"+browserEdit, aToken, []byte(`{"flow_uuid":"0f8fad5bd9cb469fa16570867728\u0030"}`))
	f.Fuzz(func(t *testing.T, path, token string, body []byte) {
		r := question("POST", path, "", string(body))
		builtInTable.SilentLoss(r, 200, body)
		builtInTable.Lost(200, body)
		check, ok := builtInTable.CheckLoss(r, token)
		if !ok {
			return
		}
		var got map[string]any
		if err := json.Unmarshal(check.Body, &got); err != nil {
			t.Fatalf("%q: %v", check.Body, err)
		}
		for key := range got {
			switch key {
			case "security", "omflow_restapi", "data_no", "flow_uuid", "search_columns", "search_conditions", "order_columns", "start", "limit":
			default:
				t.Fatalf("%q has %q", check.Body, key)
			}
		}
		if res := builtInTable.Classify(question(check.Method, check.Path, check.ContentType, string(check.Body))); res.Class != Read {
			t.Fatalf("%s %q is a %v", check.Method, check.Path, res.Class)
		}
	})
}
