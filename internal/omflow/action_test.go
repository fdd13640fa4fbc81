package omflow

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzRepeatableAction holds that what may be repeated is a repeat for any
// JSON parser, whichever of two equal keys it takes.
func FuzzRepeatableAction(f *testing.F) {
	for _, s := range []string{
		`{"action":"update"}`, `{"action":"update","action":"create"}`, `{"\u0061ction" : "del\u0065te","x":[{}]}`,
		`{"action":"update","x":`, `{"action":"update"} {`, "{\"action\":\"update\",\"\xff\":1}", `{"action":{"action":"update"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		BodyStatus(body)
		if !repeatableAction(body) {
			return
		}
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &members); err != nil || !utf8.Valid(body) {
			t.Fatalf("%q may be repeated and is not JSON: %v", body, err)
		}
		var action string
		if err := json.Unmarshal(members["action"], &action); err != nil || action != "update" && action != "delete" {
			t.Fatalf("%q with action %s may be repeated", body, members["action"])
		}
	})
}
