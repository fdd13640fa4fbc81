package fleet

import "github.com/omflow/booster/internal/balance"

// Status is a server as the status shows it.
type Status struct {
	balance.Status
	// Agent is AgentAlive, AgentLost or AgentNone.
	Agent    string
	Lead     bool
	Release  uint64
	Database string
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
		st := Status{Status: s, Agent: AgentNone}
		if m := f.members[s.Name]; m != nil {
			st.Connections, st.IdleConnections = m.up.Connections()
			if a := m.agent; a != nil {
				st.Lead, st.Release, st.Database = a.Lead, a.Release, a.Database
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
