package balance

import (
	"errors"
	"math/rand/v2"
	"time"
)

// ErrQueueFull is returned when as many requests of the lane wait as may.
var ErrQueueFull = errors.New("the queue of this lane is full")

// Why says in a word why a request went to its server; it is for logs.
type Why string

const (
	// WhySticky is the server that the request's session is on.
	WhySticky Why = "sticky"
	// WhyPolicy is the one that the policy chose.
	WhyPolicy Why = "policy"
	// WhyWaited is the first that had room after the request had waited.
	WhyWaited Why = "waited"
	// WhyMoved is one chosen because the session's own takes no requests.
	WhyMoved Why = "moved"
	// WhyLead is the lead server, which alone takes such requests.
	WhyLead Why = "lead"
)

// Request is what a Balancer needs to know of a request.
type Request struct {
	// Lane is the queue it waits in.
	Lane Lane
	// Sticky is the ID of the server that the request's session is on, or 0.
	Sticky uint64
	// Session is the session's own number, to count it, or 0.
	Session uint64
	// Key stands for what is asked (a hash of method and path); the best time of
	// a key tells how long such a request takes on a resting server.
	Key uint32
	// ToLead is true for a request that belongs to the lead server. It waits for that
	// one, whoever it is when its turn comes, and goes nowhere else; Sticky and Tried
	// don't count.
	ToLead bool
	// Work is true for a request that may put something into the servers' own queue of
	// work, which the hold of work keeps waiting; see SetHold.
	Work bool
	// Changes is true for a request that may change the server's files or what it has in
	// memory; see Balancer.Changing.
	Changes bool
	// Tried are servers that failed this request. They are not chosen again
	// while another is up.
	Tried []*Server
}

func (r *Request) tried(s *Server) bool {
	for _, t := range r.Tried {
		if t == s {
			return true
		}
	}
	return false
}

// Grant is a slot on a server. It must be given back with Release, once.
type Grant struct {
	Server  *Server
	Why     Why
	lane    Lane
	work    bool
	changes bool
	key     uint32
	working int64 // how many requests the server worked on when it began, this one too
}

// Acquire asks for a slot. It returns a Grant at once, or a Waiter whose channel
// will give one, or ErrQueueFull.
func (b *Balancer) Acquire(now time.Time, r *Request) (Grant, *Waiter, error) {
	if g, ok := b.fast(now, r); ok {
		return g, nil, nil
	}
	return b.enqueue(now, r)
}

// fast is the way without a lock. It gives up whenever somebody waits who may
// have to go first.
func (b *Balancer) fast(now time.Time, r *Request) (Grant, bool) {
	if b.waiting[r.Lane].Load() > 0 {
		return Grant{}, false
	}
	// The last slots are shared out fairly, by the long way, when flows wait.
	if r.Lane != Flow && b.waiting[Flow].Load() > 0 {
		return Grant{}, false
	}
	t := b.table.Load()
	if r.Work && t.held {
		return Grant{}, false
	}
	s, why := t.takeFor(Policy(b.policy.Load()), r)
	if s == nil {
		return Grant{}, false
	}
	g := b.grant(r, s, why)
	// Whoever put another table in force may have counted the slots already, and
	// found this one free: the server may be about to be stopped. Either that count
	// sees this slot, or the table is seen here.
	if b.table.Load() != t {
		b.Release(now, g, Outcome{})
		return Grant{}, false
	}
	b.seen(now, r, s)
	return g, true
}

// takeFor takes a slot on the server that is right for the request, if it is free.
func (t *table) takeFor(p Policy, r *Request) (*Server, Why) {
	if r.ToLead {
		if t.lead == nil || !t.lead.take(r.Lane) {
			return nil, ""
		}
		return t.lead, WhyLead
	}
	why := WhyPolicy
	if s := t.sticky(r); s != nil {
		if !s.take(r.Lane) {
			return nil, ""
		}
		return s, WhySticky
	} else if r.Sticky != 0 {
		why = WhyMoved
	}
	for range 4 { // a slot may be lost to somebody else in between
		s := t.choose(p, r)
		if s == nil {
			break
		}
		if s.take(r.Lane) {
			return s, why
		}
	}
	return nil, ""
}

// grant makes the Grant of a slot that was taken.
func (b *Balancer) grant(r *Request, s *Server, why Why) Grant {
	if r.Work {
		b.working.Add(1)
	}
	if r.Changes {
		s.begins()
	}
	return Grant{Server: s, Why: why, lane: r.Lane, work: r.Work, changes: r.Changes, key: r.Key, working: working(s.load.Load())}
}

// seen counts the session of a request that was granted a slot.
func (b *Balancer) seen(now time.Time, r *Request, s *Server) {
	if r.Session != 0 {
		b.sessions.touch(now.Sub(b.epoch), r.Session, s)
	}
}

