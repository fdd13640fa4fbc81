package front

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/testbed/observe"
)

// nothing takes an answer and keeps nothing of it.
type nothing struct {
	header http.Header
	status int
	n      int
}

func (w *nothing) Header() http.Header         { return w.header }
func (w *nothing) WriteHeader(status int)      { w.status = status }
func (w *nothing) Write(b []byte) (int, error) { w.n += len(b); return len(b), nil }

// The heap is flat and no goroutine stays after many requests of all kinds.
func TestManyRequestsLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 requests take a while")
	}
	all, round := 100_000, 10_000
	if raceEnabled { // ten times slower
		all, round = 10_000, 1000
	}
	up := serveTrivial(t)
	s := open(t, []string{up, up, refused(t)}, func(set *setup) {
		set.front.Logger = slog.New(slog.DiscardHandler) // what is logged would be kept
		set.fleet.Logger = set.front.Logger
		// On a machine with many others that want to run, the default 2 s passed between
		// the call and a look at the connection, on both servers: that is a 503.
		set.fleet.DialTimeout = observe.Patience
	})
	cookie := "omflow_server=" + s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s2"), Session: 9, Issued: time.Now(), Seen: time.Now()})
	kinds := []func() *http.Request{
		func() *http.Request { return httptest.NewRequest("GET", pageURL, nil) },
		func() *http.Request {
			r := httptest.NewRequest("GET", pageURL, nil)
			r.Header.Set("Cookie", "sessionid=1; "+cookie)
			return r
		},
		func() *http.Request { return httptest.NewRequest("POST", createURL, strings.NewReader(createBody)) },
		func() *http.Request {
			return httptest.NewRequest("POST", readURL, strings.NewReader(strings.Repeat("x", 20<<10)))
		},
		func() *http.Request { // its client leaves at some moment
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			return httptest.NewRequestWithContext(ctx, "GET", "/static/a.css", nil)
		},
		func() *http.Request { // its body ends early
			r := httptest.NewRequest("POST", createURL, io.NopCloser(strings.NewReader("x")))
			r.ContentLength = 2
			return r
		},
	}
	run := func() {
		var clients sync.WaitGroup
		for c := range 8 {
			clients.Go(func() {
				for i := range round / 8 {
					r := kinds[(i+c)%len(kinds)]()
					w := &nothing{header: make(http.Header)}
					var trace Trace
					s.front.Serve(w, r, Client{}, &trace)
					if w.status != 200 && w.status != 499 && w.status != 400 {
						t.Errorf("%s %s: answered %d, %+v", r.Method, r.URL, w.status, trace)
						return
					}
				}
			})
		}
		clients.Wait()
		s.idle()
	}
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 { // pools are emptied by the second
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	connections := func() (n int) {
		for _, server := range s.fleet.Servers() {
			n += server.Connections
		}
		return n
	}
	// Kept connections are no leak, and a busy machine has more of them: each has a
	// goroutine at its other end.
	goroutines := func() int { return runtime.NumGoroutine() - connections() }
	run() // whatever is made once is made now
	started, before := goroutines(), heap()
	for n := round; n < all; n += round {
		run()
	}
	after := heap()
	const perConnection = 80 << 10 // of which trivial's buffer is 64 kB
	if grown := int64(after) - int64(before); grown > 2<<20+perConnection*int64(connections()) {
		t.Errorf("the heap grew from %d kB to %d kB", before>>10, after>>10)
	}
	s.eventually("no goroutine is left", func() bool { return goroutines() <= started+8 })
	for _, server := range s.fleet.Servers() {
		if server.Connections > 16 {
			t.Errorf("%d connections to %s", server.Connections, server.Name)
		}
	}
}

// Two goroutines that take turns with the same passage must never see each other's
// request: answers are compared with what was asked.
func TestPassagesAreNotMixedUp(t *testing.T) {
	echo := serve(t, func(p *peer) {
		for {
			r, body := p.request()
			p.send(ok(r.RequestURI + " " + r.Header.Get("X-Request-Id") + " " + body))
		}
	})
	s := open(t, []string{echo.addr}, func(set *setup) { set.servers[0].Capacity = 4 })
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := range 200 {
				id := string(rune('a'+c)) + "-" + strings.Repeat("i", i%50+1)
				body := strings.Repeat(id, i*7)
				r := s.request("POST", readURL+"?"+id, strings.NewReader(body), "X-Request-Id", id)
				ctx, cancel := context.WithCancel(context.Background())
				if i%5 == 0 {
					time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
				}
				a, err := s.try(r.WithContext(ctx))
				if want := readURL + "?" + id + " " + id + " " + body; err == nil && a.StatusCode == 200 && a.body != want {
					t.Errorf("got %.100q, want %.100q", a.body, want)
				} else if err != nil && i%5 != 0 {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	clients.Wait()
	s.idle()
}
