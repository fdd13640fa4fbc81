package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// MaxJournalRows bounds what [DB.Journal] returns at once.
const MaxJournalRows = 10_000

// ErrNoJournal says that the database has no flow queue: OMFLOW's tables were
// not created in it yet (manage.py migrate), or the account may not see them.
var ErrNoJournal = errors.New("no table " + journalTable + ": OMFLOW's tables are not in this database yet")

// JournalRow is one step of a flow that is queued or runs.
type JournalRow struct {
	// ID grows with each row, but may begin anew in an empty table when the database was
	// restarted; a row is never changed, only deleted.
	ID int64
	// QueueID is what OMFLOW made of flow, ticket and step, at most 256
	// characters of it; empty when there is none.
	QueueID string
	// Ticket is the ticket that the step belongs to, if the row says so.
	Ticket Ticket
	// Opener is the ticket of another flow that has opened this one and waits for it, if
	// the row says so.
	Opener Ticket
	// Unsure is true when whoever has ended another ticket may go on with this one, or
	// the row is too long to be read to where that stands.
	Unsure bool
}

// Journal is what OMFLOW's flow queue has not finished.
type Journal struct {
	// Rows are the oldest rows, by ID.
	Rows []JournalRow
	// Count is how many rows there are in all. It may differ from the moment
	// of Rows when there are more than were asked for.
	Count int64
}

// Journal reads at most limit rows, 1 to MaxJournalRows, of the flow queue's
// journal. It takes at most 10 s. The error wraps [ErrNoJournal] when there is
// no such table.
func (db *DB) Journal(ctx context.Context, limit int) (j Journal, err error) {
	if err := checkLimit(limit); err != nil {
		return Journal{}, err
	}
	err = db.call(ctx, "read the flow queue's journal in", func(ctx context.Context) error {
		j, _, err = db.readJournal(ctx, limit)
		return err
	})
	if err = journalError(err); err != nil {
		return Journal{}, err
	}
	return j, nil
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxJournalRows {
		return fmt.Errorf("read the flow queue's journal: limit %d: must be from 1 to %d", limit, MaxJournalRows)
	}
	return nil
}

func journalError(err error) error {
	if Classify(err) == NoTable {
		return fmt.Errorf("%w (%w)", ErrNoJournal, err)
	}
	return err
}

// readJournal reads the journal, and returns what its rows are about, too.
func (db *DB) readJournal(ctx context.Context, limit int) (j Journal, steps map[journalKey]step, err error) {
	if j.Rows, err = db.journalRows(ctx, limit); err != nil {
		return j, nil, err
	}
	if steps, err = db.tickets(ctx, j.Rows); err != nil {
		return j, nil, err
	}
	if j.Count = int64(len(j.Rows)); len(j.Rows) < limit {
		return j, steps, nil
	}
	var count int64
	if err := db.pool.QueryRowContext(ctx, db.dialect.sql.count).Scan(&count); err != nil {
		return j, nil, err
	}
	j.Count = max(j.Count, count) // rows may have been deleted since
	return j, steps, nil
}

func (db *DB) journalRows(ctx context.Context, limit int) (rows []JournalRow, err error) {
	result, err := db.pool.QueryContext(ctx, limited(db.dialect.sql.journal, limit))
	if err != nil {
		return nil, err
	}
	defer result.Close()
	for result.Next() {
		var row JournalRow
		var queue sql.NullString
		if err := result.Scan(&row.ID, &queue); err != nil {
			return nil, err
		}
		row.QueueID = queueID(queue)
		if rows = append(rows, row); len(rows) == limit {
			break // whatever the statement says, no more than that is kept
		}
	}
	return rows, result.Err()
}

// queueID is a queue_id as it was read.
func queueID(read sql.NullString) string { return strings.ToValidUTF8(read.String, "\uFFFD") }
