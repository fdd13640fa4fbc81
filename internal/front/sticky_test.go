package front

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/omflow"
)

// cookie returns the sticky cookie that an answer sets, or nil.
func (a answer) cookie(t testing.TB) *http.Cookie {
	t.Helper()
	var found *http.Cookie
	for _, c := range a.Cookies() {
		if c.Name == DefaultCookie {
			if found != nil {
				t.Fatalf("two cookies are set: %q", a.Header["Set-Cookie"])
			}
			found = c
		}
	}
	return found
}

// threeServers answer with their names.
func threeServers(t testing.TB) (addresses []string) {
	for _, name := range []string{"s1", "s2", "s3"} {
		addresses = append(addresses, serve(t, answers(ok(name))).addr)
	}
	return addresses
}

func TestSessionStays(t *testing.T) {
	s := open(t, threeServers(t), nil)
	first := s.get(pageURL)
	c := first.cookie(t)
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure || c.MaxAge != 0 || len(c.Value) != balance.StickyLength {
		t.Fatalf("the cookie is %v", c)
	}
	for range 50 {
		a := s.get(pageURL, "Cookie", c.Name+"="+c.Value)
		a.want(t, 200, first.body)
		if a.cookie(t) != nil {
			t.Fatal("the cookie is set again")
		}
	}
	if why := s.trace(51).Why; why != balance.WhySticky {
		t.Errorf("why: %s", why)
	}
}

func TestSessionMoves(t *testing.T) {
	s := open(t, threeServers(t), nil)
	first := s.get(pageURL)
	c := first.cookie(t)
	opened, _ := s.front.cfg.Keys.Open(c.Value)
	for name, leave := range map[string]func(){
		"it is down":     func() { s.checks.ill.Store(s.address(first.body), true) },
		"it is draining": func() { s.fleet.SetMark(first.body, balance.Drain) },
	} {
		leave()
		s.eventually(name, func() bool { st, _ := s.fleet.Balancer().Server(first.body); return st.State != "up" })
		moved := s.get(pageURL, "Cookie", c.Name+"="+c.Value)
		next := moved.cookie(t)
		if moved.StatusCode != 200 || moved.body == first.body || next == nil {
			t.Fatalf("%s: answered %d by %s, cookie %v", name, moved.StatusCode, moved.body, next)
		}
		sticky, ok := s.front.cfg.Keys.Open(next.Value)
		if !ok || sticky.Session != opened.Session || !sticky.Issued.Equal(opened.Issued) || sticky.Server != balance.IDOf(moved.body) {
			t.Errorf("%s: the cookie says %+v, the first said %+v", name, sticky, opened)
		}
		s.checks.ill.Clear()
		s.eventually("it is up again", func() bool {
			s.fleet.SetMark(first.body, balance.NoMark)
			st, _ := s.fleet.Balancer().Server(first.body)
			return st.State == "up"
		})
	}
}

// address is a server's.
func (s *site) address(name string) string {
	st, ok := s.fleet.Balancer().Server(name)
	if !ok {
		s.t.Fatalf("no server %s", name)
	}
	return st.Address
}

func TestCookieIsRenewed(t *testing.T) {
	s := open(t, threeServers(t), nil)
	now := time.Now()
	keys := s.front.cfg.Keys
	for _, tt := range []struct {
		name         string
		issued, seen time.Duration // ago
		renewed      bool
		same         bool // session
	}{
		{"fresh", time.Hour, 30 * time.Second, false, true},
		{"after a minute", time.Hour, 61 * time.Second, true, true},
		{"after the idle limit", time.Hour, 31 * time.Minute, true, false},
		{"after the age limit", 13 * time.Hour, time.Second, true, false},
		{"from the future", -time.Hour, -time.Hour, true, false},
	} {
		old := balance.Sticky{Server: balance.IDOf("s2"), Session: 7, Issued: now.Add(-tt.issued), Seen: now.Add(-tt.seen)}
		a := s.get(pageURL, "Cookie", "omflow_server="+keys.Seal(old))
		c := a.cookie(t)
		if (c != nil) != tt.renewed {
			t.Errorf("%s: cookie %v", tt.name, c)
			continue
		}
		if tt.same && a.body != "s2" {
			t.Errorf("%s: went to %s", tt.name, a.body)
		}
		if c == nil {
			continue
		}
		got, _ := keys.Open(c.Value)
		if (got.Session == 7) != tt.same || now.Sub(got.Seen) > 10*time.Second || tt.same && got.Issued.Unix() != old.Issued.Unix() {
			t.Errorf("%s: the new one says %+v", tt.name, got)
		}
	}
}

