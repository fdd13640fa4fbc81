package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/owners"
)

var (
	errNoDatabase = errors.New("this agent does not know the database")
	// errNotOpen: the database's address was not found out yet.
	errNotOpen = errors.New("the database's address is not known yet")
)

// opened returns the database, or why there is none to ask.
func (d *data) opened() (*database.DB, error) {
	if d == nil {
		return nil, errNoDatabase
	}
	db := d.db.Load()
	if db == nil {
		return nil, errNotOpen
	}
	return db, nil
}

// journal reads the flow queue's journal.
func (d *data) journal(ctx context.Context) (rollout.Reading, error) {
	db, err := d.opened()
	if err != nil {
		return rollout.Reading{}, err
	}
	j, err := db.Journal(ctx, rollout.MaxRows)
	if err != nil {
		return rollout.Reading{}, err
	}
	return reading(j), nil
}

// unfinished reads the journal, and which tickets are between two steps.
func (d *data) unfinished(ctx context.Context) (rollout.Reading, error) {
	db, err := d.opened()
	if err != nil {
		return rollout.Reading{}, err
	}
	u, err := db.Unfinished(ctx, rollout.MaxRows)
	if err != nil {
		return rollout.Reading{}, err
	}
	read := reading(u.Journal)
	read.MoreBetween = u.More
	for _, b := range u.Between {
		read.Between = append(read.Between, rollout.Row{
			Key: fmt.Sprint(b.Flow, " ", b.Row, " ", b.State), Ticket: owners.Ticket(b.Ticket), Opener: owners.Ticket(b.Opener), Unsure: b.Unsure,
		})
	}
	return read, nil
}

func reading(j database.Journal) rollout.Reading {
	rows := make([]rollout.Row, len(j.Rows))
	for i, r := range j.Rows {
		rows[i] = rollout.Row{ID: r.ID, Key: r.QueueID, Ticket: owners.Ticket(r.Ticket), Opener: owners.Ticket(r.Opener), Unsure: r.Unsure}
	}
	return rollout.Reading{Rows: rows, More: j.Count > int64(len(rows))}
}

// removeEnded takes out of the flow queue's journal what a process that was killed had
// ended and not deleted, so that a lead server's start does not run it again. It may
// run at any time: see database.RemoveEnded.
func (d *data) removeEnded(ctx context.Context) error {
	db, err := d.opened()
	if err != nil {
		return err
	}
	removed, mended, err := db.RemoveEnded(ctx)
	for _, s := range removed {
		d.log.Warn("a step that had ended when its server died is taken out of the flow queue's journal",
			"flow", s.Flow, "ticket", s.DataNo, "row", s.DataID, "journal", s.Row.ID)
	}
	for _, t := range mended {
		d.log.Info("a step that a start would have taken up wrongly is put right in the flow queue's journal",
			"flow", t.Flow, "ticket", t.No, "row", t.Row)
	}
	return errors.Join(err, d.settlePauses(ctx, db))
}

// mourn looks for what a process has left in the journal, and beside it, once it is seen
// to have ended: pid is that of the process that runs now, 0 for none. An agent that has
// just begun, and finds none, takes it that one has ended before.
func (m *monitor) mourn(ctx context.Context, pid int) {
	p, d := m.part, m.data
	if _, err := d.opened(); err != nil && !p.begun && pid == 0 {
		return // what may have ended is looked for as soon as there is a database
	}
	before, first := p.pid, !p.begun
	p.pid, p.begun = pid, true
	if before != 0 && before != pid {
		started := time.Time{}
		if pid != 0 {
			started = m.process.Since
		}
		m.losses.ended(time.Now(), started)
	}
	if ended := before != 0 && before != pid || first && pid == 0; !ended || d == nil {
		return
	}
	m.seekStranded(ctx)
	p.mourning.Go(func() {
		if err := d.removeEnded(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, database.ErrNoJournal) {
			d.log.Debug("what the server has left in the flow queue's journal is not known", "error", err)
		}
	})
}
