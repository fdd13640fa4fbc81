package front

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/profile"
	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/rollout/owners"
)

const (
	lostToken = "5bde427a-86e3-43ec-85ac-17523185ed07"
	lostBody  = `{"security":"` + lostToken + `","omflow_restapi":true,"action":"create","formdata":[{"id":"FORMITM_1","type":"h_title","value":"t"}]}`
)

// sought is what a front asked for, and gets told.
type sought struct {
	fate  created.Fate
	asked []created.Lost
	book  *created.Book
	// meanwhile runs while it is sought.
	meanwhile func(ctx context.Context)
}

func (s *sought) seek(ctx context.Context, lost created.Lost) created.Fate {
	s.asked = append(s.asked, lost)
	if s.meanwhile != nil {
		s.meanwhile(ctx)
	}
	return s.fate
}

// seeking has creates with lostToken sought.
func seeking(s *sought, book *owners.Book) func(*setup) {
	return func(set *setup) {
		ownedBy(book)(set)
		s.book = created.NewBook()
		set.front.Created, set.front.Seek = s.book, s.seek
		set.front.Tokens = new(token.Broker)
		login := "Basic " + base64.StdEncoding.EncodeToString([]byte("bob:secret"))
		for _, name := range []string{"s1", "s2"} {
			set.front.Tokens.Learn(time.Now(), balance.IDOf(name), login, lostToken)
		}
	}
}

// open lists numbers that a book has not given away, once nothing is on its way.
func (s *sought) open(t *testing.T, numbers ...int64) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	a, err := s.book.Settle(ctx, created.Settle{Flow: ownerFlow, Numbers: numbers})
	if err != nil {
		t.Fatal(err)
	}
	return a.Open
}

// A create whose server dies is sought, with who sent it and what it says: its ticket is
// what the client gets.
func TestLostCreateFound(t *testing.T) {
	s, book := &sought{fate: created.Fate{Outcome: created.Found, No: 5}}, owners.New()
	dead, alive := serve(t, dies(99, "")), serve(t, answers(ok("no")))
	site := open(t, []string{dead.addr, alive.addr}, seeking(s, book))
	s.meanwhile = func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := s.book.Settle(ctx, created.Settle{Flow: ownerFlow}); err != nil {
			t.Errorf("the lost create itself is waited for: %v", err)
		}
		if site.inFlight() != 0 {
			t.Error("it holds a place on a server")
		}
	}
	begun := time.Now()
	a := site.post(createURL, lostBody, "Accept-Language", "en")
	a.want(t, http.StatusOK, `{"status":200,"message":"Create data successfully.","result":5}`)
	if len(s.asked) != 1 || len(alive.requests()) != 0 {
		t.Fatalf("sought %d times, and sent %d times again", len(s.asked), len(alive.requests()))
	}
	lost := s.asked[0]
	if lost.Server != "s1" || lost.Flow != ownerFlow || lost.User != "bob" || len(lost.Columns["formitm_1"]) != 64 || lost.Sent.Before(begun) {
		t.Errorf("sought: %+v", lost)
	}
	if trace := site.trace(1); trace.Create != "found" || trace.Refusal != "" || trace.Status != 200 || trace.Err != nil {
		t.Errorf("trace %+v", trace)
	}
	// The process that has the ticket is the one that it was sent to.
	for _, c := range book.Claims(time.Now(), []owners.Ticket{{Flow: ownerFlow, No: 5, Row: 5}}, func(string) string { return "" })[0] {
		if c.Server != "s1" || c.Perhaps || c.At.After(lost.Sent) {
			t.Errorf("claimed by %+v, though it was sent %s", c, lost.Sent)
		}
	}
	if strings.Contains(site.log.String(), "h_title") || strings.Contains(site.log.String(), "secret") {
		t.Errorf("the log tells too much: %s", site.log.String())
	}
}

// One that has surely opened nothing goes to another server, once.
func TestLostCreateRepeated(t *testing.T) {
	s := &sought{fate: created.Fate{Outcome: created.Nothing}}
	dead, alive := serve(t, dies(99, "")), serve(t, answers(ok(`{"status": 200, "message": "", "result": 7}`)))
	book := owners.New()
	site := open(t, []string{dead.addr, alive.addr}, seeking(s, book))
	site.post(createURL, lostBody).want(t, 200, `"result": 7`)
	if trace := site.trace(1); trace.Create != "repeated" || trace.Tries != 2 || trace.Server != "s2" {
		t.Errorf("trace %+v", trace)
	}
	if got := claimed(book, 7, 7); got != "s2" {
		t.Errorf("its ticket is claimed by %q", got)
	}
	if open := s.open(t, 7, 8); len(open) != 1 {
		t.Errorf("not given away are %v", open)
	}

	both := &sought{fate: created.Fate{Outcome: created.Nothing}}
	other := serve(t, dies(99, ""))
	site = open(t, []string{dead.addr, other.addr}, seeking(both, owners.New()))
	site.post(createURL, lostBody).want(t, 502, `"result":null`)
	if trace := site.trace(1); len(both.asked) != 1 || trace.Tries != 2 || trace.Refusal != "outcome_unknown" {
		t.Errorf("sought %d times, trace %+v", len(both.asked), trace)
	}
}

