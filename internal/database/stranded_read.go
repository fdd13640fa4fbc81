package database

import (
	"context"
	"database/sql"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
)

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

func (db *DB) flowRows(ctx context.Context, flow, statement string, since time.Time, limit int) (list []strandedRow, err error) {
	statement = strings.NewReplacer("{since}", since.UTC().Format(strandedStatements[db.target.Engine].times),
		"{table}", ticketTable(db.target.Engine, flow), "{window}", strconv.Itoa(strandedWindow)).Replace(statement)
	rows, err := db.pool.QueryContext(ctx, limited(statement, limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(list) < limit {
		var r strandedRow
		var no sql.NullInt64
		var recent, branch int
		if err := rows.Scan(&r.id, &no, &recent, &branch); err != nil {
			return nil, err
		}
		r.no, r.recent, r.branch = no.Int64, recent != 0, branch != 0
		list = append(list, r)
	}
	return list, rows.Err()
}

// provedRow is a ticket's row of which it is proved that it is stranded.
type provedRow struct {
	param string // its data_param, "" where that is too long
	begin bool   // it does not name itself as the ticket's first row yet
}

// proved returns those of a flow's rows of which it is proved that they are stranded: of all
// of them in one statement. Of the journal it looks through what q has not been read of.
func (db *DB) proved(ctx context.Context, flow string, by proof, rows []strandedRow, q *queueRead) (map[int64]provedRow, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = strconv.FormatInt(r.id, 10)
	}
	s := strandedStatements[db.target.Engine]
	statement := strings.ReplaceAll(s.ticket, "{proof}", strings.ReplaceAll(s.proofs[by], "{data}", strings.Join(ids, ",")))
	statement = strings.ReplaceAll(statement, "{unread}", q.unread(s.among))
	result, err := db.pool.QueryContext(ctx, db.strandedStatement(statement, StrandedTicket{Flow: flow, proof: by}))
	if err != nil {
		return nil, err
	}
	defer result.Close()
	held := make(map[int64]provedRow, len(rows))
	for n := 0; result.Next() && n < len(rows); n++ {
		var id int64
		var param sql.NullString
		var first sql.NullInt64
		if err := result.Scan(&id, &param, &first); err != nil {
			return nil, err
		}
		held[id] = provedRow{param.String, !first.Valid}
	}
	return held, result.Err()
}

// readCharts reads what a flow is made of, once. One that can't be read has no charts.
func (db *DB) readCharts(ctx context.Context, f *strandedFlow) error {
	if f.charts != nil {
		return nil
	}
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

func (m mentions) take(o mentions) { maps.Copy(m, o) }

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

// readQueued reads the journal's rows, up to MaxJournalRows, by their queue_id, and adds
// what they mention. Of one that is not made as a ticket's rows are it does not say more.
func (db *DB) readQueued(ctx context.Context, m mentions) (map[string]EndedStep, error) {
	statement := strings.ReplaceAll(strandedStatements[db.target.Engine].journal, "{head}", strconv.Itoa(maxParamHead))
	rows, err := db.pool.QueryContext(ctx, limited(statement, MaxJournalRows))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	queued := map[string]EndedStep{}
	for n := 0; rows.Next() && n < MaxJournalRows; n++ {
		var queue, param sql.NullString
		if err := rows.Scan(&queue, &param); err != nil {
			return nil, err
		}
		m.add(mentioned(param.String))
		if s, ok := ticketStep(queue.String, param.String); ok || queueForm.MatchString(queue.String) {
			queued[queue.String] = s
		}
	}
	return queued, rows.Err()
}
