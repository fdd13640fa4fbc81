package database

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
)

// maxLater bounds how many rows of one ticket are looked at.
const maxLater = 100

// surroundings is what a search knows beside the rows of the tickets themselves.
type surroundings struct {
	since time.Time // what was touched after it is recent
	// queued is the journal; nil: each ticket is judged by its own row, but for whether the
	// one that it waits for has closed.
	queued map[string]EndedStep
	opened map[string]openedTickets // by flow, of those that were asked for
}

// relate completes the plan of a ticket that its own row does not tell. It returns what
// is so now: relWaits for a ticket that is to be left as it is.
func (db *DB) relate(ctx context.Context, t *StrandedTicket, l *lostData, f *strandedFlow, r relation, recent bool, all runningTickets) (relation, bool, error) {
	var err error
	switch around := all.around; r {
	case relWaits:
		var ended bool
		if ended, recent, err = db.relateWaiting(ctx, t, f.charts[l.to].calls, all); ended {
			r = relNone
		}
	case relOpened:
		err = db.relateOpened(ctx, t, l, all)
	case relBranched:
		err = db.relateBranch(ctx, t, l, f, around)
	case relCopied:
		err = db.relateCopy(ctx, t, l, f, around)
	case relGathered:
		err = db.relateGathered(ctx, t, l, around)
	}
	return r, recent, err
}

// ticketRow is a row of a ticket.
type ticketRow struct {
	param           string
	history, failed bool
}

// ticketRow reads a row of a ticket; none is an empty one.
func (db *DB) ticketRow(ctx context.Context, flow string, id int64) (r ticketRow, err error) {
	var param sql.NullString
	var history, failed int
	statement := db.strandedStatement(strandedStatements[db.target.Engine].row, StrandedTicket{Flow: flow, DataID: id})
	if err := db.pool.QueryRowContext(ctx, statement).Scan(&param, &history, &failed); err != nil && err != sql.ErrNoRows {
		return r, err
	}
	return ticketRow{param.String, history != 0, failed != 0}, nil
}

// laterRows reads what a ticket's rows hold that are newer than one, without its own.
func (db *DB) laterRows(ctx context.Context, t StrandedTicket, after int64) (params []string, err error) {
	statement := strings.NewReplacer("{after}", strconv.FormatInt(after, 10), "{no}", strconv.FormatInt(t.DataNo, 10)).
		Replace(strandedStatements[db.target.Engine].later)
	rows, err := db.pool.QueryContext(ctx, limited(db.strandedStatement(statement, t), maxLater))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(params) < maxLater {
		var param sql.NullString
		if err := rows.Scan(&param); err != nil {
			return nil, err
		}
		params = append(params, param.String)
	}
	return params, rows.Err()
}
