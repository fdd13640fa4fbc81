package balance

import "time"

// Two boosters before the same servers.
//
// Each tells the other, some twenty times a second, what it has for each server:
// Loads there, SetElsewhere here. While both have something for a server, its
// places are divided between them, by a rule that both apply to the same figures:
//
//	one wants no more than half:  it gets what it wants, the other all the rest
//	both want more than half, or both less:  each gets half
//
// What one wants is what it has had there in the last half to whole second, in
// flight and waiting, and one more, so that its next request need not wait for a
// message. (By shares in proportion to the load, which come to mind first, a
// thousand tickets that wait at one booster would leave a person at the other
// with one place.) Beyond the division, a place that the other one still uses is
// left to it.
//
// A booster that has nothing for a server leaves all of it to the other. Each may
// always use one place, so that a first request waits for nobody. So both
// together are over the capacity by at most what began in the time that a message
// takes, and by one at a server whose capacity is 1.

const (
	// elsewhereFor is how long what the other booster has told holds. It tells
	// every 50 ms while it has something; then it is gone, or has nothing.
	elsewhereFor = time.Second

	// demandFor is how often a new maximum of the demand is begun; see peak.
	demandFor = 500 * time.Millisecond
)

// Load is what one booster has for a server.
type Load struct {
	// InFlight is how many requests the server works on.
	InFlight int `json:"in_flight"`
	// Demand is how many it worked on and how many waited for it, at most, in the
	// last half to whole second.
	Demand int `json:"demand"`
	// Changing: the server works on a request with Changes, or did within the last second.
	Changing bool `json:"changing,omitempty"`
}

// peak is the maximum of a figure over the last one to two demandFor.
type peak struct {
	now, before int64
	since       time.Time
}

func (p *peak) see(at time.Time, v int64) int64 {
	switch age := at.Sub(p.since); {
	case age >= 2*demandFor:
		p.now, p.before, p.since = v, 0, at
	case age >= demandFor:
		p.now, p.before, p.since = v, p.now, at
	default:
		p.now = max(p.now, v)
	}
	return max(p.now, p.before)
}

// Loads returns what this booster has for its servers, by name, to be told to the
// other one. Those that it has nothing for are left out. What it returned last is
// what this booster counts on that the other one knows: it is to be called only to
// tell it.
func (b *Balancer) Loads(now time.Time) map[string]Load {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	var loads map[string]Load
	for _, s := range t.servers {
		flight := all(s.load.Load())
		s.demand = s.wanted.see(now, flight+b.waitFor(t, s))
		changing := s.changes(now.Sub(b.epoch))
		if s.demand == 0 && !changing {
			continue
		}
		if loads == nil {
			loads = make(map[string]Load)
		}
		loads[s.name] = Load{InFlight: int(flight), Demand: int(s.demand), Changing: changing}
	}
	return loads
}

// waitFor returns how many requests wait for the server: those that wait for it
// alone, and its part of those that any may take. The caller holds b.mu.
func (b *Balancer) waitFor(t *table, s *Server) int64 {
	n := 0
	for l := range Lanes {
		n += s.bound[l].Len()
		if s == t.lead {
			n += b.queue.lead[l].Len()
		}
		if takers := len(t.takers(Lane(l))); takers > 0 && s.takesNew(Lane(l)) {
			n += (b.queue.lanes[l].Len() + takers - 1) / takers
		}
	}
	return int64(n)
}

// SetElsewhere replaces what the other booster has told of what it has for the
// servers, by name; it holds for a second. first tells the two apart: it is true on
// one of them, which gets the odd place.
func (b *Balancer) SetElsewhere(now time.Time, first bool, loads map[string]Load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.first, b.elsewhereUntil = first, now.Add(elsewhereFor)
	t := b.table.Load()
	for _, s := range t.servers {
		s.elsewhere = loads[s.name]
	}
	b.retune(now, t)
	b.dispatchAll(now, t)
}

// forgetElsewhere ends what the other booster has told when its time is over. The
// caller holds b.mu.
func (b *Balancer) forgetElsewhere(now time.Time, t *table) {
	if now.Before(b.elsewhereUntil) {
		return
	}
	for _, s := range t.servers {
		s.elsewhere = Load{}
	}
}

// leave returns how many of the server's slots are this booster's.
func (s *Server) leave(slots int64, first bool) int64 {
	other := s.elsewhere
	if other == (Load{}) || s.capacity >= Unlimited {
		return slots
	}
	return max(1, slots-max(theirs(slots, s.demand, int64(other.Demand), first), int64(other.InFlight)))
}

// theirs returns how many of the slots belong to the other booster, by what each
// wants. Both boosters get the same result, seen from their side.
func theirs(slots, mine, their int64, first bool) int64 {
	if their == 0 {
		return 0
	}
	half := slots / 2 // the other's
	if !first {
		half = slots - slots/2
	}
	mine, their = mine+1, their+1
	switch rest := slots - half; {
	case their <= half && mine > rest:
		return their
	case mine <= rest && their > half:
		return slots - mine
	default:
		return half
	}
}
