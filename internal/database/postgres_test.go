package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var allSteps = []StepName{StepReach, StepSignIn, StepVersion, StepCreate, StepWrite, StepRead, StepChange, StepDelete, StepAlter, StepIndex, StepDrop}

// target is one that signs in over TCP.
func (c *cluster) target(user, password, name string) Target {
	return Target{Engine: c.admin.Engine, Host: "127.0.0.1", Port: c.Port(), Name: name, User: user, Password: password}
}

func mustOpen(t *testing.T, target Target) *DB {
	t.Helper()
	db, err := Open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func runCheck(t *testing.T, target Target) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return mustOpen(t, target).Check(ctx)
}

// mustPass refuses a report with anything but all steps, all well.
func mustPass(t *testing.T, r Report) {
	t.Helper()
	if failed := r.Failed(); failed != nil {
		t.Fatalf("%s: %v (%s)", failed.Name, failed.Err, failed.Missing)
	}
	var names []StepName
	for _, s := range r.Steps {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, allSteps) {
		t.Fatalf("steps %v, want %v", names, allSteps)
	}
	if r.Left != "" {
		t.Fatalf("left %s", r.Left)
	}
}

// mend runs the statements that a report suggests, as an administrator would.
func (c *cluster) mend(t *testing.T, name, grant, password string) {
	t.Helper()
	if grant == "" {
		t.Fatal("no statement is suggested")
	}
	statement, _, _ := strings.Cut(grant, " -- ")
	for one := range strings.SplitSeq(statement, "; ") {
		c.do(t, name, strings.ReplaceAll(one, "<password>", password))
	}
}

func TestPostgresLacks(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	for _, test := range []struct {
		name     string
		user     string
		database string
		setup    []string // as administrator, in database postgres
		inside   []string // in the database itself
		// lacks are the steps that fail, one after the other, as each is mended
		// with the statement that the report suggests.
		lacks []string
	}{
		{name: "nothing", user: "u_all", database: "d_all", setup: []string{
			`CREATE ROLE u_all LOGIN PASSWORD 'right'`, `CREATE DATABASE d_all OWNER u_all`}},
		{name: "everything", user: `u "none`, database: `d "none`, lacks: []string{
			"sign in: sign-in refused", "sign in: no such database"}},
		{name: "connect", user: "u_connect", database: "d_connect", setup: []string{
			`CREATE ROLE u_connect LOGIN PASSWORD 'right'`, `CREATE DATABASE d_connect`, `REVOKE CONNECT ON DATABASE d_connect FROM PUBLIC`},
			lacks: []string{"sign in: missing right", "create table: missing right"}},
		{name: "create", user: "u_create", database: "d_create", setup: []string{
			`CREATE ROLE u_create LOGIN PASSWORD 'right'`, `CREATE DATABASE d_create`},
			lacks: []string{"create table: missing right"}},
		{name: "usage", user: "u_usage", database: "d_usage", setup: []string{
			`CREATE ROLE u_usage LOGIN PASSWORD 'right'`, `CREATE DATABASE d_usage`},
			inside: []string{`REVOKE ALL ON SCHEMA public FROM PUBLIC`},
			lacks:  []string{"create table: missing right"}},
		{name: "writes", user: "u_read", database: "d_read", setup: []string{
			`CREATE ROLE u_read LOGIN PASSWORD 'right'`, `CREATE DATABASE d_read OWNER u_read`, `ALTER ROLE u_read SET default_transaction_read_only = on`},
			lacks: []string{"create table: read-only"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.do(t, "postgres", test.setup...)
			if len(test.inside) > 0 {
				c.do(t, test.database, test.inside...)
			}
			target := c.target(test.user, "right", test.database)
			var r Report
			for _, lack := range test.lacks {
				r = runCheck(t, target)
				failed := r.Failed()
				if failed == nil {
					t.Fatalf("passed, want %q", lack)
				}
				if got := fmt.Sprintf("%s: %s", failed.Name, failed.Kind); got != lack {
					t.Fatalf("%s (%v), want %s", got, failed.Err, lack)
				}
				if failed.Missing == "" {
					t.Error("nothing is said to be missing")
				}
				in := "postgres"
				if failed.Name != StepSignIn {
					in = test.database
				}
				c.mend(t, in, failed.Grant, "right")
			}
			mustPass(t, runCheck(t, target))
			if left := c.tables(t, test.database); len(left) > 0 {
				t.Errorf("scratch tables left: %v", left)
			}
		})
	}
}

