package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// createdWindow is how many of a table's newest rows are looked at: a ticket has one
	// for each form that it came to.
	createdWindow = 20_000
	// maxCreatedText bounds a column's text, in characters.
	maxCreatedText = 20_000
	// maxCreatedColumns bounds the columns that are read at once.
	maxCreatedColumns = 1000
)

// CreatedQuery says which new tickets are looked at.
type CreatedQuery struct {
	// Flow is the UUID of their flow, as 32 hexadecimal digits.
	Flow string
	// After is a number that theirs are larger than, 0 for none.
	After int64
	// Since is when they were made at the earliest, by the clock of the server that made
	// them. It counts on PostgreSQL alone: elsewhere Django writes times as they are in a
	// time zone of its settings, and After is needed.
	Since time.Time
	// Columns are the columns of the form's fields that are read, formitm_ and a number.
	Columns []string
	// Limit bounds the tickets.
	Limit int
}

// UnreadText stands for a text that is not known. Nobody can have written it into a form: it
// is no UTF-8.
const UnreadText = "\xff"

// CreatedTicket is a ticket by its first row. Texts are those of the columns that were asked
// for, in their order: all of them [UnreadText] where one is longer than 20,000 characters.
// What such a ticket says is not known, so that it must not be taken for that of a create
// which says nothing there.
type CreatedTicket struct {
	No    int64
	User  string
	Texts []string
}

var (
	// ErrChecked: another flow checks the data of a new ticket, which is opened afterwards.
	ErrChecked = errors.New("the data of the flow's new tickets is checked before they are opened")
	// ErrTooMany: there are more tickets than were asked for.
	ErrTooMany = errors.New("there are too many new tickets")
	// ErrNoTime: nothing bounds how old the tickets may be.
	ErrNoTime = errors.New("no ticket of this flow is known that is older, and the time of a ticket can't be told on this database")
)

var createdColumn = regexp.MustCompile(`^formitm_[0-9]{1,5}$`)

// createdSQL is the SQL of one engine. {columns} stands for what column makes of each of
// them, and {longer} for what longer does; {text} for a column within these, {time} for the
// condition on the time.
type createdSQL struct{ read, column, longer, time, times string }

const createdRead = `SELECT {top}t.data_no, t.create_user_id, CASE WHEN {longer} THEN 1 ELSE 0 END{columns} FROM {table} t` +
	` WHERE t.id > (SELECT MAX(m.id) FROM {table} m) - {window} AND t.data_no > {after}{time}` +
	` AND (t.init_data_id = t.id OR t.init_data_id IS NULL) ORDER BY t.id{tail}`

// createdOf fills in what differs between those engines whose names need no quotes.
func createdOf(top, tail, length, since, times string) createdSQL {
	return createdSQL{
		read:   strings.NewReplacer("{top}", top, "{tail}", tail).Replace(createdRead),
		column: `, CASE WHEN ` + length + `(t.{text}) <= {most} THEN t.{text} END`,
		longer: length + `(t.{text}) > {most}`,
		time:   since, times: times,
	}
}

var createdStatements = map[Engine]createdSQL{
	Postgres:  createdOf(``, ` LIMIT {limit}`, `length`, ` AND t.createtime >= '{since}'`, `2006-01-02 15:04:05.000000+00`),
	MySQL:     createdOf(``, ` LIMIT {limit}`, `char_length`, ``, ``),
	SQLServer: createdOf(`TOP ({limit}) `, ``, `LEN`, ``, ``),
	Oracle: {
		read: `SELECT t."DATA_NO", t."CREATE_USER_ID", CASE WHEN {longer} THEN 1 ELSE 0 END{columns} FROM "{table}" t` +
			` WHERE t."ID" > (SELECT MAX(m."ID") FROM "{table}" m) - {window} AND t."DATA_NO" > {after}` +
			` AND (t."INIT_DATA_ID" = t."ID" OR t."INIT_DATA_ID" IS NULL) ORDER BY t."ID" FETCH FIRST {limit} ROWS ONLY`,
		column: `, CASE WHEN DBMS_LOB.GETLENGTH(t."{text}") <= {most} THEN t."{text}" END`,
		longer: `DBMS_LOB.GETLENGTH(t."{text}") > {most}`,
	},
}

