package drain

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/pair/vip"
)

var (
	virtualIP = netip.MustParseAddr("10.0.0.10")
	ownIP     = netip.MustParseAddr("10.0.0.11")
)

// fake is a machine with clients.
type fake struct {
	visits  Visits
	changed func(net.Conn, http.ConnState)
	held    bool // new connections wait
	loose   atomic.Int64
	other   int // connections that are no HTTP
	closing atomic.Bool
	copied  int
	reset   int // connections that were
	holds   []time.Duration
	began   time.Time
	fail    map[string]error
	log     strings.Builder
}

func (f *fake) failed(act string) error { return f.fail[act] }

func (f *fake) Hold(ports []uint16) (func() error, error) {
	if err := f.failed("hold"); err != nil {
		return nil, err
	}
	if len(ports) != 1 || ports[0] != 80 || f.held {
		return nil, errors.New("held twice, or at the wrong ports")
	}
	f.held = true
	f.holds = append(f.holds, time.Since(f.began))
	return func() error { f.held = false; return nil }, nil
}

func (f *fake) Connections([]uint16) (vip.Connections, error) {
	return vip.Connections{Held: f.other, Loose: int(f.loose.Load())}, f.failed("count")
}

func (f *fake) Reset([]uint16) (int, error) {
	n := f.other
	for range f.visits.all.Range {
		n++
	}
	f.reset = n
	return n, f.failed("reset")
}

// client is a connection of one.
type client struct {
	net.Conn
	f     *fake
	local netip.Addr
	ended atomic.Bool
	deaf  bool // its client does not read, so that TLS can't say good-bye
}

func (c *client) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.local, 80))
}

func (c *client) Close() error {
	if c.deaf {
		time.Sleep(5 * time.Second) // as crypto/tls does
	}
	c.ended.Store(true)
	c.f.changed(c, http.StateClosed)
	return nil
}

func (f *fake) connect(local netip.Addr) *client {
	c := &client{f: f, local: local}
	f.changed(c, http.StateNew)
	return c
}

// request is served for a while; then the connection ends if it was told to.
func (c *client) request(while time.Duration) {
	c.f.changed(c, http.StateActive)
	time.AfterFunc(while, func() {
		if c.f.closing.Load() {
			_ = c.Close()
		} else {
			c.f.changed(c, http.StateIdle)
		}
	})
}

