package gossip

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast are periods that let a cluster on one machine do in a second what takes
// it ten in production.
func fast() *timing {
	return &timing{
		probe:       100 * time.Millisecond,
		probeWait:   60 * time.Millisecond,
		gossip:      20 * time.Millisecond,
		pushPull:    400 * time.Millisecond,
		toTheDead:   2 * time.Second,
		reclaim:     200 * time.Millisecond,
		handshake:   2 * time.Second,
		joinFirst:   50 * time.Millisecond,
		joinMax:     200 * time.Millisecond,
		joinAgain:   100 * time.Millisecond,
		selfAgain:   200 * time.Millisecond,
		report:      50 * time.Millisecond,
		coalesce:    5 * time.Millisecond,
		maintenance: 50 * time.Millisecond,
	}
}

// patient gives members as long to answer as in production, for tests in which
// nobody may be lost, however busy the machine is.
func patient(c *Config) {
	p := defaultTiming()
	c.timing.probe, c.timing.probeWait = p.probe, p.probeWait
}

// logBook is a log that tests can read.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// lines returns the lines with all the words.
func (l *logBook) lines(words ...string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			out = append(out, line)
		}
	}
	return out
}

// testNode is a node and what belongs to it in a test.
type testNode struct {
	*Node
	cfg Config
	log *logBook
}

func keysOf(t testing.TB, secrets ...string) trust.Keys {
	t.Helper()
	k, err := trust.Parse(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newNode makes and starts a node on a free port of 127.0.0.1. change may
// change its configuration.
func newNode(t testing.TB, name, kind string, change func(*Config)) *testNode {
	t.Helper()
	n := prepare(t, name, kind, change)
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

func prepare(t testing.TB, name, kind string, change func(*Config)) *testNode {
	t.Helper()
	book := new(logBook)
	c := Config{
		Name:    name,
		Kind:    kind,
		Version: "1.0.0",
		Listen:  "127.0.0.1:0",
		Keys:    trust.Loopback(),
		Logger:  slog.New(slog.NewTextHandler(book, nil)).With("node", name),
		timing:  fast(),
	}
	if change != nil {
		change(&c)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, strings.Join(book.lines(), ""))
		}
	})
	return &testNode{Node: n, cfg: c, log: book}
}

func join(addrs ...string) func(*Config) { return func(c *Config) { c.Join = addrs } }

// eventually polls until ok, or fails after ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so within ten seconds: %s", what)
		}
	}
}

// stays polls for d and fails when ok ends to hold.
func stays(t testing.TB, what string, d time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.After(d)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if !ok() {
			t.Fatalf("no longer so: %s", what)
		}
		select {
		case <-tick.C:
		case <-deadline:
			return
		}
	}
}

func (n *testNode) state(name string) State {
	for _, m := range n.Members() {
		if m.Name == name {
			return m.State
		}
	}
	return ""
}

// together waits until all nodes see each other alive.
func together(t testing.TB, nodes ...*testNode) {
	t.Helper()
	for _, a := range nodes {
		for _, b := range nodes {
			eventually(t, fmt.Sprintf("%s sees %s alive", a.name, b.name), func() bool { return a.state(b.name) == Alive })
		}
	}
}
