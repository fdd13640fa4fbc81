package gossip

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast are periods that let a cluster on one machine do in a second what takes
// it ten in production. An answer may take longer than there: the machine may be
// busy, and nobody is to be lost by that.
func fast() *timing {
	return &timing{
		probe:       3 * time.Second,
		probeWait:   2 * time.Second,
		gossip:      20 * time.Millisecond,
		pushPull:    400 * time.Millisecond,
		toTheDead:   2 * time.Second,
		reclaim:     200 * time.Millisecond,
		handshake:   10 * time.Second,
		joinFirst:   50 * time.Millisecond,
		joinMax:     200 * time.Millisecond,
		joinAgain:   100 * time.Millisecond,
		selfAgain:   200 * time.Millisecond,
		report:      50 * time.Millisecond,
		coalesce:    5 * time.Millisecond,
		maintenance: 50 * time.Millisecond,
	}
}

// hasty is for tests in which members are lost, and has that seen as soon as in
// production. On a busy machine those that live may be lost for a moment, too.
func hasty(c *Config) {
	p := defaultTiming()
	c.timing.probe, c.timing.probeWait = p.probe, p.probeWait
}

// and has all of them change a configuration.
func and(changes ...func(*Config)) func(*Config) {
	return func(c *Config) {
		for _, change := range changes {
			change(c)
		}
	}
}

// logBook is a log that tests can read.
type logBook struct{ observe.Buffer }

// lines returns the lines with all the words.
func (l *logBook) lines(words ...string) (out []string) {
	for line := range strings.Lines(l.String()) {
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
			observe.Eventually(t, fmt.Sprintf("%s sees %s alive", a.name, b.name), func() bool { return a.state(b.name) == Alive })
		}
	}
}
