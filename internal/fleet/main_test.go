package fleet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// oracle answers checks without a network, by address and URI.
type oracle struct {
	mu    sync.Mutex
	ill   map[string]string // what is wrong
	asked atomic.Int64
}

func (o *oracle) set(where, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ill == nil {
		o.ill = make(map[string]string)
	}
	if o.ill[where] = what; what == "" {
		delete(o.ill, where)
	}
}

func (o *oracle) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, where := range []string{r.URL.Host, r.URL.Host + r.URL.Path} {
		if what := o.ill[where]; what != "" {
			return nil, errors.New(what)
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// checks asks the oracle. They are made anew at each call, as at a reload, and hold a
// function, which can't be compared.
func (o *oracle) checks() health.Config {
	judge := func(int, []byte) error { return nil }
	return health.Config{Live: &health.Check{URI: "/live", Judge: judge}, Ready: &health.Check{URI: "/ready", Judge: judge}, Transport: o}
}

// bed is a fleet under test.
type bed struct {
	*Fleet
	t      *testing.T
	oracle *oracle
	log    observe.Buffer
}

func static(name, address string) Static {
	return Static{Name: name, Address: address, Capacity: 4, Weight: 100}
}

func agent(name, address string) Agent {
	return Agent{Name: name, Address: address, Capacity: 4, Weight: 100, Health: balance.Up}
}

func (b *bed) config(servers ...Static) Config {
	return Config{Static: servers, Health: b.oracle.checks(), Reach: b.oracle.checks(), Logger: slog.New(slog.NewTextHandler(&b.log, nil))}
}

// begin starts a fleet. The test must Close it.
func begin(t *testing.T, servers ...Static) *bed {
	t.Helper()
	b := &bed{t: t, oracle: &oracle{}}
	var err error
	if b.Fleet, err = New(b.config(servers...)); err != nil {
		t.Fatal(err)
	}
	return b
}

// server returns a server's status.
func (b *bed) server(name string) Status {
	b.t.Helper()
	for _, s := range b.Servers() {
		if s.Name == name {
			return s
		}
	}
	b.t.Fatalf("no server %s", name)
	return Status{}
}

func (b *bed) want(name, state, reason string) {
	b.t.Helper()
	if s := b.server(name); s.State != state || s.Reason != reason {
		b.t.Errorf("%s is %s, %q; want %s, %q", name, s.State, s.Reason, state, reason)
	}
}

func (b *bed) agents(agents ...Agent) {
	b.t.Helper()
	if err := b.SetAgents(agents); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) configure(servers ...Static) {
	b.t.Helper()
	if err := b.Configure(b.config(servers...)); err != nil {
		b.t.Fatal(err)
	}
}

// grant takes a place on the server.
func (b *bed) grant(name string) balance.Grant {
	b.t.Helper()
	g, _, err := b.Balancer().Acquire(time.Now(), &balance.Request{Sticky: balance.IDOf(name)})
	if err != nil || g.Server == nil || g.Server.Name() != name {
		b.t.Fatalf("no place on %s: %v", name, err)
	}
	return g
}

// listen starts a server that calls handle with each connection, which it closes
// then. It returns how to end it.
func listen(t *testing.T, address string, handle func(net.Conn)) (ln net.Listener, end func()) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			running.Go(func() {
				defer c.Close()
				defer stop()
				handle(c)
			})
		}
	})
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			ln.Close()
			running.Wait()
		})
	}
	t.Cleanup(end)
	return ln, end
}

// wait reads until the connection ends.
func wait(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func slogTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
