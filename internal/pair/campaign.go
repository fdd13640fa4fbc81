package pair

import "time"

// candidacy is a standby's attempt to become active.
type candidacy struct {
	term    uint64
	since   time.Duration
	invited bool // the active booster has asked for it
	// granted is until when each node's grant may be used.
	granted map[string]time.Duration
	// retry is when to ask again before the next beat, because a witness has
	// said when it will know more.
	retry time.Duration
}

// claimAt is when a standby may try to become active.
func (m *machine) claimAt() time.Duration {
	inTouch := m.inTouch()
	switch {
	case m.now < m.away.until:
		return m.away.until // the other one may be about to
	case m.met && m.wasLast() && inTouch:
		// It has stood down for want of words that it now gets again.
		return m.quiet + 2*m.beat
	case m.met:
		// What is a moment more than a beat takes to all has the witnesses' own
		// count end before they are asked.
		return m.quiet + m.silence() + m.beat/10
	case inTouch && m.role == Primary:
		return m.quiet + 2*m.beat
	case inTouch:
		return max(m.quiet, m.peer.since) + deferral
	case m.role == Primary:
		return m.quiet + primaryAlone
	default:
		return m.quiet + secondaryAlone
	}
}

// campaign tries to become active, if it is time to. With again, those who
// have not granted it are asked again.
func (m *machine) campaign(again bool) {
	if t := m.ticket; t != nil && t.invited && m.now >= min(t.since+yieldFor, m.quiet+m.silence()) {
		m.ticket = nil // who has invited it is gone, or has another mind
	}
	if m.ticket == nil {
		if m.now >= m.claimAt() {
			m.claim(false)
		}
		return
	}
	if m.ticket.retry != 0 && m.now >= m.ticket.retry {
		m.ticket.retry, again = 0, true
	}
	if again {
		m.askAll()
	}
	m.decide()
}

// claim begins a candidacy, or goes on with one; this node's next term must be
// on disk for that.
func (m *machine) claim(invited bool) {
	if m.reserved < m.next() || m.ticket != nil && m.ticket.term == m.next() && m.ticket.invited == invited {
		return
	}
	m.ticket = &candidacy{term: m.next(), since: m.now, invited: invited, granted: make(map[string]time.Duration)}
	if !invited && len(m.list.Names) == 0 {
		m.setDraft(m.agents[:min(len(m.agents), maxAdvisers)])
	}
	m.askAll()
	m.decide()
}

func (m *machine) askAll() {
	if m.peer.name != "" {
		m.ask(&m.peer.elector)
	}
	if m.ticket.invited {
		return // the active one's word is enough, and no witness would give it
	}
	for _, name := range m.electorate() {
		if m.ticket.granted[name] <= m.now {
			m.ask(m.elector(name))
		}
	}
}

func (m *machine) ask(e *elector) {
	m.send(e.link, message{Kind: kindAsk, Ask: m.ticket.term})
}

// count takes an answer to a question that was sent at the time at.
func (m *machine) count(in message, from string, at time.Duration) {
	if at < m.ticket.since {
		return
	}
	if in.Verdict == promised && m.role == Secondary && m.now-m.ticket.since >= deferral {
		// Each of the two has been promised some, and neither enough.
		m.ticket, m.away.until = nil, m.now+m.silence()
		m.sendBeats() // they are free for the other one
		return
	}
	if in.Verdict != granted {
		if in.Wait > 0 && in.Wait < m.beat.Milliseconds() {
			m.ticket.retry = max(m.ticket.retry, m.now+time.Duration(in.Wait)*time.Millisecond)
		}
		return
	}
	m.ticket.granted[from] = max(m.ticket.granted[from], at+m.lease)
	m.decide()
}

// decide becomes active when those who must agree have done so.
func (m *machine) decide() {
	t := m.ticket
	if t == nil || t.term != m.next() {
		return
	}
	standBy := func(name string) time.Duration { return t.granted[name] }
	switch {
	case standBy(m.peer.name) > m.now:
		// Nobody else could be active.
	case t.invited:
		return
	case len(m.list.Names) == 0 && (m.inTouch() || !m.advised()):
		// No witness can tell whether the other one lives; but if it is heard, it
		// must agree, and an agent may be a witness of its.
		return
	case min(quorum(m.list, m.vote, standBy), quorum(m.committed, m.vote, standBy)) <= m.now:
		return
	}
	m.state, m.term, m.met, m.ticket = Active, t.term, true, nil
	m.yieldUntil, m.wantUntil, m.resigned, m.away = 0, 0, false, promise{}
	m.peer.until = standBy(m.peer.name)
	m.peer.wants, m.peer.active = -1, -1
	for _, name := range m.electorate() {
		m.elector(name).until = t.granted[name]
	}
	m.held = m.now
	m.checkLease()
	m.reserve()
	m.nextBeat = m.now + m.beat
	m.sendBeats()
}

// advised says whether the agents that this node knows of let it go on without
// witnesses: those that are heard have granted it, and the others had the time to. A
// booster that was just installed has no list, and learns from any witness of the other
// one's that there is one.
func (m *machine) advised() bool {
	for _, name := range m.draft {
		last := max(m.ticket.since, m.elector(name).heard)
		if m.ticket.granted[name] <= m.now && m.now < last+m.silence() {
			return false
		}
	}
	return true
}

// answer answers the other booster's question.
func (m *machine) answer(in message) {
	out := message{Kind: kindAnswer, EchoRun: in.Run, EchoSeq: in.Seq, Verdict: granted}
	switch {
	case in.Ask <= m.term:
		out.Verdict = outdated
	case m.state == Active && m.now >= m.yieldUntil && m.now >= m.away.until:
		out.Verdict = hears
	case m.state == Standby && m.ticket != nil && m.role == Primary:
		// Both would have it. If each let the other go first none ever went.
		out.Verdict = promised
	}
	if out.Verdict == granted {
		// Until then the other may use it, and this node does not act as active.
		// It keeps the address for two beats, but not if it asked once more.
		if m.now >= m.away.until {
			m.away.address = min(m.leaseEnd(), m.now+2*m.beat)
		}
		m.away.to, m.away.until = m.peer.name, m.now+in.failover()
		m.ticket = nil
	}
	m.send(m.peer.link, out)
}
