package database

import (
	"strconv"
	"strings"

	goora "github.com/sijms/go-ora/v2"
)

// strandedSQL is the SQL of one engine. {limit}, {head} and {most} stand for bounds,
// {window} for how many of a table's newest rows count, {since} for a time, written as
// times says; {table}, {flow} and {data} for a ticket's table, flow and row; {row} for a
// flow's row; {queue}, {module} and {method} for columns of a row of the journal. restore
// has two parameters: input_param, and the data_param that the ticket must still have.
type strandedSQL struct {
	flows, design, running, journal, pauses, ticket, begin, restore string
	times                                                           string
}

// strandedWords is what differs between those engines whose names need no quotes.
type strandedWords struct {
	yes, no   string
	top, tail string
	uuid      string // makes a text of %
	length    string
	input     string // the first parameter
	same      string // compares data_param with the second, byte by byte
	times     string
}

// naming finds, in what Python has written as JSON, the ticket's row as a number or as a
// text, which it is after somebody has pushed the ticket on in a browser.
func naming(param string) string {
	like := func(text string) string { return param + ` LIKE '%` + text + `%'` }
	return like(`"table_uuid": "{flow}"`) + ` AND (` + like(`"data_id": {data},`) + ` OR ` + like(`"data_id": {data}}`) + ` OR ` + like(`"data_id": "{data}"`) + `)`
}

func strandedOf(w strandedWords) strandedSQL {
	uuid := func(column string) string { return strings.ReplaceAll(w.uuid, "%", column) }
	proof := ` WHERE t.id = {data} AND t.running = ` + w.yes + ` AND t.history = ` + w.no + ` AND t.closed = ` + w.no +
		` AND NOT EXISTS (SELECT 1 FROM omflow_queuedata q WHERE ` + naming(`q.input_param`) + `)` +
		` AND NOT EXISTS (SELECT 1 FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = ` + w.yes + ` AND ` + naming(`p.input_param`) + `)`
	return strandedSQL{
		flows: `SELECT ` + w.top + `f.id, ` + uuid(`f.flow_uuid`) + `, ` + uuid(`f.parent_uuid`) + `, f.version, f.flow_name` +
			` FROM omformflow_flowactive f WHERE f.undeploy_flag = ` + w.no + ` AND f.is_active = ` + w.yes + ` ORDER BY f.id DESC` + w.tail,
		design: `SELECT CASE WHEN ` + w.length + `(f.flowobject) <= {most} THEN f.flowobject END FROM omformflow_flowactive f WHERE f.id = {row}`,
		running: `SELECT ` + w.top + `t.id, t.data_no, CASE WHEN t.createtime >= '{since}' OR t.updatetime >= '{since}' THEN 1 ELSE 0 END` +
			` FROM {table} t WHERE t.id > (SELECT MAX(m.id) FROM {table} m) - {window} AND t.running = ` + w.yes +
			` AND t.history = ` + w.no + ` AND t.closed = ` + w.no + ` ORDER BY t.id DESC` + w.tail,
		journal: `SELECT ` + w.top + `left(q.input_param, {head}) FROM omflow_queuedata q ORDER BY q.id` + w.tail,
		pauses: `SELECT ` + w.top + `left(p.input_param, {head}) FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = ` + w.yes +
			` ORDER BY p.id` + w.tail,
		ticket: `SELECT CASE WHEN ` + w.length + `(t.data_param) <= ` + strconv.Itoa(maxDataParam) + ` THEN t.data_param END, t.init_data_id FROM {table} t` + proof,
		begin: `UPDATE {table} SET init_data_id = id WHERE id = {data} AND init_data_id IS NULL AND running = ` + w.yes +
			` AND history = ` + w.no + ` AND closed = ` + w.no,
		restore: `INSERT INTO omflow_queuedata (queue_id, name, input_param, module_name, method_name)` +
			` SELECT '{queue}', 'FormFlow', ` + w.input + `, '{module}', '{method}' FROM {table} t` + proof + ` AND ` + w.same,
		times: w.times,
	}
}

// oracleNaming is naming where a TextField is an NCLOB.
func oracleNaming(param string) string {
	has := func(text string) string { return `DBMS_LOB.INSTR(` + param + `, '` + text + `') > 0` }
	return has(`"table_uuid": "{flow}"`) + ` AND (` + has(`"data_id": {data},`) + ` OR ` + has(`"data_id": {data}}`) + ` OR ` + has(`"data_id": "{data}"`) + `)`
}

var oracleStrandedProof = ` WHERE t."ID" = {data} AND t."RUNNING" = 1 AND t."HISTORY" = 0 AND t."CLOSED" = 0` +
	` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_QUEUEDATA" q WHERE ` + oracleNaming(`q."INPUT_PARAM"`) + `)` +
	` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_SCHEDULER" p WHERE p."CYCLE" = 'Once' AND p."IS_ACTIVE" = 1 AND ` + oracleNaming(`p."INPUT_PARAM"`) + `)`

