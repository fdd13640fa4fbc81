package database

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"sync"
	"time"
)

// ErrUnavailable is wrapped by every error that comes from a database that
// cannot be reached or went away.
var ErrUnavailable = errors.New("database unavailable")

// errUnsent is wrapped beside it when nothing of the call was sent, so that it can be
// made again on another connection.
var errUnsent = errors.New("nothing was sent")

// dialTimeout is longer than a loopback connection ever takes; without it a
// host that swallows packets would hold a request for minutes.
const dialTimeout = 3 * time.Second

// Conn is one connection that is dialled once. When it breaks, every later
// call fails. It may be used by several goroutines at once.
type Conn struct{ link link }

// link is a connection to one kind of database.
type link interface {
	Caller
	Close()
}

// Dial connects to the database at the address: host:port of a [Server], or the URL
// postgres://… of a PostgreSQL.
func Dial(addr string) (*Conn, error) {
	if isURL(addr) {
		l, err := dialReal(addr)
		if err != nil {
			return nil, err
		}
		return &Conn{l}, nil
	}
	c, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, unreachable(addr, err)
	}
	return &Conn{&rpcLink{rpc.NewClient(c)}}, nil
}

// CheckAddress tells what is wrong with an address for [Dial].
func CheckAddress(addr string) error {
	if isURL(addr) {
		_, err := parseURL(addr)
		return err
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("parsing the database address %q: %w", addr, err)
	}
	return nil
}

// Call implements [Caller].
func (c *Conn) Call(method string, args, reply any) error { return c.link.Call(method, args, reply) }

// Close ends the connection; calls in flight fail.
func (c *Conn) Close() { c.link.Close() }

// rpcLink is a connection to a Server.
type rpcLink struct{ client *rpc.Client }

func (l *rpcLink) Call(method string, args, reply any) error {
	err := l.client.Call("Database."+method, args, reply)
	var statement rpc.ServerError
	if err == nil || errors.As(err, &statement) {
		return err
	}
	if errors.Is(err, rpc.ErrShutdown) {
		err = fmt.Errorf("%w: %w", errUnsent, err)
	}
	return broken(err)
}

func (l *rpcLink) Close() {
	l.client.Close() // fails only when it was closed already
}

// broken words the loss of a connection as PostgreSQL's client does.
func broken(err error) error {
	return fmt.Errorf("server closed the connection unexpectedly: %w: %w", ErrUnavailable, err)
}

// Pool is a connection that is dialled again when the last one was found
// closed. It may be used by several goroutines at once.
type Pool struct {
	addr string

	mu     sync.Mutex
	conn   *Conn
	closed bool
}

// NewPool returns a pool for the database at the address, as [Dial] takes it. It does
// not connect yet.
func NewPool(addr string) *Pool { return &Pool{addr: addr} }

// Call implements [Caller]. A call is sent a second time only when the first
// was not sent at all, because its connection was closed already.
func (p *Pool) Call(method string, args, reply any) error {
	for range 2 {
		c, err := p.get()
		if err != nil {
			return err
		}
		err = c.Call(method, args, reply)
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		p.drop(c)
		if !errors.Is(err, errUnsent) {
			return err // sent, and the outcome is unknown
		}
	}
	return fmt.Errorf("%w: the connection broke twice", ErrUnavailable)
}

// Close ends the connection for good: later calls fail.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

func (p *Pool) get() (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, io.ErrClosedPipe)
	}
	if p.conn == nil {
		c, err := Dial(p.addr)
		if err != nil {
			return nil, err
		}
		p.conn = c
	}
	return p.conn, nil
}

func (p *Pool) drop(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == c {
		p.conn = nil
	}
	c.Close()
}

// unreachable words an error as PostgreSQL's client does: OMFLOW passes that
// text on to its users, and health checks see it.
func unreachable(addr string, err error) error {
	host, port, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		host, port = addr, "?"
	}
	return fmt.Errorf("connection to server at %q, port %s failed: Connection refused\n"+
		"\tIs the server running on that host and accepting TCP/IP connections?\n (%w: %w)",
		host, port, ErrUnavailable, err)
}
