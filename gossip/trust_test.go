package gossip

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/gossip/internal/seal"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func TestWrongKeyIsRefusedAndLoggedOnce(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Keys = keysOf(t, trust.Generate()) })
	b := newNode(t, "s1", KindAgent, func(c *Config) {
		c.Keys, c.Join, c.Listen = keysOf(t, trust.Generate()), []string{a.Addr()}, "127.0.0.2:0"
	})
	// TCP: b tries every 200 ms at the latest.
	observe.Eventually(t, "b is refused again and again", func() bool { return a.Metrics().StreamsRefused > 5 })
	// UDP: packets that are well sealed, with the other key.
	for range 50 {
		if _, err := b.transport.writePacket(frameMemberlist, []byte{0, 1, 2}, a.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	observe.Eventually(t, "packets are counted", func() bool { return a.Metrics().PacketsRefused == 50 })
	stays(t, "neither sees the other", 500*time.Millisecond, func() bool {
		return a.state("s1") == "" && b.state("booster-a") == ""
	})
	for _, c := range []struct {
		n     *testNode
		words []string
	}{
		{a, []string{"level=WARN", "connection refused", "another cluster key"}},
		{a, []string{"level=WARN", "packets refused", "cluster key", "from=127.0.0.2"}},
		{b, []string{"level=WARN", "can't be joined", "the peer uses another cluster key", "peer=" + a.Addr()}},
	} {
		if lines := c.n.log.lines(c.words...); len(lines) != 1 {
			t.Errorf("%s logged %q %d times", c.n.name, c.words, len(lines))
		}
	}
	if lines := a.log.lines("level=WARN"); len(lines) != 2 {
		t.Errorf("other warnings: %q", lines)
	}
}

// A client with the wrong key that does not look at our certificate.
func TestWrongKeyIsRefusedByTheServer(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Keys = keysOf(t, trust.Generate()) })
	id, err := trust.NewIdentity(trust.Config{Self: trust.Peer{Name: "x", Kind: KindAgent}, Keys: keysOf(t, trust.Generate())})
	if err != nil {
		t.Fatal(err)
	}
	for _, alpn := range []string{alpnGossip, alpnHTTP2, alpnHTTP1} {
		cfg := id.ClientTLS("", alpn)
		cfg.VerifyConnection = nil
		conn, err := tls.Dial("tcp", a.Addr(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(observe.Patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the stranger gets an answer", alpn)
		}
		conn.Close()
	}
	observe.Eventually(t, "refusals are counted", func() bool { return a.Metrics().StreamsRefused == 3 })
	if lines := a.log.lines("the peer uses another cluster key"); len(lines) != 1 {
		t.Errorf("logged %q", lines)
	}
	// One with the right key that asks for nothing.
	id, err = trust.NewIdentity(trust.Config{Self: trust.Peer{Name: "x", Kind: KindAgent}, Keys: a.cfg.Keys})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", a.Addr(), id.ClientTLS(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(observe.Patience))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection without protocol: %v", err)
	}
}

// [old] → [old, new] → [new, old] → [new], one node after the other, and nobody
// is lost at any moment.
func TestKeyRotation(t *testing.T) {
	old, next := trust.Generate(), trust.Generate()
	with := func(addr ...string) func(*Config) {
		return func(c *Config) {
			c.Keys, c.Join = keysOf(t, old), addr
		}
	}
	a := newNode(t, "booster-a", KindBooster, with())
	b := newNode(t, "booster-b", KindBooster, with(a.Addr()))
	s := newNode(t, "s1", KindAgent, with(a.Addr(), b.Addr()))
	nodes := []*testNode{a, b, s}
	together(t, nodes...)
	news := report("s1")
	if err := s.SetReport(news); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lost []Member
	for _, n := range nodes {
		// Suspect is no loss: this machine may be busy.
		defer n.Subscribe(func(m Member) {
			mu.Lock()
			defer mu.Unlock()
			if !m.Reachable() {
				lost = append(lost, m)
			}
		})()
	}
	for step, keys := range []trust.Keys{keysOf(t, old, next), keysOf(t, next, old), keysOf(t, next)} {
		for _, n := range nodes {
			c := n.cfg
			c.Keys = keys
			if err := n.Reconfigure(c); err != nil {
				t.Fatal(err)
			}
			received := a.Metrics().ReportsReceived
			sent := s.Metrics().MessagesSent
			news.Restarts++
			if err := s.SetReport(news); err != nil {
				t.Fatal(err)
			}
			observe.Eventually(t, "reports still come, by packet and by TCP", func() bool {
				return a.Metrics().ReportsReceived > received+2 && s.Metrics().MessagesSent > sent+1
			})
		}
		stays(t, "all are there", 500*time.Millisecond, func() bool {
			for _, n := range nodes {
				for _, m := range n.Members() {
					if !m.Reachable() {
						return false
					}
				}
			}
			return true
		})
		for _, n := range nodes {
			if m := n.Metrics(); m.PacketsRefused != 0 {
				t.Errorf("step %d: %s refused %d packets", step+1, n.name, m.PacketsRefused)
			}
		}
	}
	// The old key is worth nothing now.
	ring, err := seal.NewRing(keysOf(t, old).Gossip())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		conn, err := net.Dial("udp", n.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(ring.Seal(nil, []byte{frameMemberlist, 0})); err != nil {
			t.Fatal(err)
		}
		observe.Eventually(t, "a packet under the old key is refused", func() bool { return n.Metrics().PacketsRefused == 1 })
	}
	for _, n := range nodes {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(lost) != 0 {
		t.Errorf("lost: %+v", lost)
	}
}

// A connection that was made under a key is closed when the key goes.
func TestConnectionsOfARemovedKeyAreClosed(t *testing.T) {
	old, next := trust.Generate(), trust.Generate()
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Keys = keysOf(t, old) })
	id, err := trust.NewIdentity(trust.Config{Self: trust.Peer{Name: "x", Kind: KindAgent}, Keys: keysOf(t, old)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", a.Addr(), id.ClientTLS("booster-a", alpnHTTP1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	get := func() error {
		_ = conn.SetDeadline(time.Now().Add(observe.Patience))
		if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: booster-a\r\n\r\n"); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 1024))
		return err
	}
	// A stranger who is in the middle of a handshake must not hold this up.
	slow, err := net.Dial("tcp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	for _, c := range []struct {
		keys trust.Keys
		open bool
	}{{keysOf(t, old), true}, {keysOf(t, next, old), true}, {keysOf(t, next), false}} {
		cfg := a.cfg
		cfg.Keys = c.keys
		began := time.Now()
		if err := a.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > a.timing.handshake/2 {
			t.Errorf("reconfiguring took %v", d)
		}
		if err := get(); (err == nil) != c.open {
			t.Errorf("with %v: %v", c.keys, err)
		}
	}
}

