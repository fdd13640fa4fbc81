package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/omflow/booster/internal/trust"
)

// DefaultPort is the port of the cluster, TCP and UDP.
const DefaultPort = 5169

// Kinds of nodes.
const (
	KindBooster = "booster"
	KindAgent   = "agent"
)

const (
	maxJoin    = 64
	maxVersion = 64
)

// ErrNeedsNewNode: what was changed can't change while a node runs. Close it
// and make a new one.
var ErrNeedsNewNode = errors.New("this change needs a new node")

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says who a node is and where its peers are.
type Config struct {
	// Name is unique in the cluster. An agent's name is its server's name.
	Name string
	// Kind is KindBooster or KindAgent.
	Kind string
	// Version of the program, shown to the other nodes. At most 64 bytes.
	Version string
	// Listen is the host:port for TCP and UDP. Default ":5169". Port 0 takes a
	// free one.
	Listen string
	// Advertise is the host:port where others reach this node. Default: the
	// listen address if it is one address, else the address from which this
	// machine reaches the first of Join, with the port it listens on.
	Advertise string
	// Join are the boosters, host:port, primary first. The port defaults to
	// 5169. Names are looked up at each attempt.
	Join []string
	// Keys are the cluster keys; trust.Loopback is refused unless Listen,
	// Advertise and Join are all loopback addresses.
	Keys trust.Keys
	// StateDir keeps marks over a restart. Default: they are not kept.
	StateDir string
	// Logger gets what operators should know. Default: slog.Default.
	Logger *slog.Logger
	// Resolver looks up the names in Join and Advertise. Default:
	// net.DefaultResolver.
	Resolver Resolver

	timing *timing // tests only
}

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	if err := (trust.Peer{Name: c.Name, Kind: c.Kind}).Validate(); err != nil {
		return err
	}
	if c.Kind != KindBooster && c.Kind != KindAgent {
		return fmt.Errorf("node kind %q: write %s or %s", c.Kind, KindBooster, KindAgent)
	}
	if len(c.Version) > maxVersion {
		return fmt.Errorf("version of %d bytes: write at most %d", len(c.Version), maxVersion)
	}
	c = c.withDefaults()
	if _, _, err := splitAddr(c.Listen); err != nil {
		return fmt.Errorf("listen address %q: %w", c.Listen, err)
	}
	if c.Advertise != "" {
		host, _, err := splitAddr(c.Advertise)
		if err != nil {
			return fmt.Errorf("advertise address %q: %w", c.Advertise, err)
		}
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			return fmt.Errorf("advertise address %q: write the address or name under which other nodes reach this one", c.Advertise)
		}
	}
	if len(c.Join) > maxJoin {
		return fmt.Errorf("%d addresses to join: write the boosters only, at most %d", len(c.Join), maxJoin)
	}
	for _, a := range c.Join {
		host, port, err := splitAddr(a)
		if err != nil {
			return fmt.Errorf("address to join %q: %w", a, err)
		}
		if ip, err := netip.ParseAddr(host); host == "" || port == 0 || err == nil && ip.IsUnspecified() {
			return fmt.Errorf("address to join %q: write the booster's address or name and port, like 10.0.0.11:%d", a, DefaultPort)
		}
	}
	return c.validateKeys()
}

func (c Config) validateKeys() error {
	const fix = "make one with `booster omflow keygen` and write it as `key <secret>` on all nodes"
	if c.Keys.Len() == 0 {
		return errors.New("no cluster key: " + fix)
	}
	if !c.Keys.IsLoopback() {
		return nil
	}
	addrs := append([]string{c.Listen}, c.Join...)
	if c.Advertise != "" {
		addrs = append(addrs, c.Advertise)
	}
	for _, a := range addrs {
		if !trust.AllLoopback(a) {
			return fmt.Errorf("no cluster key, and %q is not a loopback address: %s", a, fix)
		}
	}
	return nil
}

