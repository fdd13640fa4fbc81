package caddymodule

import (
	"slices"
	"strings"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
)

// Status is what GET /omflow/status answers. Fields are added, never renamed.
type Status struct {
	// Node is the node's name, empty without a cluster.
	Node    string         `json:"node"`
	Version string         `json:"version"`
	Pair    *PairStatus    `json:"pair,omitempty"`
	Servers []ServerStatus `json:"servers"`
	// Queue is how many requests wait, by lane.
	Queue   map[string]int `json:"queue"`
	Members []MemberStatus `json:"members"`
	// Lead tells of the lead server. Boosters of a cluster have it; a standby that does not
	// reach the active booster has not.
	Lead *LeadStatus `json:"lead,omitempty"`
	// Pauses tells of flows with a pause. It is there where there are OMFLOW Servers.
	Pauses *PausesStatus `json:"pauses,omitempty"`
	// Releases tells of releases. Boosters of a cluster have it.
	Releases *ReleasesStatus `json:"releases,omitempty"`
	// Replicas are the folders that are copied all the time. Boosters of a cluster have
	// it.
	Replicas []ReplicaStatus `json:"replicas,omitempty"`
	// Oracle is what agents with the option oracle_exporter read. Boosters of a cluster
	// have it.
	Oracle []OracleStatus `json:"oracle,omitempty"`
	// Problems are what an operator must put right.
	Problems []string `json:"problems,omitempty"`
}

// States of a booster in the pair.
const (
	pairActive  = "active"
	pairStandby = "standby"
)

// PairStatus is the booster's place in the pair.
type PairStatus struct {
	Role string `json:"role"`
	// State is active or standby.
	State string `json:"state"`
	// Term is the highest that is known to have been used.
	Term      uint64 `json:"term"`
	Peer      string `json:"peer"`
	PeerState string `json:"peer_state"`
	// VirtualIP is the address, and VirtualIPHere whether it is on this machine.
	VirtualIP     string `json:"virtual_ip,omitempty"`
	VirtualIPHere bool   `json:"virtual_ip_here,omitempty"`
	// Witnesses are the agents that count, with whether they have answered lately.
	Witnesses map[string]bool `json:"witnesses,omitempty"`
}

// ServerStatus is a server.
type ServerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Pool is omflow, or the pool of a handler with profile none.
	Pool string `json:"pool"`
	// State is starting, up, behind, down, draining, maintenance or failed.
	State  string `json:"state"`
	Reason string `json:"reason"`
	// Agent is alive, lost or none.
	Agent    string `json:"agent"`
	Lead     bool   `json:"lead"`
	Backup   bool   `json:"backup,omitempty"`
	InFlight int    `json:"in_flight"`
	// InFlightElsewhere is how many requests it works on for the other booster.
	InFlightElsewhere int `json:"in_flight_elsewhere,omitempty"`
	// Capacity is 0 for a server without a limit.
	Capacity int    `json:"capacity"`
	Weight   int    `json:"weight"`
	Sessions int    `json:"sessions"`
	Release  uint64 `json:"release"`
	Database string `json:"database"`
	// FlowShare is how many flow requests at once are let in beside sessions.
	FlowShare float64 `json:"flow_share"`
	// LatencyMS is a moving average of the service time, in milliseconds.
	LatencyMS       float64 `json:"latency_ms"`
	Connections     int     `json:"connections"`
	IdleConnections int     `json:"idle_connections"`
	// Behind says why the server is behind on control changes, if it is.
	Behind string `json:"behind,omitempty"`
	// RepairsOff says what of OMFLOW is not repaired for this server, and why.
	RepairsOff []string `json:"repairs_off,omitempty"`
}

