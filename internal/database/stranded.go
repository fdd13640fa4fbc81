package database

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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
	maxStranded      = 1000 // tickets that are looked at one by one
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

	step  strandedStep
	param string // the row's data_param, as it was read
	begin bool   // the row does not name itself as the ticket's first yet
}

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

// Restore writes the row of the flow queue's journal that a stranded ticket lacks, so
// that the next start of a lead server moves it on, and reports whether it did. The
// statement proves again that the ticket is stranded and has not changed. Two calls for
// the same ticket at the same moment could both write it: only who prepares a lead
// server's start may call it. It takes at most 10 s.
func (db *DB) Restore(ctx context.Context, t StrandedTicket) (bool, error) {
	if t.Why != "" {
		return false, fmt.Errorf("restore ticket %d of flow %s: %s", t.DataNo, t.Flow, t.Why)
	}
	const act = "restore a ticket's row of the flow queue's journal in"
	if t.begin {
		if _, err := db.change(ctx, act, db.strandedStatement(strandedStatements[db.target.Engine].begin, t)); err != nil {
			return false, err
		}
	}
	n, err := db.change(ctx, act, db.strandedStatement(strandedStatements[db.target.Engine].restore, t),
		db.wideText(t.step.input), db.wideText(t.param))
	return n > 0, err
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
}

// stranded looks at the flows of only, or at all if that is nil.
func (db *DB) stranded(ctx context.Context, since time.Time, only map[string]bool) ([]StrandedTicket, error) {
	r, err := db.runningTickets(ctx, since, only)
	if err != nil || len(r.rows) == 0 {
		return nil, err
	}
	// After the tickets: one that moves on meanwhile has a row by now.
	moved := mentions{}
	for _, statement := range []string{strandedStatements[db.target.Engine].journal, strandedStatements[db.target.Engine].pauses} {
		if err := db.readMentions(ctx, statement, moved); err != nil {
			return nil, err
		}
	}
	found, _, err := db.unmentioned(ctx, r, moved, nil)
	return found, err
}

// runningTickets are the tickets that run, by flow.
type runningTickets struct {
	flows map[string]*strandedFlow // all that are active, by UUID
	order []*strandedFlow
	rows  map[string][]strandedRow
}

// runningTickets reads the tickets that run of the flows of only, or of all if that is nil.
func (db *DB) runningTickets(ctx context.Context, since time.Time, only map[string]bool) (r runningTickets, err error) {
	if r.flows, r.order, err = db.strandedFlows(ctx); err != nil {
		return r, err
	}
	left := maxRunning
	r.rows = map[string][]strandedRow{}
	for _, f := range r.order {
		if f.sub || left <= 0 || only != nil && !only[f.uuid] {
			continue
		}
		rows, err := db.runningRows(ctx, f.uuid, since, left)
		if Classify(err) == NoTable {
			continue // its model was never migrated, so there are no tickets
		}
		if err != nil {
			return r, err
		}
		if left -= len(rows); len(rows) > 0 {
			r.rows[f.uuid] = rows
		}
	}
	return r, nil
}

