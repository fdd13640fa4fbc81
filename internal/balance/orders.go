package balance

import (
	"maps"
	"time"
)

// SetLead names the server that takes the requests with ToLead; "" is nobody. It
// need not be in the table yet. Requests that wait for the lead go to the new one.
func (b *Balancer) SetLead(now time.Time, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lead == name {
		return
	}
	b.lead = name
	b.install(now, b.table.Load().clone(), nil)
}

// SetBehind replaces the servers that have not seen the newest control change, by
// name, with the reason in an operator's words. They get no requests but those of the
// static lane, and their sessions move, unless no other server is left: then they
// take requests as ever, see Stale. The lead server is never behind.
func (b *Balancer) SetBehind(now time.Time, behind map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if maps.Equal(b.behind, behind) {
		return
	}
	b.behind = maps.Clone(behind)
	b.install(now, b.table.Load().clone(), nil)
}

func (b *Balancer) isBehind(s *Server) bool {
	_, behind := b.behind[s.name]
	return behind && s.name != b.lead
}

// Stale reports whether servers that are behind take requests, because no other is
// left.
func (b *Balancer) Stale() bool { return b.table.Load().stale }

// SetOut replaces the servers that a roll-out has taken out, by name, with the reason
// in an operator's words. They are drained whatever their mark is, and start slowly
// when they are put back. When SetOut has returned and InFlight is 0 for a server, it
// has no request and gets none, those excepted that sessions on it may send within
// Config.OnDrain.
func (b *Balancer) SetOut(now time.Time, out map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if maps.Equal(b.out, out) {
		return
	}
	t := b.table.Load()
	was := make(map[*Server]bool, len(t.servers))
	for _, s := range t.servers {
		was[s] = b.away(s)
	}
	b.out = maps.Clone(out)
	for _, s := range t.servers {
		b.left(now, s, was[s])
	}
	b.install(now, t.clone(), nil)
}

// away reports whether the server was taken out of use, by an operator or a
// roll-out.
func (b *Balancer) away(s *Server) bool {
	_, out := b.out[s.name]
	return out || s.mark != NoMark
}

// left notes when a server is taken out of use, and when it is put back, after its
// mark or b.out was changed.
func (b *Balancer) left(now time.Time, s *Server, was bool) {
	switch is := b.away(s); {
	case is && !was:
		s.drainSince = now
	case was && !is && s.health == Up:
		s.upSince = now
	}
}

// InFlight returns how many requests hold a slot on the server of that name, also when
// it has left the table.
func (b *Balancer) InFlight(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byName(name)
	if s == nil {
		return 0
	}
	return s.InFlight()
}

// Away reports whether the server of that name was taken out of use, by an operator or a
// roll-out.
func (b *Balancer) Away(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byName(name)
	return s != nil && b.away(s)
}

// SetHold begins or ends the hold of work: while it lasts, requests with Work get no
// slot. Those that wait already are held back, too. When it ends they take their old
// places in the queue.
//
// When SetHold(now, true) has returned and Held says that none is working, no server
// has a request with Work, and none gets one before the hold ends.
func (b *Balancer) SetHold(now time.Time, hold bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holding == hold {
		return
	}
	b.holding = hold
	t := b.table.Load()
	if hold {
		b.holdBack(t)
	} else {
		b.letGo(t)
	}
	b.install(now, t.clone(), nil)
}

// holdBack takes the requests with Work out of the queue. The caller holds b.mu.
func (b *Balancer) holdBack(t *table) {
	for l := range Lanes {
		lists := []*waiters{&b.queue.lanes[l], &b.queue.lead[l]}
		for _, s := range t.servers {
			lists = append(lists, &s.bound[l])
		}
		for _, list := range lists {
			for e := list.Front(); e != nil; {
				w := e.Value.(*Waiter)
				e = e.Next()
				if w.request.Work {
					w.remove()
					w.count(&b.heldBack[l])
					w.push(&b.queue.held)
				}
			}
		}
	}
}

// letGo puts those that were held back into the queue again. The caller holds b.mu.
func (b *Balancer) letGo(t *table) {
	for e := b.queue.held.Front(); e != nil; e = b.queue.held.Front() {
		w := e.Value.(*Waiter)
		w.remove()
		w.count(&b.waiting[w.request.Lane])
		b.line(t, w)
	}
}

// Held reports whether work is held, how many requests with Work have a slot, and how
// many the hold keeps waiting.
func (b *Balancer) Held() (held bool, working, waiting int) {
	held = b.table.Load().held
	for l := range Lanes {
		waiting += int(b.heldBack[l].Load())
	}
	return held, int(b.working.Load()), waiting
}
