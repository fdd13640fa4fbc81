package database

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// # What a killed OMFLOW Server leaves in the journal
//
// A ticket comes to a form in this order (OMFLOW 1.1.0.0, omengine.py, formPoint and
// removeQueueDB; there are no transactions):
//
//  1. its row becomes history, with the form's chart and the time in stop_uuid and
//     stoptime;
//  2. a new row is made, a copy of it that is not history: the ticket as people see it;
//  3. an entry of the to-do list is made;
//  4. the journal's row is deleted.
//
// A server that is killed after 2 and before 4 leaves a step in the journal that has
// ended. The lead server's start replays it, and the ticket gets a second open row.
// One that is killed between 1 and 2 has to be replayed: history alone proves nothing.
// What proves that step 2 was done is the copy: a later row of the same ticket with the
// same chart and the very same time. A ticket that has run out of charts has no copy:
// there the row is closed as well as history (closeTicket).
//
// Parallel branches, their collection and pauses mark rows as history too, and their
// journal rows are needed. They have no such copy, and are left alone.

// EndedStep is a step that had ended when its server died.
type EndedStep struct {
	Row JournalRow
	// Flow is the UUID of the ticket's flow, as 32 hexadecimal digits.
	Flow string
	// DataNo is the ticket's number, 0 when the journal does not say. DataID is its row.
	DataNo, DataID int64
}

// endedSQL is the SQL of one engine: {limit} and {chars} as in statements, {head} for
// maxParamHead, {row}, {queue}, {table} and {data} for what a journal row says.
// proof counts one when the step has ended. A step that has ended stays so: the proof is
// not part of remove, since InnoDB locks in each level what a DELETE looks at beside its
// own rows, and OMFLOW's statements would wait for that or be ended as a deadlock's victim.
type endedSQL struct{ read, proof, remove string }

// maxParamHead bounds, in characters, what is read of one row's input_param: what is
// asked for comes before everything that can be long (createOmData in views.py makes
// it, and Python keeps the order). Oracle gives no more than 2,000 at once.
const maxParamHead = 2000

const endedRead = `SELECT id, left(queue_id, {chars}), left(input_param, {head}) FROM omflow_queuedata ORDER BY id LIMIT {limit}`

const endedRemove = `DELETE FROM omflow_queuedata WHERE id = {row} AND queue_id = '{queue}'`

// endedProof takes the engine's word for true.
func endedProof(yes string) string {
	return `SELECT COUNT(*) FROM {table} h WHERE h.id = {data} AND h.history = ` + yes + ` AND (h.closed = ` + yes + ` OR EXISTS (` +
		`SELECT 1 FROM {table} s WHERE s.id > h.id AND s.data_no = h.data_no AND s.stoptime = h.stoptime AND s.stop_uuid = h.stop_uuid))`
}

var endedStatements = map[Engine]endedSQL{
	Postgres: {endedRead, endedProof("true"), endedRemove},
	MySQL:    {endedRead, endedProof("1"), endedRemove},
	SQLServer: {
		`SELECT TOP ({limit}) id, LEFT(queue_id, {chars}), LEFT(input_param, {head}) FROM omflow_queuedata ORDER BY id`,
		endedProof("1"), endedRemove,
	},
	// A TextField is an NCLOB on Oracle, which no = compares.
	Oracle: {
		`SELECT "ID", DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1), DBMS_LOB.SUBSTR("INPUT_PARAM", {head}, 1)` +
			` FROM "OMFLOW_QUEUEDATA" ORDER BY "ID" FETCH FIRST {limit} ROWS ONLY`,
		`SELECT COUNT(*) FROM "{table}" h WHERE h."ID" = {data} AND h."HISTORY" = 1 AND (h."CLOSED" = 1 OR EXISTS (` +
			`SELECT 1 FROM "{table}" s WHERE s."ID" > h."ID" AND s."DATA_NO" = h."DATA_NO" AND s."STOPTIME" = h."STOPTIME"` +
			` AND DBMS_LOB.COMPARE(s."STOP_UUID", h."STOP_UUID") = 0))`,
		`DELETE FROM "OMFLOW_QUEUEDATA" WHERE "ID" = {row} AND DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1) = '{queue}'`,
	},
}

// RemoveEnded removes those rows of the flow queue's journal whose step has ended, as
// the ticket's own table proves, and returns them. Nothing undoes what proves that, and no
// row of the journal gets another one's number and queue_id, so that it may be called at any
// time, also while servers work: a row that is removed is one that its own server would
// only have removed. Those that are
// left, and that a start would misread, are mended, see ended_replay.go, and the tickets of
// these are returned as well. At most [MaxJournalRows] rows are looked at, in at most 10 s.
// With an error those that were removed and mended before it are returned. The error wraps
// [ErrNoJournal] when there is no journal.
func (db *DB) RemoveEnded(ctx context.Context) (removed []EndedStep, mended []Ticket, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var steps []EndedStep
	err = db.call(ctx, "read what a replay would repeat in", func(ctx context.Context) (err error) {
		steps, err = db.steps(ctx)
		return err
	})
	switch {
	case Classify(err) == NoTable:
		return nil, nil, fmt.Errorf("%w (%w)", ErrNoJournal, err)
	case err != nil:
		return nil, nil, err
	}
	for _, s := range steps {
		done, err := db.removeEnded(ctx, s)
		if err != nil {
			return removed, nil, fmt.Errorf("remove an ended step from the flow queue's journal: %w", err)
		}
		if done {
			removed = append(removed, s)
		}
	}
	mended, err = db.mendMisread(ctx)
	return removed, mended, err
}

