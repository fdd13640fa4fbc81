package database

import (
	"strconv"
	"strings"

	goora "github.com/sijms/go-ora/v2"
)

// strandedSQL is the SQL of one engine. {limit}, {head} and {most} stand for bounds,
// {window} for how many of a table's newest rows count, {since} for a time, written as
// times says; {table}, {flow} and {data} for a ticket's table, flow and row, or in ticket
// for the rows of several, with commas; {row} for a
// flow's row; {queue}, {module} and {method} for columns of a row of the journal; {passed}
// for the queue_id of one that does not count; {after} for a row and {no} for a ticket's
// number. restore has two parameters: input_param, and the data_param that the ticket must
// still have; spare has the second alone. {unread} stands for what narrows down which rows
// of the journal are looked through for tickets; among is that, with {rows} for their IDs.
type strandedSQL struct {
	flows, design, running, ended, journal, pauses, ticket, begin, restore string
	opener, opened, row, later, passed, spare, among                       string
	// proofs are what proves that a ticket is stranded; {proof} stands for one of them in
	// ticket and restore.
	proofs [proofsCount]string
	times  string
}

// strandedWords is what differs between those engines whose names need no quotes.
type strandedWords struct {
	yes, no   string
	top, tail string
	uuid      string // makes a text of %
	length    string
	around    string // the beginning of the member outflow_content in %
	joined    string // {before}, the number of a ticket's row t, and {after}, as one text
	one, two  string // the parameters
	same      string // compares {column} with {param}, byte by byte
	times     string
}

// openerLike finds a member outflow_content, which openerHead bounds, in characters: what
// is asked for of the ticket in it comes first (createOmData in views.py).
const (
	openerMember = `"outflow_content": {`
	openerLike   = `'%` + openerMember + `%'`
	openerHead   = `600`
)

// How an engine reads the beginning of that member of the column %. What comes of a column
// without it does not begin like it.
const (
	postgresAround  = `substr(%, strpos(%, '` + openerMember + `'), ` + openerHead + `)`
	mysqlAround     = `substring(%, locate('` + openerMember + `', %), ` + openerHead + `)`
	sqlserverAround = `SUBSTRING(%, CHARINDEX('` + openerMember + `', %), ` + openerHead + `)`
	oracleAround    = `DBMS_LOB.SUBSTR(%, ` + openerHead + `, DBMS_LOB.INSTR(%, '` + openerMember + `'))`
)

// naming finds, in what Python has written as JSON, the row of the ticket t as a number or
// as a text, which it is after somebody has pushed the ticket on in a browser.
func (w strandedWords) naming(param string) string {
	like := func(before, after string) string {
		return param + ` LIKE ` + strings.NewReplacer("{before}", `%"data_id": `+before, "{after}", after+`%`).Replace(w.joined)
	}
	return param + ` LIKE '%"table_uuid": "{flow}"%' AND (` + like(``, `,`) + ` OR ` + like(``, `}`) + ` OR ` + like(`"`, `"`) + `)`
}

