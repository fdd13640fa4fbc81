package handover

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// steer sends the new connections of a socket's group to the socket that has this place
// in it.
func steer(member socket, place uint32) error {
	fd, err := joinGroup(member, place)
	if err != nil {
		return err
	}
	return closeSocket(fd) // the last of the group: the others keep their places
}

// joinGroup opens a socket that listens beside a member of a group, drops all that it is
// given, and has the group's new connections go to a place. The socket itself gets the
// last place.
func joinGroup(member socket, place uint32) (fd int, err error) {
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
	if err := attach(fd, unix.SO_ATTACH_FILTER, 0); err != nil { // keep no byte of any packet
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