// What is not proved, or can't be, is answered as unknown.
func TestLostCreateUnknown(t *testing.T) {
	with := func(change func(*setup)) func(*setup) { return change }
	for _, tt := range []struct {
		name, url, body string
		script          func(*peer)
		change          func(*setup)
		asked           int
		status          int
	}{
		{"nothing is proved", createURL, lostBody, dies(99, ""), nil, 1, 502},
		{"an answer that breaks off", createURL, lostBody, func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		}, nil, 1, 502},
		{"a page's create", editUUID, `{"action":"create","flow_uuid":"` + ownerFlow + `","formdata":[{"id":"FORMITM_1","value":"t"}]}`, dies(99, ""), nil, 0, 502},
		{"a token that nobody knows", createURL, strings.Replace(lostBody, "5bde427a", "00000000", 1), dies(99, ""), nil, 0, 502},
		{"a flow that nobody knows", strings.Replace(createURL, "mission", "other", 1), lostBody, dies(99, ""), nil, 0, 502},
		{"a form that is none", createURL, strings.Replace(lostBody, `"t"`, `1.5`, 1), dies(99, ""), nil, 0, 502},
		{"a service request", "/rest/service/api/request/", lostBody, dies(99, ""), nil, 0, 502},
		{"the repair is off", createURL, lostBody, dies(99, ""), with(func(set *setup) {
			p := profile.Default()
			p.Repairs.LostCreates = false
			table, err := omflow.NewTable(p)
			if err != nil {
				t.Fatal(err)
			}
			set.front.Table = table
		}), 0, 502},
		{"a server that is silent", createURL, lostBody, func(p *peer) { p.request(); p.wait() },
			with(func(set *setup) { set.fleet.ResponseTimeout = 50 * time.Millisecond }), 0, 502},
		{"an update", createURL, `{"security":"` + lostToken + `","action":"update","data_id":17,"formdata":[]}`, dies(99, ""), nil, 0, 502},
	} {
		s := &sought{}
		site := open(t, []string{serve(t, tt.script).addr}, func(set *setup) {
			seeking(s, owners.New())(set)
			if tt.change != nil {
				tt.change(set)
			}
		})
		site.post(tt.url, tt.body).want(t, tt.status, `"result":null`)
		if trace := site.trace(1); len(s.asked) != tt.asked || (trace.Create == "unknown") != (tt.asked == 1) {
			t.Errorf("%s: sought %d times, trace %+v", tt.name, len(s.asked), trace)
		}
		site.idle()
	}
}

// What is on its way is noted until it is answered, or its server has ended its work on one
// whose client has gone.
func TestCreatesAreNoted(t *testing.T) {
	s := &sought{}
	release := make(chan struct{})
	up := serve(t, func(p *peer) {
		for {
			p.request()
			<-release
			p.send(ok(`{"status": 200, "message": "", "result": 5}`))
		}
	})
	site := open(t, []string{up.addr}, seeking(s, owners.New()))
	settled := func() <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := s.book.Settle(t.Context(), created.Settle{Flow: ownerFlow})
			done <- err
		}()
		return done
	}
	_, answered := site.start(site.request("POST", createURL, strings.NewReader(lostBody)))
	site.eventually("the server has it", func() bool { return len(up.requests()) == 1 })
	if s.waits(t) {
		release <- struct{}{}
	}
	if err := within(t, answered, "an answer"); err != nil {
		t.Fatal(err)
	}
	if open := s.open(t, 4, 5); len(open) != 1 || open[0] != 4 {
		t.Errorf("not given away are %v", open)
	}
	cancel, gone := site.start(site.request("POST", createURL, strings.NewReader(lostBody)))
	site.eventually("the server has it", func() bool { return len(up.requests()) == 2 })
	cancel()
	<-gone
	site.trace(2)
	if s.waits(t) {
		done := settled()
		release <- struct{}{}
		if err := within(t, done, "the server's answer"); err != nil {
			t.Error(err)
		}
	}
	close(release)
	site.idle()
}

// waits reports whether a create is on its way.
func (s *sought) waits(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.book.Settle(ctx, created.Settle{Flow: ownerFlow})
	if err == nil {
		t.Error("nothing is on its way")
	}
	return err != nil
}
