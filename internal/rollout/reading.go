package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// Reading is what was read of the flow queue.
type Reading struct {
	// Rows are at most MaxRows rows of the journal. More reports that there are others.
	Rows []Row `json:"rows"`
	More bool  `json:"more,omitempty"`
	// Between are the tickets that run and that had no row at the moment Rows was read,
	// if they were looked for: they are between two steps of a server that lives, or
	// nobody moves them on. Their keys change when they move. MoreBetween reports that there are others.
	Between     []Row `json:"between,omitempty"`
	MoreBetween bool  `json:"more_between,omitempty"`
}

// Clean puts a Reading that came from elsewhere into its bounds.
func (r *Reading) Clean() {
	if len(r.Rows) > MaxRows {
		r.Rows, r.More = r.Rows[:MaxRows], true
	}
	if len(r.Between) > MaxRows {
		r.Between, r.MoreBetween = r.Between[:MaxRows], true
	}
	for _, rows := range [][]Row{r.Rows, r.Between} {
		for i := range rows {
			rows[i].Clean()
		}
	}
}

// readJournal observes the journal if that was not done within the given time. It
// fails only when this booster's time is over.
func (c *Coordinator) readJournal(ctx context.Context, within time.Duration) error {
	c.mu.Lock()
	fresh := c.looked && time.Since(c.readAt) < within
	nobody := len(c.agents) == 0
	term := c.term
	c.mu.Unlock()
	if fresh || nobody {
		return nil
	}
	begun := time.Now()
	rctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	read, err := c.cfg.ReadJournal(rctx, false)
	return c.observe(begun, term, read, false, err)
}

// sift reads the journal together with the tickets that are between two steps. When that
// fails, nothing has changed.
func (c *Coordinator) sift(ctx context.Context) error {
	c.mu.Lock()
	term := c.term
	c.mu.Unlock()
	begun := time.Now()
	rctx, cancel := context.WithTimeout(ctx, siftTime)
	defer cancel()
	read, err := c.cfg.ReadJournal(rctx, true)
	if err != nil {
		return err
	}
	return c.observe(begun, term, read, true, nil)
}

// observe takes what was read, or why it could not be, with the tickets between two steps
// or without.
func (c *Coordinator) observe(begun time.Time, term uint64, read Reading, between bool, err error) error {
	var claims, betweenClaims [][]owners.Claim
	if err == nil && c.cfg.Claims != nil {
		claims, betweenClaims = c.cfg.Claims(read.Rows), c.cfg.Claims(read.Between)
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.look(now); !c.active || c.term != term {
		return errTermOver
	}
	c.looked, c.readAt = true, now
	if (err == nil) != (c.blind == nil) {
		if err != nil {
			c.cfg.Logger.Warn("the flow queue's journal can't be read", "error", err)
		} else {
			c.cfg.Logger.Info("the flow queue's journal can be read again")
		}
	}
	if c.blind = err; err != nil {
		return nil
	}
	c.journal.Observe(begun, now, read.Rows, claims, read.More)
	if between {
		c.between.Observe(begun, now, read.Between, betweenClaims, read.MoreBetween)
	}
	c.legacy.observed(begun, now)
	return nil
}

// read reads the journal anew, and what is between two steps if that is asked for.
func (r *round) read(ctx context.Context) error {
	if !r.sifts {
		return r.c.readJournal(ctx, poll/2)
	}
	err := r.c.sift(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, errTermOver) {
		return err
	}
	if r.unsifted++; r.unsifted == siftTries {
		r.c.cfg.Logger.Warn("it is not known which tickets are between two steps: one that stands still there for a second just now can run that step twice", "error", err)
	}
	return nil
}
