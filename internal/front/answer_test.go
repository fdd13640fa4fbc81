package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

func readAll(r io.Reader) string {
	b, _ := io.ReadAll(r)
	return string(b)
}

func http2(set *setup) {
	set.start = func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }
}

// Answers without a body, over HTTP/1.1 and HTTP/2.
func TestAnswersWithoutABody(t *testing.T) {
	for _, tt := range []struct {
		name, method, answer string
		status               int
		length               string
	}{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 200, "500"},
		{"HEAD of a large one", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", 200, "5000000"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\nContent-Length: 500\r\n\r\n", 304, ""},
		{"an empty one", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
		{"a redirect", "GET", "HTTP/1.1 302 Found\r\nLocation: /accounts/login/?next=/\r\nContent-Length: 0\r\n\r\n", 302, "0"},
	} {
		for proto, start := range map[string]func(*setup){"HTTP/1.1": nil, "HTTP/2.0": http2} {
			t.Run(tt.name+" "+proto, func(t *testing.T) {
				up := serve(t, answers(tt.answer))
				s := open(t, []string{up.addr}, start)
				for range 3 {
					a, err := s.try(s.request(tt.method, pageURL, nil))
					// net/http's client for HTTP/2 misses the body that 304 never has.
					if err != nil && !(tt.status == 304 && errors.Is(err, io.ErrUnexpectedEOF) && a.Response != nil) {
						t.Fatal(err)
					}
					if a.Proto != proto || a.StatusCode != tt.status || a.body != "" {
						t.Fatalf("%s %d %q", a.Proto, a.StatusCode, a.body)
					}
					if got := a.Header.Get("Content-Length"); tt.length != "" && got != tt.length {
						t.Errorf("Content-Length %q", got)
					}
				}
				want := int64(1)
				if tt.method == "HEAD" {
					want = 3 // a body might come after all
				}
				if n := up.conns.Load(); n != want {
					t.Errorf("%d connections to the server, want %d", n, want)
				}
				s.idle()
			})
		}
	}
}

func TestTrailers(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n", "3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"))
	for _, start := range []func(*setup){nil, http2} {
		s := open(t, []string{up.addr}, start)
		a := s.get(pageURL)
		if a.body != "abc" || a.Trailer.Get("X-Sum") != "6" {
			t.Errorf("%s: %q, trailers %v", a.Proto, a.body, a.Trailer)
		}
	}
}

func TestEarlyHints(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", ok("done")))
	for _, start := range []func(*setup){nil, http2} {
		s := open(t, []string{up.addr}, start)
		var hints []string
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				hints = append(hints, header.Get("Link"))
				return nil
			},
		})
		a := s.send(s.request("GET", pageURL, nil).WithContext(ctx))
		if len(hints) != 1 || hints[0] != "</a.css>; rel=preload" || a.body != "done" || a.Header.Get("Link") != "" {
			t.Errorf("%s: hints %q, then %q %v", a.Proto, hints, a.body, a.Header)
		}
	}
}

// An answer that comes as things happen reaches the client as it comes.
func TestStreaming(t *testing.T) {
	next := make(chan struct{})
	for name, pieces := range map[string][]string{
		"chunked":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"},
		"until it closes": {"HTTP/1.1 200 OK\r\n\r\n", "one", "two", ""},
	} {
		t.Run(name, func(t *testing.T) {
			up := serve(t, func(p *peer) {
				p.request()
				for _, piece := range pieces {
					p.send(piece)
					<-next
				}
			})
			s := open(t, []string{up.addr}, nil)
			r := s.request("GET", pageURL, nil)
			resp, err := s.Client().Do(r) // the head came, though nothing of the body did
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			buf := make([]byte, 3)
			for _, want := range []string{"one", "two"} {
				next <- struct{}{}
				if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != want {
					t.Fatalf("got %q %v, want %q", buf, err, want)
				}
			}
			next <- struct{}{}
			next <- struct{}{}
			if rest := readAll(resp.Body); rest != "" {
				t.Errorf("then %q", rest)
			}
			s.idle()
		})
	}
}

