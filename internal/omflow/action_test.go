package omflow

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/profile"
)

// FuzzBodyAction holds that what may be repeated is a repeat for any
// JSON parser, whichever of two equal keys it takes.
func FuzzBodyAction(f *testing.F) {
	for _, s := range []string{
		`{"action":"delete"}`, `{"action":"update","action":"delete"}`, `{"action":"delete","action":"update"}`,
		`{"action":"update"}`, `{"action":"update","action":"create"}`, `{"\u0061ction" : "del\u0065te","x":[{}]}`,
		`{"action":"update","x":`, `{"action":"update"} {`, "{\"action\":\"update\",\"\xff\":1}", `{"action":{"action":"update"}}`,
	} {
		f.Add([]byte(s))
	}
	words := profile.Default().Action
	f.Fuzz(func(t *testing.T, body []byte) {
		BodyStatus(body)
		got := bodyAction(body, &words)
		if got == actionOther {
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
		if got == actionDelete && action != "delete" {
			t.Fatalf("%q with action %s is a delete", body, action)
		}
	})
}
