package rollout

import (
	"context"
	"fmt"
	"time"
)

// pauseTime is the least time from one restart of the lead server for pauses to the
// next. A start goes on with all pauses that were made before it, those that are not due
// yet included.
const pauseTime = 3 * time.Minute

// maxPauses bounds what an agent says of pauses.
const maxPauses = 1_000_000

// overduePauses returns how many tickets wait in a pause that the lead server does not
// know of, as its agent says.
func (c *Coordinator) overduePauses(now time.Time) int {
	lead := c.agents[c.lease.holder]
	if lead == nil || !lead.alive(now) || !c.lease.running {
		return 0
	}
	return lead.ask.Pauses
}

// endPauses has the lead server restarted, if tickets wait in a pause that it does not
// know of.
func (c *Coordinator) endPauses(now time.Time) (what string, do func(context.Context, *round) error) {
	holder, n := c.lease.holder, c.overduePauses(now)
	if n == 0 || now.Sub(c.pausesEnded) < pauseTime || now.Sub(c.agents[holder].failed) < retryTime {
		return "", nil
	}
	what = fmt.Sprintf("restarting the lead server %s, to go on with tickets whose pause has ended: %d", holder, n)
	return what, func(ctx context.Context, r *round) error {
		err := r.move(ctx, holder, holder)
		if err == nil {
			c.mu.Lock()
			c.pausesEnded = time.Now()
			c.mu.Unlock()
		}
		return err
	}
}
