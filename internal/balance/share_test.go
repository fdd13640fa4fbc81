package balance

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simulation is a set of servers that run Python, a bulk client and some users,
// in simulated time. A request needs its server's one interpreter for some time,
// which is handed over every 5 ms, first come first served, and waits some more
// outside it (the model that fits measurements of OMFLOW Server under gunicorn).
type simulation struct {
	now    time.Duration
	events events
	seq    int
	b      *Balancer
	start  time.Time
	python map[*Server]*interpreter
	rand   *rand.Rand

	waiting []waiting
	warm    time.Duration
	clicks  []time.Duration
	tickets int
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

func (s *simulation) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now + d, s.seq, do})
}

func (s *simulation) run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= until {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
		s.admit()
	}
}

type interpreter struct {
	sim   *simulation
	ready []*work
	busy  bool
}

type work struct {
	run, wait time.Duration
	done      func()
}

func (i *interpreter) add(w *work) {
	i.ready = append(i.ready, w)
	i.next()
}

func (i *interpreter) next() {
	if i.busy || len(i.ready) == 0 {
		return
	}
	w := i.ready[0]
	i.ready = i.ready[1:]
	i.busy = true
	turn := min(5*time.Millisecond, w.run)
	i.sim.after(turn, func() {
		i.busy = false
		w.run -= turn
		if w.run > 0 {
			i.ready = append(i.ready, w)
		} else {
			i.sim.after(w.wait, w.done)
		}
		i.next()
	})
}

// request runs one request and calls done after it.
func (s *simulation) request(r *Request, run, wait time.Duration, done func(server *Server)) {
	asked := s.now
	serve := func(g Grant) {
		got := s.now
		s.python[g.Server].add(&work{run: run, wait: wait, done: func() {
			s.b.Release(s.start.Add(s.now), g, Outcome{Served: s.now - got, Total: s.now - asked})
			if s.now > s.warm {
				if r.Lane == Flow {
					s.tickets++
				} else {
					s.clicks = append(s.clicks, s.now-asked)
				}
			}
			done(g.Server)
		}})
	}
	g, w, err := s.b.Acquire(s.start.Add(s.now), r)
	switch {
	case err != nil:
		panic(err)
	case w == nil:
		serve(g)
	default:
		s.waiting = append(s.waiting, waiting{w, serve})
	}
}

type waiting struct {
	w     *Waiter
	serve func(Grant)
}

// admit serves the requests that were let in.
func (s *simulation) admit() {
	s.waiting = slices.DeleteFunc(s.waiting, func(x waiting) bool {
		select {
		case g := <-x.w.C:
			x.serve(g)
			return true
		default:
			return false
		}
	})
}

func newSimulation(t *testing.T, capacity int, seed uint64) *simulation {
	f := newFixture(t, Config{}, servers(3, capacity)...)
	s := &simulation{b: f.b, start: f.now, python: map[*Server]*interpreter{}, rand: rand.New(rand.NewPCG(seed, 1))}
	for _, server := range f.b.table.Load().servers {
		s.python[server] = &interpreter{sim: s}
	}
	var tick func()
	tick = func() {
		s.b.Tick(s.start.Add(s.now))
		s.after(100*time.Millisecond, tick)
	}
	tick()
	return s
}

const ms = time.Millisecond

// bulk is a client with that many ticket creations at once.
func (s *simulation) bulk(atOnce int) {
	var create func(*Server)
	create = func(*Server) { s.request(&Request{Lane: Flow, Key: 1}, 23*ms, 14*ms, create) }
	for range atOnce {
		create(nil)
	}
}

// user loads the home page, polls, and pauses, for ever.
func (s *simulation) user(number uint64) {
	r := Request{Lane: Session, Session: number}
	var home, poll func(*Server)
	home = func(*Server) { r.Key = 2; s.request(&r, 25*ms, 8*ms, poll) }
	poll = func(on *Server) {
		r.Sticky, r.Key = on.ID(), 3
		s.request(&r, 8*ms, 3*ms, func(*Server) {
			s.after(145*ms+time.Duration(s.rand.Int64N(int64(10*ms))), func() { home(nil) })
		})
	}
	s.after(time.Duration(s.rand.Int64N(int64(200*ms))), func() { home(nil) })
}

