package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/testbed/observe"
)

// site is a server as a reload leaves it: it accepts until it is closed, and answers each
// connection with its number.
type site struct {
	ln       net.Listener
	accepted atomic.Int64
	slow     time.Duration // between two connections that it accepts
	ended    chan struct{}
}

// open listens in Caddy's way: with SO_REUSEPORT, and Multipath TCP where there is some.
func open(t testing.TB, network, address string, multipath bool) *site {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(err, failed)
	}}
	lc.SetMultipathTCP(multipath)
	ln, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ln: ln, ended: make(chan struct{})}
	t.Cleanup(func() { ln.Close() })
	return s
}

// serve accepts; without it connections wait.
func (s *site) serve(number int) *site {
	go func() {
		defer close(s.ended)
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			fmt.Fprintf(conn, "%d\n", number)
			conn.Close()
			time.Sleep(s.slow)
		}
	}()
	return s
}

func (s *site) close() {
	s.ln.Close()
	<-s.ended
}

func (s *site) addr() netip.AddrPort {
	ap := s.ln.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// haveIPv6 reports whether this machine has IPv6, which many containers lack.
func haveIPv6() bool {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	ln.Close()
	return true
}

func ask(address string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, observe.Patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(observe.Patience))
	answer, err := io.ReadAll(conn)
	if err == nil && len(answer) == 0 {
		err = errors.New("closed without an answer")
	}
	return string(answer), err
}

// awaitEmpty returns when nothing is left in the sockets from before.
func awaitEmpty(t testing.TB, h *Handover) {
	t.Helper()
	inRow := 0
	for end := time.Now().Add(observe.Patience); inRow < 2; {
		time.Sleep(5 * time.Millisecond) // the pause between two looks
		empty, err := h.Empty()
		if err != nil {
			t.Fatal(err)
		}
		if inRow++; !empty {
			inRow = 0
		}
		if time.Now().After(end) {
			t.Fatal("the sockets from before don't get empty")
		}
	}
}

func prepare(t testing.TB, addrs ...netip.AddrPort) *Handover {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), observe.Patience)
	defer cancel()
	h, err := Prepare(ctx, addrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// Clients that open thousands of connections while the server is replaced again and
// again are all answered.
func TestNothingIsLost(t *testing.T) {
	for _, c := range []struct {
		name, network, listen, dial string
		multipath                   bool
	}{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1", false},
		{"multipath", "tcp4", "127.0.0.1:0", "127.0.0.1", true},
		{"IPv6", "tcp6", "[::1]:0", "::1", true},
		{"both, over IPv4", "tcp", ":0", "127.0.0.1", true},
		{"both, over IPv6", "tcp", ":0", "::1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.dial == "::1" && !haveIPv6() {
				t.Skip("there is no IPv6 here")
			}
			old := open(t, c.network, c.listen, c.multipath)
			old.slow = 100 * time.Microsecond // something always waits to be accepted
			old.serve(0)
			at := old.addr()
			target := net.JoinHostPort(c.dial, fmt.Sprint(at.Port()))

			stop := make(chan struct{})
			var asked, failed atomic.Int64
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						asked.Add(1)
						if _, err := ask(target); err != nil {
							failed.Add(1)
							t.Log(err)
						}
					}
				})
			}
			for n := range 20 {
				h := prepare(t, at)
				next := open(t, c.network, netip.AddrPortFrom(at.Addr(), at.Port()).String(), c.multipath)
				next.slow = old.slow
				next.serve(n + 1)
				if err := h.Switch(); err != nil {
					t.Error(err)
				}
				awaitEmpty(t, h)
				old.close()
				old = next
			}
			observe.Eventually(t, "clients have come all the time", func() bool { return asked.Load() >= 200 })
			close(stop)
			clients.Wait()
			old.close()
			t.Logf("%d connections", asked.Load())
			if failed.Load() > 0 {
				t.Errorf("%d of %d connections failed", failed.Load(), asked.Load())
			}
		})
	}
}
