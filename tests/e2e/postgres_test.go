//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/tests/e2e/harness"
)

const (
	// healed is how long tickets may take to run to their end by themselves once the
	// database is back.
	healed = 3 * time.Minute
	// noticed is how long after a booster has every server down a request may still be
	// answered by one, which it was sent before.
	noticed = 2 * time.Second
	// steady is how long after the database is back pages may be put off, or for half of
	// the time that the restarts take, which says how fast this machine is.
	steady = 5 * time.Second
)

// A real PostgreSQL is stopped and started again under load. Meanwhile requests wait or
// are told to come back later; afterwards servers, whose flow queues have lost their
// connections, are restarted one at a time, every ticket that was answered with a number
// runs to its end, once, and nobody was logged out.
func TestPostgresRestart(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Postgres: true, Front: "queue 4096 3s"})
	before := c.ServerPIDs(t)
	sessions := c.SignIn(t, 24)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 30, CreateEvery: 5, Titles: "page"})
	program := startProgram(t, c)
	harness.Wait(t, time.Minute, "tickets are opened", func() error {
		return atLeast(numbered(load.Records())+numbered(program.Records()), 20)
	})

	down := time.Now()
	c.StopDatabase(t)
	harness.Wait(t, time.Minute, "the booster knows that no server can work", func() error { return servers(c, 0) })
	gone := time.Now()
	t.Logf("no server is up %.1f s after the database was stopped", gone.Sub(down).Seconds())
	late := follower(t, c)
	late.Stop(t)
	late.Start(t)
	harness.Wait(t, time.Minute, "the status says what "+late.Name+" waits for", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		for _, s := range status.Servers {
			if s.Name == late.Name && strings.Contains(s.Reason, "waits for its database") {
				return nil
			}
		}
		return fmt.Errorf("servers: %+v", status.Servers)
	})
	if !strings.Contains(late.Log(), `"reason":"it waits for its database: `) {
		t.Errorf("the log of %s does not say what it waits for", late.Name)
	}
	if late.ServerPID() != 0 {
		t.Errorf("the server of %s was started without its database", late.Name)
	}
	harness.Wait(t, time.Minute, "requests are told to come back later", func() error {
		return atLeast(postponed(load.Records())+postponed(program.Records()), 3)
	})

	order := watchRestarts(t, c, late)
	c.StartDatabase(t)
	back := time.Now()
	t.Logf("the database was away for %.1f s", back.Sub(down).Seconds())
	harness.Wait(t, healed, "all servers are restarted and up", func() error {
		for _, a := range c.Agents {
			if pid := a.ServerPID(); pid == 0 || pid == before[a.Name] {
				return fmt.Errorf("the server of %s is process %d", a.Name, pid)
			}
		}
		return servers(c, len(c.Agents))
	})
	restarted := time.Since(back)
	t.Logf("all servers are restarted %.1f s after the database is back", restarted.Seconds())
	order.stop(t)
	pages, calls := load.Stop(t), program.stop()
	for _, s := range sessions { // at once: a session ends when its page has not polled for two minutes
		if a, err := s.Poll(context.Background()); err != nil || !a.OK() {
			t.Errorf("browser %d: HTTP %d, status %d, %v", s.Number, a.Code, a.Status, err)
		}
	}
	records := append(pages, calls...)
	harness.Wait(t, healed, "tickets run to their end", func() error { return ended(c, records) })
	t.Logf("all of %d tickets are at their end %.1f s after the database is back", numbered(records), time.Since(back).Seconds())

	served := back.Add(max(steady, restarted/2))
	for _, r := range records {
		if why := wrong(r, down, gone, back, served); why != "" {
			t.Errorf("%s: %s", why, r)
		}
	}
	for _, titles := range []string{"page", "program"} {
		for title, n := range c.Tickets(t, titles) {
			if n != 1 {
				t.Errorf("%s exists %d times", title, n)
			}
		}
	}
}

// servers returns an error unless the booster has so many servers up.
func servers(c *harness.Cluster, n int) error {
	status, err := c.Booster.Status()
	if err != nil {
		return err
	}
	up := 0
	for _, s := range status.Servers {
		if s.State == "up" {
			up++
		}
	}
	if up != n {
		return fmt.Errorf("servers: %+v", status.Servers)
	}
	return nil
}

// follower is an agent whose server is not the lead.
func follower(t *testing.T, c *harness.Cluster) *harness.Node {
	t.Helper()
	lead := c.Lead()
	for _, a := range c.Agents {
		if lead != nil && a != lead {
			return a
		}
	}
	t.Fatal("there is no lead server")
	return nil
}

func numbered(records []harness.Record) (n int) {
	for _, r := range records {
		if r.Title != "" && r.Failure() == "" {
			n++
		}
	}
	return n
}

func postponed(records []harness.Record) (n int) {
	for _, r := range records {
		if later(r) {
			n++
		}
	}
	return n
}

// later reports whether the answer is the booster's that tells the client to come back:
// 503 with Retry-After, and OMFLOW's three members where that is what the client reads.
func later(r harness.Record) bool {
	a := r.Answer
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); a.Code != http.StatusServiceUnavailable || err != nil || seconds < 1 {
		return false
	}
	var members map[string]json.RawMessage
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		return r.Title == ""
	}
	return json.Unmarshal(a.Body, &members) == nil && len(members) == 3 && a.Status == a.Code && a.Message != "" && string(a.Result) == "null"
}

