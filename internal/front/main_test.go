package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wellTransport answers every check, so that scripted servers see none.
type wellTransport struct{ ill sync.Map } // by address

func (w *wellTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, ill := w.ill.Load(r.URL.Host); ill {
		return nil, errors.New("not well")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// site is a front door behind a real net/http server.
type site struct {
	*httptest.Server
	t      testing.TB
	front  *Front
	fleet  *fleet.Fleet
	checks *wellTransport
	log    observe.Buffer

	mu     sync.Mutex
	traces []Trace
}

// setup is what a test wants otherwise.
type setup struct {
	servers []fleet.Static
	fleet   fleet.Config
	front   Config
	client  Client
	serve   func(s *site, w http.ResponseWriter, r *http.Request) // instead of the front alone
	start   func(s *httptest.Server)
}

// open starts a front door before the servers s1, s2, … at the given addresses.
func open(t testing.TB, addresses []string, change func(*setup)) *site {
	t.Helper()
	s := &site{t: t, checks: &wellTransport{}}
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	keys, err := balance.NewStickyKeys([][]byte{[]byte("a key of thirty-two bytes, all told")})
	if err != nil {
		t.Fatal(err)
	}
	var set setup
	for i, address := range addresses {
		set.servers = append(set.servers, fleet.Static{Name: fmt.Sprintf("s%d", i+1), Address: address, Capacity: 8, Weight: 100})
	}
	check := health.Config{Live: &health.Check{URI: "/well"}, Transport: s.checks, Interval: 20 * time.Millisecond}
	set.fleet = fleet.Config{Health: check, Reach: check, Logger: logger}
	set.front = Config{
		Table: omflow.DefaultTable(), Keys: keys, Retries: balance.NewRetryBudget(20),
		BodyDir: t.TempDir(), Active: func() bool { return true }, Logger: logger,
	}
	set.start = (*httptest.Server).Start
	if change != nil {
		change(&set)
	}
	set.fleet.Static = set.servers
	if s.fleet, err = fleet.New(set.fleet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.fleet.Close)
	set.front.Fleet = s.fleet
	set.front.ResponseTimeout = set.fleet.ResponseTimeout
	if s.front, err = New(set.front); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var trace Trace
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.traces) < 1000 {
				s.traces = append(s.traces, trace)
			}
		}()
		if set.serve != nil {
			set.serve(s, w, r)
			return
		}
		s.front.Serve(w, r, set.client, &trace)
	}))
	s.Config.ErrorLog = log.New(&s.log, "net/http: ", 0)
	set.start(s.Server)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Server.Close()
		if t.Failed() {
			t.Logf("the log:\n%s", s.log.String())
		}
	})
	s.eventually("all servers are up", func() bool {
		for _, server := range s.fleet.Servers() {
			if _, ill := s.checks.ill.Load(server.Address); server.State != "up" && !ill {
				return false
			}
		}
		return true
	})
	return s
}

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	observe.Eventually(s.t, what, ok)
}

// inFlight is how many places are taken on all servers.
func (s *site) inFlight() (n int) {
	for _, server := range s.fleet.Servers() {
		n += server.InFlight
	}
	return n
}

// idle fails the test unless all places become free.
func (s *site) idle() {
	s.t.Helper()
	s.eventually("no place is taken", func() bool { return s.inFlight() == 0 })
}

// trace returns the trace of the n-th request, from 1, when it is over.
func (s *site) trace(n int) (t Trace) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("request %d is over", n), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.traces) < n {
			return false
		}
		t = s.traces[n-1]
		return true
	})
	return t
}

// request makes a request; its body is of unknown length unless it is a string's.
func (s *site) request(method, path string, body io.Reader, header ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// answer is an answer read to its end.
type answer struct {
	*http.Response
	body string
}

// send sends a request; its answer may not fail.
func (s *site) send(r *http.Request) answer {
	s.t.Helper()
	a, err := s.try(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", r.Method, r.URL.Path, err, s.log.String())
	}
	return a
}

func (s *site) try(r *http.Request) (answer, error) {
	client := *s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b)}, err
}

func (s *site) get(path string, header ...string) answer {
	s.t.Helper()
	return s.send(s.request(http.MethodGet, path, nil, header...))
}

func (s *site) post(path, body string, header ...string) answer {
	s.t.Helper()
	return s.send(s.request(http.MethodPost, path, strings.NewReader(body), header...))
}

// want fails the test unless the answer has this status and contains the text.
func (a answer) want(t testing.TB, status int, text string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, text) {
		t.Fatalf("answered %d %.300q, want %d with %q", a.StatusCode, a.body, status, text)
	}
}

// dial opens a plain connection to the front door.
func (s *site) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(observe.Patience))
	return c
}

// create is a request that must not be repeated, read one that may.
const (
	createURL  = "/rest/flowmanage/api/omdata/edit/mission/"
	readURL    = "/rest/flowmanage/api/omdata/list/mission/"
	pageURL    = "/flowmanage/page/1/"
	createBody = `{"action":"create"}`
	updateBody = `{"action":"update"}`
)
