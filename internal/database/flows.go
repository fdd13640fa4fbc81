package database

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what Flows and Designs read.
const (
	// MaxFlows is how many flows are read. A deployed flow's older versions don't count.
	MaxFlows = 2000
	// maxDesigns is how many designs are read in one statement, and with it about how
	// much memory it takes: a shipped flow's has about 30 kB.
	maxDesigns = 50
)

// Flow is a flow that is deployed: a row of OMFLOW's table of flows (model FlowActive of
// the app "omformflow", OMFLOW 1.1.0.0). A row's design never changes: another version
// is another row.
type Flow struct {
	ID int64
	// UUID is the flow's, Parent the main flow's if this is a subflow, else "": as the
	// engine writes them, with or without dashes.
	UUID, Parent string
	// App and Name are the application's and the flow's names; APIPath may be empty.
	App, Name, APIPath string
}

// FlowDesign is a flow's design as far as it can matter.
type FlowDesign struct {
	ID int64
	// Has tells, for each word that was asked for, whether the design's text has it in
	// quotes.
	Has []bool
	// Text is the design, or "" if it has none of the words or is too long.
	Text string
}

// flowSQL is the SQL of one engine: {limit} stands for a number of rows, {ids} for rows'
// ids, {most} for how long a design may be that is read, in characters, {has} and {any}
// for whether it has the words. word is how an engine finds a word in a design.
type flowSQL struct{ read, designs, word string }

// readFlows takes how an engine writes a UUID, false, and its bounds before and after.
// The newest are read, if there are too many.
func readFlows(uuid, parent, top, tail, no string) string {
	return `SELECT ` + top + `f.id, ` + uuid + `, ` + parent + `, a.app_name, f.flow_name, f.api_path` +
		` FROM omformflow_flowactive f JOIN omformflow_activeapplication a ON a.id = f.flow_app_id` +
		` WHERE f.undeploy_flag = ` + no + ` ORDER BY f.id DESC` + tail
}

// readDesigns takes how an engine tells a text's length.
func readDesigns(length string) string {
	return `SELECT f.id, {has}, CASE WHEN ({any}) AND ` + length + `(f.flowobject) <= {most} THEN f.flowobject END` +
		` FROM omformflow_flowactive f WHERE f.id IN ({ids})`
}

// likeWord finds a word whatever case the engine's collation minds: one too many does no
// harm.
const likeWord = `f.flowobject LIKE '%"{word}"%'`

var flowStatements = map[Engine]flowSQL{
	Postgres:  {readFlows(`f.flow_uuid::text`, `f.parent_uuid::text`, ``, ` LIMIT {limit}`, `false`), readDesigns(`length`), likeWord},
	MySQL:     {readFlows(`f.flow_uuid`, `f.parent_uuid`, ``, ` LIMIT {limit}`, `0`), readDesigns(`char_length`), likeWord},
	SQLServer: {readFlows(`CONVERT(nvarchar(36), f.flow_uuid)`, `CONVERT(nvarchar(36), f.parent_uuid)`, `TOP ({limit}) `, ``, `0`), readDesigns(`LEN`), likeWord},
	// A TextField is an NCLOB on Oracle.
	Oracle: {
		`SELECT f."ID", f."FLOW_UUID", f."PARENT_UUID", a."APP_NAME", f."FLOW_NAME", f."API_PATH"` +
			` FROM "OMFORMFLOW_FLOWACTIVE" f JOIN "OMFORMFLOW_ACTIVEAPPLICATION" a ON a."ID" = f."FLOW_APP_ID"` +
			` WHERE f."UNDEPLOY_FLAG" = 0 ORDER BY f."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		`SELECT f."ID", {has}, CASE WHEN ({any}) AND DBMS_LOB.GETLENGTH(f."FLOWOBJECT") <= {most} THEN f."FLOWOBJECT" END` +
			` FROM "OMFORMFLOW_FLOWACTIVE" f WHERE f."ID" IN ({ids})`,
		`DBMS_LOB.INSTR(f."FLOWOBJECT", '"{word}"') > 0`,
	},
}

// Flows returns the flows that are deployed, the oldest first, subflows among them, and
// whether there are more than [MaxFlows]: then the newest. It takes at most 10 s. The
// error is of kind [NoTable] where OMFLOW has none.
func (db *DB) Flows(ctx context.Context) (flows []Flow, more bool, err error) {
	statement := limited(flowStatements[db.target.Engine].read, MaxFlows+1)
	err = db.call(ctx, "read the deployed flows in", func(ctx context.Context) error {
		flows, err = db.flows(ctx, statement)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if len(flows) > MaxFlows {
		flows, more = flows[1:], true
	}
	return flows, more, nil
}

// flows reads the flows, of which the statement gives the newest first.
func (db *DB) flows(ctx context.Context, statement string) ([]Flow, error) {
	rows, err := db.pool.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var flows []Flow
	for rows.Next() && len(flows) <= MaxFlows {
		var f Flow
		var uuid, parent, app, name, path sql.NullString
		if err := rows.Scan(&f.ID, &uuid, &parent, &app, &name, &path); err != nil {
			return nil, err
		}
		f.UUID, f.Parent, f.App, f.Name, f.APIPath = uuid.String, parent.String, app.String, name.String, path.String
		flows = append(flows, f)
	}
	for i, j := 0, len(flows)-1; i < j; i, j = i+1, j-1 {
		flows[i], flows[j] = flows[j], flows[i]
	}
	return flows, rows.Err()
}

// Designs reads the designs of flows, given by their ids: of each, which of the words
// its text has in quotes, and the text if it has any and is no longer than most
// characters. Words are letters. It takes at most 10 s for each 50 designs.
func (db *DB) Designs(ctx context.Context, ids []int64, words []string, most int) ([]FlowDesign, error) {
	var designs []FlowDesign
	for len(ids) > 0 {
		n := min(len(ids), maxDesigns)
		statement, err := db.designStatement(ids[:n], words, most)
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
		var some []FlowDesign
		err = db.call(ctx, "read the designs of flows in", func(ctx context.Context) error {
			some, err = db.designs(ctx, statement, len(words))
			return err
		})
		if err != nil {
			return nil, err
		}
		designs = append(designs, some...)
	}
	return designs, nil
}

func (db *DB) designStatement(ids []int64, words []string, most int) (string, error) {
	s := flowStatements[db.target.Engine]
	var has, any, rows []string
	for _, word := range words {
		if !cycleForm.MatchString(word) {
			return "", fmt.Errorf("read the designs of flows: word %q", word)
		}
		found := strings.ReplaceAll(s.word, "{word}", word)
		has = append(has, `CASE WHEN `+found+` THEN 1 ELSE 0 END`)
		any = append(any, found)
	}
	for _, id := range ids {
		rows = append(rows, strconv.FormatInt(id, 10))
	}
	return strings.NewReplacer("{has}", strings.Join(has, ", "), "{any}", strings.Join(any, " OR "),
		"{ids}", strings.Join(rows, ", "), "{most}", strconv.Itoa(most)).Replace(s.designs), nil
}

func (db *DB) designs(ctx context.Context, statement string, words int) (designs []FlowDesign, err error) {
	rows, err := db.pool.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		d := FlowDesign{Has: make([]bool, words)}
		var text sql.NullString
		has := make([]int, words)
		into := []any{&d.ID}
		for i := range has {
			into = append(into, &has[i])
		}
		if err := rows.Scan(append(into, &text)...); err != nil {
			return nil, err
		}
		for i, n := range has {
			d.Has[i] = n != 0
		}
		d.Text = text.String
		designs = append(designs, d)
	}
	return designs, rows.Err()
}
