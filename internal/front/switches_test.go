package front

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/profile"
	"github.com/omflow/booster/internal/omflow/token"
)

// tableWith makes the front door work by OMFLOW's profile with some repairs off.
func tableWith(t testing.TB, off func(*profile.Repairs)) func(*setup) {
	t.Helper()
	p := profile.Default()
	off(&p.Repairs)
	table, err := omflow.NewTable(p)
	if err != nil {
		t.Fatal(err)
	}
	return func(set *setup) { set.front.Table = table }
}

func TestTokensSwitchedOff(t *testing.T) {
	s, _ := openRest(t, new(token.Broker))
	var set setup
	tableWith(t, func(r *profile.Repairs) { r.Tokens = false })(&set)
	s.front.cfg.Table = set.front.Table // nobody uses it yet
	opened, refused := bulk(t, s, tokenOf(t, s), "plain", 90)
	if refused < 30 {
		t.Errorf("%d tickets were opened and %d refused: tokens are still made good on all servers", opened, refused)
	}
	if n := s.front.cfg.Tokens.Len(); n != 0 {
		t.Errorf("%d tokens were remembered", n)
	}
}

// Without the repair of tokens the question after a silent loss still needs the call's.
func TestLossIsFoundWithoutTokens(t *testing.T) {
	const value = "0b7f7f0e-5a0e-4f0c-9f55-2b6c0c1f7c11"
	up := serve(t, func(p *peer) {
		for {
			if r, _ := p.request(); strings.Contains(r.URL.Path, "omdata-data-id") {
				p.send(ok(`{"status": 404, "message": "'bool' object has no attribute 'objects'", "result": null}`))
			} else {
				p.send(ok(`{"status": 200, "message": "", "result": null}`))
			}
		}
	})
	body := `{"security":"` + value + `","action":"create"}`
	for _, tt := range []struct {
		off  func(*profile.Repairs)
		want int
	}{
		{func(r *profile.Repairs) { r.Tokens = false }, http.StatusServiceUnavailable},
		{func(r *profile.Repairs) { r.LostCreates = false }, http.StatusOK},
	} {
		s := open(t, []string{up.addr}, tableWith(t, tt.off))
		if a := s.post(createURL, body, "Content-Type", "application/json"); a.StatusCode != tt.want {
			t.Errorf("answered %d %s, want %d", a.StatusCode, a.body, tt.want)
		}
		s.idle()
	}
}

func TestRESTCookiesSwitchedOff(t *testing.T) {
	up := serve(t, answers(ok("fine")))
	for _, on := range []bool{true, false} {
		s := open(t, []string{up.addr}, tableWith(t, func(r *profile.Repairs) { r.RESTCookies = on }))
		s.post(readURL, `{}`, "Cookie", "sessionid=abc").want(t, 200, "fine")
		all := up.requests()
		if came := strings.Contains(all[len(all)-1], "sessionid=abc"); came == on {
			t.Errorf("with the switch %v the cookie comes: %v", on, came)
		}
	}
}

func TestLeadSwitchedOff(t *testing.T) {
	s := open(t, threeServers(t), func(set *setup) {
		lead(2)(set)
		tableWith(t, func(r *profile.Repairs) { r.Lead, r.MultipartGate, r.Pauses = false, false, false })(set)
		set.front.Controlled = func(server string) { t.Errorf("a control change on %s is told", server) }
	})
	seen := make(map[string]bool)
	for range 12 {
		seen[s.post(toggleURL, "{}").body] = true
		seen[s.post(filesURL, "{}").body] = true
	}
	if len(seen) != 3 {
		t.Errorf("control and file requests went to %v, want all servers", seen)
	}
}

func TestGateSwitchedOff(t *testing.T) {
	var at times
	s := open(t, []string{serveTimed(t, &at).addr}, tableWith(t, func(r *profile.Repairs) { r.MultipartGate = false }))
	soon(t, "creates with files", func() {}, func() {
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() { s.send(s.withFile(createURL)).want(t, 200, "") })
		}
		clients.Wait()
	})
}
