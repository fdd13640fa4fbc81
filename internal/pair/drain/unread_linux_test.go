package drain

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
)

// What lies in a socket is seen, through TLS too.
func TestUnread(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Server(conn, &tls.Config{})
	if unread(conn) || unread(secure) {
		t.Error("something came that was not sent")
	}
	if _, err := client.Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "what was sent is seen", func() bool { return unread(conn) && unread(secure) })
	if _, err := conn.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if unread(conn) {
		t.Error("what was read is unread")
	}
	conn.Close()
	if unread(conn) {
		t.Error("a closed connection has something")
	}
}
