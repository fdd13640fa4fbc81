package database

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ticketTables begins the names of the tables of tickets; a flow's UUID follows.
const ticketTables = "omformmodel_omdata_"

// ticketTable is the name of a flow's table and of the sequence of its tickets' numbers,
// both quoted.
func ticketTable(flow string) (table, numbers string) {
	name := ticketTables + flow
	return pgx.Identifier{name}.Sanitize(), pgx.Identifier{name + "_no"}.Sanitize()
}

func (r realCalls) Flows(_ None, out *[]Flow) error {
	var text string
	return r.each([]any{&text}, func() error {
		var f Flow
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return err
		}
		*out = append(*out, f)
		return nil
	}, "SELECT value FROM omformflow_flowactive ORDER BY id")
}

func (r realCalls) SaveFlow(f Flow, out *Flow) error {
	return r.alone(func(r realCalls) error {
		ok, err := r.one([]any{&f.ID}, "SELECT id FROM omformflow_flowactive WHERE flow_uuid = $1", f.UUID)
		if err == nil && !ok {
			f.ID, err = r.nextID()
		}
		if err != nil {
			return err
		}
		text, err := json.Marshal(f)
		if err != nil {
			return err
		}
		*out = f
		return r.exec("INSERT INTO omformflow_flowactive (id, flow_uuid, flow_name, api_path, flow_app_id, undeploy_flag, is_active, version, flowobject, value)"+
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET flow_name = excluded.flow_name, api_path = excluded.api_path,"+
			" flow_app_id = excluded.flow_app_id, undeploy_flag = excluded.undeploy_flag, is_active = excluded.is_active, version = excluded.version, flowobject = excluded.flowobject, value = excluded.value",
			f.ID, f.UUID, f.Name, f.APIPath, f.AppID, f.Undeployed, f.Active, f.Version, f.flowObject(), string(text))
	})
}

func (r realCalls) CreateTable(flow string, _ *None) error {
	table, numbers := ticketTable(flow)
	return r.alone(func(r realCalls) error {
		return r.exec("CREATE SEQUENCE IF NOT EXISTS " + numbers + "; CREATE TABLE IF NOT EXISTS " + table + " (" +
			"id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data_no bigint NOT NULL, title text NOT NULL, level text NOT NULL, " +
			"history boolean NOT NULL, closed boolean NOT NULL, running boolean NOT NULL, error boolean NOT NULL, createtime timestamptz NOT NULL, updatetime timestamptz NOT NULL, " +
			"stoptime timestamptz, stop_uuid text NOT NULL, data_param text NOT NULL, init_data_id bigint GENERATED ALWAYS AS (id) STORED, value text NOT NULL)")
	})
}

// values are a row's columns after its number.
func (t Ticket) values(flow string) ([]any, error) {
	text, err := json.Marshal(t)
	return []any{t.Title, t.Level, t.History, t.Closed, unlessZero(t.StopTime), t.Stop, string(text),
		t.Running, t.CreateTime, t.UpdateTime, t.param(flow), t.Error != ""}, err
}

// unlessZero is NULL for no time.
func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r realCalls) InsertTicket(row TicketRow, out *Ticket) error {
	table, numbers := ticketTable(row.Flow)
	values, err := row.Ticket.values(row.Flow)
	if err != nil {
		return err
	}
	*out = row.Ticket
	_, err = r.one([]any{&out.ID, &out.DataNo}, "INSERT INTO "+table+" (data_no, title, level, history, closed, stoptime, stop_uuid, value, running, createtime, updatetime, data_param, error)"+
		" VALUES (COALESCE(NULLIF($1::bigint, 0), nextval($14::text::regclass)), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id, data_no",
		append(append([]any{row.Ticket.DataNo}, values...), numbers)...)
	return err
}

