package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// memberlist keeps whether a member is suspect, dead or left to itself:
// Memberlist.Members leaves the dead out, and the State in its Node is never
// set (the internal state has a field of the same name in front of it). Peers
// are told, though, in the state exchange. So this node asks itself for one,
// over an in-memory stream, offering no members of its own. The messages are
// those of memberlist's protocol 2, which peers of all versions speak.

const (
	pushPullMsg = 6 // memberlist's message type

	// maxSnapshot bounds what is read: the members, and all marks, which are
	// part of the exchange.
	maxSnapshot = 16 << 20

	snapshotTimeout = 5 * time.Second
)

// pushPullHeader and pushNodeState have the names of memberlist's fields, by
// which they are encoded.
type pushPullHeader struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

type pushNodeState struct {
	Name        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Incarnation uint32
	State       int
	Vsn         []uint8
}

// snapshot returns memberlist's table of members, as it tells it to peers.
func (t *transport) snapshot() ([]byte, error) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	select {
	case t.streams <- theirs:
	case <-t.ctx.Done():
		return nil, fmt.Errorf("read member table: %w", net.ErrClosed)
	}
	if err := ours.SetDeadline(time.Now().Add(snapshotTimeout)); err != nil {
		return nil, fmt.Errorf("read member table: %w", err)
	}
	var ask bytes.Buffer
	ask.WriteByte(pushPullMsg)
	if err := codec.NewEncoder(&ask, new(codec.MsgpackHandle)).Encode(pushPullHeader{}); err != nil {
		return nil, fmt.Errorf("read member table: encode request: %w", err)
	}
	if _, err := ours.Write(ask.Bytes()); err != nil {
		return nil, fmt.Errorf("read member table: %w", err)
	}
	// Read to the end, or memberlist would log that its answer was cut short.
	b, err := io.ReadAll(io.LimitReader(ours, maxSnapshot))
	if err != nil {
		return nil, fmt.Errorf("read member table: %w", err)
	}
	return b, nil
}

func decodeSnapshot(b []byte) ([]pushNodeState, error) {
	if len(b) == 0 || b[0] != pushPullMsg {
		return nil, errors.New("the answer is no state exchange")
	}
	dec := codec.NewDecoder(bytes.NewReader(b[1:]), new(codec.MsgpackHandle))
	var head pushPullHeader
	if err := dec.Decode(&head); err != nil {
		return nil, fmt.Errorf("decode header: %w", err)
	}
	if head.Nodes < 0 || head.Nodes > len(b) {
		return nil, fmt.Errorf("%d members in %d bytes", head.Nodes, len(b))
	}
	var out []pushNodeState
	for range head.Nodes {
		var s pushNodeState
		if err := dec.Decode(&s); err != nil {
			return nil, fmt.Errorf("decode member: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// member translates what memberlist knows. ok is false for what is no member
// of ours.
func (s pushNodeState) member(self string, known *metas) (m Member, ok bool) {
	info, err := known.decode(s.Meta)
	if err != nil {
		return Member{}, false
	}
	ip, valid := netip.AddrFromSlice(s.Addr)
	if !valid {
		return Member{}, false
	}
	m = Member{
		Name:        s.Name,
		Kind:        info.Kind,
		Version:     info.Version,
		Address:     netip.AddrPortFrom(ip.Unmap(), s.Port).String(),
		Incarnation: info.Incarnation,
		Self:        s.Name == self,
	}
	switch memberlist.NodeStateType(s.State) {
	case memberlist.StateAlive:
		m.State = Alive
	case memberlist.StateSuspect:
		m.State = Suspect
	case memberlist.StateLeft:
		m.State = Left
	default:
		m.State = Dead
	}
	return m, true
}

// taken is the table of memberlist's that was taken into ours last.
type taken struct {
	b  []byte
	at time.Time
}

// refresh takes memberlist's table into ours and tells who wants to know. Start
// calls it, and then one goroutine.
func (n *Node) refresh() {
	b, err := n.transport.snapshot()
	var states []pushNodeState
	if err == nil {
		// Mostly nothing has changed: then taking it apart, which among hundreds is
		// most of a node's work, is saved. Now and then all is taken, for members
		// that are to be forgotten.
		if bytes.Equal(b, n.taken.b) && time.Since(n.taken.at) < n.timing.maintenance {
			return
		}
		states, err = decodeSnapshot(b)
	}
	if err != nil {
		if n.ctx.Err() == nil {
			n.logger().Warn("members could not be read", "error", err)
		}
		return
	}
	n.taken = taken{b, time.Now()}
	seen := make([]Member, 0, len(states))
	reachable := 0
	for _, s := range states {
		if m, ok := s.member(n.name, n.metas); ok {
			seen = append(seen, m)
			if m.Reachable() {
				reachable++
			}
		}
	}
	n.reachable.Store(int32(reachable))
	changed, forgotten := n.members.update(seen, time.Now())
	n.reports.forget(forgotten)
	for _, m := range changed {
		n.logger().Info("member is "+string(m.State), "member", m.Name, "kind", m.Kind, "address", m.Address)
	}
}
