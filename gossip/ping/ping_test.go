package ping

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keys(t *testing.T, secrets ...string) trust.Keys {
	t.Helper()
	k, err := trust.Parse(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestPing: a real node answers who has its key and knows its name, and takes no notice
// of it.
func TestPing(t *testing.T) {
	first, second := trust.Generate(), trust.Generate()
	said := new(observe.Buffer)
	n, err := gossip.New(gossip.Config{
		Name: "booster-a", Kind: gossip.KindBooster, Listen: "127.0.0.1:0", Keys: keys(t, first, second),
		Logger: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(n.Addr())
	for _, tt := range []struct {
		name string
		keys trust.Keys
		node string
		ok   bool
	}{
		{"the key", keys(t, first), "booster-a", true}, // the first: the node has said nothing yet
		{"an older key", keys(t, second, first), "booster-a", true},
		{"another key", keys(t, trust.Generate()), "booster-a", false},
		{"another name", keys(t, first), "booster-b", false},
	} {
		name := tt.name
		wait := 10 * time.Second
		if !tt.ok {
			wait = firstPause + firstPause/2 // until after the second ping
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		took, err := Config{Keys: tt.keys}.Ping(ctx, to, tt.node)
		cancel()
		if tt.ok && (err != nil || took <= 0) || !tt.ok && !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: %s, %v", name, took, err)
		}
		// The older key alone is one that the node accepts and answers under its first.
		if name == "the key" && said.String() != "" {
			t.Errorf("%s: the node says %s", name, said)
		}
	}
	if members := n.Members(); len(members) != 1 {
		t.Errorf("members %+v", members)
	}
}

// TestLostPackets: a second ping is answered where the first was lost, and noise is no
// answer.
func TestLostPackets(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxPacket)
		for i := range 2 {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			answer := []byte("noise")
			if i == 1 {
				answer = buf[:n] // sealed under the key
			}
			_, _ = conn.WriteToUDPAddrPort(answer, from)
		}
	}()
	start := time.Now()
	took, err := Config{Keys: trust.Loopback()}.Ping(t.Context(), conn.LocalAddr().(*net.UDPAddr).AddrPort(), "a")
	if err != nil || took > time.Since(start)-firstPause {
		t.Errorf("took %s of %s, %v", took, time.Since(start), err)
	}
	conn.Close()
	<-done
}

// TestNobody: where nobody listens it takes as long as it may.
func TestNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := (Config{Keys: trust.Loopback()}).Ping(ctx, netip.MustParseAddrPort("127.0.0.1:9"), "a"); !errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
	if _, err := (Config{}).Ping(t.Context(), netip.MustParseAddrPort("127.0.0.1:9"), "a"); err == nil || errors.Is(err, ErrNoAnswer) {
		t.Errorf("without a key: %v", err)
	}
}
