package agent

import (
	"context"
	"slices"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// pausesInterval is how often it is looked for pauses that the lead server does not
	// know of.
	pausesInterval = 10 * time.Second
	// pauseLate is how late a pause is that the lead server surely does not know of: of
	// one that it knows it fires within milliseconds of its time, on a busy machine
	// within a second or two.
	pauseLate = 10 * time.Second
	// madeBefore is how long before the lead process's start, by the clock of the server
	// that made it, a pause may have been made which that process has not read.
	madeBefore = 5 * time.Second
	// toldPauses bounds how many tickets one line of the log names.
	toldPauses = 20
)

// lostPauses is what the lead server's agent knows of pauses that only a lead server's
// start ends, since they were made by other servers: see package flows. It belongs to
// the monitor's goroutine.
type lostPauses struct {
	process time.Time // the start of the lead process that it is about
	looked  time.Time
	looking bool
	after   int64 // the newest schedule that the process has read; -1: not known yet
	overdue int
	told    int64 // the newest that people were told of
}

// seekPauses looks, while the server is the lead, for pauses that are overdue.
func (m *monitor) seekPauses(ctx context.Context) {
	p, c, now := m.part, m.calendar(), time.Now()
	l := &p.pauses
	if c == nil || m.checks.Ready != health.Up || l.looking {
		return
	}
	if !l.process.Equal(m.process.Since) {
		*l = lostPauses{process: m.process.Since, looked: now, after: -1, told: l.told}
		return
	}
	if now.Sub(l.looked) < pausesInterval {
		return
	}
	l.looked, l.looking = now, true
	after, process := l.after, l.process
	p.mourning.Go(func() {
		after, pauses, err := c.overduePauses(ctx, process, after, now.Add(-pauseLate))
		select {
		case p.answers <- func() { m.foundPauses(process, after, pauses, err) }:
		case <-ctx.Done():
		}
	})
}

// overduePauses returns pauses that were due before a time and that a process which was
// started at another has not read: after is the newest that it has, -1 to find out.
func (c *calendar) overduePauses(ctx context.Context, process time.Time, after int64, due time.Time) (int64, []database.Pause, error) {
	db, err := c.data.opened()
	if err != nil {
		return after, nil, err
	}
	zone, err := c.timeZone(ctx, false)
	if err != nil {
		return after, nil, err
	}
	if after < 0 {
		if after, err = db.LastSchedule(ctx, process.Add(-madeBefore), zone); err != nil {
			return -1, nil, err
		}
	}
	pauses, err := db.OverduePauses(ctx, after, due, zone)
	return after, pauses, err
}

// foundPauses takes what was found, and tells people once of each.
func (m *monitor) foundPauses(process time.Time, after int64, pauses []database.Pause, err error) {
	l := &m.part.pauses
	if l.looking = false; !l.process.Equal(process) {
		return
	}
	l.after = after
	if err != nil {
		if database.Classify(err) != database.NoTable {
			m.log.Debug("it is not known whether tickets wait in a pause that nobody ends", "error", err)
		}
		return
	}
	l.overdue = len(pauses)
	fresh := slices.DeleteFunc(slices.Clone(pauses), func(p database.Pause) bool { return p.ID <= l.told })
	for _, p := range fresh[:min(len(fresh), toldPauses)] {
		m.log.Warn("a ticket waits in a pause that has ended, and that the lead server does not know of: its next start goes on with it",
			"flow", p.Flow, "ticket", p.DataNo, "row", p.DataID, "schedule", p.ID)
	}
	if more := len(fresh) - toldPauses; more > 0 {
		m.log.Warn("more tickets wait in a pause that has ended", "tickets", more)
	}
	for _, p := range fresh {
		l.told = max(l.told, p.ID)
	}
}

// fillPauses writes into a question how many tickets only a lead server's start moves on.
func (m *monitor) fillPauses(ask *rollout.Ask) {
	if p := m.part; p.as == rollout.Lead && p.pauses.process.Equal(m.process.Since) {
		ask.Pauses = p.pauses.overdue
	}
}

// settlePauses puts right what a process that was killed has left of pauses.
func (d *data) settlePauses(ctx context.Context, db *database.DB) error {
	settled, err := db.SettlePauses(ctx)
	for _, p := range settled.Fired {
		d.log.Warn("a pause that had ended when its server died is not ended again",
			"flow", p.Flow, "ticket", p.DataNo, "row", p.DataID, "schedule", p.ID)
	}
	for _, p := range settled.Passed {
		d.log.Warn("a step that had come to a pause when its server died is taken out of the flow queue's journal",
			"flow", p.Flow, "ticket", p.DataNo, "row", p.DataID, "schedule", p.ID)
	}
	return err
}
