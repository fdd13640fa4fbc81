package omflow

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/profile"
)

const pageForm = "application/x-www-form-urlencoded; charset=UTF-8" // what jQuery sends

// The URLs with holes.
const (
	agreePath   = "/accounts/api/agree/get/"
	historyPath = "/api/history-files/download/"
)

func agreeGet(r *profile.Repairs)     { r.AgreeGet = false }
func historyFiles(r *profile.Repairs) { r.HistoryFiles = false }

// without returns the table of OMFLOW 1.1.0.0 with a repair switched off.
func without(t *testing.T, off func(*profile.Repairs)) *Table {
	t.Helper()
	p := profile.Default()
	off(&p.Repairs)
	table, err := NewTable(p)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// question is a request whose body was seen whole.
func question(method, path, contentType, body string) *Request {
	return &Request{Method: method, Path: path, ContentType: contentType, Body: []byte(body), BodyComplete: true}
}

func TestAgreeQuestions(t *testing.T) {
	const harmlessBody = `{"agree_type":"PI_agree"}`
	table := DefaultTable()
	for _, tt := range []struct {
		name, contentType, body, query string
		refused                        bool
	}{
		{"the page's", pageForm, harmlessBody, "", false},
		{"the page's other", pageForm, ` {"agree_type": "SU_agree"} `, "", false},
		{"the health check's", jsonType, `{"agree_type":"pool_max_worker"}`, "", false},
		{"a call with a token", jsonType, `{"security":"x","omflow_restapi":true,"agree_type":"PI_agree"}`, "", false},
		{"escaped", jsonType, `{"agree\u005ftype":"PI\u005Fagree"}`, "", false},
		{"a form", formType, "csrfmiddlewaretoken=Ab1&agree_type=PI_agree", "", false},
		{"a form in UTF-8", pageForm, "agree_type=SU_agree&", "", false},
		{"a harmless query beside it", jsonType, harmlessBody, "_=1700000000000", false},
		{"a query that says the same", jsonType, harmlessBody, "agree_type=PI_agree", false},
		{"only in the query", "", "", "agree_type=PI_agree", false},

		{"LDAP", jsonType, `{"agree_type":"ldap_config"}`, "", true},
		{"LDAP, escaped", jsonType, `{"agree_typ\u0065":"ldap_config"}`, "", true},
		{"LDAP in a form", formType, "agree_type=ldap_config", "", true},
		{"LDAP in the query", jsonType, harmlessBody, "agree_type=ldap_config", true},
		{"LDAP in the query, escaped", jsonType, harmlessBody, "agree%5Ftype=ldap_config", true},
		{"only LDAP in the query", "", "", "agree_type=ldap_config", true},
		{"twice", jsonType, `{"agree_type":"PI_agree","agree_type":"ldap_config"}`, "", true},
		{"twice, the other way", jsonType, `{"agree_type":"ldap_config","agree_type":"PI_agree"}`, "", true},
		{"twice the same", jsonType, `{"agree_type":"PI_agree","agree_type":"PI_agree"}`, "", true},
		{"twice, once escaped", jsonType, `{"agree_type":"PI_agree","agree\u005ftype":"ldap_config"}`, "", true},
		{"twice in a form", formType, "agree_type=PI_agree&agree_type=ldap_config", "", true},
		{"twice in a form, escaped", formType, "agree_type=PI_agree&agree%5ftype=ldap_config", "", true},
		{"an old separator", formType, "agree_type=PI_agree;agree_type=ldap_config", "", true},
		{"twice the same in a form", formType, "agree_type=PI_agree&agree_type=PI_agree", "", true},
		{"first without value", formType, "agree_type&agree_type=PI_agree", "", true},
		{"a name without value", formType, "agree_type=PI_agree&agree_type", "", true},
		{"another case", jsonType, `{"agree_type":"pi_agree"}`, "", true}, // some databases find it, too
		{"blanks", jsonType, `{"agree_type":"PI_agree "}`, "", true},
		{"no name", jsonType, `{"x":"PI_agree"}`, "", true},
		{"no name in a form", formType, "agree_types=PI_agree", "", true},
		{"deeper", jsonType, `{"x":{"agree_type":"PI_agree"}}`, "", true},
		{"no text", jsonType, `{"agree_type":["PI_agree"]}`, "", true},
		{"nothing", jsonType, "", "", true},
		{"a list", jsonType, `[{"agree_type":"PI_agree"}]`, "", true},
		{"text after it", jsonType, harmlessBody + "x", "", true},
		{"broken off", jsonType, harmlessBody[:20], "", true},
		{"not UTF-8, so a form to Python", formType, "{\"agree_type\":\"PI_agree\",\"x\":\"\xff&agree_type=ldap_config\"}", "", true},
		{"only Python's JSON", formType, `{"x":"&agree_type=PI_agree&","agree_type":"ldap_config","z":NaN}`, "", true},
		{"only Python's JSON, after a blank", formType, "\n" + `{"x":"&agree_type=PI_agree&","agree_type":"ldap_config","z":NaN}`, "", true},
		{"a form in EBCDIC", "application/x-www-form-urlencoded; charset=cp037", "agree_type=PI_agree", "", true},
		{"a form of no type", "", "agree_type=PI_agree", "", true},
		{"multipart", multipartType, "--x\r\nContent-Disposition: form-data; name=agree_type\r\n\r\nPI_agree\r\n--x--\r\n", "", true},
		{"JSON that Django reads as multipart", multipartType, harmlessBody, "", true},
		{"too long", jsonType, harmlessBody + strings.Repeat(" ", MaxBodyLook), "", true},
	} {
		for _, method := range []string{"GET", "POST", "HEAD", "PUT"} {
			for _, path := range []string{agreePath, "/accounts/api/agree/get", "/rest" + agreePath, "/accounts/%61pi/agree/get/"} {
				r := question(method, path, tt.contentType, tt.body)
				if got := table.Refuses(r, tt.query); got != tt.refused {
					t.Errorf("%s, %s %s: refused is %v, want %v", tt.name, method, path, got, tt.refused)
				}
			}
		}
	}
	r := question("POST", agreePath, jsonType, harmlessBody)
	r.BodyComplete = false
	if !table.Refuses(r, "") {
		t.Error("a body that goes on passes")
	}
	r.Body = nil
	if !table.Refuses(r, "") {
		t.Error("a body that nobody looked at passes")
	}
}

func TestAgreePathsInDoubt(t *testing.T) {
	table, open := DefaultTable(), without(t, agreeGet)
	for _, path := range []string{
		"/accounts//api/agree/get/", "//accounts/api/agree/get/", "/accounts/./api/agree/get/", "/x/../accounts/api/agree/get",
		"/accounts/api/agree/get//", "/accounts/api/agree/get/%0a", "/accounts/api/agree/get%0A", "/accounts/api/agree%2fget/",
		"/accounts/api/agree/get;x/", "/accounts;x/api/agree/get/", `/accounts\api\agree/get/`, "/accounts%5Capi/agree/get/",
		"/accounts/api/%2561gree/get/", "/accounts/api/%25%36%31gree/get/", "/accounts/api/agree/get/%23x", "/accounts/api/agree/get/%3fx",
		"/accounts/api/agr%00ee/get/", "/rest//accounts/api/agree/get/", "/rest/accounts/api/agree/get%0a", "/rest/x/../accounts/api/agree/get",
		"/x/%2e%2e/accounts/api/agree/get/", "/x%23/../accounts/api/agree/get/", "/accounts/api/agre\x01e/get/", "/accounts/api/agre\x7fe/get/", "/%2561ccounts/%2561pi/%252561gree/get/",
	} {
		r := question("POST", path, jsonType, `{"agree_type":"PI_agree"}`)
		if !table.Refuses(r, "") {
			t.Errorf("%s passes", path)
		}
		if open.Refuses(r, "") || PlainTable().Refuses(r, "") {
			t.Errorf("%s is refused where the hole was left open", path)
		}
	}
	for _, path := range []string{
		"/accounts/api/agree/", "/accounts/api/agree/get/x/", "/x/accounts/api/agree/get/", "/accounts/api/security/get/", "/agree/get/",
		"/accounts/api/agree/gets", "/rest/accounts/api/user/get/", "/", "*", "", "/%", "/%zz%25",
	} {
		if table.Refuses(question("POST", path, jsonType, `{}`), "") {
			t.Errorf("%q is refused", path)
		}
	}
}

func TestAgreeNeedsTheBody(t *testing.T) {
	table, open := DefaultTable(), without(t, agreeGet)
	for _, path := range []string{agreePath, "/rest" + agreePath, "/accounts/api/agree/get", "/accounts//api/agree/get"} {
		for _, method := range []string{"GET", "POST", "HEAD", "PUT"} {
			r := &Request{Method: method, Path: path}
			if !table.Classify(r).NeedsBody {
				t.Errorf("%s %s: nobody looks at the body", method, path)
			}
			if open.Classify(r).NeedsBody {
				t.Errorf("%s %s: the body is looked at for nothing", method, path)
			}
			r.BodyComplete = true
			if table.Classify(r).NeedsBody {
				t.Errorf("%s %s: the body is looked at again", method, path)
			}
		}
	}
}

func TestHistoryPaths(t *testing.T) {
	table, open := DefaultTable(), without(t, historyFiles)
	const folder = "omformflow/0f8fad5bd9cb469fa16570867728950e/1/2/"
	for _, tt := range []struct {
		name    string
		refused bool
	}{
		{folder + "report.pdf", false},
		{folder + "report.pdf/", false},
		{folder + "%E5%A0%B1%E5%91%8A%20(1).docx", false},
		{folder + "報告.docx", false},
		{folder + "a..b...c.txt", false},
		{folder + "..hidden", false},
		{folder + "...x", false},
		{folder + "a;b.txt", false},
		{folder + ";b.txt", false},
		{folder + "12:30.txt", false},
		{folder + "50%25.txt", false},
		{folder + "50%2525.txt", false},
		{folder + "a%2520b.txt", false}, // a percent sign in the name
		{folder + "50%.txt", false},
		{folder + "a%3Fb%23c.txt", false},
		{"omformflow%2Fx%2Fname.txt", false},
		{"", false},

		{"../omflow/settings.py", true},
		{"..", true},
		{folder + "../../../../../omflow/settings.py", true},
		{"%2e%2e/omflow/settings.py", true},
		{".%2E/omflow/settings.py", true},
		{"x/..%2fomflow/settings.py", true},
		{"%2e%2e%2fomflow%2fsettings.py", true},
		{"%252e%252e/omflow/settings.py", true},
		{"x%252f..%252f..%252fomflow/settings.py", true},
		{"%25252e%25252e/omflow/settings.py", true},
		{"%2525252525252e%2525252525252e/settings.py", true}, // deeper than anything decodes
		{"/", true},
		{"/etc/hostname", true},
		{"%2Fetc/hostname", true},
		{"%252Fetc/hostname", true},
		{"x//etc/hostname", true},
		{"x//", true},
		{`..\omflow\settings.py`, true},
		{"..%5comflow%5Csettings.py", true},
		{"%255c%255chost%255cshare", true},
		{"C:/Windows/win.ini", true},
		{"c%3A%2FWindows/win.ini", true},
		{"C:settings.py", true},
		{"./settings.py", true},
		{".../settings.py", true},
		{"..%20/settings.py", true},
		{"x/%20/y", true},
		{"..;/settings.py", true},
		{"..;x=y/settings.py", true},
		{"..%3b/settings.py", true},
		{".%00./settings.py", true},
		{"x%0a", true},
		{"%c0%ae%c0%ae/settings.py", true},
	} {
		for _, prefix := range []string{historyPath, "/rest" + historyPath, "/api/history%2dfiles/download/"} {
			r := question("GET", prefix+tt.name, "", "")
			if got := table.Refuses(r, ""); got != tt.refused {
				t.Errorf("%s%s: refused is %v, want %v", prefix, tt.name, got, tt.refused)
			}
			if open.Refuses(r, "") || PlainTable().Refuses(r, "") {
				t.Errorf("%s%s is refused where the hole was left open", prefix, tt.name)
			}
		}
	}
	for _, path := range []string{
		"//api/history-files/download/x", "/api/./history-files/download/x", "/x/../api/history-files/download/x",
		`/api\history-files/download/x`, "/api/history-files%252fdownload/x", "/api/history%252dfiles/download/x", "/api/history-files/download;x/../../omflow/settings.py",
		"/api//history-files/download/../x",
	} {
		if !table.Refuses(question("GET", path, "", ""), "") {
			t.Errorf("%s passes", path)
		}
	}
	for _, path := range []string{"/api/history-files/", "/api/files/list/", "/x/../y", "/static//x.css", "/x%252e", "/a;b"} {
		if table.Refuses(question("GET", path, "", ""), "") {
			t.Errorf("%s is refused", path)
		}
	}
}

func TestEachHoleIsOpenedAlone(t *testing.T) {
	agree := question("POST", agreePath, jsonType, `{"agree_type":"ldap_config"}`)
	history := question("GET", historyPath+"../x", "", "")
	table := without(t, agreeGet)
	if table.Refuses(agree, "") || !table.Refuses(history, "") {
		t.Error("agree_get off opens something else")
	}
	table = without(t, historyFiles)
	if !table.Refuses(agree, "") || table.Refuses(history, "") {
		t.Error("history_files off opens something else")
	}
}

func TestRefusesAllocatesNothing(t *testing.T) {
	table := DefaultTable()
	for _, r := range []*Request{
		question("POST", "/rest/flowmanage/api/omdata/edit/mission/", jsonType, "{}"),
		question("POST", agreePath, jsonType, `{"agree_type":"PI_agree"}`),
		question("POST", agreePath, formType, `agree_type=PI_agree`),
		question("GET", historyPath+"omformflow/x/%E5%A0%B1%E5%91%8A;%2525.docx", "", ""),
		question("GET", historyPath+"x/%2e%2e", "", ""),
	} {
		if n := testing.AllocsPerRun(100, func() { table.Refuses(r, "_=1") }); n != 0 {
			t.Errorf("%s: %v allocations", r.Path, n)
		}
	}
}

// pythonAsks returns the settings that OMFLOW may answer, by the plainest reading of
// how Django and Python read a request.
func pythonAsks(body []byte, contentType string) []string {
	var object map[string]any
	if utf8.Valid(body) && json.Unmarshal(body, &object) == nil && object != nil {
		s, _ := object["agree_type"].(string)
		return []string{s}
	}
	if !strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		return nil
	}
	var found []string
	for _, form := range []string{string(body), strings.ReplaceAll(string(body), ";", "&")} {
		values, _ := url.ParseQuery(form)
		found = append(found, values["agree_type"]...)
	}
	return found
}

