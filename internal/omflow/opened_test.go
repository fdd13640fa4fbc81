package omflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/programs"
)

const openedPath = "/rest/flowmanage/api/omdata/edit/mission/"

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestOpened(t *testing.T) {
	table := DefaultTable()
	form := func(value string) string {
		return `{"security":"x","omflow_restapi":true,"action":"create","formdata":[{"id":"FORMITM_1","type":"h_title","value":` + value + `}]}`
	}
	for _, tt := range []struct {
		name, body string
		want       map[string]string // column: text; nil: it can't be foretold
	}{
		{"a text", form(`"t\u6d41 \ud83d\ude00\n"`), map[string]string{"formitm_1": "t流 😀\n"}},
		{"nothing", form(`null`), map[string]string{"formitm_1": ""}},
		{"numbers", form(`-17`), map[string]string{"formitm_1": "-17"}},
		{"yes", form(`true`), map[string]string{"formitm_1": "True"}},
		{"no", form(`false`), map[string]string{"formitm_1": "False"}},
		{"an object", form(`{"group":"2","user":"流"}`), map[string]string{"formitm_1": `{"group": "2", "user": "\u6d41"}`}},
		{"a list", form(`[1,true,null,"a/b\"c",{},[]]`), map[string]string{"formitm_1": `[1, true, null, "a/b\"c", {}, []]`}},
		{"two fields", `{"action":"create","formdata":[{"id":"FORMITM_1","value":"a"},{"id":"formitm_22","value":"b"}]}`,
			map[string]string{"formitm_1": "a", "formitm_22": "b"}},
		{"one field twice", `{"action":"create","formdata":[{"id":"FORMITM_1","value":"a"},{"id":"formitm_1","value":"b"}]}`,
			map[string]string{"formitm_1": "b"}},
		{"a fraction", form(`1.50`), nil},
		{"a fraction within", form(`[1e3]`), nil},
		{"half a pair", form(`"\ud83d"`), nil},
		{"half a pair within", form(`["\ud83d"]`), nil},
		{"a NUL", form(`"\u0000"`), nil},
		{"a member twice", form(`{"a":1,"a":2}`), nil},
		{"too deep", form(strings.Repeat("[", 40) + strings.Repeat("]", 40)), nil},
		{"no fields", `{"action":"create","formdata":[]}`, nil},
		{"no form", `{"action":"create"}`, nil},
		{"two forms", `{"action":"create","formdata":[],"formdata":[{"id":"FORMITM_1","value":"a"}]}`, nil},
		{"a form as text", `{"action":"create","formdata":"[]"}`, nil},
		{"no form's field", `{"action":"create","formdata":[{"id":"title","value":"a"}]}`, nil},
		{"no value", `{"action":"create","formdata":[{"id":"FORMITM_1"}]}`, nil},
		{"an update", `{"action":"update","formdata":[{"id":"FORMITM_1","value":"a"}]}`, nil},
		{"an update for others", `{"action":"update","action":"create","formdata":[{"id":"FORMITM_1","value":"a"}]}`, nil},
		{"other input", `{"action":"create","start_input":{"x":1},"formdata":[{"id":"FORMITM_1","value":"a"}]}`, nil},
		{"of a ticket's flow", `{"action":"create","outflow_content":"{}","formdata":[{"id":"FORMITM_1","value":"a"}]}`, nil},
		{"no JSON", `action=create`, nil},
	} {
		got, ok := table.Opened(&Request{Method: "POST", Path: openedPath}, []byte(tt.body))
		want := map[string]string{}
		for column, text := range tt.want {
			want[column] = sumOf(text)
		}
		if ok != (tt.want != nil) || ok && !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
	body := []byte(form(`"a"`))
	for _, path := range []string{"/flowmanage/api/omdata/edit/mission/", "/rest/flowmanage/api/omdata/list/mission/", "/service/api/request/"} {
		if _, ok := table.Opened(&Request{Method: "POST", Path: path}, body); ok {
			t.Errorf("%s opens a ticket that can be recognised", path)
		}
	}
}

// Python itself says what it makes of values.
func TestWrittenByPython(t *testing.T) {
	values := []string{
		`{"group":"2","user":""}`, `["a","\u00e9","\u007f","\u0001","\ud83d\ude00","\"\\\/\b\f\n\r\t"]`,
		`{"b":{"a":[[],{}]},"a":[1,-2,0,true,false,null]}`, `" text "`, `12`, `true`, `null`, `[ 1 , 2 ]`,
	}
	const program = `
import json, sys
for line in sys.stdin:
    value = json.loads(line)
    if isinstance(value, (dict, list)): value = json.dumps(value)
    elif isinstance(value, str): pass
    elif value == None: value = ''
    else: value = str(value)
    print(json.dumps(value))
`
	cmd := exec.Command(programs.Python(t), "-c", program)
	cmd.Stdin = strings.NewReader(strings.Join(values, "\n"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(values) {
		t.Fatalf("%d answers: %q", len(lines), out)
	}
	for i, value := range values {
		var want string
		if err := json.Unmarshal([]byte(lines[i]), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := writtenText(json.RawMessage(value)); !ok || got != want {
			t.Errorf("%s: %q, %v; Python says %q", value, got, ok, want)
		}
	}
}

func FuzzOpened(f *testing.F) {
	f.Add([]byte(`{"action":"create","formdata":[{"id":"FORMITM_1","type":"h_title","value":"t"},{"id":"FORMITM_2","value":{"a":[1,null]}}]}`))
	f.Add([]byte(`{"action":"create","formdata":[{"id":"FORMITM_1","value":{"a":`))
	f.Add([]byte(`{"action":"create","formdata":[{"id":1,"value":[1e400]}]}`))
	table := DefaultTable()
	f.Fuzz(func(t *testing.T, body []byte) {
		columns, ok := table.Opened(&Request{Method: "POST", Path: openedPath}, body)
		if ok != (len(columns) > 0) || len(columns) > maxOpenedFields {
			t.Errorf("%d columns, %v", len(columns), ok)
		}
		for column, sum := range columns {
			if !openedColumn.MatchString(column) || len(sum) != 64 {
				t.Errorf("column %q: %q", column, sum)
			}
		}
	})
}

func TestCreatedPage(t *testing.T) {
	for language, want := range map[string]string{"en": "Create data successfully.", "zh-TW": "開單成功。", "ja": "作成しました。", "zh-CN": "开单成功。"} {
		r := &Request{Method: "POST", Path: openedPath, Header: http.Header{"Accept-Language": {language}}}
		page := DefaultTable().CreatedPage(1234, r)
		no, outcome := DefaultTable().TicketAnswer(page.Body)
		if page.Status != 200 || no != 1234 || outcome != TicketDone || !strings.Contains(string(page.Body), want) {
			t.Errorf("%s: %d %s", language, page.Status, page.Body)
		}
	}
}
