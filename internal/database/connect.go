package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// connectTimeout bounds one attempt to connect and sign in, names looked up,
// TLS and all. A database in the same network answers in milliseconds.
const connectTimeout = 5 * time.Second

// connectError marks errors of connecting, after which nothing was asked.
type connectError struct{ err error }

func (e *connectError) Error() string { return telling(e.err).Error() }
func (e *connectError) Unwrap() error { return e.err }

// telling returns the error that says why. PostgreSQL's driver returns one for each way
// that it tried, of which the last is the one that should have worked: before it comes,
// unless sslmode says otherwise, that the server has no TLS.
func telling(err error) error {
	var answered *pgconn.PgError
	var failed *pgconn.ConnectError
	var unknown *net.DNSError
	switch {
	case errors.As(err, &answered):
		return answered
	case !errors.As(err, &failed):
		return err
	case errors.As(err, &unknown):
		return unknown
	}
	err = failed.Unwrap()
	for {
		many, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		all := many.Unwrap()
		if len(all) == 0 {
			return err
		}
		err = all[len(all)-1]
	}
}

// attempt is one attempt to connect: what was dialled for it, so that it can
// be cut off, and whether and how fast the machine answered.
type attempt struct {
	mu      sync.Mutex
	cut     bool
	conns   []net.Conn
	reached bool
	took    time.Duration
}

type attemptKey struct{}

// dial opens a connection for the attempt in ctx.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	start := time.Now()
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, address)
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if err != nil || !ok {
		return conn, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		conn.Close()
		return nil, net.ErrClosed
	}
	if !a.reached {
		a.reached, a.took = true, time.Since(start)
	}
	a.conns = append(a.conns, conn)
	return conn, nil
}

// cutOff closes what was dialled and what will be.
func (a *attempt) cutOff() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = true
	for _, conn := range a.conns {
		conn.Close() // the driver may have closed it already
	}
}

// reach returns whether the machine answered, and how fast.
func (a *attempt) reach() (bool, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reached, a.took
}

// connector bounds what a driver's connector does: not every driver looks at
// its context while it signs in, closes what it dialled when that fails, or
// survives an answer that is none of its protocol.
type connector struct {
	driver.Connector
	timeout time.Duration
}

// Connect implements [driver.Connector]. Its errors are connectErrors.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		a = &attempt{}
		ctx = context.WithValue(ctx, attemptKey{}, a)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no sign-in within %s: %w", c.timeout, context.DeadlineExceeded))
	defer cancel()
	stop := context.AfterFunc(ctx, a.cutOff)
	conn, err := guard(func() (driver.Conn, error) { return c.Connector.Connect(ctx) })
	switch {
	case !stop(), ctx.Err() != nil: // it may have ended with cutOff yet to run
		if err == nil {
			conn.Close() // its network connection is closed already
		}
		err = context.Cause(ctx)
	case err == nil:
		return conn, nil
	}
	a.cutOff()
	return nil, &connectError{err: err}
}

// guard turns a driver's panic into an error: parsers of binary protocols that
// run past the end of a packet must not end the program.
func guard(connect func() (driver.Conn, error)) (conn driver.Conn, err error) {
	defer func() {
		if p := recover(); p != nil {
			conn, err = nil, fmt.Errorf("%w: %v", errGarbage, p)
		}
	}()
	return connect()
}

var errGarbage = errors.New("the answer is none of this kind of database")
