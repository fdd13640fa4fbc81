package database

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// openedTickets are the newest tickets of a flow that tickets of others have opened, by
// the flow and the row of those.
type openedTickets map[string]openedTicket

type openedTicket struct {
	no     int64
	open   bool  // a row of it is neither history nor closed
	closed int64 // the row that is closed and no history, 0 for none
	recent bool
}

// openedTickets reads, once in a search, which tickets of a flow others have opened.
func (db *DB) openedTickets(ctx context.Context, flow string, around *surroundings) (openedTickets, error) {
	if known, ok := around.opened[flow]; ok {
		return known, nil
	}
	s := strandedStatements[db.target.Engine]
	statement := strings.NewReplacer("{since}", around.since.UTC().Format(s.times), "{table}", ticketTable(db.target.Engine, flow),
		"{window}", strconv.Itoa(strandedWindow)).Replace(s.opened)
	rows, err := db.pool.QueryContext(ctx, limited(statement, maxRunning))
	if Classify(err) == NoTable {
		around.opened[flow] = nil
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tickets := openedTickets{}
	for n := 0; rows.Next() && n < maxRunning; n++ {
		var id int64
		var no sql.NullInt64
		var history, closed, recent int
		var head sql.NullString
		if err := rows.Scan(&id, &no, &history, &closed, &recent, &head); err != nil {
			return nil, err
		}
		if by := openerOf(head.String); by.valid() {
			tickets.add(by, no.Int64, id, history != 0, closed != 0, recent != 0)
		}
	}
	around.opened[flow] = tickets
	return tickets, rows.Err()
}

// add takes a row of a ticket. Numbers are given out in order: of a ticket's the highest
// is the one that it waits for.
func (o openedTickets) add(by Ticket, no, id int64, history, closed, recent bool) {
	key := by.Flow + strconv.FormatInt(by.Row, 10)
	t := o[key]
	if no < t.no {
		return
	}
	if no > t.no {
		t = openedTicket{no: no}
	}
	switch {
	case history:
	case !closed || t.closed != 0: // two closed rows: it can't be told which one goes on
		t.open = true
	default:
		t.closed, t.recent = id, recent
	}
	o[key] = t
}

// closedFor returns the ticket that one waits for, and whether that has closed.
func (o openedTickets) closedFor(t StrandedTicket) (openedTicket, bool) {
	opened := o[t.Flow+strconv.FormatInt(t.DataID, 10)]
	return opened, !opened.open && opened.closed != 0
}

// openerOf makes out the opener from the beginning of a member outflow_content.
func openerOf(head string) (t Ticket) {
	object := len(openerMember) - len("{")
	if !strings.HasPrefix(head, openerMember) {
		return Ticket{}
	}
	o := jsonscan.Scan([]byte(head[object:]))
	for o.Next() {
		t.member(o.Key, o.Value)
	}
	return t
}

// relateWaiting finds out whether the ticket that one waits for has closed, and its
// server was killed before it went on with this one: then its end comes once more.
func (db *DB) relateWaiting(ctx context.Context, t *StrandedTicket, name string, all runningTickets) (ended, recent bool, err error) {
	for _, f := range all.order {
		if f.sub || f.name != name || name == "" {
			continue
		}
		tickets, err := db.openedTickets(ctx, f.uuid, all.around)
		if err != nil {
			return false, false, err
		}
		o, ok := tickets.closedFor(*t)
		if !ok {
			continue
		}
		row, err := db.ticketRow(ctx, f.uuid, o.closed)
		if err != nil {
			return false, false, err
		}
		l, ok := readLost(row.param)
		if err := db.readCharts(ctx, f); err != nil {
			return false, false, err
		}
		if !ok || l.flow != f.uuid || l.table != f.uuid || l.dataID != o.closed || l.to != "" || f.charts[l.from].kind != kindEnd ||
			l.has["content"] || l.has["preflow_content"] {
			continue
		}
		// The other flow's row, in this ticket's place: as it names this one, too, it
		// proves that this has it.
		t.step = mainStep(f, strconv.FormatInt(o.closed, 10), l.from, l.rewrite(l.kept(map[string]string{})))
		return true, o.recent, nil
	}
	return false, false, nil
}

// waitsForClosed reports whether the ticket that one waits for has closed, whatever it
// has come to. It is false where that is not among the newest rows of its flow: its opener
// may wait for days, and each start of a lead server would wait for it as well.
func (db *DB) waitsForClosed(ctx context.Context, t StrandedTicket, name string, all runningTickets) (bool, error) {
	for _, f := range all.order {
		if f.sub || f.name != name || name == "" {
			continue
		}
		tickets, err := db.openedTickets(ctx, f.uuid, all.around)
		if err != nil {
			return false, err
		}
		if _, ok := tickets.closedFor(t); ok {
			return true, nil
		}
	}
	return false, nil
}

const whyOpenerGone = "another ticket has opened it, and has gone on since"

// relateOpened is for a ticket that another one has opened and that was not queued. The
// other's row of the journal is there until this one's is.
func (db *DB) relateOpened(ctx context.Context, t *StrandedTicket, l *lostData, all runningTickets) error {
	around := all.around
	if t.Why != "" {
		return nil
	}
	o, ok := l.opener()
	if !ok || o.dataID == 0 {
		t.Why = whyUnread
		return nil
	}
	row := o.dataID
	if o.has["async_main_ticket_id"] {
		row = o.number("async_main_ticket_id")
	}
	from := o.from
	if from == "" {
		from = "None"
	}
	before := o.flow + strconv.FormatInt(row, 10) + from
	if _, ok := around.queued[before]; ok {
		t.passed = before
	}
	tickets, err := db.openedTickets(ctx, t.Flow, around)
	if err != nil {
		return err
	}
	if tickets[o.table+strconv.FormatInt(o.dataID, 10)].no != t.DataNo {
		t.Why = whyOpenerGone
		return nil
	}
	opener := StrandedTicket{Flow: o.table, DataID: o.dataID}
	statement := strings.ReplaceAll(strandedStatements[db.target.Engine].opener, "{passed}", before)
	var param sql.NullString
	err = db.pool.QueryRowContext(ctx, db.strandedStatement(statement, opener)).Scan(&param)
	if err != nil && err != sql.ErrNoRows && Classify(err) != NoTable {
		return err
	}
	if now, ok := readLost(param.String); err != nil || !ok || now.to != o.to || now.flow != o.flow || now.dataNo != o.dataNo {
		t.Why = whyOpenerGone
		return nil
	}
	f := all.flows[o.flow]
	if !o.has["async_main_ticket_id"] || f == nil {
		return nil
	}
	// It was opened at the first step of a branch: the branches after that are not begun.
	if err := db.readCharts(ctx, f); err != nil {
		return err
	}
	if c := f.charts[o.from]; c.kind == kindAsync {
		others, ok := after(c.next, o.to)
		if ok {
			t.branches, ok = o.begin(f, row, o.from, o.text("collection_uuid"), others)
		}
		if !ok {
			t.Why = whyBranches
		}
	}
	return nil
}
