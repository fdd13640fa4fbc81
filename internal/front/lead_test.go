package front

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
)

const (
	toggleURL = "/flowmanage/api/flow-active/update/" // must not be repeated
	menuURL   = "/api/sidebar-design/update/"         // may be
	filesURL  = "/flowmanage/api/omdata-file/list/"
)

// lead makes the server of that number the lead.
func lead(number int) func(*setup) {
	return func(set *setup) { set.servers[number-1].Lead = true }
}

func TestControlAndFilesGoToTheLead(t *testing.T) {
	addresses := threeServers(t)
	s := open(t, addresses, lead(2))
	on3 := "omflow_server=" + s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s3"), Session: 1, Issued: time.Now(), Seen: time.Now()})
	n := 0
	for _, path := range []string{toggleURL, menuURL, filesURL, "/rest" + toggleURL} {
		for range 6 {
			n++
			a := s.post(path, "{}", "Cookie", on3)
			a.want(t, 200, "s2")
			if c := a.cookie(t); c != nil {
				t.Errorf("%s moved its session: %v", path, c)
			}
			if trace := s.trace(n); trace.Why != balance.WhyLead {
				t.Errorf("%s: why %s", path, trace.Why)
			}
		}
	}
	if st, _ := s.fleet.Balancer().Server("s2"); st.Sessions != 0 {
		t.Errorf("%d sessions are counted on the lead", st.Sessions)
	}
	s.get(pageURL, "Cookie", on3).want(t, 200, "s3")

	plain := open(t, addresses, func(set *setup) {
		lead(2)(set)
		set.front.Plain, set.front.Table = true, omflow.PlainTable()
		if err := set.front.Table.Add(omflow.Control, toggleURL); err != nil {
			t.Fatal(err)
		}
	})
	plain.post(toggleURL, "{}", "Cookie", on3).want(t, 200, "s3")
}

func TestLeadIsAwaited(t *testing.T) {
	s := open(t, threeServers(t), nil)
	s.fleet.SetLead("s9")
	_, done := s.start(s.request("POST", toggleURL, strings.NewReader("{}")))
	s.eventually("it waits", func() bool { return s.fleet.Balancer().Queued(balance.Control) == 1 })
	s.get(pageURL).want(t, 200, "")
	s.fleet.SetLead("s3")
	if err := within(t, done, "it is answered"); err != nil {
		t.Error(err)
	}
	if trace := s.trace(2); trace.Server != "s3" || trace.Why != balance.WhyLead || trace.Queue == 0 {
		t.Errorf("trace %+v", trace)
	}

	impatient := open(t, threeServers(t), func(set *setup) { set.front.QueueWait = 50 * time.Millisecond })
	impatient.fleet.SetLead("s9")
	a := impatient.post(toggleURL, "{}")
	a.want(t, 503, `"status":503`)
	if trace := impatient.trace(1); trace.Refusal != omflow.NoServer.String() || a.Header.Get("Retry-After") == "" {
		t.Errorf("trace %+v, Retry-After %q", trace, a.Header.Get("Retry-After"))
	}
}

// A lead that can't be reached is tried again, and so is its successor, but nobody
// else.
func TestLeadRefuses(t *testing.T) {
	other, next := serve(t, answers(ok("other"))), serve(t, answers(ok("next")))
	s := open(t, []string{refused(t), other.addr, next.addr}, func(set *setup) { set.front.Attempts = 2 })
	a := s.post(toggleURL, "{}")
	a.want(t, 503, "")
	if trace := s.trace(1); trace.Refusal != omflow.Unreachable.String() || trace.Tries != 2 || trace.Server != "s1" {
		t.Errorf("trace %+v", trace)
	}
	s.checks.ill.Store(s.fleet.Servers()[0].Address, nil)
	s.eventually("it is down", func() bool { return s.fleet.Servers()[0].State == "down" })
	_, done := s.start(s.request("POST", toggleURL, strings.NewReader("{}")))
	s.eventually("it waits", func() bool { return s.fleet.Balancer().Queued(balance.Control) == 1 })
	s.fleet.SetLead("s3")
	if err := within(t, done, "it is answered"); err != nil {
		t.Error(err)
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("a follower got %d requests of the lead", n)
	}
	next.only(t)
}

// events notes what happened in which order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, what)
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.all, ", ")
}

// notedWriter notes when the client gets the head of the answer.
type notedWriter struct {
	http.ResponseWriter
	e *events
}

func (w notedWriter) WriteHeader(status int) {
	w.e.add(fmt.Sprint("answered ", status))
	w.ResponseWriter.WriteHeader(status)
}

