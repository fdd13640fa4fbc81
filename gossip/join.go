package gossip

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// seed is one address of Config.Join.
type seed struct {
	target string
	since  time.Time

	names   []string // who answered there last
	self    bool     // this node answered
	whole   bool     // all its addresses answered
	problem string   // why the last attempt failed
}

// seeds are the addresses of Config.Join, each with a goroutine that keeps its
// node joined.
type seeds struct {
	mu     sync.Mutex
	m      map[string]*seed
	cancel map[string]context.CancelFunc
	order  []string
	closed bool
	wg     sync.WaitGroup
}

func newSeeds() *seeds {
	return &seeds{m: make(map[string]*seed), cancel: make(map[string]context.CancelFunc)}
}

// set makes targets the addresses that are kept joined. Those that stay are
// not disturbed.
func (s *seeds) set(ctx context.Context, targets []string, keep func(context.Context, *seed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for target, cancel := range s.cancel {
		if !slices.Contains(targets, target) {
			cancel()
			delete(s.cancel, target)
			delete(s.m, target)
		}
	}
	s.order = nil
	for _, target := range targets {
		if slices.Contains(s.order, target) {
			continue
		}
		s.order = append(s.order, target)
		if s.m[target] != nil {
			continue
		}
		sd := &seed{target: target, since: time.Now()}
		sctx, cancel := context.WithCancel(ctx)
		s.m[target], s.cancel[target] = sd, cancel
		s.wg.Go(func() { keep(sctx, sd) })
	}
}

// stop ends the goroutines for good. An attempt that is under way comes to its
// end first; wg tells when.
func (s *seeds) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, cancel := range s.cancel {
		cancel()
	}
}

// status returns copies in the order of Config.Join.
func (s *seeds) status() []seed {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]seed, 0, len(s.order))
	for _, target := range s.order {
		out = append(out, *s.m[target])
	}
	return out
}

func (s *seeds) note(sd *seed, f func(*seed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(sd)
}

// keepJoined joins what is behind sd whenever it is not a member, for ever.
func (n *Node) keepJoined(ctx context.Context, sd *seed) {
	wait := n.timing.joinFirst
	again := false
	for {
		next := n.timing.joinFirst
		if missing := n.missing(sd); missing || again {
			if n.join(ctx, sd) {
				wait = n.timing.joinFirst
				// Nodes that join at the same time learn of each other by gossip,
				// which is repeated too few times while they know few: memberlist
				// counts by the members that it knows. Who is missed then comes
				// with a second exchange soon, and not only with the next regular one.
				if again = missing; again {
					next = jitter(n.timing.joinAgain)
				}
			} else {
				next = jitter(wait)
				wait = min(2*wait, n.timing.joinMax)
			}
		}
		if n.isSelf(sd) {
			next = n.timing.selfAgain
		}
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
	}
}

// jitter spreads d by a fifth each way, so that nodes that lost the same peer
// don't come back at the same moments.
func jitter(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d*2/5+1)
}

func (n *Node) isSelf(sd *seed) (self bool) {
	n.seeds.note(sd, func(sd *seed) { self = sd.self })
	return self
}

// missing says whether sd must be joined.
func (n *Node) missing(sd *seed) bool {
	var names []string
	var whole, self bool
	n.seeds.note(sd, func(sd *seed) { names, whole, self = sd.names, sd.whole, sd.self })
	if self || !whole || len(names) == 0 {
		return true
	}
	// While others take us for somebody else's double, as after a restart with
	// another address, they must hear of us again once they forgot the old.
	if n.problems.seenWithin(nameKey+n.name, 2*n.timing.pushPull) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		m, ok := n.members.get(name)
		return !ok || !m.Reachable()
	})
}

// join looks sd up and exchanges state with what is there. It says whether all
// of it answered.
func (n *Node) join(ctx context.Context, sd *seed) bool {
	host, port, err := splitAddr(sd.target)
	var ips []netip.Addr
	if err == nil {
		ips, err = lookup(ctx, n.config().Resolver, host)
	}
	var names []string
	self, whole := false, err == nil
	for _, ip := range ips {
		if ctx.Err() != nil {
			return false
		}
		addr := netip.AddrPortFrom(ip, port).String()
		_, jerr := n.list.Join([]string{addr})
		got := n.transport.answers.take(addr)
		switch {
		case got.self:
			self = true
		case jerr == nil && got.name != "":
			names = append(names, got.name)
		default:
			whole = false
			// memberlist flattens errors to text; the dial's own tells more.
			err = errors.Join(err, cmp.Or(got.err, jerr))
		}
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if ctx.Err() != nil {
		return false
	}
	n.seeds.note(sd, func(sd *seed) {
		if len(names) > 0 {
			sd.names = names
		}
		sd.self, sd.whole, sd.problem = self, whole, problem
	})
	if err != nil {
		n.count.joinsFailed.Add(1)
		n.quiet.Event(slog.LevelWarn, "join|"+sd.target, "peer can't be joined; it is tried again", slog.String("peer", sd.target), slog.Any("error", err))
		return false
	}
	poke(n.look)
	return true
}
