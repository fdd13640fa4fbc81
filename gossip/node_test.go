package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/ports"
	"github.com/omflow/booster/internal/trust"
)

func TestJoin(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "booster-b", KindBooster, join(a.Addr(), a.Addr()))
	s := newNode(t, "s1", KindAgent, join(a.Addr(), b.Addr()))
	together(t, a, b, s)

	m, ok := a.members.get("s1")
	if !ok || m.Kind != KindAgent || m.Address != s.Addr() || m.Version != "1.0.0" || m.Incarnation != s.incarnation || m.Self || m.Unknown {
		t.Errorf("s1 is seen as %+v", m)
	}
	if got := a.Members(); len(got) != 3 || !got[0].Self || got[0].Name != "booster-a" {
		t.Errorf("members: %+v", got)
	}
	// They learn of each other over TCP; the first probe comes later.
	observe.Eventually(t, "a packet arrives", func() bool { return a.Metrics().PacketsReceived > 0 })
	if got := a.Metrics(); got.Members[Alive] != 3 || got.StreamsAccepted == 0 || got.PacketsRefused+got.StreamsRefused != 0 {
		t.Errorf("metrics: %+v", got)
	}
}

// A node may be given its own address, since all nodes are given the same list.
func TestJoinOfSelf(t *testing.T) {
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Listen, c.Join = addr, []string{addr} })
	observe.Eventually(t, "it knows itself", func() bool { return a.seeds.status()[0].self })
	if got := a.Members(); len(got) != 1 || !got[0].Self {
		t.Errorf("members: %+v", got)
	}
	if p := a.Problems(); p != nil {
		t.Errorf("problems: %+v", p)
	}
	if lines := a.log.lines("can't be joined"); lines != nil {
		t.Errorf("logged: %q", lines)
	}
}

// resolver is a name server whose answer tests change.
type resolver struct {
	mu    sync.Mutex
	addrs []netip.Addr
	asked int
}

func (r *resolver) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if len(r.addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: "booster.test", IsNotFound: true}
	}
	return r.addrs, nil
}

func (r *resolver) set(addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs = nil
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddr(a))
	}
}

func (r *resolver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// The name of a peer first does not exist, then points nowhere, then to the
// peer, and after the peer has moved, to its new address.
func TestNamesAreLookedUpAgain(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Listen = "127.0.0.2:0" })
	_, port, _ := net.SplitHostPort(a.Addr())
	target := "booster.test:" + port

	r := new(resolver)
	// The loopback key refuses names that are not loopback by themselves.
	keys := keysOf(t, trust.Generate())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	booster := func(listen string) *testNode {
		return newNode(t, "booster-a", KindBooster, func(c *Config) { c.Listen, c.Keys = listen, keys })
	}
	s := newNode(t, "s1", KindAgent, func(c *Config) {
		hasty(c)
		c.Join, c.Keys, c.Resolver, c.Advertise = []string{target}, keys, r, "127.0.0.1:0"
	})
	observe.Eventually(t, "the name is asked for again", func() bool { return r.count() > 3 })
	m := s.Members()
	i := slices.IndexFunc(m, func(m Member) bool { return m.Name == target })
	if i < 0 || m[i].State != Dead || !m[i].Unknown || !strings.Contains(m[i].Problem, "no such host") || m[i].Address != target || m[i].Kind != KindBooster {
		t.Fatalf("members: %+v", m)
	}
	r.set("127.0.0.9")
	observe.Eventually(t, "the wrong address is tried", func() bool {
		m := s.Members()
		return strings.Contains(m[0].Problem, "127.0.0.9") || strings.Contains(m[1].Problem, "127.0.0.9")
	})

	a = booster("127.0.0.2:" + port)
	r.set("127.0.0.2")
	together(t, a, s)
	observe.Eventually(t, "the name is the booster's", func() bool {
		m := s.Members()
		return len(m) == 2 && !m[0].Unknown && !m[1].Unknown
	})

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the booster is dead", func() bool { return s.state("booster-a") == Dead })
	a = booster("127.0.0.3:" + port)
	r.set("127.0.0.3")
	together(t, a, s)
	if m, _ := s.members.get("booster-a"); m.Address != a.Addr() {
		t.Errorf("the booster is seen at %s", m.Address)
	}
}

