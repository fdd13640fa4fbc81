package gossip

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/trust"
)

func TestConfigValidate(t *testing.T) {
	key := keysOf(t, trust.Generate())
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // in the error, "" for none
	}{
		{"least", func(*Config) {}, ""},
		{"all", func(c *Config) {
			c.Listen, c.Advertise, c.Join = "[::]:5169", "s1.lan:5170", []string{"10.0.0.1:5169", "booster-b.lan", "::1", "[::1]:5"}
		}, ""},
		{"no name", func(c *Config) { c.Name = "" }, "node name"},
		{"bad name", func(c *Config) { c.Name = "a b" }, "node name"},
		{"kind", func(c *Config) { c.Kind = "server" }, "write booster or agent"},
		{"version", func(c *Config) { c.Version = strings.Repeat("1", 65) }, "version"},
		{"no port", func(c *Config) { c.Listen = "0.0.0.0" }, "write it as host:port"},
		{"port name", func(c *Config) { c.Listen = ":http" }, "number from 0 to 65535"},
		{"high port", func(c *Config) { c.Listen = ":65536" }, "number from 0 to 65535"},
		{"advertise everywhere", func(c *Config) { c.Advertise = "0.0.0.0:5169" }, "under which other nodes reach"},
		{"advertise nothing", func(c *Config) { c.Advertise = ":5169" }, "under which other nodes reach"},
		{"join nothing", func(c *Config) { c.Join = []string{":5169"} }, "like 10.0.0.11:5169"},
		{"join no port", func(c *Config) { c.Join = []string{"a:0"} }, "like 10.0.0.11:5169"},
		{"join a URL", func(c *Config) { c.Join = []string{"http://a:1"} }, "write it as host:port"},
		{"join too many", func(c *Config) { c.Join = slices.Repeat([]string{"a:1"}, maxJoin+1) }, "at most 64"},
		{"no key", func(c *Config) { c.Keys = trust.Keys{} }, "booster omflow keygen"},
		{"no key, everywhere", func(c *Config) { c.Keys = trust.Loopback() }, `":5169" is not a loopback`},
		{"no key, loopback", func(c *Config) {
			c.Keys, c.Listen, c.Join, c.Advertise = trust.Loopback(), "127.0.0.1:1", []string{"localhost:2"}, "127.0.0.1:1"
		}, ""},
		{"no key, remote booster", func(c *Config) {
			c.Keys, c.Listen, c.Join = trust.Loopback(), "127.0.0.1:1", []string{"10.0.0.1:2"}
		}, `"10.0.0.1:2" is not a loopback`},
		{"no key, advertised", func(c *Config) {
			c.Keys, c.Listen, c.Advertise = trust.Loopback(), "127.0.0.1:1", "10.0.0.1:2"
		}, `"10.0.0.1:2" is not a loopback`},
	} {
		cfg := Config{Name: "s1", Kind: KindAgent, Keys: key}
		c.change(&cfg)
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAdvertised(t *testing.T) {
	r := new(resolver)
	bound := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	for _, c := range []struct {
		name      string
		cfg       Config
		resolves  []string
		bound     string
		want      string
		wantError bool
	}{
		{"one address", Config{}, nil, "127.0.0.2:5169", "127.0.0.2:5169", false},
		{"given", Config{Advertise: "10.1.2.3:7000"}, nil, "0.0.0.0:5169", "10.1.2.3:7000", false},
		{"given without port", Config{Advertise: "10.1.2.3:0"}, nil, "0.0.0.0:5169", "10.1.2.3:5169", false},
		{"a name, IPv4 first", Config{Advertise: "s1.test:7000"}, []string{"fd00::1", "10.1.2.3"}, "[::]:5169", "10.1.2.3:7000", false},
		{"a name that is not there", Config{Advertise: "s1.test:7000"}, nil, "[::]:5169", "", true},
		{"all peers here", Config{Join: []string{"127.0.0.1:5169"}}, nil, "[::]:5170", "127.0.0.1:5170", false},
	} {
		r.set(c.resolves...)
		c.cfg.Resolver = r
		got, err := advertised(t.Context(), c.cfg.withDefaults(), bound(c.bound))
		if (err != nil) != c.wantError || err == nil && got.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, got, err, c.want)
		}
	}
	// Whatever the machine's routes, something that can be advertised comes out.
	got, err := advertised(t.Context(), Config{}.withDefaults(), bound("[::]:5169"))
	if err != nil || got.Addr().IsUnspecified() || got.Port() != 5169 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestJitter(t *testing.T) {
	for range 1000 {
		if d := jitter(time.Second); d < 800*time.Millisecond || d > 1200*time.Millisecond {
			t.Fatal(d)
		}
	}
}

