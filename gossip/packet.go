package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
)

// MaxPacket is how many bytes SendPacket takes: what fits into one packet after
// sealing and the two bytes that say what it is.
const MaxPacket = maxFrame - 1

// packetHandlers are called for packets of the owner's, by kind.
type packetHandlers [256]atomic.Pointer[func(from netip.AddrPort, b []byte)]

// take hands the inside of a packet to the handler of its kind, and says
// whether there is one.
func (h *packetHandlers) take(from netip.AddrPort, b []byte) bool {
	f := h[b[0]].Load()
	if f == nil {
		return false
	}
	(*f)(from, b[1:])
	return true
}

// HandlePackets has f called for each packet of the kind that comes in sealed
// with one of the cluster's keys, whoever of the cluster sent it: packets may be
// lost, late, doubled, or recorded and sent again, and from is where this one
// came from and no proof. f is called from the one goroutine that reads
// packets: it must not block, nor keep b. A later call for the same kind takes
// its place, and nil ends it; a call that runs already may end after that.
func (n *Node) HandlePackets(kind byte, f func(from netip.AddrPort, b []byte)) {
	if f == nil {
		n.handlers[kind].Store(nil)
		return
	}
	n.handlers[kind].Store(&f)
}

// SendPacket sends b, sealed, in one packet of the kind to the member of that
// name, also to one that is taken for dead. It does not block, and says nothing
// of whether the packet arrives. It fails for a name that was never a member
// and for more than MaxPacket bytes.
func (n *Node) SendPacket(to string, kind byte, b []byte) error {
	m, ok := n.members.get(to)
	if !ok {
		return fmt.Errorf("send packet to %q: it is no member", to)
	}
	addr, err := netip.ParseAddrPort(m.Address)
	if err != nil {
		return fmt.Errorf("send packet to %q: %w", to, err)
	}
	return n.SendPacketTo(addr, kind, b)
}

// SendPacketTo is SendPacket to an address, such as the one from which a packet
// came that is to be answered.
func (n *Node) SendPacketTo(to netip.AddrPort, kind byte, b []byte) error {
	if len(b) > MaxPacket {
		return fmt.Errorf("send packet to %s: %d bytes, more than %d", to, len(b), MaxPacket)
	}
	if !to.IsValid() {
		return errors.New("send packet: no address")
	}
	inside := make([]byte, 0, 1+len(b))
	_, err := n.transport.writePacketTo(frameOwner, append(append(inside, kind), b...), to)
	return err
}
