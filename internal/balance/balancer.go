package balance

import (
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"
)

// Policy says how a server is chosen for a request that may go to any.
type Policy uint8

const (
	// LeastLoad takes the server with the fewest requests in flight for its
	// capacity and weight; among equals by weight, quicker ones more often.
	LeastLoad Policy = iota
	// RoundRobin takes servers in turn, by weight.
	RoundRobin
	// RandomChoose draws two at random and takes the less loaded.
	RandomChoose
	// First takes the first in the table's order that has room.
	First
)

var policyNames = []string{"least_load", "round_robin", "random_choose", "first"}

// String returns the policy's name as it is written in the Caddyfile.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy returns the policy of that name; "" is LeastLoad.
func ParsePolicy(name string) (Policy, error) {
	if name == "" {
		return LeastLoad, nil
	}
	for i, n := range policyNames {
		if n == name {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("unknown policy %q: use least_load, round_robin, random_choose or first", name)
}

// Defaults of Config.
const (
	DefaultQueueLength = 4096
)

// Config is what a Balancer is told once or at a reload.
type Config struct {
	// Policy chooses among the servers. Default LeastLoad.
	Policy Policy
	// QueueLength is how many requests of one lane may wait. Default 4096.
	QueueLength int
	// OnDrain is how long a session stays on a server that drains. Default 0:
	// its next request goes elsewhere.
	OnDrain time.Duration
}

// Validate refuses what cannot work. Zero values stand for the defaults.
func (c Config) Validate() error {
	if int(c.Policy) >= len(policyNames) {
		return fmt.Errorf("balance: unknown policy %d", c.Policy)
	}
	if c.QueueLength < 0 || c.OnDrain < 0 {
		return errors.New("balance: queue length and on_drain must not be negative")
	}
	return nil
}

// A Balancer is the table of servers and the queue before them. All methods may
// be called from any goroutine. The times it is given must come from one
// monotonic clock, such as time.Now.
type Balancer struct {
	epoch    time.Time
	table    atomic.Pointer[table]
	policy   atomic.Uint32
	sessions sessionTable
	resting  restingTimes
	waiting  [Lanes]atomic.Int64 // requests in the queue, by lane
	heldBack [Lanes]atomic.Int64 // those that the hold of work keeps out of it
	working  atomic.Int64        // requests with Work that have a slot

	mu      sync.Mutex
	cfg     Config
	queue   queue
	ticks   int
	holding bool
	lead    string            // the lead server's name, or ""
	behind  map[string]string // why, by name
	out     map[string]string // why, by name
	// departed are servers that have left the table and still have requests.
	departed map[uint64]*Server
	// firstUp is when the first server came up.
	firstUp time.Time
	// first and elsewhereUntil are about the other booster, see elsewhere.go.
	first          bool
	elsewhereUntil time.Time
}

// togetherWithin is how long after the first server others count as having come
// up with it: two rounds of checks at their default interval, and a little.
const togetherWithin = 5 * time.Second

// New returns a Balancer without servers. now is the time of its birth.
func New(cfg Config, now time.Time) (*Balancer, error) {
	b := &Balancer{epoch: now, departed: make(map[uint64]*Server)}
	b.table.Store(&table{})
	if err := b.Configure(cfg); err != nil {
		return nil, err
	}
	return b, nil
}

// Configure replaces the configuration. Requests that wait go on waiting.
func (b *Balancer) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.QueueLength == 0 {
		cfg.QueueLength = DefaultQueueLength
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg = cfg
	b.policy.Store(uint32(cfg.Policy))
	return nil
}

// IDOf returns the number that stands for a server's name in sticky cookies.
// It is never 0.
func IDOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return max(1, h.Sum64())
}

func (s Spec) validate() error {
	switch {
	case s.Name == "":
		return errors.New("server without a name")
	case s.Address == "":
		return fmt.Errorf("server %s has no address", s.Name)
	case s.Capacity < 1 || s.Capacity > MaxCapacity:
		return fmt.Errorf("server %s: capacity must be from 1 to %d, not %d", s.Name, MaxCapacity, s.Capacity)
	case s.Weight < 0 || s.Weight > MaxWeight:
		return fmt.Errorf("server %s: weight must be from 0 to %d, not %d", s.Name, MaxWeight, s.Weight)
	}
	return nil
}

// Update makes the table hold exactly these servers. A server that was there
// before, by name, keeps its state, health and mark; a new one begins as
// Starting. What SetLead, SetBehind and SetOut said holds for new ones, too. Requests in
// flight on a server that is no longer in the table end as usual; those that have not
// when it comes back, as the server of an agent that was restarted does, hold its slots.
func (b *Balancer) Update(now time.Time, specs []Spec) error {
	seen := make(map[uint64]string, len(specs))
	for _, spec := range specs {
		if err := spec.validate(); err != nil {
			return fmt.Errorf("balance: %w", err)
		}
		id := IDOf(spec.Name)
		if other, taken := seen[id]; taken {
			if other == spec.Name {
				return fmt.Errorf("balance: two servers are named %s", spec.Name)
			}
			return fmt.Errorf("balance: the names %s and %s have the same hash: rename one", other, spec.Name)
		}
		seen[id] = spec.Name
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.table.Load()
	next := &table{byID: make(map[uint64]*Server, len(specs))}
	for _, spec := range specs {
		s := old.byID[IDOf(spec.Name)]
		if s == nil {
			s = b.newcomer(spec)
		} else if s.Address() != spec.Address && s.health == Up {
			s.upSince = now
		}
		address := spec.Address
		s.address.Store(&address)
		s.backup.Store(spec.Backup)
		if spec.Value != nil {
			s.value.Store(spec.Value)
		}
		s.capacity, s.weight = spec.Capacity, spec.Weight
		next.servers = append(next.servers, s)
		next.byID[s.id] = s
	}
	for _, s := range old.servers {
		if next.byID[s.id] == nil {
			s.gone = true
		}
	}
	b.install(now, next, old.servers)
	// From here on none of those that are gone gets another slot.
	for id, s := range b.departed {
		if !s.gone || s.InFlight() == 0 {
			delete(b.departed, id)
		}
	}
	for _, s := range old.servers {
		if s.gone && s.InFlight() > 0 {
			b.departed[s.id] = s
		}
	}
	return nil
}

// newcomer returns the server for a spec that the table has none for. The caller holds
// b.mu.
func (b *Balancer) newcomer(spec Spec) *Server {
	s := b.departed[IDOf(spec.Name)]
	if s == nil {
		return newServer(spec)
	}
	s.gone, s.health, s.reason, s.mark, s.upSince = false, Starting, "", NoMark, time.Time{}
	return s
}

// SetHealth tells what the checks say of a server. A server that comes up after
// it was down starts slowly, and so does one that joins servers at work; those
// that come up together at the beginning don't. An unknown name is ignored.
func (b *Balancer) SetHealth(now time.Time, name string, health Health, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	s := t.byID[IDOf(name)]
	if s == nil {
		return
	}
	if health == Up && s.health != Up {
		if b.firstUp.IsZero() {
			b.firstUp = now
		}
		if s.health != Starting || now.Sub(b.firstUp) > togetherWithin {
			s.upSince = now
		}
	}
	if s.health == health && s.reason == reason {
		return
	}
	s.health, s.reason = health, reason
	b.install(now, t.clone(), nil)
}

// SetMark notes what an operator asked of a server. An unknown name is ignored.
func (b *Balancer) SetMark(now time.Time, name string, mark Mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	s := t.byID[IDOf(name)]
	if s == nil || s.mark == mark {
		return
	}
	was := b.away(s)
	s.mark = mark
	b.left(now, s, was)
	b.install(now, t.clone(), nil)
}

// Tick is to be called ten times a second. It moves what depends on time alone:
// slow start, the flow share of servers whose sessions rest, sessions that are
// closed, and drains whose grace is over.
func (b *Balancer) Tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ticks++
	t := b.table.Load()
	at := now.Sub(b.epoch)
	for _, s := range t.servers {
		s.share.tick(at)
		if b.away(s) && s.takes.Load() == takesSticky && b.able(now, s) == takesNone {
			t = t.clone()
			b.install(now, t, nil)
		}
	}
	b.sessions.sweep(at, b.ticks)
	b.forgetElsewhere(now, t)
	b.retune(now, t)
	t.levelPasses()
	b.dispatchAll(now, t)
}

// Ready reports whether any server takes requests.
func (b *Balancer) Ready() bool { return len(b.table.Load().open) > 0 }

// ReadyFor reports whether a server takes such requests: the lead for those that
// belong to it, any for all others.
func (b *Balancer) ReadyFor(r *Request) bool {
	if r.ToLead {
		return b.table.Load().lead != nil
	}
	return b.Ready()
}
