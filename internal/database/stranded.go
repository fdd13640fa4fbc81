package database

import (
	"context"
	"slices"
	"time"
)

// Bounds of one look for stranded tickets. The newest rows of a flow's table are looked
// at: a row is made whenever a ticket is opened or comes to a form, so that one which
// moves by itself is among them. The primary key bounds the cost however long the table
// is: 30 ms for a table of 100,000 rows and 73 MB, against 150 ms for all of it, measured
// on PostgreSQL 15 on a busy machine of two cores.
const (
	maxStrandedFlows = 2000
	strandedWindow   = 20_000
	maxRunning       = 10_000
	maxStranded      = 1000 // tickets that the proof is asked for
	strandedBatch    = 100  // as many of them in one statement
	maxDataParam     = 200_000
	maxFlowDesign    = 250_000
)

// strandedAge is how long ago a ticket may have been opened or pushed on by a person and
// still be restored: after a longer time nobody waits for it any more, and what it does
// by itself could surprise. 36 hours, so that a day is left in every time zone: but on
// PostgreSQL OMFLOW writes times without one.
const strandedAge = 36 * time.Hour

// StrandedTicket is a ticket that no server moves on, and no start of one will: it is
// running, and the flow queue's journal has no row of it. It can be compared: one that
// has not changed between two looks is equal.
type StrandedTicket struct {
	// Flow is the UUID of the ticket's flow, as 32 hexadecimal digits, Name its name.
	Flow, Name string
	// DataNo is the ticket's number, DataID its row.
	DataNo, DataID int64
	// Why says what keeps the ticket from being restored; it is empty for one that
	// [DB.Restore] can be given.
	Why string

	strandedPlan
	ended bool   // the ticket that it waits for has closed, see Unfinished
	param string // the row's data_param, as it was read
	begin bool   // the row does not name itself as the ticket's first yet
	proof proof  // how it is proved
}

// proof is how it is proved that a ticket is stranded.
type proof uint8

const (
	// proofRuns: its row runs, and nothing mentions it.
	proofRuns proof = iota
	// proofPast: its newest row is history, and not closed, and nothing mentions it.
	proofPast
	// proofBranch: it is at the first step of a branch, with others that come after it,
	// and its row is the ticket's newest.
	proofBranch
	// proofForm: the same, and that step is a form.
	proofForm
	proofsCount
)

// Stranded looks for stranded tickets of the flows that are deployed and active. A
// server that lives leaves a ticket like that for some milliseconds between two steps:
// so one that was found once proves nothing. It looks at the newest 20,000 rows of each
// of 2,000 flows, at most 10,000 of them that run, and in at most 10 s. The error is of
// kind [NoTable] where OMFLOW has no tables.
func (db *DB) Stranded(ctx context.Context) ([]StrandedTicket, error) {
	var found []StrandedTicket
	err := db.call(ctx, "look for stranded tickets in", func(ctx context.Context) (err error) {
		found, err = db.stranded(ctx, time.Now().Add(-strandedAge), nil)
		return err
	})
	return found, err
}

// StillStranded returns those of the tickets that have not changed since Stranded found
// them. It looks at their flows alone, so that looking again costs little however many
// there are. It takes at most 10 s.
func (db *DB) StillStranded(ctx context.Context, tickets []StrandedTicket) (still []StrandedTicket, err error) {
	only := make(map[string]bool)
	for _, t := range tickets {
		only[t.Flow] = true
	}
	err = db.call(ctx, "look again for stranded tickets in", func(ctx context.Context) error {
		found, err := db.stranded(ctx, time.Now().Add(-strandedAge), only)
		if err != nil {
			return err
		}
		same := make(map[StrandedTicket]bool, len(found))
		for _, t := range found {
			same[t] = true
		}
		still = nil
		for _, t := range tickets {
			if same[t] {
				still = append(still, t)
			}
		}
		return nil
	})
	return still, err
}

// strandedFlow is a flow that is deployed and active, by its newest row.
type strandedFlow struct {
	row     int64
	uuid    string
	sub     bool // a subflow: its tickets are the main flow's
	version int64
	name    string
	charts  map[string]flowChart // by id; nil until they were read, empty if they can't be
}

// strandedRow is a row that runs, of a flow's table.
type strandedRow struct {
	id, no int64
	recent bool
	branch bool // it may be at the first step of a branch
}

// stranded looks at the flows of only, or at all if that is nil.
func (db *DB) stranded(ctx context.Context, since time.Time, only map[string]bool) ([]StrandedTicket, error) {
	r, err := db.runningTickets(ctx, since, only)
	if err != nil {
		return nil, err
	}
	r.around = &surroundings{since: since, opened: map[string]openedTickets{}}
	ended := runningTickets{flows: r.flows, order: r.order, proof: proofPast, around: r.around}
	if ended.rows, err = db.strandedRows(ctx, r.order, strandedStatements[db.target.Engine].ended, since, only); err != nil {
		return nil, err
	}
	if len(r.rows) == 0 && len(ended.rows) == 0 {
		return nil, nil
	}
	// After the tickets: one that moves on meanwhile has a row by now.
	moved := mentions{}
	if r.around.queued, err = db.readQueued(ctx, moved); err != nil {
		return nil, err
	}
	if err := db.readMentions(ctx, strandedStatements[db.target.Engine].pauses, moved); err != nil {
		return nil, err
	}
	_, q, err := db.readQueue(ctx, MaxJournalRows)
	if err != nil {
		return nil, err
	}
	moved.take(q.mentions)
	found, _, err := db.unmentioned(ctx, r, moved, q, nil)
	if err != nil {
		return nil, err
	}
	past, _, err := db.unmentioned(ctx, ended, moved, q, nil)
	if err != nil {
		return nil, err
	}
	still, err := db.unnamed(ctx, slices.Concat(found, past), MaxJournalRows, nil)
	if err != nil {
		return nil, err
	}
	unbegun, err := db.unbegun(ctx, r, ended)
	return append(still, unbegun...), err
}

