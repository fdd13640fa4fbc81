package doctor

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/omflow/booster/internal/trust"
)

// reached is a visit that went well.
func reached(name, run string, behind time.Duration) Visit {
	return Visit{
		Addresses: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:5169")},
		Peer:      trust.Peer{Name: name, Kind: "booster"}, Run: []byte(run), Behind: behind,
	}
}

func TestClocks(t *testing.T) {
	for off, want := range map[time.Duration]verdict{
		0: good("less than 2s"), 4 * time.Second: good("less than 5s"), -5400 * time.Millisecond: good("less than 6s"),
		6 * time.Second: ill("it is 6s behind", "chrony"), -time.Hour: ill("it is 1h0m0s ahead of", "chrony"),
	} {
		want.hold(t, off.String(), judgeClock(reached("b", "r", off)))
	}
	ill("24 hours", "set the clocks").hold(t, "a day", judgeClock(Visit{Handshake: trust.ErrClock}))
}

func TestNames(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tt := range map[string]struct {
		own    Visit
		visits []Visit
		want   verdict
	}{
		"well":                 {Visit{Connect: refused}, []Visit{reached("a", "1", 0), reached("b", "2", 0)}, good("this node is s1, the others are a, b")},
		"one by two addresses": {Visit{Connect: refused}, []Visit{reached("a", "1", 0), reached("a", "1", 0)}, good("the others are a")},
		"two of a name":        {Visit{Connect: refused}, []Visit{reached("a", "1", 0), reached("a", "2", 0)}, ill("two of the boosters are called a", "another `name`")},
		"our name":             {Visit{Connect: refused}, []Visit{reached("s1", "1", 0)}, ill("is called s1, as this one is", "another `name`")},
		"our name, we run":     {reached("s1", "1", 0), []Visit{reached("s1", "2", 0)}, ill("is called s1")},
		"ourselves":            {reached("s1", "1", 0), []Visit{reached("s1", "1", 0), reached("b", "2", 0)}, good("the others are b")},
		"only ourselves":       {reached("s1", "1", 0), []Visit{reached("s1", "1", 0)}, unknown("no other node is reached")},
		"nobody":               {Visit{Connect: refused}, []Visit{{Connect: refused}}, unknown("no other node is reached")},
	} {
		p := Peers{
			Self: trust.Peer{Name: "s1", Kind: "booster"}, Listen: ":1",
			Visit: func(_ context.Context, address string) Visit { return tt.visits[address[0]-'0'] },
			Own:   func(context.Context) Visit { return tt.own },
		}
		for i := range tt.visits {
			p.Join = append(p.Join, string(rune('0'+i))+":5169")
		}
		tt.want.hold(t, name, result(t, p.Checks(), "names"))
	}
}

// TestSelf: a booster that is told to join itself is no peer of its own.
func TestSelf(t *testing.T) {
	refused := errors.New("connection refused")
	at := func(address string) Visit {
		return Visit{Addresses: []netip.AddrPort{netip.MustParseAddrPort(address)}, Connect: refused}
	}
	for name, tt := range map[string]struct {
		listen string
		visit  Visit
		own    Visit
		want   verdict
	}{
		"runs":               {":5169", reached("a", "1", 0), reached("a", "1", 0), unknown("this node itself")},
		"does not run":       {":5169", at("10.0.0.1:5169"), Visit{Connect: refused}, unknown("this node itself, which does not run")},
		"at its address":     {"10.0.0.1:5169", at("10.0.0.1:5169"), Visit{Connect: refused}, unknown("which does not run")},
		"loopback":           {":5169", at("127.0.0.1:5169"), Visit{Connect: refused}, unknown("which does not run")},
		"another port":       {":5169", at("10.0.0.1:5170"), Visit{Connect: refused}, ill("connection refused")},
		"another of ours":    {"127.0.0.2:5169", at("10.0.0.1:5169"), Visit{Connect: refused}, ill("connection refused")},
		"another machine":    {":5169", at("10.0.0.2:5169"), Visit{Connect: refused}, ill("connection refused", "start the node there")},
		"no address of ours": {"nonsense", at("10.0.0.1:5169"), Visit{Connect: refused}, ill("connection refused")},
	} {
		checks := Peers{
			Join: []string{"a:5169"}, Listen: tt.listen,
			Visit: func(context.Context, string) Visit { return tt.visit },
			Own:   func(context.Context) Visit { return tt.own },
			Local: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil },
		}.Checks()
		tt.want.hold(t, name, result(t, checks, "peer a:5169 tcp"))
	}
	// The addresses of the machine, as it tells them.
	ips, err := interfaceAddrs()
	if err != nil || len(ips) == 0 {
		t.Errorf("the machine's addresses are %v, %v", ips, err)
	}
}

