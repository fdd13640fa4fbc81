package gossip

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/omflow/booster/gossip/internal/quiet"
	"github.com/omflow/booster/gossip/internal/seal"
	"github.com/omflow/booster/internal/trust"
)

// ALPN protocols on the port.
const (
	alpnGossip = "omflow-gossip/1"
	alpnHTTP2  = "h2"
	alpnHTTP1  = "http/1.1"
)

// The first byte inside a sealed packet says what the rest is.
const (
	frameMemberlist = 0
	frameMessage    = 1
	frameOwner      = 2 // the next byte is the kind
)

const (
	// maxPacket keeps a UDP packet below the 1500 bytes of an Ethernet frame,
	// with room for IPv6 and tunnel headers: memberlist's value.
	maxPacket = 1400

	// maxFrame is what fits into a packet after sealing and the frame's byte.
	maxFrame = maxPacket - seal.Overhead - 1
)

// transport is memberlist's Transport, and hands other connections and packets
// to the node.
type transport struct {
	id        *trust.Identity
	ring      *seal.Ring
	quiet     *quiet.Log
	count     *counters
	handshake time.Duration
	advertise netip.AddrPort
	onMessage func(b []byte) // must not block, nor keep b
	handlers  *packetHandlers

	tcp *net.TCPListener
	udp *net.UDPConn

	packets chan *memberlist.Packet
	streams chan net.Conn
	control *handover
	admit   *admission
	conns   *connections
	answers *answers

	ctx  context.Context // ends with Shutdown
	stop context.CancelFunc
	wg   sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// start begins to accept.
func (t *transport) start() {
	t.wg.Go(t.acceptLoop)
	t.wg.Go(t.packetLoop)
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.writePacket(frameMemberlist, b, addr)
}

// WriteToAddress implements memberlist.NodeAwareTransport. A packet reaches
// whoever is at the address: memberlist's own messages say whom they are for.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.writePacket(frameMemberlist, b, a.Addr)
}

func (t *transport) writePacket(frame byte, b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("send packet to %q: %w", addr, err)
	}
	return t.writePacketTo(frame, b, to)
}

func (t *transport) writePacketTo(frame byte, b []byte, to netip.AddrPort) (time.Time, error) {
	plain := make([]byte, 0, maxPacket)
	plain = append(append(plain, frame), b...)
	sealed := t.ring.Seal(make([]byte, 0, len(plain)+seal.Overhead), plain)
	if _, err := t.udp.WriteToUDPAddrPort(sealed, to); err != nil {
		return time.Time{}, fmt.Errorf("send packet to %s: %w", to, err)
	}
	t.count.packetsSent.Add(1)
	t.count.bytesSent.Add(uint64(len(sealed)))
	return time.Now(), nil
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// packetLoop reads packets. What is not sealed with our keys is counted and
// never answered.
func (t *transport) packetLoop() {
	buf := make([]byte, 1<<16)
	scratch := make([]byte, 0, 1<<16)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		now := time.Now()
		if err != nil {
			if t.ctx.Err() != nil {
				return
			}
			// On Windows an earlier packet that could not be delivered shows up
			// here as an error. The socket goes on.
			t.quiet.Event(slog.LevelDebug, "packet|read", "reading packets failed", slog.Any("error", err))
			if !t.pause(5 * time.Millisecond) {
				return
			}
			continue
		}
		t.count.bytesReceived.Add(uint64(n))
		plain, err := t.ring.Open(scratch, buf[:n])
		if err != nil || len(plain) < 2 {
			t.count.packetsRefused.Add(1)
			host := from.Addr().Unmap().String()
			t.quiet.Event(slog.LevelWarn, "packet|"+host, "packets refused: not sealed with our cluster key", slog.String("from", host))
			continue
		}
		t.count.packetsReceived.Add(1)
		switch plain[0] {
		case frameMemberlist:
			select {
			case t.packets <- &memberlist.Packet{Buf: bytes.Clone(plain[1:]), From: net.UDPAddrFromAddrPort(from), Timestamp: now}:
			case <-t.ctx.Done():
				return
			}
		case frameMessage:
			t.onMessage(plain[1:])
		case frameOwner:
			if !t.handlers.take(from, plain[1:]) {
				t.quiet.Event(slog.LevelDebug, "packet|kind", "packet that nobody here takes", slog.Int("kind", int(plain[1])))
			}
		default:
			t.quiet.Event(slog.LevelDebug, "packet|frame", "packet of an unknown kind", slog.Int("kind", int(plain[0])))
		}
	}
}

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport. With a name the
// node that answers must have it; without one, as in a join, who answered is
// noted in answers.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, min(timeout, t.handshake))
	defer cancel()
	conn, err := t.dial(ctx, a.Addr, a.Name, alpnGossip)
	if a.Name == "" {
		t.answers.note(a.Addr, conn, err, t.id)
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// dial opens an authenticated connection.
func (t *transport) dial(ctx context.Context, addr, name string, alpn ...string) (*tls.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	conn := t.conns.track(raw, func(c net.Conn) *tls.Conn { return tls.Client(c, t.id.ClientTLS(name, alpn...)) })
	if conn == nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, net.ErrClosed)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("authenticate with %s: %w", addr, err)
	}
	if err := t.conns.ready(conn, t.id); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("authenticate with %s: %w", addr, err)
	}
	return conn, nil
}

// Shutdown implements memberlist.Transport. It closes the port and all
// connections and waits for all that this transport has started. It may be
// called more than once.
func (t *transport) Shutdown() error {
	t.stop()
	err := errors.Join(ignoreClosed(t.tcp.Close()), ignoreClosed(t.udp.Close()))
	t.conns.closeAll()
	t.wg.Wait()
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// pause waits, and says whether the transport goes on.
func (t *transport) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-t.ctx.Done():
		return false
	}
}

// answers remembers who answered at the addresses that a join dialled.
type answers struct {
	mu sync.Mutex
	m  map[string]answer
}

type answer struct {
	name string
	self bool
	err  error
}

func (a *answers) note(addr string, conn *tls.Conn, err error, id *trust.Identity) {
	got := answer{err: err}
	if err == nil {
		cs := conn.ConnectionState()
		got.self = id.IsSelf(cs)
		if peer, err := trust.PeerOf(cs); err == nil {
			got.name = peer.Name
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.m[addr] = got
}

// take returns and forgets the answer from addr.
func (a *answers) take(addr string) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.m[addr]
	delete(a.m, addr)
	return got
}
