package caddymodule

import (
	"context"
	"log/slog"
	"strings"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/rollout"
)

// join feeds the fleet with what the cluster knows, now and at each change, until
// the function that it returns is called.
func join(node *gossip.Node, f *fleet.Fleet, log *slog.Logger) (leave func()) {
	feed := &feed{node: node, fleet: f, log: log}
	wake := make(chan struct{}, 1)
	poke := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	// Before the first look, so that nothing is missed in between.
	unsubscribe := []func(){
		node.Subscribe(func(gossip.Member) { poke() }),
		node.SubscribeReports(func(gossip.ReceivedReport) { poke() }),
		node.SubscribeMarks(func(gossip.Mark) { poke() }),
	}
	feed.look()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		feed.run(ctx, wake)
	}()
	return func() {
		for _, f := range unsubscribe {
			f()
		}
		cancel()
		<-done
	}
}

// feed carries members, reports and marks from the cluster into a fleet.
type feed struct {
	node  *gossip.Node
	fleet *fleet.Fleet
	log   *slog.Logger
}

func (f *feed) run(ctx context.Context, wake <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			f.look()
		}
	}
}

// look hands on what the cluster knows now. Marks come first, so that a drained
// server that is new in the table gets no request in between.
func (f *feed) look() {
	f.marks()
	lead := leadOf(f.node)
	f.fleet.SetBehind(behind(f.node, lead))
	if err := f.agents(lead); err != nil {
		f.log.Error("servers that agents report can't be used", "error", err)
	}
}

// leadOf returns the server whose agent is reached and says that it is the lead, or "". Of
// two, as when the one before has stood still and says what was so, it is the one that was
// made the lead last.
func leadOf(node *gossip.Node) (lead string) {
	reached := make(map[string]bool)
	for _, m := range node.Members() {
		reached[m.Name] = m.Kind == gossip.KindAgent && m.Reachable()
	}
	granted := rollout.Granted(node.Marks())
	for _, r := range node.Reports() {
		if r.Lead && reached[r.Server] && (lead == "" || lead != granted) {
			lead = r.Server
		}
	}
	return lead
}

// agents hands on what the agents report. An agent that said good-bye takes its
// server with it, unless the server goes on: then its last report says so. lead is the lead
// server, or "".
func (f *feed) agents(lead string) error {
	there := make(map[string]gossip.Member)
	for _, m := range f.node.Members() {
		if m.Kind == gossip.KindAgent {
			there[m.Name] = m
		}
	}
	var agents []fleet.Agent
	for _, r := range f.node.Reports() {
		m, known := there[r.Server]
		if !known || m.State == gossip.Left && r.State != gossip.ServerUp {
			continue
		}
		agents = append(agents, fleet.Agent{
			Name: r.Server, Address: r.Address, Capacity: min(r.Capacity, balance.MaxCapacity), Weight: min(r.Weight, balance.MaxWeight),
			Health: healthOf(r.State), Reason: r.Reason, Lost: !m.Reachable(),
			Managed: r.Managed, Release: r.Release, Database: r.Database,
		})
	}
	if err := f.fleet.SetAgents(agents); err != nil {
		return err
	}
	if lead != "" { // while there is none, the one before is waited for
		f.fleet.SetLead(lead)
	}
	return nil
}

func healthOf(s gossip.ServerState) balance.Health {
	switch s {
	case gossip.ServerUp:
		return balance.Up
	case gossip.ServerStarting:
		return balance.Starting
	case gossip.ServerFailed:
		return balance.Failed
	default:
		return balance.Down
	}
}

// markPrefix begins the keys of marks that are about a server.
const markPrefix = "server/"

// marks hands on what operators asked of servers.
func (f *feed) marks() {
	marks := make(map[string]balance.Mark)
	for key, value := range f.node.Marks() {
		name, ok := strings.CutPrefix(key, markPrefix)
		if !ok {
			continue
		}
		switch value {
		case balance.Drain.String():
			marks[name] = balance.Drain
		case balance.Maintenance.String():
			marks[name] = balance.Maintenance
		}
	}
	f.fleet.SetMarks(marks)
}