// measure runs the simulation and returns the 99th percentile of the clicks and
// the tickets a second.
func (s *simulation) measure(warm, d time.Duration) (p99 time.Duration, tickets float64) {
	s.warm = warm
	s.run(warm + d)
	slices.Sort(s.clicks)
	if n := len(s.clicks); n > 0 {
		p99 = s.clicks[n*99/100]
	}
	return p99, float64(s.tickets) / d.Seconds()
}

func TestClicksStayQuickBesideBulkWork(t *testing.T) {
	for seed := range uint64(8) {
		s := newSimulation(t, 8, seed)
		s.bulk(64)
		for u := range uint64(5) {
			s.user(u + 1)
		}
		p99, tickets := s.measure(5*time.Second, 20*time.Second)
		t.Logf("5 users and 64 creates at once: p99 %v, %.1f tickets/s", p99, tickets)
		if p99 > 110*ms || tickets < 95 {
			t.Errorf("p99 %v and %.1f tickets/s, want at most 110ms and at least 95/s", p99, tickets)
		}
		s.tickets, s.clicks = 0, nil
	}
}

// What a click takes whose middle saw the flood begin says nothing of a resting
// server: taken for that, the share of the flows would never shrink.
func TestFloodThatBeginsInTheMiddleOfAClick(t *testing.T) {
	for seed := range uint64(8) {
		s := newSimulation(t, 8, seed)
		for u := range uint64(5) {
			s.user(u + 1)
		}
		s.after(time.Duration(20+17*seed)*ms, func() { s.bulk(64) })
		p99, tickets := s.measure(5*time.Second, 30*time.Second)
		if p99 > 110*ms || tickets < 95 {
			t.Errorf("flood after %d ms: p99 %v and %.1f tickets/s, want at most 110ms and at least 95/s", 20+17*seed, p99, tickets)
		}
	}
}

func TestWithoutUsersFlowsGetEverything(t *testing.T) {
	s := newSimulation(t, 8, 1)
	s.bulk(64)
	if _, tickets := s.measure(5*time.Second, 30*time.Second); tickets < 125 {
		t.Errorf("bulk alone: %.1f tickets/s, want the 130/s of three servers", tickets)
	}
}

func TestShareGrowsBackWhenSessionsRest(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 8)...)
	click := func(latency time.Duration) {
		g := f.get(Request{Lane: Session, Key: 1})
		f.b.Release(f.now, g, Outcome{Served: latency, Total: latency})
	}
	click(20 * ms)
	for range 100 {
		click(300 * ms)
		f.pass(100 * ms)
	}
	share := func() float64 { return f.b.Servers()[0].FlowShare }
	if share() != 1 {
		t.Fatalf("after 100 slow clicks the flows' share is %.1f, want 1", share())
	}
	// One flow is always let in, also beside clicks.
	f.get(Request{Lane: Session})
	f.get(Request{Lane: Flow})
	w := f.wait(Request{Lane: Flow})
	f.pass(sessionsRest - time.Second)
	if share() != 1 {
		t.Errorf("the share grew back to %.1f while a page that polls may still be open", share())
	}
	f.pass(2 * time.Second)
	if share() != 8 {
		t.Errorf("the share is %.1f after sessions rested, want all 8", share())
	}
	if _, ok := f.given(w); !ok {
		t.Error("a flow request was left waiting when the share grew back")
	}
}

// A page that takes long on a resting server must not take the flows' share
// away: nothing could make it quick.
func TestSlowPagesAreMeasuredByThemselves(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 8)...)
	for range 200 {
		g := f.get(Request{Lane: Session, Key: 9})
		f.b.Release(f.now, g, Outcome{Served: 400 * ms, Total: 400 * ms})
		f.pass(100 * ms)
	}
	if share := f.b.Servers()[0].FlowShare; share < 7 {
		t.Errorf("a page that always takes 400 ms left flows a share of %.1f, want nearly 8", share)
	}
}