func TestGarbageHasNoEffect(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, b)
	garbage := make([]byte, 1<<20)
	_, _ = rand.Read(garbage)

	udp, err := net.Dial("udp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	var answers int
	sizes := []int{1, 2, 24, 41, 42, 500, 1400, 60000}
	for rest := garbage; len(rest) > 0; {
		n := min(sizes[len(rest)%len(sizes)], len(rest))
		if _, err := udp.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	for range 8 {
		conn, err := net.Dial("tcp", a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(observe.Patience))
		_, _ = conn.Write(garbage[:1<<17]) // the other side may close early
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
	observe.Eventually(t, "it is counted", func() bool {
		m := a.Metrics()
		return m.PacketsRefused > 0 && m.StreamsRefused == 8
	})
	_ = udp.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	for {
		if _, err := udp.Read(make([]byte, 10)); err != nil {
			break
		}
		answers++
	}
	if answers != 0 {
		t.Errorf("%d packets came back", answers)
	}
	stays(t, "the members are not disturbed", time.Second, func() bool { return a.state("s1") != Dead && b.state("booster-a") != Dead })
	if lines := a.log.lines("level=WARN"); len(lines) > 2 {
		t.Errorf("logged %d warnings: %q", len(lines), lines)
	}
	if lines := a.log.lines("it does not speak TLS", "from=127.0.0.1"); len(lines) != 1 {
		t.Errorf("logged %q", lines)
	}
}

// Strangers that say nothing: at most 16 of an address at a time, each for the
// handshake's time, and others get in meanwhile.
func TestSilentStrangers(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.timing.handshake = 5 * time.Second })
	before := runtime.NumGoroutine()
	var silent []net.Conn
	for range 60 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}}
		conn, err := d.Dial("tcp", a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	observe.Eventually(t, "all but 16 are refused", func() bool { return a.Metrics().StreamsRefused == 60-maxStrangersPerHost })
	observe.Eventually(t, "few goroutines wait", func() bool { return runtime.NumGoroutine()-before <= 3*maxStrangersPerHost })
	b := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, b)
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(observe.Patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent connection is kept: %v", err)
		}
	}
	observe.Eventually(t, "the places are free again", func() bool {
		a.transport.admit.mu.Lock()
		defer a.transport.admit.mu.Unlock()
		return a.transport.admit.total == 0 && len(a.transport.admit.hosts) == 0
	})
	if lines := a.log.lines("did not authenticate in time", "from=127.0.0.66"); len(lines) != 1 {
		t.Errorf("logged %q", lines)
	}
}

func TestAdmission(t *testing.T) {
	a := newAdmission()
	for i := range maxStrangers {
		if !a.enter(string(rune('a' + i%(maxStrangers/maxStrangersPerHost)))) {
			t.Fatalf("stranger %d is refused", i)
		}
	}
	if a.enter("another") {
		t.Error("more than the bound are let in")
	}
	a.leave("a")
	if a.enter("b") {
		t.Error("more than the bound of one host are let in")
	}
	if !a.enter("a") {
		t.Error("the place was not given back")
	}
	if got := slices.Max([]int{a.hosts["a"], a.hosts["b"]}); got != maxStrangersPerHost {
		t.Error(got)
	}
}