func TestLost(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, hasty)
	b := newNode(t, "s1", KindAgent, and(hasty, join(a.Addr())))
	c := newNode(t, "s2", KindAgent, and(hasty, join(a.Addr())))
	together(t, a, b, c)

	var mu sync.Mutex
	var seen []State
	cancel := a.Subscribe(func(m Member) {
		mu.Lock()
		defer mu.Unlock()
		if m.Name == "s1" {
			seen = append(seen, m.State)
		}
	})
	defer cancel()
	began := time.Now()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "s1 is dead", func() bool { return a.state("s1") == Dead })
	observe.Eventually(t, "s2 sees it too", func() bool { return c.state("s1") == Dead })
	observe.Eventually(t, "subscribers were told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) >= 2 && slices.Equal(seen[len(seen)-2:], []State{Suspect, Dead})
	})
	if m, _ := a.members.get("s1"); m.Since.Before(began) {
		t.Error("Since is from before the loss")
	}
	// memberlist forgets the dead after two seconds here; Members does not.
	stays(t, "a lost member stays visible", 3*time.Second, func() bool { return a.state("s1") == Dead })
	observe.Eventually(t, "s2 is still there", func() bool { return a.state("s2") == Alive })

	// It comes back by itself, at the same address with a new incarnation.
	again := newNode(t, "s1", KindAgent, and(hasty, join(a.Addr()), func(cfg *Config) { cfg.Listen = b.Addr() }))
	together(t, a, again, c)
	if m, _ := a.members.get("s1"); m.Incarnation != again.incarnation {
		t.Error("the old run of s1 is still seen")
	}
}

func TestLeft(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, b)
	if err := b.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "s1 has left", func() bool { return a.state("s1") == Left })
	stays(t, "s1 does not join while it leaves", 500*time.Millisecond, func() bool { return a.state("s1") == Left })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Leave(t.Context()); err != nil {
		t.Error("Leave after Close:", err)
	}
	stays(t, "it stays left", 500*time.Millisecond, func() bool { return a.state("s1") == Left })
	again := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, again)
}

// The last one to go takes the others for alive a while longer, and waits in vain for
// somebody to tell: that is no failure.
func TestLeaveUnheard(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "s1", KindAgent, func(c *Config) {
		join(a.Addr())(c)
		c.timing.gossip = time.Hour // what it broadcasts goes nowhere
	})
	together(t, a, b)
	if err := b.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

// A node that is restarted at once with another address takes its own place.
func TestMovesToAnotherAddress(t *testing.T) {
	// Neither a chance exchange nor memberlist's forgetting of the old self may
	// be what helps.
	slow := func(c *Config) { c.timing.pushPull, c.timing.toTheDead = time.Minute, time.Minute }
	a := newNode(t, "booster-a", KindBooster, and(hasty, slow))
	at := func(addr string) *testNode {
		return newNode(t, "s1", KindAgent, and(hasty, slow, join(a.Addr()), func(c *Config) { c.Listen = addr }))
	}
	b := at("127.0.0.2:0")
	together(t, a, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := at("127.0.0.3:0")
	observe.Eventually(t, "s1 is seen at its new address", func() bool {
		m, _ := a.members.get("s1")
		return m.State == Alive && m.Address == again.Addr()
	})
}

func TestTwoNodesOfOneName(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	first := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, first)
	second := newNode(t, "s1", KindAgent, join(a.Addr()))
	for _, n := range []*testNode{a, second} {
		observe.Eventually(t, "the conflict is shown", func() bool {
			p := n.Problems()
			return len(p) == 1 && p[0].Subject == "s1" && strings.Contains(p[0].Text, first.Addr()) && strings.Contains(p[0].Text, second.Addr())
		})
	}
	stays(t, "the first keeps its place", time.Second, func() bool {
		m, _ := a.members.get("s1")
		return m.Address == first.Addr() && m.Reachable()
	})
	if lines := a.log.lines("level=ERROR", "two nodes have the same name", first.Addr(), second.Addr()); len(lines) != 1 {
		t.Errorf("logged %d times: %q", len(lines), a.log.lines())
	}

	// What the second says of its server is not taken for the first's.
	if err := first.SetReport(report("s1")); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the first's report comes", func() bool { return len(a.Reports()) == 1 })
	wrong := report("s1")
	wrong.Address = "10.9.9.9:1"
	if err := second.SetReport(wrong); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the second's report is refused", func() bool { return a.Metrics().ReportsRefused > 3 })
	stays(t, "the first's report stays", 300*time.Millisecond, func() bool { return a.Reports()[0].Address != wrong.Address })
}

func TestPortTaken(t *testing.T) {
	a := prepare(t, "a", KindBooster, nil)
	for _, network := range []string{"tcp", "udp"} {
		addr := a.Addr()
		if network == "udp" {
			pc, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			addr = pc.LocalAddr().String()
		}
		_, err := New(Config{Name: "b", Kind: KindAgent, Listen: addr, Keys: trust.Loopback()})
		if !errors.Is(err, errAddrInUse) || !strings.Contains(err.Error(), "the port is taken") || !strings.Contains(err.Error(), "`listen`") {
			t.Errorf("%s: error %v", network, err)
		}
	}
}

func TestCloseWithoutStart(t *testing.T) {
	a := prepare(t, "a", KindBooster, nil)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := a.Start(); err == nil {
		t.Error("started after Close")
	}
	if err := a.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}