// wrong says what is wrong with the answer to a request, which may have been begun when
// the database was there, when servers still answered without it, or when none did. From
// served on, some time after the database was back, pages are to be answered.
func wrong(r harness.Record, down, gone, back, served time.Time) string {
	a := r.Answer
	switch {
	case r.Err != nil:
		return "no answer"
	case a.Code == http.StatusFound:
		return "sent away"
	case r.Failure() == "":
		if r.Begun.After(gone.Add(noticed)) && r.Ended.Before(back) {
			return "answered by a server that had no database"
		}
		return ""
	case later(r):
		// Creates are held back until the lead server is restarted, others are not.
		if r.Title == "" && r.Begun.After(served) {
			return "told to come back later, long after the database was back"
		}
		return ""
	case r.Ended.After(down) && r.Begun.Before(gone.Add(noticed)):
		// In OMFLOW's own words: HTTP 200 with another status, or HTTP 500 where it had to
		// read a session first. Or the connection broke.
		if a.Code == http.StatusOK && a.Status == 0 {
			return "an error that looks like a page"
		}
		return ""
	default:
		return "failed"
	}
}

// ended returns an error as long as a ticket that was answered with a number has not come
// to its form, in one row, or the journal of the flow queue has anything.
func ended(c *harness.Cluster, records []harness.Record) error {
	page, err := c.Queries.Tickets(database.TicketQuery{Flow: engine.MissionUUID, Open: true, Limit: 100_000})
	if err != nil {
		return err
	}
	rows := map[string][]database.Ticket{}
	for _, r := range page.Rows {
		rows[r.Ticket.Title] = append(rows[r.Ticket.Title], r.Ticket)
	}
	var running, missing, twice []string
	for _, r := range records {
		if r.Title == "" || r.Failure() != "" {
			continue
		}
		switch open := rows[r.Title]; {
		case len(open) == 0:
			missing = append(missing, r.Title)
		case len(open) > 1:
			twice = append(twice, r.Title)
		case open[0].Running:
			running = append(running, r.Title)
		}
	}
	journal, err := c.Queries.Queue()
	if err != nil {
		return err
	}
	if len(running)+len(missing)+len(twice)+len(journal) > 0 {
		return fmt.Errorf("running: %v, nowhere: %v, in two rows: %v, %d rows in the journal", running, missing, twice, len(journal))
	}
	return nil
}

// calls are a program's creates, at a fixed rate.
type calls struct {
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	records []harness.Record
}

// startProgram opens four tickets a second with one token.
func startProgram(t *testing.T, c *harness.Cluster) *calls {
	t.Helper()
	cl, err := client.New(client.Config{URL: c.Booster.URL, User: "admin", Password: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	token, err := cl.Token(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &calls{cancel: cancel}
	t.Cleanup(func() { p.stop() })
	p.running.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p.running.Go(func() {
				r := harness.Record{Title: fmt.Sprintf("program-%d", n), Begun: time.Now()}
				r.Answer, r.Err = cl.Create(context.Background(), token, "mission", r.Title)
				r.Ended = time.Now()
				p.mu.Lock()
				p.records = append(p.records, r)
				p.mu.Unlock()
			})
		}
	})
	return p
}

func (p *calls) Records() []harness.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]harness.Record(nil), p.records...)
}

// stop ends the program and returns when the last answer is there.
func (p *calls) stop() []harness.Record {
	p.cancel()
	p.running.Wait()
	return p.Records()
}

// restarts watches that servers go one at a time.
type restarts struct {
	cancel context.CancelFunc
	done   chan struct{}

	most  int
	moves []string
	err   error
}

// watchRestarts begins to watch, with one server away: a server is away from the end of
// its process until the booster has another one of it up.
func watchRestarts(t *testing.T, c *harness.Cluster, away *harness.Node) *restarts {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &restarts{cancel: cancel, done: make(chan struct{})}
	pids := map[string]int{}
	for _, a := range c.Agents {
		if a != away {
			pids[a.Name] = a.ServerPID()
		}
	}
	out := map[string]bool{away.Name: true}
	begun := time.Now()
	go func() {
		defer close(w.done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// First who has gone, then who is back: the other way round one that came back
			// between the two looks would be away with the one that went after it.
			gone := map[string]bool{}
			for _, a := range c.Agents {
				if pid := pids[a.Name]; pid == 0 || !harness.Alive(pid) {
					pids[a.Name], gone[a.Name] = a.ServerPID(), true
				}
			}
			status, err := c.Booster.Status()
			if err != nil {
				w.err = err
				return
			}
			for _, a := range c.Agents {
				was := out[a.Name]
				if gone[a.Name] {
					out[a.Name] = true
				} else if was && status.State(a.Name) == "up alive" {
					delete(out, a.Name)
				}
				if out[a.Name] != was {
					w.moves = append(w.moves, fmt.Sprintf("%.1fs %s away: %t", time.Since(begun).Seconds(), a.Name, out[a.Name]))
				}
			}
			w.most = max(w.most, len(out))
		}
	}()
	t.Cleanup(func() { cancel(); <-w.done })
	return w
}

// stop ends the watch and tells whether two servers were away at once.
func (w *restarts) stop(t *testing.T) {
	t.Helper()
	w.cancel()
	<-w.done
	t.Logf("servers: %v", w.moves)
	if w.err != nil {
		t.Error(errors.Join(errors.New("the restarts were not watched"), w.err))
	}
	if w.most > 1 {
		t.Errorf("%d servers were away at once", w.most)
	}
}
