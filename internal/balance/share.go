package balance

import (
	"sync/atomic"
	"time"
)

// The flow lane's share of a server's capacity.
//
// A server that runs Python answers a click in t ms when it rests, and in about
// (1+n)·t ms when n flows run beside it. How many flows are too many depends on
// the machine, the page and the flows, so nobody is asked: the sessions' own
// latency steers the share. After each session request,
//
//	latency over its target:  share −= 0.4 × latency ÷ target
//	latency within it:        share += 0.006
//
// which comes to rest where about 12 in 1,000 session requests are over their
// target. The share never falls under one flow and never grows over the
// capacity. When sessions rest for ten seconds (a page that is open polls every
// five), the share grows back to all of it within a second. While a session
// request runs, one flow less is let in for each.
//
// The figures were chosen with the simulation in share_test.go, which models
// three servers that hand over one interpreter every 5 ms, 5 users and a bulk
// client: over eight seeds they give clicks a 99th percentile of 94 to 98 ms with 98
// to 102 tickets a second, where fixed limits of requests at once give 222 ms
// and 114/s (8), 132 and 108 (4) or 82 and 88 (2).
const (
	// clickTarget is the latency a session request should stay within: what is
	// answered within 100 ms feels immediate (R. B. Miller, "Response time in
	// man-computer conversational transactions", 1968), less a twentieth for the way
	// to the browser.
	clickTarget = 95 * time.Millisecond
	// slowPage allows a page that takes long on a resting server this many times
	// that time: no share of the flows could bring it under clickTarget.
	slowPage = 3

	shareScale = 1000 // a share of 1.0
	shareDown  = 400  // times latency ÷ target
	shareUp    = 6
	// sessionsRest is how long after the last session request a server counts
	// as free of active sessions.
	sessionsRest = 10 * time.Second
	shareRegrow  = 1000 // a Tick
)

type share struct {
	limit     atomic.Int64 // in 1/shareScale
	capacity  atomic.Int64
	lastClick atomic.Int64 // nanoseconds of Balancer time
}

func (s *share) setCapacity(capacity int64) {
	if old := s.capacity.Swap(capacity); old != capacity {
		s.limit.Store(capacity * shareScale)
	}
}

// allowed returns how many flow requests may run beside clicks session requests.
func (s *share) allowed(clicks int64) int64 {
	return max(1, s.limit.Load()/shareScale-clicks)
}

// observe takes the latency of a session request, and its target, into account.
func (s *share) observe(now time.Duration, latency, target time.Duration) {
	s.lastClick.Store(int64(now))
	delta := int64(shareUp)
	if latency > target {
		delta = -int64(shareDown * float64(latency) / float64(target))
	}
	s.move(delta)
}

func (s *share) move(delta int64) {
	for {
		old := s.limit.Load()
		limit := min(max(old+delta, shareScale), s.capacity.Load()*shareScale)
		if limit == old || s.limit.CompareAndSwap(old, limit) {
			return
		}
	}
}

// tick grows the share back when the sessions rest.
func (s *share) tick(now time.Duration) {
	last := time.Duration(s.lastClick.Load())
	if last == 0 || now-last > sessionsRest {
		s.move(shareRegrow)
	}
}

// restingTimes remembers, for the requests that come often, how long each takes
// at best on a resting server: its latency when nothing ran beside it, or half of
// that when one flow or click did, both when it began and when it ended. (What it
// takes beside many says nothing of the page, so during bulk work a page is unknown
// until the share has come down.) It is a fixed table of approximations: two requests that fall
// on one place push each other out. Any goroutine may use it.
type restingTimes [256]atomic.Uint64 // key << 32 | microseconds

// restingAtOnce is how many requests a server may work on and count as resting.
const restingAtOnce = 2

// target returns the latency that a request of that key should stay within, and
// takes its latency, as one of so many requests at once, into account.
func (r *restingTimes) target(key uint32, latency time.Duration, atOnce int64) time.Duration {
	place := &r[key%uint32(len(r))]
	old := place.Load()
	best := old & (1<<32 - 1)
	if old>>32 != uint64(key) {
		best = 0
	}
	if atOnce <= restingAtOnce {
		rested := latency / time.Duration(max(1, atOnce))
		us := uint64(min(max(rested.Microseconds(), 1), 1<<32-1))
		switch {
		case best == 0 || us < best:
			best = us
		case us > best:
			// A page that has become slower for good is believed after some
			// thousands of requests.
			best += max(1, (us-best)/4096)
		}
		place.Store(uint64(key)<<32 | best)
	}
	return max(clickTarget, slowPage*time.Duration(best)*time.Microsecond)
}
