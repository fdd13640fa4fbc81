package database

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxSchedules bounds what Schedules returns, and maxTimes, in characters, the columns
// with times: a weekly schedule has seven of them, each under 60.
const (
	maxSchedules = 1000
	maxTimes     = 1000
)

// Schedule is a row of OMFLOW's table of schedules (model Scheduler of the app "omflow",
// OMFLOW 1.1.0.0), as it stands there: what comes from a flow that people made, and is
// active.
type Schedule struct {
	ID                 int64
	Flow               string // name of the flow that it is for
	Every, Cycle, Days string
	// Exec is exec_time, to the second: in UTC if ExecUTC is set, else in OMFLOW's zone.
	Exec    string
	ExecUTC bool
	// Last and Next are the JSON of last_exec_time and next_exec_time, empty before the
	// first firing.
	Last, Next string
}

// scheduleSQL is the SQL of one engine. {cycles} stands for the cycles that are asked
// for, {limit} and {times} for bounds; {id}, {mark} and {old} for what RunMissed and
// ForgetMissed were given.
type scheduleSQL struct{ read, insert, forget string }

// readSchedules takes how an engine writes exec_time, left, true, and its bounds before
// and after. Times are written in UTC where the column holds an instant (PostgreSQL, as
// Django makes it), else as they stand.
func readSchedules(exec, top, tail, yes string) string {
	return `SELECT ` + top + `s.id, f.flow_name, s.every, s.cycle, s.cycle_date, ` + exec +
		`, left(s.last_exec_time, {times}), left(s.next_exec_time, {times})` +
		` FROM omflow_scheduler s JOIN omformflow_flowactive f ON f.id = s.flowactive_id` +
		` WHERE s.is_active = ` + yes + ` AND s.cycle IN ({cycles}) ORDER BY s.id` + tail
}

// runMissed copies a schedule as one that OMFLOW fires once, and at once when it starts:
// its time is past. It is no flow's, as those are that OMFLOW makes for a step that
// pauses, so that nobody sees it among the schedules, and its type is a column that
// OMFLOW never looks at. Nothing is written when the schedule was deleted or disabled
// meanwhile, or the mark is there already.
func runMissed(now, yes string) string {
	return `INSERT INTO omflow_scheduler (create_time, exec_time, every, cycle, cycle_date, exec_fun, input_param, is_active, type)` +
		` SELECT ` + now + `, s.exec_time, '1', 'Once', '[]', s.exec_fun, s.input_param, ` + yes + `, '{mark}'` +
		` FROM omflow_scheduler s WHERE s.id = {id} AND s.is_active = ` + yes +
		` AND NOT EXISTS (SELECT 1 FROM omflow_scheduler m WHERE m.cycle = 'Once' AND m.type = '{mark}')`
}

// forgetMissed removes what was fired long ago.
func forgetMissed(no string) string {
	return `DELETE FROM omflow_scheduler WHERE cycle = 'Once' AND is_active = ` + no + ` AND type >= '` + missedMark + ` ' AND type < '{old}'`
}

var scheduleStatements = map[Engine]scheduleSQL{
	Postgres: {
		readSchedules(`to_char(s.exec_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')`, ``, ` LIMIT {limit}`, `true`),
		runMissed(`now()`, `true`), forgetMissed(`false`),
	},
	MySQL: {
		readSchedules(`date_format(s.exec_time, '%Y-%m-%d %H:%i:%s')`, ``, ` LIMIT {limit}`, `1`),
		runMissed(`now(6)`, `1`), forgetMissed(`0`),
	},
	SQLServer: {
		readSchedules(`CONVERT(nvarchar(19), s.exec_time, 120)`, `TOP ({limit}) `, ``, `1`),
		runMissed(`SYSDATETIME()`, `1`), forgetMissed(`0`),
	},
	Oracle: {
		`SELECT s."ID", f."FLOW_NAME", s."EVERY", s."CYCLE", s."CYCLE_DATE", TO_CHAR(s."EXEC_TIME", 'YYYY-MM-DD HH24:MI:SS'),` +
			` DBMS_LOB.SUBSTR(s."LAST_EXEC_TIME", {times}, 1), DBMS_LOB.SUBSTR(s."NEXT_EXEC_TIME", {times}, 1)` +
			` FROM "OMFLOW_SCHEDULER" s JOIN "OMFORMFLOW_FLOWACTIVE" f ON f."ID" = s."FLOWACTIVE_ID"` +
			` WHERE s."IS_ACTIVE" = 1 AND s."CYCLE" IN ({cycles}) ORDER BY s."ID" FETCH FIRST {limit} ROWS ONLY`,
		`INSERT INTO "OMFLOW_SCHEDULER" ("CREATE_TIME", "EXEC_TIME", "EVERY", "CYCLE", "CYCLE_DATE", "EXEC_FUN", "INPUT_PARAM", "IS_ACTIVE", "TYPE")` +
			` SELECT LOCALTIMESTAMP, s."EXEC_TIME", '1', 'Once', '[]', s."EXEC_FUN", s."INPUT_PARAM", 1, '{mark}'` +
			` FROM "OMFLOW_SCHEDULER" s WHERE s."ID" = {id} AND s."IS_ACTIVE" = 1` +
			` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_SCHEDULER" m WHERE m."CYCLE" = 'Once' AND DBMS_LOB.SUBSTR(m."TYPE", 100, 1) = '{mark}')`,
		`DELETE FROM "OMFLOW_SCHEDULER" WHERE "CYCLE" = 'Once' AND "IS_ACTIVE" = 0 AND DBMS_LOB.SUBSTR("TYPE", 100, 1) >= '` + missedMark + ` '` +
			` AND DBMS_LOB.SUBSTR("TYPE", 100, 1) < '{old}'`,
	},
}

