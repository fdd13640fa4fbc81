package database

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// # What a start would misread
//
// A step writes its row of the journal before it takes out of the ticket's data what
// names the row of the step before (do in omengine.py, OMFLOW 1.1.0.0). As long as the
// server lives, the data in its memory are right, and the row is only deleted. A start
// that resumes the row goes by what it says:
//
//	the row of                                  says                      a start that resumes it
//	the first step of a branch, or the form's   async_main_ticket_id      does not find the row itself when the
//	first one after it                                                    step has ended, and leaves it: the next
//	                                                                      start runs that step once more
//	the step at which branches met              collection_ex_data_id     the same
//	the first step of a ticket that another     chart_id_from within      goes on, when that ticket ends, with the
//	one's flow has opened                       outflow_content           step before in the other: it takes its
//	                                                                      results anew, and from others
//
// So these members are taken out of such rows, which then say what the server had in its
// memory. Nobody but a start reads a row, so that it may be done at any time.

// replaySQL is the SQL of one engine: {limit}, {chars}, {row} and {queue} as in endedSQL.
// mend has two parameters: the new input_param, and the one that it must still be.
type replaySQL struct{ read, mend string }

// maxMended bounds how many rows are mended at once.
const maxMended = 1000

func replayRead(top, tail, length string) string {
	return `SELECT ` + top + `q.id, left(q.queue_id, {chars}), q.input_param FROM omflow_queuedata q WHERE q.method_name = '` + stepMethod + `' AND ` +
		length + `(q.input_param) <= ` + strconv.Itoa(maxDataParam) + ` AND (q.input_param LIKE '%"async_main_ticket_id": %'` +
		` OR q.input_param LIKE '%"collection_ex_data_id": %' OR q.input_param LIKE '%` + openerMember + `%"chart_id_from": "%') ORDER BY q.id` + tail
}

const replayMend = `UPDATE omflow_queuedata SET input_param = {one} WHERE id = {row} AND queue_id = '{queue}' AND `

var replayStatements = map[Engine]replaySQL{
	Postgres:  {replayRead(``, ` LIMIT {limit}`, `length`), strings.ReplaceAll(replayMend, `{one}`, `$1`) + `input_param = $2`},
	MySQL:     {replayRead(``, ` LIMIT {limit}`, `char_length`), strings.ReplaceAll(replayMend, `{one}`, `?`) + `CAST(input_param AS BINARY) = CAST(? AS BINARY)`},
	SQLServer: {replayRead(`TOP ({limit}) `, ``, `LEN`), strings.ReplaceAll(replayMend, `{one}`, `@p1`) + `input_param COLLATE Latin1_General_BIN2 = @p2`},
	Oracle: {
		`SELECT q."ID", DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1), q."INPUT_PARAM" FROM "OMFLOW_QUEUEDATA" q` +
			` WHERE DBMS_LOB.SUBSTR(q."METHOD_NAME", {chars}, 1) = '` + stepMethod + `' AND DBMS_LOB.GETLENGTH(q."INPUT_PARAM") <= ` + strconv.Itoa(maxDataParam) +
			` AND (DBMS_LOB.INSTR(q."INPUT_PARAM", '"async_main_ticket_id": ') > 0 OR DBMS_LOB.INSTR(q."INPUT_PARAM", '"collection_ex_data_id": ') > 0` +
			` OR q."INPUT_PARAM" LIKE '%` + openerMember + `%"chart_id_from": "%') ORDER BY q."ID" FETCH FIRST {limit} ROWS ONLY`,
		`UPDATE "OMFLOW_QUEUEDATA" SET "INPUT_PARAM" = :1 WHERE "ID" = {row} AND DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1) = '{queue}'` +
			` AND DBMS_LOB.COMPARE("INPUT_PARAM", :2) = 0`,
	},
}

// misread is a row of the journal, whose ticket it is about, and what it is to say.
type misread struct {
	ticket           Ticket
	id               int64
	queue, param, is string
}

// mendMisread changes the rows of the journal that a start would misread, and returns the
// tickets of those that it has changed.
func (db *DB) mendMisread(ctx context.Context) (mended []Ticket, err error) {
	var found []misread
	err = db.call(ctx, "read what a start would misread in", func(ctx context.Context) (err error) {
		found, err = db.misread(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		statement := strings.NewReplacer("{row}", strconv.FormatInt(m.id, 10), "{queue}", m.queue,
			"{chars}", strconv.Itoa(maxQueueID)).Replace(replayStatements[db.target.Engine].mend)
		n, err := db.change(ctx, "mend a step of the flow queue's journal in", statement, db.wideText(m.is), db.wideText(m.param))
		if err != nil {
			return mended, err
		}
		if n > 0 {
			mended = append(mended, m.ticket)
		}
	}
	return mended, nil
}

func (db *DB) misread(ctx context.Context) (found []misread, err error) {
	rows, err := db.pool.QueryContext(ctx, limited(replayStatements[db.target.Engine].read, maxMended))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for n := 0; rows.Next() && n < maxMended; n++ {
		var id int64
		var queue, param sql.NullString
		if err := rows.Scan(&id, &queue, &param); err != nil {
			return nil, err
		}
		if m, ok := readMisread(queue.String, param.String); ok {
			m.id = id
			found = append(found, m)
		}
	}
	return found, rows.Err()
}

// readMisread makes out what a row of the journal is to say, and false for one that says
// it already, or that is not made as a ticket's rows are.
func readMisread(queue, param string) (misread, bool) {
	l, ok := readLost(param)
	if !ok || !queueForm.MatchString(queue) || l.dataID == 0 || queue != fmt.Sprint(l.flow, l.dataID, l.from) {
		return misread{}, false
	}
	change := l.kept(map[string]string{})
	return misread{ticket: Ticket{Flow: l.table, No: l.dataNo, Row: l.dataID}, queue: queue, param: param, is: l.rewrite(change)}, len(change) > 0
}
