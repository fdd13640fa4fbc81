package health

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a server without a socket: it answers by path.
type fake struct {
	mu    sync.Mutex
	ill   map[string]bool // path → refuses
	stuck bool            // never answers
	asked map[string]int
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[r.URL.Path]++
	ill, stuck := f.ill[r.URL.Path], f.stuck
	f.mu.Unlock()
	if stuck {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if ill {
		return nil, errors.New("out of order")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

func (f *fake) set(stuck bool, ill ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stuck, f.ill = stuck, map[string]bool{}
	for _, path := range ill {
		f.ill[path] = true
	}
}

func (f *fake) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// newest empties the channel and returns the latest status, or the old one.
func newest(changes <-chan Status, old Status) Status {
	synctest.Wait()
	select {
	case s := <-changes:
		return s
	default:
		return old
	}
}

func TestProberFollowsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fake{}
		p, err := New(Config{Live: &Check{URI: "/live"}, Ready: &Check{URI: "/ready"}, Transport: server})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		changes := p.Run(ctx, "192.0.2.1:80")

		status := newest(changes, Status{})
		want := func(live, ready State, liveReason, readyReason string) {
			t.Helper()
			status = newest(changes, status)
			if status.Live != live || status.Ready != ready ||
				!strings.Contains(status.LiveReason, liveReason) || !strings.Contains(status.ReadyReason, readyReason) ||
				(liveReason == "") != (status.LiveReason == "") || (readyReason == "") != (status.ReadyReason == "") {
				t.Fatalf("after %d rounds: %+v, want live %v (%s), ready %v (%s)",
					server.count("/live"), status, live, liveReason, ready, readyReason)
			}
		}
		rounds := func(n int) {
			synctest.Wait()
			time.Sleep(time.Duration(n) * DefaultInterval) // the bubble's clock
		}
		want(Up, Up, "", "")

		server.set(false, "/ready") // the database is gone
		rounds(2)
		want(Up, Up, "", "GET /ready: out of order")
		rounds(1)
		want(Up, Down, "", "out of order")
		server.set(false)
		rounds(1)
		want(Up, Down, "", "")
		rounds(1)
		want(Up, Up, "", "")

		asked := server.count("/ready")
		server.set(true) // the process hangs; each round takes the timeout
		rounds(3)
		want(Up, Up, "GET /live: no answer within 2s", "GET /live: no answer within 2s")
		rounds(1)
		want(Down, Down, "no answer within 2s", "no answer within 2s")
		if n := server.count("/ready"); n != asked {
			t.Errorf("ready was asked %d times of a process that does not answer", n-asked)
		}
		server.set(false)
		rounds(3)
		want(Up, Up, "", "")

		cancel()
		for range changes { // it is closed
		}
	})
}

func TestProberOneCheckStandsForBoth(t *testing.T) {
	for _, cfg := range []Config{{Live: &Check{URI: "/x"}}, {Ready: &Check{URI: "/x"}}} {
		synctest.Test(t, func(t *testing.T) {
			server := &fake{}
			cfg.Transport = server
			p, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			changes := p.Run(ctx, "192.0.2.1:80")
			if got := newest(changes, Status{}); got != (Status{Live: Up, Ready: Up}) {
				t.Fatalf("well: %+v", got)
			}
			server.set(false, "/x")
			time.Sleep(3 * DefaultInterval)
			if got := newest(changes, Status{}); got.Live != Down || got.Ready != Down || got.LiveReason == "" || got.ReadyReason == "" {
				t.Fatalf("ill: %+v", got)
			}
			if n := server.count("/x"); n != 4 {
				t.Errorf("asked %d times in 4 rounds", n)
			}
		})
	}
}

// TestProberStartup: failures during Startup leave the state unknown and the
// server is asked often, so that a start is noticed soon.
func TestProberStartup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fake{}
		server.set(false, "/live")
		p, err := New(Config{Live: &Check{URI: "/live"}, Transport: server, Startup: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		changes := p.Run(ctx, "192.0.2.1:80")
		time.Sleep(59 * time.Second)
		status := newest(changes, Status{})
		if status.Live != Unknown || status.LiveReason == "" {
			t.Fatalf("within startup: %+v", status)
		}
		if n := server.count("/live"); n < 4*59 {
			t.Errorf("asked %d times in 59 s", n)
		}
		time.Sleep(time.Second + 2*DefaultInterval)
		if status = newest(changes, status); status.Live != Down {
			t.Errorf("after startup and 3 rounds: %+v", status)
		}
		cancel()

		server.set(false, "/live")
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		changes = p.Run(ctx, "192.0.2.1:80")
		time.Sleep(10 * time.Second)
		server.set(false)
		time.Sleep(startupInterval)
		if status = newest(changes, Status{}); status != (Status{Live: Up, Ready: Up}) {
			t.Fatalf("started: %+v", status)
		}
		server.set(false, "/live") // within the minute, but it has been well
		time.Sleep(3 * DefaultInterval)
		if status = newest(changes, status); status.Live != Down {
			t.Errorf("failed after it had started: %+v", status)
		}
	})
}

// TestProberSlowReader: whoever reads late gets the last status.
func TestProberSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fake{}
		p, err := New(Config{Live: &Check{URI: "/live"}, Fall: 1, Rise: 1, Transport: server})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changes := p.Run(ctx, "192.0.2.1:80")
		for i := range 5 {
			if i%2 == 0 {
				server.set(false, "/live")
			} else {
				server.set(false)
			}
			time.Sleep(DefaultInterval)
			synctest.Wait()
		}
		if got := <-changes; got.Live != Down {
			t.Errorf("the newest status is %+v", got)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	live := &Check{URI: "/"}
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "neither"},
		{Config{Live: &Check{URI: "x"}}, "begin with a slash"},
		{Config{Live: live, Ready: &Check{URI: "x"}}, "begin with a slash"},
		{Config{Live: live, Interval: -1}, "negative"},
		{Config{Live: live, Timeout: -1}, "negative"},
		{Config{Live: live, Startup: -1}, "negative"},
		{Config{Live: live, Fall: -1}, "negative"},
		{Config{Live: live, Rise: -1}, "negative"},
	} {
		if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

// TestProberRealServer: with the default transport every check opens a
// connection of its own and none stays behind.
func TestProberRealServer(t *testing.T) {
	var mu sync.Mutex
	peers := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
	}))
	defer srv.Close()
	p, err := New(Config{Live: &Check{URI: "/live"}, Ready: &Check{URI: "/ready"}, Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := p.Run(ctx, strings.TrimPrefix(srv.URL, "http://"))
	if got := <-changes; got != (Status{Live: Up, Ready: Up}) {
		t.Errorf("status %+v", got)
	}
	cancel()
	for range changes {
	}
	mu.Lock()
	defer mu.Unlock()
	if len(peers) < 2 {
		t.Errorf("two checks came over %d connections", len(peers))
	}
}
