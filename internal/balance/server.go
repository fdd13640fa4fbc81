package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// Unlimited is the capacity of a server that has no limit of requests at once.
const Unlimited = 1 << 20

// MaxCapacity and MaxWeight bound what a Spec may say.
const (
	MaxCapacity = Unlimited
	MaxWeight   = 10_000
)

// Mark is what an operator asked of a server.
type Mark uint8

const (
	// NoMark is a server in normal use.
	NoMark Mark = iota
	// Drain lets running requests end and gives the server no new ones.
	Drain
	// Maintenance is Drain for a server that is expected to go away; its health
	// is not looked at.
	Maintenance
)

// String returns "", "drain" or "maintenance".
func (m Mark) String() string {
	switch m {
	case Drain:
		return "drain"
	case Maintenance:
		return "maintenance"
	default:
		return ""
	}
}

// Health is what the checks say of a server.
type Health uint8

const (
	// Starting is a server nobody has an answer from yet.
	Starting Health = iota
	// Up is a server that answers its checks.
	Up
	// Down is one that does not.
	Down
	// Failed is one whose agent has given up starting it.
	Failed
)

// Spec describes a server for Update.
type Spec struct {
	// Name identifies the server for ever; sticky cookies carry it. Required.
	Name string
	// Address is where requests are sent, host:port. Required. A changed
	// address is a restart of the server as far as slow start is concerned.
	Address string
	// Capacity is how many requests it takes at once, 1 to MaxCapacity.
	Capacity int
	// Weight is its share among equals, 0 to MaxWeight; 100 is usual. A server
	// of weight 0 gets no new sessions and no requests without one.
	Weight int
	// Backup is a server that is used only when no other is up.
	Backup bool
	// Value is whatever the caller keeps with the server; see Server.Value. All
	// servers of a Balancer have values of one type.
	Value any
}

// A Server is one upstream of the table. Its methods may be called from any
// goroutine.
type Server struct {
	// What a choice reads comes first, to lie in few cache lines.

	// load packs the requests in flight: all of them, those of the flow lane and
	// those of the session lane, 21 bits each, so that admission is one
	// compare-and-swap.
	load atomic.Uint64
	// slots is the capacity in force: capacity, or less during slow start and
	// while another booster uses the server, too.
	slots atomic.Int64
	// cost is the load of one request: 1/(slots × weight), scaled.
	cost atomic.Uint64
	// pass is the server's place in the round among equals: the one with the
	// lowest is next. Each request moves it on by a step.
	pass atomic.Uint64
	// sessions is the number of sessions seen within sessionOpen.
	sessions atomic.Int64
	share    share
	step     atomic.Uint64
	// takes is what the server takes now, derived from the state below by
	// Balancer.install; see takesNone and the following.
	takes atomic.Uint32
	// latency is a moving average of the service time, in nanoseconds.
	latency atomic.Int64
	// changing is how many requests with Changes are in flight, and changed when the last
	// one ended, in nanoseconds since the Balancer's epoch, or 0.
	changing, changed atomic.Int64

	name    string
	id      uint64
	address atomic.Pointer[string]
	backup  atomic.Bool
	value   atomic.Value

	// All below is guarded by Balancer.mu.
	capacity, weight int
	health           Health
	reason           string
	mark             Mark
	drainSince       time.Time
	upSince          time.Time // zero: no slow start
	gone             bool
	bound            [Lanes]waiters // requests that wait for this server alone
	streak           int            // slots given to others while flows waited
	elsewhere        Load           // the other booster's
	wanted           peak
	demand           int64 // as the other booster was told
}

// What a server takes.
const (
	takesNone   = iota
	takesStatic // requests of the static lane, from anybody
	takesSticky // sessions that are on it already
	takesAll
)

const (
	loadBits = 21
	loadMask = 1<<loadBits - 1
	oneAll   = 1
	oneFlow  = 1 << loadBits
	oneClick = 1 << (2 * loadBits)
)

