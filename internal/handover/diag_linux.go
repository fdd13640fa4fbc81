package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// States of TCP sockets, as a set of them (include/net/tcp_states.h).
const (
	stateSynRecv = 1 << 3
	stateListen  = 1 << 10
)

// From linux/inet_diag.h.
const (
	diagRequestLen = 56 // struct inet_diag_req_v2
	diagMessageLen = 72 // struct inet_diag_msg
	diagV6Only     = 11 // INET_DIAG_SKV6ONLY
)

// diagWait bounds an answer of the kernel's, which takes a millisecond or a few, unless this
// process stands still.
const diagWait = 10 * time.Second

// socket is what the kernel tells of one.
type socket struct {
	state         uint32 // stateSynRecv or stateListen
	family        uint8
	v6only        bool
	local, remote netip.AddrPort
	queued        int // of one that listens: connections that wait to be accepted
	inode         uint32
}

// listenersOf returns the sockets of this network namespace that listen on the address.
func listenersOf(addr netip.AddrPort) ([]socket, error) {
	var found []socket
	err := dump(stateListen, func(s socket) {
		if s.local == addr {
			found = append(found, s)
		}
	})
	return found, err
}

// dump calls each for the TCP sockets of this network namespace that are in one of the
// states.
func dump(states uint32, each func(socket)) error {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(diagWait)); err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequestLen)
		request[0], request[1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[4:], states)
		found, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
			Data:   request,
		})
		if family == unix.AF_INET6 && errors.Is(err, unix.ENOENT) {
			continue // the machine has no IPv6
		}
		if err != nil {
			return fmt.Errorf("ask sock_diag: %w", err)
		}
		for _, m := range found {
			if s, ok := parseDiag(m.Data); ok {
				each(s)
			}
		}
	}
	return nil
}

// parseDiag reads a struct inet_diag_msg and the attributes after it.
func parseDiag(b []byte) (socket, bool) {
	if len(b) < diagMessageLen {
		return socket{}, false
	}
	s := socket{
		family: b[0], state: 1 << b[1],
		local: diagAddress(b[0], b[8:24], b[4:]), remote: diagAddress(b[0], b[24:40], b[6:]),
		queued: int(binary.NativeEndian.Uint32(b[56:])), inode: binary.NativeEndian.Uint32(b[68:]),
	}
	if len(b) == diagMessageLen {
		return s, true
	}
	attrs, err := netlink.NewAttributeDecoder(b[diagMessageLen:])
	if err != nil {
		return socket{}, false
	}
	for attrs.Next() {
		if attrs.Type() == diagV6Only {
			s.v6only = attrs.Uint8() != 0
		}
	}
	return s, attrs.Err() == nil
}

func diagAddress(family uint8, addr, port []byte) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(addr))
	if family == unix.AF_INET {
		ip = netip.AddrFrom4([4]byte(addr))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port))
}