// drained runs a Drain in a bubble, after before, and returns for how long.
func drained(t *testing.T, within time.Duration, before func(f *fake)) (*fake, time.Duration) {
	f := &fake{fail: map[string]error{}}
	f.changed = f.visits.Watch(virtualIP)
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		before(f)
		d, err := New(Config{
			Address: f, Visits: &f.visits, Ports: func() []uint16 { return []uint16{80} },
			Closing: func() func() { f.closing.Store(true); return func() { f.closing.Store(false) } },
			Copy:    func(context.Context) error { f.copied++; return f.failed("copy") },
			Logger:  slog.New(slog.NewTextHandler(&f.log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		f.began = time.Now()
		d.Run(ctx)
		took = time.Since(f.began)
		if !f.closing.Load() {
			t.Error("connections are kept before the end")
		}
		if len(f.holds) > 0 && !f.held && f.fail["hold"] == nil {
			t.Error("new connections are let in before the end")
		}
		d.End()
		if f.closing.Load() || f.held {
			t.Error("after the end not all is as it was")
		}
		d.End()
	})
	return f, took
}

func TestDrain(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(f *fake)
		// from and to bound how long it takes; holds is how often the door was held, and cut
		// how many connections were, or -1 for more than once, and some.
		from, to time.Duration
		holds    int
		cut      int
	}{
		"nobody is there": {func(f *fake) {}, 0, 20 * time.Millisecond, 1, 0},
		"connections to another address": {func(f *fake) { f.connect(ownIP).request(time.Hour); f.connect(ownIP) },
			0, 20 * time.Millisecond, 1, 0},
		"requests in flight": {func(f *fake) {
			f.connect(virtualIP).request(200 * time.Millisecond)
			f.connect(netip.MustParseAddr("::ffff:10.0.0.10")).request(250 * time.Millisecond)
		}, 250 * time.Millisecond, 270 * time.Millisecond, 1, 0},
		"a request for longer than the door is held at first": {func(f *fake) {
			f.connect(virtualIP).request(400 * time.Millisecond)
		}, 1300 * time.Millisecond, 1320 * time.Millisecond, 2, 0},
		"a long request, before the door is held": {func(f *fake) { f.connect(virtualIP).request(7 * time.Second); time.Sleep(time.Second) },
			6 * time.Second, 6*time.Second + 20*time.Millisecond, 1, 0},
		"a request that becomes long while the door is held": {func(f *fake) {
			f.connect(virtualIP).request(3 * time.Second)
		}, 3 * time.Second, 3*time.Second + 20*time.Millisecond, 2, 0},
		"a page that polls": {func(f *fake) {
			page := f.connect(virtualIP)
			page.request(10 * time.Millisecond)
			time.AfterFunc(5*time.Second, func() { page.request(20 * time.Millisecond) })
			time.Sleep(time.Second)
		}, 4 * time.Second, 4*time.Second + 40*time.Millisecond, 1, 0},
		"a connection that is not used any more": {func(f *fake) { f.connect(virtualIP).request(10 * time.Millisecond); time.Sleep(time.Second) },
			5 * time.Second, 5*time.Second + 40*time.Millisecond, 1, 0},
		"one that was idle for long": {func(f *fake) {
			f.connect(virtualIP).request(10 * time.Millisecond)
			time.Sleep(time.Minute)
		}, 2 * time.Second, 2*time.Second + 20*time.Millisecond, 1, 0},
		"one that was idle for long and is used once more": {func(f *fake) {
			c := f.connect(virtualIP)
			c.request(10 * time.Millisecond)
			time.Sleep(time.Minute)
			time.AfterFunc(1900*time.Millisecond, func() {
				if c.ended.Load() {
					t.Error("a client of many requests had a connection closed without an answer")
				} else {
					c.request(10 * time.Millisecond)
				}
			})
		}, 1900 * time.Millisecond, 2*time.Second + 20*time.Millisecond, 1, 0},
		"one that was never used": {func(f *fake) { f.connect(virtualIP); time.Sleep(time.Minute) },
			0, 20 * time.Millisecond, 1, 0},
		"one that was just opened and is slow": {func(f *fake) {
			c := f.connect(virtualIP)
			time.AfterFunc(450*time.Millisecond, func() { c.request(100 * time.Millisecond) })
		}, 1300 * time.Millisecond, 1320 * time.Millisecond, 2, 0},
		"some that are not read from any more": {func(f *fake) {
			for range 5 {
				c := f.connect(virtualIP)
				c.request(10 * time.Millisecond)
				c.deaf = true
			}
			time.Sleep(time.Minute)
		}, 7 * time.Second, 8 * time.Second, -1, 0},
		"handshakes, and what is not acknowledged": {func(f *fake) { f.loose.Store(2); time.AfterFunc(100*time.Millisecond, func() { f.loose.Store(0) }) },
			100 * time.Millisecond, 120 * time.Millisecond, 1, 0},
		"a download that does not end": {func(f *fake) { f.connect(virtualIP).request(time.Hour); time.Sleep(time.Second) },
			29 * time.Second, 30 * time.Second, 1, 1},
		"requests that are long while the door is held, for ever": {func(f *fake) {
			for i := range 100 {
				time.AfterFunc(time.Duration(i)*450*time.Millisecond, func() { f.connect(virtualIP).request(1300 * time.Millisecond) })
			}
		}, 29 * time.Second, 30 * time.Second, -1, -1},
		"WebSockets":          {func(f *fake) { f.changed(f.connect(virtualIP), http.StateHijacked); f.other = 1 }, 0, 20 * time.Millisecond, 1, 1},
		"it can't be held":    {func(f *fake) { f.fail["hold"] = errors.New("no") }, 0, 20 * time.Millisecond, 0, 0},
		"it can't be counted": {func(f *fake) { f.fail["count"] = errors.New("no") }, 0, 20 * time.Millisecond, 1, 0},
		"nobody can be told":  {func(f *fake) { f.fail["copy"] = errors.New("no") }, 0, 20 * time.Millisecond, 1, 0},
		"it can't be reset":   {func(f *fake) { f.fail["reset"] = errors.New("no") }, 0, 20 * time.Millisecond, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, took := drained(t, 30*time.Second, tt.before)
			if took < tt.from || took > tt.to {
				t.Errorf("it took %v", took)
			}
			if len(f.holds) != tt.holds && tt.holds >= 0 {
				t.Errorf("the door was held at %v", f.holds)
			}
			for i := 1; i < len(f.holds); i++ {
				if between := f.holds[i] - f.holds[i-1]; between < heldTime/3+openTime {
					t.Errorf("the door was held again after %v", between)
				}
			}
			if f.reset != tt.cut && (tt.cut >= 0 || f.reset == 0) {
				t.Errorf("%d connections were cut", f.reset)
			}
			if hurt := len(f.fail) > 0; hurt != strings.Contains(f.log.String(), "level=WARN") {
				t.Errorf("the log says %s", f.log.String())
			}
			if _, ok := f.fail["hold"]; !ok && f.fail["count"] == nil && f.copied != 1 {
				t.Errorf("copied %d times", f.copied)
			}
		})
	}
}

// A booster that loses its place drains no more, and cuts nothing.
func TestDrainIsEnded(t *testing.T) {
	f := &fake{fail: map[string]error{}}
	f.changed = f.visits.Watch(virtualIP)
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Config{Address: f, Visits: &f.visits, Ports: func() []uint16 { return []uint16{80} }, Closing: func() func() { return func() {} }})
		if err != nil {
			t.Fatal(err)
		}
		f.connect(virtualIP).request(time.Hour)
		for _, after := range []time.Duration{700 * time.Millisecond, 100 * time.Millisecond} { // the door is open, and held
			ctx, cancel := context.WithCancel(t.Context())
			began := time.Now()
			time.AfterFunc(after, cancel)
			d.Run(ctx)
			if took := time.Since(began); took != after || f.reset != 0 {
				t.Errorf("ended after %v instead of %v, %d connections cut", took, after, f.reset)
			}
			d.End()
			f.loose.Store(1)
			for conn := range f.visits.all.Range {
				_ = conn.(*client).Close()
			}
		}
	})
}

func TestConfigNeeds(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a configuration with nothing in it is taken")
	}
}
