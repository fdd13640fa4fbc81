package caddymodule

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/omflow/booster/gossip"
)

// fromBooster returns the name of the other booster that asks, and refuses everybody else
// with a text.
func (c *conductor) fromBooster(w http.ResponseWriter, r *http.Request, refusal string) (name string, ok bool) {
	name, booster, ok := gossip.Sender(r)
	if !ok || !booster || !slices.Contains(c.others(gossip.KindBooster), name) {
		http.Error(w, refusal, http.StatusForbidden)
		return "", false
	}
	return name, true
}

// each calls f every so often until ctx ends, and logs a text when f fails before that.
func (c *conductor) each(ctx context.Context, every time.Duration, failed string, f func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := f(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug(failed, "error", err)
		}
	}
}
