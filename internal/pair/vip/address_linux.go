package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// netlinkWait bounds an exchange with the kernel, which takes microseconds.
const netlinkWait = time.Second

// Address is a virtual IP address of this machine. All methods may be called
// concurrently.
type Address struct {
	cfg Config

	mu   sync.Mutex
	conn *rtnetlink.Conn // nil: to be opened anew
}

// Open prepares the address and changes nothing. It fails when the interface
// does not exist, or a capability is missing.
func (c Config) Open() (*Address, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := capable(); err != nil {
		return nil, fmt.Errorf("virtual IP %s: %w", c, err)
	}
	a := &Address{cfg: c}
	if _, err := a.device(); err != nil {
		return nil, fmt.Errorf("virtual IP %s: %w", c, err)
	}
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("virtual IP %s: open rtnetlink: %w", c, err)
	}
	a.conn = conn
	return a, nil
}

// capable says which capability is missing.
func capable() error {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_NET_RAW, "CAP_NET_RAW"}} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			return fmt.Errorf("the process lacks the capability %s: give it with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in the systemd unit, or leave virtual_ip out", c.name)
		}
	}
	return nil
}

func (a *Address) device() (*net.Interface, error) {
	dev, err := net.InterfaceByName(a.cfg.Interface)
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", a.cfg.Interface, err)
	}
	if len(dev.HardwareAddr) != 6 {
		return nil, fmt.Errorf("interface %s has no Ethernet address, so that nobody could be told who has the virtual IP", a.cfg.Interface)
	}
	return dev, nil
}

// message is an address with its lifetimes, which rtnetlink's own can only
// read.
type message struct {
	*rtnetlink.AddressMessage
	preferred, valid uint32 // seconds
}

// MarshalBinary implements rtnetlink.Message.
func (m message) MarshalBinary() ([]byte, error) {
	b, err := m.AddressMessage.MarshalBinary()
	if err != nil || m.valid == 0 {
		return b, err
	}
	// struct ifa_cacheinfo of linux/if_addr.h; the last two fields are the
	// kernel's.
	info := make([]byte, 16)
	binary.NativeEndian.PutUint32(info[0:], m.preferred)
	binary.NativeEndian.PutUint32(info[4:], m.valid)
	ae := netlink.NewAttributeEncoder()
	ae.Bytes(unix.IFA_CACHEINFO, info)
	more, err := ae.Encode()
	return append(b, more...), err
}

func (a *Address) message(index int) message {
	ip := a.cfg.Prefix.Addr()
	m := &rtnetlink.AddressMessage{
		Family:       unix.AF_INET,
		PrefixLength: uint8(a.cfg.Prefix.Bits()),
		Scope:        unix.RT_SCOPE_UNIVERSE,
		Index:        uint32(index),
		Attributes:   &rtnetlink.AddressAttributes{Address: ip.AsSlice(), Local: ip.AsSlice()},
	}
	if ip.Is6() {
		m.Family, m.Attributes.Flags = unix.AF_INET6, unix.IFA_F_NODAD
	}
	return message{AddressMessage: m}
}

// Add puts the address on the interface, for Lifetime from now. For an address
// that is there it only begins the time anew.
func (a *Address) Add() error {
	dev, err := a.device()
	if err != nil {
		return fmt.Errorf("add virtual IP %s: %w", a.cfg, err)
	}
	m := a.message(dev.Index)
	m.valid = uint32(Lifetime / time.Second)
	if a.cfg.Prefix.Addr().Is4() {
		m.preferred = m.valid
	}
	return a.execute("add", m, unix.RTM_NEWADDR, netlink.Create|netlink.Replace)
}

// Remove takes the address off. That it, or the interface, is not there is no
// error.
func (a *Address) Remove() error {
	_, err := a.TakeOff()
	return err
}

// TakeOff is Remove, and tells whether the address was there.
func (a *Address) TakeOff() (was bool, err error) {
	dev, err := net.InterfaceByName(a.cfg.Interface)
	var refused unix.Errno
	switch {
	case errors.As(err, &refused):
		// As when this process has no file descriptor left: the address may be there.
		return false, fmt.Errorf("remove virtual IP %s: look up interface %s: %w", a.cfg, a.cfg.Interface, err)
	case err != nil:
		return false, nil // there is nothing that could have it
	}
	err = a.execute("remove", a.message(dev.Index), unix.RTM_DELADDR, 0)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return false, nil
	}
	return err == nil, err
}

func (a *Address) execute(act string, m message, family uint16, flags netlink.HeaderFlags) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.exchange(m, family, netlink.Request|netlink.Acknowledge|flags)
	if err != nil {
		return fmt.Errorf("%s virtual IP %s: %w", act, a.cfg, err)
	}
	return nil
}

// exchange has the kernel do something. The caller holds a.mu.
func (a *Address) exchange(m message, family uint16, flags netlink.HeaderFlags) error {
	if a.conn == nil {
		conn, err := rtnetlink.Dial(nil)
		if err != nil {
			return fmt.Errorf("open rtnetlink: %w", err)
		}
		a.conn = conn
	}
	err := a.conn.SetReadDeadline(time.Now().Add(netlinkWait))
	if err == nil {
		_, err = a.conn.Execute(m, family, flags)
	}
	var refused unix.Errno
	if err != nil && !errors.As(err, &refused) {
		// An answer that comes too late would be taken for the next one's.
		_ = a.conn.Close()
		a.conn = nil
	}
	return err
}

// Close ends the use of the address and leaves it where it is.
func (a *Address) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == nil {
		return nil
	}
	if err := a.conn.Close(); err != nil {
		return fmt.Errorf("close rtnetlink: %w", err)
	}
	return nil
}
