//go:build unix

package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// newAlive returns a function that looks, without waiting, whether the server
// has closed the connection or sent something nobody asked for. It does not
// allocate. It is nil for a connection that has no file descriptor of its own,
// such as one with TLS.
func newAlive(nc net.Conn) func() bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	fds := []unix.PollFd{{Events: unix.POLLIN}}
	var open bool
	look := func(fd uintptr) bool {
		fds[0].Fd, fds[0].Revents = int32(fd), 0
		n, err := unix.Poll(fds, 0)
		open = n == 0 && err == nil // a closed connection can be read, too: its end
		return true
	}
	return func() bool {
		open = false
		return raw.Read(look) == nil && open
	}
}
