package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Lifetime is after how long the kernel removes an address that is not added
// again. It counts in seconds, so it is a last resort beside a guard that does
// it within milliseconds.
const Lifetime = 5 * time.Second

// Config says which address goes where.
type Config struct {
	// Prefix is the address with the length of its network, like 10.0.0.10/24.
	Prefix netip.Prefix
	// Interface is the network interface's name, like eth0.
	Interface string
}

// Parse reads an address with its prefix length, and an interface's name.
func Parse(cidr, iface string) (Config, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return Config{}, fmt.Errorf("virtual IP %q: write it with the length of its network, like 10.0.0.10/24 or 2001:db8::10/64", cidr)
	}
	c := Config{Prefix: p, Interface: iface}
	return c, c.Validate()
}

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	ip := c.Prefix.Addr()
	switch {
	case !c.Prefix.IsValid():
		return errors.New("virtual IP: write an address with the length of its network, like 10.0.0.10/24")
	case ip.Is4In6():
		return fmt.Errorf("virtual IP %s: write the IPv4 address as such", c.Prefix)
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("virtual IP %s: write an address that a machine can have", c.Prefix)
	case ip.IsLinkLocalUnicast():
		return fmt.Errorf("virtual IP %s: write an address that clients reach from other networks too, not a link-local one", c.Prefix)
	}
	// 15 is IFNAMSIZ of Linux less the final zero.
	if c.Interface == "" || len(c.Interface) > 15 || strings.ContainsAny(c.Interface, "/ \t\n") {
		return fmt.Errorf("virtual IP %s: %q is no interface's name: write one of those that `ip link` shows", c.Prefix, c.Interface)
	}
	return nil
}

// String writes it as it is configured.
func (c Config) String() string { return c.Prefix.String() + " " + c.Interface }

// Connections are the open TCP connections to an address.
type Connections struct {
	// Held are those that a process has: accepted, and not closed.
	Held int
	// Loose are the others: those that are not accepted yet, and those that were closed
	// here as long as the other side has not acknowledged all that was sent and may
	// still do so.
	Loose int
}