var strandedStatements = map[Engine]strandedSQL{
	Postgres: strandedOf(strandedWords{
		yes: `true`, no: `false`, tail: ` LIMIT {limit}`, uuid: `%::text`, length: `length`, input: `$1`, same: `t.data_param = $2`,
		times: `2006-01-02 15:04:05+00`,
	}),
	MySQL: strandedOf(strandedWords{
		yes: `1`, no: `0`, tail: ` LIMIT {limit}`, uuid: `%`, length: `char_length`, input: `?`, same: `CAST(t.data_param AS BINARY) = CAST(? AS BINARY)`,
		times: `2006-01-02 15:04:05`,
	}),
	SQLServer: strandedOf(strandedWords{
		yes: `1`, no: `0`, top: `TOP ({limit}) `, uuid: `CONVERT(nvarchar(36), %)`, length: `LEN`, input: `@p1`, same: `t.data_param COLLATE Latin1_General_BIN2 = @p2`,
		times: `2006-01-02T15:04:05`,
	}),
	Oracle: {
		flows: `SELECT f."ID", f."FLOW_UUID", f."PARENT_UUID", f."VERSION", f."FLOW_NAME" FROM "OMFORMFLOW_FLOWACTIVE" f` +
			` WHERE f."UNDEPLOY_FLAG" = 0 AND f."IS_ACTIVE" = 1 ORDER BY f."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		design: `SELECT CASE WHEN DBMS_LOB.GETLENGTH(f."FLOWOBJECT") <= {most} THEN f."FLOWOBJECT" END FROM "OMFORMFLOW_FLOWACTIVE" f WHERE f."ID" = {row}`,
		running: `SELECT t."ID", t."DATA_NO", CASE WHEN t."CREATETIME" >= TIMESTAMP '{since}' OR t."UPDATETIME" >= TIMESTAMP '{since}' THEN 1 ELSE 0 END` +
			` FROM "{table}" t WHERE t."ID" > (SELECT MAX(m."ID") FROM "{table}" m) - {window} AND t."RUNNING" = 1` +
			` AND t."HISTORY" = 0 AND t."CLOSED" = 0 ORDER BY t."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		journal: `SELECT DBMS_LOB.SUBSTR(q."INPUT_PARAM", {head}, 1) FROM "OMFLOW_QUEUEDATA" q ORDER BY q."ID" FETCH FIRST {limit} ROWS ONLY`,
		pauses: `SELECT DBMS_LOB.SUBSTR(p."INPUT_PARAM", {head}, 1) FROM "OMFLOW_SCHEDULER" p WHERE p."CYCLE" = 'Once' AND p."IS_ACTIVE" = 1` +
			` ORDER BY p."ID" FETCH FIRST {limit} ROWS ONLY`,
		ticket: `SELECT CASE WHEN DBMS_LOB.GETLENGTH(t."DATA_PARAM") <= ` + strconv.Itoa(maxDataParam) + ` THEN t."DATA_PARAM" END, t."INIT_DATA_ID"` +
			` FROM "{table}" t` + oracleStrandedProof,
		begin: `UPDATE "{table}" SET "INIT_DATA_ID" = "ID" WHERE "ID" = {data} AND "INIT_DATA_ID" IS NULL AND "RUNNING" = 1` +
			` AND "HISTORY" = 0 AND "CLOSED" = 0`,
		restore: `INSERT INTO "OMFLOW_QUEUEDATA" ("QUEUE_ID", "NAME", "INPUT_PARAM", "MODULE_NAME", "METHOD_NAME")` +
			` SELECT '{queue}', 'FormFlow', :1, '{module}', '{method}' FROM "{table}" t` + oracleStrandedProof +
			` AND DBMS_LOB.COMPARE(t."DATA_PARAM", :2) = 0`,
		times: `2006-01-02 15:04:05`,
	},
}

// strandedStatement is a statement about one ticket.
func (db *DB) strandedStatement(statement string, t StrandedTicket) string {
	return strings.NewReplacer("{table}", ticketTable(db.target.Engine, t.Flow), "{flow}", t.Flow, "{data}", strconv.FormatInt(t.DataID, 10),
		"{queue}", t.step.queueID, "{module}", t.step.module, "{method}", t.step.method).Replace(statement)
}

// wideText is a text as a parameter for a column that takes texts of any length: Oracle's
// driver would send a plain one as a VARCHAR2.
func (db *DB) wideText(text string) any {
	if db.target.Engine == Oracle {
		return goora.NClob{String: text, Valid: true}
	}
	return text
}
