package agent

import (
	"context"
	"errors"

	"github.com/omflow/booster/internal/database"
)

// errNotOpen: the database's address was not found out yet.
var errNotOpen = errors.New("the database's address is not known yet")

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

// removeEnded takes out of the flow queue's journal what a process that was killed had
// ended and not deleted, so that a lead server's start does not run it again. It may
// run at any time: see database.RemoveEnded.
func (d *data) removeEnded(ctx context.Context) error {
	db, err := d.opened()
	if err != nil {
		return err
	}
	removed, err := db.RemoveEnded(ctx)
	for _, s := range removed {
		d.log.Warn("a step that had ended when its server died is taken out of the flow queue's journal",
			"flow", s.Flow, "ticket", s.DataNo, "row", s.DataID, "journal", s.Row.ID)
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
