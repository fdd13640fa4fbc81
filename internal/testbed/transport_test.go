package testbed

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/internal/testbed/observe"
)

// dial opens a connection that is closed at the end and cannot hang the test.
func dial(t *testing.T, c *Cluster) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.Servers[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestChunkedBodyIsSeenAsEmpty(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	body := fmt.Sprintf(`{"security":%q,"omflow_restapi":true,"action":"create","formdata":[]}`, token(t, cl))
	post := func(r io.Reader) client.Answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.Servers[0].URL()+"/rest/flowmanage/api/omdata/edit/mission/", r)
		if err != nil {
			t.Fatal(err)
		}
		return must(t)(cl.Do(req))
	}
	expect(t, post(strings.NewReader(body)), 200, "Create data successfully.")
	expect(t, post(io.MultiReader(strings.NewReader(body))), 403, "Missing parameter:omflow_restapi")
}

func TestKeepAlive(t *testing.T) {
	c := newCluster(t, 1, 0)
	cfg := c.Config(0)
	cfg.KeepAlive = 50 * time.Millisecond
	if err := c.RestartWith(0, cfg); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, c)
	r := bufio.NewReader(conn)
	for range 3 {
		// The chunks of an ignored body must not be taken for the next request.
		fmt.Fprint(conn, "POST /rest/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			t.Fatalf("HTTP %d, %v", resp.StatusCode, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection gave %v, want its end", err)
	}
}