// steps reads the journal's rows that belong to a ticket.
func (db *DB) steps(ctx context.Context) (steps []EndedStep, err error) {
	statement := strings.ReplaceAll(endedStatements[db.target.Engine].read, "{head}", strconv.Itoa(maxParamHead))
	result, err := db.pool.QueryContext(ctx, limited(statement, MaxJournalRows))
	if err != nil {
		return nil, err
	}
	defer result.Close()
	for n := 0; result.Next() && n < MaxJournalRows; n++ {
		var id int64
		var queue, param sql.NullString
		if err := result.Scan(&id, &queue, &param); err != nil {
			return nil, err
		}
		if s, ok := ticketStep(queue.String, param.String); ok {
			s.Row.ID = id
			steps = append(steps, s)
		}
	}
	return steps, result.Err()
}

// removeEnded removes a step if it has ended, and reports whether it was this that did.
func (db *DB) removeEnded(ctx context.Context, s EndedStep) (bool, error) {
	var ended int
	err := db.pool.QueryRowContext(ctx, db.endedStatement(endedStatements[db.target.Engine].proof, s)).Scan(&ended)
	switch {
	case Classify(err) == NoTable:
		return false, nil // a flow that has no tickets: nothing is proven
	case err != nil || ended == 0:
		return false, err
	}
	result, err := db.pool.ExecContext(ctx, db.endedStatement(endedStatements[db.target.Engine].remove, s))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// endedStatement is a statement about one step.
func (db *DB) endedStatement(statement string, s EndedStep) string {
	return strings.NewReplacer("{row}", strconv.FormatInt(s.Row.ID, 10), "{queue}", s.Row.QueueID,
		"{table}", ticketTable(db.target.Engine, s.Flow), "{data}", strconv.FormatInt(s.DataID, 10),
		"{chars}", strconv.Itoa(maxQueueID)).Replace(statement)
}

// What is written into a statement is of these forms and no other.
var (
	flowForm  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	queueForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
)

// ticketStep makes out what a row of the journal is about. It refuses one whose
// queue_id is not made of what the beginning of its input_param says, as all rows are
// that belong to a ticket: something else is never taken for that. The row's number is a
// text when a browser has pushed the ticket on: updateOmData in views.py keeps what the
// client has sent, and so do all steps after it.
func ticketStep(queue, param string) (EndedStep, bool) {
	var p struct {
		Flow, Table, Chart string
		DataID, DataNo     int64
	}
	text := map[string]*string{"flow_uuid": &p.Flow, "table_uuid": &p.Table, "chart_id_from": &p.Chart}
	number := map[string]*int64{"data_id": &p.DataID, "data_no": &p.DataNo}
	err := members(param, func(name string, value json.Token) bool {
		switch v := value.(type) {
		case string:
			if to := text[name]; to != nil {
				*to = v
			} else if to := number[name]; to != nil {
				*to = rowNumber(v)
			}
		case json.Number:
			if to := number[name]; to != nil {
				*to = rowNumber(v.String())
			}
		}
		return p.Flow == "" || p.Table == "" || p.Chart == "" || p.DataID == 0 || p.DataNo == 0
	})
	switch {
	case err != nil, p.DataID <= 0, !flowForm.MatchString(p.Table), !queueForm.MatchString(queue):
		return EndedStep{}, false
	case queue != p.Flow+strconv.FormatInt(p.DataID, 10)+p.Chart:
		return EndedStep{}, false
	}
	return EndedStep{Row: JournalRow{QueueID: queue}, Flow: p.Table, DataID: p.DataID, DataNo: p.DataNo}, true
}

// rowNumber is the number of a ticket or a row as it is written in a queue_id, 0 for
// anything else.
func rowNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return 0
	}
	return n
}

// members calls take with the plain members of an object, which may be cut off, until
// it returns false. Nested values are skipped.
func members(text string, take func(name string, value json.Token) bool) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.Join(err, errors.New("not an object"))
	}
	depth, name := 0, ""
	for isName := true; ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil // cut off
		case err != nil:
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth < 0 {
				return nil
			}
			isName = depth == 0 || isName
			continue
		}
		switch {
		case depth > 0:
		case isName:
			name, isName = token.(string), false
		default:
			if isName = true; !take(name, token) {
				return nil
			}
		}
	}
}

// ticketTable is the table of a flow's tickets: Django's model Omdata_<uuid> in the app
// omformmodel. Oracle takes names of 30 characters: Django cuts a longer one and ends
// it with four digits of its MD5 sum (truncate_name in django/db/backends/utils.py, 2.2
// to 5.2), and then writes it in upper case.
func ticketTable(e Engine, flow string) string {
	const longest, digits = 30, 4
	name := "omformmodel_omdata_" + flow
	if e != Oracle {
		return name
	}
	sum := md5.Sum([]byte(name))
	return strings.ToUpper(name[:longest-digits] + hex.EncodeToString(sum[:])[:digits])
}
