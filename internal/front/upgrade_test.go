package front

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
)

const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Request-Id: theirs\r\n\r\n"

// echo switches protocols and sends back what it gets.
func echo(p *peer) {
	p.request()
	p.send(switched)
	io.Copy(p, p.r)
}

const upgradeHead = "GET /ws?a=b;c HTTP/1.1\r\nHost: omflow.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-Websocket-Key: x\r\nX_Forwarded_For: 6.6.6.6\r\nProxy: http://evil/\r\n"

func TestUpgrade(t *testing.T) {
	up := serve(t, echo)
	s := open(t, []string{refused(t), up.addr}, func(set *setup) { inOrder(set); set.servers[1].Capacity = 1 })
	c := s.dial()
	mine := "omflow_server=" + s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s2"), Session: 1, Issued: time.Now(), Seen: time.Now().Add(-2 * time.Minute)})
	io.WriteString(c, upgradeHead+"Cookie: a=1; "+mine+"\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
		t.Fatalf("%+v %v", resp, err)
	}
	if len(resp.Header.Values("X-Request-Id")) != 1 || resp.Header.Get("X-Request-Id") == "theirs" || len(resp.Cookies()) != 1 {
		t.Errorf("%v", resp.Header)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 100_000)} {
		go io.WriteString(c, text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != text {
			t.Fatalf("echoed %d bytes, %v", len(got), err)
		}
	}
	got := up.only(t)
	for _, want := range []string{"GET /ws?a=b;c HTTP/1.1\r\nHost: omflow.example\r\n", "\r\nUpgrade: WebSocket\r\n", "\r\nConnection: Upgrade\r\n", "\r\nX-Forwarded-For: 127.0.0.1\r\n", "\r\nCookie: a=1\r\n", "\r\nX-Request-Id: "} {
		if !strings.Contains(got, want) {
			t.Errorf("the server did not get %q but %q", want, got)
		}
	}
	for _, bad := range []string{"6.6.6.6", "Proxy:"} {
		if strings.Contains(got, bad) {
			t.Errorf("the server got %q", got)
		}
	}
	if n := s.inFlight(); n != 1 {
		t.Errorf("%d places are taken while the connection is open", n)
	}
	c.Close()
	s.idle()
	if trace := s.trace(1); trace.Status != 101 || trace.Server != "s2" || trace.Err != nil {
		t.Errorf("trace %+v", trace)
	}
}

// A server that nobody listens at is not asked again; another one is.
func TestUpgradeGoesElsewhere(t *testing.T) {
	up := serve(t, echo)
	s := open(t, []string{refused(t), up.addr}, inOrder)
	c := s.dial()
	io.WriteString(c, upgradeHead+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%+v %v", resp, err)
	}
	if !strings.Contains(s.log.String(), "connection refused") {
		t.Error("the server that refused was not taken out")
	}
	c.Close()
	s.idle()
}

func TestUpgradeRefused(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"))
	s := open(t, []string{up.addr}, nil)
	c := s.dial()
	r := bufio.NewReader(c)
	for range 2 { // the client's connection goes on
		io.WriteString(c, upgradeHead+"\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer{resp, readAll(resp.Body)}.want(t, 400, "no")
	}
	s.idle()
}

// The place of an ordinary answer that does not go on becomes free, as it does when
// nobody has asked for an upgrade.
func TestUpgradeAnsweredInPart(t *testing.T) {
	for name, leaves := range map[string]bool{"the server sends no more": false, "the client leaves": true} {
		t.Run(name, func(t *testing.T) {
			up := serve(t, func(p *peer) {
				p.request()
				p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
				p.wait()
			})
			s := open(t, []string{up.addr}, nil)
			if !leaves {
				s.front.cfg.ResponseTimeout = 100 * time.Millisecond // the head's own is set already
			}
			c := s.dial()
			io.WriteString(c, upgradeHead+"\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%+v %v", resp, err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			if leaves {
				c.Close()
			}
			s.idle()
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the client takes half an answer for a whole one")
			}
		})
	}
}

func TestUpgradeFails(t *testing.T) {
	for name, tt := range map[string]struct {
		addresses []string
		status    int
		refusal   string
	}{
		"nobody listens": {[]string{refused(t)}, 503, "unreachable"},
		"garbage":        {[]string{serve(t, func(p *peer) { p.request(); p.send("garbage\r\n\r\n") }).addr}, 502, "bad_answer"},
		"no answer":      {[]string{serve(t, dies(99, "")).addr}, 502, "bad_answer"},
		"not in time":    {[]string{serve(t, func(p *peer) { p.request(); p.wait() }).addr}, 504, "server_timeout"},
		"another protocol": {[]string{serve(t, func(p *peer) {
			p.request()
			p.send(strings.Replace(switched, "websocket", "h2c", 1))
			p.wait()
		}).addr}, 502, "bad_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, tt.addresses, func(set *setup) {
				set.front.Attempts = 1
				if tt.refusal == "server_timeout" {
					set.fleet.ResponseTimeout = 100 * time.Millisecond
				}
			})
			c := s.dial()
			io.WriteString(c, upgradeHead+"\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer{resp, readAll(resp.Body)}.want(t, tt.status, fmt.Sprintf(`"status":%d`, tt.status))
			if trace := s.trace(1); trace.Refusal != tt.refusal || trace.Err == nil {
				t.Errorf("trace %+v", trace)
			}
			c.Close()
			s.idle()
		})
	}
}

// What asks for an upgrade but must not get one is an ordinary request: it goes the
// lean way, without the fields.
func TestNoUpgrade(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	for name, text := range map[string]string{
		"h2c":           "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHttp2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
		"h2c in a list": "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
		"h2c in a line": "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
		"HTTP/1.0":      "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
		"not asked for": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
		"not printable": "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: web\xffsocket\r\n\r\n",
		"an edit":       "POST " + createURL + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
		"with a token":  "GET " + readURL + "?security=0b7f7f0e-5a0e-4f0c-9f55-2b6c0c1f7c11 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"with a body":   "POST " + createURL + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		before := len(up.requests())
		c := s.dial()
		io.WriteString(c, text)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		answer{resp, readAll(resp.Body)}.want(t, 200, "ok")
		c.Close()
		got := up.requests()[before]
		if strings.Contains(got, "Upgrade") || strings.Contains(got, "Settings") || strings.Contains(got, "Connection") || strings.Contains(got, "Transfer-Encoding") {
			t.Errorf("%s: the server got %q", name, got)
		}
		if name == "with a body" && (!strings.Contains(got, "\r\nContent-Length: 3\r\n") || !strings.HasSuffix(got, "\r\n\r\nabc")) {
			t.Errorf("%s: the server got %q", name, got)
		}
	}
	if r := httptest.NewRequest("GET", "/", nil); isUpgrade(r) {
		t.Error("an ordinary request is an upgrade")
	}
}
