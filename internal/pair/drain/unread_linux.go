package drain

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unread reports whether something has come in on the connection that its server, which
// may be late, has not read.
func unread(conn net.Conn) bool {
	for {
		wrapper, ok := conn.(interface{ NetConn() net.Conn }) // tls.Conn
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	if err := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
		return false // it is closed
	}
	return err == nil && n > 0
}
