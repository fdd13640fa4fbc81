package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// udpReadBuffer is asked of the operating system for the packet socket, so
// that a burst survives a pause of this process. It may give less.
const udpReadBuffer = 2 << 20

// udpWriteBuffer likewise, for packets that wait. Linux keeps those to a neighbour that
// does not answer ARP for three seconds, counts them against this socket, and has a
// writer wait when it is full: some machines that are lost at once must not hold up what
// is for the others.
const udpWriteBuffer = 2 << 20

// listen opens the port, TCP and UDP.
func listen(addr string) (tcp *net.TCPListener, udp *net.UDPConn, err error) {
	_, port, err := splitAddr(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	// A free TCP port that was chosen for us may be taken for UDP.
	tries := 1
	if port == 0 {
		tries = 10
	}
	for range tries {
		if tcp, udp, err = listenOnce(addr); err == nil {
			_, _ = udp.SetReadBuffer(udpReadBuffer), udp.SetWriteBuffer(udpWriteBuffer)
			return tcp, udp, nil
		}
	}
	if errors.Is(err, errAddrInUse) {
		return nil, nil, fmt.Errorf("listen on %s: the port is taken, perhaps by another booster or agent on this machine; stop that one, or write another `listen` address: %w", addr, err)
	}
	return nil, nil, fmt.Errorf("listen on %s: %w", addr, err)
}

func listenOnce(addr string) (*net.TCPListener, *net.UDPConn, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	tcp := ln.(*net.TCPListener)
	host, _, err := net.SplitHostPort(addr)
	if err == nil {
		// The address of the TCP socket and not addr, which may be a name with
		// several addresses; but the unspecified one stays as it was written,
		// for sockets of both IP versions.
		local := tcp.Addr().(*net.TCPAddr)
		if !local.IP.IsUnspecified() {
			host = local.IP.String()
		}
		var pc net.PacketConn
		pc, err = new(net.ListenConfig).ListenPacket(context.Background(), "udp", net.JoinHostPort(host, fmt.Sprint(local.Port)))
		if err == nil {
			return tcp, pc.(*net.UDPConn), nil
		}
	}
	_ = tcp.Close()
	return nil, nil, err
}

// boundTo returns the address of ln.
func boundTo(ln *net.TCPListener) netip.AddrPort {
	ap := ln.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
