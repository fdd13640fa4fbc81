package front

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/omflow/profile"
)

// Flows of tests: the first pauses, the second is called by one that pauses, the third
// has nothing to do with a pause.
const (
	napUUID    = "11111111111111111111111111111111"
	calledUUID = "22222222222222222222222222222222"
	plainUUID  = "33333333333333333333333333333333"
)

func someFlows() *flows.Directory {
	return flows.Build([]flows.Source{
		{UUID: napUUID, App: "客服", Name: "午睡", APIPath: "nap", Design: flows.Design{Sleeps: true, Calls: []flows.Call{{Flow: "called"}}}},
		{UUID: calledUUID, App: "客服", Name: "called", APIPath: "called"},
		{UUID: plainUUID, App: "客服", Name: "plain", APIPath: "mission"},
	}, false)
}

// withFlows has the second server be the lead, and the booster know these flows.
func withFlows(d *flows.Directory) func(*setup) {
	return func(set *setup) {
		lead(2)(set)
		set.front.Flows = func() *flows.Directory { return d }
	}
}

func TestTicketsThatMayPauseGoToTheLead(t *testing.T) {
	const edit, byUUID, service = "/flowmanage/api/omdata/edit/", "/flowmanage/api/omdata/edit/None/", "/service/api/request/"
	const jsonType, formType = "application/json", "application/x-www-form-urlencoded"
	multipart := func(fields ...string) (contentType, text string) { return form(t, fields...) }
	s := open(t, threeServers(t), withFlows(someFlows()))
	n := 0
	for _, tt := range []struct {
		name, path, contentType, body string
		toLead                        bool
	}{
		{"a create", "/rest" + edit + "nap/", jsonType, `{"security":"x","action":"create","formdata":[]}`, true},
		{"a push", "/rest" + edit + "nap", jsonType, `{"action":"update","data_id":7}`, true},
		{"a removal", "/rest" + edit + "nap/", jsonType, `{"action":"delete","data_no":["1"]}`, false},
		{"a create of one that is called", "/rest" + edit + "called/", jsonType, `{"action":"create"}`, false},
		{"a push of one that is called", "/rest" + edit + "called/", jsonType, `{"action":"update","data_id":7}`, true},
		{"an unclear edit of one that is called", "/rest" + edit + "called/", jsonType, `{"action":"create","action":"update"}`, true},
		{"a form's edit of one that is called", edit + "called/", formType, `action=update&data_id=7`, true},
		{"a form's create of one that is called", edit + "called/", formType, `action=create`, false},
		{"a create of another", "/rest" + edit + "mission/", jsonType, `{"action":"create"}`, false},
		{"a push of another", edit + "mission/", jsonType, `{"action":"update"}`, false},
		{"an unclear edit of another", edit + "mission/", formType, `%`, false},
		{"one that nobody knows", "/rest" + edit + "other/", jsonType, `{"action":"create"}`, false},
		{"the path counts more", edit + "mission/", jsonType, `{"action":"create","flow_uuid":"` + napUUID + `"}`, false},
		{"a read", "/rest/flowmanage/api/omdata/list/nap/", jsonType, `{}`, false},

		{"by UUID", byUUID, jsonType, `{"flow_uuid":"` + napUUID + `","action":"create"}`, true},
		{"by UUID, escaped", byUUID, jsonType, `{"flow\u005fuuid":"\u0031` + napUUID[1:] + `","action":"create"}`, true},
		{"by UUID, called", byUUID, jsonType, `{"flow_uuid":"` + calledUUID + `","action":"create"}`, false},
		{"by UUID, another", byUUID, jsonType, `{"flow_uuid":"` + plainUUID + `","action":"update"}`, false},
		{"by two UUIDs, of which the last counts", byUUID, jsonType, `{"flow_uuid":"` + plainUUID + `","flow_uuid":"` + napUUID + `"}`, true},
		{"by UUID in a form", byUUID, formType, "flow_uuid=" + napUUID + "&action=update", true},
		{"another by UUID in a form", byUUID, formType, "action=update&flow_uuid=" + plainUUID, false},
		{"by names", byUUID, jsonType, `{"app_name":"客服","flow_name":"\u5348\u7761","flow_uuid":"` + plainUUID + `","action":"create"}`, true},
		{"another by names", byUUID, jsonType, `{"app_name":"客服","flow_name":"plain","flow_uuid":"` + napUUID + `"}`, false},
		{"by no name", byUUID, jsonType, `{"action":"create"}`, true},
		{"by a body that is none", byUUID, jsonType, `{"flow_uuid":"` + plainUUID, true},
		{"by a UUID that is a number", byUUID, jsonType, `{"flow_uuid":7}`, true},

		{"a service request", service, jsonType, `{"api_path":"nap","service_id":"1"}`, true},
		{"a service request for one that is called", service, jsonType, `{"api_path":"called"}`, false},
		{"a service request for another", service, formType, `api_path=mission`, false},
		{"a ticket with an error that goes on", "/flowmanage/api/flow-value/update/", jsonType, `{"flow_uuid":"` + napUUID + `","data_id":1}`, true},
		{"another ticket with an error", "/flowmanage/api/flow-value/update/", jsonType, `{"flow_uuid":"` + plainUUID + `","data_id":1}`, false},
		{"a doubtful spelling", "/rest" + edit + "/mission/", jsonType, `{"action":"create"}`, true},
	} {
		toLead := 0
		const times = 6
		for range times {
			n++
			a := s.post(tt.path, tt.body, "Content-Type", tt.contentType)
			a.want(t, 200, "")
			if s.trace(n).Why == balance.WhyLead {
				toLead++
			}
		}
		if toLead != map[bool]int{true: times}[tt.toLead] {
			t.Errorf("%s: %d of %d went to the lead", tt.name, toLead, times)
		}
	}
	for _, tt := range []struct {
		fields []string
		toLead bool
	}{
		{[]string{"flow_uuid", napUUID, "action", "create"}, true}, {[]string{"flow_uuid", plainUUID, "action", "create"}, false},
		{[]string{"flow_uuid", plainUUID, "app_name", "客服", "flow_name", "午睡"}, true}, {[]string{"action", "create"}, true},
	} {
		contentType, text := multipart(tt.fields...)
		n++
		s.post(byUUID, text, "Content-Type", contentType).want(t, 200, "")
		if toLead := s.trace(n).Why == balance.WhyLead; toLead != tt.toLead {
			t.Errorf("a form with %v: to the lead %v", tt.fields, toLead)
		}
	}
}

