package trust

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func parseKeys(t *testing.T, secrets ...string) Keys {
	t.Helper()
	k, err := Parse(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func identity(t *testing.T, name string, keys Keys, now func() time.Time) *Identity {
	t.Helper()
	i, err := NewIdentity(Config{Self: Peer{Name: name, Kind: "agent"}, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// shake runs one handshake and sends a byte to the client, since in TLS 1.3 a
// client learns only when it reads that it was refused. Over a socket and not
// over net.Pipe, where two alerts that cross block each other.
func shake(server, client *tls.Config) (srv, cli tls.ConnectionState, srvErr, cliErr error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return srv, cli, err, err
	}
	defer ln.Close()
	b, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return srv, cli, err, err
	}
	a, err := ln.Accept()
	if err != nil {
		return srv, cli, err, err
	}
	deadline := time.Now().Add(10 * time.Second)
	_ = a.SetDeadline(deadline)
	_ = b.SetDeadline(deadline)
	s, c := tls.Server(a, server), tls.Client(b, client)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.Close()
		if srvErr = s.Handshake(); srvErr != nil {
			return
		}
		srv = s.ConnectionState()
		_, srvErr = s.Write([]byte{1})
	}()
	if cliErr = c.Handshake(); cliErr == nil {
		cli = c.ConnectionState()
		_, cliErr = io.ReadFull(c, make([]byte, 1))
	}
	b.Close()
	<-done
	return srv, cli, srvErr, cliErr
}

func TestHandshake(t *testing.T) {
	keys := parseKeys(t, Generate())
	a, b := identity(t, "s1", keys, nil), identity(t, "booster-a", keys, nil)
	srv, cli, serr, cerr := shake(a.ServerTLS("h2", "omflow-gossip/1"), b.ClientTLS("s1", "omflow-gossip/1"))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	if srv.Version != tls.VersionTLS13 || srv.NegotiatedProtocol != "omflow-gossip/1" || srv.DidResume {
		t.Errorf("version %x, protocol %q, resumed %v", srv.Version, srv.NegotiatedProtocol, srv.DidResume)
	}
	if p, err := PeerOf(srv); err != nil || p != (Peer{"booster-a", "agent"}) {
		t.Errorf("the server sees %v, %v", p, err)
	}
	if p, err := PeerOf(cli); err != nil || p != (Peer{"s1", "agent"}) {
		t.Errorf("the client sees %v, %v", p, err)
	}
	if a.IsSelf(srv) || !b.IsSelf(srv) {
		t.Error("IsSelf mixes identities up")
	}
}

// Nothing of one connection is carried over to the next, so that each is
// verified against the keys in force.
func TestNoResumption(t *testing.T) {
	keys := parseKeys(t, Generate())
	server := identity(t, "s1", keys, nil).ServerTLS("x")
	client := identity(t, "s2", keys, nil).ClientTLS("s1", "x")
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	client.ServerName = "s1"
	for range 2 {
		_, cli, serr, cerr := shake(server, client)
		if serr != nil || cerr != nil {
			t.Fatal(serr, cerr)
		}
		if cli.DidResume {
			t.Error("a session was resumed")
		}
	}
}

func TestHandshakeRefuses(t *testing.T) {
	keys, other := parseKeys(t, Generate()), parseKeys(t, Generate())
	node := identity(t, "s1", keys, nil)
	stranger := identity(t, "s2", other, nil)
	shifted := func(d time.Duration) *Identity {
		return identity(t, "s2", keys, func() time.Time { return time.Now().Add(d) })
	}
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		want           error
		text           string
	}{
		{"a server with another key", stranger.ServerTLS("x"), node.ClientTLS("", "x"), ErrWrongKey, ""},
		// The client would go on; only the server refuses.
		{"a client with another key", node.ServerTLS("x"), blind(stranger.ClientTLS("", "x")), ErrWrongKey, ""},
		{"a client without certificate", node.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}}, nil, "didn't provide a certificate"},
		{"TLS 1.2", node.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{"x"}}, nil, "unsupported versions"},
		{"another protocol", node.ServerTLS("x"), node.ClientTLS("", "y"), nil, "unsupported application protocols"},
		{"another name", node.ServerTLS("x"), node.ClientTLS("s9", "x"), nil, `"s1" instead of "s9"`},
		{"a clock two days ahead", node.ServerTLS("x"), blind(shifted(49*time.Hour).ClientTLS("", "x")), ErrClock, ""},
		{"a clock three days behind", node.ServerTLS("x"), blind(shifted(-73*time.Hour).ClientTLS("", "x")), ErrClock, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, serr, cerr := shake(c.server, c.client)
			err := errors.Join(serr, cerr)
			if serr == nil && cerr == nil {
				t.Fatal("accepted")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want one with %q", err, c.text)
			}
		})
	}
}

// blind is a client that accepts any server: an attacker's.
func blind(c *tls.Config) *tls.Config {
	c.VerifyConnection = nil
	return c
}

