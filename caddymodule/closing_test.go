package caddymodule

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/omflow/booster/internal/testbed/observe"
)

// line is a client's connection.
type line struct {
	t    *testing.T
	conn net.Conn
	read *bufio.Reader
}

func (b *caddyBed) dial() *line {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.site)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(observe.Patience))
	return &line{b.t, conn, bufio.NewReader(conn)}
}

func (l *line) send(path string, fields ...string) {
	l.t.Helper()
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, l.conn.RemoteAddr(), strings.Join(fields, ""))
	if _, err := io.WriteString(l.conn, head); err != nil {
		l.t.Fatalf("send %s: %v", path, err)
	}
}

// head reads the head of an answer.
func (l *line) head() *http.Response {
	l.t.Helper()
	resp, err := http.ReadResponse(l.read, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp
}

// answer reads an answer and returns its body and whether the connection ends.
func (l *line) answer() (body string, ends bool) {
	l.t.Helper()
	resp := l.head()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %q, %v", resp.Status, text, err)
	}
	return string(text), resp.Close
}

// slowOrigin answers /held when it is released, and the end of /stream, and switches
// protocols on /socket.
func slowOrigin(t *testing.T) (address string, came *sync.WaitGroup, release func()) {
	t.Helper()
	released, came := make(chan struct{}), new(sync.WaitGroup)
	release = sync.OnceFunc(func() { close(released) })
	came.Add(2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/held":
			came.Done()
			<-released
		case "/stream":
			fmt.Fprint(w, "begins ")
			_ = http.NewResponseController(w).Flush()
			came.Done()
			<-released
		case "/socket":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_, _ = io.Copy(conn, conn)
			return
		}
		fmt.Fprint(w, "ends")
	}))
	t.Cleanup(server.Close)
	t.Cleanup(release) // or the server waits for its requests for ever
	return server.Listener.Addr().String(), came, release
}

// A reload waits until all clients with a connection have been told that it ends, or will
// be with an answer that they wait for, while everything goes on. What is in flight ends
// as it would have.
func TestReloadTells(t *testing.T) {
	b := newBed(t)
	address, came, release := slowOrigin(t)
	config := func(more string) string {
		return b.alone(fmt.Sprintf("profile none\nserver %s\n%s", address, more))
	}
	b.load(config(""))
	b.await(map[string]string{address: "up"})

	idle, held, stream, fresh, socket := b.dial(), b.dial(), b.dial(), b.dial(), b.dial()
	idle.send("/")
	if _, ends := idle.answer(); ends {
		t.Fatal("connections are not kept at all")
	}
	held.send("/held")
	stream.send("/stream")
	begun := stream.head()
	socket.send("/socket", "Connection: Upgrade\r\n", "Upgrade: x\r\n")
	if switched := socket.head(); switched.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(switched.Status)
	}
	came.Wait()
	app, err := activeApp()
	if err != nil {
		t.Fatal(err)
	}
	observe.Succeeds(t, "connections", func() error {
		if open, busy := app.connections(); open != 4 || busy != 3 {
			return fmt.Errorf("%d are open, %d requests are in flight", open, busy)
		}
		return nil
	})

	loaded := make(chan error, 1)
	go func() { loaded <- b.tryLoad(config("queue 7 20s")) }()
	observe.Succeeds(t, "the old configuration is closing", func() error { return whether(app.doors.isClosing()) })
	for what, l := range map[string]*line{"an idle connection": idle, "one that was not used yet": fresh} {
		select {
		case err := <-loaded:
			t.Fatalf("the reload did not wait for %s: %v", what, err)
		default:
		}
		l.send("/")
		if body, ends := l.answer(); body != "ends" || !ends {
			t.Errorf("%s: %q, and that it ends: %v", what, body, ends)
		}
	}
	// The stream's client was told before the reload that its connection stays.
	release()
	if body, err := io.ReadAll(begun.Body); err != nil || string(body) != "begins ends" || begun.Close {
		t.Errorf("the stream: %q, %v", body, err)
	}
	if body, ends := held.answer(); body != "ends" || !ends {
		t.Errorf("the request in flight: %q, and that the connection ends: %v", body, ends)
	}
	select {
	case err := <-loaded:
		t.Fatalf("the reload did not wait for a client that was told something else: %v", err)
	default:
	}
	stream.send("/.well-known/omflow/live")
	if body, ends := stream.answer(); body != "yes\n" || !ends {
		t.Errorf("after the stream: %q, and that it ends: %v", body, ends)
	}
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	// What is new, and what was upgraded, stays.
	next := b.dial()
	next.send("/")
	if body, ends := next.answer(); body != "ends" || ends {
		t.Errorf("after the reload: %q, and that it ends: %v", body, ends)
	}
	if _, err := io.WriteString(socket.conn, "ping"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 4)
	if _, err := io.ReadFull(socket.read, echo); err != nil || string(echo) != "ping" {
		t.Errorf("the upgraded connection: %q, %v", echo, err)
	}
	socket.conn.Close()
}

