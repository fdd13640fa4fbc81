package gossip

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/omflow/booster/internal/trust"
)

const (
	// maxStrangers bounds the handshakes that run at once. A cluster that
	// starts all at once has one or two for each node.
	maxStrangers = 128

	// maxStrangersPerHost bounds them for one remote address, so that one
	// stranger can't keep all others out.
	maxStrangersPerHost = 16
)

// acceptLoop takes connections and lets each authenticate.
func (t *transport) acceptLoop() {
	const firstDelay, lastDelay = 5 * time.Millisecond, time.Second
	delay := firstDelay
	for {
		conn, err := t.tcp.Accept()
		if err != nil {
			if t.ctx.Err() != nil {
				return
			}
			// Out of file descriptors, mostly. Others give theirs back.
			t.quiet.Event(slog.LevelError, "accept", "accepting connections failed", slog.Any("error", err))
			if !t.pause(delay) {
				return
			}
			delay = min(2*delay, lastDelay)
			continue
		}
		delay = firstDelay
		host := hostOf(conn.RemoteAddr())
		if !t.admit.enter(host) {
			t.count.streamsRefused.Add(1)
			t.quiet.Event(slog.LevelWarn, "busy|"+host, "connection refused: too many that have not authenticated yet", slog.String("from", host))
			_ = conn.Close()
			continue
		}
		t.wg.Go(func() {
			defer t.admit.leave(host)
			t.welcome(conn, host)
		})
	}
}

// welcome authenticates a connection and hands it over by its protocol.
func (t *transport) welcome(raw net.Conn, host string) {
	conn := t.conns.track(raw, func(c net.Conn) *tls.Conn {
		return tls.Server(c, t.id.ServerTLS(alpnGossip, alpnHTTP2, alpnHTTP1))
	})
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.handshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		t.refused(host, err)
		return
	}
	if err := t.conns.ready(conn, t.id); err != nil {
		_ = conn.Close()
		t.refused(host, err)
		return
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case alpnGossip:
		t.count.streamsAccepted.Add(1)
		select {
		case t.streams <- conn:
			return
		case <-t.ctx.Done():
		}
	case alpnHTTP1, alpnHTTP2:
		t.count.streamsAccepted.Add(1)
		if t.control.give(conn) {
			return
		}
	default:
		// crypto/tls lets a client pass that offers no protocol at all.
		t.count.streamsRefused.Add(1)
		t.quiet.Event(slog.LevelWarn, "alpn|"+host, "connection refused: it asks for no protocol", slog.String("from", host))
	}
	_ = conn.Close()
}

// refused counts and logs a handshake that failed.
func (t *transport) refused(host string, err error) {
	if t.ctx.Err() != nil {
		return
	}
	t.count.streamsRefused.Add(1)
	reason, level := refusal(err)
	t.quiet.Event(level, reason+"|"+host, "connection refused: "+reason, slog.String("from", host), slog.Any("error", err))
}

// refusal says in the operator's words why a handshake failed. It never
// contains what the stranger sent, since it is part of a log key.
func refusal(err error) (reason string, level slog.Level) {
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, trust.ErrWrongKey):
		return "the peer uses another cluster key", slog.LevelWarn
	case errors.Is(err, trust.ErrClock):
		return "the clocks differ by more than 24 hours", slog.LevelWarn
	case errors.As(err, &op) && op.Op == "remote error":
		// The peer saw our certificate first and did not like it.
		return "the peer refused this node: it uses another cluster key, or the clocks differ by more than 24 hours", slog.LevelWarn
	case errors.As(err, &record):
		return "it does not speak TLS", slog.LevelWarn
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it did not authenticate in time", slog.LevelWarn
	case errors.Is(err, io.EOF), errors.As(err, &op):
		// A port check of some monitor.
		return "it was closed before it authenticated", slog.LevelInfo
	default:
		return "it did not authenticate", slog.LevelWarn
	}
}

func hostOf(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return ap.Addr().Unmap().WithZone("").String()
}

// admission bounds what has not authenticated yet.
type admission struct {
	mostPerHost int

	mu    sync.Mutex
	hosts map[string]int
	total int
}

func newAdmission() *admission {
	return &admission{mostPerHost: maxStrangersPerHost, hosts: make(map[string]int)}
}

func (a *admission) enter(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= maxStrangers || a.hosts[host] >= a.mostPerHost {
		return false
	}
	a.total++
	a.hosts[host]++
	return true
}

func (a *admission) leave(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.hosts[host]--; a.hosts[host] == 0 {
		delete(a.hosts, host)
	}
}

// connections are all open TCP connections, so that they can be closed when
// the node ends or the key under which they were made is no longer accepted.
type connections struct {
	mu sync.Mutex
	// open has the state of a connection's handshake once that is complete.
	// Asking the connection itself would wait for a handshake that goes on.
	open   map[*tracked]*tls.ConnectionState
	closed bool
	count  *counters
}

func newConnections(count *counters) *connections {
	return &connections{open: make(map[*tracked]*tls.ConnectionState), count: count}
}

// tracked is the TCP connection below a TLS connection. The latter can't be
// wrapped itself: net/http looks for a *tls.Conn.
type tracked struct {
	net.Conn
	owner *connections
}

// Read implements net.Conn.
func (c *tracked) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.owner.count.bytesReceived.Add(uint64(n))
	return n, err
}

// Write implements net.Conn.
func (c *tracked) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.owner.count.bytesSent.Add(uint64(n))
	return n, err
}

// Close implements net.Conn.
func (c *tracked) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// track wraps raw with what wrap makes of it. It closes raw and returns nil
// when all is closed already.
func (s *connections) track(raw net.Conn, wrap func(net.Conn) *tls.Conn) *tls.Conn {
	c := &tracked{Conn: raw, owner: s}
	conn := wrap(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = raw.Close()
		return nil
	}
	s.open[c] = nil
	return conn
}

// ready notes that the handshake of conn, which track returned, is complete,
// and verifies it once more: keys that were taken away between the handshake
// and now are not found by drop.
func (s *connections) ready(conn *tls.Conn, id *trust.Identity) error {
	cs := conn.ConnectionState()
	c := conn.NetConn().(*tracked)
	s.mu.Lock()
	if _, open := s.open[c]; open {
		s.open[c] = &cs
	}
	s.mu.Unlock()
	_, err := id.Verify(cs)
	return err
}

// closeAll closes everything that is open and all that comes later.
func (s *connections) closeAll() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closeIf(func(*tls.ConnectionState) bool { return true })
}

// drop closes the connections that id's keys no longer verify.
func (s *connections) drop(id *trust.Identity) {
	s.closeIf(func(cs *tls.ConnectionState) bool {
		if cs == nil {
			return false // still to be verified
		}
		_, err := id.Verify(*cs)
		return err != nil
	})
}

// closeIf closes the connections for which drop is true. It closes below TLS,
// which never blocks.
func (s *connections) closeIf(drop func(*tls.ConnectionState) bool) {
	s.mu.Lock()
	open := maps.Clone(s.open)
	s.mu.Unlock()
	for c, cs := range open {
		if drop(cs) {
			_ = c.Close()
		}
	}
}