func TestPausesLeaveSessionsWhereTheyAre(t *testing.T) {
	s := open(t, threeServers(t), withFlows(someFlows()))
	on3 := "omflow_server=" + s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s3"), Session: 1, Issued: time.Now(), Seen: time.Now()})
	a := s.post("/flowmanage/api/omdata/edit/nap/", `{"action":"create"}`, "Cookie", on3)
	a.want(t, 200, "s2")
	if c := a.cookie(t); c != nil {
		t.Errorf("the session was moved: %v", c)
	}
	s.post("/flowmanage/api/omdata/edit/mission/", `{"action":"create"}`, "Cookie", on3).want(t, 200, "s3")
}

// A request that waits must not keep in memory what was read of a body in a file: many
// may wait, and their bodies are kept there because all of them would be too much.
func TestLargeBodyIsNotKeptInMemory(t *testing.T) {
	s := open(t, threeServers(t), withFlows(someFlows()))
	body := `{"flow_uuid":"` + napUUID + `","action":"create","formdata":"` + strings.Repeat("x", 2<<20) + `"}`
	r := httptest.NewRequest("POST", "/flowmanage/api/omdata/edit/None/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var trace Trace
	x := passages.Get().(*passage)
	defer x.free()
	x.begin(s.front, httptest.NewRecorder(), r, Client{}, &trace)
	if !x.classify() || !x.pauses() {
		t.Fatalf("refused, or it does not go to the lead: %+v", trace)
	}
	if uuid := x.said.fields.UUID; string(uuid) != napUUID || cap(uuid) > 1000 {
		t.Errorf("%q is a part of %d bytes", uuid, cap(uuid))
	}
}

func TestNoPauses(t *testing.T) {
	nap := "/rest/flowmanage/api/omdata/edit/nap/"
	for name, with := range map[string]func(*setup){
		"nothing is known": lead(2),
		"nobody read them": withFlows(nil),
		"none pauses":      withFlows(flows.Build([]flows.Source{{UUID: napUUID, App: "客服", Name: "午睡", APIPath: "nap"}}, false)),
		"switched off": func(set *setup) {
			withFlows(someFlows())(set)
			tableWith(t, func(r *profile.Repairs) { r.Pauses = false })(set)
		},
	} {
		s := open(t, threeServers(t), with)
		for n := range 6 {
			s.post(nap, `{"action":"create"}`).want(t, 200, "")
			if s.trace(n+1).Why == balance.WhyLead {
				t.Errorf("%s: it went to the lead", name)
			}
		}
	}
	// Of too many flows, those that are not known may pause.
	s := open(t, threeServers(t), withFlows(flows.Build([]flows.Source{{UUID: plainUUID, APIPath: "mission"}}, true)))
	for n, want := range []string{"/rest/flowmanage/api/omdata/edit/nap/", "/rest/flowmanage/api/omdata/edit/mission/"} {
		s.post(want, `{"action":"create"}`).want(t, 200, "")
		if toLead := s.trace(n+1).Why == balance.WhyLead; toLead != (n == 0) {
			t.Errorf("%s: to the lead %v", want, toLead)
		}
	}
}

// BenchmarkPauses is what a create costs where some flow pauses.
func BenchmarkPauses(b *testing.B) {
	s := open(b, []string{serveAnswer(b, "text/plain", "fine")}, withOneLead(someFlows()))
	body := `{"security":"x","action":"create","formdata":[` + strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"t"},`, 19) + `{}]`
	for name, end := range map[string]string{"path": `}`, "uuid": `,"flow_uuid":"` + plainUUID + `"}`} {
		path := map[string]string{"path": "/flowmanage/api/omdata/edit/called/", "uuid": "/flowmanage/api/omdata/edit/None/"}[name]
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("POST", "http://omflow.example"+path, strings.NewReader(body+end))
			r.Header.Set("Content-Type", "application/json")
			var trace Trace
			x := passages.Get().(*passage)
			defer x.free()
			x.begin(s.front, httptest.NewRecorder(), r, Client{}, &trace)
			if !x.classify() {
				b.Fatal("refused")
			}
			for b.Loop() {
				if x.pauses() {
					b.Fatal("it goes to the lead")
				}
			}
		})
	}
}

func withOneLead(d *flows.Directory) func(*setup) {
	return func(set *setup) {
		lead(1)(set)
		set.front.Flows = func() *flows.Directory { return d }
	}
}
