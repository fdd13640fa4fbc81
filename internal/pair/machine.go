package pair

import (
	"slices"
	"time"
)

// settings are what a machine starts with. All times are in the clock that is
// passed to its methods.
type settings struct {
	name     string
	role     Role
	failover time.Duration
	preempt  time.Duration // 0: never
	gone     time.Duration // witnessGone
	run      uint64        // random, not 0
	saved    saved
}

// saved is what a booster must not forget. It is on disk before it has effect.
type saved struct {
	// Term is the highest term that is known to have been used, Reserved the
	// highest that this node may have used.
	Term     uint64 `json:"term"`
	Reserved uint64 `json:"reserved"`
	// Witnesses is the newest list, and Before the one that it takes the place
	// of as long as the other booster may still use that.
	Witnesses list `json:"witnesses,omitzero"`
	Before    list `json:"witnesses_before,omitzero"`
}

// packet is a message that is to be sent.
type packet struct {
	to string
	m  message
}

// machine decides whether a booster is active. It has no clock, goroutine or
// socket: time goes in with each call, and what is to be sent or saved comes
// out. See the package's doc comment for the rules. It is not for concurrent
// use.
type machine struct {
	settings
	given Role // role as it is configured; see settleRoles
	beat  time.Duration
	lease time.Duration

	now      time.Duration
	nextBeat time.Duration

	state    State
	term     uint64 // the highest that is known to be used
	floor    uint64 // this node must use no term up to this one again
	reserved uint64 // nor one above this, which is not saved yet
	vote     bool   // this node has the casting vote
	met      bool   // in this run it was active, or has heard the other one so
	ticket   *candidacy

	// quiet is since when this node, while it ran itself, has heard of no
	// active booster.
	quiet time.Duration
	// smooth is since when it runs without a pause.
	smooth time.Duration
	// awake is since when it runs without one of more than loneLease.
	awake time.Duration
	// held is until when the lease was good at last, while active.
	held time.Duration

	peer      peer
	witnesses map[string]*elector
	list      list     // the newest that is known
	committed list     // the one before, while the other booster may still use it
	durable   list     // the newest that is saved
	draft     []string // who is to be on the next one, or is asked for want of one
	making    *list    // that one, once it is to be saved
	serial    uint64   // of the last that was to be saved
	agents    []string
	seen      map[string]time.Duration // when an agent was last there

	wantUntil  time.Duration // an operator's wish to take over
	deafUntil  time.Duration // until when no wish for its place is heard, which was offered in vain
	resigned   bool          // this node has handed over, for all that it knows on purpose
	yieldUntil time.Duration // this node offers its place
	away       promise       // it has granted it

	outbox    []packet
	save      *saved // nil: nothing new
	announces uint64 // how often the address should have been announced anew
	sameRole  bool   // both were given one
	refused   uint64 // messages that were not fresh, or from nobody that matters
}

// elector is a node whose word counts.
type elector struct {
	link  *link
	until time.Duration // it stands by this node's being active
	list  list          // the id of the list that it has
	heard time.Duration // its last message that was taken, -1 for none
}

// peer is the other booster.
type peer struct {
	elector
	name     string
	state    State
	term     uint64
	failover time.Duration
	since    time.Duration // it is in touch without a break
	touched  bool          // it was at the last look
	active   time.Duration // since when it is heard as active without a break, -1 if not
	wants    time.Duration // its last wish to take over, -1 for none
}

// promise is what was granted, and until when nobody else is granted anything.
type promise struct {
	to    string
	until time.Duration
	// address is until when the one that has granted its place keeps the
	// virtual IP.
	address time.Duration
}

func newMachine(s settings, now time.Duration) *machine {
	m := &machine{
		settings:  s,
		given:     s.role,
		beat:      beatOf(s.failover),
		lease:     leaseOf(s.failover),
		now:       now,
		nextBeat:  now,
		state:     Standby,
		term:      s.saved.Term,
		floor:     s.saved.Reserved,
		reserved:  s.saved.Reserved,
		quiet:     now,
		smooth:    now,
		awake:     now - loneLease,
		witnesses: make(map[string]*elector),
		list:      s.saved.Witnesses,
		committed: s.saved.Before,
		durable:   s.saved.Witnesses,
		seen:      make(map[string]time.Duration),
	}
	m.setPeer("")
	m.reserve()
	return m
}

// setPeer says who the other booster is, "" if nobody knows yet.
func (m *machine) setPeer(name string) {
	if name == m.peer.name && m.peer.link != nil {
		return
	}
	m.peer = peer{
		elector:  elector{link: newLink(name, m.run, m.now), heard: -1},
		name:     name,
		state:    Standby,
		failover: m.failover,
		active:   -1,
		wants:    -1,
	}
}

// setAgents says which agents are there now.
func (m *machine) setAgents(names []string) { m.agents = slices.Clone(names) }

// wake is when tick has something to do next.
func (m *machine) wake() time.Duration {
	at := m.nextBeat
	if m.state == Standby && m.ticket == nil {
		if c := m.claimAt(); c > m.now {
			at = min(at, c)
		}
	}
	if m.ticket != nil && m.ticket.retry > m.now {
		at = min(at, m.ticket.retry)
	}
	return at
}

