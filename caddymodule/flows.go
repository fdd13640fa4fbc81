package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// flowsTime bounds one fetch, and flowsAgain is when it is tried again after one that
	// failed.
	flowsTime  = 5 * time.Second
	flowsAgain = time.Second
)

// flowsFeed keeps the directory of deployed flows that the agents read from the
// database: it fetches the lead server's, whose process knows a new flow first, or
// another's while there is none. The last one stays in force when nobody has one.
type flowsFeed struct {
	do   control.Do
	log  *slog.Logger
	wake chan struct{}

	mu     sync.Mutex
	agents map[string]flowsAgent // that have a directory
	held   *flows.Directory
	from   string // the agent that held is of
}

// flowsAgent is what an agent says of its directory.
type flowsAgent struct {
	version string
	lead    bool
	heard   time.Time
}

func newFlowsFeed(do control.Do, log *slog.Logger) *flowsFeed {
	return &flowsFeed{do: do, log: log, wake: make(chan struct{}, 1), agents: make(map[string]flowsAgent)}
}

// saw takes what an agent says when it asks.
func (f *flowsFeed) saw(now time.Time, ask rollout.Ask) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ask.Flows == "" {
		delete(f.agents, ask.Server)
		return
	}
	f.agents[ask.Server] = flowsAgent{version: ask.Flows, lead: ask.Runs == rollout.Lead, heard: now}
	if name, _ := f.best(now); name != "" {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
	f.hand()
}

// best returns the agent whose directory should be in force and is not, or "". The
// caller holds f.mu.
func (f *flowsFeed) best(now time.Time) (name, version string) {
	maps.DeleteFunc(f.agents, func(_ string, a flowsAgent) bool { return now.Sub(a.heard) > rollout.HeardTime })
	names := slices.SortedFunc(maps.Keys(f.agents), func(a, b string) int {
		rank := func(name string) int {
			switch {
			case f.agents[name].lead:
				return 0
			case name == f.from:
				return 1 // so that two that differ for a moment don't take turns
			default:
				return 2
			}
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return "", ""
	}
	version = f.agents[names[0]].version
	if version == f.held.Version() {
		f.from = names[0]
		return "", ""
	}
	return names[0], version
}

// hand puts the directory in force in OMFLOW's pool, which may be a new one. The caller
// holds f.mu.
func (f *flowsFeed) hand() {
	if p := omflowPoolNow(); p != nil && f.held != nil {
		p.flows.Store(f.held)
	}
}

// run fetches what is new until ctx ends.
func (f *flowsFeed) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		if err := f.fetch(ctx); err != nil && ctx.Err() == nil {
			f.log.Debug("the deployed flows could not be fetched; it is tried again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(flowsAgain):
			}
		}
	}
}

func (f *flowsFeed) fetch(ctx context.Context) error {
	f.mu.Lock()
	name, _ := f.best(time.Now())
	f.mu.Unlock()
	if name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flowsTime)
	defer cancel()
	var text json.RawMessage
	if err := f.do.Call(ctx, name, flows.Path, nil, &text, flows.MaxMessage); err != nil {
		return fmt.Errorf("fetch the deployed flows from agent %s: %w", name, err)
	}
	d, err := flows.Decode(text)
	if err != nil {
		return fmt.Errorf("fetch the deployed flows from agent %s: %w", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.from = d, name
	f.hand()
	return nil
}

// omflowFlows returns the directory of the deployed flows, nil while none is known.
func omflowFlows() *flows.Directory {
	if p := omflowPoolNow(); p != nil {
		return p.flows.Load()
	}
	return nil
}

// omflowPoolNow returns OMFLOW's pool, or nil without one.
func omflowPoolNow() *pool {
	var found *pool
	pools.Range(func(key, value any) bool {
		if p, ok := value.(*pool); ok && key == omflowPool {
			found = p
		}
		return found == nil
	})
	return found
}
