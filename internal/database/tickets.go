package database

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// # Whose ticket a row of the journal is about
//
// The column input_param holds all that a step goes on with, as one JSON object
// (createOmData in views.py makes it, OMFLOW 1.1.0.0): the flow that runs, the ticket's
// flow, its number and its row come first. An "outflow" or "inflow" step opens a ticket
// of another flow and waits for its end. That ticket's rows have the opener's object as
// outflow_content, somewhere behind; and the opener's first row after that has
// outflow_done, for one step, since whoever ended the other ticket goes on with it.

// Ticket is a ticket and its row, as a row of the journal names them.
type Ticket struct {
	// Flow is the UUID of the ticket's flow, as 32 hexadecimal digits; "" for no ticket.
	Flow string
	// No is the ticket's number, 0 when the journal does not say. Row is its row.
	No, Row int64
}

// step is what the beginning of input_param says of a row.
type step struct {
	ticket, opener Ticket
	unsure         bool
	longer         bool     // than what is read of it
	mentions       []string // keys of what is mentioned, see the type mentions
}

// journaled is what the rows of the journal are about that were read last. An ID alone is
// not enough: MySQL before 8.0, and MariaDB before 10.2.4, give out those of an empty table
// anew when they were restarted.
type journaled struct {
	sync.Mutex
	steps map[journalKey]step
}

// journalKey tells rows of the journal apart.
type journalKey struct {
	id    int64
	queue string
}

func (r JournalRow) key() journalKey { return journalKey{r.ID, r.QueueID} }

// maxStepHead bounds, in characters, what is read of a row's input_param once, when it is
// first seen: what is longer is looked through by each statement again. Oracle gives no more
// than maxParamHead at once.
const maxStepHead = 4000

func stepHead(e Engine) int {
	if e == Oracle {
		return maxParamHead
	}
	return maxStepHead
}

// headOf is the SQL of one engine: {from} for a row, {limit} and {chars} as in endedSQL,
// {head} for stepHead. Of a row that is longer than its head it reads whether a member outflow_done is
// behind that, and where outflow_content begins: in JSON no text can have a member's name
// with its quotes, for they would be escaped.
func headOf(top, tail, length, around string) string {
	longer := `CASE WHEN ` + length + `(q.input_param) > {head} `
	return `SELECT ` + top + `q.id, left(q.queue_id, {chars}), left(q.input_param, {head}), ` + longer + `THEN 1 ELSE 0 END, ` +
		longer + `AND q.input_param LIKE '%"outflow_done": %' THEN 1 ELSE 0 END, ` +
		longer + `THEN ` + strings.ReplaceAll(around, "%", `q.input_param`) + ` END` +
		` FROM omflow_queuedata q WHERE q.id >= {from} ORDER BY q.id` + tail
}

var headStatements = map[Engine]string{
	Postgres:  headOf(``, ` LIMIT {limit}`, `length`, postgresAround),
	MySQL:     headOf(``, ` LIMIT {limit}`, `char_length`, mysqlAround),
	SQLServer: headOf(`TOP ({limit}) `, ``, `LEN`, sqlserverAround),
	Oracle: `SELECT q."ID", DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1), DBMS_LOB.SUBSTR(q."INPUT_PARAM", {head}, 1), ` +
		oracleLonger + `THEN 1 ELSE 0 END, ` + oracleLonger + `AND DBMS_LOB.INSTR(q."INPUT_PARAM", '"outflow_done": ') > 0 THEN 1 ELSE 0 END, ` +
		oracleLonger + `THEN ` + strings.ReplaceAll(oracleAround, "%", `q."INPUT_PARAM"`) + ` END` +
		` FROM "OMFLOW_QUEUEDATA" q WHERE q."ID" >= {from} ORDER BY q."ID" FETCH FIRST {limit} ROWS ONLY`,
}

const oracleLonger = `CASE WHEN DBMS_LOB.GETLENGTH(q."INPUT_PARAM") > {head} `

// behind is what a row says behind its head.
type behind struct {
	is     bool // there is more than the head
	done   bool // outflow_done may be there
	opener string
}