// A request that is in flight does not keep a reload waiting when its answer is going to
// say that the connection ends.
func TestReloadLeavesWork(t *testing.T) {
	b := newBed(t)
	o := newOrigin(t, "s1")
	config := func(more string) string {
		return b.alone(fmt.Sprintf("profile none\nserver %s\n%s", o.address, more))
	}
	b.load(config(""))
	b.await(map[string]string{o.address: "up"})
	held := b.dial()
	held.send("/slow")
	observe.Succeeds(t, "it is there", func() error { return whether(o.slow.Load() == 1) })
	began := time.Now()
	b.load(config("queue 7 20s"))
	if took := time.Since(began); took > reloadTime {
		t.Errorf("the reload waited %s", took)
	}
	close(o.release)
	if body, ends := held.answer(); body != "s1" || !ends {
		t.Errorf("%q, and that it ends: %v", body, ends)
	}
}

// A client that asks nothing keeps a reload waiting no longer than grace_period.
func TestReloadIsBounded(t *testing.T) {
	b := newBed(t)
	o := newOrigin(t, "s1")
	config := func(more string) string {
		return strings.Replace(b.alone(fmt.Sprintf("profile none\nserver %s\n%s", o.address, more)), "auto_https", "grace_period 200ms\nauto_https", 1)
	}
	b.load(config(""))
	b.await(map[string]string{o.address: "up"})
	idle := b.dial()
	idle.send("/")
	idle.answer()
	began := time.Now()
	b.load(config("queue 7 20s"))
	if took := time.Since(began); took < 200*time.Millisecond || took > reloadTime {
		t.Errorf("the reload took %s", took)
	}
	if _, err := idle.read.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
}

// failingApp is an app that can't start, after it has looked around.
type failingApp struct{}

// lookAround is what failingApp does first.
var lookAround = func() {}

func init() { caddy.RegisterModule(failingApp{}) }

func (failingApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "omflow_test_failing", New: func() caddy.Module { return new(failingApp) }}
}

func (failingApp) Start() error {
	lookAround()
	return errors.New("it never starts")
}

func (failingApp) Stop() error { return nil }

// A configuration that fails to start gets no connection, though it has begun to listen.
func TestFailedReloadTakesNothing(t *testing.T) {
	b := newBed(t)
	o := newOrigin(t, "s1")
	config := func(name, more string) string {
		return b.alone(fmt.Sprintf("profile none\nserver %s\nheader_down X-Configuration %s", o.address, name)) + more
	}
	b.load(config("old", ""))
	b.await(map[string]string{o.address: "up"})
	next := freeAddress(t)
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config("new", fmt.Sprintf("http://%s {\nrespond no\n}\n", next))), nil)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"apps":{`), []byte(`"apps":{"omflow_test_failing":{},`), 1)
	looked := false
	lookAround = func() {
		conn, err := net.Dial("tcp", next)
		if err != nil {
			return // Caddy starts apps in random order: HTTP was not the first this time
		}
		conn.Close()
		looked = true
		for range 30 {
			if _, header, err := b.get("/"); err != nil || header.Get("X-Configuration") != "old" {
				t.Errorf("served by the %q configuration, %v", header.Get("X-Configuration"), err)
			}
		}
	}
	defer func() { lookAround = func() {} }()
	for n := 0; !looked; n++ {
		if err := caddy.Load(text, true); err == nil || !strings.Contains(err.Error(), "it never starts") {
			t.Fatalf("it was loaded: %v", err)
		}
		if n == 100 {
			t.Fatal("HTTP never starts first")
		}
	}
	// What had to give way to nothing ends as one that has no successor.
	idle := b.dial()
	idle.send("/")
	idle.answer()
	began := time.Now()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took >= reloadTime {
		t.Errorf("it waited %s for a configuration that does not run", took)
	}
}
