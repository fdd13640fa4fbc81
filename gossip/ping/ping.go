package ping

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/omflow/booster/gossip/internal/seal"
	"github.com/omflow/booster/internal/trust"
)

const (
	// frameMemberlist is what package gossip writes before memberlist's own messages.
	frameMemberlist = 0
	// pingMessage is memberlist's type of a ping (memberlist 0.7.0, net.go).
	pingMessage = 0

	// firstPause is how long after the first ping the second is sent; each pause is
	// twice the one before.
	firstPause = 300 * time.Millisecond
	// maxPacket is the longest packet of UDP, in bytes.
	maxPacket = 1 << 16
)

// ErrNoAnswer: nothing came back.
var ErrNoAnswer = errors.New("no answer over UDP")

// Config says who asks.
type Config struct {
	// Keys are the cluster's; the first seals. Required.
	Keys trust.Keys
}

// Validate refuses a Config without a key.
func (c Config) Validate() error {
	if c.Keys.Len() == 0 {
		return errors.New("ping: no cluster key")
	}
	return nil
}

// Ping asks the node of that name at an address, until it answers or ctx ends; then the
// error wraps ErrNoAnswer. It returns how long after the last ping the answer came. It
// may be called concurrently.
func (c Config) Ping(ctx context.Context, to netip.AddrPort, node string) (time.Duration, error) {
	if err := c.Validate(); err != nil {
		return 0, err
	}
	ring, err := seal.NewRing(c.Keys.Gossip())
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", to, err)
	}
	// Not a connected socket: a machine with several addresses may answer from another.
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", to, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	inside, err := message(node)
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", to, err)
	}
	buf := make([]byte, maxPacket)
	for pause := firstPause; ctx.Err() == nil; pause *= 2 {
		if _, err := conn.WriteToUDPAddrPort(ring.Seal(nil, inside), to); err != nil {
			return 0, fmt.Errorf("ping %s: %w", to, err)
		}
		sent := time.Now()
		if answered(conn, ring, buf, ctx, sent.Add(pause)) {
			return time.Since(sent), nil
		}
	}
	return 0, fmt.Errorf("ping %s: %w", to, ErrNoAnswer)
}

// answered reads until something sealed comes, and reports false at the deadline.
func answered(conn *net.UDPConn, ring *seal.Ring, buf []byte, ctx context.Context, deadline time.Time) bool {
	_ = conn.SetReadDeadline(deadline)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			continue // on Windows also an earlier packet that could not be delivered
		}
		if plain, err := ring.Open(nil, buf[:n]); err == nil && len(plain) > 1 && plain[0] == frameMemberlist {
			return true
		}
	}
	return false
}

// message is a ping as package gossip puts it into a packet.
func message(node string) ([]byte, error) {
	var number [4]byte
	_, _ = rand.Read(number[:]) // never fails: see crypto/rand.Read
	b := bytes.NewBuffer([]byte{frameMemberlist, pingMessage})
	ping := struct {
		SeqNo uint32
		Node  string
	}{binary.BigEndian.Uint32(number[:]), node}
	if err := codec.NewEncoder(b, new(codec.MsgpackHandle)).Encode(ping); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b.Bytes(), nil
}
