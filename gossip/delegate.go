package gossip

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/hashicorp/memberlist"

	"github.com/omflow/booster/internal/trust"
)

// delegate is what memberlist calls, most of it with its own lock held. Nothing
// here may block or call into memberlist.
type delegate struct{ n *Node }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.EventDelegate    = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
	_ memberlist.AliveDelegate    = delegate{}
)

// NodeMeta implements memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte { return d.n.meta }

// NotifyMsg implements memberlist.Delegate: a mark has changed.
func (d delegate) NotifyMsg(b []byte) { d.n.takeMarks(bytes.Clone(b), false) }

// GetBroadcasts implements memberlist.Delegate.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.n.broadcasts.GetBroadcasts(overhead, limit)
}

// LocalState implements memberlist.Delegate: all marks.
func (d delegate) LocalState(bool) []byte { return d.n.marks.Encode() }

// MergeRemoteState implements memberlist.Delegate: all marks of a peer.
func (d delegate) MergeRemoteState(b []byte, _ bool) { d.n.takeMarks(b, true) }

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(*memberlist.Node) { poke(d.n.look) }

// NotifyLeave implements memberlist.EventDelegate.
func (d delegate) NotifyLeave(*memberlist.Node) { poke(d.n.lost) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(*memberlist.Node) { poke(d.n.look) }

// NotifyAlive implements memberlist.AliveDelegate: what is no node of ours is
// kept out.
func (d delegate) NotifyAlive(peer *memberlist.Node) error {
	if !trust.ValidName(peer.Name) {
		return fmt.Errorf("%.80q is no node name", peer.Name)
	}
	if _, ok := netip.AddrFromSlice(peer.Addr); !ok {
		return fmt.Errorf("member %s has no address", peer.Name)
	}
	_, err := d.n.metas.decode(peer.Meta)
	return err
}

// conflict is two nodes of one name.
type conflict struct{ name, known, other string }

// NotifyConflict implements memberlist.ConflictDelegate.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	select {
	case d.n.conflicts <- conflict{name: existing.Name, known: existing.Address(), other: other.Address()}:
	default: // it is seen again at the next exchange
	}
}

// takeConflict tells of a conflict, outside memberlist's lock.
func (n *Node) takeConflict(c conflict) {
	if m, ok := n.members.get(c.name); ok && !m.Self && m.State != Alive {
		// The old self of a node that was restarted with another address.
		n.logger().Debug("member moves", "member", c.name, "from", c.known, "to", c.other)
		return
	}
	text := fmt.Sprintf("two nodes are named %q: %s and %s; give one another name", c.name, c.known, c.other)
	if n.problems.see(nameKey+c.name, c.name, text) {
		n.logger().Error("two nodes have the same name; the second is not accepted", "name", c.name, "address", c.known, "other", c.other)
	}
}

// poke wakes the reader of ch, which has room for one.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
