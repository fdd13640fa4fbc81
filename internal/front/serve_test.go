package front

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/omflow"
)

func TestLanesReachTheBalancer(t *testing.T) {
	block, reached := make(chan struct{}), make(chan struct{}, 1)
	up := serve(t, func(p *peer) {
		for {
			p.request()
			reached <- struct{}{}
			<-block
			p.send(ok("ok"))
		}
	})
	for _, tt := range []struct {
		method, path, body string
		lane               omflow.Lane
		class              omflow.Class
	}{
		{"GET", pageURL, "", omflow.Session, omflow.Read},
		{"GET", "/static/a.css", "", omflow.Static, omflow.Read},
		{"POST", createURL, createBody, omflow.Flow, omflow.Create},
		{"POST", createURL, updateBody, omflow.Flow, omflow.Guarded},
		{"POST", createURL, updateBody + strings.Repeat(" ", omflow.MaxBodyLook), omflow.Flow, omflow.Create}, // more than was looked at
		{"POST", readURL, `{}`, omflow.Flow, omflow.Read},
		{"POST", "/flowmanage/api/flow-workspace-app/deploy/", `{}`, omflow.Control, omflow.Create},
		{"POST", "/flowmanage/api/omdata-file/list/", `{}`, omflow.File, omflow.Guarded},
	} {
		t.Run(tt.path, func(t *testing.T) {
			s := open(t, []string{up.addr}, func(set *setup) { set.servers[0].Capacity = 1 })
			// One request works, the next one of the lane waits in its queue.
			answers := make(chan answer, 2)
			for range 2 {
				go func() { answers <- s.send(s.request(tt.method, tt.path, strings.NewReader(tt.body))) }()
			}
			<-reached
			s.eventually("one waits in its lane", func() bool { return s.fleet.Balancer().Queued(tt.lane) == 1 })
			block <- struct{}{}
			<-reached
			block <- struct{}{}
			for range 2 {
				(<-answers).want(t, 200, "ok")
			}
			for n := range 2 {
				if got := s.trace(n + 1); got.Lane != tt.lane || got.Class != tt.class || got.Server != "s1" || got.Tries != 1 || got.Status != 200 {
					t.Errorf("trace %+v", got)
				}
			}
			s.idle()
		})
	}
}

func TestEachAnswerSaysItsIDAndTimes(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 200 OK\r\nX-Request-Id: the-server-repeats-it\r\nServer-Timing: db;dur=1\r\nContent-Length: 0\r\n\r\n"))
	s := open(t, []string{up.addr}, nil)
	timing := regexp.MustCompile(`^queue;dur=\d+\.\d\d, server;dur=\d+\.\d\d$`)
	for given, want := range map[string]string{
		"client-1.a_B":             `^client-1\.a_B$`,
		"":                         `^[0-9a-f]{32}$`,
		"bad id":                   `^[0-9a-f]{32}$`,
		strings.Repeat("x", 65):    `^[0-9a-f]{32}$`,
		"<script>alert</script>":   `^[0-9a-f]{32}$`,
		strings.Repeat("x", 1<<15): `^[0-9a-f]{32}$`,
	} {
		a := s.get("/", "X-Request-Id", given)
		ids := a.Header.Values("X-Request-Id")
		if len(ids) != 1 || !regexp.MustCompile(want).MatchString(ids[0]) {
			t.Errorf("for the ID %.70q the answer has %q", given, ids)
		}
		all := up.requests()
		if last := all[len(all)-1]; strings.Count(last, "X-Request-Id: ") != 1 || !strings.Contains(last, "X-Request-Id: "+ids[0]+"\r\n") {
			t.Errorf("the server got %.300q, not the ID %s", last, ids[0])
		}
		if times := a.Header.Values("Server-Timing"); len(times) != 2 || times[1] != "db;dur=1" || !timing.MatchString(times[0]) {
			t.Errorf("Server-Timing %q", times)
		}
	}
	a, b := s.get("/").Header.Get("X-Request-Id"), s.get("/").Header.Get("X-Request-Id")
	if a == b {
		t.Errorf("two requests have the ID %s", a)
	}
	up.ln.Close()
	s.fleet.SetMark("s1", balance.Maintenance)
	s.front.cfg.QueueWait = 1
	refusal := s.get("/", "X-Request-Id", "mine")
	refusal.want(t, 503, `"status":503`)
	if refusal.Header.Get("X-Request-Id") != "mine" || !timing.MatchString(refusal.Header.Get("Server-Timing")) {
		t.Errorf("our own answer has %q", refusal.Header)
	}
}

