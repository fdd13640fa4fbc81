package database

import (
	"strconv"
	"strings"
)

// What follows are the statements of Ping, Check and Journal on PostgreSQL,
// exactly as they are sent, each as one simple query without parameters (no
// Parse, no Bind), in this order. TABLE stands for omflow_check_ and 12 hex
// digits, N for a number.
//
//	Ping     SELECT 1
//
//	Check    SELECT version()
//	         CREATE TABLE TABLE (id integer NOT NULL PRIMARY KEY, note varchar(40) NOT NULL)
//	         INSERT INTO TABLE (id, note) VALUES (1, '流程 😀')
//	         SELECT note FROM TABLE WHERE id = 1
//	         UPDATE TABLE SET note = 'changed' WHERE id = 1
//	         SELECT note FROM TABLE WHERE id = 1
//	         DELETE FROM TABLE WHERE id = 1
//	         ALTER TABLE TABLE ADD COLUMN more integer
//	         CREATE INDEX TABLE_more ON TABLE (more)
//	         DROP TABLE TABLE
//
//	Journal  SELECT id, left(queue_id, 256) FROM omflow_queuedata ORDER BY id LIMIT N
//	         SELECT q.id, left(q.queue_id, 256), left(q.input_param, 4000), CASE WHEN length(q.input_param) > 4000 THEN 1 ELSE 0 END, CASE WHEN length(q.input_param) > 4000 AND q.input_param LIKE '%"outflow_done": %' THEN 1 ELSE 0 END, CASE WHEN length(q.input_param) > 4000 THEN substr(q.input_param, strpos(q.input_param, '"outflow_content": {'), 600) END FROM omflow_queuedata q WHERE q.id >= N ORDER BY q.id LIMIT N   (only when there are new rows)
//	         SELECT count(*) FROM omflow_queuedata          (only when N rows came)
//
// The driver adds to that: an SSLRequest before the startup message unless
// sslmode is disable (an answer of N is fine, as is no TLS at all), and the
// comment "-- ping" as a query of its own before a connection is used again
// that was idle for more than a second. No transactions are opened.

// The flow queue's journal of OMFLOW is the table of Django's model QueueData
// in the app "omflow" (OMFLOW 1.1.0.0).
const journalTable = "omflow_queuedata"

// maxQueueID bounds, in characters, what is read of one row's queue_id. OMFLOW
// makes it from a flow's UUID, a ticket's number and a step's id: about 60.
const maxQueueID = 256

// wideText needs four bytes for a character in UTF-8. A database made for fewer
// characters refuses it, or keeps something else: latin1 and utf8mb3 on MySQL, any
// encoding but UTF8 on PostgreSQL. On SQL Server and Oracle OMFLOW's columns are of
// national types, which hold it whatever the database was made for.
const wideText = "流程 😀"

// statements is the SQL of one engine. {table} stands for the scratch table's
// name, {limit} for a number of rows, {chars} for maxQueueID.
type statements struct {
	ping    string
	version string

	// probeDrop tells, before the scratch table is made, that it could not be
	// dropped again. Only MySQL has a right of its own for that.
	probeDrop string
	create    string
	// write writes text, which read has to return.
	write  string
	text   string
	read   string
	change string
	remove string
	alter  string
	index  string
	drop   string

	journal string
	count   string
}

// scratch returns a statement about the scratch table.
func scratch(statement, table string) string {
	return strings.ReplaceAll(statement, "{table}", table)
}

// limited returns a statement that asks for at most n rows. The numbers are
// written into the statement because a parameter would need a prepared
// statement on some engines.
func limited(statement string, n int) string {
	return strings.NewReplacer("{limit}", strconv.Itoa(n), "{chars}", strconv.Itoa(maxQueueID)).Replace(statement)
}

var postgresStatements = statements{
	ping:    `SELECT 1`,
	version: `SELECT version()`,
	create:  `CREATE TABLE {table} (id integer NOT NULL PRIMARY KEY, note varchar(40) NOT NULL)`,
	write:   `INSERT INTO {table} (id, note) VALUES (1, '` + wideText + `')`,
	text:    wideText,
	read:    `SELECT note FROM {table} WHERE id = 1`,
	change:  `UPDATE {table} SET note = 'changed' WHERE id = 1`,
	remove:  `DELETE FROM {table} WHERE id = 1`,
	alter:   `ALTER TABLE {table} ADD COLUMN more integer`,
	index:   `CREATE INDEX {table}_more ON {table} (more)`,
	drop:    `DROP TABLE {table}`,
	journal: `SELECT id, left(queue_id, {chars}) FROM omflow_queuedata ORDER BY id LIMIT {limit}`,
	count:   `SELECT count(*) FROM omflow_queuedata`,
}

// MySQL takes the same ones.
var mysqlStatements = func() statements {
	s := postgresStatements
	s.probeDrop = `DROP TABLE IF EXISTS {table}`
	return s
}()

var sqlserverStatements = statements{
	ping:    `SELECT 1`,
	version: `SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))`,
	create:  `CREATE TABLE {table} (id integer NOT NULL PRIMARY KEY, note nvarchar(40) NOT NULL)`,
	write:   `INSERT INTO {table} (id, note) VALUES (1, N'written')`,
	text:    `written`,
	read:    `SELECT note FROM {table} WHERE id = 1`,
	change:  `UPDATE {table} SET note = N'changed' WHERE id = 1`,
	remove:  `DELETE FROM {table} WHERE id = 1`,
	alter:   `ALTER TABLE {table} ADD more integer`,
	index:   `CREATE INDEX {table}_more ON {table} (more)`,
	drop:    `DROP TABLE {table}`,
	journal: `SELECT TOP ({limit}) id, LEFT(queue_id, {chars}) FROM omflow_queuedata ORDER BY id`,
	count:   `SELECT COUNT_BIG(*) FROM omflow_queuedata`,
}

// Django upper-cases table and column names on Oracle and quotes them, and
// makes a TextField an NCLOB there. FETCH FIRST needs Oracle 12.1, the oldest
// that Django 2.2 supports.
var oracleStatements = statements{
	ping:    `SELECT 1 FROM DUAL`,
	version: `SELECT BANNER FROM V$VERSION WHERE ROWNUM = 1`,
	create:  `CREATE TABLE {table} (id NUMBER(11) NOT NULL PRIMARY KEY, note NVARCHAR2(40) NOT NULL)`,
	write:   `INSERT INTO {table} (id, note) VALUES (1, 'written')`,
	text:    `written`,
	read:    `SELECT note FROM {table} WHERE id = 1`,
	change:  `UPDATE {table} SET note = 'changed' WHERE id = 1`,
	remove:  `DELETE FROM {table} WHERE id = 1`,
	alter:   `ALTER TABLE {table} ADD (more NUMBER(11))`,
	index:   `CREATE INDEX {table}_more ON {table} (more)`,
	drop:    `DROP TABLE {table} PURGE`,
	journal: `SELECT "ID", DBMS_LOB.SUBSTR("QUEUE_ID", {chars}, 1) FROM "OMFLOW_QUEUEDATA" ORDER BY "ID" FETCH FIRST {limit} ROWS ONLY`,
	count:   `SELECT COUNT(*) FROM "OMFLOW_QUEUEDATA"`,
}
