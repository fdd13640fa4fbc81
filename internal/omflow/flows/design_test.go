package flows

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadDesign(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       Design
	}{
		{"a form", `{"items":[{"id":"FITEM_1","type":"start","config":{}},{"type":"form"},{"type":"line","config":{"source_item":"FITEM_1"}}]}`, Design{}},
		{"a pause", `{"uid":"1","items":[{"type":"start"},{"id":"FITEM_2","type":"sleep","text":"暫停","config":{"msec":"3000","value":null,"log":true}}]}`, Design{Sleeps: true}},
		{"the word elsewhere", `{"items":[{"type":"python","text":"sleep","config":{"code":"import time\ntime.sleep(1) # \"sleep\"","app_name":"a","flow_name":"f"}}],"type":"sleep"}`, Design{}},
		{"calls", `{"items":[
			{"type":"outflow","config":{"app_name":"客服","flow_name":"報修","subflow_input":[]}},
			{"type":"outflow","config":{"app_name":"客服","flow_name":"報修"}},
			{"type":"inflow","config":{"app_name":"ignored","flow_name":"自己"}},
			{"type":"outflow","config":{"app_name":"","flow_name":"x"}},
			{"type":"inflow","config":{"flow_name":""}},
			{"type":"inflow","config":[]},
			{"type":"outflow","config":{"app_name":7,"flow_name":"x"}},
			{"type":"outflow"}]}`, Design{Calls: []Call{{"客服", "報修"}, {"", "自己"}}}},
		{"nothing", `{}`, Design{}},
	} {
		got, err := ReadDesign(tt.text)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	var many strings.Builder
	for i := range maxCalls + 10 {
		many.WriteString(`{"type":"inflow","config":{"flow_name":"` + strings.Repeat("x", i+1) + `"}},`)
	}
	if d, err := ReadDesign(`{"items":[` + many.String() + `{"type":"sleep"}]}`); err != nil || len(d.Calls) != maxCalls || !d.Sleeps {
		t.Errorf("many calls: %d, %v", len(d.Calls), err)
	}
	for name, text := range map[string]string{
		"nothing": ``, "text": `"{}"`, "half": `{"items":[`, "items that are none": `{"items":{"type":"sleep"}}`,
		"too long": `{"items":[]` + strings.Repeat(" ", 4*MaxDesign) + `}`,
	} {
		if d, err := ReadDesign(text); err == nil {
			t.Errorf("%s: read as %+v", name, d)
		}
	}
}

func FuzzReadDesign(f *testing.F) {
	f.Add(`{"items":[{"type":"sleep"},{"type":"outflow","config":{"app_name":"a","flow_name":"f"}}]}`)
	f.Add(`{"items":[{"type":"inflow","config":{"flow_name":"\u0000"}}],"items":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadDesign(text)
		if err != nil {
			return
		}
		for _, c := range d.Calls {
			if c.Flow == "" {
				t.Errorf("%q calls a flow without a name", text)
			}
		}
		if d.Sleeps && !strings.Contains(text, `sleep`) && !strings.Contains(text, `\u`) {
			t.Errorf("%q has a pause", text)
		}
	})
}
