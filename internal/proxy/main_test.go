package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// server is a TCP server that follows a script on each connection.
type server struct {
	*Upstream
	conns atomic.Int64
}

// peer is the server's side of a connection. Its methods end the script when the
// connection fails.
type peer struct {
	net.Conn
	t  *testing.T
	r  *bufio.Reader
	nr int64 // which connection it is, from 1
}

type over struct{}

// serve starts a server that runs script on each connection, and closes it then.
// All is over when the test ends.
func serve(t *testing.T, cfg Config, script func(p *peer)) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Address = ln.Addr().String()
	u, err := NewUpstream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Upstream: u}
	var open sync.Map
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			open.Store(nc, nil)
			p := newPeer(t, nc)
			p.nr = s.conns.Add(1)
			running.Go(func() { p.run(script) })
		}
	})
	t.Cleanup(func() {
		u.Close()
		ln.Close()
		open.Range(func(nc, _ any) bool { nc.(net.Conn).Close(); return true })
		running.Wait()
	})
	return s
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	return &peer{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

// run runs the script and closes the connection.
func (p *peer) run(script func(*peer)) {
	defer p.Close()
	defer func() {
		if e := recover(); e != nil && e != (over{}) {
			panic(e)
		}
	}()
	script(p)
}

// head reads a request's head; its body is left unread.
func (p *peer) head() *http.Request {
	r, err := http.ReadRequest(p.r)
	if err != nil {
		panic(over{})
	}
	return r
}

// request reads a whole request.
func (p *peer) request() (*http.Request, string) {
	r := p.head()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(over{})
	}
	return r, string(body)
}

func (p *peer) send(parts ...string) {
	for _, s := range parts {
		if _, err := io.WriteString(p, s); err != nil {
			panic(over{})
		}
	}
}

// wait waits until the client closes.
func (p *peer) wait() { _, _ = io.Copy(io.Discard, p.r) }

// answers is a script that gives the same answer to each request.
func answers(parts ...string) func(*peer) {
	return func(p *peer) {
		for {
			p.request()
			p.send(parts...)
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// get is a request that may be repeated, create is one that must not be.
func get(target string) *Request {
	return &Request{Method: http.MethodGet, Target: target, Host: "omflow.example", Repeatable: true}
}

func create() *Request {
	return &Request{Method: http.MethodPost, Target: "/create/", Host: "omflow.example"}
}

// do sends a request and reads its answer.
func (s *server) do(ctx context.Context, r *Request) (status int, body string, err error) {
	x, err := s.Do(ctx, time.Now(), r)
	if err != nil {
		return 0, "", err
	}
	defer func() { x.Finish(time.Now()) }()
	b, err := io.ReadAll(x)
	return x.Status, string(b), err
}

// mustDo is do where nothing may fail.
func (s *server) mustDo(t *testing.T, r *Request) string {
	t.Helper()
	_, body, err := s.do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return body
}

// failure returns the *Error that Do must have given.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("the error is %#v (%v), want an *Error", err, err)
	}
	return e
}

// connections fails the test unless the server's connections become these.
func (s *server) connections(t *testing.T, open, idle int) {
	t.Helper()
	var o, i int
	if !eventually(func() bool { o, i = s.Connections(); return o == open && i == idle }) {
		t.Fatalf("%d connections, %d of them idle, want %d and %d", o, i, open, idle)
	}
}

func eventually(ok func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// within fails the test unless something comes out of the channel in time.
func within[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	return v
}

// body returns a Body with these bytes.
func body(t testing.TB, s string) *Body {
	t.Helper()
	b, err := ReadBody(strings.NewReader(s), int64(len(s)), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// pieces is a connection that brings the given bytes in pieces of a given size.
type pieces struct {
	net.Conn
	data string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.data == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.data)
	p.data = p.data[n:]
	return n, nil
}

func (*pieces) SetDeadline(time.Time) error { return nil }
func (*pieces) Close() error                { return nil }

// exchangeOf returns an Exchange whose server has sent data.
func exchangeOf(ctx context.Context, data string, size int) *Exchange {
	u := &Upstream{cfg: Config{ResponseTimeout: time.Minute}, all: map[*conn]struct{}{}}
	return &Exchange{Header: http.Header{}, u: u, c: newConn(&pieces{data: data, size: size}), ctx: ctx}
}
