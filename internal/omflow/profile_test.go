package omflow

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/omflow/profile"
)

// parsed returns the table of a profile file.
func parsed(t *testing.T, file string) *Table {
	t.Helper()
	p, err := profile.Parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable(p)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// An OMFLOW that is different in everything that a profile can say.
const otherOMFLOW = `{
	"repairs": {"tokens": true, "lost_creates": true, "agree_get": true, "history_files": true, "rest_cookies": true},
	"rest": "/v2/calls/", "api": "/do/",
	"urls": [
		{"path": "/tickets/do/edit/", "match": "below", "action": true, "files": true, "work": true},
		{"path": "/tickets/do/edit/archive/", "match": "child", "lane": "control", "class": "guarded"},
		{"path": "/tickets/do/edit/archive/x/", "class": "read"}
	],
	"unlisted": [
		{"prefix": "/tickets/do/admin", "lane": "file"},
		{"prefix": "/tickets/do/admin/flows", "lane": "control"},
		{"prefix": "/tickets/", "work": true}
	],
	"verbs": {"read": ["look"], "guarded": ["set"], "create": ["make"]},
	"static": {"prefixes": ["/assets/"], "extensions": ["wasm"]},
	"action": {"field": "what", "create": ["open"], "update": ["push", "pull"], "delete": ["drop"]},
	"tokens": {"path": "/token/", "result": "key", "field": "token", "wrong": {"ja": ["鍵が違います。"]}, "expired": {"ja": ["期限切れ"]}},
	"tickets": {"edit": "/tickets/do/edit/", "by_uuid": "-", "ids": "/tickets/do/ids/", "list": "/tickets/do/look/",
		"created": {"ja": ["開きました。"]}, "no_model": ["no model"]},
	"agree_get": {"path": "/settings/do/look/", "field": "name", "public": ["terms"]},
	"history_files": {"path": "/files/do/old/", "word": "old"},
	"health": {"live": {"uri": "/alive", "http_status": 204, "answer": "none"}, "ready": {"uri": "/well", "method": "POST", "contains": "fine"}},
	"answers": {"no_server": {"ja": {"title": "休み", "message": "今はありません。"}}}
}`

func TestClassifyByAProfile(t *testing.T) {
	table := parsed(t, otherOMFLOW)
	for _, tt := range []struct {
		method, path, contentType, body string
		want                            Result
	}{
		{"POST", "/tickets/do/edit/a/b/", jsonType, `{"what":"open"}`, Result{Lane: Session, Class: Create, Work: true}},
		{"POST", "/tickets/do/edit/a/", jsonType, `{"what":"pull"}`, Result{Lane: Session, Class: Guarded, Work: true}},
		{"POST", "/tickets/do/edit/a/", jsonType, `{"what":"drop"}`, Result{Lane: Session, Class: Guarded}},
		{"POST", "/tickets/do/edit/a/", jsonType, `{"action":"update"}`, Result{Lane: Session, Class: Create, Work: true}},
		{"POST", "/tickets/do/edit/a/", multipartType, `filename`, Result{Lane: File, Class: Create, Work: true}},
		{"POST", "/v2/calls/tickets/do/edit/a/", jsonType, `{"what":"push"}`, Result{Lane: Flow, Class: Guarded, Work: true}},
		{"POST", "/tickets/do/edit/archive/y/", jsonType, ``, Result{Lane: Control, Class: Guarded}}, // the longest counts
		{"POST", "/tickets/do/edit/archive/x/", jsonType, ``, Result{Lane: Session, Class: Read}},    // and an exact one first
		{"POST", "/tickets/do/edit/archive/y/z/", jsonType, ``, Result{Lane: Session, Class: Create, Work: true}},
		{"POST", "/x/do/look/", jsonType, ``, Result{Lane: Session, Class: Read}},
		{"POST", "/x/do/set/", jsonType, ``, Result{Lane: Session, Class: Guarded}},
		{"POST", "/x/do/look/make/", jsonType, ``, Result{Lane: Session, Class: Create}},
		{"POST", "/x/api/list/", jsonType, ``, Result{Lane: Session, Class: Create}}, // another one's words
		{"POST", "/tickets/do/look/", jsonType, ``, Result{Lane: Session, Class: Read}},
		{"GET", "/tickets/do/admin/", jsonType, ``, Result{Lane: File, Class: Read, Work: true}},
		{"POST", "/tickets/do/admin/flows/", jsonType, ``, Result{Lane: Control, Class: Create, Work: true}}, // both families
		{"POST", "/tickets/do/admin/flows/look/", jsonType, ``, Result{Lane: Session, Class: Read}},
		{"GET", "/tickets/page/", jsonType, ``, Result{Lane: Session, Class: Read}},
		{"GET", "/assets/a.txt", jsonType, ``, Result{Lane: Static, Class: Read}},
		{"GET", "/x/a.wasm", jsonType, ``, Result{Lane: Static, Class: Read}},
		{"GET", "/x/a.css", jsonType, ``, Result{Lane: Session, Class: Read}},
		{"POST", "/rest/tickets/do/edit/a/", jsonType, `{"what":"push"}`, Result{Lane: Session, Class: Create}},
	} {
		r := &Request{Method: tt.method, Path: tt.path, ContentType: tt.contentType, Body: []byte(tt.body), BodyComplete: true}
		if got := table.Classify(r); got != tt.want {
			t.Errorf("%s %s %s: %+v, want %+v", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
}

func TestRepairsByAProfile(t *testing.T) {
	table := parsed(t, otherOMFLOW)
	body := []byte(`{"status":200,"result":{"key":"` + aToken + `","security":"no"}}`)
	if value, ok := table.TokenAnswer(body); !ok || value != aToken {
		t.Errorf("TokenAnswer = %q, %v", value, ok)
	}
	if !table.IsTokenRequest(&Request{Method: "POST", Path: "/token/"}) || table.TokenPath() != "/token/" {
		t.Error("the token's URL is another one")
	}
	call := []byte(`{"security":"x","token":"` + aToken + `"}`)
	if at, ok := table.FindToken(call, jsonType); !ok || string(call[at:at+36]) != aToken {
		t.Error("the token is not found")
	}
	if at, ok := table.FindTokenInQuery("token=" + aToken); !ok || at != 6 {
		t.Error("the token is not found in a query")
	}
	if !table.TokenRefused([]byte(`{"status":403,"message":"鍵が違います。","result":null}`)) ||
		table.TokenRefused([]byte(`{"status":403,"message":"コードが間違っています。コードを確認してください。または，新しいコードを入手してください。","result":null}`)) {
		t.Error("the message for a wrong token is not the profile's")
	}
	if !table.TokenExpired([]byte(`{"status":403,"message":"期限切れ","result":null}`)) {
		t.Error("the message for an expired token is not the profile's")
	}
	if !table.REST("/v2/calls/x") || table.REST("/rest/x") || !table.DropsCookies("/v2/calls/x") {
		t.Error("the prefix of calls is not the profile's")
	}
	for path, want := range map[string]bool{"/settings/do/look/": true, "/accounts/api/agree/get/": false, "/files/do/old/../x": true, "/files/do/old/x": false} {
		if got := table.Refuses(question("GET", path, jsonType, `{"name":"ldap"}`), ""); got != want {
			t.Errorf("Refuses(%s) = %v", path, got)
		}
	}
	if table.Refuses(question("GET", "/settings/do/look/", jsonType, `{"name":"terms"}`), "") {
		t.Error("a public setting is refused")
	}
	create := question("POST", "/v2/calls/tickets/do/edit/a/", jsonType, `{"what":"open"}`)
	lost := []byte(`{"status":200,"message":"?","result":null}`)
	if !table.SilentLoss(create, 200, lost) || table.SilentLoss(question("POST", browserEdit, jsonType, `{"action":"create"}`), 200, lost) {
		t.Error("a create is told by something else than the profile says")
	}
	check, ok := table.CheckLoss(create, aToken)
	if !ok || check.Path != "/v2/calls/tickets/do/ids/a/" || !strings.Contains(string(check.Body), `"token":"`+aToken) {
		t.Errorf("CheckLoss = %+v %s", check, check.Body)
	}
	byUUID := question("POST", "/tickets/do/edit/-/", jsonType, `{"what":"open","flow_uuid":"`+aFlow+`"}`)
	if check, ok := table.CheckLoss(byUUID, ""); !ok || check.Path != "/tickets/do/look/-/" {
		t.Errorf("CheckLoss = %+v", check)
	}
	if !table.Lost(200, []byte(`{"status":404,"message":"no model","result":null}`)) {
		t.Error("a loss is told by something else than the profile says")
	}
	live, ready := table.Checks()
	if live.URI != "/alive" || live.Judge(204, nil) != nil || live.Judge(200, nil) == nil {
		t.Error("live is not what the profile says")
	}
	if ready.Method != "POST" || ready.Expect != "fine" || ready.Judge(200, []byte(`{"status":200}`)) != nil || ready.Judge(200, []byte(`{"status":500}`)) == nil {
		t.Error("ready is not what the profile says")
	}
	japanese := request("POST", "/x", "Accept-Language", "ja")
	if got := table.Message(Answer{Reason: NoServer}, japanese); got != "今はありません。" {
		t.Errorf("the answer is %q", got)
	}
	if got, want := table.Message(Answer{Reason: QueueFull}, japanese), builtInTable.Message(Answer{Reason: QueueFull}, japanese); got != want {
		t.Errorf("a text that the profile lacks is %q", got)
	}
	page := table.Render(Answer{Reason: NoServer}, request("GET", "/x", "Accept", browserAccept, "Accept-Language", "ja"))
	if !strings.Contains(string(page.Body), "<h1>休み</h1>") {
		t.Errorf("the page is\n%s", page.Body)
	}
	html := func(path string) bool {
		return strings.HasPrefix(table.Render(Answer{}, request("GET", path, "Accept", browserAccept)).ContentType, "text/html")
	}
	if !html("/x/api/y/") || html("/x/do/y/") || html("/v2/calls/x/") || !html("/files/do/old/a") {
		t.Error("who gets a page does not follow the profile")
	}
}

// Each switch turns off its repair and nothing else.
func TestSwitches(t *testing.T) {
	lost := func(table *Table) bool {
		return table.SilentLoss(question("POST", restEdit, jsonType, `{"action":"create"}`), 200, []byte(lostAnswer))
	}
	promises := map[string]func(*Table) bool{
		"tokens":       func(table *Table) bool { return table.Repairs().Tokens },
		"lost_creates": lost,
		"agree_get":    func(table *Table) bool { return table.Refuses(question("GET", agreePath, jsonType, `{}`), "") },
		"history_files": func(table *Table) bool {
			return table.Refuses(question("GET", historyPath+"../x", "", ""), "")
		},
		"rest_cookies":   func(table *Table) bool { return table.DropsCookies("/rest/x") },
		"lead":           func(table *Table) bool { return table.Repairs().Lead },
		"multipart_gate": func(table *Table) bool { return table.Repairs().MultipartGate },
		"pauses":         func(table *Table) bool { return table.Repairs().Pauses },
	}
	if n := reflect.TypeFor[profile.Repairs]().NumField(); n != len(promises) {
		t.Fatalf("there are %d switches, %d are tested", n, len(promises))
	}
	for off := range promises {
		switches := map[string]bool{off: false}
		if off == "lead" {
			switches["multipart_gate"], switches["pauses"] = false, false // they need lead
		}
		text, err := json.Marshal(map[string]any{"base": profile.OMFLOW11, "repairs": switches})
		if err != nil {
			t.Fatal(err)
		}
		table := parsed(t, string(text))
		for name, kept := range promises {
			_, isOff := switches[name]
			if got := kept(table); got == isOff {
				t.Errorf("without %s, %s is %v", off, name, got)
			}
			if kept(PlainTable()) {
				t.Errorf("a plain balancer repairs %s", name)
			}
		}
	}
}

func TestNewTableRefuses(t *testing.T) {
	if _, err := NewTable(&profile.Profile{}); err == nil {
		t.Error("an empty profile is taken")
	}
}

// Each reason has the name in logs that its texts have in a profile.
func TestReasonsHaveTheirNamesInProfiles(t *testing.T) {
	answers := reflect.TypeFor[profile.Answers]()
	if answers.NumField() != reasons {
		t.Fatalf("a profile has %d reasons, there are %d", answers.NumField(), reasons)
	}
	var a profile.Answers
	for reason, texts := range byReason(&a) {
		v := reflect.ValueOf(&a).Elem()
		for i := range v.NumField() {
			if v.Field(i).Addr().Interface() == any(texts) && answers.Field(i).Tag.Get("json") != Reason(reason).String() {
				t.Errorf("%s has the texts of %s", Reason(reason), answers.Field(i).Tag.Get("json"))
			}
		}
	}
}

// FuzzProfile holds that no profile makes a table that fails, and none that allows more
// than it says: what is not listed and has no word of its verbs is never repeated, nor
// what is asked for by a method that OMFLOW does not know.
func FuzzProfile(f *testing.F) {
	f.Add(otherOMFLOW, "/tickets/do/edit/x/", []byte(`{"what":"push"}`))
	f.Add(`{"base":"omflow-1.1","urls":[{"path":"/a/","class":"read"}]}`, "/rest/a/", []byte(lostAnswer))
	f.Add(`{"health":{"live":{"uri":"/"},"ready":{"uri":"/"}},"api":"/","rest":"/","agree_get":{"path":"/"}}`, "/x//%2e./", []byte(nil))
	f.Fuzz(func(t *testing.T, file, path string, body []byte) {
		p, err := profile.Parse([]byte(file))
		if err != nil {
			return
		}
		table, err := NewTable(p)
		if err != nil {
			t.Fatalf("a valid profile makes no table: %v", err)
		}
		r := question("POST", path, jsonType, string(body))
		got := table.Classify(r)
		table.Refuses(r, "")
		table.SilentLoss(r, 200, body)
		table.CheckLoss(r, aToken)
		table.FindToken(body, multipartType)
		table.Render(Answer{Reason: NoServer}, r)
		if table.TokenRefused(body) && len(p.Tokens.Wrong) == 0 {
			t.Fatalf("%q is a refusal, and the profile knows none", body)
		}
		r.Method = "PUT"
		if put := table.Classify(r); put.Class != Create {
			t.Fatalf("PUT %q may be repeated", path)
		}
		decoded, _ := decodePath(nil, path)
		for _, u := range p.URLs {
			if strings.Contains(string(decoded), strings.Trim(u.Path, "/")) {
				return
			}
		}
		words := strings.FieldsFunc(string(decoded), func(r rune) bool { return r == '/' || r == '\\' || r == ';' })
		for _, w := range words {
			if strings.ContainsFunc(w, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				return // may be cleaned into a word
			}
			if _, ok := table.verbs[w]; ok {
				return
			}
		}
		if got.Class != Create {
			t.Fatalf("POST %q is a %s, and nothing says so", path, got.Class)
		}
	})
}