func strandedOf(w strandedWords) strandedSQL {
	uuid := func(column string) string { return strings.ReplaceAll(w.uuid, "%", column) }
	same := func(column, param string) string {
		return strings.NewReplacer("{column}", column, "{param}", param).Replace(w.same)
	}
	flag := func(column string) string { return `CASE WHEN t.` + column + ` = ` + w.yes + ` THEN 1 ELSE 0 END` }
	open := ` WHERE t.id IN ({data}) AND t.running = ` + w.yes + ` AND t.history = ` + w.no + ` AND t.closed = ` + w.no
	unnamed := ` AND NOT EXISTS (SELECT 1 FROM omflow_queuedata q WHERE {unread}` + w.naming(`q.input_param`)
	unpaused := ` AND NOT EXISTS (SELECT 1 FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = ` + w.yes + ` AND ` + w.naming(`p.input_param`) + `)`
	newestRow := ` AND NOT EXISTS (SELECT 1 FROM {table} s WHERE s.id > t.id AND s.data_no = t.data_no)`
	form := ` WHERE t.id IN ({data}) AND t.running = ` + w.no + ` AND t.history = ` + w.no + ` AND t.closed = ` + w.no + ` AND t.error = ` + w.no
	unqueued := ` AND NOT EXISTS (SELECT 1 FROM omflow_queuedata q WHERE q.queue_id = '{queue}')`
	past := ` WHERE t.id IN ({data}) AND t.running = ` + w.no + ` AND t.history = ` + w.yes + ` AND t.closed = ` + w.no + ` AND t.error = ` + w.no +
		newestRow
	param := `CASE WHEN ` + w.length + `(t.data_param) <= ` + strconv.Itoa(maxDataParam) + ` THEN t.data_param END`
	recent := `CASE WHEN t.createtime >= '{since}' OR t.updatetime >= '{since}' THEN 1 ELSE 0 END`
	newest := ` FROM {table} t WHERE t.id > (SELECT MAX(m.id) FROM {table} m) - {window}`
	return strandedSQL{
		flows: `SELECT ` + w.top + `f.id, ` + uuid(`f.flow_uuid`) + `, ` + uuid(`f.parent_uuid`) + `, f.version, f.flow_name` +
			` FROM omformflow_flowactive f WHERE f.undeploy_flag = ` + w.no + ` AND f.is_active = ` + w.yes + ` ORDER BY f.id DESC` + w.tail,
		design: `SELECT CASE WHEN ` + w.length + `(f.flowobject) <= {most} THEN f.flowobject END FROM omformflow_flowactive f WHERE f.id = {row}`,
		running: `SELECT ` + w.top + `t.id, t.data_no, ` + recent + `, CASE WHEN t.data_param LIKE '%"async_main_ticket_id": %' THEN 1 ELSE 0 END` + newest + ` AND t.running = ` + w.yes +
			` AND t.history = ` + w.no + ` AND t.closed = ` + w.no + ` ORDER BY t.id DESC` + w.tail,
		journal: `SELECT ` + w.top + `left(q.queue_id, {chars}), left(q.input_param, {head}) FROM omflow_queuedata q ORDER BY q.id` + w.tail,
		pauses: `SELECT ` + w.top + `left(p.input_param, {head}) FROM omflow_scheduler p WHERE p.cycle = 'Once' AND p.is_active = ` + w.yes +
			` ORDER BY p.id` + w.tail,
		ticket: `SELECT t.id, ` + param + `, t.init_data_id FROM {table} t{proof}`,
		proofs: [...]string{open + unnamed + `)` + unpaused, past + unnamed + `)` + unpaused, open + newestRow + unqueued, form + newestRow + unqueued},
		ended: `SELECT ` + w.top + `t.id, t.data_no, ` + recent + `, CASE WHEN t.history = ` + w.no + ` THEN 1 ELSE 0 END FROM {table} t JOIN (SELECT MAX(n.id) AS last FROM {table} n` +
			` WHERE n.id > (SELECT MAX(m.id) FROM {table} m) - {window} GROUP BY n.data_no) l ON l.last = t.id` +
			` WHERE t.running = ` + w.no + ` AND t.closed = ` + w.no + ` AND t.error = ` + w.no +
			` AND (t.history = ` + w.yes + ` OR t.data_param LIKE '%"async_main_ticket_id": %') ORDER BY t.id DESC` + w.tail,
		begin: `UPDATE {table} SET init_data_id = id WHERE id = {data} AND init_data_id IS NULL AND running = ` + w.yes +
			` AND history = ` + w.no + ` AND closed = ` + w.no,
		restore: `INSERT INTO omflow_queuedata (queue_id, name, input_param, module_name, method_name)` +
			` SELECT '{queue}', 'FormFlow', ` + w.one + `, '{module}', '{method}' FROM {table} t{proof} AND ` + same(`t.data_param`, w.two),
		opener: `SELECT ` + param + ` FROM {table} t` + open + unnamed + ` AND q.queue_id <> '{passed}')` + unpaused,
		opened: `SELECT ` + w.top + `t.id, t.data_no, ` + flag(`history`) + `, ` + flag(`closed`) + `, ` + recent + `, ` +
			strings.ReplaceAll(w.around, "%", `t.data_param`) + newest + ` AND t.data_param LIKE ` + openerLike + ` ORDER BY t.id DESC` + w.tail,
		row: `SELECT ` + param + `, ` + flag(`history`) + `, ` + flag(`error`) + ` FROM {table} t WHERE t.id = {data}`,
		later: `SELECT ` + w.top + param + ` FROM {table} t WHERE t.id > {after} AND t.data_no = {no} AND t.id <> {data}` +
			` ORDER BY t.id` + w.tail,
		passed: `DELETE FROM omflow_queuedata WHERE queue_id = '{queue}'`,
		spare: `UPDATE {table} SET running = ` + w.no + `, history = ` + w.yes + ` WHERE id = {data} AND running = ` + w.yes +
			` AND history = ` + w.no + ` AND closed = ` + w.no + ` AND ` + same(`data_param`, w.one),
		among: `q.id IN ({rows}) AND `,
		times: w.times,
	}
}

// oracleNaming is naming where a TextField is an NCLOB.
func oracleNaming(param string) string {
	has := func(text string) string { return `DBMS_LOB.INSTR(` + param + `, ` + text + `) > 0` }
	row := func(before, after string) string {
		return has(`'"data_id": ` + before + `' || TO_CHAR(t."ID") || '` + after + `'`)
	}
	return has(`'"table_uuid": "{flow}"'`) + ` AND (` + row(``, `,`) + ` OR ` + row(``, `}`) + ` OR ` + row(`"`, `"`) + `)`
}