func TestReadLogLine(t *testing.T) {
	for _, c := range []struct {
		line     string
		level    slog.Level
		key, msg string
		ok       bool
	}{
		{"[WARN] memberlist: Push/Pull with s1 failed: dial tcp 10.0.0.1:1: refused\n", slog.LevelWarn, "log|Push/Pull with s1 failed", "Push/Pull with s1 failed: dial tcp 10.0.0.1:1: refused", true},
		{"[ERR] memberlist: failed to receive: EOF from=10.0.0.1:12345", slog.LevelWarn, "log|failed to receive", "failed to receive: EOF from=10.0.0.1:12345", true},
		{"[DEBUG] memberlist: Stream connection from=10.0.0.1:12345", slog.LevelDebug, "log|Stream connection", "Stream connection from=10.0.0.1:12345", true},
		{"[INFO] memberlist: Suspect s1 has failed, no acks received", slog.LevelDebug, "log|Suspect s1 has failed, no acks received", "Suspect s1 has failed, no acks received", true},
		{"[ERR] memberlist: Conflicting address for s1. Mine: …", 0, "", "", false},
		{"[", slog.LevelDebug, "", "", false},
		{"", 0, "", "", false},
		{"something", slog.LevelInfo, "log|something", "something", true},
	} {
		level, key, msg, ok := readLogLine(c.line)
		if ok != c.ok || ok && (level != c.level || key != c.key || msg != c.msg) {
			t.Errorf("%q: %v %q %q %v", c.line, level, key, msg, ok)
		}
	}
}

// A subscriber that is slow gets the newest value of each key, in order, and
// holds nobody up.
func TestNotifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNotifier[int]()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []int
		block := make(chan struct{})
		stop := n.subscribe(func(v int) {
			got = append(got, v)
			<-block
		})
		go n.run(ctx)
		n.publish("a", 1)
		synctest.Wait()
		for i := range 1000 {
			n.publish("b", i)
			n.publish("a", i)
		}
		close(block)
		synctest.Wait()
		if !slices.Equal(got, []int{1, 999, 999}) {
			t.Errorf("got %v", got)
		}
		stop()
		n.publish("a", 5)
		synctest.Wait()
		if len(got) != 3 {
			t.Errorf("told after the end: %v", got)
		}
	})
}

func TestTableForgets(t *testing.T) {
	now := time.Now()
	tb := newTable()
	tb.update([]Member{{Name: "a", State: Alive}, {Name: "b", State: Left}, {Name: "c", State: Dead}}, now)
	if _, gone := tb.update([]Member{{Name: "a", State: Alive}}, now.Add(leftShown)); !slices.Equal(gone, []string{"b"}) {
		t.Errorf("forgotten: %v", gone)
	}
	if changed, gone := tb.update(nil, now.Add(deadShown)); !slices.Equal(gone, []string{"c"}) || len(changed) != 1 || changed[0].State != Dead {
		t.Errorf("changed %v, forgotten %v", changed, gone)
	}
	// The table is bounded: the one that is gone for longest makes room.
	var many []Member
	for i := range maxMembers - 1 {
		many = append(many, Member{Name: "m" + string(rune(0x4e00+i)), State: Alive})
	}
	tb.update(many, now.Add(deadShown))
	_, gone := tb.update(append(many, Member{Name: "z", State: Alive}, Member{Name: "y", State: Alive}), now.Add(deadShown))
	if len(tb.m) != maxMembers || !slices.Equal(gone, []string{"a"}) {
		t.Errorf("%d members, forgotten %v", len(tb.m), gone)
	}
}

func FuzzDecodeMeta(f *testing.F) {
	b, err := meta{Kind: KindAgent, Version: strings.Repeat("\x00", maxVersion), Incarnation: 1<<64 - 1}.encode()
	if err != nil {
		f.Fatal("the longest meta does not fit:", err)
	}
	f.Add(b)
	f.Add([]byte(`{"k":"agent","i":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := decodeMeta(again); err != nil || m2 != m {
			t.Errorf("%+v became %+v, %v", m, m2, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add([]byte{pushPullMsg})
	f.Add([]byte("\x06\x83\xa5Nodes\xce\x7f\xff\xff\xff\xacUserStateLen\x00\xa4Join\xc2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		states, err := decodeSnapshot(b)
		if err == nil {
			for _, s := range states {
				s.member("x", newMetas())
			}
		}
	})
}
