package front

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/omflow/booster/internal/testbed/ports"
)

// upstream is a server that follows a script on each connection.
type upstream struct {
	addr  string
	ln    net.Listener
	conns atomic.Int64

	mu  sync.Mutex
	raw []string // requests, each as it came
}

// peer is the server's side of a connection. Its methods end the script when the
// connection fails.
type peer struct {
	net.Conn
	up   *upstream
	r    *bufio.Reader
	seen bytes.Buffer // what was received and not yet made a request
}

type over struct{}

// serve starts a server that runs script on each connection and closes it then.
func serve(t testing.TB, script func(p *peer)) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := &upstream{addr: ln.Addr().String(), ln: ln}
	var open sync.Map
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			open.Store(nc, nil)
			up.conns.Add(1)
			running.Go(func() {
				p := &peer{Conn: nc, up: up}
				p.r = bufio.NewReader(io.TeeReader(nc, &p.seen))
				p.run(script)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		open.Range(func(nc, _ any) bool { nc.(net.Conn).Close(); return true })
		running.Wait()
	})
	return up
}

func (p *peer) run(script func(*peer)) {
	defer p.Close()
	defer func() {
		if e := recover(); e != nil && e != (over{}) {
			panic(e)
		}
	}()
	script(p)
}

// request reads a whole request. The front door sends one at a time, so all that
// was received is its.
func (p *peer) request() (*http.Request, string) {
	r, err := http.ReadRequest(p.r)
	if err != nil {
		panic(over{})
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(over{})
	}
	p.up.mu.Lock()
	p.up.raw = append(p.up.raw, p.seen.String())
	p.up.mu.Unlock()
	p.seen.Reset()
	return r, string(b)
}

func (p *peer) send(parts ...string) {
	for _, s := range parts {
		if _, err := io.WriteString(p, s); err != nil {
			panic(over{})
		}
	}
}

// wait waits until the other side closes.
func (p *peer) wait() { _, _ = io.Copy(io.Discard, p.r) }

// requests returns what was received.
func (u *upstream) requests() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.raw...)
}

// forget forgets what was received.
func (u *upstream) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.raw = nil
}

// only returns the one request that was received.
func (u *upstream) only(t testing.TB) string {
	t.Helper()
	all := u.requests()
	if len(all) != 1 {
		t.Fatalf("the server got %d requests, want one: %q", len(all), all)
	}
	return all[0]
}

// answers is a script that gives the same answer to each request.
func answers(parts ...string) func(*peer) {
	return func(p *peer) {
		for {
			p.request()
			p.send(parts...)
		}
	}
}

// ok is an answer with a body.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// refused is an address at which nobody listens.
func refused(t testing.TB) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}
