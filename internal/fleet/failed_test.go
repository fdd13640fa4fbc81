package fleet

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/proxy"
	"github.com/omflow/booster/internal/testbed/observe"
)

// A refused connection takes the server out without waiting for a check, and soon
// after it listens again it is back.
func TestRefusedConnection(t *testing.T) {
	ok := func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}
	ln, end := listen(t, "127.0.0.1:0", ok)
	address := ln.Addr().String()
	b := &bed{t: t}
	cfg := Config{
		Static: []Static{static("s1", address)}, Logger: slogTo(&b.log),
		// No check of these would notice within the test.
		Health: health.Config{Live: &health.Check{URI: "/"}, Interval: time.Hour},
	}
	cfg.Reach = cfg.Health
	var err error
	if b.Fleet, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 2 {
		observe.Eventually(t, "it is up", b.Ready)
		end()
		grant := b.grant("s1")
		up := b.Upstream(grant.Server)
		_, err = up.Do(t.Context(), time.Now(), &proxy.Request{Method: "POST", Target: "/"})
		var failure *proxy.Error
		if !errors.As(err, &failure) || failure.Sent {
			t.Fatalf("the error is %v", err)
		}
		rounds := b.rounds
		var callers sync.WaitGroup
		for range 4 { // many see it at once
			callers.Go(func() { b.Failed(grant.Server, up, err) })
		}
		callers.Wait()
		b.Balancer().Release(time.Now(), grant, balance.Outcome{})
		b.want("s1", "down", "connection refused")
		if b.Ready() || b.rounds != rounds+1 {
			t.Errorf("ready: %v; the checks began anew %d times", b.Ready(), b.rounds-rounds)
		}
		_, end = listen(t, address, ok)
		back := time.Now()
		observe.Eventually(t, "it is up again", b.Ready)
		if d := time.Since(back); d > 20*time.Second {
			t.Errorf("back only after %v", d)
		}
		b.want("s1", "up", "")
	}
	if n := strings.Count(b.log.String(), "server is down"); n != 2 {
		t.Errorf("%d times down:\n%s", n, b.log.String())
	}
}

// How requests fail otherwise says nothing of the server.
func TestFailuresThatDoNotCount(t *testing.T) {
	b := begin(t, static("s1", "10.0.0.1:80"))
	defer b.Close()
	observe.Eventually(t, "it is up", b.Ready)
	grant := b.grant("s1")
	up := b.Upstream(grant.Server)
	other, err := proxy.NewUpstream(proxy.Config{Address: "10.0.0.2:80"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		up  *proxy.Upstream
		err error
	}{
		"the client went away":    {up, &proxy.Error{Step: proxy.StepDial, Err: context.Canceled}},
		"aborted":                 {up, &proxy.Error{Step: proxy.StepDial, Err: proxy.ErrAborted}},
		"a dial timeout":          {up, &proxy.Error{Step: proxy.StepDial, Err: context.DeadlineExceeded}},
		"a response timeout":      {up, &proxy.Error{Step: proxy.StepRead, Sent: true, Err: context.DeadlineExceeded}},
		"a reset":                 {up, &proxy.Error{Step: proxy.StepRead, Sent: true, Err: errRefused}},
		"no error of an exchange": {up, errRefused},
		"earlier connections":     {other, &proxy.Error{Step: proxy.StepDial, Err: errRefused}},
	} {
		b.Failed(grant.Server, tt.up, tt.err)
		if !b.Ready() {
			t.Fatalf("%s takes the server out", name)
		}
	}
	for reason, err := range map[string]error{"connection refused": errRefused, "host unreachable": errNoHost, "network unreachable": errNoNetwork} {
		b.oracle.set("10.0.0.1:80", "gone")
		b.Failed(grant.Server, up, &proxy.Error{Step: proxy.StepDial, Err: &net.OpError{Op: "dial", Err: err}})
		b.want("s1", "down", reason)
		b.oracle.set("10.0.0.1:80", "")
		observe.Eventually(t, "it is up", b.Ready)
	}
	// A server that has left the table meanwhile is nobody's.
	b.configure()
	b.Failed(grant.Server, up, &proxy.Error{Step: proxy.StepDial, Err: errRefused})
}

// When a server hangs, what may be repeated is ended as soon as the checks know; a
// create goes on waiting for its answer.
func TestHangingServer(t *testing.T) {
	arrived := make(chan string, 10)
	answer := make(chan struct{})
	ln, _ := listen(t, "127.0.0.1:0", func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		arrived <- req.RequestURI
		if req.RequestURI == "/create/" {
			<-answer
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		wait(c)
	})
	b := &bed{t: t, oracle: &oracle{}}
	cfg := b.config(static("s1", ln.Addr().String()))
	cfg.Health.Interval = 20 * time.Millisecond
	var err error
	if b.Fleet, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	observe.Eventually(t, "it is up", b.Ready)
	grant := b.grant("s1")
	up := b.Upstream(grant.Server)
	results := map[string]chan error{"/read/": make(chan error, 1), "/create/": make(chan error, 1)}
	for target, result := range results {
		go func() {
			x, err := up.Do(t.Context(), time.Now(), &proxy.Request{Method: "POST", Target: target, Repeatable: target == "/read/"})
			if err == nil {
				x.Finish(time.Now())
			}
			result <- err
		}()
	}
	for range results {
		<-arrived
	}
	b.oracle.set(ln.Addr().String(), "no answer within 2s")
	if err := <-results["/read/"]; !errors.Is(err, proxy.ErrAborted) {
		t.Errorf("the read ended with %v", err)
	}
	b.want("s1", "down", "GET /live: no answer within 2s")
	select {
	case err := <-results["/create/"]:
		t.Errorf("the create ended with %v", err)
	default:
	}
	close(answer)
	if err := <-results["/create/"]; err != nil {
		t.Errorf("the create ended with %v", err)
	}
}

// Requests that fail, reports that come and the end may meet.
func TestCloseAmongChanges(t *testing.T) {
	for range 20 {
		b := begin(t, static("s1", "10.0.0.1:80"))
		observe.Eventually(t, "it is up", b.Ready)
		grant := b.grant("s1")
		up := b.Upstream(grant.Server)
		var running sync.WaitGroup
		running.Go(func() {
			for range 50 {
				b.Failed(grant.Server, up, &proxy.Error{Step: proxy.StepDial, Err: errRefused})
			}
		})
		running.Go(func() {
			for n := range 50 {
				a := agent("s2", "10.0.0.2:80")
				a.Release = uint64(n)
				b.agents(a)
				b.SetMark("s2", balance.Mark(n%2))
				b.Servers()
			}
		})
		running.Go(func() {
			for range 10 {
				b.configure(static("s1", "10.0.0.1:80"))
			}
		})
		running.Go(b.Close)
		running.Wait()
		b.Close()
		asked := b.oracle.asked.Load()
		b.agents(agent("s9", "10.0.0.9:80"))
		b.Failed(grant.Server, up, &proxy.Error{Step: proxy.StepDial, Err: errRefused})
		if names := strings.Join(b.Names(), " "); strings.Contains(names, "s9") {
			t.Errorf("a server joined after Close: %s", names)
		}
		if b.oracle.asked.Load() != asked {
			t.Error("checks go on after Close")
		}
		if _, err := b.Upstream(grant.Server).Do(t.Context(), time.Now(), &proxy.Request{Method: "GET", Target: "/"}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a request after Close: %v", err)
		}
	}
}
