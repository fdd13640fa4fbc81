package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// # What a pause leaves in the database
//
// A ticket comes to a pause, and goes on from it, in this order (OMFLOW 1.1.0.0,
// sleepPoint in omengine.py, put_flow_job in schedule_monitor.py, pushSleepPoint in
// views.py; there are no transactions):
//
//  1. a row of the schedules' table is made: cycle 'Once', for no flow, active, with the
//     ticket's data in input_param; the process adds it to the schedules in its memory;
//  2. the journal's row of the step before is deleted;
//  3. when its time has come, the lead server puts the push into a queue in its memory;
//  4. the schedule's row is made inactive;
//  5. the push writes a row for the step after the pause into the journal, and that step
//     runs.
//
// The steps 4 and 5 are made by two threads. What a process that is killed leaves:
//
//	killed             left                             at a lead server's start
//	before 1           the journal's row                replayed: the pause begins
//	between 1 and 2    both rows                        the pause would be there twice
//	between 2 and 3    the schedule's row               fired when it is due
//	after 5, before 4  the schedule's and the step's    the step would run twice
//	after 4, before 5  nothing                          the ticket stays where it is
//
// SettlePauses removes what would be there twice. What proves the second is that the row
// of the schedule was made of the journal's: it is for the same ticket and comes from
// the same step, and a step that is no fork has one line that leads on. A fork's branches
// carry the number of the ticket that they come from, and are left alone, as is a pause that
// leads to itself. What proves
// the fourth is the row in the journal for the pause itself: nothing but the push writes
// it. The last is a stranded ticket: a pause that was fired at that moment can't be told
// from one whose ticket is stranded further on.

// Pause is a ticket that waits in a pause.
type Pause struct {
	// ID is the schedule's row.
	ID int64
	// Flow is the UUID of the ticket's flow, as 32 hexadecimal digits; DataNo and DataID
	// are the ticket's number and row. They are zero where the row does not say.
	Flow           string
	DataNo, DataID int64

	before, at string // queue_id of the step before, if it is sure, and of the pause
}

// MaxPauses bounds what OverduePauses and SettlePauses look at: the oldest that are
// overdue, the newest of all.
const MaxPauses = 1000

// pauseSQL is the SQL of one engine: {made}, {due} and {after} stand for times and a
// row's id, {limit} and {head} for bounds, {row} and {queue} for what a Pause says.
type pauseSQL struct{ last, overdue, active, fired, passed, time string }

// isPause tells an active row that OMFLOW made for a pause from those that it made for a
// flow's schedule, and from those that RunMissed has made.
func isPause(yes string) string {
	return `s.cycle = 'Once' AND s.is_active = ` + yes + ` AND s.flowactive_id IS NULL AND s.type IS NULL`
}

// pausesOf takes how an engine bounds rows before and after, writes true and false, and
// takes a time.
func pausesOf(top, tail, yes, no, at string) pauseSQL {
	read := `SELECT ` + top + `s.id, left(s.input_param, {head}) FROM omflow_scheduler s WHERE `
	one := strings.ReplaceAll(top, "{limit}", "1")
	return pauseSQL{
		last:    `SELECT ` + one + `s.id FROM omflow_scheduler s WHERE s.create_time < {made} ORDER BY s.id DESC` + strings.ReplaceAll(tail, "{limit}", "1"),
		overdue: read + `s.id > {after} AND ` + isPause(yes) + ` AND s.exec_time < {due} ORDER BY s.id` + tail,
		active:  read + isPause(yes) + ` ORDER BY s.id DESC` + tail,
		fired: `UPDATE omflow_scheduler SET is_active = ` + no + ` WHERE id = {row} AND is_active = ` + yes +
			` AND EXISTS (SELECT 1 FROM omflow_queuedata q WHERE q.queue_id = '{queue}')`,
		passed: `DELETE FROM omflow_queuedata WHERE queue_id = '{queue}'` +
			` AND EXISTS (SELECT 1 FROM omflow_scheduler s WHERE s.id = {row} AND ` + isPause(yes) + `)`,
		time: at,
	}
}

