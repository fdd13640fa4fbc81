package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/trust"
)

// udpTimeout bounds the asking over UDP: a third packet has an answer then, also from
// another continent.
const udpTimeout = 2 * time.Second

// Peers checks the nodes that this one joins.
type Peers struct {
	// Join are their addresses, host:port.
	Join []string
	// From is what names them, where the configuration does not: settings.py.
	From string
	// Missing says why there are none, where the node cannot do without any, as an
	// agent.
	Missing error
	// Self is who this node is, and Listen where it listens.
	Self   trust.Peer
	Listen string
	// Visit calls on a node; it should do so once for each address. Required.
	Visit func(ctx context.Context, address string) Visit
	// Own calls on the node itself, which may not run. Required.
	Own func(context.Context) Visit
	// Ping asks the node of a name over UDP, until ctx ends; an error is what became of it.
	// Required.
	Ping func(ctx context.Context, to netip.AddrPort, node string) (time.Duration, error)
	// Local are this machine's addresses. Default: those of its interfaces.
	Local func() ([]netip.Addr, error)
}

// Checks returns five checks for each peer, one on names and, where it is worth a word,
// one on what names the peers.
func (p Peers) Checks() []Check {
	var checks []Check
	switch {
	case len(p.Join) > 0 && p.From != "":
		checks = append(checks, Known("join", ok("%s names %s", p.From, strings.Join(p.Join, " "))))
	case len(p.Join) > 0:
	case p.Missing != nil:
		return []Check{Known("join", failed("%v", p.Missing).
			advise("put it there, or write the boosters' addresses, primary first, as in `join 10.0.0.11:5169 10.0.0.12:5169`"))}
	default:
		return []Check{Known("join", skipped("no other booster is named"))}
	}
	for _, address := range p.Join {
		add := func(what string, judge func(ctx context.Context, v Visit) Result) {
			checks = append(checks, Check{Name: "peer " + address + " " + what, Run: func(ctx context.Context) Result {
				v := p.Visit(ctx, address)
				if mine, why := p.mine(ctx, v); mine {
					return skipped("%s", why)
				}
				return judge(ctx, v)
			}})
		}
		add("name", func(_ context.Context, v Visit) Result { return judgeName(v) })
		add("tcp", func(_ context.Context, v Visit) Result { return judgeTCP(v, address) })
		add("key", func(_ context.Context, v Visit) Result { return judgeKey(v) })
		add("udp", func(ctx context.Context, v Visit) Result { return p.udp(ctx, v, address) })
		add("clock", func(_ context.Context, v Visit) Result { return judgeClock(v) })
	}
	return append(checks, Check{Name: "names", Run: p.names})
}

// mine reports whether a visit went, or would have gone, to this node itself: a booster
// may be told to join itself.
func (p Peers) mine(ctx context.Context, v Visit) (mine bool, why string) {
	if own := p.Own(ctx); v.same(own) {
		return true, "it is this node itself"
	}
	if v.Connect == nil || v.Lookup != nil {
		return false, ""
	}
	listen, err := net.ResolveTCPAddr("tcp", p.Listen)
	if err != nil {
		return false, ""
	}
	here, _ := netip.AddrFromSlice(listen.IP)
	here = here.Unmap()
	local := p.Local
	if local == nil {
		local = interfaceAddrs
	}
	ips, err := local()
	if err != nil {
		return false, ""
	}
	for _, a := range v.Addresses {
		if int(a.Port()) != listen.Port || !slices.Contains(ips, a.Addr()) && !a.Addr().IsLoopback() {
			continue
		}
		if !here.IsValid() || here.IsUnspecified() || here == a.Addr() {
			return true, "it is this node itself, which does not run"
		}
	}
	return false, ""
}

func interfaceAddrs() ([]netip.Addr, error) {
	found, err := net.InterfaceAddrs()
	var out []netip.Addr
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out, err
}

func judgeName(v Visit) Result {
	if v.Lookup != nil {
		return failed("%v", v.Lookup).advise("put the name right in `join`, in DNS or in the hosts file, or write an address")
	}
	var ips []string
	for _, a := range v.Addresses {
		ips = append(ips, a.Addr().String())
	}
	return ok("%s", strings.Join(ips, ", "))
}

func judgeTCP(v Visit, address string) Result {
	switch {
	case v.Lookup != nil:
		return skipped("its name is not known")
	case v.Connect != nil:
		return failed("%v", v.Connect).advise("start the node there; is %s, TCP, let through by the firewalls on both machines?", address)
	}
	return ok("it is reached")
}

