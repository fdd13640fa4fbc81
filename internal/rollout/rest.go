package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// restLooks is how many times in a row the journal must be found at rest. OMFLOW
	// deletes a ticket's row before it writes that of the next step, so that between two
	// steps the ticket has none for a moment.
	restLooks = 3
	// siftLooks takes its place where tickets between two steps are looked for as well:
	// one that is seen nowhere by both has neither been there, nor been opened and queued
	// by another between them.
	siftLooks = 2
	// siftTries is how many times that may fail before it is done without.
	siftTries = 2
	// StrandedTime is how long a ticket must stand between two steps to count as one that
	// nobody moves on, when it is not known whose it is. A server that lives needs about
	// 12 ms (measured on OMFLOW 1.1.0.0 on an idle machine).
	StrandedTime = 4 * time.Second
	// StalledTime takes its place when it is known to be a living server's, which stands
	// still, or waits for the database, right then: longer than a database's restart.
	StalledTime = 30 * time.Second
)

// errNoRest tells that the flow queue does not come to rest.
var errNoRest = errors.New("the flow queue does not come to rest")

// atRest waits for the flow queue to be at rest, however long that takes.
func (r *round) atRest(ctx context.Context) error {
	for told := false; ; told = true {
		err := r.still(ctx, &rest{between: true})
		if err == nil || ctx.Err() != nil || !errors.Is(err, errNoRest) {
			return err
		}
		if r.hold(false); !told {
			r.c.cfg.Logger.Warn("the lead server can't be started yet", "error", err)
		}
	}
}

// still holds work, and waits until nothing is left that a living server may be working
// on. Work stays held then. It is not held for longer than holdTime at once: not for a
// long step, nor for a request that takes its time.
func (r *round) still(ctx context.Context, w *rest) error {
	c := r.c
	w.round, w.begun = r, time.Now()
	r.sifted = false
	c.mu.Lock()
	if w.begun.Sub(c.between.Read()) > holdTime {
		c.between = Journal{} // another moment's: a ticket may have come to the same place again
	}
	c.mu.Unlock()
	const what = "the flow queue to be at rest"
	err := r.until(ctx, restTime, what, w.reached)
	r.sifts = false
	if errors.Is(err, errLate) {
		return fmt.Errorf("%w: %w; servers that live may have %d rows of the journal and %d tickets between two steps", errNoRest, err, w.rows, w.stand)
	}
	return err
}

// rest is a wait for the flow queue to be at rest.
type rest struct {
	*round
	// without is left out: a server whose flow queue stands still, or "".
	without string
	// between: a ticket between two steps counts, too.
	between bool

	begun           time.Time
	held, calm, let time.Time // since when work is held; is held and at no server; isn't held again
	looks           looks
	// rows and stand are how many rows, and tickets between two steps, a living server may
	// have had last.
	rows, stand int
}

// reached reports whether the flow queue is at rest now. The caller holds c.mu.
func (w *rest) reached(now time.Time) bool {
	c := w.c
	rule := c.rule(now, c.born(now, w.without), w.without)
	v := c.journal.Judge(now, rule)
	w.rows, w.sifts = v.Young+v.Busy, false
	if w.held.IsZero() {
		if now.Sub(w.let) >= emptyTime && (c.blind != nil || v.Busy == 0 && !c.journal.Read().Before(w.begun)) {
			w.held, c.orders.Hold = now, true
		}
		return false
	}
	switch {
	case !w.held.Before(c.doorsAt) || c.doors.Working > 0:
		w.calm = time.Time{}
	case w.calm.IsZero():
		w.calm = now
	}
	if !w.calm.IsZero() {
		if c.blind != nil && now.Sub(w.calm) >= BlindTime {
			return true
		}
		if c.blind == nil && w.empty(now, v.Rest() && !c.journal.Read().Before(w.calm), rule) {
			return true
		}
	}
	if now.Sub(w.held) > holdTime && (c.blind == nil || w.calm.IsZero()) {
		w.held, w.calm, w.let, c.orders.Hold = time.Time{}, time.Time{}, now, false
	}
	return false
}

// empty reports whether the journal was found at rest often enough, and tickets between
// two steps with it.
func (w *rest) empty(now time.Time, rest bool, rule Rule) bool {
	c := w.c
	read := c.journal.Read()
	if !w.between || w.unsifted >= siftTries {
		return w.looks.see(read, rest) >= restLooks
	}
	w.sifts = rest // the next time they are looked for
	if rest && !c.between.Read().Equal(read) {
		return false // they were not this time
	}
	rule.Quiet = c.stands
	stand := c.between.Judge(now, rule)
	w.stand = stand.Young + stand.Busy
	if w.looks.see(read, rest && stand.Rest()) < siftLooks {
		return false
	}
	w.sifted = true
	return true
}

// stands is how long a ticket must stand between two steps to count as one that nobody
// moves on.
func (c *Coordinator) stands(fate Fate) time.Duration {
	switch fate {
	case Dead:
		return 0
	case Unknown:
		return StrandedTime
	}
	return StalledTime
}

// looks counts the readings of a journal, one after the other, that found it at rest.
type looks struct {
	n    int
	read time.Time
}

// see takes a reading, which may be the same as before, and returns how many there are.
func (l *looks) see(read time.Time, rest bool) int {
	switch {
	case !rest:
		*l = looks{read: read}
	case read.After(l.read):
		l.n, l.read = l.n+1, read
	}
	return l.n
}
