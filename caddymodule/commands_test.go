package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/trust"
)

// command runs `booster omflow …` as a process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append([]string{"omflow"}, args...)...)
	cmd.Env = append(os.Environ(), commandEnv+"=1")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

const statusJSON = `{"node":"booster-a","version":"v1.2.3","pair":{"role":"primary","state":"active","peer":"booster-b","peer_state":"alive"},
"servers":[
{"name":"s1","address":"10.0.0.21:8000","pool":"omflow","state":"up","reason":"","agent":"alive","lead":true,"in_flight":3,"capacity":8,"weight":100,"sessions":12,"flow_share":4.6,"latency_ms":37.4},
{"name":"s2","address":"10.0.0.22:8000","pool":"omflow","state":"down","reason":"connection refused","agent":"lost","in_flight":0,"capacity":8,"weight":50,"sessions":0,"flow_share":8},
{"name":"web","address":"10.0.0.31:80","pool":"none 10.0.0.31:80","state":"up","reason":"","agent":"none","backup":true,"in_flight":1,"capacity":0,"weight":100,"sessions":1,"latency_ms":1.2}],
"queue":{"session":0,"flow":12,"control":0,"file":1,"static":0},
"members":[{"name":"booster-a","kind":"booster","address":"10.0.0.11:5169","state":"alive","version":"v1.2.3"},
{"name":"10.0.0.12:5169","kind":"booster","address":"10.0.0.12:5169","state":"dead","problem":"connection refused"}],
"problems":["marks: the folder is full"]}`

const statusTable = `Node booster-a, version v1.2.3, primary, active; the other booster is booster-b, alive
PROBLEM marks: the folder is full

SERVER  ADDRESS         STATE        AGENT  IN FLIGHT  FLOWS  WEIGHT  SESSIONS  LATENCY  REASON
s1      10.0.0.21:8000  up (lead)    alive  3/8        ≤ 5    100     12        37 ms    -
s2      10.0.0.22:8000  down         lost   0/8        ≤ 8    50      0         0 ms     connection refused
web     10.0.0.31:80    up (backup)  none   1/∞        -      100     1         1 ms     -

Waiting:  session 0  flow 12  control 0  file 1  static 0

MEMBER          KIND     ADDRESS         STATE  VERSION  PROBLEM
booster-a       booster  10.0.0.11:5169  alive  v1.2.3   -
10.0.0.12:5169  booster  10.0.0.12:5169  dead   -        connection refused
`

