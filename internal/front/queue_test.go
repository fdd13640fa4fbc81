package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/testbed/observe"
)

// busy is a server that answers when it is told to.
type busy struct {
	*upstream
	got     chan string // targets
	release chan struct{}
}

func serveBusy(t testing.TB) *busy {
	b := &busy{got: make(chan string, 100), release: make(chan struct{})}
	b.upstream = serve(t, func(p *peer) {
		for {
			r, _ := p.request()
			b.got <- r.RequestURI
			<-b.release
			p.send(ok("ok"))
		}
	})
	t.Cleanup(func() { close(b.release) })
	return b
}

// within returns what comes out of the channel.
func within[T any](t testing.TB, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(observe.Patience):
		t.Fatalf("did not happen: %s", what)
	}
	return v
}

// start sends a request whose client can go away.
func (s *site) start(r *http.Request) (leave func(), done <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan error, 1)
	go func() {
		a, err := s.try(r.WithContext(ctx))
		if err == nil && a.StatusCode != http.StatusOK {
			err = errors.New(a.Status)
		}
		c <- err
	}()
	return cancel, c
}

func one(set *setup) { set.servers[0].Capacity = 1 }

func TestClientLeavesTheQueue(t *testing.T) {
	for name, start := range map[string]func(*setup){"HTTP/1.1": nil, "HTTP/2": http2} {
		t.Run(name, func(t *testing.T) {
			up := serveBusy(t)
			s := open(t, []string{up.addr}, func(set *setup) {
				one(set)
				if start != nil {
					start(set)
				}
			})
			_, first := s.start(s.request("GET", "/1/", nil))
			within(t, up.got, "the first request arrives")
			leave, second := s.start(s.request("GET", "/2/", nil))
			s.eventually("the second waits", func() bool { return s.fleet.Balancer().Queued(balance.Session) == 1 })
			leave()
			within(t, second, "its client is gone")
			s.eventually("it left the queue", func() bool { return s.fleet.Balancer().Queued(balance.Session) == 0 })
			if trace := s.trace(1); trace.Refusal != "client gone" || trace.Status != 499 || trace.Tries != 0 {
				t.Errorf("trace %+v", trace)
			}
			up.release <- struct{}{}
			if err := within(t, first, "the first is answered"); err != nil {
				t.Error(err)
			}
			s.idle()
			up.only(t)
		})
	}
}

// OMFLOW works on though the client has gone, so its place stays taken.
func TestClientLeavesWhileTheServerWorks(t *testing.T) {
	for _, upgrade := range []bool{false, true} {
		up := serveBusy(t)
		s := open(t, []string{up.addr}, one)
		r := s.request("GET", "/1/", nil)
		if upgrade {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}
		leave, gone := s.start(r)
		within(t, up.got, "the first request arrives")
		leave()
		within(t, gone, "its client is gone")
		if !upgrade {
			if trace := s.trace(1); trace.Refusal != "client gone" || trace.Err != nil {
				t.Errorf("trace %+v", trace)
			}
		}
		_, second := s.start(s.request("GET", "/2/", nil))
		s.eventually("the second waits", func() bool { return s.fleet.Balancer().Queued(balance.Session) == 1 })
		if n := s.inFlight(); n != 1 {
			t.Errorf("%d places are taken, want the one of the client that has gone", n)
		}
		if n := len(up.requests()); n != 1 {
			t.Errorf("the server has %d requests, and takes one", n)
		}
		up.release <- struct{}{}
		within(t, up.got, "the second request arrives")
		up.release <- struct{}{}
		if err := within(t, second, "the second is answered"); err != nil {
			t.Error(err)
		}
		s.idle()
	}
}

// A plain balancer's servers are told that the client has gone, and the place is
// free.
func TestPlainClientLeaves(t *testing.T) {
	closed := make(chan struct{})
	up := serve(t, func(p *peer) { p.request(); p.wait(); close(closed) })
	s := open(t, []string{up.addr}, func(set *setup) { set.front.Plain = true; one(set) })
	leave, gone := s.start(s.request("GET", "/", nil))
	s.eventually("the server works", func() bool { return len(up.requests()) == 1 })
	leave()
	within(t, gone, "the client is gone")
	within(t, closed, "the server's connection is closed")
	s.idle()
}

