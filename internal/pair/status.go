package pair

import "time"

// Status is how the pair looks from one booster.
type Status struct {
	Role Role
	// State is what this node takes itself for. An Active one may act as such
	// only while Held.
	State State
	// Held says whether this node may act as active now: see Pair.Active.
	Held bool
	// Term is the highest term that is known to have been used.
	Term uint64
	// Peer is the other booster's name, "" if it is not known.
	Peer string
	// PeerHeard says whether the other booster was heard within the failover
	// time, and PeerActive whether it said then that it is active.
	PeerHeard, PeerActive bool
	// Witnesses are the agents that count, by name, or that are asked for want of a list.
	Witnesses []WitnessStatus
	// VirtualIP says whether the virtual IP is on this machine.
	VirtualIP bool
	// Problem says what does not work, for people; "" if all does.
	Problem string
}

// WitnessStatus is a witness as this booster sees it.
type WitnessStatus struct {
	Name string
	// Heard says whether it has answered within the failover time. Of a standby
	// witnesses are only asked when it would be active.
	Heard bool
}

// Metrics are counters since the pair was made.
type Metrics struct {
	// Refused counts messages that could not be read, were recordings, or came
	// from nobody that matters; Dropped those for which there was no room.
	Refused, Dropped uint64
	// SendFailed counts messages that could not be sent.
	SendFailed uint64
	// Takeovers counts how often this node became active.
	Takeovers uint64
}

// status is what the machine knows of it.
func (m *machine) status() Status {
	s := Status{
		Role:       m.role,
		State:      m.state,
		Held:       m.state == Active && m.leaseEnd() > m.now,
		Term:       m.term,
		Peer:       m.peer.name,
		PeerHeard:  m.inTouch(),
		PeerActive: m.peer.active >= 0,
	}
	for _, name := range m.electorate() {
		e := m.elector(name)
		s.Witnesses = append(s.Witnesses, WitnessStatus{name, e.heard >= 0 && m.now-e.heard <= m.silence()})
	}
	if m.sameRole {
		s.Problem = "both boosters have the same role: the one whose name comes first acts as the primary; write `role primary` on one and `role secondary` on the other"
	}
	return s
}

// news says whether subscribers are to be told of s after o.
func (s Status) news(o Status) bool {
	return s.State != o.State || s.Term != o.Term || s.PeerActive != o.PeerActive
}

// Lease is a booster's right to act as the active one.
type Lease struct {
	// Term fences: whoever is told something in a term obeys no lower one after
	// that.
	Term uint64
	// Until is when it ends, by boottime.
	Until time.Duration
}