// missedMark begins the type of a schedule that RunMissed has made.
const missedMark = "omflow-booster"

// What is written into statements is of these forms and no other.
var (
	cycleForm = regexp.MustCompile(`^[A-Za-z]{1,20}$`)
	timeForm  = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)
)

// Schedules returns the active schedules of flows that have one of the cycles, 1,000 at
// most, in at most 10 s. The error is of kind [NoTable] where OMFLOW has none.
func (db *DB) Schedules(ctx context.Context, cycles []string) (list []Schedule, err error) {
	texts := make([]string, len(cycles))
	for i, c := range cycles {
		if !cycleForm.MatchString(c) {
			return nil, fmt.Errorf("read schedules: cycle %q", c)
		}
		texts[i] = "'" + c + "'"
	}
	statement := strings.NewReplacer("{cycles}", strings.Join(texts, ", "), "{limit}", strconv.Itoa(maxSchedules), "{times}", strconv.Itoa(maxTimes)).
		Replace(scheduleStatements[db.target.Engine].read)
	err = db.call(ctx, "read schedules in", func(ctx context.Context) error {
		list, err = db.schedules(ctx, statement)
		return err
	})
	return list, err
}

func (db *DB) schedules(ctx context.Context, statement string) (list []Schedule, err error) {
	rows, err := db.pool.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(list) < maxSchedules {
		s := Schedule{ExecUTC: db.target.Engine == Postgres}
		var flow, every, cycle, days, exec, last, next sql.NullString
		if err := rows.Scan(&s.ID, &flow, &every, &cycle, &days, &exec, &last, &next); err != nil {
			return nil, err
		}
		s.Flow, s.Every, s.Cycle, s.Days = flow.String, every.String, cycle.String, days.String
		s.Exec, s.Last, s.Next = exec.String, last.String, next.String
		list = append(list, s)
	}
	return list, rows.Err()
}

// RunMissed has OMFLOW fire a schedule once more, for a time at which nobody did: the
// next server that starts with the schedule thread does it, as OMFLOW fires what is due
// once. It is done once for each time, however often it is called, and not for a
// schedule that is deleted or disabled. at is as OMFLOW writes times, to the second. It
// reports whether it was done now. It takes at most 10 s, and no other call of it for
// the same time may run meanwhile.
func (db *DB) RunMissed(ctx context.Context, id int64, at string) (bool, error) {
	if !timeForm.MatchString(at) {
		return false, fmt.Errorf("run a missed schedule: time %q", at)
	}
	n, err := db.change(ctx, "run a missed schedule in", strings.NewReplacer("{id}", strconv.FormatInt(id, 10),
		"{mark}", fmt.Sprintf("%s %s %d", missedMark, at, id)).Replace(scheduleStatements[db.target.Engine].insert))
	return n > 0, err
}

// ForgetMissed removes what RunMissed has left of times before the given one, if it was
// fired. It takes at most 10 s.
func (db *DB) ForgetMissed(ctx context.Context, before string) error {
	if !timeForm.MatchString(before) {
		return fmt.Errorf("forget missed schedules: time %q", before)
	}
	_, err := db.change(ctx, "forget missed schedules in",
		strings.ReplaceAll(scheduleStatements[db.target.Engine].forget, "{old}", missedMark+" "+before))
	return err
}

// change carries out a statement that writes, never twice.
func (db *DB) change(ctx context.Context, act, statement string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := db.pool.ExecContext(ctx, statement, args...)
	var n int64
	if err == nil {
		n, err = result.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("%s %s at %s: %w", act, db.dialect.title, db.target.Address(), err)
	}
	return n, nil
}