// MemberStatus is a node of the cluster.
type MemberStatus struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Address string `json:"address"`
	State   string `json:"state"`
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// status gathers what this process knows.
func (a *App) status() Status {
	s := Status{Version: version(), Servers: []ServerStatus{}, Members: []MemberStatus{}, Queue: make(map[string]int)}
	for l := range balance.Lanes {
		s.Queue[balance.Lane(l).String()] = 0
	}
	for _, p := range a.activePools() {
		for _, server := range p.fleet.Servers() {
			s.Servers = append(s.Servers, serverStatus(p.key, server))
		}
		for l := range balance.Lanes {
			s.Queue[balance.Lane(l).String()] += p.fleet.Balancer().Queued(balance.Lane(l))
		}
	}
	s.Pauses = a.pausesStatus()
	node := a.node.Load()
	if node == nil {
		return s
	}
	s.Node = node.Name()
	members := node.Members()
	for _, m := range members {
		s.Members = append(s.Members, MemberStatus{
			Name: m.Name, Kind: m.Kind, Address: m.Address, State: string(m.State), Version: m.Version, Problem: m.Problem,
		})
	}
	for _, p := range node.Problems() {
		s.Problems = append(s.Problems, p.Subject+": "+p.Text)
	}
	s.Problems = append(s.Problems, settingsProblems(node)...)
	if a.agent == nil {
		s.Pair = a.pairStatus(members)
		if shared := runningNode(); shared != nil && shared.pair != nil {
			if problem := shared.pair.Status().Problem; problem != "" {
				s.Problems = append(s.Problems, "pair: "+problem)
			}
		}
		s.Lead = a.leadStatus()
		var problems []string
		s.Releases, problems = a.releasesStatus()
		s.Problems = append(s.Problems, problems...)
		s.Replicas, problems = replicasStatus()
		s.Problems = append(s.Problems, problems...)
		s.Oracle, problems = oracleStatus()
		s.Problems = append(s.Problems, problems...)
	}
	return s
}

func serverStatus(pool string, s fleet.Status) ServerStatus {
	st := ServerStatus{
		Name: s.Name, Address: s.Address, Pool: pool, State: s.State, Reason: s.Reason, Agent: s.Agent, Lead: s.Lead,
		Backup: s.Backup, InFlight: s.InFlight, Capacity: s.Capacity, Weight: s.Weight, Sessions: s.Sessions,
		Release: s.Release, Database: s.Database, FlowShare: s.FlowShare, LatencyMS: s.LatencySeconds * 1000,
		Connections: s.Connections, IdleConnections: s.IdleConnections, Behind: s.BehindReason,
		InFlightElsewhere: s.Elsewhere,
		RepairsOff:        repairsOff(s.Agent, s.Managed, s.Database, pool != omflowPool),
	}
	if s.Capacity >= balance.Unlimited {
		st.Capacity, st.FlowShare = 0, 0
	}
	return st
}

func (a *App) pairStatus(members []gossip.Member) *PairStatus {
	p := &PairStatus{Role: rolePrimary, State: pairStandby}
	if a.Booster != nil && a.Booster.Role != "" {
		p.Role = a.Booster.Role
	}
	if a.active() {
		p.State = pairActive
	}
	if node := runningNode(); node != nil && node.pair != nil {
		s := node.pair.Status()
		p.Term, p.VirtualIPHere, p.VirtualIP = s.Term, s.VirtualIP, a.Booster.VirtualIP
		p.Witnesses = make(map[string]bool, len(s.Witnesses))
		for _, w := range s.Witnesses {
			p.Witnesses[w.Name] = w.Heard
		}
	}
	reachable := false
	for _, m := range members {
		// One that is there comes before one that was, as after a change of names.
		if m.Kind == gossip.KindBooster && !m.Self && !reachable {
			p.Peer, p.PeerState, reachable = m.Name, string(m.State), m.Reachable()
		}
	}
	return p
}

// activePools returns the pools of this configuration, OMFLOW's first.
func (a *App) activePools() []*pool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*pool
	for _, use := range a.pools {
		out = append(out, use.pool)
	}
	slices.SortFunc(out, func(p, q *pool) int {
		if first := p.key == omflowPool; first != (q.key == omflowPool) {
			if first {
				return -1
			}
			return 1
		}
		return strings.Compare(p.key, q.key)
	})
	return out
}
