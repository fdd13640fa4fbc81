package vip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hold keeps new TCP connections to these ports of the address waiting, without a
// refusal, until release is called, which may be done once. It needs the address on this
// machine, and listeners that share their port (SO_REUSEPORT) and run as the same user.
// Connections that exist, or whose first packet was answered already, go on.
//
// It opens listeners that are for this one address, which the kernel prefers to those
// for all addresses, and has a socket filter drop all that reaches them. A client's
// kernel sends what was not answered again, after a second for the first time (RFC 6298
// section 2). Nothing is changed about the sockets that others listen on: it works
// whatever they are, Multipath TCP's too, to which no filter can be attached, and what
// is held is let go when this process ends in any way. A listener that was opened for
// this very address gets its share of the new connections all the same.
func (a *Address) Hold(ports []uint16) (release func() error, err error) {
	var listeners []net.Listener
	release = func() error {
		var errs []error
		for _, ln := range listeners {
			errs = append(errs, ln.Close())
		}
		return errors.Join(errs...)
	}
	for _, port := range ports {
		ln, err := deafListener(a.cfg.Prefix.Addr(), port)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hold connections to virtual IP %s, port %d: %w", a.cfg, port, err), release())
		}
		listeners = append(listeners, ln)
	}
	return release, nil
}

// dropAll is a socket filter, in classic BPF, that keeps nothing of any packet.
var dropAll = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}

// deafListener listens and hears nothing.
func deafListener(ip netip.Addr, port uint16) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(err, failed, deafen(conn)) // before it listens
	}}
	lc.SetMultipathTCP(false)
	return lc.Listen(context.Background(), "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
}

// deafen has a socket drop whatever comes in from now on.
func deafen(conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(dropAll)), Filter: &dropAll[0]})
	})
	return errors.Join(err, failed)
}
