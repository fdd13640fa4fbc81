package handover

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/testbed/observe"
)

// A server that is given up after it began to listen has got no connection.
func TestGivenUp(t *testing.T) {
	old := open(t, "tcp", ":0", true).serve(0)
	for range 5 {
		prepare(t, old.addr())
		next := open(t, "tcp", old.addr().String(), true).serve(1)
		for range 50 {
			if answer, err := ask(old.addr().String()); err != nil || answer != "0\n" {
				t.Fatalf("answer %q, %v", answer, err)
			}
		}
		next.close()
	}
	old.close()
}

// After Switch all new connections go to the new sockets, also when only some addresses
// have one.
func TestSwitch(t *testing.T) {
	moves, stays := open(t, "tcp4", "127.0.0.1:0", true).serve(0), open(t, "tcp4", "127.0.0.1:0", true).serve(0)
	h := prepare(t, moves.addr(), stays.addr(), netip.MustParseAddrPort("127.0.0.1:1"))
	next := open(t, "tcp4", moves.addr().String(), true).serve(1)
	if err := h.Switch(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if answer, err := ask(moves.addr().String()); err != nil || answer != "1\n" {
			t.Fatalf("moved: %q, %v", answer, err)
		}
		if answer, err := ask(stays.addr().String()); err != nil || answer != "0\n" {
			t.Fatalf("not moved: %q, %v", answer, err)
		}
	}
	for _, s := range []*site{moves, stays, next} {
		s.close()
	}
}

// Whose turn it would be is not guessed where the order of the sockets is not known.
func TestUnknownOrder(t *testing.T) {
	first := open(t, "tcp4", "127.0.0.1:0", true).serve(0)
	second := open(t, "tcp4", first.addr().String(), true).serve(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h, err := Prepare(ctx, []netip.AddrPort{first.addr()})
	if err == nil || !strings.Contains(err.Error(), "2 sockets listen") {
		t.Errorf("two sockets at first: %v", err)
	}
	if err := h.Switch(); err != nil {
		t.Errorf("what could not be prepared is not switched: %v", err)
	}
	second.close()
	h = prepare(t, first.addr())
	second = open(t, "tcp4", first.addr().String(), true).serve(1)
	third := open(t, "tcp4", first.addr().String(), true).serve(2)
	if err := h.Switch(); err == nil || !strings.Contains(err.Error(), "3 sockets listen") {
		t.Errorf("three sockets at the end: %v", err)
	}
	for _, s := range []*site{first, second, third} {
		s.close()
	}
}

// Prepare waits for a socket that is about to be closed.
func TestPrepareWaits(t *testing.T) {
	first := open(t, "tcp4", "127.0.0.1:0", true).serve(0)
	second := open(t, "tcp4", first.addr().String(), true).serve(1)
	prepared := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), observe.Patience)
	defer cancel()
	go func() {
		_, err := Prepare(ctx, []netip.AddrPort{first.addr()})
		prepared <- err
	}()
	select {
	case err := <-prepared:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * prepareEvery):
	}
	second.close()
	if err := <-prepared; err != nil {
		t.Error(err)
	}
	first.close()
}

// Connections that wait, and handshakes that are under way, are seen.
func TestEmpty(t *testing.T) {
	s := open(t, "tcp4", "127.0.0.1:0", true) // nobody accepts
	h := prepare(t, s.addr())
	if empty, err := h.Empty(); err != nil || !empty {
		t.Fatalf("at first: %v, %v", empty, err)
	}
	conn, err := net.Dial("tcp", s.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if empty, err := h.Empty(); err != nil || empty {
		t.Fatalf("with a connection that waits: %v, %v", empty, err)
	}
	s.serve(0)
	observe.Eventually(t, "it was accepted", func() bool { empty, err := h.Empty(); return err == nil && empty })

	half := halfOpen(t, s.addr())
	h = prepare(t, s.addr())
	if empty, err := h.Empty(); err != nil || empty {
		t.Fatalf("with a handshake: %v, %v", empty, err)
	}
	later := halfOpen(t, s.addr()) // is not waited for
	if err := unix.SetsockoptInt(half, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the handshake has ended", func() bool { empty, err := h.Empty(); return err == nil && empty })
	_ = later
	s.close()
}

// halfOpen begins to connect and hears nothing of the answer.
func halfOpen(t *testing.T, to netip.AddrPort) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := attach(fd, unix.SO_ATTACH_FILTER, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != syscall.EINPROGRESS {
		t.Fatal(err)
	}
	return fd
}

// What Hold keeps waiting reaches the server when it is released.
func TestHold(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp"} {
		s := open(t, network, ":0", true).serve(0)
		h := prepare(t, s.addr())
		if err := h.Hold(); err != nil {
			t.Fatal(err)
		}
		target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.addr().Port()).String()
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() { _, err := ask(target); answers <- err }()
		}
		select {
		case err := <-answers:
			t.Errorf("%s: a connection came through, or was refused: %v", network, err)
		case <-time.After(300 * time.Millisecond):
		}
		if err := h.Hold(); err == nil {
			t.Error("held twice")
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Errorf("%s: %v", network, err)
			}
		}
		s.close()
	}
}

// Who may not attach a filter drops by the hop limit, over IPv4 and IPv6.
func TestDropByHops(t *testing.T) {
	for network, target := range map[string]string{"tcp4": "127.0.0.1", "tcp": "127.0.0.1", "tcp6": "::1"} {
		if target == "::1" && !haveIPv6() {
			continue
		}
		s := open(t, network, ":0", true).serve(0)
		members, err := listenersOf(s.addr())
		if err != nil || len(members) != 1 {
			t.Fatalf("%s: %d members, %v", network, len(members), err)
		}
		deaf, err := joinGroup(members[0], 1, dropByHops)
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		answer := make(chan error, 1)
		go func() {
			_, err := ask(netip.AddrPortFrom(netip.MustParseAddr(target), s.addr().Port()).String())
			answer <- err
		}()
		select {
		case err := <-answer:
			t.Errorf("%s: a connection came through, or was refused: %v", network, err)
		case <-time.After(300 * time.Millisecond):
		}
		if err := closeSocket(deaf); err != nil {
			t.Error(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", network, err)
		}
		s.close()
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(make([]byte, diagMessageLen))
	f.Add(append(make([]byte, diagMessageLen), 5, 0, diagV6Only, 0, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := parseDiag(b)
		if ok && (!s.local.IsValid() || !s.remote.IsValid()) {
			t.Errorf("%+v", s)
		}
	})
}
