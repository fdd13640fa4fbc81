package balance

import "time"

// table is the servers at one moment. It is never changed, only replaced: whoever
// took a slot by an old one finds out by comparing.
type table struct {
	servers []*Server
	byID    map[uint64]*Server
	// open are the servers that take requests of any kind; see order.
	open []*Server
	// static are those that take requests of the static lane: open, and those that
	// are behind.
	static []*Server
	// lead is the lead server if it takes requests, or nil.
	lead *Server
	// held is true while requests with Work wait.
	held bool
	// stale is true when servers that are behind take requests because no other is
	// left.
	stale bool
}

// For whom a server is, when it takes requests at all. Only the lowest order that
// there is takes requests of any kind: a backup steps in when no other is up, and a
// server that is behind when there is no backup either, because an old answer is
// better than none for anybody.
const (
	orderFirst = iota
	orderBackup
	orderBehind
	orderBehindBackup
	orderNone
)

func (b *Balancer) order(s *Server) int {
	order := orderFirst
	if s.backup.Load() {
		order = orderBackup
	}
	if b.isBehind(s) {
		order += orderBehind
	}
	return order
}

func (t *table) clone() *table {
	return &table{servers: t.servers, byID: t.byID}
}

func newServer(spec Spec) *Server {
	return &Server{name: spec.Name, id: IDOf(spec.Name)}
}

// install derives what each server takes, puts the table in force, and gives
// waiting requests what can be given now. also are servers that may have left
// the table. The caller holds b.mu.
func (b *Balancer) install(now time.Time, t *table, also []*Server) {
	b.derive(now, t)
	for _, s := range also {
		if s.gone {
			s.takes.Store(takesNone)
		}
	}
	b.retune(now, t)
	t.levelPasses()
	b.table.Store(t)
	for _, s := range t.servers {
		if !s.takesStickyNow() {
			b.queue.unbind(s)
		}
	}
	for _, s := range also {
		if s.gone {
			b.queue.unbind(s)
		}
	}
	b.dispatchAll(now, t)
}

// derive finds what each server of a new table takes. Server.takes goes from its old
// value to its new one without any in between: requests are given by the old table
// meanwhile.
func (b *Balancer) derive(now time.Time, t *table) {
	first := orderNone
	for _, s := range t.servers {
		if b.able(now, s) == takesAll {
			first = min(first, b.order(s))
		}
	}
	t.held = b.holding
	t.stale = first == orderBehind || first == orderBehindBackup
	for _, s := range t.servers {
		takes := b.able(now, s)
		switch order := b.order(s); {
		case takes == takesNone:
		case order >= orderBehind && !t.stale:
			if takes == takesAll && order == orderBehind {
				takes = takesStatic
			} else {
				takes = takesNone
			}
		case takes == takesAll && order != first:
			takes = takesSticky
		}
		switch takes {
		case takesAll:
			t.open = append(t.open, s)
			t.static = append(t.static, s)
		case takesStatic:
			t.static = append(t.static, s)
		}
		s.takes.Store(takes)
	}
	if s := t.byID[IDOf(b.lead)]; s != nil && b.lead != "" && s.health == Up && !b.away(s) {
		t.lead = s
	}
}

// able is what the server could take if it were neither a backup nor behind.
func (b *Balancer) able(now time.Time, s *Server) uint32 {
	switch {
	case s.gone || s.mark == Maintenance || s.health != Up:
		return takesNone
	case b.away(s):
		if now.Sub(s.drainSince) < b.cfg.OnDrain {
			return takesSticky
		}
		return takesNone
	case s.weight == 0:
		return takesSticky
	default:
		return takesAll
	}
}

func (b *Balancer) retune(now time.Time, t *table) {
	var fastest int64
	for _, s := range t.servers {
		if l := s.latency.Load(); l > 0 && (fastest == 0 || l < fastest) {
			fastest = l
		}
	}
	for _, s := range t.servers {
		s.retune(now, fastest, b.first)
	}
}

// levelPasses keeps a server that was away, or busy, for long from being chosen
// among equals until it has caught up with all it missed: it may be behind by
// sixteen requests at most.
func (t *table) levelPasses() {
	const behind = 16
	var highest uint64
	for _, s := range t.servers {
		if s.takes.Load() != takesNone {
			highest = max(highest, s.pass.Load())
		}
	}
	for _, s := range t.servers {
		pass, slack := s.pass.Load(), behind*s.step.Load()
		if highest > slack && pass < highest-slack {
			s.pass.CompareAndSwap(pass, highest-slack)
		}
		if highest > 1<<62 { // the same from all keeps their order
			s.pass.Add(^uint64(1<<61 - 1))
		}
	}
}
