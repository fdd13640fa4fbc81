package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"testing"

	"github.com/omflow/booster/internal/testbed/ports"
	"github.com/omflow/booster/internal/trust"
)

type closer struct{ err error }

func (c closer) Close() error { return c.err }

func TestPorts(t *testing.T) {
	self := trust.Peer{Name: "a", Kind: "booster"}
	refused := Visit{Handshake: trust.ErrWrongKey}
	for name, tt := range map[string]struct {
		opened error // to open it
		closed error // to close it
		visit  Visit
		want   verdict
	}{
		"free":            {want: good(":5169 is free")},
		"this node":       {opened: errInUse, visit: reached("a", "1", 0), want: good("this node runs here already")},
		"another node":    {opened: errInUse, visit: reached("b", "1", 0), want: ill("taken by booster b of this cluster", "another `listen`")},
		"an agent":        {opened: errInUse, visit: Visit{Peer: trust.Peer{Name: "a", Kind: "agent"}}, want: ill("taken by agent a")},
		"another program": {opened: errInUse, visit: refused, want: ill("another program", "ss -lntup")},
		"no such address": {opened: errors.New("cannot assign requested address"), want: ill("cannot assign", "`listen :5169`")},
		"not allowed":     {opened: fs.ErrPermission, want: ill("permission denied", "CAP_NET_BIND_SERVICE")},
		"cannot close":    {closed: errors.New("no"), want: ill("cannot be closed")},
	} {
		for _, network := range []string{"tcp", "udp"} {
			asked := ""
			p := Ports{
				Listen: ":5169", Self: self,
				Visit: func(context.Context) Visit { return tt.visit },
				Open: func(_ context.Context, n, address string) (io.Closer, error) {
					asked = n + address
					return closer{tt.closed}, tt.opened
				},
			}
			tt.want.hold(t, name, result(t, p.Checks(), "port 5169 "+network))
			if asked != network+":5169" {
				t.Errorf("%s: %s was opened", name, asked)
			}
		}
	}
	unknown("chosen when the node starts").hold(t, "any", result(t, Ports{Listen: "127.0.0.1:0"}.Checks(), "port 0 tcp"))
}

// TestRealPorts: the machine says that a port is taken, TCP and UDP, and when it is free
// again.
func TestRealPorts(t *testing.T) {
	free, err := ports.Free() // which no outgoing connection takes when it is free again
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", free))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	address := tcp.Addr().String()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Skipf("the port is another program's for UDP: %v", err)
	}
	defer udp.Close()
	_, port, _ := net.SplitHostPort(address)
	checks := Ports{Listen: address, Visit: func(context.Context) Visit { return Visit{Connect: io.EOF} }}.Checks()
	for _, network := range []string{"tcp", "udp"} {
		ill("is taken by another program").hold(t, network, result(t, checks, "port "+port+" "+network))
	}
	tcp.Close()
	udp.Close()
	for range 2 { // the check itself leaves it free
		for _, network := range []string{"tcp", "udp"} {
			good("is free").hold(t, network, result(t, checks, "port "+port+" "+network))
		}
	}
}

func TestServerPort(t *testing.T) {
	for name, tt := range map[string]struct {
		opened, closed error
		pid            int
		recorded       error
		want           verdict
	}{
		"free":            {want: good("10.0.0.21:8000 is free")},
		"the server":      {opened: errInUse, pid: 4711, want: good("runs here already", "4711")},
		"a stranger":      {opened: errInUse, want: ill("10.0.0.21:8000 is taken, and not by a server that an agent has started", "ss -ltnp", "`server` and in `run`")},
		"not known":       {opened: errInUse, recorded: errors.New("no such right"), want: unknown("can't be told whether by this server: no such right")},
		"no such address": {opened: errNoAddress, want: unknown("no address of this machine")},
		"not allowed":     {opened: fs.ErrPermission, want: unknown("permission denied")},
		"cannot close":    {closed: errors.New("no"), want: ill("cannot be closed")},
	} {
		asked := ""
		p := ServerPort{
			Address:  "10.0.0.21:8000",
			Recorded: func() (int, error) { return tt.pid, tt.recorded },
			Open: func(_ context.Context, network, address string) (io.Closer, error) {
				asked = network + " " + address
				return closer{tt.closed}, tt.opened
			},
		}
		tt.want.hold(t, name, result(t, p.Checks(), "server port"))
		if asked != "tcp 10.0.0.21:8000" {
			t.Errorf("%s: %s was opened", name, asked)
		}
	}
	// What this machine says: 192.0.2.0/24 is for documentation (RFC 5737).
	nobody := func() (int, error) { return 0, nil }
	unknown("no address of this machine").hold(t, "documentation", result(t, ServerPort{Address: "192.0.2.1:8000", Recorded: nobody}.Checks(), "server port"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ill("is taken").hold(t, "taken", result(t, ServerPort{Address: l.Addr().String(), Recorded: nobody}.Checks(), "server port"))
}

func TestLocalAddress(t *testing.T) {
	for listen, want := range map[string]string{
		":5169": "127.0.0.1:5169", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "10.0.0.1:5169": "10.0.0.1:5169", "localhost:1": "localhost:1", "x": "x",
	} {
		if got := LocalAddress(listen); got != want {
			t.Errorf("%s is reached at %s, not %s", listen, got, want)
		}
	}
}
