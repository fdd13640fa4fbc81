package proxy

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe runs a test in a bubble, with a server on the other side of a pipe.
func pipe(t *testing.T, script func(p *peer), test func(t *testing.T, s *server)) {
	synctest.Test(t, func(t *testing.T) {
		var running sync.WaitGroup
		defer running.Wait()
		u, err := NewUpstream(Config{Address: "test:1", ResponseTimeout: time.Minute,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				client, nc := net.Pipe()
				running.Go(func() { newPeer(t, nc).run(script) })
				return client, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		test(t, &server{Upstream: u})
	})
}

func near(d, want time.Duration) bool { return d >= want-time.Second && d <= want+time.Second }

func TestResponseTimeout(t *testing.T) {
	pipe(t, func(p *peer) { p.request(); p.wait() }, func(t *testing.T, s *server) {
		start := time.Now()
		_, err := s.Do(t.Context(), start, create())
		e := failure(t, err)
		if !e.Timeout() || !e.Sent || e.Step != StepRead || !near(time.Since(start), time.Minute) {
			t.Errorf("after %s: %+v", time.Since(start), e)
		}
	})
}

// An interim answer says that the server is at work.
func TestResponseTimeoutAfterAnInterimAnswer(t *testing.T) {
	pipe(t, func(p *peer) {
		p.request()
		for range 3 {
			time.Sleep(50 * time.Second)
			p.send("HTTP/1.1 102 Processing\r\n\r\n")
		}
		time.Sleep(50 * time.Second)
		p.send(okAnswer)
		p.wait()
	}, func(t *testing.T, s *server) {
		if _, b, err := s.do(t.Context(), create()); b != "ok" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
}

// A head that drips in must not hold a connection for longer than no head.
func TestResponseTimeoutOfADrippingHead(t *testing.T) {
	pipe(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\n")
		for {
			time.Sleep(10 * time.Second)
			p.send("X: y\r\n")
		}
	}, func(t *testing.T, s *server) {
		start := time.Now()
		_, err := s.Do(t.Context(), start, create())
		if e := failure(t, err); !e.Timeout() || !near(time.Since(start), time.Minute) {
			t.Errorf("after %s: %+v", time.Since(start), e)
		}
	})
}

// A body may take as long as it wants while something comes, and no longer.
func TestResponseTimeoutOfABody(t *testing.T) {
	pipe(t, func(p *peer) {
		p.request()
		p.send(chunkedHead)
		for range 10 {
			time.Sleep(50 * time.Second)
			p.send("1\r\nx\r\n")
		}
		p.wait()
	}, func(t *testing.T, s *server) {
		start := time.Now()
		_, b, err := s.do(t.Context(), get("/"))
		e := failure(t, err)
		if b != "xxxxxxxxxx" || !e.Timeout() || e.Step != StepBody || !near(time.Since(start), 560*time.Second) {
			t.Errorf("after %s: %q, %+v", time.Since(start), b, e)
		}
	})
}

// A large body may take as long as it wants while the server takes some of it.
func TestResponseTimeoutOfAnUpload(t *testing.T) {
	large := body(t, strings.Repeat("x", 5*copySize*4))
	pipe(t, func(p *peer) {
		r := p.head()
		for range 5 {
			time.Sleep(50 * time.Second)
			if _, err := io.CopyN(io.Discard, r.Body, copySize*4); err != nil {
				panic(over{})
			}
		}
		time.Sleep(50 * time.Second)
		p.send(okAnswer)
		p.wait()
	}, func(t *testing.T, s *server) {
		r := create()
		r.Body = large
		if _, b, err := s.do(t.Context(), r); b != "ok" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
	pipe(t, func(p *peer) { p.head(); p.send("HTTP/1.1 102 Processing\r\n\r\n"); time.Sleep(time.Hour) }, func(t *testing.T, s *server) {
		start := time.Now()
		r := create()
		r.Body = large
		_, err := s.Do(t.Context(), start, r)
		if e := failure(t, err); !e.Timeout() || !near(time.Since(start), time.Minute) {
			t.Errorf("after %s: %+v", time.Since(start), e)
		}
	})
}