func judgeKey(v Visit) Result {
	const sameKey = "write the same `key` on both nodes; can both services read the file, or the variable, that it comes from?"
	var remote *net.OpError
	var record tls.RecordHeaderError
	err := v.Handshake
	if err == nil {
		err = v.Ask
	}
	switch {
	case v.Lookup != nil || v.Connect != nil:
		return skipped("it is not reached")
	case err == nil:
		return ok("it is %s %s, and has the same key", v.Peer.Kind, v.Peer.Name)
	case errors.Is(err, errNoIdentity):
		return skipped("%v", err)
	case errors.Is(err, trust.ErrWrongKey):
		return failed("what answers there has another cluster key, or is no node").advise(sameKey)
	case errors.Is(err, trust.ErrClock):
		return failed("%v", err).advise("set the clocks, with chrony or systemd-timesyncd")
	case errors.As(err, &remote) && remote.Op == "remote error":
		return failed("the node there refuses this one's key, or its clock is off by more than a day").advise(sameKey)
	case v.Handshake == nil:
		return failed("it is %s %s, has the same key, and gives no answer: %v", v.Peer.Kind, v.Peer.Name, err).advise("look at the log of that node")
	case errors.As(err, &record):
		return failed("what listens there does not speak TLS").advise("is the port in `join` the one that the node there has in `listen`?")
	case errors.Is(err, io.EOF):
		return failed("the connection was closed before anybody had said who it is").
			advise("is the port in `join` the one that the node there has in `listen`?")
	}
	return failed("%v", err).advise("is the port in `join` the one that the node there has in `listen`?")
}

// udp asks a node over UDP. It is asked over TCP for its key first: a node answers no
// packet that is not sealed with it, so that without the same key no answer says nothing
// of the way.
func (p Peers) udp(ctx context.Context, v Visit, address string) Result {
	switch {
	case v.Lookup != nil || v.Connect != nil:
		return skipped("it is not reached")
	case v.Handshake != nil || v.Ask != nil:
		return skipped("a node answers only who has its key")
	}
	ctx, cancel := context.WithTimeout(ctx, udpTimeout)
	defer cancel()
	took, err := p.Ping(ctx, v.Addr, v.Peer.Name)
	if err != nil {
		return failed("%v", err).
			advise("TCP goes through and the key is the same, so packets are lost: let %s, UDP, through the firewalls on both machines, and the answers back", address)
	}
	return ok("it answers within %s", max(took, time.Millisecond).Round(time.Millisecond))
}

func judgeClock(v Visit) Result {
	switch {
	case errors.Is(v.Handshake, trust.ErrClock):
		return failed("%v", v.Handshake).advise("set the clocks, with chrony or systemd-timesyncd")
	case v.Failed() != nil:
		return skipped("it does not answer")
	}
	off := v.Behind.Abs().Round(time.Second)
	if off <= alike.MaxClock {
		return ok("it differs by less than %s", max(off, time.Second)+time.Second)
	}
	which := "behind"
	if v.Behind < 0 {
		which = "ahead of"
	}
	return failed("it is %s %s this machine's", off, which).advise("have both clocks set by the same servers, with chrony or systemd-timesyncd")
}

// names checks that no two nodes that were reached have one name.
func (p Peers) names(ctx context.Context) Result {
	own := p.Own(ctx)
	byName := make(map[string]Visit)
	reached := 0
	for _, address := range p.Join {
		v := p.Visit(ctx, address)
		if v.Failed() != nil || v.same(own) {
			continue
		}
		reached++
		if v.Peer.Name == p.Self.Name {
			return failed("the node at %s is called %s, as this one is", address, v.Peer.Name).
				advise("give one of the two another `name`; is one machine a copy of the other?")
		}
		if other, known := byName[v.Peer.Name]; known && !other.same(v) {
			return failed("two of the boosters are called %s", v.Peer.Name).advise("give one of the two another `name`")
		}
		byName[v.Peer.Name] = v
	}
	if reached == 0 {
		return skipped("no other node is reached")
	}
	return ok("this node is %s, the others are %s", p.Self.Name, strings.Join(sorted(byName), ", "))
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// WithPort returns address with port, if it has none.
func WithPort(address string, port int) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), fmt.Sprint(port))
}
