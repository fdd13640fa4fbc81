package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

const (
	// readBuffer is a connection's buffer for reading, in bytes: the head of an
	// answer and, most often, its body fit into it. It grows up to maxHead for
	// heads that don't.
	readBuffer = 8 << 10
	// keptOut is the largest buffer for writing that an idle connection keeps, in
	// bytes: most heads together with a body of up to readBuffer.
	keptOut = 2 * readBuffer
)

// What a connection is at, for Upstream.Abort.
const (
	connIdle int32 = iota
	connBusy
	connRepeatable // waits for the answer to a request that may be repeated
	connAborted
)

// conn is one connection to a server. It belongs to one goroutine at a time,
// except that a bodyWriter may write to it meanwhile, and that any goroutine may
// call end.
type conn struct {
	net.Conn
	alive   func() bool // looks whether the idle connection is still open; nil if it can't
	endFunc func()      // end, as a value that is made only once

	buf      []byte // bytes received
	from, to int    // those not used yet: buf[from:to]
	out      []byte // the request's head as it is written

	state    atomic.Int32
	ended    atomic.Bool // by end: the deadline is in the past for good
	used     time.Time   // when it became idle
	deadline atomic.Int64
}

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc, alive: newAlive(nc), buf: make([]byte, readBuffer)}
	c.endFunc = c.end
	return c
}

// extend bounds all reading and writing until now+d. Moving a deadline that is
// right within a second, or a sixteenth of d if that is less, is saved.
func (c *conn) extend(now time.Time, d time.Duration) {
	want := now.Add(d)
	slack := int64(min(time.Second, d/16))
	if diff := want.UnixNano() - c.deadline.Load(); diff < slack && diff > -slack {
		return
	}
	c.deadline.Store(want.UnixNano())
	c.SetDeadline(want)
	// end may have come in between. It marks the connection first and sets its
	// deadline then, so that one of the two sets the one in the past last.
	if c.ended.Load() {
		c.SetDeadline(longAgo)
	}
}

// end makes reading and writing fail from now on. Any goroutine may call it.
func (c *conn) end() {
	c.ended.Store(true)
	c.SetDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)

// reusable reports whether the connection, idle at the top of the pool, may
// carry the next request. Whether it is still open is another question.
func (c *conn) reusable(now time.Time, repeatable bool) bool {
	switch age := now.Sub(c.used); {
	case c.alive == nil:
		return repeatable && age < freshIdle
	case repeatable:
		return age < idleTimeout
	default:
		return age < freshIdle
	}
}

// fill reads more into the buffer.
func (c *conn) fill() error {
	if c.from == c.to {
		c.from, c.to = 0, 0
	}
	if c.to == len(c.buf) {
		switch {
		case c.from > 0:
			c.to = copy(c.buf, c.buf[c.from:c.to])
			c.from = 0
		case len(c.buf) < maxHead:
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		default:
			return badAnswer("its head is larger than %d kB", maxHead>>10)
		}
	}
	n, err := c.Conn.Read(c.buf[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Read reads what is buffered first. The rest goes past the buffer.
func (c *conn) Read(p []byte) (int, error) {
	if c.from < c.to {
		n := copy(p, c.buf[c.from:c.to])
		c.from += n
		return n, nil
	}
	return c.Conn.Read(p)
}

// line reads a line of at most limit bytes, the CRLF at its end included, and
// returns it without that. It is valid until the next read. limit must be less
// than readBuffer.
func (c *conn) line(limit int) ([]byte, error) {
	for {
		pending := c.buf[c.from:c.to]
		i := bytes.IndexByte(pending, '\n')
		if i >= limit || i < 0 && len(pending) >= limit {
			return nil, badAnswer("a line is longer than %d bytes", limit)
		}
		if i >= 0 {
			if i == 0 || pending[i-1] != '\r' {
				return nil, badAnswer("a line ends in a bare LF")
			}
			c.from += i + 1
			return pending[:i-1], nil
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// head reads a whole head. Its bytes stay in the buffer, and are valid until the
// next read.
func (c *conn) head() ([]byte, error) {
	var scan headScan
	for {
		pending := c.buf[c.from:c.to]
		const begin = "HTTP/1."
		if n := min(len(begin), len(pending)); string(pending[:n]) != begin[:n] {
			return nil, badAnswer("it does not begin with %s", begin)
		}
		n, err := scan.end(pending)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			return pending[:n], nil
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = errClosed
			}
			return nil, err
		}
	}
}