func TestPostgresReport(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_report LOGIN PASSWORD 'right'`, `CREATE DATABASE d_report OWNER u_report`)
	r := runCheck(t, c.target("u_report", "right", "d_report"))
	mustPass(t, r)
	if !strings.HasPrefix(r.Version, "PostgreSQL 15.") {
		t.Errorf("version %q", r.Version)
	}
	for _, s := range r.Steps {
		if s.Took <= 0 || s.Took > 20*time.Second {
			t.Errorf("%s took %s", s.Name, s.Took)
		}
	}
	if want := fmt.Sprintf("postgres://u_report:***@127.0.0.1:%d/d_report", c.Port()); r.Target != want {
		t.Errorf("target %q, want %q", r.Target, want)
	}

	r = runCheck(t, c.target("u_report", "wr0ng-p4ss", "d_report"))
	if f := r.Failed(); f == nil || f.Name != StepSignIn || f.Kind != SignInRefused {
		t.Fatalf("wrong password: %+v", r)
	}
	if all := fmt.Sprintf("%+v %#v", r, r); strings.Contains(all, "wr0ng-p4ss") {
		t.Errorf("the password shows in %s", all)
	}
	c.do(t, "postgres", `ALTER ROLE u_report NOLOGIN`)
	r = runCheck(t, c.target("u_report", "right", "d_report"))
	if f := r.Failed(); f == nil || f.Name != StepSignIn || f.Kind != SignInRefused {
		t.Fatalf("role that must not log in: %+v", r)
	}
}

// TestPostgresDropsScratch has the check fail, and be cut off, while its table
// is there.
func TestPostgresDropsScratch(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	for _, test := range []struct {
		name, body string
		want       string // of the error
		kind       Kind
	}{
		{"error", `RAISE EXCEPTION 'no'`, "P0001", Other},
		{"cancelled", `PERFORM pg_sleep(30)`, "context canceled", Other},
		{"killed", `PERFORM pg_terminate_backend(pg_backend_pid())`, "57P01", Unreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "d_scratch_" + test.name
			c.do(t, "postgres", `CREATE DATABASE `+name)
			// Its owner is no superuser, but a function of one runs as one.
			c.do(t, name, `CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN `+test.body+`; END $$`,
				`CREATE EVENT TRIGGER spoil ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION spoil()`,
				`CREATE ROLE u_`+name+` LOGIN PASSWORD 'right'`, `GRANT CREATE ON SCHEMA public TO u_`+name)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			done := make(chan Report)
			db := mustOpen(t, c.target("u_"+name, "right", name))
			go func() { done <- db.Check(ctx) }()
			if test.name == "cancelled" {
				c.waitForSleep(t, name)
				cancel()
			}
			r := <-done
			failed := r.Failed()
			if failed == nil || failed.Name != StepAlter || failed.Kind != test.kind || !strings.Contains(failed.Err.Error(), test.want) {
				t.Fatalf("failed: %+v, want %s with %s at %s", failed, test.kind, test.want, StepAlter)
			}
			if left := c.tables(t, name); len(left) > 0 || r.Left != "" {
				t.Errorf("scratch tables left: %v (%q)", left, r.Left)
			}
		})
	}
}

// waitForSleep waits until a session in the named database sleeps.
func (c *cluster) waitForSleep(t *testing.T, name string) {
	t.Helper()
	db := mustOpen(t, c.admin)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var n int
		err := db.pool.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '` + name + `'`).Scan(&n)
		if n > 0 {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody sleeps: %v", err)
		}
	}
}

// TestPostgresOddPasswords signs in with passwords that each syntax on the way
// could misread.
func TestPostgresOddPasswords(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE "u'\odd" LOGIN`, `CREATE DATABASE "d'\odd"`)
	for _, password := range oddPasswords {
		c.do(t, "postgres", `ALTER ROLE "u'\odd" PASSWORD `+quote(password, "'", "'"))
		if err := mustOpen(t, c.target(`u'\odd`, password, `d'\odd`)).Ping(t.Context()); err != nil {
			t.Errorf("password %q: %v", password, err)
		}
	}
}

func TestPostgresRestart(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_restart LOGIN PASSWORD 'right'`, `CREATE DATABASE d_restart OWNER u_restart`)
	testRestart(t, c, mustOpen(t, c.target("u_restart", "right", "d_restart")))
}

// testRestart stops the server under a DB that is in use and starts it again.
func testRestart(t *testing.T, c *cluster, db *DB) {
	t.Helper()
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A restart between two calls is not seen at all.
	c.stop()
	if err := c.up(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatalf("first ping after a restart: %v", err)
	}
	c.stop()
	for range 3 {
		start := time.Now()
		if err := db.Ping(t.Context()); Classify(err) != Unreachable {
			t.Fatalf("while stopped: %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s to see that it is stopped", took)
		}
	}
	if f := db.Check(t.Context()).Failed(); f == nil || f.Name != StepReach || f.Kind != Unreachable {
		t.Errorf("check while stopped: %+v", f)
	}
	if err := c.up(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatalf("after the start: %v", err)
	}
}

// TestPostgresKilled has the kept connection end a moment before it is used
// again. The driver itself finds that only on one that was idle for a second.
func TestPostgresKilled(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_killed LOGIN PASSWORD 'right'`, `CREATE DATABASE d_killed OWNER u_killed`)
	db := mustOpen(t, c.target("u_killed", "right", "d_killed"))
	admin := mustOpen(t, c.admin)
	for _, one := range []*DB{admin, db, db} {
		if err := one.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.pool.Exec(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'd_killed'`); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("after the connection was ended: %v", err)
	}
}

