package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

func TestConnectionsAreUsedAgain(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	for i := range 50 {
		r := get("/")
		if i%2 == 0 {
			r = create()
		}
		s.mustDo(t, r)
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("50 requests took %d connections", n)
	}
}

// Django sends the body of an answer to HEAD, too, and perhaps only when the connection
// has carried another request: it would be that one's answer, and says what the sender of
// the first one wanted.
func TestBodyAfterHEAD(t *testing.T) {
	s := serve(t, Config{}, func(p *peer) {
		if p.nr > 1 {
			answers(okAnswer)(p)
		}
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	})
	r := get("/")
	r.Method = "HEAD"
	s.mustDo(t, r)
	if got := s.mustDo(t, get("/")); got != "ok" {
		t.Errorf("the next request was answered %q", got)
	}
}

// An idle server closes its connections sooner or later. A create must not be
// written to one that it may be closing just now.
func TestIdleAge(t *testing.T) {
	tests := []struct {
		idle  time.Duration
		r     *Request
		reuse bool
	}{
		{freshIdle - time.Millisecond, create(), true},
		{freshIdle, create(), false},
		{freshIdle, get("/"), true},
		{idleTimeout - time.Millisecond, get("/"), true},
		{idleTimeout, get("/"), false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.r.Method, " after ", test.idle), func(t *testing.T) {
			s := serve(t, Config{}, answers(okAnswer))
			s.mustDo(t, get("/"))
			s.connections(t, 1, 1)
			s.idle[0].used = time.Now().Add(-test.idle)
			x, err := s.Do(t.Context(), s.idle[0].used.Add(test.idle), test.r)
			if err != nil {
				t.Fatal(err)
			}
			if reused := s.conns.Load() == 1; reused != test.reuse {
				t.Errorf("used again: %t", reused)
			}
			_, _ = io.ReadAll(x)
			x.Finish(time.Now())
			if _, idle := s.Connections(); test.reuse != (idle == 1) {
				t.Error("the connection that was too old for this request should stay for others")
			}
		})
	}
}

// The deadline of the last exchange may pass while its connection is idle.
func TestDeadlinePassesWhileIdle(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	for range 3 {
		s.mustDo(t, create())
		s.connections(t, 1, 1)
		s.idle[0].deadline.Store(longAgo.UnixNano())
		s.idle[0].SetDeadline(longAgo)
		s.Prune(time.Now())
		s.connections(t, 1, 1)
		s.idle[0].deadline.Store(longAgo.UnixNano())
		s.idle[0].SetDeadline(longAgo)
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// A connection that can't be looked at carries no create, and no other request
// when it was idle for long.
func TestConnectionsThatCannotBeLookedAt(t *testing.T) {
	var d net.Dialer
	s := serve(t, Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := d.DialContext(ctx, network, address)
		return struct{ net.Conn }{nc}, err
	}}, answers(okAnswer))
	now := time.Now()
	for i, step := range []struct {
		r     *Request
		later time.Duration
		conns int64
	}{{get("/"), 0, 1}, {get("/"), freshIdle - 1, 1}, {create(), 0, 2}, {create(), 0, 3}, {get("/"), freshIdle + 1, 4}} {
		now = now.Add(step.later)
		x, err := s.Do(t.Context(), now, step.r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(x)
		x.Finish(now)
		if n := s.conns.Load(); n != step.conns {
			t.Errorf("step %d: %d connections, want %d", i, n, step.conns)
		}
	}
}

// What an idle server does must be noticed before a create is written to its
// connection.
func TestIdleConnectionIsLookedAt(t *testing.T) {
	if !canLook(t) {
		t.Skip("connections can't be looked at here")
	}
	for name, does := range map[string]func(p *peer){
		"closes":           func(p *peer) { p.Close() },
		"resets":           func(p *peer) { p.Conn.(*net.TCPConn).SetLinger(0); p.Close() },
		"sends an answer":  func(p *peer) { p.send(okAnswer); p.wait() },
		"sends only a bit": func(p *peer) { p.send("H"); p.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			idle := make(chan struct{})
			s := serve(t, Config{}, func(p *peer) {
				if p.nr == 1 {
					p.request()
					p.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
					<-idle
					does(p)
					return
				}
				r, _ := p.request()
				p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.Method), r.Method))
				p.wait()
			})
			s.mustDo(t, get("/"))
			s.connections(t, 1, 1)
			first := s.idle[0]
			if !first.alive() {
				t.Error("it is taken for closed before anything happened")
			}
			close(idle)
			if !eventually(func() bool { return !first.alive() }) {
				t.Fatal("it is taken for open")
			}
			if got := s.mustDo(t, create()); got != "POST" {
				t.Errorf("the answer is %q", got)
			}
			s.connections(t, 1, 1)
		})
	}
}

func canLook(t *testing.T) bool {
	s := serve(t, Config{}, answers(okAnswer))
	s.mustDo(t, get("/"))
	s.connections(t, 1, 1)
	return s.idle[0].alive != nil
}

