package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/trust"
)

// maxAnswer bounds what is read of a node's answer, in bytes: the facts of a thousand
// servers.
const maxAnswer = 512 << 10

// SettingsPath is where boosters tell on their control API what the agents have told of
// their servers' settings: a Settings, as JSON. Agents have nothing there.
const SettingsPath = "/settings/v1/servers"

// Settings are facts of OMFLOW Servers' settings.
type Settings struct {
	// Servers are the facts of each server whose agent is there, by its name.
	Servers map[string]alike.Facts `json:"servers"`
}

// Visitor calls on nodes, with the cluster key, to learn who they are. All methods may
// be called concurrently.
type Visitor struct {
	// Identity has the cluster key. Without it a visit ends before the handshake.
	Identity *trust.Identity
	// Lookup finds the addresses of a name. Default: the machine's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects. Default: a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Visit is what was learned of the node at an address. The steps are taken in the order
// of the errors; behind the first that is not nil nothing was tried.
type Visit struct {
	// Addresses are those of the name, or the address itself.
	Addresses []netip.AddrPort
	// Lookup, Connect, Handshake and Ask tell which step failed. After a handshake it
	// still is open whether the other side accepts us: TLS 1.3 tells that with the
	// first answer.
	Lookup, Connect, Handshake, Ask error
	// Peer is who the node says it is, and Run tells this run of it from any other
	// node's and from its own earlier ones. Known after the handshake.
	Peer trust.Peer
	Run  []byte
	// Behind is by how much the node's clock is behind ours, to within a second.
	Behind time.Duration
	// Took is how long an answer took.
	Took time.Duration
	// Addr is where the node was reached.
	Addr netip.AddrPort
	// Settings are what a booster tells of the OMFLOW Servers' settings, nil of any other
	// node.
	Settings *Settings
}

// errNoIdentity: the visitor has no cluster key to show.
var errNoIdentity = errors.New("this node's own key is not well")

// Failed returns the first error.
func (v Visit) Failed() error {
	for _, err := range []error{v.Lookup, v.Connect, v.Handshake, v.Ask} {
		if err != nil {
			return err
		}
	}
	return nil
}

// same reports whether both are visits to one run of a node.
func (v Visit) same(o Visit) bool { return len(v.Run) > 0 && bytes.Equal(v.Run, o.Run) }

// Visit calls on the node at address, host:port. It takes as long as ctx allows.
func (v *Visitor) Visit(ctx context.Context, address string) Visit {
	var out Visit
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		out.Lookup = fmt.Errorf("read address %q: write host:port", address)
		return out
	}
	out.Addresses, out.Lookup = v.resolve(ctx, host, port)
	if out.Lookup != nil {
		return out
	}
	conn, addr, err := v.dial(ctx, out.Addresses)
	if err != nil {
		out.Connect = err
		return out
	}
	defer conn.Close()
	out.Addr = addr
	// What is read and written below has no context.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if v.Identity == nil {
		out.Handshake = errNoIdentity
		return out
	}
	secure := tls.Client(conn, v.Identity.ClientTLS("", "http/1.1"))
	if out.Handshake = secure.HandshakeContext(ctx); out.Handshake != nil {
		if errors.Is(out.Handshake, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			out.Handshake = ctx.Err() // the same, whichever of the two was first to say it
		}
		return out
	}
	state := secure.ConnectionState()
	if out.Peer, out.Handshake = trust.PeerOf(state); out.Handshake != nil {
		return out
	}
	out.Run = state.PeerCertificates[0].RawSubjectPublicKeyInfo
	out.Ask = out.ask(ctx, secure)
	return out
}

func (v *Visitor) resolve(ctx context.Context, host, port string) ([]netip.AddrPort, error) {
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, fmt.Errorf("read port %q: %w", port, err)
	}
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		lookup := v.Lookup
		if lookup == nil {
			lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
				return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			}
		}
		if ips, err = lookup(ctx, host); err != nil {
			return nil, fmt.Errorf("look up %s: %w", host, err)
		}
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("look up %s: it has no address", host)
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
	return out, nil
}

// dial tries one address after the other, each for its part of the time.
func (v *Visitor) dial(ctx context.Context, addresses []netip.AddrPort) (net.Conn, netip.AddrPort, error) {
	dial := v.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var errs []error
	for i, a := range addresses {
		part, cancel := ctx, context.CancelFunc(func() {})
		if end, bounded := ctx.Deadline(); bounded {
			part, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(addresses)-i))
		}
		conn, err := dial(part, "tcp", a.String())
		cancel()
		if err == nil {
			return conn, a, nil
		}
		errs = append(errs, err)
	}
	return nil, netip.AddrPort{}, errors.Join(errs...)
}

// ask requests a page that boosters have and agents, which answer that they don't; none
// logs it. The answer's Date is the node's clock, by the second (RFC 9110 section 6.6.1).
func (v *Visit) ask(ctx context.Context, conn net.Conn) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://node"+SettingsPath, nil)
	if err != nil {
		return err
	}
	sent := time.Now()
	if err := req.Write(conn); err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), req)
	if err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	defer resp.Body.Close()
	v.Took = time.Since(sent)
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("read the node's clock: %w", err)
	}
	// The middle of the second that Date names, and of the time that the answer took.
	v.Behind = sent.Add(v.Took / 2).Sub(date.Add(time.Second / 2))
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	var s Settings
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return fmt.Errorf("read what the node tells of the servers' settings: %w", err)
	}
	for server, facts := range s.Servers {
		if !trust.ValidName(server) || facts.Validate() != nil {
			delete(s.Servers, server)
		}
	}
	v.Settings = &s
	return nil
}