// fakeAPI is an admin API that answers as it is told.
func fakeAPI(t *testing.T, answers map[string]string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"error":"server s9 is unknown: the servers are s1"}`
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestCommands(t *testing.T) {
	drained := `{"name":"s1","state":"draining","in_flight":0}`
	well := fakeAPI(t, map[string]string{
		"GET /omflow/status":                  statusJSON,
		"GET /omflow/servers":                 "[" + drained + "]",
		"POST /omflow/servers/s1/drain":       drained,
		"POST /omflow/servers/s1/maintenance": `{"name":"s1","state":"maintenance","in_flight":2}`,
		"POST /omflow/servers/s1/resume":      `{"name":"s1","state":"up","in_flight":0}`,
	})
	ill := fakeAPI(t, map[string]string{"GET /omflow/status": `{"node":"b","version":"devel","pair":{},"servers":[{"name":"s1","state":"down"}],"queue":{},"members":[]}`})
	// The other booster has a request at the server.
	shared := fakeAPI(t, map[string]string{
		"GET /omflow/servers":           `[{"name":"s1","state":"draining","in_flight":0,"in_flight_elsewhere":1}]`,
		"POST /omflow/servers/s1/drain": drained,
	})
	standby := fakeAPI(t, map[string]string{
		"GET /omflow/status":           `{"node":"b","pair":{"state":"standby"},"servers":[{"name":"s1","state":"up"},{"name":"s2","state":"up","lead":true}]}`,
		"POST /omflow/servers/s1/lead": `{"server":"s1","state":"starting","doing":"the active booster was told"}`,
		"POST /omflow/servers/s2/lead": `{"server":"s2","state":"starting","doing":"the active booster was told"}`,
	})
	agent := fakeAPI(t, map[string]string{"GET /omflow/status": `{"node":"s1","version":"devel","servers":[],"queue":{},"members":[]}`})
	garbage := fakeAPI(t, map[string]string{"GET /omflow/status": "<html>"})
	for _, tt := range []struct {
		args           string
		code           int    // written out: scripts rely on the numbers
		stdout, stderr string // parts of it; "" for nothing at all
	}{
		{"status --address " + well, 0, statusTable, ""},
		{"status --json --address " + well, 0, `{"node":"booster-a"`, ""},
		{"status --address " + ill, 1, "down", ""},
		{"status --address " + agent, 0, "Node s1", ""},
		{"status --address " + garbage, 1, "", "read the booster's answer"},
		{"status --address 127.0.0.1:1", 1, "", "ask the booster at 127.0.0.1:1"},
		{"status --adress x", 2, "", "unknown flag: --adress"},
		{"status now", 2, "", "status takes no arguments"},
		{"drain s1 --address " + well, 0, "s1 is draining, 0 requests in flight\n", ""},
		{"drain s1 --wait --address " + well, 0, "s1 is draining, 0 requests in flight\n", ""},
		{"maintenance s1 --address " + well, 0, "s1 is maintenance, 2 requests in flight\n", ""},
		{"resume s1 --address " + well, 0, "s1 is up, 0 requests in flight\n", ""},
		{"resume s1 --wait --timeout 300ms --address " + well, 1, "", "after the time to wait"},
		{"drain s1 --wait --timeout 2s --address " + shared, 1, "", "s1 is draining with 1 requests in flight after the time to wait"},
		{"lead s2 --address " + standby, 0, "s2 becomes the lead server; the active booster was told\n", ""},
		{"lead s2 --wait --address " + standby, 0, "s2 is the lead server\n", ""},
		{"lead s1 --wait --timeout 300ms --address " + standby, 1, "", "s1 is not the lead server after the time to wait: s1 becomes the lead server"},
		{"drain s9 --address " + well, 1, "", "Error: server s9 is unknown: the servers are s1\n"},
		{"drain", 2, "", "drain takes a server's name"},
		{"drain s1 s2", 2, "", "drain takes a server's name"},
		{"explode", 2, "", `unknown command "explode"`},
		{"keygen more", 2, "", "keygen takes no arguments"},
		{"--help", 0, "stand-in", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("ends with %d, not %d: %s%s", code, tt.code, stdout, stderr)
			}
			if !strings.Contains(stdout, tt.stdout) || tt.stdout == "" && stdout != "" {
				t.Errorf("standard output is\n%s\nnot\n%s", stdout, tt.stdout)
			}
			if !strings.Contains(stderr, tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("standard error is\n%s\nnot\n%s", stderr, tt.stderr)
			}
		})
	}
}

func TestKeygen(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		code, stdout, stderr := command(t, "keygen")
		if code != 0 || stderr != "" {
			t.Fatalf("ends with %d: %s", code, stderr)
		}
		key := strings.TrimSuffix(stdout, "\n")
		if _, err := trust.Parse([]string{key}); err != nil || seen[key] {
			t.Errorf("the key %q: %v, seen before: %t", key, err, seen[key])
		}
		seen[key] = true
	}
}

// TestStatusIsPlain: what other nodes say of themselves stays on its line of the status,
// and says nothing to the terminal.
func TestStatusIsPlain(t *testing.T) {
	const text = "gone\nPROBLEM forged \x1b[2J\u202e"
	s := Status{
		Pair:     &PairStatus{},
		Servers:  []ServerStatus{{Name: "s1", Reason: text}},
		Members:  []MemberStatus{{Name: "s1", Version: text, Problem: text}},
		Problems: []string{text},
		Lead: &LeadStatus{
			Server: text, State: leadRuns, Doing: text, Waiting: text, Behind: []string{text},
			Missed: []string{text}, StrandedTickets: []string{text}, FailedCommands: []string{text},
		},
	}
	for _, unread := range []string{"", text} {
		s.Lead.FlowQueueError = unread
		var page bytes.Buffer
		if err := s.print(&page); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(page.String(), "\x1b\u202e") || strings.Contains(page.String(), "\nPROBLEM forged") {
			t.Errorf("the page is %q", page.String())
		}
	}
}
