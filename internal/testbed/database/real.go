package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// callTime bounds one call of a real database.
const callTime = 30 * time.Second

// isURL tells the URL of a PostgreSQL from the address of a Server.
func isURL(addr string) bool {
	return strings.HasPrefix(addr, "postgres://") || strings.HasPrefix(addr, "postgresql://")
}

func parseURL(addr string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(addr)
	if err != nil {
		return nil, fmt.Errorf("parsing the URL of the database: %w", err) // which leaves its password out
	}
	cfg.ConnectTimeout = dialTimeout
	return cfg, nil
}

// realLink is a connection to a PostgreSQL, for one statement at a time.
type realLink struct {
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu   sync.Mutex
	conn *pgx.Conn
}

func dialReal(addr string) (link, error) {
	cfg, err := parseURL(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		cancel()
		return nil, unreachable(net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), err)
	}
	return &realLink{ctx: ctx, cancel: cancel, conn: conn}, nil
}

// Call implements [Caller].
func (l *realLink) Call(method string, args, reply any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, callTime)
	defer cancel()
	call := reflect.ValueOf(realCalls{ctx, l.conn}).MethodByName(method)
	if !call.IsValid() {
		return fmt.Errorf("the database has no call %s", method)
	}
	// OMFLOW dials for each request and so finds out here. What is asked for has not
	// been sent yet.
	if err := l.conn.Ping(ctx); err != nil {
		return broken(fmt.Errorf("%w: %w", errUnsent, err))
	}
	err, _ := call.Call([]reflect.Value{reflect.ValueOf(args), reflect.ValueOf(reply)})[0].Interface().(error)
	if err != nil && l.conn.IsClosed() {
		return broken(err)
	}
	var statement *pgconn.PgError
	if errors.As(err, &statement) {
		return errors.New(statement.Message)
	}
	return err
}

func (l *realLink) Close() {
	l.cancel() // what runs is cut off
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	_ = l.conn.Close(ctx) // fails only when it has broken already
}

// writerLock is held, in PostgreSQL, by a call that looks before it writes: in a
// [Server] each call is alone.
const writerLock = 5169

// Migrate makes the tables that stand-ins need in a PostgreSQL, as manage.py migrate
// does for OMFLOW. Those that are there stay.
func Migrate(ctx context.Context, url string) error {
	cfg, err := parseURL(url)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Close(ctx)
	return realCalls{ctx, conn}.alone(func(r realCalls) error { return r.exec(realTables) })
}

// realTables are OMFLOW's tables that others than its servers read, with the columns
// that they read, and one for all the rest. What is in columns is there once more in
// value, where a row has one: that is what a stand-in goes by.
const realTables = `
CREATE SEQUENCE IF NOT EXISTS standin_ids;
CREATE TABLE IF NOT EXISTS standin_rows (kind text, key text, value text NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS omformflow_flowactive (
	id bigint PRIMARY KEY, flow_uuid text NOT NULL UNIQUE, parent_uuid text, flow_name text NOT NULL, api_path text NOT NULL,
	flow_app_id bigint NOT NULL, undeploy_flag boolean NOT NULL, is_active boolean NOT NULL, version bigint NOT NULL, flowobject text NOT NULL, value text NOT NULL);
CREATE TABLE IF NOT EXISTS omformflow_activeapplication (id bigint PRIMARY KEY, app_name text NOT NULL);
CREATE TABLE IF NOT EXISTS omflow_queuedata (
	id bigint PRIMARY KEY DEFAULT nextval('standin_ids'), queue_id text NOT NULL, name text, input_param text NOT NULL, module_name text,
	method_name text, value text);
CREATE TABLE IF NOT EXISTS omflow_scheduler (
	id bigint PRIMARY KEY DEFAULT nextval('standin_ids'), flowactive_id bigint, create_time timestamptz NOT NULL,
	exec_time timestamptz NOT NULL, every text NOT NULL, cycle text NOT NULL, cycle_date text NOT NULL, exec_fun text NOT NULL,
	input_param text NOT NULL, is_active boolean NOT NULL, type text, last_exec_time text, next_exec_time text,
	standin_last_run timestamptz);
`

// realCalls has the calls of [service] on one connection to a PostgreSQL.
type realCalls struct {
	ctx  context.Context
	conn *pgx.Conn
}

func (r realCalls) exec(statement string, args ...any) error {
	_, err := r.conn.Exec(r.ctx, statement, args...)
	return err
}

// changed carries out a statement and returns how many rows it changed.
func (r realCalls) changed(statement string, args ...any) (int, error) {
	tag, err := r.conn.Exec(r.ctx, statement, args...)
	return int(tag.RowsAffected()), err
}

// one reads one row into values; none leaves them as they are and returns false.
func (r realCalls) one(values []any, statement string, args ...any) (bool, error) {
	err := r.conn.QueryRow(r.ctx, statement, args...).Scan(values...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each reads rows, one after the other into the same values.
func (r realCalls) each(values []any, do func() error, statement string, args ...any) error {
	rows, err := r.conn.Query(r.ctx, statement, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, values, do)
	return err
}

// alone runs calls in a transaction, while no other connection is in here.
func (r realCalls) alone(do func(realCalls) error) error {
	return pgx.BeginFunc(r.ctx, r.conn, func(pgx.Tx) error {
		if err := r.exec("SELECT pg_advisory_xact_lock($1)", writerLock); err != nil {
			return err
		}
		return do(r)
	})
}

func (r realCalls) nextID() (id int, err error) {
	_, err = r.one([]any{&id}, "SELECT nextval('standin_ids')")
	return id, err
}

// Ping asks for nothing: the connection was tried before.
func (r realCalls) Ping(None, *None) error { return nil }

// SlowInserts is refused: nobody makes a real database slow.
func (r realCalls) SlowInserts(d time.Duration, _ *None) error {
	if d != 0 {
		return errors.New("a real PostgreSQL is as fast as it is")
	}
	return nil
}

// SlowDequeues is refused, too.
func (r realCalls) SlowDequeues(d time.Duration, none *None) error { return r.SlowInserts(d, none) }