// sticky returns the server that the request's session is on, if it takes the
// request.
func (t *table) sticky(r *Request) *Server {
	if r.Sticky == 0 {
		return nil
	}
	s := t.byID[r.Sticky]
	if s == nil || !s.takesStickyNow() || r.tried(s) {
		return nil
	}
	return s
}

// may reports whether the server may be chosen for the request at all.
func (t *table) may(s *Server, r *Request) bool {
	return s.takesNew(r.Lane) && !r.tried(s)
}

// takers returns the servers that take requests of the lane from anybody.
func (t *table) takers(l Lane) []*Server {
	if l == Static {
		return t.static
	}
	return t.open
}

// choose returns the server with room that the policy prefers, or nil. When all
// that take requests failed this one already, they get another chance.
func (t *table) choose(p Policy, r *Request) *Server {
	s := t.prefer(p, r)
	if s == nil && len(r.Tried) > 0 && !t.untried(r) {
		again := Request{Lane: r.Lane}
		s = t.prefer(p, &again)
	}
	return s
}

// untried reports whether a server takes requests that was not tried.
func (t *table) untried(r *Request) bool {
	for _, s := range t.takers(r.Lane) {
		if !r.tried(s) {
			return true
		}
	}
	return false
}

// Untried reports whether a server may take the request that has not failed it. There
// is no other than the lead for one that belongs to it.
func (b *Balancer) Untried(r *Request) bool { return !r.ToLead && b.table.Load().untried(r) }

func (t *table) prefer(p Policy, r *Request) *Server {
	if p == RandomChoose {
		return t.preferRandom(r)
	}
	var best *Server
	var bestRank rank
	for _, s := range t.takers(r.Lane) {
		load := s.load.Load()
		if !s.room(load, r.Lane) || (len(r.Tried) > 0 && r.tried(s)) {
			continue
		}
		if p == First {
			return s
		}
		first, second := uint64(0), uint64(0)
		if p == LeastLoad {
			first, second = s.loadRank(load, r.Lane)
		}
		if best != nil && (first > bestRank.first || first == bestRank.first && second > bestRank.second) {
			continue
		}
		pass := s.pass.Load()
		if best != nil && first == bestRank.first && second == bestRank.second && pass >= bestRank.pass {
			continue
		}
		best, bestRank = s, rank{first, second, pass}
	}
	return best
}

// rank orders servers; the lowest is chosen.
type rank struct{ first, second, pass uint64 }

func (a rank) before(b rank) bool {
	if a.first != b.first {
		return a.first < b.first
	}
	if a.second != b.second {
		return a.second < b.second
	}
	return a.pass < b.pass
}

// loadRank is the server's load as the request sees it. For a request that may
// begin a session, four sessions count as one request in flight and flows count
// only among equals: they make way.
func (s *Server) loadRank(load uint64, lane Lane) (first, second uint64) {
	cost := s.cost.Load()
	total := uint64(all(load))
	if lane != Session {
		return total * cost, 0
	}
	flow := uint64(flows(load))
	return ((total-flow)*4 + uint64(max(0, s.sessions.Load()))) * cost, flow * cost
}

// preferRandom draws two servers and takes the less loaded one that has room.
// When neither has, any will do.
func (t *table) preferRandom(r *Request) *Server {
	takers := t.takers(r.Lane)
	n := len(takers)
	if n == 0 {
		return nil
	}
	i := rand.IntN(n)
	j := i
	if n > 1 {
		j = (i + 1 + rand.IntN(n-1)) % n
	}
	var best *Server
	var bestRank rank
	for _, s := range [2]*Server{takers[i], takers[j]} {
		load := s.load.Load()
		if !s.room(load, r.Lane) || r.tried(s) {
			continue
		}
		var rank rank
		rank.first, rank.second = s.loadRank(load, r.Lane)
		if best == nil || rank.before(bestRank) {
			best, bestRank = s, rank
		}
	}
	if best == nil {
		return t.prefer(LeastLoad, r)
	}
	return best
}

// Outcome is how a request ended, for Release.
type Outcome struct {
	// Served is how long the server had the request; 0 if it failed.
	Served time.Duration
	// Total is Served and the time in the queue before it.
	Total time.Duration
}

// Release gives a slot back and passes it on to whoever waits.
func (b *Balancer) Release(now time.Time, g Grant, o Outcome) {
	s := g.Server
	load := s.load.Add(-g.lane.unit())
	if g.work {
		b.working.Add(-1)
	}
	if g.changes {
		s.ends(now.Sub(b.epoch))
	}
	if o.Served > 0 {
		s.observe(o.Served)
		if g.lane == Session {
			most := max(g.working, working(load)+1)
			s.share.observe(now.Sub(b.epoch), o.Total, b.resting.target(g.key, o.Total, most))
		}
	}
	for i := range b.waiting {
		if b.waiting[i].Load() > 0 {
			b.mu.Lock()
			b.dispatch(now, b.table.Load(), s)
			b.mu.Unlock()
			return
		}
	}
}