// unmentioned returns the tickets that run and that nothing mentions. gone is told of
// those that have moved on since; nil: it does not matter. more reports that there are more
// than maxStranded.
func (db *DB) unmentioned(ctx context.Context, r runningTickets, moved mentions, gone func(StrandedTicket)) (found []StrandedTicket, more bool, err error) {
	looked := 0
	for _, f := range r.order {
		for _, row := range r.rows[f.uuid] {
			if moved.has(f.uuid, row.id) {
				continue
			}
			if looked++; looked > maxStranded {
				return found, true, nil
			}
			t, ok, waits, err := db.strandedTicket(ctx, f, row, r.flows)
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
	return found, false, nil
}

// strandedTicket reads a ticket's row if it is stranded, and makes out what it lacks. waits
// reports that it is not, since it may well wait for another ticket.
func (db *DB) strandedTicket(ctx context.Context, f *strandedFlow, r strandedRow, flows map[string]*strandedFlow) (t StrandedTicket, ok, waits bool, err error) {
	t = StrandedTicket{Flow: f.uuid, Name: f.name, DataNo: r.no, DataID: r.id}
	var param sql.NullString
	var first sql.NullInt64
	row := db.pool.QueryRowContext(ctx, db.strandedStatement(strandedStatements[db.target.Engine].ticket, t))
	switch err := row.Scan(&param, &first); {
	case err == sql.ErrNoRows:
		return t, false, false, nil
	case err != nil:
		return t, false, false, err
	}
	t.param, t.begin = param.String, !first.Valid
	lost, ok := readLost(t.param)
	if !ok {
		t.Why = "what it goes on with can't be read"
		return t, true, false, nil
	}
	engaged := flows[lost.flow]
	if engaged == nil {
		t.Why = "its flow is not active"
		return t, true, false, nil
	}
	if engaged.charts == nil {
		if err := db.readCharts(ctx, engaged); err != nil {
			return t, false, false, err
		}
	}
	t.step, t.Why, waits = lost.step(t, engaged)
	if t.Why == "" && t.begin && !lost.created() {
		t.Why = "its row does not tell the ticket's first row"
	}
	if t.Why == "" && !r.recent {
		t.Why = "it was opened and pushed on more than a day ago"
	}
	return t, !waits, waits, nil
}

// strandedFlows returns the flows by UUID, and in the order they were read in.
func (db *DB) strandedFlows(ctx context.Context) (flows map[string]*strandedFlow, order []*strandedFlow, err error) {
	rows, err := db.pool.QueryContext(ctx, limited(strandedStatements[db.target.Engine].flows, maxStrandedFlows))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	flows = map[string]*strandedFlow{}
	for n := 0; rows.Next() && n < maxStrandedFlows; n++ {
		var f strandedFlow
		var uuid, parent, name sql.NullString
		var version sql.NullInt64
		if err := rows.Scan(&f.row, &uuid, &parent, &version, &name); err != nil {
			return nil, nil, err
		}
		f.uuid = strings.ToLower(strings.ReplaceAll(uuid.String, "-", ""))
		f.sub, f.version, f.name = parent.String != "", version.Int64, name.String
		if flowForm.MatchString(f.uuid) && flows[f.uuid] == nil {
			flows[f.uuid] = &f
			order = append(order, &f)
		}
	}
	return flows, order, rows.Err()
}

func (db *DB) runningRows(ctx context.Context, flow string, since time.Time, limit int) (list []strandedRow, err error) {
	s := strandedStatements[db.target.Engine]
	statement := strings.NewReplacer("{since}", since.UTC().Format(s.times), "{table}", ticketTable(db.target.Engine, flow),
		"{window}", strconv.Itoa(strandedWindow)).Replace(s.running)
	rows, err := db.pool.QueryContext(ctx, limited(statement, limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(list) < limit {
		var r strandedRow
		var no sql.NullInt64
		var recent int
		if err := rows.Scan(&r.id, &no, &recent); err != nil {
			return nil, err
		}
		r.no, r.recent = no.Int64, recent != 0
		list = append(list, r)
	}
	return list, rows.Err()
}

// readCharts reads what a flow is made of. One that can't be read has no charts.
func (db *DB) readCharts(ctx context.Context, f *strandedFlow) error {
	statement := strings.NewReplacer("{row}", strconv.FormatInt(f.row, 10), "{most}", strconv.Itoa(maxFlowDesign)).
		Replace(strandedStatements[db.target.Engine].design)
	var text sql.NullString
	if err := db.pool.QueryRowContext(ctx, statement).Scan(&text); err != nil && err != sql.ErrNoRows {
		return err
	}
	f.charts = readCharts(text.String)
	return nil
}

// mentions are the rows of tickets that something tells of: the journal, or a pause.
type mentions map[string]bool

func (m mentions) has(flow string, id int64) bool { return m[flow+strconv.FormatInt(id, 10)] }

// In the JSON that Python writes, of a ticket and of those that it was called by.
var (
	tableMention = regexp.MustCompile(`"table_uuid": "([0-9a-f]{32})"`)
	rowMention   = regexp.MustCompile(`"data_id": "?(\d{1,18})\b`)
)

// mentioned are the keys of what the beginning of an input_param mentions: any of its
// tables with any of its rows, since one too many is only looked at later.
func mentioned(param string) (keys []string) {
	for _, table := range tableMention.FindAllStringSubmatch(param, -1) {
		for _, row := range rowMention.FindAllStringSubmatch(param, -1) {
			keys = append(keys, table[1]+row[1])
		}
	}
	return keys
}

func (m mentions) add(keys []string) {
	for _, key := range keys {
		m[key] = true
	}
}

// readMentions reads one table's, up to MaxJournalRows. Of a ticket that is not among
// them the statement that looks at it alone finds out.
func (db *DB) readMentions(ctx context.Context, statement string, m mentions) error {
	statement = strings.ReplaceAll(statement, "{head}", strconv.Itoa(maxParamHead))
	rows, err := db.pool.QueryContext(ctx, limited(statement, MaxJournalRows))
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next() && n < MaxJournalRows; n++ {
		var param sql.NullString
		if err := rows.Scan(&param); err != nil {
			return err
		}
		m.add(mentioned(param.String))
	}
	return rows.Err()
}
