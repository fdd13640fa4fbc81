package balance

import "time"

// changesFor is how long a server counts as being changed after the last request that
// changes it: who looks at its files needs a moment to say what it saw before the end.
const changesFor = time.Second

// begins notes a request that changes the server.
func (s *Server) begins() { s.changing.Add(1) }

// ends notes that it has ended. since is the time since the Balancer's epoch.
func (s *Server) ends(since time.Duration) {
	s.changed.Store(int64(max(1, since))) // 0 is never
	s.changing.Add(-1)
}

func (s *Server) changes(since time.Duration) bool {
	if s.changing.Load() > 0 {
		return true
	}
	last := time.Duration(s.changed.Load())
	return last != 0 && since-last < changesFor
}

// Changing reports whether the server of that name works on a request with Changes, of
// this booster or the other one, or did within the last second.
func (b *Balancer) Changing(now time.Time, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byName(name)
	if s == nil {
		return false
	}
	return s.changes(now.Sub(b.epoch)) || s.elsewhere.Changing && now.Before(b.elsewhereUntil)
}

// byName returns the server of that name, also when it has left the table, or nil. The
// caller holds b.mu.
func (b *Balancer) byName(name string) *Server {
	if s := b.table.Load().byID[IDOf(name)]; s != nil {
		return s
	}
	return b.departed[IDOf(name)]
}
