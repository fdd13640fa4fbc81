package omflow

import (
	"encoding/json"
	"strings"
	"testing"
)

// flowFields reads a body as the front door does.
func flowFields(t *Table, body []byte, contentType string) (FlowFields, bool) {
	if f, ok := t.TicketFields(body); ok {
		return f.FlowFields(), true
	}
	return t.FormFields(body, contentType)
}

func TestFlowFields(t *testing.T) {
	const form = "application/x-www-form-urlencoded; charset=UTF-8"
	for _, tt := range []struct {
		name, body, contentType string
		want                    FlowFields
		ok                      bool
	}{
		{"all of them", `{"flow_uuid":"u","api_path":"p","app_name":"a","flow_name":"f","action":"create","formdata":[{"flow_uuid":"x"}]}`, jsonType,
			FlowFields{"u", "p", "a", "f", true}, true},
		{"whatever its type", `{"flow_uuid":"u"}`, form, FlowFields{UUID: "u"}, true},
		{"escapes", `{"flow\u005Fuuid":"\u0075","app_name":"\u5ba2\ud83d\ude00","action":"cr\u0065ate"}`, jsonType, FlowFields{UUID: "u", App: "客😀", Create: true}, true},
		{"the last one counts", `{"flow_uuid":"u","flow_uuid":"v"}`, jsonType, FlowFields{UUID: "v"}, true},
		{"also when it is no text", `{"flow_uuid":"u","flow_uuid":null,"api_path":7}`, jsonType, FlowFields{}, true},
		{"an update", `{"action":"update"}`, jsonType, FlowFields{}, true},
		{"two actions", `{"action":"create","action":"update"}`, jsonType, FlowFields{}, true},
		{"one action twice", `{"action":"create","action":"create"}`, jsonType, FlowFields{Create: true}, true},
		{"an action that is no text", `{"action":["create"]}`, jsonType, FlowFields{}, true},
		{"nothing", `{}`, jsonType, FlowFields{}, true},
		{"no object", `["flow_uuid"]`, jsonType, FlowFields{}, false},
		{"half an object", `{"flow_uuid":"u"`, jsonType, FlowFields{}, false},
		{"not UTF-8", "{\"flow_uuid\":\"u\",\"x\":\"\xff\"}", jsonType, FlowFields{}, false},
		{"no body", ``, jsonType, FlowFields{}, false},
		{"a form", `flow_uuid=u&api_path=p&app_name=%E5%AE%A2+x&flow_name=f&action=create`, form, FlowFields{"u", "p", "客 x", "f", true}, true},
		{"a form's last one counts", `flow_uuid=u&flow_uuid=v&action=create&action=update`, form, FlowFields{UUID: "v"}, true},
		{"a form with one action twice", `action=create&action=create`, form, FlowFields{}, true},
		{"a form that is none", `flow_uuid=%zz`, form, FlowFields{}, false},
		{"a form that two programs split differently", `flow_uuid=u;flow_uuid=v`, form, FlowFields{}, false},
		{"a form without its type", `flow_uuid=u`, jsonType, FlowFields{}, false},
		{"a form of too many fields", strings.Repeat("x=1&", maxFields) + "x=1", form, FlowFields{}, false},
		{"a multipart form", "--x\r\n", multipartType, FlowFields{}, false},
		{"no type", `flow_uuid=u`, "", FlowFields{}, false},
	} {
		got, ok := flowFields(builtInTable, []byte(tt.body), tt.contentType)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	other := parsed(t, otherOMFLOW)
	if got, ok := flowFields(other, []byte(`{"what":"open"}`), jsonType); !ok || !got.Create {
		t.Errorf("the profile's action: %+v, %v", got, ok)
	}
}

// FuzzFlowFields compares with a parser of JSON that takes the last of equal names.
func FuzzFlowFields(f *testing.F) {
	f.Add([]byte(`{"flow_uuid":"u","action":"create"}`), jsonType)
	f.Add([]byte(`{"flow_uuid":"\ud800","api_path":"\\"}`), jsonType)
	f.Add([]byte(`flow_uuid=u&action=create`), "application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		got, ok := flowFields(builtInTable, body, contentType)
		var members map[string]json.RawMessage
		if !ok || json.Unmarshal(body, &members) != nil || members == nil {
			return
		}
		for name, field := range map[string]string{"flow_uuid": got.UUID, "api_path": got.APIPath, "app_name": got.App, "flow_name": got.Name} {
			var want string
			if json.Unmarshal(members[name], &want) != nil {
				want = ""
			}
			if field != want {
				t.Errorf("%q: %s is %q, want %q", body, name, field, want)
			}
		}
	})
}
