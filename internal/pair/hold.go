package pair

import (
	"slices"
	"time"
)

// leaseEnd is until when this node, which is active, may act as such.
func (m *machine) leaseEnd() time.Duration {
	if m.now < m.away.until {
		return 0
	}
	standBy := func(name string) time.Duration { return m.elector(name).until }
	end := min(quorum(m.list, m.vote, standBy), quorum(m.committed, m.vote, standBy))
	if end == forever && m.peer.name == "" {
		// Nobody is known who could take over, and who comes looks for this node first.
		if m.now < m.awake+2*m.beat {
			return 0 // but in a longer pause somebody may have come
		}
		return m.now + loneLease
	}
	if end == forever {
		// Without witnesses nobody's word is needed; but after a pause the other
		// booster's, if it has taken over meanwhile, must have come in.
		if m.now < m.smooth+2*m.beat {
			return m.peer.until
		}
		return m.now + m.lease
	}
	return max(end, m.peer.until)
}

// checkLease notes that the lease is good, or stands down when it has not been
// for so long that it is not going to be.
func (m *machine) checkLease() {
	if m.state != Active {
		return
	}
	if m.leaseEnd() > m.now {
		m.held = m.now
	} else if m.now-m.held > max(m.failover, standDownAfter-m.lease) && m.now >= m.away.until {
		m.standDown()
	}
}

// standDown makes an active booster a standby.
func (m *machine) standDown() {
	m.state = Standby
	m.quiet = m.now
	m.yieldUntil, m.away = 0, promise{}
	m.peer.until, m.peer.wants = 0, -1
	for _, e := range m.witnesses {
		e.until = 0
	}
	m.ticket, m.draft, m.making = nil, nil, nil
	// The witnesses are free to stand by another at once.
	m.sendBeats()
}

// handover offers this node's place to the other booster for a second, and says
// whether that can be: this node is active and hears the other.
func (m *machine) handover(now time.Duration) bool {
	m.advance(now)
	if m.state != Active || !m.inTouch() || m.peer.state != Standby {
		return false
	}
	m.yieldUntil, m.resigned = m.now+yieldFor, true
	m.send(m.peer.link, message{Kind: kindBeat})
	return true
}

// stay notes that the other booster did not take the place that it was offered: for
// untakenPause its wish for it is not heard.
func (m *machine) stay(now time.Duration) {
	m.advance(now)
	m.yieldUntil, m.resigned, m.deafUntil = 0, false, m.now+untakenPause
}

// isWished reports whether the other booster wishes for this one's place, and can have
// it.
func (m *machine) isWished() bool {
	return m.state == Active && m.peer.wants >= 0 && m.now >= m.deafUntil
}

// want has this node, a standby, wish to take over for d.
func (m *machine) want(d, now time.Duration) {
	m.advance(now)
	m.wantUntil = m.now + d
	if m.state == Standby && m.peer.name != "" {
		m.send(m.peer.link, message{Kind: kindBeat})
	}
}

// addressEnd is until when this node may hold the virtual IP: as long as its
// lease, and two beats longer when it has granted its place, so that the other
// has the address before this one gives it up.
func (m *machine) addressEnd() time.Duration {
	switch {
	case m.state != Active:
		return 0
	case m.now < m.away.until:
		return m.away.address
	}
	return m.leaseEnd()
}

// keepList changes the list of witnesses when agents came or went. Those that
// are to be on it are sent beats first, and it is made when enough of them
// stand by this node, so that it does not lose its right by the change. There
// is one change at a time, and both lists count until the other booster, or
// most of the old list, has the new one.
func (m *machine) keepList() {
	for _, name := range m.agents {
		m.seen[name] = m.now
	}
	for _, name := range m.list.Names {
		if _, ok := m.seen[name]; !ok {
			m.seen[name] = m.now // for all that this node knows, it is there
		}
	}
	for name, at := range m.seen {
		if m.now-at > 10*m.gone && !slices.Contains(m.list.Names, name) {
			delete(m.seen, name)
		}
	}
	if !m.list.is(m.committed) {
		return
	}
	names := chooseWitnesses(m.list.Names, m.seen, m.now, m.gone, m.inTouch())
	if slices.Equal(names, m.list.Names) {
		m.draft, m.making = nil, nil
		return
	}
	m.setDraft(names)
	until := func(name string) time.Duration { return m.elector(name).until }
	if quorum(list{Names: names}, false, until) <= m.now {
		return
	}
	// It is used once it is saved, with the one before: see wasSaved. One with other
	// names that is being saved meanwhile is never used, and its number is not either:
	// it may be on the disk.
	if m.making == nil || !slices.Equal(names, m.making.Names) {
		m.serial = max(m.serial, m.list.Serial) + 1
		m.making = &list{Term: m.term, Serial: m.serial, Names: names}
	}
	m.saveList(*m.making, m.committed)
}

// commitList ends the change of the list when the old one can't be used by the
// other booster any more: it has the new one, or most of the old list's nodes,
// of which it would need one, have it and would tell it.
func (m *machine) commitList() {
	if m.list.is(m.committed) {
		return
	}
	has := 0
	for _, name := range m.committed.Names {
		if m.elector(name).list.is(m.list) {
			has++
		}
	}
	if m.peer.list.is(m.list) || has >= needed(len(m.committed.Names), false) || len(m.committed.Names) == 0 {
		m.committed = m.list
		m.prune()
		m.reserve()
	}
}
