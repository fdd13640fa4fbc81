package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// States of TCP connections (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynRecv     = 3
	tcpFinWait1    = 4
	tcpCloseWait   = 8
	tcpLastAck     = 9
	tcpClosing     = 11
)

// openStates are those in which something may still have to reach the other side. In
// the others, FIN_WAIT2 and TIME_WAIT, it has acknowledged all that was sent.
const openStates = 1<<tcpEstablished | 1<<tcpSynRecv | 1<<tcpFinWait1 | 1<<tcpCloseWait | 1<<tcpLastAck | 1<<tcpClosing

// lostAfter is after how many retransmissions the other side of a connection that was
// closed here is taken for gone: some 0.6 s on a fast network.
const lostAfter = 2

// Connections counts the open TCP connections to these ports of the address. The kernel
// looks through all connections of the machine for it, in a millisecond or a few.
func (a *Address) Connections(ports []uint16) (Connections, error) {
	var c Connections
	err := a.inspect(ports, func(_ *netlink.Conn, d diagnosis) error {
		if d.held {
			c.Held++
		} else {
			c.Loose++
		}
		return nil
	})
	if err != nil {
		return Connections{}, fmt.Errorf("count connections to virtual IP %s: %w", a.cfg, err)
	}
	return c, nil
}

// Reset ends the connections to these ports of the address that a process has, by a
// reset to both sides, and returns how many there were. Kernels that were built without
// CONFIG_INET_DIAG_DESTROY can't: errors.ErrUnsupported.
func (a *Address) Reset(ports []uint16) (int, error) {
	n := 0
	err := a.inspect(ports, func(conn *netlink.Conn, d diagnosis) error {
		if !d.held {
			return nil
		}
		n++
		_, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
			Data:   d.request(),
		})
		if errors.Is(err, unix.ENOENT) {
			return nil // it has just ended
		}
		return err
	})
	if err != nil {
		return n, fmt.Errorf("reset connections to virtual IP %s: %w", a.cfg, err)
	}
	return n, nil
}

// inspect calls f for each open connection to these ports.
func (a *Address) inspect(ports []uint16, f func(*netlink.Conn, diagnosis) error) error {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(netlinkWait)); err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	ip := a.cfg.Prefix.Addr()
	// A listener for both protocols has IPv4 connections as IPv6 sockets.
	families := []uint8{unix.AF_INET6}
	if ip.Is4() {
		families = []uint8{unix.AF_INET, unix.AF_INET6}
	}
	for _, family := range families {
		found, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
			Data:   diagRequest(family, ip),
		})
		if errors.Is(err, unix.ENOENT) {
			continue // the machine has no IPv6
		}
		if err != nil {
			return fmt.Errorf("ask sock_diag: %w", err)
		}
		for _, m := range found {
			d, ok := diagnose(m.Data)
			if !ok || !slices.Contains(ports, d.port) {
				continue
			}
			if err := f(conn, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// From linux/inet_diag.h.
const (
	diagRequestLen = 56 // struct inet_diag_req_v2
	diagMessageLen = 72 // struct inet_diag_msg
	diagBytecode   = 1  // INET_DIAG_REQ_BYTECODE
	diagSourceCond = 7  // INET_DIAG_BC_S_COND
	sockDestroy    = 21 // SOCK_DESTROY of linux/sock_diag.h
)

// diagRequest asks for the connections of a family whose address here is ip.
func diagRequest(family uint8, ip netip.Addr) []byte {
	b := make([]byte, diagRequestLen)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], openStates)
	// One condition (struct inet_diag_bc_op, struct inet_diag_hostcond): if it holds the
	// program is at its end, if not, beyond it, and the connection is left out.
	addr := ip.AsSlice()
	code := make([]byte, 12, 12+len(addr))
	code = append(code, addr...)
	code[0], code[1] = diagSourceCond, uint8(len(code))
	binary.NativeEndian.PutUint16(code[2:], uint16(len(code)+4))
	code[4] = unix.AF_INET6
	if ip.Is4() {
		code[4] = unix.AF_INET
	}
	code[5] = uint8(ip.BitLen())
	binary.NativeEndian.PutUint32(code[8:], ^uint32(0)) // any port
	attr := make([]byte, 4, 4+len(code))
	binary.NativeEndian.PutUint16(attr[0:], uint16(4+len(code)))
	binary.NativeEndian.PutUint16(attr[2:], diagBytecode)
	return append(append(b, attr...), code...)
}

// diagnosis is what sock_diag says of a connection.
type diagnosis struct {
	family uint8
	id     [48]byte // struct inet_diag_sockid
	port   uint16   // here
	held   bool     // a process has it
}

// diagnose reads a struct inet_diag_msg. ok is false for a connection that is as good as
// ended.
func diagnose(b []byte) (d diagnosis, ok bool) {
	if len(b) < diagMessageLen {
		return d, false
	}
	state, retransmits := b[1], b[3]
	d.family = b[0]
	copy(d.id[:], b[4:])
	d.port = binary.BigEndian.Uint16(d.id[:])
	d.held = binary.NativeEndian.Uint32(b[68:]) != 0 // its inode
	return d, d.held || state == tcpEstablished || state == tcpSynRecv || retransmits < lostAfter
}

// request names this very connection.
func (d diagnosis) request() []byte {
	b := make([]byte, 8, diagRequestLen)
	b[0], b[1] = d.family, unix.IPPROTO_TCP
	return append(b, d.id[:]...)
}
