package handover

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// steer sends the new connections of a socket's group to the socket that has this place
// in it.
func steer(member socket, place uint32) error {
	fd, err := joinGroup(member, place, drop)
	if err != nil {
		return err
	}
	return closeSocket(fd) // the last of the group: the others keep their places
}

// joinGroup opens a socket that listens beside a member of a group, drops all that it is
// given, and has the group's new connections go to a place. The socket itself gets the
// last place.
func joinGroup(member socket, place uint32, drop func(fd int, family uint8) error) (fd int, err error) {
	fd, err = unix.Socket(int(member.family), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
			fd = -1
		}
	}()
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} { // as Go and Caddy set them
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return fd, fmt.Errorf("share the address: %w", err)
		}
	}
	if member.family == unix.AF_INET6 {
		only := 0
		if member.v6only {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return fd, fmt.Errorf("share the address: %w", err)
		}
	}
	if err := drop(fd, member.family); err != nil {
		return fd, fmt.Errorf("drop what comes: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(member)); err != nil {
		return fd, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		return fd, fmt.Errorf("listen: %w", err)
	}
	if err := attach(fd, unix.SO_ATTACH_REUSEPORT_CBPF, place); err != nil {
		return fd, fmt.Errorf("choose the socket for new connections: %w", err)
	}
	return fd, nil
}

// drop has the kernel drop all packets for a socket. Since 2026 Linux attaches a filter to
// a TCP socket only for who has CAP_NET_ADMIN; dropByHops does for the others.
func drop(fd int, family uint8) error {
	err := attach(fd, unix.SO_ATTACH_FILTER, 0) // keep no byte of any packet
	if errors.Is(err, unix.EPERM) {
		return dropByHops(fd, family)
	}
	return err
}

// dropByHops drops the packets that have less than the highest time to live: all that came
// over a router, and of the others those from a sender that begins lower, as general
// systems do (Linux, BSD and macOS with 64, Windows with 128). It needs no rights
// (IP_MINTTL, ip(7)).
func dropByHops(fd int, family uint8) error {
	const highest = 255
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, highest); err != nil {
			return err
		}
	}
	// Of an IPv6 socket too: it may be given IPv4 packets.
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, highest)
}

// attach attaches the program that returns a number.
func attach(fd, option int, number uint32) error {
	program := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: number}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, option, &unix.SockFprog{Len: 1, Filter: &program})
}

func sockaddr(s socket) unix.Sockaddr {
	port := int(s.local.Port())
	if s.family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: port, Addr: s.local.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: s.local.Addr().As16()}
}

func closeSocket(fd int) error {
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close a socket: %w", err)
	}
	return nil
}
