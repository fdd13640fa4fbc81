package database

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"
)

const (
	pendingTable  = "omformmodel_omdata_" + endedFlow
	pendingInsert = "INSERT INTO " + pendingTable + " (id) VALUES (1)"
)

// TestPendingStatements finds a statement that no test here runs and that has a hole, or a
// quote too many.
func TestPendingStatements(t *testing.T) {
	for engine := range dialects {
		text := pendingStatements[engine].statement(engine, endedFlow)
		if strings.ContainsAny(text, "{}") || strings.Count(text, "'")%2 != 0 || strings.Count(text, "(") != strings.Count(text, ")") ||
			!strings.Contains(text, "'"+ticketTable(engine, endedFlow)+"'") {
			t.Errorf("%s: %s", engine, text)
		}
	}
	db := &DB{target: Target{Engine: Postgres}} // which would panic if it was asked
	if why, err := db.Pending(t.Context(), "x' OR '1"); err == nil {
		t.Errorf("no flow: %q", why)
	}
}

// session is one of another client.
func session(t *testing.T, target Target, statements ...string) *sql.Conn {
	t.Helper()
	conn, err := mustOpen(t, target).pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	run(t, conn, statements...)
	return conn
}

func run(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// wantPending waits until the reason holds the words, or is empty when there are none.
func wantPending(t *testing.T, db *DB, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for {
		why, err := db.Pending(ctx, endedFlow)
		switch {
		case err != nil:
			t.Fatalf("want %q: %v", words, err)
		case words == "" && why == "", words != "" && strings.Contains(why, words):
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("found %q, want %q", why, words)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// testPending has a session wait for a lock that another holds.
func testPending(t *testing.T, db *DB, target Target, lock, unlock []string) {
	t.Helper()
	wantPending(t, db, "")
	holder := session(t, target, lock...)
	waiter := session(t, target)
	done := make(chan error, 1)
	go func() {
		_, err := waiter.ExecContext(context.WithoutCancel(t.Context()), pendingInsert)
		done <- err
	}()
	wantPending(t, db, "on the flow's table that have run for more than 1s: 1")
	select {
	case err := <-done:
		t.Errorf("it has not waited: %v", err)
		done <- err
	default:
	}
	run(t, holder, unlock...)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantPending(t, db, "")
}

func TestPostgresPending(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_pending LOGIN PASSWORD 'right'`, `CREATE ROLE u_pending_other LOGIN PASSWORD 'right'`,
		`CREATE ROLE u_pending_reads LOGIN PASSWORD 'right'`, `CREATE DATABASE d_pending OWNER u_pending`)
	target := c.target("u_pending", "right", "d_pending")
	db := mustOpen(t, target)
	if why, err := db.Pending(t.Context(), endedFlow); Classify(err) != NoTable {
		t.Errorf("without a table: %q, %v", why, err)
	}
	owner := session(t, target, `CREATE TABLE `+pendingTable+` (id integer PRIMARY KEY)`)
	// The holder's last statement does not name the table, so that it is the waiter alone
	// that counts.
	testPending(t, db, target, []string{`BEGIN`, `LOCK TABLE ` + pendingTable + ` IN EXCLUSIVE MODE`, `SELECT 1`}, []string{`ROLLBACK`})

	open := session(t, target, `BEGIN`, `DELETE FROM `+pendingTable)
	wantPending(t, db, "on the flow's table that have run for more than 1s: 1")
	run(t, open, `ROLLBACK`)
	wantPending(t, db, "")

	// Sessions that are hidden count when they may write.
	session(t, c.target("u_pending_other", "right", "d_pending"))
	admin := c.admin
	admin.Name = "d_pending"
	session(t, admin)
	wantPending(t, db, "")
	run(t, owner, `GRANT INSERT ON `+pendingTable+` TO u_pending_other`)
	const grant = "may not see what others run in PostgreSQL; GRANT pg_read_all_stats TO "
	wantPending(t, db, grant+`"u_pending"`)
	run(t, owner, `REVOKE INSERT ON `+pendingTable+` FROM u_pending_other`)
	wantPending(t, db, "")
	reads := mustOpen(t, c.target("u_pending_reads", "right", "d_pending"))
	wantPending(t, reads, grant+`"u_pending_reads"`)
	c.do(t, "postgres", `GRANT pg_read_all_stats TO u_pending_reads`)
	wantPending(t, reads, "")
	run(t, session(t, admin), `SET track_activities = off`)
	wantPending(t, mustOpen(t, admin), "track_activities")
}

func TestMariaDBPending(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", `CREATE DATABASE d_pending CHARACTER SET utf8mb4`)
	c.do(t, "d_pending", `CREATE TABLE `+pendingTable+` (id integer PRIMARY KEY)`)
	target := c.admin
	target.Name = "d_pending"
	testPending(t, mustOpen(t, target), target, []string{`LOCK TABLES ` + pendingTable + ` READ`}, []string{`UNLOCK TABLES`})

	// An account that is not known to be OMFLOW's needs the right to see others; that of the
	// same name on another machine does not count.
	for _, user := range []string{`u_pending`, `u@pend\ing`} {
		literal := quote(strings.ReplaceAll(user, `\`, `\\`), "'", "'")
		c.do(t, "mysql", `CREATE USER `+literal+`@'%' IDENTIFIED BY 'right'`, `GRANT SELECT ON *.* TO `+literal+`@'%'`,
			`CREATE USER `+literal+`@'192.0.2.1'`, `GRANT PROCESS ON *.* TO `+literal+`@'192.0.2.1'`)
		other := c.target(user, "right", "d_pending")
		db := mustOpen(t, other)
		grant := `GRANT PROCESS ON *.* TO ` + literal + `@'%'`
		wantPending(t, db, `may not see what others run in MySQL; `+grant)
		own := other
		own.OwnAccount = true
		wantPending(t, mustOpen(t, own), "")
		c.do(t, "mysql", grant)
		wantPending(t, db, "")
	}
}
