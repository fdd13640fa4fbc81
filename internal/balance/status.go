package balance

// Status is a server as the status shows it.
type Status struct {
	Name, Address    string
	Backup           bool
	State            string // starting, up, behind, down, draining, maintenance or failed
	Reason           string // why it is not up, in an operator's words
	Up               bool   // it passes its checks, also when it is taken out
	InFlight, Flows  int
	Elsewhere        int // in flight from the other booster
	Capacity, Weight int
	Sessions         int
	Waiting          int     // requests that wait for this server alone, or for the lead if it is that
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
		out = append(out, b.status(s))
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
	return b.status(s), true
}

// status needs b.mu.
func (b *Balancer) status(s *Server) Status {
	load := s.load.Load()
	st := Status{
		Name: s.name, Address: s.Address(), Backup: s.backup.Load(),
		Reason: s.reason, Up: s.health == Up,
		InFlight: int(all(load)), Flows: int(flows(load)),
		Elsewhere: s.elsewhere.InFlight,
		Capacity:  s.capacity, Weight: s.weight,
		Sessions:       int(max(0, s.sessions.Load())),
		FlowShare:      float64(s.share.limit.Load()) / shareScale,
		LatencySeconds: float64(s.latency.Load()) / 1e9,
	}
	for l := range Lanes {
		st.Waiting += s.bound[l].Len()
		if s.name == b.lead {
			st.Waiting += b.queue.lead[l].Len()
		}
	}
	out, isOut := b.out[s.name]
	switch {
	case s.mark == Maintenance:
		st.State = "maintenance"
	case isOut:
		st.State, st.Reason = "draining", out
		if s.reason != "" {
			st.Reason += "; " + s.reason
		}
	case s.mark == Drain:
		st.State = "draining"
	case s.health == Up && b.isBehind(s):
		st.State, st.Reason = "behind", b.behind[s.name]
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