func TestClocksMayDifferByHours(t *testing.T) {
	keys := parseKeys(t, Generate())
	a := identity(t, "a", keys, nil)
	for _, d := range []time.Duration{-23 * time.Hour, -8 * time.Hour, 8 * time.Hour, 23 * time.Hour} {
		b := identity(t, "b", keys, func() time.Time { return time.Now().Add(d) })
		if _, _, serr, cerr := shake(a.ServerTLS("x"), b.ClientTLS("", "x")); serr != nil || cerr != nil {
			t.Errorf("clock off by %v, as client: %v %v", d, serr, cerr)
		}
		if _, _, serr, cerr := shake(b.ServerTLS("x"), a.ClientTLS("", "x")); serr != nil || cerr != nil {
			t.Errorf("clock off by %v, as server: %v %v", d, serr, cerr)
		}
	}
}

func TestMintedAgainOnUse(t *testing.T) {
	start := time.Now()
	now := start
	i := identity(t, "a", parseKeys(t, Generate()), func() time.Time { return now })
	serial := func() string {
		c, err := i.certificate()
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := serial()
	now = start.Add(remintAfter - time.Minute)
	if serial() != first {
		t.Error("minted again too early")
	}
	now = start.Add(remintAfter)
	second := serial()
	if second == first {
		t.Error("not minted again after 12 hours")
	}
	c, err := i.certificate()
	if err != nil {
		t.Fatal(err)
	}
	if !c.Leaf.NotBefore.Equal(now.Add(-24*time.Hour).Truncate(time.Second)) || !c.Leaf.NotAfter.Equal(now.Add(48*time.Hour).Truncate(time.Second)) {
		t.Errorf("valid from %v to %v at %v", c.Leaf.NotBefore, c.Leaf.NotAfter, now)
	}
	now = start.Add(-30 * 24 * time.Hour)
	if serial() == second {
		t.Error("not minted again after the clock was set back a month")
	}
}

// TestAgeIsTheWallClocks: a time with a reading of the monotonic clock, which its String
// shows as "m=", is compared by that alone, so that a clock which was set would count for
// nothing.
func TestAgeIsTheWallClocks(t *testing.T) {
	i := identity(t, "a", parseKeys(t, Generate()), nil)
	if text := i.born.String(); strings.Contains(text, "m=") {
		t.Errorf("at first: minted at %s", text)
	}
	i.born = i.born.Add(-remintAfter)
	if _, err := i.certificate(); err != nil {
		t.Fatal(err)
	}
	if text := i.born.String(); strings.Contains(text, "m=") {
		t.Errorf("minted again at %s", text)
	}
}

// At each step of a rotation, a node that is one step ahead and one that is
// behind understand each other in both directions.
func TestRotation(t *testing.T) {
	old, next := Generate(), Generate()
	steps := []Keys{parseKeys(t, old), parseKeys(t, old, next), parseKeys(t, next, old), parseKeys(t, next)}
	a, b := identity(t, "a", steps[0], nil), identity(t, "b", steps[0], nil)
	// Made once: the configurations must follow SetKeys.
	as, ac, bs, bc := a.ServerTLS("x"), a.ClientTLS("b", "x"), b.ServerTLS("x"), b.ClientTLS("a", "x")
	check := func(when string) tls.ConnectionState {
		t.Helper()
		cs, _, serr, cerr := shake(as, bc)
		if serr != nil || cerr != nil {
			t.Fatalf("%s: %v %v", when, serr, cerr)
		}
		if _, _, serr, cerr := shake(bs, ac); serr != nil || cerr != nil {
			t.Fatalf("%s, the other way: %v %v", when, serr, cerr)
		}
		return cs
	}
	before := check("before")
	for n, k := range steps[1:] {
		for _, i := range []*Identity{a, b} {
			if err := i.SetKeys(k); err != nil {
				t.Fatal(err)
			}
			check([]string{"step 1", "step 2", "step 3"}[n])
		}
		_, err := a.Verify(before)
		if last := n == 2; last != errors.Is(err, ErrWrongKey) {
			t.Errorf("step %d: a connection made under the old key: %v", n+1, err)
		}
	}
	stale := identity(t, "c", steps[0], nil)
	if _, _, serr, _ := shake(as, blind(stale.ClientTLS("", "x"))); !errors.Is(serr, ErrWrongKey) {
		t.Errorf("the old key is accepted after the rotation: %v", serr)
	}
}

func TestConfigValidate(t *testing.T) {
	keys := parseKeys(t, Generate())
	for _, c := range []struct {
		peer Peer
		keys Keys
		ok   bool
	}{
		{Peer{"booster-a", "booster"}, keys, true},
		{Peer{"S1_x.lan", "agent"}, keys, true},
		{Peer{"a", "agent"}, Keys{}, false},
		{Peer{"", "agent"}, keys, false},
		{Peer{"a b", "agent"}, keys, false},
		{Peer{"-a", "agent"}, keys, false},
		{Peer{"a/../b", "agent"}, keys, false},
		{Peer{strings.Repeat("a", 64), "agent"}, keys, false},
		{Peer{"伺服器", "agent"}, keys, false},
		{Peer{"a", ""}, keys, false},
		{Peer{"a", "Agent"}, keys, false},
	} {
		if _, err := NewIdentity(Config{Self: c.peer, Keys: c.keys}); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.peer, err)
		}
	}
}
