package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// stubConnector connects as it is told to.
type stubConnector func(ctx context.Context) (driver.Conn, error)

func (f stubConnector) Connect(ctx context.Context) (driver.Conn, error) { return f(ctx) }
func (stubConnector) Driver() driver.Driver                              { return nil }

type stubConn struct {
	driver.Conn
	closed bool
}

func (c *stubConn) Close() error {
	c.closed = true
	return nil
}

func TestConnectorCatchesPanics(t *testing.T) {
	c := &connector{timeout: time.Minute, Connector: stubConnector(func(context.Context) (driver.Conn, error) {
		var packet []byte
		_ = packet[8]
		return nil, nil
	})}
	conn, err := c.Connect(t.Context())
	if connecting := (*connectError)(nil); conn != nil || !errors.Is(err, errGarbage) || !errors.As(err, &connecting) {
		t.Errorf("%v, %v", conn, err)
	}
}

// TestConnectorTooLate has a driver that looks at no context come back with a
// connection when nobody waits for it any more.
func TestConnectorTooLate(t *testing.T) {
	conn := &stubConn{}
	c := &connector{timeout: 10 * time.Millisecond, Connector: stubConnector(func(ctx context.Context) (driver.Conn, error) {
		<-ctx.Done()
		return conn, nil
	})}
	if got, err := c.Connect(t.Context()); got != nil || !errors.Is(err, context.DeadlineExceeded) || !conn.closed {
		t.Errorf("%v, %v, closed %t", got, err, conn.closed)
	}
}

// TestDialAfterCutOff has a driver dial once more, as to another address of
// the same name, when its attempt is over.
func TestDialAfterCutOff(t *testing.T) {
	f := newFake(t, func(conn net.Conn) { untilClosed(t, conn) })
	a := &attempt{}
	ctx := context.WithValue(t.Context(), attemptKey{}, a)
	conn, err := dial(ctx, "tcp", f.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if reached, took := a.reach(); !reached || took <= 0 {
		t.Errorf("reached %t after %s", reached, took)
	}
	a.cutOff()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}
	if conn, err := dial(ctx, "tcp", f.listener.Addr().String()); !errors.Is(err, net.ErrClosed) {
		conn.Close()
		t.Errorf("dialled again: %v", err)
	}
}

func TestTNSHeader(t *testing.T) {
	for _, test := range []struct {
		name, first string
		ok          bool
	}{
		{"accept", "\x00\x0a\x00\x00\x02\x00\x00\x00ab", true},
		{"refuse", "\x00\x09\x00\x00\x04\x00\x00\x00a", true},
		{"redirect", "\x00\x08\x00\x00\x05\x00\x00\x00", true},
		{"resend", "\x00\x08\x00\x00\x0b\x00\x00\x00", true},
		{"too short", "\x00\x07\x00\x00\x02\x00\x00\x00", false},
		{"other type", "\x00\x0a\x00\x00\x03\x00\x00\x00ab", false},
		{"zeros", strings.Repeat("\x00", 100), false},
		{"http", "HTTP/1.1 400 Bad Request\r\n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, func(conn net.Conn) { io.WriteString(conn, test.first) })
			conn, err := oracleDial(dial, false)(t.Context(), "tcp", f.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// In small pieces, as a reader may ask for them.
			var got []byte
			for buffer := make([]byte, 3); err == nil; {
				var n int
				n, err = conn.Read(buffer)
				got = append(got, buffer[:n]...)
			}
			if test.ok && (string(got) != test.first || err != io.EOF) {
				t.Errorf("read %q, %v", got, err)
			}
			if !test.ok && (len(got) > 0 || !errors.Is(err, errGarbage)) {
				t.Errorf("read %q, %v, want an error", got, err)
			}
		})
	}
}