// advance moves the clock. After a pause of this process the other's silence
// says nothing, since what it sent lies unread; counting begins again.
func (m *machine) advance(now time.Duration) {
	if now <= m.now {
		return
	}
	pause := now - m.now
	if pause > max(3*m.beat, m.failover/2) {
		m.quiet, m.smooth = now, now
		m.ticket = nil
	}
	if pause > loneLease {
		m.awake = now
	}
	m.now = now
	touched := m.inTouch()
	if touched && !m.peer.touched {
		m.peer.since = now
		if m.state == Active {
			m.announces++ // whoever was on the other side of a split
		}
	}
	if !touched {
		m.peer.active, m.peer.wants = -1, -1
	}
	m.peer.touched = touched
	m.checkLease()
}

// tick does what is due at the time now.
func (m *machine) tick(now time.Duration) {
	m.advance(now)
	due := m.now >= m.nextBeat
	if m.state == Active {
		if due {
			m.keepList()
		}
	} else {
		m.campaign(due)
	}
	if !due {
		return
	}
	// From now and not from when it was due: after a pause nobody needs the
	// beats that were missed.
	m.nextBeat = m.now + m.beat
	if m.ticket == nil { // or all whom it matters to were just asked: a beat that overtook that would undo it
		m.sendBeats()
	}
}

// sendBeats sends a beat to everybody.
func (m *machine) sendBeats() {
	if m.peer.name != "" {
		m.send(m.peer.link, message{Kind: kindBeat})
	}
	for _, name := range m.electorate() {
		m.send(m.elector(name).link, message{Kind: kindBeat})
	}
}

// wants says whether this node would like to take over.
func (m *machine) wants() bool {
	if m.state == Active || m.peer.active < 0 || m.reserved < m.next() {
		return false
	}
	if m.now < m.wantUntil {
		return true
	}
	return m.role == Primary && m.preempt > 0 && !m.resigned && m.now-max(m.peer.active, m.smooth) >= m.preempt
}

// send puts a message into the outbox. Each one says how things are here, since
// each one that arrives proves to its sender that this node was heard.
func (m *machine) send(l *link, out message) {
	out.Role, out.State = m.role, m.state
	if out.Kind == kindHello {
		out.Role = m.given // to what may be a new run, in which the roles may be others
	}
	out.Vote = m.state == Active && !m.vote
	out.Want = m.wants()
	out.Free = m.state == Standby && m.ticket == nil
	out.Yield = m.state == Active && m.now < m.yieldUntil
	out.From, out.Failover, out.List = m.name, m.failover.Milliseconds(), m.list
	if m.state == Standby {
		// What it says that it has it must still have after a crash.
		out.List = m.durable
	}
	out.Term = m.term
	m.outbox = append(m.outbox, packet{l.name, l.stamp(out, m.now)})
}

// electorate are the witnesses that count, or are to, by name.
func (m *machine) electorate() []string {
	names := slices.Concat(m.list.Names, m.committed.Names, m.draft)
	slices.Sort(names)
	return slices.Compact(names)
}

func (m *machine) elector(name string) *elector {
	e := m.witnesses[name]
	if e == nil {
		e = &elector{link: newLink(name, m.run, m.now), heard: -1}
		m.witnesses[name] = e
	}
	return e
}

// inTouch says whether the other booster is heard.
func (m *machine) inTouch() bool {
	return m.peer.heard >= 0 && m.now-m.peer.heard <= m.silence()
}

// silence is how long nothing may be heard of an active booster.
func (m *machine) silence() time.Duration { return max(m.failover, m.peer.failover) }

// learn takes a term that is known to have been used.
func (m *machine) learn(term uint64) {
	if term <= m.term {
		return
	}
	m.term = term
	m.ticket = nil
	if m.state == Active {
		m.standDown()
	}
	m.reserve()
}

// wasLast says whether this node was the last that was active, as far as it
// knows: terms tell their owner.
func (m *machine) wasLast() bool { return m.term > 0 && (m.term%2 == 1) == (m.role == Primary) }

// next is the term that this node would use.
func (m *machine) next() uint64 { return nextTerm(max(m.term, m.floor), m.role) }

// reserve has the next term saved, long before it is needed: taking over must
// not wait for a disk.
func (m *machine) reserve() { m.saveList(m.list, m.committed) }

func (m *machine) saveList(l, before list) {
	m.save = &saved{Term: m.term, Reserved: max(m.next(), m.reserved), Witnesses: l, Before: before}
}

// wasSaved says that s is on disk.
func (m *machine) wasSaved(s saved, now time.Duration) {
	m.advance(now)
	m.reserved = max(m.reserved, s.Reserved)
	if m.making != nil && s.Witnesses.is(*m.making) {
		m.list, m.draft, m.making = *m.making, nil, nil // see keepList
		m.commitList()
	}
	// A list that this node would have made and then did not must not get about.
	if s.Witnesses.is(m.list) {
		m.durable = m.list
	}
}

// adopt takes a newer list of witnesses. While this node is active it is the
// one that makes them.
func (m *machine) adopt(l list) {
	if m.state == Active || !l.newer(m.list) {
		return
	}
	m.list, m.committed, m.draft = l, l, nil
	m.prune()
	m.reserve()
}

// setDraft says who is sent beats, or asked, without being on a list.
func (m *machine) setDraft(names []string) {
	if !slices.Equal(names, m.draft) {
		m.draft = names
		m.prune()
	}
}

// prune forgets those who no longer count.
func (m *machine) prune() {
	keep := m.electorate()
	for name := range m.witnesses {
		if !slices.Contains(keep, name) {
			delete(m.witnesses, name)
		}
	}
}
