package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func parse(t *testing.T, secrets ...string) trust.Keys {
	t.Helper()
	keys, err := trust.Parse(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func identity(t *testing.T, peer trust.Peer, keys trust.Keys, now func() time.Time) *trust.Identity {
	t.Helper()
	id, err := trust.NewIdentity(trust.Config{Self: peer, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// listen has serve called for one connection.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// date is the machine's clock, as HTTP tells it.
func date() string { return time.Now().UTC().Format(http.TimeFormat) }

// node answers a handshake and then one request, as a node does.
func node(id *trust.Identity, date func() string) func(net.Conn) {
	return func(raw net.Conn) {
		conn := tls.Server(raw, id.ServerTLS("omflow-gossip/1", "h2", "http/1.1"))
		if conn.Handshake() != nil {
			return
		}
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nDate: "+date()+"\r\nContent-Length: 0\r\n\r\n")
	}
}

// TestVisit: what is there, and what a check of the key says of it.
func TestVisit(t *testing.T) {
	a, b := trust.Generate(), trust.Generate()
	peer := trust.Peer{Name: "booster-a", Kind: "booster"}
	as := func(now func() time.Time, secrets ...string) *trust.Identity {
		return identity(t, peer, parse(t, secrets...), now)
	}
	hours := func(n time.Duration) func() time.Time {
		return func() time.Time { return time.Now().Add(n * time.Hour) }
	}
	ours := identity(t, trust.Peer{Name: "s1", Kind: "doctor"}, parse(t, a, b), nil)
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		key   verdict
	}{
		"a node":         {node(as(nil, a), date), good("it is booster booster-a, and has the same key")},
		"an older key":   {node(as(nil, b, a), date), good("booster-a")},
		"another key":    {node(as(nil, trust.Generate()), date), ill("has another cluster key, or is no node", "same `key`")},
		"knows it not":   {node(as(nil, b), date), ill("refuses this one's key", "same `key`")},
		"another day":    {node(as(hours(80), a), date), ill("differ by more than 24 hours", "set the clocks")},
		"no TLS":         {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); c.Read(make([]byte, 4096)) }, ill("does not speak TLS", "port in `join`")},
		"closes":         {func(c net.Conn) { c.Read(make([]byte, 4096)) }, ill("connection was closed", "port in `join`")},
		"tells no clock": {node(as(nil, a), func() string { return "soon" }), ill("has the same key, and gives no answer: read the node's clock", "log of that node")},
		"says nothing": {func(c net.Conn) {
			conn := tls.Server(c, as(nil, a).ServerTLS("http/1.1"))
			conn.SetDeadline(time.Now().Add(observe.Patience))
			io.Copy(io.Discard, conn)
		}, ill("gives no answer: read the node's answer", "timeout", "log of that node")},
		"silent": {func(c net.Conn) { c.SetDeadline(time.Now().Add(observe.Patience)); io.Copy(io.Discard, c) }, ill("deadline", "port in `join`")},
	} {
		t.Run(name, func(t *testing.T) {
			address := listen(t, tt.serve)
			limit := observe.Patience / 2
			switch name { // those that never answer
			case "says nothing":
				limit = 3 * time.Second // a handshake may take long on a busy machine
			case "silent":
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			v := (&Visitor{Identity: ours}).Visit(ctx, address)
			tt.key.hold(t, "key", judgeKey(v))
			good("reached").hold(t, "tcp", judgeTCP(v, address))
			if time.Since(start) > limit+observe.Patience/3 {
				t.Errorf("the visit took %s", time.Since(start))
			}
			if tt.key.state == OK && (v.Peer != peer || len(v.Run) == 0 || v.Behind.Abs() > 2*time.Second+v.Took || v.Took <= 0) {
				t.Errorf("the visit is %+v", v)
			}
		})
	}
}

// TestOffClock: by how much a node's clock is off, and which way.
func TestOffClock(t *testing.T) {
	keys := parse(t, trust.Generate())
	id := identity(t, trust.Peer{Name: "s1", Kind: "agent"}, keys, nil)
	visitor := &Visitor{Identity: identity(t, trust.Peer{Name: "s2", Kind: "doctor"}, keys, nil)}
	for off, want := range map[time.Duration]verdict{
		-time.Hour: ill("behind this machine's"), time.Hour: ill("ahead of this machine's"), 0: good(),
	} {
		theirs := func() string { return time.Now().Add(off).UTC().Format(http.TimeFormat) }
		v := visitor.Visit(t.Context(), listen(t, node(id, theirs)))
		want.hold(t, off.String(), judgeClock(v))
		if missed := (v.Behind + off).Abs(); missed > 2*time.Second+v.Took {
			t.Errorf("a clock that is off by %s is found behind by %s", off, v.Behind)
		}
	}
}

// TestSameRun: two visits to one process are known as such, and a node of the same name
// elsewhere is another one.
func TestSameRun(t *testing.T) {
	keys := parse(t, trust.Generate())
	peer := trust.Peer{Name: "s1", Kind: "agent"}
	visitor := &Visitor{Identity: identity(t, trust.Peer{Name: "s1", Kind: "doctor"}, keys, nil)}
	one, other := identity(t, peer, keys, nil), identity(t, peer, keys, nil)
	var visits []Visit
	for _, id := range []*trust.Identity{one, one, other} {
		visits = append(visits, visitor.Visit(t.Context(), listen(t, node(id, date))))
	}
	if !visits[0].same(visits[1]) || visits[0].same(visits[2]) || (Visit{}).same(Visit{}) {
		t.Error("runs are mistaken for each other")
	}
}

// TestWay: names, and addresses of which only one leads there.
func TestWay(t *testing.T) {
	lost := errors.New("no route")
	addr := netip.MustParseAddr
	v := &Visitor{
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			switch host {
			case "pair":
				return []netip.Addr{addr("192.0.2.1"), addr("::ffff:192.0.2.2")}, nil
			case "nothing":
				return nil, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			if address != "192.0.2.2:5169" {
				return nil, lost
			}
			here, there := net.Pipe()
			there.Close()
			return here, nil
		},
	}
	for address, want := range map[string]map[string]verdict{
		"pair:5169":     {"name": good("192.0.2.1, 192.0.2.2"), "tcp": good("reached"), "key": unknown("own key is not well"), "udp": unknown("only who has its key"), "clock": unknown("does not answer")},
		"pair:5170":     {"name": good("192.0.2.1"), "tcp": ill("no route", "firewalls"), "key": unknown("not reached"), "udp": unknown("not reached"), "clock": unknown()},
		"[::1]:5169":    {"name": good("::1"), "tcp": ill("no route"), "key": unknown()},
		"typo:5169":     {"name": ill("look up typo", "DNS"), "tcp": unknown("name is not known"), "key": unknown("not reached"), "udp": unknown(), "clock": unknown()},
		"nothing:5169":  {"name": ill("it has no address")},
		"pair:nonsense": {"name": ill(`read port "nonsense"`)},
		"pair":          {"name": ill("write host:port")},
	} {
		checks := Peers{
			Join: []string{address}, Listen: ":1", Visit: v.Visit,
			Own:   func(context.Context) Visit { return Visit{Connect: lost} },
			Local: func() ([]netip.Addr, error) { return nil, nil },
		}.Checks()
		for what, w := range want {
			w.hold(t, address+" "+what, result(t, checks, "peer "+address+" "+what))
		}
	}
}

// TestFacts: what a booster tells of the servers' settings, without what no server says.
func TestFacts(t *testing.T) {
	keys := parse(t, trust.Generate())
	id := identity(t, trust.Peer{Name: "booster-a", Kind: "booster"}, keys, nil)
	visitor := &Visitor{Identity: identity(t, trust.Peer{Name: "s2", Kind: "doctor"}, keys, nil)}
	body := `{"servers":{"s1":{"key":"1-a","zone":"UTC"},"no name":{"zone":"UTC"},"s3":{"zone":"\u001b"}}}`
	v := visitor.Visit(t.Context(), listen(t, func(raw net.Conn) {
		conn := tls.Server(raw, id.ServerTLS("http/1.1"))
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil || req.URL.Path != SettingsPath {
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: %d\r\n\r\n%s", time.Now().UTC().Format(http.TimeFormat), len(body), body)
	}))
	want := &Settings{Servers: map[string]alike.Facts{"s1": {SecretKey: "1-a", TimeZone: "UTC"}}}
	if v.Failed() != nil || !reflect.DeepEqual(v.Settings, want) {
		t.Errorf("%+v, %v, want %+v", v.Settings, v.Failed(), want)
	}
}

// FuzzAsk: whatever a node answers, it is a time or an error.
func FuzzAsk(f *testing.F) {
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nDate: Thu, 26 Nov 2026 16:15:26 GMT\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 16:15:26 GMT\r\nContent-Length: 42\r\n\r\n{\"servers\":{\"s1\":{\"zone\":\"UTC\",\"clock\":9}}}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nDate: soon\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte(strings.Repeat("a", 2*maxAnswer)))
	f.Fuzz(func(t *testing.T, answer []byte) {
		v := new(Visit)
		err := v.ask(t.Context(), &script{Reader: bytes.NewReader(answer)})
		if err != nil {
			return
		}
		if v.Took < 0 || !bytes.Contains(answer, []byte("HTTP/")) {
			t.Errorf("%q was taken for an answer", answer)
		}
		if v.Settings == nil {
			return
		}
		for server, facts := range v.Settings.Servers {
			if !trust.ValidName(server) || facts.Validate() != nil {
				t.Errorf("%q got through: %+v", server, facts)
			}
		}
	})
}

// script is a connection that answers as written.
type script struct {
	net.Conn
	io.Reader
}

func (s *script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error) { return len(b), nil }
