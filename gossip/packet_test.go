package gossip

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
)

// got is a packet as a handler saw it.
type got struct {
	from netip.AddrPort
	b    []byte
}

// packetsOf collects packets of a kind.
func packetsOf(n *testNode, kind byte) <-chan got {
	ch := make(chan got, 16)
	n.HandlePackets(kind, func(from netip.AddrPort, b []byte) { ch <- got{from, bytes.Clone(b)} })
	return ch
}

func TestPacketsOfTheOwner(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "booster-b", KindBooster, join(a.Addr()))
	together(t, a, b)
	seven, eight := packetsOf(b, 7), packetsOf(b, 8)
	answers := packetsOf(a, 7)

	large := bytes.Repeat([]byte{0xfe}, MaxPacket)
	for _, sent := range []struct {
		kind byte
		b    []byte
		to   <-chan got
	}{{7, []byte("beat"), seven}, {8, large, eight}, {7, nil, seven}} {
		if err := a.SendPacket("booster-b", sent.kind, sent.b); err != nil {
			t.Fatal(err)
		}
		p := receive(t, sent.to)
		if !bytes.Equal(p.b, sent.b) || p.from.String() != a.Addr() {
			t.Fatalf("from %s came %q", p.from, p.b)
		}
	}
	if err := b.SendPacketTo(netip.MustParseAddrPort(a.Addr()), 7, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, answers); string(p.b) != "answer" {
		t.Errorf("the answer is %q", p.b)
	}

	// Kinds that nobody takes, and a packet that has none, are no harm.
	b.HandlePackets(7, nil)
	for _, kind := range []byte{7, 200} {
		if err := a.SendPacket("booster-b", kind, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.transport.writePacket(frameOwner, nil, b.Addr()); err != nil {
		t.Fatal(err)
	}
	if err := a.SendPacket("booster-b", 8, []byte("last")); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, eight); string(p.b) != "last" {
		t.Errorf("then came %q", p.b)
	}
	if len(seven) > 0 {
		t.Error("a handler that was taken away is called")
	}

	for what, err := range map[string]error{
		"a stranger": a.SendPacket("nobody", 7, nil),
		"too large":  a.SendPacket("booster-b", 7, append(large, 0)),
		"no address": a.SendPacketTo(netip.AddrPort{}, 7, nil),
	} {
		if err == nil {
			t.Errorf("%s: sent", what)
		}
	}
}

// A member that is taken for dead may only be slow: it is sent to all the same.
func TestPacketsToTheDead(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, hasty)
	b := newNode(t, "booster-b", KindBooster, join(a.Addr()))
	together(t, a, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "b is dead", func() bool { return a.state("booster-b") == Dead })
	sent := a.Metrics().PacketsSent
	if err := a.SendPacket("booster-b", 7, []byte("beat")); err != nil {
		t.Error(err)
	}
	if a.Metrics().PacketsSent == sent {
		t.Error("nothing was sent")
	}
}

func receive(t *testing.T, from <-chan got) (p got) {
	t.Helper()
	observe.Eventually(t, "a packet comes", func() bool {
		select {
		case p = <-from:
			return true
		default:
			return false
		}
	})
	return p
}