func (r realCalls) UpdateTicket(row TicketRow, found *bool) error {
	table, _ := ticketTable(row.Flow)
	values, err := row.Ticket.values(row.Flow)
	if err != nil {
		return err
	}
	n, err := r.changed("UPDATE "+table+" SET data_no = $2, title = $3, level = $4, history = $5, closed = $6, stoptime = $7, stop_uuid = $8, value = $9, "+
		"running = $10, createtime = $11, updatetime = $12, data_param = $13, error = $14"+
		" WHERE id = $1", append([]any{row.Ticket.ID, row.Ticket.DataNo}, values...)...)
	*found = n > 0
	return err
}

// DeleteTickets removes all rows of a ticket and says how many there were.
func (r realCalls) DeleteTickets(q TicketQuery, n *int) (err error) {
	table, _ := ticketTable(q.Flow)
	*n, err = r.changed("DELETE FROM "+table+" WHERE data_no = $1", q.DataNo)
	return err
}

func (r realCalls) Ticket(k TicketKey, out *Ticket) error {
	return r.tickets(k.Flow, func(t Ticket) { *out = t }, "WHERE id = $1", k.ID)
}

// tickets reads rows of a flow's table.
func (r realCalls) tickets(flow string, do func(Ticket), where string, args ...any) error {
	table, _ := ticketTable(flow)
	var id, no int
	var text string
	return r.each([]any{&id, &no, &text}, func() error {
		var t Ticket
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			return err
		}
		t.ID, t.DataNo = id, no
		do(t)
		return nil
	}, "SELECT id, data_no, value FROM "+table+" "+where, args...)
}

// flows are the flows that have a table, by UUID.
func (r realCalls) flows() (flows []string, err error) {
	var name string
	err = r.each([]any{&name}, func() error {
		flows = append(flows, strings.TrimPrefix(name, ticketTables))
		return nil
	}, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, $1) ORDER BY tablename", ticketTables)
	return flows, err
}

func (r realCalls) Tickets(q TicketQuery, out *TicketPage) (err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	q.Limit = min(q.Limit, maxRows)
	flows := []string{q.Flow}
	if q.Flow == "" {
		if flows, err = r.flows(); err != nil {
			return err
		}
	}
	const where = "WHERE ($1 = 0 OR data_no = $1) AND (NOT $2 OR NOT history AND NOT closed) AND starts_with(title, $3)"
	order := " ORDER BY id"
	if q.Newest {
		order += " DESC"
	}
	for _, flow := range flows {
		table, _ := ticketTable(flow)
		here := 0
		if _, err := r.one([]any{&here}, "SELECT count(*) FROM "+table+" "+where, q.DataNo, q.Open, q.TitlePrefix); err != nil {
			return err
		}
		skip, some := max(0, q.Start-out.Total), q.Limit-len(out.Rows)
		out.Total += here
		if here == 0 || some == 0 {
			continue
		}
		if err := r.tickets(flow, func(t Ticket) { out.Rows = append(out.Rows, TicketRow{Flow: flow, Ticket: t}) },
			where+order+" OFFSET $4 LIMIT $5", q.DataNo, q.Open, q.TitlePrefix, skip, some); err != nil {
			return err
		}
	}
	return nil
}

// OpenByLevel counts the open rows of all flows by level.
func (r realCalls) OpenByLevel(_ None, out *map[string]int) error {
	return r.count(out, "level, count(*)", "WHERE NOT history AND NOT closed GROUP BY level")
}

// TicketsByTitle counts the tickets, not their rows.
func (r realCalls) TicketsByTitle(prefix string, out *map[string]int) error {
	return r.count(out, "title, count(DISTINCT data_no)", "WHERE starts_with(title, $1) GROUP BY title", prefix)
}

// count adds up the counts of all flows by a text.
func (r realCalls) count(out *map[string]int, columns, rest string, args ...any) error {
	*out = map[string]int{}
	flows, err := r.flows()
	if err != nil {
		return err
	}
	for _, flow := range flows {
		table, _ := ticketTable(flow)
		var text string
		var n int
		if err := r.each([]any{&text, &n}, func() error {
			(*out)[text] += n
			return nil
		}, "SELECT "+columns+" FROM "+table+" "+rest, args...); err != nil {
			return err
		}
	}
	return nil
}