func (w notedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// noted makes a front door that notes control changes and answers.
func noted(e *events, more func(*setup)) func(*setup) {
	return func(set *setup) {
		set.front.Controlled = func(server string) { e.add("controlled " + server) }
		set.serve = func(s *site, w http.ResponseWriter, r *http.Request) {
			var trace Trace
			s.front.Serve(notedWriter{w, e}, r, Client{}, &trace)
		}
		if more != nil {
			more(set)
		}
	}
}

func TestControlChangesAreSeen(t *testing.T) {
	const (
		done     = `{"status":200,"message":"","result":null}`
		notDone  = `{"status":403,"message":"","result":null}`
		unframed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	)
	closes := func(p *peer) { p.request() }
	readable := func(set *setup) {
		if err := set.front.Table.Add(omflow.Control, "/read/me/"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		url    string
		answer func(*peer)
		more   func(*setup)
		want   string
	}{
		{"done", toggleURL, answers(ok(done)), nil, "controlled s1, answered 200"},
		{"done over /rest/", "/rest" + menuURL, answers(ok(done)), nil, "controlled s1, answered 200"},
		{"refused in the body", toggleURL, answers(ok(notDone)), nil, "answered 200"},
		{"refused by HTTP", toggleURL, answers("HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\n\r\nx"), nil, "answered 403"},
		{"not signed in", toggleURL, answers("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), nil, "answered 302"},
		{"no OMFLOW answer", toggleURL, answers(ok("done")), nil, "controlled s1, answered 200"},
		{"no length", toggleURL, answers(unframed), nil, "controlled s1, answered 200"},
		{"no body", toggleURL, answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), nil, "controlled s1, answered 200"},
		{"large", toggleURL, answers(ok(strings.Repeat(" ", wholeAnswer) + notDone)), nil, "controlled s1, answered 200"},
		{"no answer", toggleURL, closes, nil, "controlled s1, answered 502"},
		{"no answer and repeated", menuURL, closes, func(set *setup) { set.front.Attempts = 2 }, "controlled s1, controlled s1, answered 502"},
		{"not sent", toggleURL, nil, nil, "answered 503"},
		{"another lane", createURL, answers(ok(done)), nil, "answered 200"},
		{"plain", toggleURL, answers(ok(done)), func(set *setup) { set.front.Plain = true }, "answered 200"},
		{"asks for an upgrade", toggleURL, answers(ok(done)), nil, "controlled s1, answered 200"},
		{"only reads", "/read/me/", answers(ok(done)), readable, "answered 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e events
			address := refused(t)
			if tt.answer != nil {
				address = serve(t, tt.answer).addr
			}
			s := open(t, []string{address}, noted(&e, tt.more))
			r := s.request("POST", tt.url, strings.NewReader(`{"action":"create"}`))
			switch tt.name {
			case "only reads":
				r = s.request("GET", tt.url, nil)
			case "asks for an upgrade": // there is none; it must not lead past the rules
				r = s.request("GET", tt.url, nil, "Connection", "Upgrade", "Upgrade", "websocket")
			}
			s.send(r)
			if e.String() != tt.want {
				t.Errorf("%s; want %s", e.String(), tt.want)
			}
		})
	}
}

// A change that nobody waits for any more may be done only when the server has ended
// its work on it.
func TestAbandonedControlChange(t *testing.T) {
	var e events
	up := serveBusy(t)
	s := open(t, []string{up.addr}, noted(&e, one))
	leave, gone := s.start(s.request("POST", toggleURL, strings.NewReader("{}")))
	within(t, up.got, "the request arrives")
	if e.String() != "" {
		t.Errorf("before anything is done: %s", e.String())
	}
	leave()
	within(t, gone, "its client is gone")
	if !s.fleet.Balancer().Changing(time.Now(), "s1") {
		t.Error("the server works on a control change, and does not count as being changed")
	}
	s.eventually("its outcome is unknown", func() bool { return strings.HasPrefix(e.String(), "controlled s1") })
	before := strings.Count(e.String(), "controlled s1")
	up.release <- struct{}{}
	s.idle()
	if n := strings.Count(e.String(), "controlled s1"); n != before+1 {
		t.Errorf("told %d times before it was done and %d after: %s", before, n, e.String())
	}
}

func TestHoldOfWork(t *testing.T) {
	up := serveBusy(t)
	s := open(t, []string{up.addr}, func(set *setup) { set.fleet.Balance.QueueLength = 1 })
	held := func(working, waiting int) func() bool {
		return func() bool { _, wo, wa := s.fleet.Held(); return wo == working && wa == waiting }
	}
	create := func() *http.Request { return s.request("POST", createURL, strings.NewReader(createBody)) }
	leave, gone := s.start(create())
	within(t, up.got, "a create arrives")
	s.eventually("it is counted", held(1, 0))
	s.fleet.SetHold(true)
	leave()
	within(t, gone, "its client is gone")
	s.eventually("the other waits", held(1, 0)) // the server still works on it

	leave, gone = s.start(create())
	s.eventually("it is held", held(1, 1))
	s.send(create()).want(t, 503, "")
	leave()
	within(t, gone, "its client is gone")
	s.eventually("it is dropped", held(1, 0))
	_, done := s.start(create())
	s.eventually("it is held", held(1, 1))

	_, read := s.start(s.request("POST", readURL, strings.NewReader("{}")))
	within(t, up.got, "a read arrives")
	up.release <- struct{}{}
	up.release <- struct{}{}
	if err := within(t, read, "the read is answered"); err != nil {
		t.Error(err)
	}
	s.eventually("none is working", held(0, 1))
	if n := len(up.requests()); n != 2 {
		t.Errorf("the server got %d requests, want the first create and the read", n)
	}
	s.fleet.SetHold(false)
	within(t, up.got, "the create arrives")
	up.release <- struct{}{}
	if err := within(t, done, "the create is answered"); err != nil {
		t.Error(err)
	}
	s.eventually("all is over", held(0, 0))
}

func TestHoldIsBoundedInTime(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) { set.front.QueueWait = 50 * time.Millisecond })
	s.fleet.SetHold(true)
	s.post(createURL, createBody).want(t, 503, "")
	if trace := s.trace(1); trace.Refusal != omflow.WaitedTooLong.String() || len(up.requests()) != 0 {
		t.Errorf("trace %+v", trace)
	}
}