func TestForwardedFields(t *testing.T) {
	up := serve(t, answers(ok("")))
	for _, tt := range []struct {
		name   string
		client Client
		want   []string
	}{
		{"a stranger's are replaced", Client{}, []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: omflow.example"}},
		{"a trusted proxy's are added to", Client{Trusted: true}, []string{"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: outer.example"}},
		{"those that were made before are kept", Client{Forwarded: true}, []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-Proto: https", "X-Forwarded-Host: outer.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, []string{up.addr}, func(set *setup) { set.client = tt.client })
			before := len(up.requests())
			r := s.request("GET", "/", nil, "X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2",
				"X-Forwarded-Proto", "https", "X-Forwarded-Host", "outer.example",
				"X_Forwarded_For", "6.6.6.6", "Proxy", "http://evil/", "Keep-Alive", "1", "Te", "trailers")
			r.Host = "omflow.example"
			s.send(r).want(t, 200, "")
			got := up.requests()[before]
			if !strings.Contains(got, "\r\nHost: omflow.example\r\n") {
				t.Errorf("the Host is not the client's: %q", got)
			}
			var lines []string
			for line := range strings.SplitSeq(got, "\r\n") {
				if strings.HasPrefix(line, "X-Forwarded-") {
					lines = append(lines, line)
				}
				for _, bad := range []string{"_", "Proxy:", "Keep-Alive", "Te:", "6.6.6.6"} {
					if strings.Contains(line, bad) {
						t.Errorf("the server got %q", line)
					}
				}
			}
			for _, want := range tt.want {
				if !contains(lines, want) {
					t.Errorf("the server got %q, want %q", lines, want)
				}
			}
			if len(lines) != len(tt.want) {
				t.Errorf("the server got %q, want %q", lines, tt.want)
			}
		})
	}
}

func contains(all []string, want string) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

// Each REST call signs in and out, and would end the session of the browser whose
// cookie came along.
func TestNoCookieUnderREST(t *testing.T) {
	up := serve(t, answers(ok("")))
	s := open(t, []string{up.addr}, nil)
	s.post(readURL, "{}", "Cookie", "sessionid=abc; django_language=ja")
	s.post("/rest/flowmanage/api/omparameter/update/", "{}", "Cookie", "sessionid=abc")
	s.get(pageURL, "Cookie", "sessionid=abc")
	got := up.requests()
	if strings.Contains(got[0], "Cookie") || strings.Contains(got[1], "Cookie") || !strings.Contains(got[2], "Cookie: sessionid=abc\r\n") {
		t.Errorf("the server got %q", got)
	}
}

func TestHTTP10(t *testing.T) {
	up := serve(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n")
		p.wait()
	})
	s := open(t, []string{up.addr}, nil)
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(text, "\r\n\r\nabc") || strings.Contains(text, "103") || strings.Contains(text, "chunked") {
		t.Errorf("an HTTP/1.0 client got %q", text)
	}
	if req := up.only(t); !strings.Contains(req, "\r\nHost: "+up.addr+"\r\n") {
		t.Errorf("a request without Host arrived as %q", req)
	}
}

func TestWellKnown(t *testing.T) {
	active := true
	s := open(t, nil, func(set *setup) {
		set.front.Active = func() bool { return active }
		set.servers = []fleet.Static{{Name: "s1", Address: "127.0.0.1:1", Capacity: 1, Weight: 1}}
	})
	const base = "/.well-known/omflow/"
	s.get(base+"live").want(t, 200, "yes")
	s.get(base+"ready").want(t, 200, "yes")
	s.get(base+"active").want(t, 200, "yes")
	s.get(base+"else").want(t, 404, "")
	s.fleet.SetMark("s1", balance.Drain)
	active = false
	s.get(base+"live").want(t, 200, "yes")
	s.get(base+"ready").want(t, 503, "no")
	s.get(base+"active").want(t, 503, "no")
	if a := s.send(s.request("HEAD", base+"ready", nil)); a.StatusCode != 503 || a.body != "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("HEAD: %d %q %v", a.StatusCode, a.body, a.Header)
	}
}

func TestConfigRefusals(t *testing.T) {
	s := open(t, nil, nil)
	for name, change := range map[string]func(*Config){
		"no fleet":         func(c *Config) { c.Fleet = nil },
		"no table":         func(c *Config) { c.Table = nil },
		"no keys":          func(c *Config) { c.Keys = nil },
		"no retry budget":  func(c *Config) { c.Retries = nil },
		"no active":        func(c *Config) { c.Active = nil },
		"no logger":        func(c *Config) { c.Logger = nil },
		"negative wait":    func(c *Config) { c.QueueWait = -1 },
		"negative idle":    func(c *Config) { c.Idle = -1 },
		"negative max age": func(c *Config) { c.MaxAge = -1 },
		"negative tries":   func(c *Config) { c.Attempts = -1 },
		"negative body":    func(c *Config) { c.MaxBody = -1 },
		"negative dial":    func(c *Config) { c.DialTimeout = -1 },
		"negative answer":  func(c *Config) { c.ResponseTimeout = -1 },
		"a cookie's name":  func(c *Config) { c.Cookie = "a b" },
	} {
		cfg := s.front.cfg
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := New(s.front.cfg); err != nil {
		t.Errorf("a good one is refused: %v", err)
	}
}

// A panic of what stands between us and the client must not cost a place.
func TestPanicGivesThePlaceBack(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 103 Early Hints\r\n\r\n", ok("x")))
	for name, w := range map[string]http.ResponseWriter{
		"in the answer's head": &panicky{ResponseRecorder: httptest.NewRecorder(), at: 200},
		"in an interim answer": &panicky{ResponseRecorder: httptest.NewRecorder(), at: 103},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, []string{up.addr}, nil)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				var trace Trace
				s.front.Serve(w, httptest.NewRequest("GET", "/", nil), Client{}, &trace)
			}()
			s.idle()
		})
	}
}

type panicky struct {
	*httptest.ResponseRecorder
	at int
}

func (p *panicky) WriteHeader(status int) {
	if status == p.at {
		panic(http.ErrAbortHandler)
	}
}
