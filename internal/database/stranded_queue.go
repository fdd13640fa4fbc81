package database

import (
	"context"
	"strconv"
	"strings"
)

// queueRead is the journal as it was read: what the beginnings of its rows mention. A
// statement that looks through all of each row's text for each of many tickets takes seconds,
// so it looks through those rows alone that are longer than that, and the journal is read
// once more after it.
type queueRead struct {
	mentions mentions
	longer   []int64 // rows that were not read to their end
	all      bool    // there are no other rows
}

// maxLonger is how many rows are named in a statement: Oracle takes 1,000 (ORA-01795).
const maxLonger = 500

// readQueue reads the journal as readJournal does.
func (db *DB) readQueue(ctx context.Context, limit int) (Journal, *queueRead, error) {
	j, steps, err := db.readJournal(ctx, limit)
	if err != nil {
		return j, nil, err
	}
	q := &queueRead{mentions: mentions{}, all: len(j.Rows) < limit}
	for key, s := range steps {
		q.mentions.add(s.mentions)
		if s.longer {
			q.longer = append(q.longer, key.id)
		}
	}
	return j, q, nil
}

// unread narrows down which rows are still to be looked through. among is an engine's SQL
// for that; where q is nil, or does not know all that are there, it is all rows.
func (q *queueRead) unread(among string) string {
	if q == nil || !q.all || len(q.longer) > maxLonger {
		return ""
	}
	ids := []string{"0"} // which no row has
	for _, id := range q.longer {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return strings.ReplaceAll(among, "{rows}", strings.Join(ids, ","))
}

// unnamed leaves out the tickets that the journal mentions now: proved has not looked for
// them in rows that have come since the journal was read. gone is told of them; nil: it does
// not matter.
func (db *DB) unnamed(ctx context.Context, found []StrandedTicket, limit int, gone func(StrandedTicket)) (still []StrandedTicket, err error) {
	if len(found) == 0 {
		return nil, nil
	}
	_, now, err := db.readQueue(ctx, limit)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		switch {
		case !now.mentions.has(t.Flow, t.DataID):
			still = append(still, t)
		case gone != nil:
			gone(t)
		}
	}
	return still, nil
}
