package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"

	"github.com/omflow/booster/internal/trust"
)

// Ports checks that the node's port is free, TCP and UDP, or that it is this node that
// has it.
type Ports struct {
	// Listen is the node's host:port.
	Listen string
	// Self is who the node is.
	Self trust.Peer
	// Visit calls on whoever listens at Listen. Required.
	Visit func(context.Context) Visit
	// Open opens a port, "tcp" or "udp", to be closed again. Default: the machine's.
	Open func(ctx context.Context, network, address string) (io.Closer, error)
}

// Checks returns the two checks.
func (p Ports) Checks() []Check {
	_, port, err := net.SplitHostPort(p.Listen)
	if err != nil {
		port = p.Listen
	}
	var checks []Check
	for _, network := range []string{"tcp", "udp"} {
		checks = append(checks, Check{Name: fmt.Sprintf("port %s %s", port, network), Run: func(ctx context.Context) Result {
			return p.check(ctx, network, port)
		}})
	}
	return checks
}

func (p Ports) check(ctx context.Context, network, port string) Result {
	if port == "0" {
		return skipped("the port is chosen when the node starts")
	}
	open := p.Open
	if open == nil {
		open = openPort
	}
	opened, err := open(ctx, network, p.Listen)
	if err == nil {
		if err := opened.Close(); err != nil {
			return failed("%s was opened and cannot be closed: %v", p.Listen, err).advise("try again")
		}
		return ok("%s is free", p.Listen)
	}
	if errors.Is(err, fs.ErrPermission) {
		return failed("%v", err).advise("a port below 1024 needs CAP_NET_BIND_SERVICE: run this check as the service runs, or write another port in `listen`")
	}
	if !errors.Is(err, errInUse) {
		return failed("%v", err).advise("write as `listen` an address that this machine has, or only a port as in `listen :5169`")
	}
	v := p.Visit(ctx)
	switch {
	case v.Failed() == nil && v.Peer == p.Self:
		return ok("this node runs here already")
	case v.Failed() == nil:
		return failed("%s is taken by %s %s of this cluster", p.Listen, v.Peer.Kind, v.Peer.Name).
			advise("stop it, or write another `listen` address")
	}
	return failed("%s is taken by another program, or by a node with another key or of another cluster", p.Listen).
		advise("stop it (`ss -lntup` shows it), or write another `listen` address")
}

func openPort(ctx context.Context, network, address string) (io.Closer, error) {
	var config net.ListenConfig
	if network == "udp" {
		return config.ListenPacket(ctx, network, address)
	}
	return config.Listen(ctx, network, address)
}

// LocalAddress returns where this machine itself reaches who listens at listen.
func LocalAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
