package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultDialTimeout     = 2 * time.Second
	DefaultResponseTimeout = 120 * time.Second
	// idleTimeout is how long a connection is kept without a request. Most servers
	// close sooner (gunicorn after 2 s, nginx after 75 s).
	idleTimeout = 60 * time.Second
	// freshIdle is the longest that a connection may have been idle to carry a
	// request that must not be repeated: well under the shortest keep-alive limit
	// in use (gunicorn's 2 s), so that the server does not close it just then.
	freshIdle = time.Second
	// maxIdle bounds the idle connections kept to one server.
	maxIdle = 256
)

// Config is what an Upstream is told.
type Config struct {
	// Address of the server, host:port. Required.
	Address string
	// DialTimeout bounds making a connection. Default 2s.
	DialTimeout time.Duration
	// ResponseTimeout bounds the time until the head of the answer has arrived,
	// from when the request was written (each interim answer gives as much again),
	// and then the time without a byte of its body. It bounds the time without a
	// byte taken while a large body is written. It may be over a sixteenth of it,
	// at most a second, too early. Default 120s.
	ResponseTimeout time.Duration
	// Dial makes a connection. Default: TCP. One that has no file descriptor, such
	// as one with TLS, can't be looked at while it is idle: requests that must not
	// be repeated always get a new one then.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Validate reports what an Upstream can't work with.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("upstream address %q: %w", c.Address, err)
	}
	if c.DialTimeout < 0 || c.ResponseTimeout < 0 {
		return errors.New("upstream timeouts must not be negative")
	}
	return nil
}

// Upstream is a server and its connections. Any goroutine may use it.
type Upstream struct {
	cfg Config

	mu     sync.Mutex
	idle   []*conn // the one used last is last
	all    map[*conn]struct{}
	aborts uint // how often Abort was called
	closed bool
}

// NewUpstream returns an Upstream without connections.
func NewUpstream(cfg Config) (*Upstream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = DefaultDialTimeout
	}
	if cfg.ResponseTimeout == 0 {
		cfg.ResponseTimeout = DefaultResponseTimeout
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	return &Upstream{cfg: cfg, all: make(map[*conn]struct{})}, nil
}

// Address returns where the connections go.
func (u *Upstream) Address() string { return u.cfg.Address }

// connection returns an idle connection that is still open, or a new one.
func (u *Upstream) connection(ctx context.Context, now time.Time, repeatable bool) (*conn, error) {
	state := connBusy
	if repeatable {
		state = connRepeatable
	}
	for {
		c, aborts, err := u.takeIdle(now, state)
		if err != nil {
			return nil, err
		}
		if c == nil {
			return u.dial(ctx, state, aborts)
		}
		if u.open(now, c) {
			return c, nil
		}
		u.discard(c)
	}
}

// takeIdle returns the idle connection that was used last, or nil if none may be
// used, and how often Abort was called up to now.
func (u *Upstream) takeIdle(now time.Time, state int32) (c *conn, aborts uint, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, 0, net.ErrClosed
	}
	n := len(u.idle)
	// When the last one was idle for too long, so were all others.
	if n == 0 || !u.idle[n-1].reusable(now, state == connRepeatable) {
		return nil, u.aborts, nil
	}
	c = u.idle[n-1]
	u.idle[n-1] = nil
	u.idle = u.idle[:n-1]
	c.state.Store(state)
	return c, u.aborts, nil
}

// open moves the deadline of an idle connection and looks whether it is still
// open.
func (u *Upstream) open(now time.Time, c *conn) bool {
	c.extend(now, u.cfg.ResponseTimeout) // with one in the past nothing can be seen
	return c.alive == nil || c.alive()
}

func (u *Upstream) dial(ctx context.Context, state int32, aborts uint) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.DialTimeout)
	defer cancel()
	nc, err := u.cfg.Dial(ctx, "tcp", u.cfg.Address)
	if err != nil {
		return nil, err
	}
	c := newConn(nc)
	c.state.Store(state)
	c.extend(time.Now(), u.cfg.ResponseTimeout)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
		err = net.ErrClosed
	case u.aborts != aborts:
		// A server that hangs still gets connections from its kernel.
		err = ErrAborted
	default:
		u.all[c] = struct{}{}
		return c, nil
	}
	nc.Close()
	return nil, err
}

// keep takes a connection back for the next request.
func (u *Upstream) keep(now time.Time, c *conn) {
	c.used = now
	if len(c.buf) > readBuffer {
		c.buf = make([]byte, readBuffer)
	}
	if cap(c.out) > keptOut {
		c.out = nil
	}
	u.mu.Lock()
	c.state.Store(connIdle)
	if u.closed || c.ended.Load() || len(u.idle) >= maxIdle {
		u.mu.Unlock()
		u.discard(c)
		return
	}
	u.idle = append(u.idle, c)
	u.mu.Unlock()
}

func (u *Upstream) discard(c *conn) {
	u.mu.Lock()
	delete(u.all, c)
	u.mu.Unlock()
	c.Close()
}

// Prune closes connections that were idle for too long or were closed by the
// server. It is to be called every few seconds.
func (u *Upstream) Prune(now time.Time) {
	u.mu.Lock()
	kept := u.idle[:0]
	var gone []*conn
	for _, c := range u.idle {
		if now.Sub(c.used) < idleTimeout && u.open(now, c) {
			kept = append(kept, c)
		} else {
			gone = append(gone, c)
			delete(u.all, c)
		}
	}
	clear(u.idle[len(kept):])
	u.idle = kept
	u.mu.Unlock()
	for _, c := range gone {
		c.Close()
	}
}

// Abort ends the exchanges that wait for the head of their answer and whose
// requests may be repeated, with ErrAborted, and closes the idle connections: the
// server was found to be down. Requests that must not be repeated go on waiting
// for their answer, and answers that have begun go on: neither could be had from
// another server. What was not sent yet fails, with ErrAborted too.
func (u *Upstream) Abort() {
	u.mu.Lock()
	u.aborts++
	idle := u.idle
	u.idle = nil
	for _, c := range idle {
		delete(u.all, c)
	}
	for c := range u.all {
		if c.state.CompareAndSwap(connRepeatable, connAborted) {
			c.end()
		}
	}
	u.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// Close closes the idle connections; those in use are closed after their
// exchange. An Upstream that is closed sends no requests any more. It may be
// closed twice.
func (u *Upstream) Close() {
	u.mu.Lock()
	idle := u.idle
	u.idle, u.closed = nil, true
	for _, c := range idle {
		delete(u.all, c)
	}
	u.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// Connections returns how many connections are open, and how many of them idle.
func (u *Upstream) Connections() (open, idle int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.all), len(u.idle)
}