// A large answer that the server breaks off must not look whole.
func TestLargeAnswerBreaksOff(t *testing.T) {
	for name, text := range map[string]string{
		"of known length":  "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 500_000),
		"chunked":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"with a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
	} {
		for _, start := range []func(*setup){nil, http2} {
			up := serve(t, func(p *peer) { p.request(); p.send(text) })
			s := open(t, []string{up.addr}, start)
			a, err := s.try(s.request("GET", pageURL, nil))
			if err == nil {
				t.Errorf("%s, %s: the client got %d bytes and no error", name, a.Proto, len(a.body))
			}
			up.only(t)
			if trace := s.trace(1); trace.Err == nil || trace.Status != 200 {
				t.Errorf("%s: trace %+v", name, trace)
			}
			if !strings.Contains(s.log.String(), "answer broke off") {
				t.Errorf("%s: not logged", name)
			}
			s.idle()
		}
	}
}

// A slow client does not hold a place for an answer of up to 64 kB, and one for a
// larger answer holds it no longer than it reads.
func TestSlowClient(t *testing.T) {
	body := strings.Repeat("x", 64<<10)
	up := serve(t, answers(ok(body)))
	s := open(t, []string{up.addr}, func(set *setup) {
		set.servers[0].Capacity = 1
		set.start = func(s *httptest.Server) {
			s.Listener = smallBuffers{s.Listener}
			s.Start()
		}
	})
	for range 5 {
		c := s.dial()
		c.(*net.TCPConn).SetReadBuffer(4096)
		io.WriteString(c, "GET "+pageURL+" HTTP/1.1\r\nHost: x\r\n\r\n") // and reads nothing
	}
	s.eventually("all have their answers", func() bool { return len(up.requests()) == 5 && s.inFlight() == 0 })
	s.mu.Lock()
	done := len(s.traces)
	s.mu.Unlock()
	if done == 5 {
		t.Error("the clients' connections took everything, so nothing was tested")
	}
}

// smallBuffers gives connections that take little at once.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return c, err
}

// A client that stops reading and goes away leaves nothing behind.
func TestClientLeavesInMidAnswer(t *testing.T) {
	up := serve(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		piece := "10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n"
		for {
			p.send(piece)
		}
	})
	s := open(t, []string{up.addr}, nil)
	resp, err := s.Client().Do(s.request("GET", pageURL, nil))
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(resp.Body, make([]byte, 1<<20))
	resp.Body.Close()
	s.idle()
	if trace := s.trace(1); trace.Err != nil || strings.Contains(s.log.String(), "broke off") {
		t.Errorf("the server is blamed: %+v\n%s", trace, s.log.String())
	}
}

// A stream that its client resets ends alone: other requests on the connection
// and those to come go on.
func TestHTTP2ResetEndsOneStream(t *testing.T) {
	release := make(chan struct{})
	up := serve(t, func(p *peer) {
		for {
			r, _ := p.request()
			if r.URL.Path == "/slow/" {
				<-release
			}
			p.send(ok("ok"))
		}
	})
	s := open(t, []string{up.addr}, http2)
	s.get(pageURL).want(t, 200, "ok")
	var conns []net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conns = append(conns, i.Conn) }}
	for range 3 {
		ctx, cancel := context.WithCancel(httptrace.WithClientTrace(context.Background(), trace))
		before := len(up.requests())
		gone := make(chan error, 1)
		go func() {
			_, err := s.try(s.request("GET", "/slow/", nil).WithContext(ctx))
			gone <- err
		}()
		s.eventually("the server works", func() bool { return len(up.requests()) > before })
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s.send(s.request("GET", pageURL, nil).WithContext(httptrace.WithClientTrace(context.Background(), trace))).want(t, 200, "ok")
	}
	for _, c := range conns {
		if c != conns[0] {
			t.Error("the connection was given up")
			break
		}
	}
	close(release)
	s.idle()
}

// The headers of an answer arrive as they are, but for those of the connection.
func TestAnswerFields(t *testing.T) {
	up := serve(t, answers("HTTP/1.1 200 OK\r\nServer: gunicorn\r\nVary: Cookie\r\nVary: Accept\r\nKeep-Alive: timeout=2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX_Under: 2\r\nContent-Length: 2\r\n\r\nok"))
	s := open(t, []string{up.addr}, nil)
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	resp.Header.Write(&buf)
	if got := resp.Header["Vary"]; len(got) != 2 || resp.Header.Get("Server") != "gunicorn" || resp.Header["X-Hop"] != nil || resp.Header["Keep-Alive"] != nil || resp.Header["Connection"] != nil {
		t.Errorf("got\n%s", buf.String())
	}
}