// withDefaults fills in what was left out, in a copy.
func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = ":" + strconv.Itoa(DefaultPort)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	c.Join = slices.Clone(c.Join)
	for i, a := range c.Join {
		if _, _, err := net.SplitHostPort(a); err == nil {
			continue
		}
		if withPort := net.JoinHostPort(a, strconv.Itoa(DefaultPort)); validHost(a) {
			c.Join[i] = withPort
		}
	}
	if c.timing == nil {
		c.timing = defaultTiming()
	}
	return c
}

// validHost says whether s is a host without a port.
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	host, _, err := net.SplitHostPort(s + ":1")
	return err == nil && host == s
}

// splitAddr reads host:port with a numeric port.
func splitAddr(s string) (host string, port uint16, err error) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("write it as host:port")
	}
	if len(host) > 253 { // RFC 1035 section 2.3.4
		return "", 0, errors.New("the host is longer than a name can be")
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q: write a number from 0 to 65535", p)
	}
	return host, uint16(n), nil
}

// timing holds every period, so that tests can shorten them.
type timing struct {
	probe       time.Duration // between two probes of members
	probeWait   time.Duration // for the answer to one
	gossip      time.Duration // between two rounds of gossip
	pushPull    time.Duration // between two full exchanges
	toTheDead   time.Duration // for which dead members are still told the news
	reclaim     time.Duration // after which a dead member's name may move
	handshake   time.Duration // for a stranger to authenticate
	joinFirst   time.Duration // between the first two attempts at a peer
	joinMax     time.Duration // between later ones
	joinAgain   time.Duration // from a join to the exchange that completes it
	selfAgain   time.Duration // until an address that was our own is tried again
	report      time.Duration // between two reports
	coalesce    time.Duration // for which changes are gathered, of a report and of members
	maintenance time.Duration // between two rounds of housekeeping
}

// fullRate is up to how many members reports are repeated each period, and changes
// of members looked at. In a cluster of more both become rarer, so that what a
// booster gets, and what a node does, in a second stays the same. memberlist's state
// exchanges become rarer from the same size on.
const fullRate = 32

// perSize returns a period that is d up to fullRate members, and grows with their
// number then.
func (n *Node) perSize(d time.Duration) time.Duration {
	return d * time.Duration(max(1, (n.reachable.Load()+fullRate-1)/fullRate))
}

func defaultTiming() *timing {
	return &timing{
		// Less than half of memberlist's value for local networks: a lost peer is
		// noticed within about a second, also among hundreds. Boosters check
		// servers over HTTP themselves, so it need not be shorter.
		probe: 350 * time.Millisecond,
		// Many times a local network's round trip; a busy two-core machine is
		// late now and then. What is left of probe is for indirect probes and
		// for one over TCP with its TLS handshake.
		probeWait: 200 * time.Millisecond,
		// What an operator does should be seen everywhere at once; with nothing
		// to say, nothing is sent.
		gossip: 100 * time.Millisecond,
		// Half of memberlist's value: it repairs what gossip missed, and the
		// state of a cluster this small is a few kilobytes.
		pushPull: 15 * time.Second,
		// memberlist's value. After it, memberlist forgets the member.
		toTheDead: 30 * time.Second,
		// Longer than a partition that heals by itself, shorter than an operator
		// who changed an address is willing to wait.
		reclaim:   5 * time.Second,
		handshake: 5 * time.Second,
		joinFirst: time.Second,
		// An attempt is one TCP connection. A booster that comes back knows no
		// agent and has no servers until they find it.
		joinMax: 5 * time.Second,
		// Long enough for a cluster of hundreds that starts at once to have all
		// joined somewhere.
		joinAgain:   3 * time.Second,
		selfAgain:   time.Minute,
		report:      time.Second,
		coalesce:    50 * time.Millisecond,
		maintenance: 10 * time.Second,
	}
}
