//go:build linux

package harness

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// answerTime is when a client gives up. It is far longer than any test allows, so
// that a request that is answered too late counts with its time.
const answerTime = 60 * time.Second

// Session is a browser that is signed in as a user of its own.
type Session struct {
	*client.Client
	Number int
	// On is the server that answered last. It is for whoever has the session.
	On string
}

// SignIn signs in n browsers through the booster, each as a user of its own.
func (c *Cluster) SignIn(t testing.TB, n int) []*Session {
	t.Helper()
	sessions := make([]*Session, n)
	errs := make([]error, n)
	var running sync.WaitGroup
	few := make(chan struct{}, 8)
	for i := range sessions {
		c.users++
		user := fmt.Sprintf("user%d", c.users)
		running.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			sessions[i], errs[i] = c.signIn(user, i)
		})
	}
	running.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("sign in browser %d of %d: %v", i, n, err)
		}
		t.Cleanup(sessions[i].Close)
	}
	return sessions
}

func (c *Cluster) signIn(user string, number int) (*Session, error) {
	const password = "of a test's user"
	if err := c.Queries.SaveUser(database.NewUser(user, password, 2)); err != nil {
		return nil, fmt.Errorf("make a user: %w", err)
	}
	s := &Session{Number: number}
	var err error
	s.Client, err = client.New(client.Config{
		URL: c.Booster.URL, User: user, Password: password, Timeout: answerTime,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := s.SignIn(ctx, false); err != nil {
		return nil, err
	}
	home, err := s.Home(ctx)
	if err != nil {
		return nil, err
	}
	s.On = home.Server()
	return s, nil
}

// Tickets returns how often each ticket exists whose title starts so.
func (c *Cluster) Tickets(t testing.TB, prefix string) map[string]int {
	t.Helper()
	tickets, err := c.Queries.TicketsByTitle(prefix)
	if err != nil {
		t.Fatalf("ask the database for tickets: %v", err)
	}
	return maps.Clone(tickets)
}

// LoadConfig is what browsers do.
type LoadConfig struct {
	// Rate is how many requests are begun each second, by browsers that wait for
	// no answer at that time. Required.
	Rate float64
	// CreateEvery makes each so-many-th request open a ticket. 0: none does.
	CreateEvery int
	// Titles is how the titles of the tickets begin; a number follows.
	Titles string
}

// Load is browsers at work.
type Load struct {
	cfg      LoadConfig
	sessions []*Session
	once     sync.Once // closes stop
	stop     chan struct{}
	ended    chan struct{}
	begun    time.Time

	mu      sync.Mutex
	records []Record
	starved int
}

// StartLoad lets the browsers work until Stop, or the test's end. Nobody else may
// use them meanwhile.
func StartLoad(t testing.TB, sessions []*Session, cfg LoadConfig) *Load {
	l := &Load{cfg: cfg, sessions: sessions, stop: make(chan struct{}), ended: make(chan struct{}), begun: time.Now()}
	go l.run()
	t.Cleanup(l.end)
	return l
}

// end stops the load and returns when the last answer is there.
func (l *Load) end() {
	l.once.Do(func() { close(l.stop) })
	<-l.ended
}

// run begins requests at the configured rate, whatever becomes of them: a browser
// that waits for a slow answer does not slow the others.
func (l *Load) run() {
	defer close(l.ended)
	idle := make(chan *Session, len(l.sessions))
	for _, s := range l.sessions {
		idle <- s
	}
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			for due := int(now.Sub(l.begun).Seconds() * l.cfg.Rate); n < due; n++ {
				select {
				case s := <-idle:
					number := n
					running.Go(func() {
						l.note(l.ask(s, number))
						idle <- s
					})
				default:
					l.mu.Lock()
					l.starved++
					l.mu.Unlock()
				}
			}
		}
	}
}

// ask makes the n-th request.
func (l *Load) ask(s *Session, n int) Record {
	ctx := context.Background()
	r := Record{Session: s.Number, On: s.On, Begun: time.Now()}
	switch {
	case l.cfg.CreateEvery > 0 && n%l.cfg.CreateEvery == 0:
		r.Title = fmt.Sprintf("%s-%d", l.cfg.Titles, n)
		r.Answer, r.Err = s.Open(ctx, engine.MissionUUID, r.Title)
	case n%4 == 1:
		r.Answer, r.Err = s.Home(ctx)
	case n%4 == 2:
		r.Answer, r.Err = s.Get(ctx, "/my-mission/page/mission/")
	case n%4 == 3:
		r.Answer, r.Err = s.Post(ctx, "/api/l-side/load/", map[string]any{"draw_$": 1})
	default:
		r.Answer, r.Err = s.Post(ctx, "/api/workinfo/load/", map[string]any{})
	}
	r.Ended = time.Now()
	if on := r.Answer.Server(); on != "" {
		s.On = on
	}
	return r
}

func (l *Load) note(r Record) {
	l.mu.Lock()
	l.records = append(l.records, r)
	l.mu.Unlock()
}

// Records returns what has been answered so far.
func (l *Load) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Record(nil), l.records...)
}

// leastLoad is the part of the requests that must be made for a load to prove anything.
// Browsers wait for their answers, so that a slow machine makes it less than it should be,
// and one that stands still for some seconds much less; that is no fault of what is tested.
const leastLoad = 0.2

// Stop ends the load and returns all records. It fails the test when the load was
// much less than it should have been: then it proves nothing.
func (l *Load) Stop(t testing.TB) []Record {
	t.Helper()
	took := time.Since(l.begun)
	l.end()
	if n, want := len(l.records), l.cfg.Rate*took.Seconds(); float64(n) < leastLoad*want {
		t.Errorf("the load was %d requests in %s, of %.0f that it should be; %d found no idle browser", n, took, want, l.starved)
	}
	return l.records
}