func all(load uint64) int64    { return int64(load & loadMask) }
func flows(load uint64) int64  { return int64(load >> loadBits & loadMask) }
func clicks(load uint64) int64 { return int64(load >> (2 * loadBits)) }

// working is how many requests share the interpreter: flows and clicks.
func working(load uint64) int64 { return flows(load) + clicks(load) }

// unit is what a request of the lane adds to Server.load.
func (l Lane) unit() uint64 {
	switch l {
	case Flow:
		return oneAll + oneFlow
	case Session:
		return oneAll + oneClick
	default:
		return oneAll
	}
}

// Name returns the server's name.
func (s *Server) Name() string { return s.name }

// ID returns the number that stands for the name in sticky cookies.
func (s *Server) ID() uint64 { return s.id }

// Address returns where requests are sent, host:port.
func (s *Server) Address() string { return *s.address.Load() }

// Value returns the Spec's Value, or nil.
func (s *Server) Value() any { return s.value.Load() }

// InFlight returns how many requests hold a slot.
func (s *Server) InFlight() int { return int(all(s.load.Load())) }

// room reports whether a request of the lane may be added to load.
func (s *Server) room(load uint64, lane Lane) bool {
	if all(load) >= s.slots.Load() {
		return false
	}
	return lane != Flow || flows(load) < s.share.allowed(clicks(load))
}

// take adds a request of the lane if there is room.
func (s *Server) take(lane Lane) bool {
	for {
		load := s.load.Load()
		if !s.room(load, lane) {
			return false
		}
		if s.load.CompareAndSwap(load, load+lane.unit()) {
			s.pass.Add(s.step.Load())
			return true
		}
	}
}

// takesStickyNow reports whether the server takes requests of the sessions on it.
func (s *Server) takesStickyNow() bool { return s.takes.Load() >= takesSticky }

// takesNew reports whether the server takes requests of the lane from anybody.
func (s *Server) takesNew(l Lane) bool {
	takes := s.takes.Load()
	return takes == takesAll || takes == takesStatic && l == Static
}

const (
	// costScale makes whole numbers of costs: 52 for a server without a limit and of the
	// highest weight, so that those of high weights still differ, and under 2^43 for the
	// least capacity and weight, so that a rank does not overflow with 2^18 sessions.
	costScale = 1 << 36
	// slowStart is the time in which a server that came up grows from a tenth
	// of its capacity and weight to all of it: a Python process fills its caches
	// and opens its database connections with the first requests. HAProxy has no
	// default for its slowstart; 10 s is what its manual's examples use.
	slowStart      = 10 * time.Second
	slowStartBegin = 0.1
)

// retune derives slots, cost and step. slowest and fastest are service times of
// the table, for the tie-break. The caller holds Balancer.mu.
func (s *Server) retune(now time.Time, fastest int64, first bool) {
	ramp := 1.0
	if !s.upSince.IsZero() {
		ramp = slowStartBegin + (1-slowStartBegin)*float64(now.Sub(s.upSince))/float64(slowStart)
		if ramp >= 1 {
			ramp, s.upSince = 1, time.Time{}
		}
	}
	slots := max(1, int64(math.Ceil(float64(s.capacity)*ramp)))
	s.slots.Store(s.leave(slots, first))
	s.share.setCapacity(int64(s.capacity))
	weight := max(1, float64(s.weight)*ramp)
	share := float64(s.capacity) * ramp * weight
	s.cost.Store(uint64(max(1, costScale*8/share)))
	// Among equals a slow server gets fewer requests, down to a quarter. Less
	// than half again as slow as the fastest is noise.
	slow := 1.0
	if mine := s.latency.Load(); fastest > 0 && mine > fastest*3/2 {
		slow = min(4, float64(mine)/float64(fastest))
	}
	s.step.Store(uint64(max(1, costScale*8/share*slow)))
}

// observe takes a request's service time into the moving average.
func (s *Server) observe(d time.Duration) {
	old := s.latency.Load()
	if old == 0 {
		s.latency.Store(int64(d))
		return
	}
	s.latency.Store(old + (int64(d)-old)/16) // an update lost to a race is no harm
}