func TestFaults(t *testing.T) {
	c := newCluster(t, 1, 0)
	in := c.Servers[0].Instruments()
	cl := clientOf(t, client.Config{
		URL: c.Servers[0].URL(), User: "admin", Password: "admin",
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	tok := token(t, cl)
	tests := []struct {
		fault   instrument.Fault
		created int
		err     string
	}{
		{instrument.Fault{Kind: instrument.Garbage}, 0, "malformed HTTP"},
		{instrument.Fault{Kind: instrument.Close}, 0, "EOF"},
		{instrument.Fault{Kind: instrument.Drop}, 1, "EOF"},
		{instrument.Fault{Kind: instrument.Cut}, 1, "unexpected EOF"},
		{instrument.Fault{Kind: instrument.Header}, 0, ""}, // net/http takes 1 MB
		{instrument.Fault{Kind: instrument.Refuse}, 0, "refused"},
		{instrument.Fault{Kind: instrument.Slow, Factor: 2}, 1, ""},
		{instrument.Fault{Kind: instrument.Close, Path: "/accounts/"}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault.Kind)+tt.fault.Path, func(t *testing.T) {
			in.Reset()
			if err := in.Inject(tt.fault); err != nil {
				t.Fatal(err)
			}
			_, err := cl.Create(t.Context(), tok, "mission", "fault")
			switch {
			case tt.fault.Kind == instrument.Header && err != nil && !strings.Contains(err.Error(), "header"):
				t.Errorf("error %v", err)
			case tt.fault.Kind == instrument.Header:
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if err := in.Clear(); err != nil {
				t.Fatal(err)
			}
			if got := in.Stats().Created["fault"]; got != tt.created {
				t.Errorf("%d tickets created, want %d", got, tt.created)
			}
			if ok, err := cl.Ready(t.Context()); !ok || err != nil {
				t.Errorf("after the fault: %v, %v", ok, err)
			}
		})
	}
}

func TestHangAndEndlessEndWithTheFault(t *testing.T) {
	c := newCluster(t, 1, 0)
	in := c.Servers[0].Instruments()
	for _, kind := range []instrument.Kind{instrument.Hang, instrument.Endless} {
		if err := in.Inject(instrument.Fault{Kind: kind, Times: 1}); err != nil {
			t.Fatal(err)
		}
		conn := dial(t, c)
		fmt.Fprint(conn, "GET /accounts/login/ HTTP/1.1\r\nHost: x\r\n\r\n")
		observe.Eventually(t, "request in the server", func() bool { return in.Stats().InFlight == 1 })
		// The fault was for one request.
		cl := newClient(t, c, 0)
		if a := must(t)(cl.Get(t.Context(), "/accounts/login/")); a.Code != 200 {
			t.Errorf("%s: the next request got HTTP %d", kind, a.Code)
		}
		if err := in.Clear(); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, conn); kind == instrument.Hang && (n != 0 || err != nil) {
			t.Errorf("%s: %d bytes, %v", kind, n, err)
		}
		observe.Eventually(t, "request gone", func() bool { return in.Stats().InFlight == 0 })
	}
}

// What is held is neither carried out nor answered before the fault ends, and is then.
func TestHoldEndsWithTheFault(t *testing.T) {
	c := newCluster(t, 1, 0)
	in := c.Servers[0].Instruments()
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	in.Reset()
	if err := in.Inject(instrument.Fault{Kind: instrument.Hold, Times: 1}); err != nil {
		t.Fatal(err)
	}
	held := make(chan client.Answer, 1)
	go func() {
		a, err := cl.Create(t.Context(), tok, "mission", "held")
		if err != nil {
			t.Error(err)
		}
		held <- a
	}()
	observe.Eventually(t, "request in the server", func() bool { return in.Stats().InFlight == 1 })
	expect(t, must(t)(newClient(t, c, 0).Create(t.Context(), tok, "mission", "next")), 200, "Create")
	select {
	case a := <-held:
		t.Errorf("it was answered: %s", a.Body)
	default:
	}
	if n := in.Stats().Created["held"]; n != 0 {
		t.Errorf("%d tickets were opened", n)
	}
	if err := in.Clear(); err != nil {
		t.Fatal(err)
	}
	expect(t, <-held, 200, "Create")
}

func TestInstrumentsOverHTTP(t *testing.T) {
	c := newCluster(t, 1, 0)
	url := c.Servers[0].URL() + "/__testbed/"
	cl := newClient(t, c, 0)
	do := func(method, path, body string) client.Answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return must(t)(cl.Do(req))
	}
	for _, bad := range []string{`{"kind":"nonsense"}`, `{"kind":"slow"}`, `{"kind":"refuse"}`, `{"kind":"hang","factor":2}`, `{"knd":"hang"}`, `x`, `{"kind":"hang","times":-1}`} {
		if a := do("POST", "fault", bad); a.Code != 400 {
			t.Errorf("fault %s: HTTP %d", bad, a.Code)
		}
	}
	if a := do("POST", "fault", `{"kind":"close","path":"/rest/"}`); a.Code != 200 {
		t.Fatalf("fault: HTTP %d %s", a.Code, a.Body)
	}
	if _, err := cl.Get(t.Context(), "/rest/x"); err == nil {
		t.Error("the fault is not there")
	}
	if a := do("DELETE", "fault", ""); a.Code != 200 {
		t.Errorf("clearing the fault: HTTP %d", a.Code)
	}
	must(t)(cl.Get(t.Context(), "/rest/x"))
	must(t)(cl.Get(t.Context(), "/accounts/login/"))
	if a := do("GET", "stats", ""); !strings.Contains(string(a.Body), `"GET /accounts/login/":1`) || !strings.Contains(string(a.Body), `"requests":1,`) {
		t.Errorf("stats %s", a.Body)
	}
	if a := do("POST", "fault", `{"kind":"refuse","seconds":2}`); a.Code != 200 {
		t.Fatalf("refusing: HTTP %d %s", a.Code, a.Body)
	}
	observe.Eventually(t, "connections refused", func() bool { _, err := cl.Get(t.Context(), "/rest/x"); return err != nil })
	observe.Eventually(t, "connections taken again", func() bool { _, err := cl.Get(t.Context(), "/rest/x"); return err == nil })

	cfg := c.Config(0)
	cfg.Instruments = false
	if err := c.RestartWith(0, cfg); err != nil {
		t.Fatal(err)
	}
	if a := do("GET", "stats", ""); a.Code != 404 {
		t.Errorf("instruments that are off: HTTP %d", a.Code)
	}
}
