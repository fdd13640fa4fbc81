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
// know of. While somebody works on a long step that could not be done before its end, and
// would only keep the lead server from the users meanwhile: so it is not begun then, for up
// to StuckTime.
func (c *Coordinator) endPauses(now time.Time) (what string, do func(context.Context, *round) error) {
	holder, n := c.lease.holder, c.overduePauses(now)
	switch {
	case n == 0:
		c.pausesSince = time.Time{}
	case c.pausesSince.IsZero():
		c.pausesSince = now
	}
	if n == 0 || now.Sub(c.pausesEnded) < pauseTime || now.Sub(c.agents[holder].failed) < retryTime {
		return "", nil
	}
	if now.Sub(c.pausesSince) < StuckTime && c.journal.Judge(now, c.rule(now, c.born(now, ""), "")).Busy > 0 {
		return "", nil
	}
	what = fmt.Sprintf("restarting the lead server %s, to go on with tickets whose pause has ended: %d", holder, n)
	return what, func(ctx context.Context, r *round) error {
		err := r.move(ctx, holder, holder)
		if err == nil {
			c.mu.Lock()
			c.pausesEnded, c.pausesSince = time.Now(), time.Time{}
			c.mu.Unlock()
		}
		return err
	}
}
