package omflow

import (
	"strings"
	"testing"
)

const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data; boundary=x"
)

func TestClassifyByURL(t *testing.T) {
	table := DefaultTable()
	for _, tt := range []struct {
		method, path string
		lane         Lane
		class        Class
	}{
		// Pages and polls.
		{"GET", "/", Session, Read},
		{"HEAD", "/accounts/login/", Session, Read},
		{"GET", "/flowmanage/page/flowManagePage/1/", Session, Read},
		{"GET", "/jsi18n/", Session, Read},
		{"POST", "/api/workinfo/load/", Session, Read},
		{"POST", "/api/l-side/load/", Session, Read},
		{"POST", "/my-mission/api/history-mission/list/", Session, Read},
		{"POST", "/dashboard/api/update/", Session, Read},
		{"POST", "/dashboard/api/save/", Session, Guarded},
		{"POST", "/service/api/subqueryH/", Session, Read},
		{"POST", "/service/api/subqueryh/", Session, Create}, // case matters to Django
		{"POST", "/service/api/exportall/", Session, Read},
		{"POST", "/announcement/api/send-user/search/", Session, Read},

		// Reads that write.
		{"POST", "/announcement/api/message-history/load/", Session, Guarded},
		{"POST", "/flowmanage/api/omdata-file/list/", File, Guarded},
		{"GET", "/accounts/logout/", Session, Guarded},

		// Login.
		{"POST", "/accounts/api/multiple-login/check/", Session, Guarded},
		{"POST", "/accounts/api/login/", Session, Guarded},
		{"POST", "/accounts/api/register/", Session, Create},
		{"POST", "/accounts/api/user/add/", Session, Create},
		{"POST", "/accounts/api/security/get/", Flow, Read},
		{"GET", "/accounts/api/agree/get/", Session, Read},

		// Tickets: a person's are clicks, a program's are flows.
		{"POST", "/flowmanage/api/omdata/edit/None/", Session, Create},
		{"POST", "/rest/flowmanage/api/omdata/edit/mission/", Flow, Create},
		{"POST", "/rest/flowmanage/api/omdata/edit/mission", Flow, Create},
		{"GET", "/rest/flowmanage/api/omdata/edit/mission/", Flow, Create}, // Django runs the same view
		{"POST", "/rest/flowmanage/api/omdata/edit/list/", Flow, Create},   // a flow may be called so
		{"POST", "/rest/flowmanage/api/omdata/list/mission/", Flow, Read},
		{"POST", "/rest/flowmanage/api/omdata/list/create/", Flow, Read},
		{"POST", "/rest/flowmanage/api/omdata/list/x/create/", Flow, Create}, // no such URL
		{"POST", "/rest/flowmanage/api/omdata-data-id/get/mission/", Flow, Read},
		{"POST", "/rest/flowmanage/api/omdata-data-id/get/edit/", Flow, Read},
		{"POST", "/rest/flowmanage/api/omdata-worklog/create/", Flow, Create},
		{"POST", "/service/api/request/", Session, Create},
		{"POST", "/rest/service/api/request/", Flow, Create},
		{"GET", "/rest/x", Flow, Read},
		{"POST", "/rest/x", Flow, Create},
		{"GET", "/rest/", Session, Read},
		{"GET", "/rest", Session, Read},
		{"POST", "/restful/x", Session, Create},
		{"GET", "/rest/static/a.css", Flow, Read},

		// Files.
		{"GET", "/api/history-files/download/omformflow/a/1/2/photo.png", File, Read},
		{"POST", "/rest/flowmanage/api/omdata-file/upload/", File, Guarded},
		{"POST", "/api/files/delete/", File, Guarded},
		{"POST", "/api/files/list/", Session, Read}, // lists rows, not the disk

		// Control.
		{"POST", "/flowmanage/api/flow-workspace-app/deploy/", Control, Create},
		{"POST", "/rest/flowmanage/api/flow-workspace-app/deploy", Control, Create},
		{"POST", "/flowmanage/api/flow-workspace-app/edit/", Control, Create},
		{"POST", "/flowmanage/api/flow-workspace-app/list/", Session, Read},
		{"POST", "/flowmanage/api/flow-workspace-app-language/import/", Control, Create},
		{"POST", "/flowmanage/api/flow-active/active/", Control, Guarded},
		{"POST", "/flowmanage/api/flow-active/update/", Control, Create},
		{"POST", "/flowmanage/api/flow-active/schedule/", Control, Create},
		{"POST", "/flowmanage/api/flow-active/schedule/list/", Session, Read},
		{"POST", "/flowmanage/api/flow-active-app/redeploy/", Control, Create},
		{"POST", "/flowmanage/api/flow-active-app/export/", Session, Read},
		{"POST", "/flowmanage/api/flow-active-app/brand-new/", Control, Create},
		{"POST", "/flowmanage/api/flow-active-display-field/get/", Session, Read},
		{"POST", "/flowmanage/api/schedule/active/", Control, Create},
		{"POST", "/flowmanage/api/omparameter/update/", Control, Guarded},
		{"POST", "/flowmanage/api/omparameter/list/", Session, Read},
		{"POST", "/api/system-config/update/", Control, Guarded},
		{"POST", "/api/system-config/load/", Session, Read},
		{"POST", "/rest/service/api/save/", Control, Create},

		// Words.
		{"POST", "/flowmanage/api/flow-SLA/update/", Session, Guarded},
		{"POST", "/flowmanage/api/flow-SLA/delete/", Session, Guarded},
		{"POST", "/flowmanage/api/flow-workspace/copy/", Session, Create},
		{"POST", "/x/api/new/edit/list/", Session, Create},
		{"GET", "/x/api/new/create/", Session, Create},

		// Static files are read with GET.
		{"GET", "/static/css/app.css", Static, Read},
		{"HEAD", "/staticfiles/x", Static, Read},
		{"POST", "/static/css/app.css", Session, Create},
		{"GET", "/favicon.ico", Static, Read},
		{"GET", "/page/.css", Session, Read},
		{"GET", "/x.css/page", Session, Read},
		{"GET", "/page/report.pdf", Session, Read},

		// Unknown.
		{"GET", "/nowhere", Session, Read},
		{"OPTIONS", "*", Session, Create},
		{"POST", "/nowhere", Session, Create},
		{"PUT", "/nowhere", Session, Create},
		{"PATCH", "/flowmanage/api/omdata/list/x/", Session, Create},
		{"get", "/", Session, Create},
		{"", "", Session, Create},
	} {
		got := table.Classify(&Request{Method: tt.method, Path: tt.path})
		if got.Lane != tt.lane || got.Class != tt.class {
			t.Errorf("%s %s: %s, %s, want %s, %s", tt.method, tt.path, got.Lane, got.Class, tt.lane, tt.class)
		}
	}
}

