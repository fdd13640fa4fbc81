package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestObjectScanner(t *testing.T) {
	for _, tt := range []struct {
		body    string
		members string // key=value, as written, joined with a blank
		whole   bool
	}{
		{`{}`, "", true},
		{" \t\r\n{ } \n", "", true},
		{`{"a":1,"b":"x\"y","c":[1,{"d":null}],"e":{}}`, `a=1 b="x\"y" c=[1,{"d":null}] e={}`, true},
		{`{"a":true,"b":false,"c":-0.5e+10,"d":0E1}`, "a=true b=false c=-0.5e+10 d=0E1", true},
		{`{"a":1}x`, "a=1", false},
		{`{"a":1}{`, "a=1", false},
		{`{"a":1,}`, "a=1", false},
		{`{"a":1 "b":2}`, "a=1", false},
		{`{,"a":1}`, "", false},
		{`{"a" 1}`, "", false},
		{`{"a":01}`, "a=0", false},
		{`{"a":1.}`, "", false},
		{`{"a":.1}`, "", false},
		{`{"a":+1}`, "", false},
		{`{"a":1e}`, "", false},
		{`{"a":-}`, "", false},
		{`{"a":NaN}`, "", false},
		{`{"a":nul}`, "", false},
		{`{"a":"\x"}`, "", false},
		{`{"a":"\u12g4"}`, "", false},
		{`{"a":"\u12`, "", false},
		{`{"a":"\`, "", false},
		{"{\"a\":\"x\ny\"}", "", false},
		{"{\"a\":\"0123456\x1f89\"}", "", false},
		{`{"a":"`, "", false},
		{`{"a":"x`, "", false},
		{`{"a`, "", false},
		{`{"a":[1,]}`, "", false},
		{`{"a":[1}`, "", false},
		{`{"a":{"b"}}`, "", false},
		{`{'a':1}`, "", false},
		{`{`, "", false},
		{``, "", false},
		{`[]`, "", false},
		{`"a"`, "", false},
		{"\ufeff{}", "", false},
		{`{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, "", false},
	} {
		s := Scan([]byte(tt.body))
		var members []string
		for s.Next() {
			members = append(members, string(s.Key)+"="+string(s.Value))
		}
		if got := strings.Join(members, " "); got != tt.members || s.Whole() != tt.whole {
			t.Errorf("%q: members %q, whole %v, want %q, %v", tt.body, got, s.Whole(), tt.members, tt.whole)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	n := MaxDepth - 1
	if s := Scan([]byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)); !s.Next() || s.Next() || !s.Whole() {
		t.Errorf("a depth of %d is refused", n)
	}
	s := Scan(bytes.Repeat([]byte(`{"a":`), 1<<20))
	if s.Next() {
		t.Error("an endless nest is a member")
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":"x\"y\u00e9\ud83d\ude00","c":[1,{"d":null}],"e":{}}`, `{"action":"update","action":"create"}`,
		`{"action" : "\u0075pdate"}`, "{\"a\":\"\xff\"}", `{"a":-0.1E-7}`, `{"action":"update","x":`, ` {} x`, `{"status":"200","message":"好\n"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		type member struct {
			key   string
			value string
		}
		var got []member
		s := Scan(body)
		for s.Next() {
			var key string
			if err := json.Unmarshal([]byte(`"`+string(s.Key)+`"`), &key); err != nil {
				t.Fatalf("key %q: %v", s.Key, err)
			}
			if !json.Valid(s.Value) {
				t.Fatalf("value %q is not JSON", s.Value)
			}
			if utf8.ValidString(key) && isASCII(key) && Equal(s.Key, "action") != (key == "action") {
				t.Fatalf("key %q is action: %v", s.Key, key == "action")
			}
			if raw, ok := Text(s.Value); ok {
				checkText(t, s.Value, raw)
			}
			got = append(got, member{key, string(s.Value)})
		}
		// What is refused although the standard library takes it must be one of
		// the two bounds.
		trimmed := bytes.TrimLeft(body, " \t\r\n")
		object := json.Valid(body) && bytes.HasPrefix(trimmed, []byte("{"))
		if s.Whole() && !object {
			t.Fatalf("%q is taken for an object", body)
		}
		if object && !s.Whole() && bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= MaxDepth && len(body) <= MaxNumber {
			t.Fatalf("%q is refused", body)
		}
		if !s.Whole() {
			return
		}
		last := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &last); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		for i, m := range got {
			final := true
			for _, later := range got[i+1:] {
				final = final && later.key != m.key
			}
			if final && string(last[m.key]) != m.value {
				t.Fatalf("%q: %q is %q, want %q", body, m.key, m.value, last[m.key])
			}
		}
	})
}

// checkText compares the decoding of one string with the standard library's.
func checkText(t *testing.T, value, raw []byte) {
	var want string
	if err := json.Unmarshal(value, &want); err != nil {
		t.Fatalf("value %q: %v", value, err)
	}
	var got strings.Builder
	for len(raw) > 0 {
		var r rune
		r, raw = DecodeRune(raw)
		got.WriteRune(r)
	}
	if got.String() != want {
		t.Fatalf("%q decodes to %q, want %q", value, got.String(), want)
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want bool
	}{
		{`a/b`, true},
		{`a\/b`, true},
		{`\u0061\u002f\u0062`, true},
		{`\u0061\u002F\u0062`, true},
		{`a/`, false},
		{`a/bc`, false},
		{``, false},
		{`a\nb`, false},
		{`a\\b`, false},
		{`A/b`, false},
		{`\u0161/b`, false}, // the low byte alone is no match
	} {
		if got := Equal([]byte(tt.raw), "a/b"); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.raw, got, tt.want)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	body := []byte(`{"formdata":[` + strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"Printer on floor 3 is out of paper"},`, 12) + `0]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		s := Scan(body)
		for s.Next() {
		}
		if !s.Whole() {
			b.Fatal("refused")
		}
	}
}