// TestUDP: what is lost is told from what can't be known.
func TestUDP(t *testing.T) {
	well := reached("booster-a", "1", 0)
	well.Addr = netip.MustParseAddrPort("10.0.0.1:5169")
	lost := errors.New("no answer over UDP")
	for name, tt := range map[string]struct {
		visit Visit
		ping  error
		want  verdict
	}{
		"well":        {well, nil, good("it answers within 2ms")},
		"lost":        {well, lost, ill("no answer over UDP", "TCP goes through and the key is the same", "a:5169, UDP")},
		"not there":   {Visit{Connect: lost}, nil, unknown("not reached")},
		"another key": {Visit{Handshake: trust.ErrWrongKey}, nil, unknown("only who has its key")},
		"refused":     {Visit{Ask: lost}, nil, unknown("only who has its key")},
	} {
		asked := false
		checks := Peers{
			Join: []string{"a:5169"}, Listen: ":1",
			Visit: func(context.Context, string) Visit { return tt.visit },
			Own:   func(context.Context) Visit { return Visit{Connect: lost} },
			Local: func() ([]netip.Addr, error) { return nil, nil },
			Ping: func(ctx context.Context, to netip.AddrPort, node string) (time.Duration, error) {
				asked = true
				if _, bounded := ctx.Deadline(); !bounded || to != well.Addr || node != "booster-a" {
					t.Errorf("%s: %s at %s is asked, for how long: %t", name, node, to, bounded)
				}
				return 2 * time.Millisecond, tt.ping
			},
		}.Checks()
		tt.want.hold(t, name, result(t, checks, "peer a:5169 udp"))
		if asked != (tt.want.state != Skipped) {
			t.Errorf("%s: asked over UDP: %t", name, asked)
		}
	}
}

func TestJoin(t *testing.T) {
	ill("settings.py: BOOSTER_IP is empty", "`join 10").hold(t, "agent", result(t, Peers{Missing: errors.New("settings.py: BOOSTER_IP is empty")}.Checks(), "join"))
	good("/opt/settings.py names a:1 b:1").hold(t, "settings", result(t, Peers{Join: []string{"a:1", "b:1"}, From: "/opt/settings.py"}.Checks(), "join"))
	unknown("no other booster").hold(t, "booster", result(t, Peers{}.Checks(), "join"))
	for address, want := range map[string]string{"a": "a:5169", "a:1": "a:1", "::1": "[::1]:5169", "[::1]": "[::1]:5169", "[::1]:2": "[::1]:2"} {
		if got := WithPort(address, 5169); got != want {
			t.Errorf("%s became %s, not %s", address, got, want)
		}
	}
}

func TestCluster(t *testing.T) {
	member := func(name, version string, reachable bool) Member { return Member{name, version, reachable} }
	well := []Member{member("a", "v1", true), member("s1", "v1", true)}
	for name, tt := range map[string]struct {
		view              View
		err               error
		versions, cluster verdict
	}{
		"well":     {View{Members: well}, nil, good("v1 on 2 nodes"), good("2 nodes are reached")},
		"old":      {View{Members: append(well, member("s2", "v0.9", true))}, nil, ill("s2 has v0.9; a, s1, this program has v1", "boosters first"), good("3 nodes")},
		"lost":     {View{Members: append(well, member("s2", "v0.9", false))}, nil, good("v1 on 2"), ill("not reached: s2", "5169")},
		"problems": {View{Members: well, Problems: []string{"s1: two nodes have the same name"}}, nil, good(), ill("two nodes have the same name", "status")},
		"unknown":  {View{}, errors.New("it does not run"), unknown("does not run"), unknown("does not run")},
	} {
		checks := Cluster{Version: "v1", View: func(context.Context) (View, error) { return tt.view, tt.err }}.Checks()
		tt.versions.hold(t, name, result(t, checks, "versions"))
		tt.cluster.hold(t, name, result(t, checks, "cluster"))
	}
}
