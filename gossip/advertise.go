package gossip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// lookupTimeout bounds one look-up of a name.
const lookupTimeout = 5 * time.Second

// advertised finds the address where others reach a node that listens on
// bound. c has its defaults.
func advertised(ctx context.Context, c Config, bound netip.AddrPort) (netip.AddrPort, error) {
	if c.Advertise != "" {
		host, port, err := splitAddr(c.Advertise)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("advertise address %q: %w", c.Advertise, err)
		}
		if port == 0 {
			port = bound.Port()
		}
		ips, err := lookup(ctx, c.Resolver, host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("look up advertise address %q: %w", c.Advertise, err)
		}
		return netip.AddrPortFrom(ips[0], port), nil
	}
	if ip := bound.Addr(); !ip.IsUnspecified() {
		return bound, nil
	}
	return netip.AddrPortFrom(c.outward(ctx), bound.Port()), nil
}

// outward returns the address that this machine uses towards its peers. A
// loopback address only if all peers are on this machine too.
func (c Config) outward(ctx context.Context) netip.Addr {
	var local netip.Addr
	for _, target := range c.Join {
		host, _, err := splitAddr(target)
		if err != nil {
			continue
		}
		ips, err := lookup(ctx, c.Resolver, host)
		if err != nil {
			continue
		}
		ip, ok := sourceTo(ips[0])
		if !ok {
			continue
		}
		if !ip.IsLoopback() {
			return ip
		}
		local = ip
	}
	if local.IsValid() {
		return local
	}
	// Nobody to join: the address towards the rest of the world. These are
	// documentation addresses (RFC 5737, RFC 3849); nothing is sent to them.
	for _, world := range []string{"192.0.2.1", "2001:db8::1"} {
		if ip, ok := sourceTo(netip.MustParseAddr(world)); ok {
			return ip
		}
	}
	if ip, ok := interfaceAddr(); ok {
		return ip
	}
	c.Logger.Warn("other nodes can't reach this one: this machine has no network address; write `advertise`, or start again when it has one")
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// sourceTo asks the operating system's routes which address of ours would be
// used to reach ip. Connecting a UDP socket sends nothing.
func sourceTo(ip netip.Addr) (netip.Addr, bool) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, DefaultPort)))
	if err != nil {
		return netip.Addr{}, false
	}
	defer conn.Close()
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	return local, local.IsValid() && !local.IsUnspecified()
}

// interfaceAddr returns an address of an interface, on a machine without any
// route.
func interfaceAddr() (netip.Addr, bool) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			return p.Addr().Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// maxAddrs bounds how many addresses of one name are used.
const maxAddrs = 8

// lookup returns the addresses of host, IPv4 first: a cluster that was given
// names is reachable by IPv4 far more often. It returns at least one or an
// error.
func lookup(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %q: %w", host, err)
	}
	var v4, v6 []netip.Addr
	for _, ip := range found {
		if ip = ip.Unmap(); ip.Is4() {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	all := append(v4, v6...)
	if len(all) == 0 {
		return nil, fmt.Errorf("look up %q: it has no address", host)
	}
	return all[:min(len(all), maxAddrs)], nil
}
