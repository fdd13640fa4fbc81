package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Announce tells all neighbours that this machine has the address, which must
// be on the interface.
func (a *Address) Announce() error {
	dev, err := a.device()
	if err == nil {
		if ip := a.cfg.Prefix.Addr(); ip.Is4() {
			err = announceARP(dev, ip)
		} else {
			err = announceND(dev, ip)
		}
	}
	if err != nil {
		return fmt.Errorf("announce virtual IP %s: %w", a.cfg, err)
	}
	return nil
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Operations of ARP (RFC 826).
const (
	arpRequest = 1
	arpReply   = 2
)

func announceARP(dev *net.Interface, ip netip.Addr) error {
	conn, err := packet.Listen(dev, packet.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	defer conn.Close()
	for _, op := range []byte{arpRequest, arpReply} {
		if _, err := conn.WriteTo(gratuitousARP(op, dev.HardwareAddr, ip), &packet.Addr{HardwareAddr: broadcast}); err != nil {
			return fmt.Errorf("send gratuitous ARP: %w", err)
		}
	}
	return nil
}

// gratuitousARP is an ARP packet (RFC 826) in which the sender's and the
// target's address are both ip.
func gratuitousARP(op byte, mac net.HardwareAddr, ip netip.Addr) []byte {
	target := make(net.HardwareAddr, len(mac)) // not asked for, in a request
	if op == arpReply {
		target = broadcast
	}
	b := []byte{
		0, 1, // Ethernet
		8, 0, // IPv4
		6, 4, // lengths of their addresses
		0, op,
	}
	b = append(append(b, mac...), ip.AsSlice()...)
	return append(append(b, target...), ip.AsSlice()...)
}

// announceND sends from the address itself: so a machine that has no
// link-local address on the interface can do it as well.
func announceND(dev *net.Interface, ip netip.Addr) error {
	conn, err := net.ListenPacket("ip6:ipv6-icmp", ip.String())
	if err != nil {
		return fmt.Errorf("open ICMPv6 socket: %w", err)
	}
	defer conn.Close()
	p := ipv6.NewPacketConn(conn)
	// Another hop limit is taken for a message from outside the link (RFC 4861
	// section 7.1.2).
	if err := errors.Join(p.SetMulticastHopLimit(255), p.SetMulticastInterface(dev)); err != nil {
		return fmt.Errorf("set up ICMPv6 socket: %w", err)
	}
	all := &net.IPAddr{IP: net.IPv6linklocalallnodes, Zone: dev.Name}
	if _, err := conn.WriteTo(unsolicitedNA(dev.HardwareAddr, ip), all); err != nil {
		return fmt.Errorf("send neighbour advertisement: %w", err)
	}
	return nil
}

// unsolicitedNA is a neighbour advertisement (RFC 4861 section 4.4) with the
// override flag and the target's link-layer address. The kernel fills in the
// checksum.
func unsolicitedNA(mac net.HardwareAddr, ip netip.Addr) []byte {
	b := []byte{
		136, 0, 0, 0, // type, code, checksum
		0x20, 0, 0, 0, // override
	}
	b = append(b, ip.AsSlice()...)
	return append(append(b, 2, 1), mac...) // target link-layer address, in units of eight bytes
}
