package omflow

import (
	"strings"
	"testing"

	"github.com/omflow/booster/internal/health"
)

func TestDefaultChecks(t *testing.T) {
	live, ready := DefaultChecks()
	for _, check := range []health.Check{live, ready} {
		if err := check.Validate(); err != nil {
			t.Errorf("%s: %v", check.URI, err)
		}
	}
	const (
		refused  = `{"status": 403, "message": "缺少參數：omflow_restapi", "result": null}`
		well     = `{"status": 200, "message": "\u53d6\u5f97\u6210\u529f\u3002", "result": "10"}`
		down     = `{"status": 500, "message": "connection to server at \"10.0.0.5\", port 5432 failed: Connection refused\n\tIs the server running on that host?\n", "result": null}`
		loginURL = `<!DOCTYPE html><html><title>login</title></html>`
	)
	for _, tt := range []struct {
		name, body  string
		status      int
		live, ready string // parts of the error, "" for well
	}{
		{"refused", refused, 200, "", "status 403: 缺少參數：omflow_restapi"},
		{"well", well, 200, "", ""},
		{"database down", down, 200, "", `status 500: connection to server at "10.0.0.5", port 5432 failed: Connection refused Is the server running on that host?`},
		{"status as a string", `{"status":"200","message":"","result":""}`, 200, "", ""},
		{"no message", `{"status":500}`, 200, "", "status 500"},
		{"a page", loginURL, 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"empty", "", 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"broken off", well[:40], 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"no status", `{"message":"x"}`, 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"status is nonsense", `{"status":"yes"}`, 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"nested status", `{"result":{"status":200}}`, 200, "not OMFLOW's JSON", "not OMFLOW's JSON"},
		{"error page", well, 500, "HTTP status 500", "HTTP status 500"},
		{"redirect", well, 302, "HTTP status 302", "HTTP status 302"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, "live", live.Judge(tt.status, []byte(tt.body)), tt.live)
			checkError(t, "ready", ready.Judge(tt.status, []byte(tt.body)), tt.ready)
		})
	}
}

func checkError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s: well, want %q", name, want)
	case err != nil && want == "":
		t.Errorf("%s: %v, want well", name, err)
	case err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

func TestBodyStatusMessage(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{`ok`, "ok"},
		{`  a\t\r\n b  `, "a b"},
		{`a\u0000b\u001b[31mc`, "a\ufffdb\ufffd[31mc"},
		{`\u202etxt`, "\ufffdtxt"}, // turns the rest of a log line around
		{`\"\\\/`, `"\/`},
		{`\ud83d\ude00`, "😀"},
		{`\ud83dx`, "\ufffdx"},
		{strings.Repeat("好", 100), strings.Repeat("好", 53) + "…"},
	} {
		_, got, ok := BodyStatus([]byte(`{"status":200,"message":"` + tt.raw + `"}`))
		if got != tt.want || !ok {
			t.Errorf("%.30q: %q, %v, want %q", tt.raw, got, ok, tt.want)
		}
	}
	if _, message, ok := BodyStatus([]byte(`{"status":200,"message":{"a":1}}`)); message != "" || !ok {
		t.Errorf("a message that is no text: %q, %v", message, ok)
	}
}
