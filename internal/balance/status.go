package balance

// Status is a server as the status shows it.
type Status struct {
	Name, Address    string
	Backup           bool
	State            string // starting, up, down, draining, maintenance or failed
	Reason           string // why it is not up, in an operator's words
	InFlight, Flows  int
	Capacity, Weight int
	Sessions         int
	Waiting          int     // requests that wait for this server alone
	FlowShare        float64 // how many flows are let in beside sessions
	LatencySeconds   float64 // moving average of the service time
}

// Servers returns the table in its order.
func (b *Balancer) Servers() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	out := make([]Status, 0, len(t.servers))
	for _, s := range t.servers {
		out = append(out, s.status())
	}
	return out
}

// Server returns one server by name.
func (b *Balancer) Server(name string) (Status, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.table.Load().byID[IDOf(name)]
	if s == nil {
		return Status{}, false
	}
	return s.status(), true
}

// status needs Balancer.mu.
func (s *Server) status() Status {
	load := s.load.Load()
	st := Status{
		Name: s.name, Address: s.Address(), Backup: s.backup.Load(),
		Reason:   s.reason,
		InFlight: int(all(load)), Flows: int(flows(load)),
		Capacity: s.capacity, Weight: s.weight,
		Sessions:       int(max(0, s.sessions.Load())),
		FlowShare:      float64(s.share.limit.Load()) / shareScale,
		LatencySeconds: float64(s.latency.Load()) / 1e9,
	}
	for l := range s.bound {
		st.Waiting += s.bound[l].Len()
	}
	switch {
	case s.mark == Maintenance:
		st.State = "maintenance"
	case s.mark == Drain:
		st.State = "draining"
	case s.health == Up:
		st.State = "up"
	case s.health == Down:
		st.State = "down"
	case s.health == Failed:
		st.State = "failed"
	default:
		st.State = "starting"
	}
	return st
}
