package gossip

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWriteBuffer: the packet socket has room for more than the system gives by default.
func TestWriteBuffer(t *testing.T) {
	room := func(conn *net.UDPConn) (bytes int) {
		t.Helper()
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { bytes, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		return bytes
	}
	plain, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	tcp, udp, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	defer udp.Close()
	if room(udp) < 2*room(plain) { // the kernel doubles what it is asked for
		t.Errorf("%d bytes, and %d by default", room(udp), room(plain))
	}
}
