package omflow

import "testing"

// Which requests may reach the flow queue, as the source of OMFLOW 1.1.0.0 has it: the
// flow engine is entered by an edit of a ticket, by a service request, and by new values
// for a ticket that stopped with an error; schedules enter it later.
func TestWork(t *testing.T) {
	table := DefaultTable()
	for _, tt := range []struct {
		method, path string
		want         bool
	}{
		{"POST", "/flowmanage/api/omdata/edit/mission/", true},
		{"GET", "/flowmanage/api/omdata/edit/mission/", true}, // Django runs the same view
		{"PUT", "/flowmanage/api/omdata/edit/mission/", true},
		{"POST", "/flowmanage/api/omdata/edit/list/", true},
		{"POST", "/service/api/request/", true},
		{"POST", "/flowmanage/api/flow-value/update/", true},
		{"POST", "/flowmanage/api/flow-active/schedule/", true},
		{"POST", "/flowmanage/api/schedule/active/", true},
		{"POST", "/flowmanage/api/node-policy/receive/", true},
		{"POST", "/flowmanage/api/brand-new/create/", true},
		{"POST", "/flowmanage/api/brand-new/", true},
		{"POST", "/flowmanage/brand-new/", true},
		{"POST", "/flowmanage/api/flow-active-app/brand-new/", true},
		{"PATCH", "/flowmanage/api/omdata/list/mission/", true},

		{"POST", "/flowmanage/api/omdata/list/mission/", false},
		{"POST", "/flowmanage/api/omdata-data-id/get/mission/", false},
		{"GET", "/flowmanage/page/flowManagePage/1/", false},
		{"POST", "/flowmanage/api/brand-new/list/", false},
		{"POST", "/flowmanage/api/flow-workspace/create/", false},
		{"POST", "/flowmanage/api/flow-SLA/create/", false},
		{"POST", "/flowmanage/api/omdata-worklog/create/", false},
		{"POST", "/flowmanage/api/relation/edit/", false},
		{"POST", "/flowmanage/api/flow-workspace-app/deploy/", false},
		{"POST", "/flowmanage/api/omdata-file/upload/", false},
		{"POST", "/accounts/api/security/get/", false},
		{"POST", "/accounts/api/login/", false},
		{"POST", "/api/workinfo/load/", false},
		{"POST", "/announcement/api/messages/create/", false},
		{"POST", "/brand-new/", false},
		{"GET", "/", false},
	} {
		for _, path := range []string{tt.path, "/rest" + tt.path} {
			if got := table.Classify(&Request{Method: tt.method, Path: path}); got.Work != tt.want {
				t.Errorf("%s %s: work %v, want %v", tt.method, path, got.Work, tt.want)
			}
		}
		if PlainTable().Classify(&Request{Method: tt.method, Path: tt.path}).Work {
			t.Errorf("%s is work for a server that is not OMFLOW", tt.path)
		}
	}
}

func TestWorkOfBodiesAndPaths(t *testing.T) {
	const edit = "/rest/flowmanage/api/omdata/edit/mission/"
	table := DefaultTable()
	for _, tt := range []struct {
		path, contentType, body string
		partial, want           bool
	}{
		{edit, jsonType, `{"action":"create"}`, false, true},
		{edit, jsonType, `{"action":"update"}`, false, true},
		{edit, jsonType, `{"action":"delete"}`, false, false},
		{edit, jsonType, `{"action":"delete"}`, true, true},
		{edit, jsonType, `{"action":"delete","action":"update"}`, false, true},
		{edit, jsonType, `{"action":"update","action":"delete"}`, false, true},
		{edit, formType, `action=delete`, false, true},
		{edit, multipartType, `{"action":"delete"}`, false, true},
		{"//flowmanage/api/omdata/edit/mission/", jsonType, `{"action":"create"}`, false, true},
		{"/x/../flowmanage/api/omdata/edit/mission/", jsonType, `{"action":"create"}`, false, true},
		{"/flowmanage/api%2Fomdata%252Fedit/mission/", jsonType, `{"action":"delete"}`, false, true},
		{"/a%00", jsonType, ``, false, true},
	} {
		r := &Request{Method: "POST", Path: tt.path, ContentType: tt.contentType, Body: []byte(tt.body), BodyComplete: !tt.partial}
		if got := table.Classify(r); got.Work != tt.want {
			t.Errorf("%s %s %q: work %v, want %v", tt.path, tt.contentType, tt.body, got.Work, tt.want)
		}
	}
}