func TestClassifyByBody(t *testing.T) {
	const (
		edit     = "/flowmanage/api/omdata/edit/mission/"
		restEdit = "/rest" + edit
		noFile   = "--x\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nupdate\r\n--x--\r\n"
		aFile    = "--x\r\nContent-Disposition: form-data; name=\"files\"; FileName=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n"
	)
	long := `{"action":"update","x":"` + strings.Repeat("a", MaxBodyLook) + `"}`
	table := DefaultTable()
	for _, tt := range []struct {
		name, path, contentType, body string
		partial                       bool
		want                          Result
	}{
		{"create", restEdit, jsonType, `{"action":"create","formdata":[]}`, false, Result{Lane: Flow, Class: Create, Work: true}},
		{"update", restEdit, jsonType, `{"security":"x","action":"update","data_id":2}`, false, Result{Lane: Flow, Class: Guarded, Work: true}},
		{"delete", edit, jsonType, ` {"data_no":["99"] , "action" : "delete" } `, false, Result{Lane: Session, Class: Guarded}},
		{"content type does not matter", edit, formType, `{"action":"update"}`, false, Result{Lane: Session, Class: Guarded, Work: true}},
		{"escaped key", edit, jsonType, `{"\u0061ction":"upd\u0061te"}`, false, Result{Lane: Session, Class: Guarded, Work: true}},
		{"nested action is another one", edit, jsonType, `{"formdata":{"action":"update"},"x":[{"action":"delete"}]}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"last key wins in Python", edit, jsonType, `{"action":"update","action":"create"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"first key wins elsewhere", edit, jsonType, `{"action":"create","action":"update"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"hidden second key", edit, jsonType, `{"action":"update","\u0061ction":"create"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"twice the same", edit, jsonType, `{"action":"update","action":"update"}`, false, Result{Lane: Session, Class: Guarded, Work: true}},
		{"no action", edit, jsonType, `{}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"not a string", edit, jsonType, `{"action":["update"]}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"not an object", edit, jsonType, `[{"action":"update"}]`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"other action", edit, jsonType, `{"action":"updates"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"empty", edit, jsonType, ``, false, Result{Lane: Session, Class: Create, Work: true}},
		{"part of a body", edit, jsonType, `{"action":"update","x":`, true, Result{Lane: Session, Class: Create, Work: true}},
		{"looks whole but more follows", edit, jsonType, `{"action":"update"}`, true, Result{Lane: Session, Class: Create, Work: true}},
		{"broken end makes it a form", edit, formType, `{"action":"update"}&action=create`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"byte order mark makes it a form", edit, jsonType, "\ufeff" + `{"action":"update"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"not UTF-8 makes it a form", edit, jsonType, `{"action":"update","x":"` + "\xff" + `"}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"a number that Python refuses", edit, jsonType, `{"action":"update","x":` + strings.Repeat("9", 5000) + `}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"deep", edit, jsonType, `{"action":"update","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, false, Result{Lane: Session, Class: Create, Work: true}},
		{"longer than the look", edit, jsonType, long, false, Result{Lane: Session, Class: Create, Work: true}},
		{"form", edit, formType, "action=update&data_id=2", false, Result{Lane: Session, Class: Create, Work: true}},
		{"multipart without files", edit, multipartType, noFile, false, Result{Lane: Session, Class: Create, Work: true}},
		{"multipart with a file", edit, multipartType, aFile, false, Result{Lane: File, Class: Create, Work: true}},
		{"multipart with a file under rest", restEdit, " Multipart/Form-Data;boundary=x", aFile, false, Result{Lane: File, Class: Create, Work: true}},
		{"part of a multipart", edit, multipartType, noFile, true, Result{Lane: File, Class: Create, Work: true}},
		{"service request with a file", "/service/api/request/", multipartType, aFile, false, Result{Lane: File, Class: Create, Work: true}},
		{"message with a file", "/announcement/api/messages/create/", multipartType, aFile, false, Result{Lane: File, Class: Create}},
		{"multipart elsewhere", "/flowmanage/api/flow-SLA/create/", multipartType, aFile, false, Result{Lane: Session, Class: Create}},
		{"multipart control", "/flowmanage/api/flow-workspace-app/import/", multipartType, aFile, false, Result{Lane: Control, Class: Create}},
		{"control edit", "/flowmanage/api/flow-workspace-app/edit/", jsonType, `{"action":"delete"}`, false, Result{Lane: Control, Class: Guarded}},
		{"relation", "/flowmanage/api/relation/edit/", jsonType, `{"action":"delete"}`, false, Result{Lane: Session, Class: Guarded}},
		{"odd path", edit + ";x", jsonType, `{"action":"delete"}`, false, Result{Lane: Session, Class: Create, Work: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{Method: "POST", Path: tt.path, ContentType: tt.contentType, Body: []byte(tt.body), BodyComplete: !tt.partial}
			if got := table.Classify(&r); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNeedsBody(t *testing.T) {
	table := DefaultTable()
	for _, tt := range []struct {
		path, contentType string
		want              Result
	}{
		{"/rest/flowmanage/api/omdata/edit/x/", jsonType, Result{Lane: Flow, Class: Create, Work: true, NeedsBody: true}},
		{"/flowmanage/api/omdata/edit/x/", multipartType, Result{Lane: File, Class: Create, Work: true, NeedsBody: true}},
		{"/service/api/request/", multipartType, Result{Lane: File, Class: Create, Work: true, NeedsBody: true}},
		{"/service/api/request/", jsonType, Result{Lane: Session, Class: Create, Work: true}},
		{"/flowmanage/api/omdata/list/x/", jsonType, Result{Lane: Session, Class: Read}},
		{"/", multipartType, Result{Lane: Session, Class: Create}},
	} {
		r := Request{Method: "POST", Path: tt.path, ContentType: tt.contentType}
		if got := table.Classify(&r); got != tt.want {
			t.Errorf("%s %s: %+v, want %+v", tt.path, tt.contentType, got, tt.want)
		}
		r.BodyComplete = true // there is no body
		if table.Classify(&r).NeedsBody {
			t.Errorf("%s: still asks for a body when there is none", tt.path)
		}
	}
}

// TestDoubtfulPaths holds that no spelling of a write that some web server
// might resolve passes for something that may be repeated.
func TestDoubtfulPaths(t *testing.T) {
	table := DefaultTable()
	for _, tt := range []struct {
		path  string
		lane  Lane
		class Class
	}{
		{"/flowmanage/api/omdata/list/../edit/x/", Session, Create},
		{"/static/../flowmanage/api/flow-workspace-app/deploy/", Control, Create},
		{"/static/%2e%2e/flowmanage/api/flow-workspace-app/deploy/", Control, Create},
		{"/static/%2E./flowmanage/api/flow-workspace-app/deploy", Control, Create},
		{"/static/..%2fflowmanage%2Fapi/flow-workspace-app/deploy/", Control, Create},
		{"/static\\..\\flowmanage/api/flow-workspace-app/deploy/", Control, Create},
		{"//flowmanage/api/flow-workspace-app/deploy/", Control, Create},
		{"/flowmanage//api/./flow-workspace-app/deploy/", Control, Create},
		{"/flowmanage/api/flow-workspace-app;a=b/deploy;jsessionid=1/", Control, Create},
		{"/flowmanage/api/flow-workspace-app/deploy/%0a", Control, Create}, // "$" matches before a line feed
		{"/flowmanage/api/omdata-file/%6c%69%73%74/", File, Guarded},       // plain to Django
		{"/flowmanage/api/omdata-file//list/", File, Guarded},
		{"/%72est/flowmanage/api/omdata/edit/x/", Flow, Create},
		{"/../../rest/flowmanage/api/omdata/edit/x/", Flow, Create},
		{"/page/%252e%252e/", Session, Create},
		{"/page/%zz/", Session, Create},
		{"/page/%", Session, Create},
		{"/page/%ff", Session, Create},
		{"/page/%E5%B7%A5%E5%96%AE", Session, Read}, // a name in Chinese is no doubt
		{"/page/工單", Session, Read},
		{"/page/a b+c", Session, Read},
		{"/page/...", Session, Read},
	} {
		got := table.Classify(&Request{Method: "GET", Path: tt.path})
		if got.Lane != tt.lane || got.Class != tt.class {
			t.Errorf("%s: %s, %s, want %s, %s", tt.path, got.Lane, got.Class, tt.lane, tt.class)
		}
	}
}

// TestRestTwins holds for every known URL that the call under /rest/ has the
// same class, and the same lane where the lane is about the server.
func TestRestTwins(t *testing.T) {
	table := DefaultTable()
	for path, ru := range builtInTable.urls {
		if ru.class == Read && ru.action {
			t.Errorf("%s: a read whose action matters", path)
		}
		if p, doubt := decodePath(nil, path); string(p) != path || doubt != pathPlain {
			t.Errorf("%s is not as decodePath gives it: %s", path, p)
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			direct := table.Classify(&Request{Method: method, Path: path})
			rest := table.Classify(&Request{Method: method, Path: "/rest" + path})
			want := direct
			if want.Lane == Session {
				want.Lane = Flow
			}
			if rest != want {
				t.Errorf("%s /rest%s: %+v, want %+v", method, path, rest, want)
			}
		}
	}
}

func TestPlainTable(t *testing.T) {
	table := PlainTable()
	for method, class := range map[string]Class{
		"GET": Read, "HEAD": Read, "OPTIONS": Read, "TRACE": Read,
		"PUT": Guarded, "DELETE": Guarded,
		"POST": Create, "PATCH": Create, "LOCK": Create, "": Create,
	} {
		for _, path := range []string{"/", "/rest/x", "/static/a.css", "/flowmanage/api/omdata/edit/x/"} {
			want := Result{Lane: Session, Class: class}
			if got := table.Classify(&Request{Method: method, Path: path, ContentType: multipartType}); got != want {
				t.Errorf("%s %s: %+v, want %+v", method, path, got, want)
			}
		}
	}
	if err := table.Add(Static, "/assets/*"); err != nil {
		t.Fatal(err)
	}
	if got := table.Classify(&Request{Method: "GET", Path: "/assets/a.css"}); got.Lane != Static {
		t.Errorf("an added lane does not count: %+v", got)
	}
}

func FuzzClassify(f *testing.F) {
	for path := range builtInTable.urls {
		f.Add("POST", path, jsonType, []byte(`{"action":"update"}`), true)
	}
	f.Add("GET", "/static/%2e%2e/rest//x;a", multipartType, []byte("filename"), false)
	f.Add("POST", "/rest/flowmanage/api/omdata/edit/a%2fb", formType, []byte("action=create"), true)
	table := DefaultTable()
	own := DefaultTable()
	if err := own.Add(Control, "/own/*/x", "*.php"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, contentType string, body []byte, complete bool) {
		r := Request{Method: method, Path: path, ContentType: contentType, Body: body, BodyComplete: complete}
		own.Classify(&r)
		got := table.Classify(&r)
		if got.NeedsBody && (body != nil || complete) {
			t.Fatalf("asks again for a body: %+v", got)
		}
		blind := table.Classify(&Request{Method: method, Path: path, ContentType: contentType})
		if blind.Class < got.Class {
			t.Fatalf("the look at the body made %s of %s", got.Class, blind.Class)
		}
		if !blind.NeedsBody && blind != got {
			t.Fatalf("the body mattered unasked: %+v, %+v", blind, got)
		}
		if strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.Contains(path, "%") {
			r.Path = path + "/"
			if slash := table.Classify(&r); slash != got {
				t.Fatalf("%q: %+v, with a slash %+v", path, got, slash)
			}
		}
		if strings.HasPrefix(path, "/") && !strings.HasPrefix(strings.ToLower(path), "/rest") && !strings.Contains(path, "..") {
			r.Path = "/rest" + path
			rest := table.Classify(&r)
			if rest.Class != got.Class {
				t.Fatalf("%q: %s, under /rest %s", path, got.Class, rest.Class)
			}
			if (got.Lane == Control || got.Lane == File) && rest.Lane != got.Lane {
				t.Fatalf("%q: lane %s, under /rest %s", path, got.Lane, rest.Lane)
			}
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	fields := strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"Printer on floor 3 is out of paper"},`, 12)
	fields = `"formdata":[` + strings.TrimSuffix(fields, ",") + `]`
	const head = `{"security":"0b7f7f0e-5a0e-4f0c-9f55-2b6c0c1f7c11","omflow_restapi":true,`
	table := DefaultTable()
	for _, bb := range []struct {
		name string
		r    Request
	}{
		{"page", Request{Method: "GET", Path: "/flowmanage/page/flow-app/"}},
		{"poll", Request{Method: "POST", Path: "/api/workinfo/load/"}},
		{"create", Request{Path: "/rest/flowmanage/api/omdata/edit/mission/", Body: []byte(head + `"action":"create",` + fields + `}`)}},
		{"create-last", Request{Path: "/rest/flowmanage/api/omdata/edit/mission/", Body: []byte(head + fields + `,"action":"create"}`)}},
		{"update", Request{Path: "/rest/flowmanage/api/omdata/edit/mission/", Body: []byte(head + `"action":"update",` + fields + `}`)}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := bb.r
			if r.Body != nil {
				r.Method, r.ContentType, r.BodyComplete = "POST", jsonType, true
			}
			b.ReportAllocs()
			for b.Loop() {
				table.Classify(&r)
			}
		})
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	table := DefaultTable()
	if err := table.Add(Control, "/own/*"); err != nil {
		t.Fatal(err)
	}
	r := Request{
		Method: "POST", Path: "/rest/flowmanage/api//omdata/edit/mission/", ContentType: jsonType,
		Body: []byte(`{"action":"update","x":[{"y":1.5e3}]}`), BodyComplete: true,
	}
	if n := testing.AllocsPerRun(100, func() { table.Classify(&r) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