// tickets fills in what rows, ordered by ID, are about. A row never changes: what was
// read of it once is kept as long as it is there. It returns that, which must not be changed.
func (db *DB) tickets(ctx context.Context, rows []JournalRow) (map[journalKey]step, error) {
	db.journaled.Lock()
	defer db.journaled.Unlock()
	known := make(map[journalKey]step, len(rows))
	from := -1
	for i, r := range rows {
		if s, ok := db.journaled.steps[r.key()]; ok {
			known[r.key()] = s
		} else if from < 0 {
			from = i
		}
	}
	if from >= 0 {
		if err := db.heads(ctx, rows[from].ID, len(rows)-from, known); err != nil {
			return nil, err
		}
	}
	db.journaled.steps = known
	for i := range rows {
		s := known[rows[i].key()]
		rows[i].Ticket, rows[i].Opener, rows[i].Unsure = s.ticket, s.opener, s.unsure
	}
	return known, nil
}

// heads reads what limit rows from one on are about, as far as that is not known.
func (db *DB) heads(ctx context.Context, from int64, limit int, known map[journalKey]step) error {
	statement := strings.NewReplacer("{head}", strconv.Itoa(stepHead(db.target.Engine)), "{from}", strconv.FormatInt(from, 10)).Replace(headStatements[db.target.Engine])
	result, err := db.pool.QueryContext(ctx, limited(statement, limit))
	if err != nil {
		return err
	}
	defer result.Close()
	for n := 0; result.Next() && n < limit; n++ {
		var id int64
		var queue, param, opener sql.NullString
		var longer, done int
		if err := result.Scan(&id, &queue, &param, &longer, &done, &opener); err != nil {
			return err
		}
		key := journalKey{id, queueID(queue)}
		if _, ok := known[key]; !ok {
			s := readStep(key.queue, param.String, behind{longer != 0, done != 0, opener.String})
			s.longer, s.mentions = longer != 0, mentioned(param.String)
			known[key] = s
		}
	}
	return result.Err()
}

// readStep makes out what a row is about, from its queue_id, the beginning of its
// input_param and what was looked for behind that. Like ticketStep it takes only what agrees with the queue_id.
func readStep(queue, param string, rest behind) step {
	var s step
	var flow, chart string
	o := jsonscan.Scan([]byte(param))
	for o.Next() {
		switch {
		case jsonscan.Equal(o.Key, "flow_uuid"):
			flow = plainText(o.Value)
		case jsonscan.Equal(o.Key, "chart_id_from"):
			chart = plainText(o.Value)
		case jsonscan.Equal(o.Key, "outflow_content"):
			opener := jsonscan.Scan(o.Value)
			for opener.Next() {
				s.opener.member(opener.Key, opener.Value)
			}
		case jsonscan.Equal(o.Key, "outflow_done"):
			s.unsure = true
		default:
			s.ticket.member(o.Key, o.Value)
		}
	}
	if !s.ticket.valid() || queue != flow+strconv.FormatInt(s.ticket.Row, 10)+chart {
		return step{}
	}
	switch {
	case o.Whole():
	case !rest.is: // it is no object, and might say anything
		s.unsure = true
	default:
		s.unsure = s.unsure || rest.done
		if strings.HasPrefix(rest.opener, openerMember) {
			s.opener = openerOf(rest.opener)
			s.unsure = s.unsure || !s.opener.valid()
		}
	}
	if !s.opener.valid() {
		s.opener = Ticket{}
	}
	return s
}

// member takes a member of the object that a step goes on with.
func (t *Ticket) member(key, value []byte) {
	switch {
	case jsonscan.Equal(key, "table_uuid"):
		t.Flow = plainText(value)
	case jsonscan.Equal(key, "data_no"):
		t.No = plainNumber(value)
	case jsonscan.Equal(key, "data_id"):
		t.Row = plainNumber(value)
	}
}

func (t Ticket) valid() bool { return flowForm.MatchString(t.Flow) && t.Row > 0 }

// plainText is a string's content, "" for one with escapes, which no name here has.
func plainText(value []byte) string {
	text, ok := jsonscan.Text(value)
	if !ok || strings.IndexByte(string(text), '\\') >= 0 {
		return ""
	}
	return string(text)
}

// plainNumber is the number of a ticket or a row, or the text of one, as it comes from a
// browser; 0 for anything else.
func plainNumber(value []byte) int64 {
	if text, ok := jsonscan.Text(value); ok {
		value = text
	}
	return rowNumber(string(value))
}