var pauseStatements = map[Engine]pauseSQL{
	Postgres:  pausesOf(``, ` LIMIT {limit}`, `true`, `false`, `timestamptz '{time}+00'`),
	MySQL:     pausesOf(``, ` LIMIT {limit}`, `1`, `0`, `'{time}'`),
	SQLServer: pausesOf(`TOP ({limit}) `, ``, `1`, `0`, `CONVERT(datetime2, '{time}', 120)`),
	// A TextField is an NCLOB on Oracle, and an empty text is NULL.
	Oracle: {
		last: `SELECT s."ID" FROM "OMFLOW_SCHEDULER" s WHERE s."CREATE_TIME" < {made} ORDER BY s."ID" DESC FETCH FIRST 1 ROWS ONLY`,
		overdue: oraclePauses + `s."ID" > {after} AND ` + oracleIsPause + ` AND s."EXEC_TIME" < {due}` +
			` ORDER BY s."ID" FETCH FIRST {limit} ROWS ONLY`,
		active: oraclePauses + oracleIsPause + ` ORDER BY s."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		fired: `UPDATE "OMFLOW_SCHEDULER" SET "IS_ACTIVE" = 0 WHERE "ID" = {row} AND "IS_ACTIVE" = 1` +
			` AND EXISTS (SELECT 1 FROM "OMFLOW_QUEUEDATA" q WHERE DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1) = '{queue}')`,
		passed: `DELETE FROM "OMFLOW_QUEUEDATA" WHERE DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1) = '{queue}'` +
			` AND EXISTS (SELECT 1 FROM "OMFLOW_SCHEDULER" s WHERE s."ID" = {row} AND ` + oracleIsPause + `)`,
		time: `TO_TIMESTAMP('{time}', 'YYYY-MM-DD HH24:MI:SS')`,
	},
}

const (
	oraclePauses  = `SELECT s."ID", DBMS_LOB.SUBSTR(s."INPUT_PARAM", {head}, 1) FROM "OMFLOW_SCHEDULER" s WHERE `
	oracleIsPause = `s."CYCLE" = 'Once' AND s."IS_ACTIVE" = 1 AND s."FLOWACTIVE_ID" IS NULL AND s."TYPE" IS NULL`
)

// when writes a time as OMFLOW's columns hold it: as an instant on PostgreSQL, elsewhere
// as the clock on the wall of OMFLOW's zone shows it.
func (s pauseSQL) when(e Engine, at time.Time, zone *time.Location) string {
	if e == Postgres {
		zone = time.UTC
	}
	return strings.ReplaceAll(s.time, "{time}", at.In(zone).Format("2006-01-02 15:04:05"))
}

// LastSchedule returns the row's number of the newest schedule that was made before a
// time, 0 for none: a lead server that was started then has read those up to it. zone is
// OMFLOW's. It takes at most 10 s. The error is of kind [NoTable] where OMFLOW has none.
func (db *DB) LastSchedule(ctx context.Context, before time.Time, zone *time.Location) (id int64, err error) {
	s := pauseStatements[db.target.Engine]
	statement := strings.ReplaceAll(s.last, "{made}", s.when(db.target.Engine, before, zone))
	err = db.call(ctx, "look for the newest schedule in", func(ctx context.Context) error {
		rows, err := db.pool.QueryContext(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&id); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return id, err
}

// OverduePauses returns pauses that were due before a time, and are still active, of
// those whose row is newer than the given one: at most [MaxPauses], the oldest first.
// zone is OMFLOW's. It takes at most 10 s.
func (db *DB) OverduePauses(ctx context.Context, after int64, due time.Time, zone *time.Location) ([]Pause, error) {
	s := pauseStatements[db.target.Engine]
	return db.pauses(ctx, strings.NewReplacer("{after}", strconv.FormatInt(after, 10),
		"{due}", s.when(db.target.Engine, due, zone)).Replace(s.overdue))
}

// pauses reads pauses by a statement.
func (db *DB) pauses(ctx context.Context, statement string) (pauses []Pause, err error) {
	statement = limited(strings.ReplaceAll(statement, "{head}", strconv.Itoa(maxParamHead)), MaxPauses)
	err = db.call(ctx, "read pauses in", func(ctx context.Context) error {
		pauses = nil
		rows, err := db.pool.QueryContext(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() && len(pauses) < MaxPauses {
			var id int64
			var param sql.NullString
			if err := rows.Scan(&id, &param); err != nil {
				return err
			}
			p := pauseOf(param.String)
			p.ID = id
			pauses = append(pauses, p)
		}
		return rows.Err()
	})
	return pauses, err
}

// SettledPauses is what SettlePauses has put right.
type SettledPauses struct {
	// Fired are pauses that had been fired and were still active; Passed are those whose
	// step before was still in the flow queue's journal.
	Fired, Passed []Pause
}

// SettlePauses makes inactive what a lead server had fired when it was killed, and
// removes from the flow queue's journal the steps that had come to a pause. Each goes in
// one statement that holds the proof, so that it may be called at any time, also while
// servers work: their own next statement would do the same. It takes at most 20 s, and
// little where the journal is empty. With an error what was settled before it is
// returned. The error is of kind [NoTable] where OMFLOW has no tables.
func (db *DB) SettlePauses(ctx context.Context) (settled SettledPauses, err error) {
	journal, err := db.Journal(ctx, MaxJournalRows)
	if err != nil || len(journal.Rows) == 0 {
		return SettledPauses{}, err
	}
	s := pauseStatements[db.target.Engine]
	pauses, err := db.pauses(ctx, s.active)
	if err != nil {
		return SettledPauses{}, err
	}
	queued := make(map[string]bool, len(journal.Rows))
	for _, row := range journal.Rows {
		queued[row.QueueID] = true
	}
	settle := func(p Pause, queue, statement string) (bool, error) {
		if !queued[queue] {
			return false, nil
		}
		n, err := db.change(ctx, "settle a pause in", strings.NewReplacer("{row}", strconv.FormatInt(p.ID, 10),
			"{queue}", queue, "{chars}", strconv.Itoa(maxQueueID)).Replace(statement))
		return n > 0, err
	}
	for _, p := range pauses {
		fired, err := settle(p, p.at, s.fired)
		if err != nil {
			return settled, err
		}
		if fired {
			settled.Fired = append(settled.Fired, p)
			continue
		}
		passed, err := settle(p, p.before, s.passed)
		if err != nil {
			return settled, err
		}
		if passed {
			settled.Passed = append(settled.Passed, p)
		}
	}
	return settled, nil
}

var pauseData = regexp.MustCompile(`"formdata":\s?\{`)

// pauseOf makes out what the beginning of a schedule's input_param says of a pause. What
// it does not say is empty.
func pauseOf(param string) Pause {
	// The ticket's data come last, after members of sleepPoint's own.
	at := pauseData.FindStringIndex(param)
	if at == nil {
		return Pause{}
	}
	var p Pause
	var flow, from, to string
	// A fork's mark comes last, so that it may be missing from a long row.
	fork := utf8.RuneCountInString(param) >= maxParamHead
	text := map[string]*string{"table_uuid": &p.Flow, "flow_uuid": &flow, "chart_id_from": &from, "chart_id_to": &to}
	number := map[string]*int64{"data_id": &p.DataID, "data_no": &p.DataNo}
	err := members(param[at[1]-1:], func(name string, value json.Token) bool {
		fork = fork || name == "async_main_ticket_id"
		switch v := value.(type) {
		case string:
			if to := text[name]; to != nil {
				*to = v
			} else if to := number[name]; to != nil { // of a ticket that was pushed by a form
				*to, _ = strconv.ParseInt(v, 10, 64)
			}
		case json.Number:
			if to := number[name]; to != nil {
				*to, _ = v.Int64() // 0 for what is no number of a row
			}
		}
		return true
	})
	if err != nil || !flowForm.MatchString(p.Flow) || p.DataID <= 0 {
		return Pause{}
	}
	queue := func(chart string) string {
		id := fmt.Sprint(flow, p.DataID, chart)
		if chart == "" || !queueForm.MatchString(id) {
			return ""
		}
		return id
	}
	if from == to {
		return p // a pause that leads to itself: the row may be of either
	}
	if p.at = queue(to); !fork {
		p.before = queue(from)
	}
	return p
}
