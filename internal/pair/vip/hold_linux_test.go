package vip

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/testbed/observe"
)

// echo listens on all addresses, as a web server does, with or without Multipath TCP,
// and sends back what comes.
func echo(t *testing.T, multipath bool) uint16 {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	lc.SetMultipathTCP(multipath)
	ln, err := lc.Listen(context.Background(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return uint16(ln.Addr().(*net.TCPAddr).Port)
}

// says has a byte echoed on the connection.
func says(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(observe.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, host string, port uint16) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))), observe.Patience)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// hold puts the address on the interface, for longer than Lifetime, and waits until the
// kernel has done so, which it does later for IPv6.
func hold(t *testing.T, a *Address) {
	t.Helper()
	do(t, a.Add)
	ip(t, "addr change "+a.cfg.Prefix.String()+" dev here valid_lft forever preferred_lft forever")
	host := a.cfg.Prefix.Addr()
	family := "-4"
	if host.Is6() {
		family = "-6"
	}
	observe.Eventually(t, "there is a route to the address", func() bool {
		return strings.Contains(ip(t, family+" route show table local"), "local "+host.String()+" ")
	})
}

// While connections are held, new ones to the address and port wait, and are let in by
// their next attempt; those that exist go on, and so do other addresses and ports.
func TestHold(t *testing.T) {
	namespace(t)
	for _, tt := range []struct {
		name, cidr, other string
		multipath         bool
	}{
		{"IPv4", "10.1.0.10/24", "10.1.0.1", false},
		{"IPv4, multipath", "10.1.0.10/24", "10.1.0.1", true},
		{"IPv6", "2001:db8::10/64", "2001:db8::1", false},
		{"IPv6, multipath", "2001:db8::10/64", "2001:db8::1", true},
	} {
		t.Log(tt.name) // no test of its own: it would run on another thread
		a := open(t, tt.cidr)
		hold(t, a)
		port, free := echo(t, tt.multipath), echo(t, tt.multipath)
		host := a.cfg.Prefix.Addr().String()
		kept := dial(t, host, port)
		says(t, kept)

		release, err := a.Hold([]uint16{port})
		if err != nil {
			t.Fatal(err)
		}
		says(t, kept)
		for _, conn := range []net.Conn{dial(t, tt.other, port), dial(t, host, free)} {
			says(t, conn)
			conn.Close()
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))), 200*time.Millisecond); !isTimeout(err) {
			t.Fatalf("while connections are held one came to %v, %v", conn, err)
		}
		const after = 100 * time.Millisecond
		released := make(chan error)
		began := time.Now()
		time.AfterFunc(after, func() { released <- release() })
		late := dial(t, host, port)
		if took := time.Since(began); took < after {
			t.Errorf("a connection was let in after %v", took)
		}
		do(t, func() error { return <-released })
		now := dial(t, host, port)
		for _, conn := range []net.Conn{late, now} {
			says(t, conn)
			conn.Close()
		}
		kept.Close()
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Connections counts what is open at the address and port, and nothing else; Reset ends
// it.
func TestConnections(t *testing.T) {
	namespace(t)
	for _, tt := range []struct{ cidr, other string }{{"10.1.0.10/24", "10.1.0.1"}, {"2001:db8::10/64", "2001:db8::1"}} {
		a := open(t, tt.cidr)
		hold(t, a)
		port, free := echo(t, true), echo(t, false)
		host := a.cfg.Prefix.Addr().String()
		count := func(want Connections) {
			t.Helper()
			var got Connections
			observe.Eventually(t, "connections", func() bool {
				var err error
				if got, err = a.Connections([]uint16{port}); err != nil {
					t.Fatal(err)
				}
				return got == want
			})
		}
		count(Connections{})
		conns := []net.Conn{dial(t, host, port), dial(t, host, port), dial(t, tt.other, port), dial(t, host, free)}
		count(Connections{Held: 2})
		conns[0].Close()
		count(Connections{Held: 1})
		if n, err := a.Reset([]uint16{port}); n != 1 || err != nil {
			t.Errorf("%d connections were reset, %v", n, err)
		}
		count(Connections{})
		if _, err := conns[1].Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("reading from a connection that was reset: %v", err)
		}
		for _, c := range conns[2:] {
			says(t, c)
			c.Close()
		}
		// One that is not accepted.
		ln, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		port = uint16(ln.Addr().(*net.TCPAddr).Port)
		waiting := dial(t, host, port)
		count(Connections{Loose: 1})
		waiting.Close()
		ln.Close()
		count(Connections{})
	}
}

// What was sent and is not acknowledged is waited for, until the other side seems to be
// gone.
func TestConnectionsOfTheLost(t *testing.T) {
	namespace(t)
	a := open(t, "10.1.0.10/24")
	hold(t, a)
	port := echo(t, true)
	conn := dial(t, "10.1.0.10", port).(*net.TCPConn)
	defer conn.Close()
	says(t, conn)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// From now on the client hears nothing. What it says last has the server close.
	do(t, func() error { return deafen(raw) }, conn.CloseWrite)
	count := func(want Connections) {
		t.Helper()
		observe.Eventually(t, "connections", func() bool {
			got, err := a.Connections([]uint16{port})
			if err != nil {
				t.Fatal(err)
			}
			return got == want
		})
	}
	count(Connections{Loose: 1})
	count(Connections{})
}