// runningTickets are the tickets that run, by flow.
type runningTickets struct {
	flows map[string]*strandedFlow // all that are active, by UUID
	order []*strandedFlow
	rows  map[string][]strandedRow
	// around is what is known beside these rows.
	around *surroundings
	// proof is what they are looked at for: that of proofPast don't run.
	proof proof
}

// runningTickets reads the tickets that run of the flows of only, or of all if that is nil.
func (db *DB) runningTickets(ctx context.Context, since time.Time, only map[string]bool) (r runningTickets, err error) {
	if r.flows, r.order, err = db.strandedFlows(ctx); err != nil {
		return r, err
	}
	r.proof = proofRuns
	r.rows, err = db.strandedRows(ctx, r.order, strandedStatements[db.target.Engine].running, since, only)
	return r, err
}

// strandedRows reads rows by a statement, of the flows of only, or of all if that is nil.
func (db *DB) strandedRows(ctx context.Context, flows []*strandedFlow, statement string, since time.Time, only map[string]bool) (map[string][]strandedRow, error) {
	left, all := maxRunning, map[string][]strandedRow{}
	for _, f := range flows {
		if f.sub || left <= 0 || only != nil && !only[f.uuid] {
			continue
		}
		rows, err := db.flowRows(ctx, f.uuid, statement, since, left)
		if Classify(err) == NoTable {
			continue // its model was never migrated, so there are no tickets
		}
		if err != nil {
			return nil, err
		}
		if left -= len(rows); len(rows) > 0 {
			all[f.uuid] = rows
		}
	}
	return all, nil
}

// unmentioned returns the tickets that run and that nothing mentions. gone is told of
// those that have moved on since; nil: it does not matter. Of rows that have come since q was
// read it knows nothing: see unnamed. more reports that there are more than maxStranded.
func (db *DB) unmentioned(ctx context.Context, r runningTickets, moved mentions, q *queueRead, gone func(StrandedTicket)) (found []StrandedTicket, more bool, err error) {
	left := maxStranded
	for _, f := range r.order {
		var rows []strandedRow
		for _, row := range r.rows[f.uuid] {
			if !moved.has(f.uuid, row.id) && !(row.branch && r.proof == proofPast) {
				rows = append(rows, row)
			}
		}
		more = len(rows) > left
		rows = rows[:min(len(rows), left)]
		left -= len(rows)
		for batch := range slices.Chunk(rows, strandedBatch) {
			held, err := db.proved(ctx, f.uuid, r.proof, batch, q)
			if err != nil {
				return nil, false, err
			}
			for _, row := range batch {
				t, ok, waits, err := db.strandedTicket(ctx, f, row, held, r)
				switch {
				case err != nil:
					return nil, false, err
				case ok:
					found = append(found, t)
				case !waits && gone != nil:
					gone(t)
				}
			}
		}
		if more {
			break
		}
	}
	return found, more, nil
}

const whyUnread = "what it goes on with can't be read"

// strandedTicket makes out what a ticket lacks, if it is stranded: held are the rows of which
// that is proved. waits reports that it is not, since it may well wait for another ticket.
func (db *DB) strandedTicket(ctx context.Context, f *strandedFlow, row strandedRow, held map[int64]provedRow, r runningTickets) (t StrandedTicket, ok, waiting bool, err error) {
	t = StrandedTicket{Flow: f.uuid, Name: f.name, DataNo: row.no, DataID: row.id, proof: r.proof}
	own, ok := held[row.id]
	if !ok {
		return t, false, false, nil
	}
	t.param, t.begin = own.param, own.begin
	lost, ok := readLost(t.param)
	if !ok {
		// A row in which branches have met holds it in Python's own notation.
		if text, is := pythonJSON(t.param); is {
			lost, ok = readLost(text)
			lost.gathered = true
		}
	}
	if !ok && t.proof == proofPast {
		return t, false, false, nil // it may have ended in its own way
	}
	if !ok {
		t.Why = whyUnread
		return t, true, false, nil
	}
	engaged := r.flows[lost.flow]
	if engaged == nil && t.proof == proofPast {
		return t, false, false, nil
	}
	if engaged == nil {
		t.Why = "its flow is not active"
		return t, true, false, nil
	}
	if err := db.readCharts(ctx, engaged); err != nil {
		return t, false, false, err
	}
	var rel relation
	if t.proof == proofPast {
		again := lost.branches(r.around, engaged) // all branches are made anew
		if t.strandedPlan, t.Why, ok = lost.pastPlan(t, engaged); !ok || again {
			return t, false, false, nil
		}
	} else {
		t.strandedPlan, t.Why, rel = lost.plan(t, engaged)
	}
	recent := row.recent
	switch {
	case rel == relWaits && r.around.queued == nil:
		if t.ended, err = db.waitsForClosed(ctx, t, engaged.charts[lost.to].calls, r); err != nil {
			return t, false, false, err
		}
		if t.ended {
			rel = relNone
		}
	case rel != relNone && r.around.queued != nil:
		if rel, recent, err = db.relate(ctx, &t, &lost, engaged, rel, recent, r); err != nil {
			return t, false, false, err
		}
	}
	if rel == relWaits {
		return t, false, true, nil
	}
	switch {
	case t.Why != "":
	case t.begin && !lost.created():
		t.Why = "its row does not tell the ticket's first row"
	case !recent:
		t.Why = "it was opened and pushed on more than a day ago"
	}
	return t, true, false, nil
}