// With a limit of less than a minute the cookie of a session that goes on is renewed in
// time, too.
func TestCookieIsRenewedBeforeAShortIdleLimit(t *testing.T) {
	s := open(t, threeServers(t), func(set *setup) { set.front.Idle = 40 * time.Second })
	now := time.Now()
	for seen, renewed := range map[time.Duration]bool{time.Second: false, 25 * time.Second: true} {
		old := balance.Sticky{Server: balance.IDOf("s2"), Session: 7, Issued: now.Add(-time.Hour), Seen: now.Add(-seen)}
		a := s.get(pageURL, "Cookie", "omflow_server="+s.front.cfg.Keys.Seal(old))
		if a.body != "s2" || (a.cookie(t) != nil) != renewed {
			t.Errorf("after %v: %s answers, with the cookie %v", seen, a.body, a.cookie(t))
		}
	}
}

// A cookie that can't be right is no error and has no effect.
func TestBadCookiesAreIgnored(t *testing.T) {
	s := open(t, threeServers(t), nil)
	foreign, err := balance.NewStickyKeys([][]byte{[]byte("the key of another installation")})
	if err != nil {
		t.Fatal(err)
	}
	valid := balance.Sticky{Server: balance.IDOf("s3"), Session: 7, Issued: time.Now(), Seen: time.Now()}
	good := s.front.cfg.Keys.Seal(valid)
	flip := []byte(good)
	flip[3] ^= 1
	for name, value := range map[string]string{
		"empty": "", "truncated": good[:len(good)-1], "longer": good + "A", "forged": string(flip),
		"foreign": foreign.Seal(valid), "quoted badly": `"` + good, "huge": strings.Repeat("A", 8000), "bytes": "\xff\xfe",
		"padded": good + "==",
	} {
		moved := 0
		for range 6 {
			a := s.get(pageURL, "Cookie", "omflow_server="+value)
			if a.StatusCode != 200 || a.cookie(t) == nil {
				t.Errorf("%s: answered %d, cookie %v", name, a.StatusCode, a.cookie(t))
			}
			if a.body != "s3" {
				moved++
			}
		}
		if moved == 0 {
			t.Errorf("%s: all requests went to the server that it names", name)
		}
	}
	s.get(pageURL, "Cookie", "omflow_server="+good).want(t, 200, "s3")
	s.get(pageURL, "Cookie", `omflow_server="`+good+`"`).want(t, 200, "s3")
	gone := balance.Sticky{Server: balance.IDOf("no such server"), Session: 7, Issued: time.Now(), Seen: time.Now()}
	if a := s.get(pageURL, "Cookie", "omflow_server="+s.front.cfg.Keys.Seal(gone)); a.StatusCode != 200 || a.cookie(t) == nil {
		t.Errorf("a server that is gone: %d %v", a.StatusCode, a.cookie(t))
	}
}

// The server never sees the cookie, and all others as they came.
func TestCookieIsRemoved(t *testing.T) {
	up := serve(t, answers(ok("")))
	s := open(t, []string{up.addr}, nil)
	mine := "omflow_server=" + s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s1"), Session: 1, Issued: time.Now(), Seen: time.Now()})
	for _, tt := range []struct {
		sent []string
		want string
	}{
		{[]string{mine}, ""},
		{[]string{"sessionid=abc; " + mine}, "sessionid=abc"},
		{[]string{mine + "; sessionid=abc"}, "sessionid=abc"},
		{[]string{"a=1; " + mine + "; b=2"}, "a=1; b=2"},
		{[]string{`odd="x y";bad, one;=;` + mine + `; a=b=c`}, `odd="x y";bad, one;=; a=b=c`},
		{[]string{"a=1;b=2;  c=3"}, "a=1;b=2;  c=3"},
		{[]string{"a=1", mine, "b=2"}, "a=1; b=2"},
		{[]string{mine, "a=1", "b=2", "", "c=3; " + mine}, "a=1; b=2; c=3"},
		{[]string{"xomflow_server=1; omflow_server2=2; OMFLOW_SERVER=3"}, "xomflow_server=1; omflow_server2=2; OMFLOW_SERVER=3"},
		{[]string{"a=1; omflow_server=forged; b=2; omflow_server="}, "a=1; b=2"},
	} {
		before := len(up.requests())
		r := s.request("GET", pageURL, nil)
		r.Header["Cookie"] = tt.sent
		s.send(r)
		var got []string
		for line := range strings.SplitSeq(up.requests()[before], "\r\n") {
			if v, ok := strings.CutPrefix(line, "Cookie: "); ok {
				got = append(got, v)
			}
		}
		if tt.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("of %q arrived %q, want %q", tt.sent, got, tt.want)
		}
	}
}

