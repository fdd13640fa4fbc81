package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/owners"
)

// nodes are control APIs by name; whoever calls is who.
type nodes struct {
	who     string
	booster bool
	there   map[string]http.Handler
}

func (n *nodes) peer(*http.Request) (name string, booster, ok bool) {
	return n.who, n.booster, n.who != ""
}

// do hands a request to a node as the cluster's control API does.
func (n *nodes) do(ctx context.Context, member string, r *http.Request) (*http.Response, error) {
	h := n.there[member]
	if h == nil {
		return nil, errors.New("no such member")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(ctx))
	return rec.Result(), nil
}

type booster struct {
	asked rollout.Ask
	order rollout.Orders
	from  string
	lead  string
	gone  bool
	err   error
}

func (b *booster) Ask(a rollout.Ask) (rollout.Answer, error) {
	b.asked = a
	return rollout.Answer{Term: 3, Part: rollout.Lead, Grant: 5, Offer: a.Offer, Witnesses: []string{"s2"}}, b.err
}

func (b *booster) Order(from string, o rollout.Orders) (rollout.Doors, error) {
	b.from, b.order = from, o
	return rollout.Doors{InFlight: map[string]int{"s1": 2}, Up: map[string]bool{"s1": true}, Working: 1}, b.err
}

func (b *booster) SetLead(server string, gone bool) error {
	b.lead, b.gone = server, gone
	return b.err
}

type agent struct {
	rows  []rollout.Row
	lacks []rollout.Row // between two steps
	hears bool
	err   error
}

func (a *agent) Hears() bool { return a.hears }

func (a *agent) Journal(_ context.Context, between bool) (rollout.Reading, error) {
	read := rollout.Reading{Rows: a.rows, More: true}
	if between {
		read.Between = a.lacks
	}
	return read, a.err
}

func TestCalls(t *testing.T) {
	n := &nodes{who: "s1"}
	b := &booster{}
	ticket := owners.Ticket{Flow: "dc33fb340034418c8fbb3baf15525e86", No: 5, Row: 17}
	a := &agent{rows: []rollout.Row{{ID: 7, Key: "k"}, {ID: 8, Key: "l", Ticket: ticket, Opener: ticket, Unsure: true}}, hears: true}
	n.there = map[string]http.Handler{"b": BoosterHandler(b, n.peer), "s2": AgentHandler(a)}
	c := Client{Do: n.do}
	ctx := context.Background()

	answer, err := c.Ask(ctx, "b", rollout.Ask{Server: "s1", Candidate: true, Offer: 9})
	if err != nil || answer.Grant != 5 || answer.Offer != 9 || !slices.Equal(answer.Witnesses, []string{"s2"}) || !b.asked.Candidate {
		t.Errorf("ask: %+v, %v; asked %+v", answer, err, b.asked)
	}
	a.lacks = []rollout.Row{{Key: "m", Ticket: ticket}}
	read, err := c.Journal(ctx, "s2", false)
	if err != nil || !read.More || !slices.Equal(read.Rows, a.rows) || read.Between != nil {
		t.Errorf("journal: %+v %v", read, err)
	}
	a.rows[1].Opener = owners.Ticket{Flow: "'", Row: 1}
	a.lacks = append(a.lacks, rollout.Row{Key: "n", Ticket: owners.Ticket{Flow: "'", Row: 1}})
	read, err = c.Journal(ctx, "s2", true)
	if err != nil || read.Rows[1].Opener != (owners.Ticket{}) || read.Rows[1].Ticket != ticket || len(read.Between) != 2 ||
		read.Between[0] != a.lacks[0] || read.Between[1].Ticket != (owners.Ticket{}) {
		t.Errorf("a journal with nonsense: %+v, %v", read, err)
	}
	if hears, err := c.Hears(ctx, "s2"); err != nil || !hears {
		t.Errorf("hears: %v %v", hears, err)
	}
	n.who, n.booster = "b2", true
	doors, err := c.Order(ctx, "b", rollout.Orders{Term: 3, Hold: true, Out: map[string]string{"s1": "is restarted"}})
	if err != nil || doors.InFlight["s1"] != 2 || !doors.Up["s1"] || doors.Working != 1 || b.from != "b2" || !b.order.Hold {
		t.Errorf("order: %+v, %v; got %+v of %s", doors, err, b.order, b.from)
	}
	if err := c.SetLead(ctx, "b", "s2", true); err != nil || b.lead != "s2" || !b.gone {
		t.Errorf("lead: %v, %q %v", err, b.lead, b.gone)
	}
	if _, err := c.Ask(ctx, "nobody", rollout.Ask{Server: "s1"}); err == nil {
		t.Error("nobody answered")
	}
}

// TestRefusals: who may ask what, and how it is told.
func TestRefusals(t *testing.T) {
	b := &booster{}
	a := &agent{}
	n := &nodes{}
	n.there = map[string]http.Handler{"b": BoosterHandler(b, n.peer), "s2": AgentHandler(a)}
	c := Client{Do: n.do}
	ask := func() error {
		_, err := c.Ask(context.Background(), "b", rollout.Ask{Server: "s1"})
		return err
	}
	order := func() error {
		_, err := c.Order(context.Background(), "b", rollout.Orders{})
		return err
	}
	lead := func() error { return c.SetLead(context.Background(), "b", "s1", false) }
	journal := func() error {
		_, err := c.Journal(context.Background(), "s2", false)
		return err
	}
	for _, tt := range []struct {
		name    string
		who     string
		booster bool
		err     error
		call    func() error
		want    string
	}{
		{"another agent's server", "s2", false, nil, ask, "own server only"},
		{"a booster asks", "s1", true, nil, ask, "own server only"},
		{"nobody known asks", "", false, nil, ask, "own server only"},
		{"an agent orders", "s1", false, nil, order, "boosters give orders"},
		{"an agent chooses the lead", "s1", false, nil, lead, "boosters pass on"},
		{"not active", "s1", false, rollout.ErrNotActive, ask, rollout.ErrNotActive.Error()},
		{"an old term", "b2", true, errors.New("old term"), order, "HTTP 503: old term"},
		{"no database", "b2", true, errors.New("no database"), journal, "HTTP 503: no database"},
	} {
		n.who, n.booster, b.err, a.err = tt.who, tt.booster, tt.err, tt.err
		err := tt.call()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if errors.Is(tt.err, rollout.ErrNotActive) != errors.Is(err, rollout.ErrNotActive) {
			t.Errorf("%s: %v is no ErrNotActive", tt.name, err)
		}
	}
}

// FuzzMessages: whatever a peer sends, what gets through is valid, and nothing that
// it sends is answered with 500.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"server":"s1","runs":"lead","grant":1}`, `{"server":"s1","epoch":"a=1 b=2"}`, `{"term":1,"out":{"s1":"x"}}`,
		`{"server":"s2","gone":true}`, `[]`, `{`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := &booster{}
		for _, kind := range []bool{false, true} {
			h := BoosterHandler(b, func(*http.Request) (string, bool, bool) { return "s1", kind, true })
			for _, path := range []string{askPath, ordersPath, leadPath} {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, io.NopCloser(bytes.NewReader(body))))
				if rec.Code >= http.StatusInternalServerError {
					t.Errorf("%s: HTTP %d", path, rec.Code)
				}
			}
		}
		if b.asked.Server != "" && b.asked.Validate() != nil || b.order.Validate() != nil {
			t.Errorf("got through: %+v, %+v", b.asked, b.order)
		}
	})
}
