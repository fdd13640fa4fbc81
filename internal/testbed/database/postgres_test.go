package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const testPassword = `s3 cr"et/@:'`

func startPostgres(t *testing.T, password string) (*Server, Queries) {
	t.Helper()
	return startWith(t, Config{Postgres: "127.0.0.1:0", PostgresPassword: password})
}

// connect signs in as a real client does.
func connect(t *testing.T, s *Server, edit func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	t.Helper()
	cfg, err := pgx.ParseConfig("postgres://omflow@" + s.PostgresAddr() + "/omflow?sslmode=prefer&connect_timeout=5")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password = testPassword
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	edit(cfg)
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { c.Close(context.Background()) })
	}
	return c, err
}

func mustConnect(t *testing.T, s *Server) *pgx.Conn {
	t.Helper()
	c, err := connect(t, s, func(*pgx.ConnConfig) {})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sqlState is the SQLSTATE of an error.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestPostgresSignIn(t *testing.T) {
	for _, tt := range []struct {
		name, password string
		edit           func(*pgx.ConnConfig)
		want           string
	}{
		{"password", testPassword, func(*pgx.ConnConfig) {}, "<nil>"},
		{"no TLS asked for", testPassword, func(c *pgx.ConnConfig) { c.TLSConfig = nil }, "<nil>"},
		{"trust", "", func(c *pgx.ConnConfig) { c.Password = "" }, "<nil>"},
		{"wrong password", testPassword, func(c *pgx.ConnConfig) { c.Password += "x" }, stateBadPassword},
		{"unknown role, trusted", "", func(c *pgx.ConnConfig) { c.User = "root" }, stateBadRole},
		{"unknown role", testPassword, func(c *pgx.ConnConfig) { c.User = "root" }, stateBadPassword},
		{"unknown database", testPassword, func(c *pgx.ConnConfig) { c.Database = "other" }, stateNoDatabase},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := startPostgres(t, tt.password)
			if _, err := connect(t, s, tt.edit); sqlState(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestPostgresJournal(t *testing.T) {
	s, q := startPostgres(t, testPassword)
	c := mustConnect(t, s)
	flow := strings.Repeat("a", 32)
	for _, item := range []QueueItem{
		{FlowUUID: flow, DataNo: 7, DataID: 12, Chart: "FITEM_2"},
		{FlowUUID: flow, Chart: "FITEM_1"},
		{FlowUUID: flow, DataNo: 8, DataID: 13, Chart: "FITEM_1"},
	} {
		if _, err := q.Enqueue(item); err != nil {
			t.Fatal(err)
		}
	}
	read := func(length, limit int) (ids []int, queue []string) {
		t.Helper()
		rows, err := c.Query(t.Context(), fmt.Sprintf("SELECT id, left(queue_id, %d) FROM omflow_queuedata ORDER BY id LIMIT %d", length, limit))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id int
			var text string
			if err := rows.Scan(&id, &text); err != nil {
				t.Fatal(err)
			}
			ids, queue = append(ids, id), append(queue, text)
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		return ids, queue
	}
	ids, queue := read(256, 10)
	want := []string{flow + "12FITEM_2", flow + "NoneFITEM_1", flow + "13FITEM_1"}
	if fmt.Sprint(queue) != fmt.Sprint(want) || ids[0] >= ids[1] || ids[1] >= ids[2] {
		t.Errorf("journal %v %v, want %v", ids, queue, want)
	}
	if _, queue := read(33, 1); len(queue) != 1 || queue[0] != flow+"1" {
		t.Errorf("first row, cut: %v", queue)
	}
	var n int64
	if err := c.QueryRow(t.Context(), "select COUNT(*)\n from omflow_queuedata ;").Scan(&n); err != nil || n != 3 {
		t.Errorf("count %d, %v", n, err)
	}
}

// What a check of rights does, in order; each line is a statement, what it affects or
// returns, and its SQLSTATE if it fails.
func TestPostgresScratchTable(t *testing.T) {
	s, _ := startPostgres(t, testPassword)
	c := mustConnect(t, s)
	for _, step := range []struct{ statement, want string }{
		{"CREATE TABLE probe_1 (id integer NOT NULL PRIMARY KEY, note varchar(40) NOT NULL)", "CREATE TABLE"},
		{"CREATE TABLE Probe_1 (id integer NOT NULL PRIMARY KEY, note varchar(40) NOT NULL)", stateTableExists},
		{"INSERT INTO probe_1 (id, note) VALUES (1, 'written')", "INSERT 0 1"},
		{"INSERT INTO probe_1 (id, note) VALUES (1, 'written')", stateUnique},
		{"SELECT note FROM probe_1 WHERE id = 1", "SELECT 1 written"},
		{"UPDATE probe_1 SET note = 'changed' WHERE id = 1", "UPDATE 1"},
		{"UPDATE probe_1 SET note = 'changed' WHERE id = 2", "UPDATE 0"},
		{"SELECT note FROM probe_1 WHERE id = 1", "SELECT 1 changed"},
		{"SELECT note FROM probe_1 WHERE id = 2", "SELECT 0"},
		{"DELETE FROM probe_1 WHERE id = 1", "DELETE 1"},
		{"DELETE FROM probe_1 WHERE id = 1", "DELETE 0"},
		{"ALTER TABLE probe_1 ADD COLUMN more integer", "ALTER TABLE"},
		{"ALTER TABLE probe_1 ADD COLUMN more integer", stateColumnExists},
		{"CREATE INDEX probe_1_more ON probe_1 (more)", "CREATE INDEX"},
		{"CREATE INDEX probe_1_more ON probe_1 (more)", stateTableExists},
		{"CREATE INDEX probe_1_less ON probe_1 (less)", stateNoColumn},
		{"DROP TABLE probe_1", "DROP TABLE"},
		{"DROP TABLE probe_1", stateNoTable},
		{"SELECT note FROM probe_1 WHERE id = 1", stateNoTable},
		{"DROP TABLE omflow_queuedata", stateNoTable},
		{"SELECT pg_sleep(10)", stateUnsupported},
		{"SELECT 1; SELECT 1", stateUnsupported},
		{"-- ping", ""},
		{"SELECT 1", "SELECT 1 1"},
	} {
		results, err := c.PgConn().Exec(t.Context(), step.statement).ReadAll()
		got := ""
		if err != nil {
			got = sqlState(err)
		} else if len(results) > 0 {
			got = results[0].CommandTag.String()
			for _, row := range results[0].Rows {
				got += " " + string(row[0])
			}
		}
		if got != step.want {
			t.Errorf("%s: %q, want %q", step.statement, got, step.want)
		}
	}
}

func TestPostgresExtendedProtocolIsRefused(t *testing.T) {
	s, _ := startPostgres(t, testPassword)
	c := mustConnect(t, s)
	if _, err := c.Prepare(t.Context(), "one", "SELECT 1"); sqlState(err) != stateUnsupported {
		t.Errorf("a prepared statement: %v", err)
	}
	var n int
	if err := c.QueryRow(t.Context(), "SELECT 1").Scan(&n); err != nil || n != 1 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestPostgresGoesDownWithTheDatabase(t *testing.T) {
	s, _ := startPostgres(t, testPassword)
	c := mustConnect(t, s)
	s.Stop()
	if err := c.Ping(t.Context()); err == nil {
		t.Error("the open connection still answers")
	}
	if _, err := connect(t, s, func(*pgx.ConnConfig) {}); err == nil {
		t.Error("a new connection was taken")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := mustConnect(t, s).Ping(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Strangers are bounded: in number, in what they send and in the time they take
// to sign in.
func TestPostgresBounds(t *testing.T) {
	s, _ := startPostgres(t, testPassword)
	for _, raw := range []string{
		"\x00\x00\x00\x04", "\xff\xff\xff\xff", "\x00\x01\x00\x00aaaa", "GET / HTTP/1.1\r\n\r\n",
		"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02", // a cancel request
	} {
		c, err := net.Dial("tcp", s.PostgresAddr())
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(raw))
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 100)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: %d bytes, %v; want the connection closed", raw, n, err)
		}
		c.Close()
	}
	c := mustConnect(t, s)
	if _, err := c.Exec(t.Context(), "SELECT '"+strings.Repeat("x", maxStatement)+"'"); err == nil {
		t.Error("a huge statement was answered")
	}
	var last error
	for range maxPostgresClients + 1 {
		if _, last = connect(t, s, func(*pgx.ConnConfig) {}); last != nil {
			break
		}
	}
	if sqlState(last) != stateTooMany {
		t.Errorf("the client after %d: %v", maxPostgresClients, last)
	}
}

func FuzzExecute(f *testing.F) {
	s, err := NewServer(Config{Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	f.Add("SELECT 1")
	f.Add("-- ping")
	f.Add("CREATE TABLE a (id integer NOT NULL PRIMARY KEY, note varchar(40) NOT NULL)")
	f.Add("INSERT INTO a (id, note) VALUES (999999999, '')")
	f.Add("SELECT id, left(queue_id, 0) FROM omflow_queuedata ORDER BY id LIMIT 0")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := s.execute(text)
		var refused *sqlError
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%q: %v has no SQLSTATE", text, err)
		}
		for _, row := range r.rows {
			if len(row) != len(r.columns) {
				t.Errorf("%q: a row of %d values with %d columns", text, len(row), len(r.columns))
			}
		}
		if n := len(s.scratch.tables); n > maxScratch {
			t.Errorf("%d tables", n)
		}
	})
}

// FuzzServePostgres feeds bytes of a stranger to a connection.
func FuzzServePostgres(f *testing.F) {
	s, err := NewServer(Config{Listen: "127.0.0.1:0", Postgres: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	startup := "\x00\x00\x00\x25\x00\x03\x00\x00user\x00omflow\x00database\x00omflow\x00\x00"
	f.Add([]byte(startup + "Q\x00\x00\x00\x0dSELECT 1\x00"))
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f" + startup + "P\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x04X\x00\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			s.servePostgres(server)
		}()
		go func() {
			buf := make([]byte, 4096)
			for {
				if _, err := client.Read(buf); err != nil {
					return
				}
			}
		}()
		client.Write(sent) // fails when the server has closed already
		client.Close()
		select {
		case <-done:
		case <-time.After(2 * startupTime):
			t.Fatal("the connection is still served though the client has left")
		}
	})
}
