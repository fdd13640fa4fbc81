package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/control"
)

// Two boosters that serve at the same time keep to the servers' capacity together: each
// tells the other, over the cluster's control API, what it has for each server, for as
// long as it has something. How the places are divided is the balancer's, see
// balance.Load.

const (
	loadsPath = "/loads/v1"
	// tellEvery is how often the other booster is told. The division lags behind by
	// this; a message of it takes about a fifth of a millisecond at each end.
	tellEvery = 50 * time.Millisecond
	// tellTime bounds one telling, and tellAgain is when it is tried again after one
	// that failed.
	tellTime  = 500 * time.Millisecond
	tellAgain = time.Second
	// maxLoads bounds a message, in bytes: some thousands of servers.
	maxLoads = 1 << 20
	// maxDemand bounds what a booster can say that it has for a server.
	maxDemand = 1 << 30
)

// loads is what a booster has for the servers, by pool and name.
type loads map[string]map[string]balance.Load

func (l loads) validate() error {
	for _, servers := range l {
		for name, load := range servers {
			if load.InFlight < 0 || load.Demand < load.InFlight || load.Demand > maxDemand {
				return fmt.Errorf("server %.80q: %d in flight, %d wanted", name, load.InFlight, load.Demand)
			}
		}
	}
	return nil
}

// ownLoads returns what this booster has, to be told.
func ownLoads(now time.Time) loads {
	out := make(loads)
	pools.Range(func(_, value any) bool {
		if p, ok := value.(*pool); ok {
			if l := p.fleet.Balancer().Loads(now); l != nil {
				out[p.key] = l
			}
		}
		return true
	})
	return out
}

// tellLoads tells the other booster until ctx ends.
func (c *conductor) tellLoads(ctx context.Context) {
	told := false // something, by the last message
	wait := tellEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = tellEvery
		others := c.others(gossip.KindBooster)
		if len(others) == 0 {
			told = false
			continue
		}
		own := ownLoads(time.Now())
		if len(own) == 0 && !told {
			continue
		}
		for _, name := range others {
			if err := c.sendLoads(ctx, name, own); err != nil && ctx.Err() == nil {
				c.log.Debug("the other booster could not be told of the servers' load; it is tried again", "booster", name, "error", err)
				wait = tellAgain
			}
		}
		told = len(own) > 0
	}
}

func (c *conductor) sendLoads(ctx context.Context, booster string, own loads) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	return control.Do(c.node.Do).Call(ctx, booster, loadsPath, own, nil, 0)
}

// serveLoads takes what the other booster has for the servers.
func (c *conductor) serveLoads(w http.ResponseWriter, r *http.Request) {
	name, ok := c.fromBooster(w, r, "boosters tell of their load")
	if !ok {
		return
	}
	var theirs loads
	err := control.Decode(r.Body, maxLoads, &theirs)
	if err == nil {
		err = theirs.validate()
	}
	if err != nil {
		http.Error(w, "these are no loads: "+err.Error(), http.StatusBadRequest)
		return
	}
	now, first := time.Now(), c.node.Name() < name
	pools.Range(func(_, value any) bool {
		if p, ok := value.(*pool); ok {
			p.fleet.Balancer().SetElsewhere(now, first, theirs[p.key])
		}
		return true
	})
	w.WriteHeader(http.StatusNoContent)
}
