package front

import (
	"net/http"
	"strings"
	"testing"
)

// The two holes of OMFLOW are open at a server and closed at the front door, which
// still lets the questions pass that pages and health checks ask.
func TestHolesAreClosed(t *testing.T) {
	s, cluster := openCluster(t, 1)
	server := "http://" + cluster.Servers[0].Addr()
	ask := func(base, path, body string) (int, string) {
		t.Helper()
		r := s.request(http.MethodGet, path, strings.NewReader(body), "Content-Type", "application/json")
		r.URL.Host = strings.TrimPrefix(base, "http://")
		a := s.send(r)
		return a.StatusCode, a.body
	}
	const agree = "/accounts/api/agree/get/"
	if _, text := ask(server, agree, `{"agree_type":"ldap_config"}`); !strings.Contains(text, "password") {
		t.Fatalf("the stand-in has no hole: %.200s", text)
	}
	for _, body := range []string{`{"agree_type":"ldap_config"}`, `{"agree_type":"PI_agree","agree_type":"ldap_config"}`, ``} {
		if code, text := ask(s.URL, agree, body); code != http.StatusForbidden || strings.Contains(text, "password") {
			t.Errorf("%s: %d %.200s", body, code, text)
		}
	}
	if code, text := ask(s.URL, agree, `{"agree_type":"pool_max_worker"}`); code != http.StatusOK || !strings.Contains(text, `"10"`) {
		t.Errorf("the health check's question: %d %.200s", code, text)
	}
	for _, path := range []string{"/api/history-files/download/../omflow/settings.py", "/api/history-files/download/%2e%2e/omflow/settings.py", "/api/history-files/download//etc/hostname"} {
		if code, text := ask(s.URL, path, ""); code == http.StatusOK {
			t.Errorf("%s: %d %.200s", path, code, text)
		}
	}
}

// A create that OMFLOW says it has done, without a number, has done nothing when the
// server does not have the flow's model.
func TestSilentLossIsToldToTheClient(t *testing.T) {
	const done = `{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": null}`
	for name, test := range map[string]struct {
		path, check string
		lost        bool
	}{
		"no model": {"/flowmanage/api/omdata/edit/mission/", `{"status": 404, "message": "'bool' object has no attribute 'objects'", "result": null}`, true},
		"created when its validation flow has run": {"/flowmanage/api/omdata/edit/mission/", `{"status": 200, "message": "", "result": []}`, false},
		"another URL": {"/flowmanage/api/omdata/list/mission/", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			up := serve(t, func(p *peer) {
				for {
					if r, _ := p.request(); strings.Contains(r.URL.Path, "omdata-data-id") {
						p.send(ok(test.check))
					} else {
						p.send(ok(done))
					}
				}
			})
			s := open(t, []string{up.addr}, nil)
			a := s.post(test.path, `{"action":"create","formdata":[]}`, "Content-Type", "application/json", "Cookie", "sessionid=abc")
			if lost := a.StatusCode == http.StatusServiceUnavailable; lost != test.lost {
				t.Errorf("answered %d %s", a.StatusCode, a.body)
			}
			if !test.lost && a.body != done {
				t.Errorf("the answer was changed: %s", a.body)
			}
			if got := up.requests(); test.check != "" && !strings.Contains(got[1], "sessionid=abc") {
				t.Errorf("it was asked without the session: %q", got[1])
			}
			s.idle()
		})
	}
}