const oracleOpen = ` WHERE t."ID" IN ({data}) AND t."RUNNING" = 1 AND t."HISTORY" = 0 AND t."CLOSED" = 0`

var (
	oracleUnnamed  = ` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_QUEUEDATA" q WHERE {unread}` + oracleNaming(`q."INPUT_PARAM"`)
	oracleUnpaused = ` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_SCHEDULER" p WHERE p."CYCLE" = 'Once' AND p."IS_ACTIVE" = 1 AND ` +
		oracleNaming(`p."INPUT_PARAM"`) + `)`
	oracleParam = `CASE WHEN DBMS_LOB.GETLENGTH(t."DATA_PARAM") <= ` + strconv.Itoa(maxDataParam) + ` THEN t."DATA_PARAM" END`
)

const (
	oracleRecent    = `CASE WHEN t."CREATETIME" >= TIMESTAMP '{since}' OR t."UPDATETIME" >= TIMESTAMP '{since}' THEN 1 ELSE 0 END`
	oracleUnqueued  = ` AND NOT EXISTS (SELECT 1 FROM "OMFLOW_QUEUEDATA" q WHERE DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1) = '{queue}')`
	oracleNewestRow = ` AND NOT EXISTS (SELECT 1 FROM "{table}" s WHERE s."ID" > t."ID" AND s."DATA_NO" = t."DATA_NO")`
	oracleNewest    = ` FROM "{table}" t WHERE t."ID" > (SELECT MAX(m."ID") FROM "{table}" m) - {window}`
)

