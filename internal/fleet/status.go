package fleet

import "github.com/omflow/booster/internal/balance"

// Status is a server as the status shows it.
type Status struct {
	balance.Status
	// Agent is AgentAlive, AgentLost or AgentNone.
	Agent string
	// Lead is true for the lead server: control and file requests go to it.
	Lead bool
	// Behind is true for a server that has not seen the newest control change, and
	// BehindReason says which that is, in an operator's words. With Strict its State
	// tells, too.
	Behind       bool
	BehindReason string
	Release      uint64
	Database     string
	Managed      bool
	// Connections to the server, and those of them that are idle.
	Connections, IdleConnections int
}

// Servers returns all servers, in the table's order.
func (f *Fleet) Servers() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	table := f.balancer.Servers()
	out := make([]Status, 0, len(table))
	for _, s := range table {
		st := Status{Status: s, Agent: AgentNone, Lead: s.Name == f.lead}
		if !st.Lead {
			st.BehindReason, st.Behind = f.behind[s.Name]
		}
		if m := f.members[s.Name]; m != nil {
			st.Connections, st.IdleConnections = m.up.Connections()
			if a := m.agent; a != nil {
				st.Release, st.Database, st.Managed = a.Release, a.Database, a.Managed
				st.Agent = AgentAlive
				if a.Lost {
					st.Agent = AgentLost
				}
			}
		}
		out = append(out, st)
	}
	return out
}