func TestPrune(t *testing.T) {
	idle := make(chan struct{})
	s := serve(t, Config{}, func(p *peer) {
		p.request()
		p.send(okAnswer)
		if p.nr == 1 {
			<-idle
			return
		}
		p.wait()
	})
	one, err := s.Do(t.Context(), time.Now(), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	s.mustDo(t, get("/")) // while the first connection is in use
	_, _ = io.ReadAll(one)
	one.Finish(time.Now())
	s.connections(t, 2, 2)
	s.Prune(time.Now())
	s.connections(t, 2, 2)
	close(idle)
	if !eventually(func() bool { s.Prune(time.Now()); _, n := s.Connections(); return n == 1 }) {
		t.Error("the closed connection stays")
	}
	s.Prune(time.Now().Add(idleTimeout))
	s.connections(t, 0, 0)
	s.mustDo(t, get("/"))
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	var open []*Exchange
	for range maxIdle + 5 {
		x, err := s.Do(t.Context(), time.Now(), get("/"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, x)
	}
	for _, x := range open {
		_, _ = io.ReadAll(x)
		x.Finish(time.Now())
	}
	s.connections(t, maxIdle, maxIdle)
}

func TestAbort(t *testing.T) {
	arrived, answer := make(chan string, 10), make(chan struct{})
	s := serve(t, Config{}, func(p *peer) {
		for {
			r, _ := p.request()
			switch r.URL.Path {
			case "/begun/":
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbe")
				<-answer
				p.send("gun")
			case "/hangs/", "/create/":
				arrived <- r.Method
				<-answer
				p.send(okAnswer)
			default:
				p.send(okAnswer)
			}
		}
	})
	begun, err := s.Do(t.Context(), time.Now(), get("/begun/"))
	if err != nil {
		t.Fatal(err)
	}
	reads, creates := make(chan error, 3), make(chan error, 3)
	for range 3 {
		go func() { _, _, err := s.do(t.Context(), get("/hangs/")); reads <- err }()
		go func() { _, _, err := s.do(t.Context(), create()); creates <- err }()
	}
	for range 6 {
		within(t, arrived, "a request's arrival")
	}
	s.mustDo(t, get("/idle/"))
	s.connections(t, 8, 1)

	s.Abort()
	for range 3 {
		e := failure(t, within(t, reads, "the end of a read"))
		if !errors.Is(e, ErrAborted) || !e.Sent || e.Watched || e.Timeout() {
			t.Errorf("%+v", e)
		}
	}
	s.connections(t, 4, 0)
	select {
	case err := <-creates:
		t.Errorf("a create was ended: %v", err)
	default:
	}
	close(answer)
	for range 3 {
		if err := within(t, creates, "a create's answer"); err != nil {
			t.Error(err)
		}
	}
	if b, err := io.ReadAll(begun); string(b) != "begun" || err != nil {
		t.Errorf("the answer that had begun: %q, %v", b, err)
	}
	begun.Finish(time.Now())
	s.mustDo(t, get("/")) // it can be used again
}

// A server that hangs still gets connections from its kernel: what was on its way
// to it when it was found to be down must go elsewhere, creates too.
func TestAbortWhileDialing(t *testing.T) {
	var d net.Dialer
	dialing, dialed := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		close(dialing)
		<-dialed
		return d.DialContext(ctx, network, address)
	}}, answers(okAnswer))
	failed := make(chan error, 1)
	go func() { _, _, err := s.do(t.Context(), create()); failed <- err }()
	within(t, dialing, "dialing")
	s.Abort()
	close(dialed)
	if e := failure(t, within(t, failed, "the end")); !errors.Is(e, ErrAborted) || e.Sent || e.Step != StepDial {
		t.Errorf("%+v", e)
	}
	s.connections(t, 0, 0)
}

func TestClose(t *testing.T) {
	answer := make(chan struct{})
	s := serve(t, Config{}, func(p *peer) {
		for {
			if r, _ := p.request(); r.Method == "POST" {
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
				<-answer
				p.send("ok")
				continue
			}
			p.send(okAnswer)
		}
	})
	x, err := s.Do(t.Context(), time.Now(), create())
	if err != nil {
		t.Fatal(err)
	}
	s.mustDo(t, get("/"))
	s.connections(t, 2, 1)
	s.Close()
	s.Close()
	s.connections(t, 1, 0)
	close(answer)
	if b, err := io.ReadAll(x); string(b) != "ok" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	x.Finish(time.Now())
	s.connections(t, 0, 0)
	_, err = s.Do(t.Context(), time.Now(), get("/"))
	if e := failure(t, err); !errors.Is(e, net.ErrClosed) || e.Sent || e.Step != StepDial {
		t.Errorf("%+v", e)
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections were made", n)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Address: "host"}, {Address: "h:1", DialTimeout: -1}, {Address: "h:1", ResponseTimeout: -1}} {
		if u, err := NewUpstream(cfg); err == nil || u != nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	u, err := NewUpstream(Config{Address: "h:1"})
	if err != nil || u.cfg.DialTimeout != DefaultDialTimeout || u.cfg.ResponseTimeout != DefaultResponseTimeout || u.Address() != "h:1" {
		t.Errorf("%+v, %v", u, err)
	}
}