// Under a rush of clients of which many leave at any moment no server ever has more
// than its capacity, and at the end all places are free.
func TestCapacityIsNeverExceeded(t *testing.T) {
	const capacity = 3
	var addresses []string
	type seen struct{ now, most *atomic.Int64 }
	var servers []seen
	for range 2 {
		sv := seen{new(atomic.Int64), new(atomic.Int64)}
		servers = append(servers, sv)
		up := serve(t, func(p *peer) {
			for {
				p.request()
				n := sv.now.Add(1)
				for old := sv.most.Load(); n > old && !sv.most.CompareAndSwap(old, n); old = sv.most.Load() {
				}
				<-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond) // the work
				sv.now.Add(-1)
				p.send(ok("ok"))
			}
		})
		addresses = append(addresses, up.addr)
	}
	s := open(t, addresses, func(set *setup) {
		for i := range set.servers {
			set.servers[i].Capacity = capacity
		}
	})
	var clients sync.WaitGroup
	for range 24 {
		clients.Go(func() {
			for range 40 {
				r := s.request("POST", readURL, strings.NewReader("{}"))
				if rand.IntN(2) == 0 {
					r = s.request("GET", pageURL, nil)
				}
				ctx, cancel := context.WithCancel(context.Background())
				if rand.IntN(3) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(4000))*time.Microsecond, cancel)
				}
				a, err := s.try(r.WithContext(ctx))
				if err == nil && a.StatusCode != 200 || err != nil && ctx.Err() == nil {
					t.Errorf("%v %v", a.Response, err)
				}
				cancel()
			}
		})
	}
	clients.Wait()
	s.idle()
	for i, sv := range servers {
		if n := sv.most.Load(); n > capacity || n < 2 {
			t.Errorf("server %d had %d requests at once, its capacity is %d", i+1, n, capacity)
		}
	}
	for l := range balance.Lanes {
		if n := s.fleet.Balancer().Queued(balance.Lane(l)); n != 0 {
			t.Errorf("%d wait in lane %s", n, balance.Lane(l))
		}
	}
}

func TestQueueFull(t *testing.T) {
	up := serveBusy(t)
	s := open(t, []string{up.addr}, func(set *setup) { one(set); set.fleet.Balance.QueueLength = 1 })
	_, first := s.start(s.request("GET", "/1/", nil))
	within(t, up.got, "the first arrives")
	_, second := s.start(s.request("GET", "/2/", nil))
	s.eventually("the second waits", func() bool { return s.fleet.Balancer().Queued(balance.Session) == 1 })
	a := s.get("/3/", "Accept", "text/html", "Accept-Language", "ja")
	a.want(t, 503, "<html")
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Language") != "ja" {
		t.Errorf("%v", a.Header)
	}
	if trace := s.trace(1); trace.Refusal != "queue_full" {
		t.Errorf("trace %+v", trace)
	}
	for range 2 {
		up.release <- struct{}{}
	}
	for _, done := range []<-chan error{first, second} {
		if err := within(t, done, "an answer"); err != nil {
			t.Error(err)
		}
	}
	s.idle()
}

func TestWaitedTooLong(t *testing.T) {
	up := serveBusy(t)
	s := open(t, []string{up.addr}, func(set *setup) { one(set); set.front.QueueWait = 50 * time.Millisecond })
	_, first := s.start(s.request("GET", "/1/", nil))
	within(t, up.got, "the first arrives")
	a := s.post(createURL, createBody)
	a.want(t, 503, `"status":503`)
	if trace := s.trace(1); trace.Refusal != "waited_too_long" || trace.Queue < 50*time.Millisecond || a.Header.Get("Retry-After") == "" {
		t.Errorf("trace %+v, %v", trace, a.Header)
	}
	up.release <- struct{}{}
	within(t, first, "the first is answered")
	s.idle()
}