var strandedStatements = map[Engine]strandedSQL{
	Postgres: strandedOf(strandedWords{
		yes: `true`, no: `false`, tail: ` LIMIT {limit}`, uuid: `%::text`, length: `length`, one: `$1`, two: `$2`, same: `{column} = {param}`,
		around: postgresAround,
		joined: `'{before}' || t.id || '{after}'`,
		times:  `2006-01-02 15:04:05+00`,
	}),
	MySQL: strandedOf(strandedWords{
		yes: `1`, no: `0`, tail: ` LIMIT {limit}`, uuid: `%`, length: `char_length`, one: `?`, two: `?`, same: `CAST({column} AS BINARY) = CAST({param} AS BINARY)`,
		around: mysqlAround,
		joined: `CONCAT('{before}', t.id, '{after}')`,
		times:  `2006-01-02 15:04:05`,
	}),
	SQLServer: strandedOf(strandedWords{
		yes: `1`, no: `0`, top: `TOP ({limit}) `, uuid: `CONVERT(nvarchar(36), %)`, length: `LEN`, one: `@p1`, two: `@p2`, same: `{column} COLLATE Latin1_General_BIN2 = {param}`,
		around: sqlserverAround,
		joined: `'{before}' + CAST(t.id AS varchar(20)) + '{after}'`,
		times:  `2006-01-02T15:04:05`,
	}),
	Oracle: {
		flows: `SELECT f."ID", f."FLOW_UUID", f."PARENT_UUID", f."VERSION", f."FLOW_NAME" FROM "OMFORMFLOW_FLOWACTIVE" f` +
			` WHERE f."UNDEPLOY_FLAG" = 0 AND f."IS_ACTIVE" = 1 ORDER BY f."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		design: `SELECT CASE WHEN DBMS_LOB.GETLENGTH(f."FLOWOBJECT") <= {most} THEN f."FLOWOBJECT" END FROM "OMFORMFLOW_FLOWACTIVE" f WHERE f."ID" = {row}`,
		running: `SELECT t."ID", t."DATA_NO", ` + oracleRecent + `, CASE WHEN DBMS_LOB.INSTR(t."DATA_PARAM", '"async_main_ticket_id": ') > 0 THEN 1 ELSE 0 END` +
			oracleNewest + ` AND t."RUNNING" = 1` +
			` AND t."HISTORY" = 0 AND t."CLOSED" = 0 ORDER BY t."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		journal: `SELECT DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1), DBMS_LOB.SUBSTR(q."INPUT_PARAM", {head}, 1) FROM "OMFLOW_QUEUEDATA" q ORDER BY q."ID" FETCH FIRST {limit} ROWS ONLY`,
		pauses: `SELECT DBMS_LOB.SUBSTR(p."INPUT_PARAM", {head}, 1) FROM "OMFLOW_SCHEDULER" p WHERE p."CYCLE" = 'Once' AND p."IS_ACTIVE" = 1` +
			` ORDER BY p."ID" FETCH FIRST {limit} ROWS ONLY`,
		ticket: `SELECT t."ID", ` + oracleParam + `, t."INIT_DATA_ID" FROM "{table}" t{proof}`,
		proofs: [...]string{
			oracleOpen + oracleUnnamed + `)` + oracleUnpaused,
			` WHERE t."ID" IN ({data}) AND t."RUNNING" = 0 AND t."HISTORY" = 1 AND t."CLOSED" = 0 AND t."ERROR" = 0` +
				oracleNewestRow + oracleUnnamed + `)` + oracleUnpaused,
			oracleOpen + oracleNewestRow + oracleUnqueued,
			` WHERE t."ID" IN ({data}) AND t."RUNNING" = 0 AND t."HISTORY" = 0 AND t."CLOSED" = 0 AND t."ERROR" = 0` + oracleNewestRow + oracleUnqueued,
		},
		ended: `SELECT t."ID", t."DATA_NO", ` + oracleRecent + `, 1 - t."HISTORY" FROM "{table}" t JOIN (SELECT MAX(n."ID") AS "LAST" FROM "{table}" n` +
			` WHERE n."ID" > (SELECT MAX(m."ID") FROM "{table}" m) - {window} GROUP BY n."DATA_NO") l ON l."LAST" = t."ID"` +
			` WHERE t."RUNNING" = 0 AND t."CLOSED" = 0 AND t."ERROR" = 0` +
			` AND (t."HISTORY" = 1 OR DBMS_LOB.INSTR(t."DATA_PARAM", '"async_main_ticket_id": ') > 0) ORDER BY t."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		begin: `UPDATE "{table}" SET "INIT_DATA_ID" = "ID" WHERE "ID" = {data} AND "INIT_DATA_ID" IS NULL AND "RUNNING" = 1` +
			` AND "HISTORY" = 0 AND "CLOSED" = 0`,
		restore: `INSERT INTO "OMFLOW_QUEUEDATA" ("QUEUE_ID", "NAME", "INPUT_PARAM", "MODULE_NAME", "METHOD_NAME")` +
			` SELECT '{queue}', 'FormFlow', :1, '{module}', '{method}' FROM "{table}" t{proof}` +
			` AND DBMS_LOB.COMPARE(t."DATA_PARAM", :2) = 0`,
		opener: `SELECT ` + oracleParam + ` FROM "{table}" t` + oracleOpen + oracleUnnamed +
			` AND DBMS_LOB.SUBSTR(q."QUEUE_ID", {chars}, 1) <> '{passed}')` + oracleUnpaused,
		opened: `SELECT t."ID", t."DATA_NO", t."HISTORY", t."CLOSED", ` + oracleRecent + `, ` + strings.ReplaceAll(oracleAround, "%", `t."DATA_PARAM"`) + oracleNewest +
			` AND DBMS_LOB.INSTR(t."DATA_PARAM", '` + openerMember + `') > 0 ORDER BY t."ID" DESC FETCH FIRST {limit} ROWS ONLY`,
		row: `SELECT ` + oracleParam + `, t."HISTORY", t."ERROR" FROM "{table}" t WHERE t."ID" = {data}`,
		later: `SELECT ` + oracleParam + ` FROM "{table}" t WHERE t."ID" > {after} AND t."DATA_NO" = {no} AND t."ID" <> {data}` +
			` ORDER BY t."ID" FETCH FIRST {limit} ROWS ONLY`,
		passed: `DELETE FROM "OMFLOW_QUEUEDATA" WHERE DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1) = '{queue}'`,
		spare: `UPDATE "{table}" SET "RUNNING" = 0, "HISTORY" = 1 WHERE "ID" = {data} AND "RUNNING" = 1 AND "HISTORY" = 0 AND "CLOSED" = 0` +
			` AND DBMS_LOB.COMPARE("DATA_PARAM", :1) = 0`,
		among: `q."ID" IN ({rows}) AND `,
		times: `2006-01-02 15:04:05`,
	},
}

// strandedStatement is a statement about one ticket.
func (db *DB) strandedStatement(statement string, t StrandedTicket) string {
	statement = strings.ReplaceAll(statement, "{proof}", strandedStatements[db.target.Engine].proofs[t.proof])
	return strings.NewReplacer("{table}", ticketTable(db.target.Engine, t.Flow), "{flow}", t.Flow, "{data}", strconv.FormatInt(t.DataID, 10), "{unread}", "",
		"{queue}", t.step.queueID, "{module}", t.step.module, "{method}", t.step.method, "{chars}", strconv.Itoa(maxQueueID)).Replace(statement)
}

// wideText is a text as a parameter for a column that takes texts of any length: Oracle's
// driver would send a plain one as a VARCHAR2.
func (db *DB) wideText(text string) any {
	if db.target.Engine == Oracle {
		return goora.NClob{String: text, Valid: true}
	}
	return text
}