// statement is the one that reads what q asks for.
func (s createdSQL) statement(e Engine, q CreatedQuery) string {
	var columns, longer []string
	for _, c := range q.Columns {
		if e == Oracle {
			c = strings.ToUpper(c)
		}
		columns = append(columns, strings.ReplaceAll(s.column, "{text}", c))
		longer = append(longer, strings.ReplaceAll(s.longer, "{text}", c))
	}
	text := strings.NewReplacer("{columns}", strings.Join(columns, ""), "{longer}", strings.Join(longer, " OR "), "{time}", s.time).Replace(s.read)
	text = strings.NewReplacer("{table}", ticketTable(e, q.Flow), "{window}", strconv.Itoa(createdWindow),
		"{after}", strconv.FormatInt(q.After, 10), "{since}", q.Since.UTC().Format(s.times), "{most}", strconv.Itoa(maxCreatedText)).Replace(text)
	return limited(text, q.Limit+1)
}

// Created calls each with the new tickets of a flow, those that were opened first coming
// first. It fails with [ErrChecked], [ErrTooMany] or [ErrNoTime] where these don't tell
// what creates have opened; each may have been called then. Nothing is written. It takes at
// most 10 s.
//
// A ticket's first row is the one that it begins with, or one that its server has made and
// not finished when it died. The flow may have changed the columns since.
func (db *DB) Created(ctx context.Context, q CreatedQuery, each func(CreatedTicket)) error {
	switch {
	case !flowForm.MatchString(q.Flow) || len(q.Columns) == 0 || len(q.Columns) > maxCreatedColumns:
		return errors.New("look for new tickets: no flow, or no columns to read")
	case slices.ContainsFunc(q.Columns, func(c string) bool { return !createdColumn.MatchString(c) }):
		return errors.New("look for new tickets: a column that is none of a form's")
	case q.After <= 0 && createdStatements[db.target.Engine].time == "":
		return ErrNoTime
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return db.call(ctx, "look for new tickets in", func(ctx context.Context) error { return db.created(ctx, q, each) })
}

func (db *DB) created(ctx context.Context, q CreatedQuery, each func(CreatedTicket)) error {
	if err := db.opensAtOnce(ctx, q.Flow); err != nil {
		return err
	}
	rows, err := db.pool.QueryContext(ctx, createdStatements[db.target.Engine].statement(db.target.Engine, q))
	if err != nil {
		return err
	}
	defer rows.Close()
	var no sql.NullInt64
	var user sql.NullString
	var longer int
	texts := make([]sql.NullString, len(q.Columns))
	into := []any{&no, &user, &longer}
	for i := range texts {
		into = append(into, &texts[i])
	}
	for n := 0; rows.Next(); n++ {
		if n == q.Limit {
			return ErrTooMany
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		t := CreatedTicket{No: no.Int64, User: user.String, Texts: make([]string, len(texts))}
		for i := range texts {
			t.Texts[i] = texts[i].String // Oracle's empty text is NULL
			if longer != 0 {
				t.Texts[i] = UnreadText
			}
		}
		each(t)
	}
	return rows.Err()
}

// opensAtOnce finds out that a create of the flow opens its ticket before it is answered.
func (db *DB) opensAtOnce(ctx context.Context, flow string) error {
	flows, _, err := db.strandedFlows(ctx)
	if err != nil {
		return err
	}
	f := flows[flow]
	if f == nil {
		return fmt.Errorf("flow %s is not active", flow)
	}
	if err := db.readCharts(ctx, f); err != nil {
		return err
	}
	begins := false
	for _, c := range f.charts {
		if c.kind == kindStart {
			begins = true
			if c.checked {
				return ErrChecked
			}
		}
	}
	if !begins {
		return fmt.Errorf("the design of flow %s can't be read", flow)
	}
	return nil
}
