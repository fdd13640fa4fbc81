package pair

import (
	"time"
)

// receive takes a message that came in.
func (m *machine) receive(in message, now time.Duration) {
	m.advance(now)
	if in.To != m.name {
		m.refused++
		return
	}
	var e *elector
	switch {
	case in.From == m.peer.name && in.Role != "":
		e = &m.peer.elector
	default:
		if e = m.witnesses[in.From]; e == nil {
			m.refused++
			return
		}
	}
	run := e.link.run
	if !e.link.take(in, m.now) {
		m.refused++
		if e.link.greet(in, m.now) {
			m.send(e.link, greeting(m.name, in))
		}
		return
	}
	e.heard = m.now
	// Before any word in it is counted: whose words count may have changed.
	m.adopt(in.List)
	if in.From == m.peer.name {
		if e.link.run != run {
			m.unsettleRoles()
		}
		m.hearPeer(in)
		return
	}
	switch in.Kind {
	case kindAck, kindAnswer:
		m.hearWitness(e, in)
	case kindHello:
		m.greeted(e)
	}
}

// greeted goes on at once with whoever now takes this node's messages.
func (m *machine) greeted(e *elector) {
	if m.ticket != nil {
		m.ask(e)
	} else if m.state == Active {
		m.send(e.link, message{Kind: kindBeat})
	}
}

// hearWitness takes a witness's ack of a beat, or answer to a question.
func (m *machine) hearWitness(e *elector, in message) {
	at, ok := e.link.when(in)
	m.learn(in.Term)
	if m.state == Active {
		if ok && in.Kind == kindAck && in.Verdict == granted && in.Term == m.term {
			// Of one that stands by the other booster it would say nothing that
			// it has the list now: what it granted, it granted before.
			e.list = list{Term: in.List.Term, Serial: in.List.Serial}
			e.until = max(e.until, at+m.lease)
			m.commitList()
			m.checkLease()
		}
		return
	}
	if ok && in.Kind == kindAnswer && m.ticket != nil {
		m.count(in, e.link.name, at)
	}
}

// hearPeer takes a message of the other booster. Whatever kind it is of, it is
// also a beat: the other one will know that it was heard.
func (m *machine) hearPeer(in message) {
	switch in.Kind {
	case kindHello:
		m.greeted(&m.peer.elector)
	case kindAsk:
		m.answer(in)
	case kindAnswer:
		if at, ok := m.peer.link.when(in); ok && m.ticket != nil {
			m.count(in, m.peer.name, at)
		}
	}
	m.peer.state, m.peer.term, m.peer.failover = in.State, in.Term, in.failover()
	m.settleRoles(in.Role)
	m.peer.list = list{Term: in.List.Term, Serial: in.List.Serial}
	if in.State == Active {
		m.hearActive(in)
		return
	}
	m.peer.active = -1
	m.learn(in.Term)
	m.peer.wants = -1
	if m.state != Active {
		return
	}
	if in.Want {
		m.peer.wants = m.now
	}
	// What it has taken of this node keeps it from taking over. A hello says that
	// it has not.
	if at, ok := m.peer.link.when(in); ok && in.Kind != kindHello && in.Term == m.term {
		m.peer.until = max(m.peer.until, at+m.lease)
		m.vote = false // it is there to take it: see beatMessage
		m.commitList()
		m.checkLease()
	}
}

// hearActive takes a beat of the other booster that says it is active.
func (m *machine) hearActive(in message) {
	if in.Term < m.term {
		m.peer.active = -1
		return // it will learn that it is not
	}
	m.learn(in.Term) // stands down, if this node is active
	if m.state == Active {
		return // one term of two nodes: see settleRoles
	}
	if m.peer.active < 0 {
		m.peer.active = m.now
	}
	m.vote, m.met = in.Vote, true
	m.quiet = m.now
	m.away = promise{}
	if in.Yield {
		m.claim(true)
		return
	}
	m.ticket = nil
	m.setDraft(nil)
	// The beat that answers is the acknowledgement.
	m.send(m.peer.link, message{Kind: kindBeat})
}

// unsettleRoles goes back to the configured role: the other booster was started, perhaps
// with another one.
func (m *machine) unsettleRoles() {
	if m.sameRole = false; m.role != m.given {
		m.role, m.ticket = m.given, nil // its term is the other role's
		m.reserve()
	}
}

// settleRoles has two boosters that were given the same role differ all the
// same, or they would use the same terms: of the two the one whose name comes
// first is the primary, until one of them is started anew. Their owners are told
// (Status.Problem).
func (m *machine) settleRoles(other Role) {
	if other != m.role {
		return
	}
	m.sameRole = true
	if m.role = Primary; m.name > m.peer.name {
		m.role = Secondary
	}
	if m.ticket != nil && m.ticket.term != m.next() {
		m.ticket = nil // its term is the other role's
	}
	m.reserve()
}