// The time that a request may wait is not used up by a server that fails it after long.
func TestLimitIsForQueuesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &passage{f: &Front{cfg: Config{QueueWait: 30 * time.Second}}, trace: &Trace{}}
		x.limit().Stop()
		x.trace.Queue = 10 * time.Second
		time.Sleep(time.Hour) // of the bubble's clock, at a server
		begun := time.Now()
		<-x.limit().C
		if d := time.Since(begun); d != 20*time.Second || time.Until(x.deadline) != 0 {
			t.Errorf("it may wait for %v, until %v from now", d, time.Until(x.deadline))
		}
	})
}

// Somebody who sits before a page is told soon that no server is up; bulk work
// waits as long as the queue lets it.
func TestNoServerUp(t *testing.T) {
	for _, tt := range []struct {
		method, url string
		wait        time.Duration
	}{
		{"GET", pageURL, noServerWait},
		{"POST", "/flowmanage/api/omdata/edit/mission/", noServerWait},
		{"POST", createURL, DefaultQueueWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, s := still(t)
			defer s.Close()
			begun := time.Now()
			w := httptest.NewRecorder()
			var trace Trace
			f.Serve(w, httptest.NewRequest(tt.method, tt.url, nil), Client{}, &trace)
			if d := time.Since(begun); d != tt.wait || w.Code != 503 || trace.Refusal != "no_server" || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: %d, %q after %v, want 503 after %v", tt.url, w.Code, trace.Refusal, d, tt.wait)
			}
		})
	}
}

// still returns a front door without servers, for a test with a clock of its own.
func still(t *testing.T) (*Front, *fleet.Fleet) {
	logger := slog.New(slog.DiscardHandler)
	s, err := fleet.New(fleet.Config{Logger: logger, Reach: health.Config{Live: &health.Check{URI: "/"}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := balance.NewStickyKeys([][]byte{make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{
		Fleet: s, Table: omflow.DefaultTable(), Keys: keys, Retries: balance.NewRetryBudget(20),
		Active: func() bool { return true }, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

// While a server is up a session waits as long as any other, even past
// noServerWait.
func TestSessionWaitsWhileAServerIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := still(t)
		defer s.Close()
		check := health.Config{Live: &health.Check{URI: "/"}, Transport: &wellTransport{}}
		if err := s.Configure(fleet.Config{
			Logger: f.cfg.Logger, Reach: check, Health: check,
			Static: []fleet.Static{{Name: "s1", Address: "127.0.0.1:1", Capacity: 1, Weight: 1}},
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // of the bubble's clock
		if grant, _, err := s.Balancer().Acquire(time.Now(), &balance.Request{}); err != nil || grant.Server == nil {
			t.Fatal("no place", err)
		}
		begun := time.Now()
		w := httptest.NewRecorder()
		var trace Trace
		f.Serve(w, httptest.NewRequest("GET", pageURL, nil), Client{}, &trace)
		if d := time.Since(begun); d != DefaultQueueWait || trace.Refusal != "waited_too_long" {
			t.Errorf("%q after %v", trace.Refusal, d)
		}
	})
}

// Requests that wait while no server is up are served when one comes.
func TestServerComesBackInTime(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	s.checks.ill.Store(up.addr, true)
	s.eventually("it is down", func() bool { return !s.fleet.Ready() })
	var done []<-chan error
	for _, url := range []string{pageURL, createURL} {
		_, d := s.start(s.request("POST", url, io.NopCloser(strings.NewReader(createBody))))
		done = append(done, d)
	}
	s.eventually("both wait", func() bool {
		return s.fleet.Balancer().Queued(balance.Session) == 1 && s.fleet.Balancer().Queued(balance.Flow) == 1
	})
	s.checks.ill.Clear()
	for _, d := range done {
		if err := within(t, d, "an answer"); err != nil {
			t.Error(err)
		}
	}
	s.idle()
}