func FuzzRefuses(f *testing.F) {
	for _, p := range []string{agreePath, "/rest" + agreePath, "/accounts/%61pi/agree/get", historyPath + "x/報告.pdf", historyPath + "%2e%2e%2fx", historyPath + "/etc/x", historyPath + `..\x`} {
		f.Add(p, []byte(`{"agree_type":"PI_agree","x":[1]}`), jsonType)
		f.Add(p, []byte(`agree_type=PI_agree&agree%5ftype=ldap_config`), formType)
		f.Add(p, []byte(`{"a":"&agree_type=PI_agree","agree_type":"ldap_config"}`), pageForm)
	}
	table := DefaultTable()
	f.Fuzz(func(t *testing.T, sent string, body []byte, contentType string) {
		r := question("POST", sent, contentType, string(body))
		before := bytes.Clone(body)
		if table.Refuses(r, "") {
			return
		}
		if !bytes.Equal(r.Body, before) {
			t.Fatal("the body was changed")
		}
		decoded, err := url.PathUnescape(sent)
		if err != nil {
			return // net/http refuses it
		}
		decoded = strings.TrimPrefix(decoded, "/rest")
		if decoded == agreePath {
			for _, name := range pythonAsks(body, contentType) {
				if !slices.Contains(profile.Default().AgreeGet.Public, name) {
					t.Fatalf("%q asks for %q", body, name)
				}
			}
		}
		name, ok := strings.CutPrefix(decoded, historyPath)
		if !ok {
			return
		}
		for range 3 { // as often as any two programs may decode
			slashes := strings.ReplaceAll(name, `\`, "/")
			for _, n := range []string{name, slashes} {
				if strings.HasPrefix(n, "/") || !strings.HasPrefix(path.Join("/srv/uploads", n)+"/", "/srv/uploads/") || len(n) > 1 && n[1] == ':' {
					t.Fatalf("%q leads out of the folder", sent)
				}
			}
			if again, err := url.PathUnescape(name); err == nil {
				name = again
			}
		}
	})
}

func BenchmarkRefuses(b *testing.B) {
	table := DefaultTable()
	for _, r := range []*Request{
		question("POST", "/rest/flowmanage/api/omdata/edit/mission/", jsonType, "{}"),
		question("POST", agreePath, jsonType, `{"agree_type":"PI_agree"}`),
		question("GET", historyPath+"omformflow/0f8fad5bd9cb469fa16570867728950e/1/2/%E5%A0%B1.docx", "", ""),
	} {
		b.Run(r.Path[1:5], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Refuses(r, "")
			}
		})
	}
}
