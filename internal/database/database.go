package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// callTimeout bounds Ping and Journal beyond what their context does.
const callTimeout = 10 * time.Second

// Bounds of the pool. Two connections are enough for a ping beside a look into
// the journal; what is asked here must not take what OMFLOW needs.
const (
	maxConns    = 2
	maxIdle     = 1
	maxLifetime = 30 * time.Minute // names are looked up again after that
)

// DB is a database that is looked at now and then. Its methods may be called
// from any goroutine. A database that restarted is connected to again by the
// next call.
type DB struct {
	target  Target
	dialect *dialect
	driver  *connector
	pool    *sql.DB
	// journaled is what Journal knows of the rows that it has read last.
	journaled journaled
}

// Open prepares access to a database. It does not connect: it fails only when
// the target is not valid, or names certificates that cannot be read.
func Open(t Target) (*DB, error) { return open(t, connectTimeout) }

func open(t Target, timeout time.Duration) (*DB, error) {
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := dialects[t.Engine]
	c, err := d.connector(t, dial)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.title, err)
	}
	db := &DB{target: t, dialect: d, driver: &connector{Connector: c, timeout: timeout}}
	db.pool = db.newPool(maxConns)
	return db, nil
}

func (db *DB) newPool(conns int) *sql.DB {
	pool := sql.OpenDB(db.driver)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(maxIdle)
	pool.SetConnMaxLifetime(maxLifetime)
	return pool
}

// Close ends all connections. Calls in flight fail.
func (db *DB) Close() error {
	if err := db.pool.Close(); err != nil {
		return fmt.Errorf("close %s: %w", db.dialect.title, err)
	}
	return nil
}

// Target returns what the DB was opened with.
func (db *DB) Target() Target { return db.target }

// Ping asks the database the least that it can answer. It takes at most 10 s,
// less if ctx ends before; [Classify] tells what its error means.
func (db *DB) Ping(ctx context.Context) error {
	return db.call(ctx, "ping", func(ctx context.Context) error {
		var one int
		return db.pool.QueryRowContext(ctx, db.dialect.sql.ping).Scan(&one)
	})
}

// call bounds f and words its error. A kept connection may turn out to be dead
// only when it is used, after the database restarted: f, which must only read,
// then gets another one.
func (db *DB) call(ctx context.Context, act string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := f(ctx)
	if connecting := (*connectError)(nil); Classify(err) == Unreachable && !errors.As(err, &connecting) && ctx.Err() == nil {
		err = f(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s %s at %s: %w", act, db.dialect.title, db.target.Address(), err)
	}
	return nil
}