func TestPostgresJournal(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_journal LOGIN PASSWORD 'right'`, `CREATE DATABASE d_journal OWNER u_journal`)
	db := mustOpen(t, c.target("u_journal", "right", "d_journal"))
	testNoJournal(t, db)
	// As Django's migration makes it.
	c.do(t, "d_journal", `CREATE TABLE omflow_queuedata (id serial NOT NULL PRIMARY KEY, queue_id text NULL, name varchar(50) NOT NULL,
		module_name text NULL, method_name text NULL, input_param text NULL)`)
	if _, err := db.Journal(t.Context(), 10); Classify(err) != NoRight {
		t.Errorf("without the right to read: %v", err)
	}
	c.do(t, "d_journal", `GRANT ALL ON ALL TABLES IN SCHEMA public TO u_journal`)
	testJournal(t, db)
}

// TestPostgresStatements holds the list in the doc comment of statements.go
// against what the server was sent.
func TestPostgresStatements(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_log LOGIN PASSWORD 'right'`, `CREATE DATABASE d_log OWNER u_log`, `ALTER ROLE u_log SET log_statement = 'all'`)
	c.do(t, "d_log", `CREATE TABLE omflow_queuedata (id serial PRIMARY KEY, queue_id text, input_param text)`, `GRANT SELECT ON omflow_queuedata TO u_log`,
		`INSERT INTO omflow_queuedata (queue_id) VALUES ('a')`)
	log := filepath.Join(c.Dir(), "log")
	before, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, c.target("u_log", "right", "d_log"))
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPass(t, db.Check(t.Context()))
	if _, err := db.Journal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	for _, line := range regexp.MustCompile(`(?m)^LOG: +(statement|execute [^:]*): (.*)$`).FindAllStringSubmatch(string(after[len(before):]), -1) {
		if line[1] != "statement" {
			t.Errorf("sent as %s: %s", line[1], line[2])
		}
		statement := regexp.MustCompile(`omflow_check_[0-9a-f]{12}`).ReplaceAllString(line[2], "TABLE")
		if statement != "-- ping" {
			sent = append(sent, regexp.MustCompile(`(LIMIT|id >=) \d+`).ReplaceAllString(statement, "$1 N"))
		}
	}
	source, err := os.ReadFile("statements.go")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, line := range regexp.MustCompile(`(?m)^//\t(?:Ping|Check|Journal)? +(\S.*?)(?: +\(only .*\))?$`).FindAllStringSubmatch(string(source), -1) {
		listed = append(listed, line[1])
	}
	if !slices.Equal(sent, listed) {
		t.Errorf("sent:\n%s\nlisted:\n%s", strings.Join(sent, "\n"), strings.Join(listed, "\n"))
	}
}

// TestPostgresCharacters: a database in an old encoding can't hold what OMFLOW writes.
func TestPostgresCharacters(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_narrow LOGIN PASSWORD 'right'`,
		`CREATE DATABASE d_narrow OWNER u_narrow ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
	failed := runCheck(t, c.target("u_narrow", "right", "d_narrow")).Failed()
	if failed == nil || failed.Kind != Characters || failed.Name != StepWrite {
		t.Fatalf("%+v, want characters that do not fit", failed)
	}
	c.do(t, "postgres", `DROP DATABASE d_narrow`)
	c.mend(t, "postgres", failed.Grant, "right")
	mustPass(t, runCheck(t, c.target("u_narrow", "right", "d_narrow")))
}

// TestPostgresErrors: what is said of an attempt to connect is one line, without what
// was only tried on the way.
func TestPostgresErrors(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	nobody, closed, unknown := c.target("nobody", "wrong", "postgres"), c.target("nobody", "wrong", "postgres"), c.target("nobody", "wrong", "postgres")
	closed.Port = freePort()
	unknown.Host = "no-such-host.invalid"
	for _, tt := range []struct {
		target        Target
		text, missing string
	}{
		{nobody, `FATAL: password authentication failed for user "nobody" (SQLSTATE 28P01)`, "must exist with this password"},
		{closed, "connection refused", "nothing answers at 127.0.0.1:"},
		{unknown, "lookup no-such-host.invalid", `the name "no-such-host.invalid" is not known`},
	} {
		failed := runCheck(t, tt.target).Failed()
		if failed == nil {
			t.Errorf("%s passed", tt.target)
			continue
		}
		if text := failed.Err.Error(); !strings.Contains(text, tt.text) || strings.ContainsAny(text, "\n\t") || strings.Contains(text, "TLS") {
			t.Errorf("%s: %q, want %q", tt.target, text, tt.text)
		}
		if !strings.Contains(failed.Missing, tt.missing) && !(tt.target.Host == unknown.Host && failed.Kind == Unreachable) {
			t.Errorf("%s: missing %q, want %q", tt.target, failed.Missing, tt.missing)
		}
	}
}
