package database

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestStatements pins the SQL of those engines that no test here can run it
// on, and of the others for the sake of who compares them.
func TestStatements(t *testing.T) {
	const table = "omflow_check_0123456789ab"
	for _, test := range []struct {
		engine    Engine
		statement func(*statements) string
		want      string
	}{
		{Postgres, func(s *statements) string { return limited(s.journal, 7) }, `SELECT id, left(queue_id, 256) FROM omflow_queuedata ORDER BY id LIMIT 7`},
		{MySQL, func(s *statements) string { return limited(s.journal, 7) }, `SELECT id, left(queue_id, 256) FROM omflow_queuedata ORDER BY id LIMIT 7`},
		{SQLServer, func(s *statements) string { return limited(s.journal, 7) }, `SELECT TOP (7) id, LEFT(queue_id, 256) FROM omflow_queuedata ORDER BY id`},
		{Oracle, func(s *statements) string { return limited(s.journal, 7) },
			`SELECT "ID", DBMS_LOB.SUBSTR("QUEUE_ID", 256, 1) FROM "OMFLOW_QUEUEDATA" ORDER BY "ID" FETCH FIRST 7 ROWS ONLY`},
		{SQLServer, func(s *statements) string { return s.count }, `SELECT COUNT_BIG(*) FROM omflow_queuedata`},
		{Oracle, func(s *statements) string { return s.count }, `SELECT COUNT(*) FROM "OMFLOW_QUEUEDATA"`},
		{Oracle, func(s *statements) string { return s.ping }, `SELECT 1 FROM DUAL`},
		{Oracle, func(s *statements) string { return s.version }, `SELECT BANNER FROM V$VERSION WHERE ROWNUM = 1`},
		{SQLServer, func(s *statements) string { return s.version }, `SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))`},
		{SQLServer, func(s *statements) string { return scratch(s.create, table) },
			`CREATE TABLE omflow_check_0123456789ab (id integer NOT NULL PRIMARY KEY, note nvarchar(40) NOT NULL)`},
		{Oracle, func(s *statements) string { return scratch(s.create, table) },
			`CREATE TABLE omflow_check_0123456789ab (id NUMBER(11) NOT NULL PRIMARY KEY, note NVARCHAR2(40) NOT NULL)`},
		{SQLServer, func(s *statements) string { return scratch(s.write, table) }, `INSERT INTO omflow_check_0123456789ab (id, note) VALUES (1, N'written')`},
		{Oracle, func(s *statements) string { return scratch(s.write, table) }, `INSERT INTO omflow_check_0123456789ab (id, note) VALUES (1, 'written')`},
		{SQLServer, func(s *statements) string { return scratch(s.change, table) }, `UPDATE omflow_check_0123456789ab SET note = N'changed' WHERE id = 1`},
		{SQLServer, func(s *statements) string { return scratch(s.alter, table) }, `ALTER TABLE omflow_check_0123456789ab ADD more integer`},
		{Oracle, func(s *statements) string { return scratch(s.alter, table) }, `ALTER TABLE omflow_check_0123456789ab ADD (more NUMBER(11))`},
		{Oracle, func(s *statements) string { return scratch(s.index, table) },
			`CREATE INDEX omflow_check_0123456789ab_more ON omflow_check_0123456789ab (more)`},
		{SQLServer, func(s *statements) string { return scratch(s.drop, table) }, `DROP TABLE omflow_check_0123456789ab`},
		{Oracle, func(s *statements) string { return scratch(s.drop, table) }, `DROP TABLE omflow_check_0123456789ab PURGE`},
	} {
		if got := test.statement(dialects[test.engine].sql); got != test.want {
			t.Errorf("%s: %s, want %s", test.engine, got, test.want)
		}
	}
}

// TestStatementsComplete finds an engine that lacks a statement, and a
// placeholder that nobody fills.
func TestStatementsComplete(t *testing.T) {
	for engine, d := range dialects {
		all := reflect.ValueOf(*d.sql)
		for i := range all.NumField() {
			name, text := all.Type().Field(i).Name, all.Field(i).String()
			if text == "" && (name != "probeDrop" || engine == MySQL) {
				t.Errorf("%s has no statement %s", engine, name)
			}
			if filled := limited(scratch(text, "x"), 1); strings.ContainsAny(filled, "{}") {
				t.Errorf("%s, %s: placeholders left in %s", engine, name, filled)
			}
		}
	}
}

// TestScratchName keeps to what every engine takes for a name of a table and,
// with _more, of an index: 30 bytes on Oracle 12.1.
func TestScratchName(t *testing.T) {
	a, b := scratchName(), scratchName()
	if a == b || !regexp.MustCompile(`^omflow_check_[0-9a-f]{12}$`).MatchString(a) || len(a+"_more") > 30 {
		t.Errorf("%s, %s", a, b)
	}
}
