package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// errMoved: a ticket is not stranded any more, or not as it was.
var errMoved = errors.New("the ticket has moved on")

// Restore writes what the flow queue's journal lacks of a stranded ticket, so that the
// next start of a lead server moves it on, and reports whether it did: in one
// transaction, whose statements prove again that the ticket is stranded and has not
// changed. Two calls for the same ticket at the same moment could both write it: only who
// prepares a lead server's start may call it. It takes at most 10 s.
func (db *DB) Restore(ctx context.Context, t StrandedTicket) (bool, error) {
	if t.Why != "" {
		return false, fmt.Errorf("restore ticket %d of flow %s: %s", t.DataNo, t.Flow, t.Why)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := db.restore(ctx, t)
	if errors.Is(err, errMoved) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("restore a ticket in %s at %s: %w", db.dialect.title, db.target.Address(), err)
	}
	return true, nil
}

// Does words what Restore does for the ticket.
func (t StrandedTicket) Does() string {
	switch {
	case t.spare && t.branches[0].method == "":
		return "its row is made history, for the journal makes it anew"
	case t.spare:
		return "its row is made history, and its branch and those after it are begun anew"
	case t.branches[0].method != "" && t.step.method == "":
		return "the branches that its server had not begun are put into the journal"
	case t.branches[0].method != "":
		return "its step, and the branches that its server had not begun, are put into the journal"
	}
	return "its step is put into the journal"
}

func (db *DB) restore(ctx context.Context, t StrandedTicket) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	s := strandedStatements[db.target.Engine]
	if t.begin {
		if _, err := tx.ExecContext(ctx, db.strandedStatement(s.begin, t)); err != nil {
			return err
		}
	}
	for _, queue := range strings.Fields(t.passed) {
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(s.passed, "{queue}", queue)); err != nil {
			return err
		}
	}
	// The ticket's own row last: it is what the proof looks for.
	for _, step := range append(t.branches[:], t.step) {
		if step.method == "" {
			continue
		}
		row := t
		row.step = step
		if err := one(tx.ExecContext(ctx, db.strandedStatement(s.restore, row), db.wideText(step.input), db.wideText(t.param))); err != nil {
			return err
		}
	}
	if t.spare {
		if err := one(tx.ExecContext(ctx, db.strandedStatement(s.spare, t), db.wideText(t.param))); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// one makes an error of a statement that has not changed one row.
func one(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errMoved)
	}
	return nil
}