// A head of 1 MB has room for so many lines that each must not be copied with all before.
func TestManyCookieLines(t *testing.T) {
	lines := make([]string, 10_000)
	for i := range lines {
		lines[i] = "a=1"
	}
	if n := testing.AllocsPerRun(1, func() { withoutCookie(lines, "omflow_server") }); n > 100 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhichRequestsAreSticky(t *testing.T) {
	addresses := threeServers(t)
	s := open(t, addresses, nil)
	for _, tt := range []struct {
		method, path string
		sticky       bool
	}{
		{"GET", pageURL, true},
		{"GET", "/static/a.css", false},
		{"POST", createURL, false},
		{"POST", "/flowmanage/api/omdata-file/list/", false}, // goes to the lead, and its session stays where it is
	} {
		on3 := s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s3"), Session: 1, Issued: time.Now(), Seen: time.Now()})
		r := s.request(tt.method, tt.path, nil)
		if a := s.send(r); (a.cookie(t) != nil) != tt.sticky {
			t.Errorf("%s sets the cookie %v", tt.path, a.cookie(t))
		}
		elsewhere := 0
		for range 6 {
			if a := s.send(s.request(tt.method, tt.path, nil, "Cookie", "omflow_server="+on3)); a.body != "s3" {
				elsewhere++
			}
		}
		if (elsewhere == 0) != tt.sticky {
			t.Errorf("%s: %d of 6 went elsewhere", tt.path, elsewhere)
		}
	}
	plain := open(t, addresses, func(set *setup) { set.front.Plain, set.front.Table = true, omflow.PlainTable() })
	if a := plain.get("/static/a.css"); a.cookie(t) == nil {
		t.Error("a plain balancer sets no cookie")
	}
}

func TestCookieIsSecureOnTLS(t *testing.T) {
	addresses := threeServers(t)
	tlsOn := func(set *setup) { set.start = (*httptest.Server).StartTLS }
	for _, tt := range []struct {
		name   string
		change func(*setup)
		proto  string
		secure bool
	}{
		{"TLS", tlsOn, "", true},
		{"TLS says a stranger", nil, "https", false},
		{"TLS says a trusted proxy", func(set *setup) { set.client.Trusted = true }, "HTTPS", true},
		{"none says a trusted proxy", func(set *setup) { set.client.Trusted = true }, "http", false},
	} {
		s := open(t, addresses, tt.change)
		r := s.request("GET", pageURL, nil)
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if c := s.send(r).cookie(t); c == nil || c.Secure != tt.secure {
			t.Errorf("%s: %v", tt.name, c)
		}
	}
}

// The server's own cookies stay beside ours, over HTTP/2 too.
func TestCookieBesideTheServers(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 200 OK\r\nSet-Cookie: sessionid=abc; HttpOnly\r\nSet-Cookie: csrftoken=x\r\nContent-Length: 0\r\n\r\n"))
	s := open(t, nil, func(set *setup) {
		set.servers = []fleet.Static{{Name: "s1", Address: up.addr, Capacity: 1, Weight: 1}}
		set.start = func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }
	})
	a := s.get(pageURL)
	got := a.Header.Values("Set-Cookie")
	if a.ProtoMajor != 2 || len(got) != 3 || a.cookie(t) == nil || a.TLS.Version < tls.VersionTLS12 ||
		!contains(got, "sessionid=abc; HttpOnly") || !contains(got, "csrftoken=x") {
		t.Errorf("%s %q", a.Proto, got)
	}
	// HTTP/2 clients may split the field (RFC 9113 section 8.2.3).
	r := s.request("GET", pageURL, nil)
	r.Header["Cookie"] = []string{"a=1", DefaultCookie + "=" + a.cookie(t).Value, "b=2"}
	s.send(r)
	all := up.requests()
	if last := all[len(all)-1]; strings.Count(last, "Cookie: ") != 1 || !strings.Contains(last, "\r\nCookie: a=1; b=2\r\n") {
		t.Errorf("the server got %q", last)
	}
}
