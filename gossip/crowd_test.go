package gossip

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

const (
	// apart is the time between the starts of two nodes. Each machine starts its own,
	// and here all of them would need the processors of one at the same moment.
	apart = 25 * time.Millisecond

	// headers are the IPv4 and UDP headers of a packet, in bytes.
	headers = 28
)

// crowd is two boosters and agents with the periods of production and a cluster key,
// all in this process and over its sockets.
type crowd struct {
	nodes   []*testNode // the boosters first
	joined  time.Duration
	machine *machine
}

// newCrowd starts all nodes and waits until each sees all others.
func newCrowd(t testing.TB, agents int) *crowd {
	t.Helper()
	c := new(crowd)
	// Whatever the nodes have started has ended before the next test begins: some of
	// memberlist's goroutines come to their ends after it was shut down.
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
			<-time.After(10 * time.Millisecond)
		}
	})
	// The heap here is that of hundreds of nodes, and so is the collector's work.
	usual := debug.SetGCPercent(800)
	t.Cleanup(func() { debug.SetGCPercent(usual) })
	keys := keysOf(t, trust.Generate())
	var boosters []string
	add := func(name, kind string) {
		n := prepare(t, name, kind, func(cfg *Config) {
			cfg.timing, cfg.Keys, cfg.Join = defaultTiming(), keys, slices.Clone(boosters)
			// Each node logs each change of each other one.
			cfg.Logger = slog.New(slog.DiscardHandler)
		})
		// All nodes have one address here. What one machine may send is tested
		// elsewhere.
		n.transport.admit.mostPerHost = maxStrangers
		c.nodes = append(c.nodes, n)
		if kind == KindBooster {
			boosters = append(boosters, n.Addr())
		}
	}
	add("booster-a", KindBooster)
	add("booster-b", KindBooster)
	for i := range agents {
		add(fmt.Sprintf("omflow-server-%03d", i+1), KindAgent)
	}
	c.machine = watchMachine(t)
	began := time.Now()
	for _, n := range c.nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(apart)
	}
	c.within(t, "all nodes see all", func() bool {
		return !slices.ContainsFunc(c.nodes, func(n *testNode) bool { return int(n.reachable.Load()) != len(c.nodes) })
	})
	c.joined = time.Since(began)
	return c
}

// within is observe.Eventually on a machine that may be too busy for a crowd: then the
// test is skipped.
func (c *crowd) within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(observe.Patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			c.machine.excuse(t, what)
			t.Fatalf("not so within %v: %s", observe.Patience, what)
		}
	}
}

// settle has the agents report, and waits until all reports have come to both
// boosters and what the join has set off is over.
func (c *crowd) settle(t testing.TB) {
	t.Helper()
	for _, n := range c.nodes[2:] {
		if err := n.SetReport(report(n.name)); err != nil {
			t.Fatal(err)
		}
		<-time.After(apart)
	}
	c.within(t, "both boosters have all reports", func() bool {
		agents := len(c.nodes) - 2
		return len(c.nodes[0].Reports()) == agents && len(c.nodes[1].Reports()) == agents
	})
	<-time.After(c.nodes[0].timing.joinAgain * 6 / 5)
}

// kill ends the last agent without a word and returns how long it took until all
// others took it for dead.
func (c *crowd) kill(t testing.TB) time.Duration {
	t.Helper()
	last := len(c.nodes) - 1
	dead := c.nodes[last]
	c.nodes = c.nodes[:last]
	began := time.Now()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	c.within(t, dead.name+" is dead everywhere", func() bool {
		return !slices.ContainsFunc(c.nodes, func(n *testNode) bool {
			m, _ := n.members.get(dead.name)
			return m.State != Dead
		})
	})
	return time.Since(began)
}

// traffic is what a node sends and receives in a second, in bytes, the headers of
// packets included.
type traffic struct{ agent, busiestAgent, booster float64 }

// measure lets the crowd be for d, and returns the processors that all of it uses.
func (c *crowd) measure(d time.Duration) (tr traffic, processor float64) {
	read := func(n *testNode) float64 {
		m := n.Metrics()
		return float64(m.BytesSent + m.BytesReceived + headers*(m.PacketsSent+m.PacketsReceived))
	}
	var rates []float64
	for _, n := range c.nodes {
		rates = append(rates, -read(n))
	}
	began, used := time.Now(), cpuTime()
	<-time.After(d)
	span := time.Since(began).Seconds()
	processor = (cpuTime() - used).Seconds() / span
	for i, n := range c.nodes {
		rates[i] = (rates[i] + read(n)) / span
	}
	boosters, agents := rates[:2], rates[2:]
	for _, r := range agents {
		tr.agent += r / float64(len(agents))
	}
	tr.busiestAgent, tr.booster = slices.Max(agents), slices.Max(boosters)
	return tr, processor
}

type memory struct{ bytes, goroutines int }

func readMemory() memory {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

// machine tells whether the simulation has the processor time that it needs: by how
// much later than asked for a goroutine is woken that does nothing else.
type machine struct {
	mu    sync.Mutex
	waits []time.Duration // since reset
	worst []time.Duration // the 99th percentiles before
	still time.Duration   // the maximum before
}

// starved is how late one waking in a hundred may be before a figure that is missed
// says nothing of the cluster: a quarter of what a member has for its answer.
const starved = 50 * time.Millisecond

// stoodStill is how late a single one may be: what a member has for two answers. All that
// was due meanwhile comes at once then, and members are held to be dead.
const stoodStill = 400 * time.Millisecond

func watchMachine(t testing.TB) *machine {
	const period = 5 * time.Millisecond
	m := new(machine)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			began := time.Now()
			select {
			case <-time.After(period):
			case <-stop:
				return
			}
			m.mu.Lock()
			m.waits = append(m.waits, time.Since(began)-period)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return m
}

// late returns the 99th percentile and the maximum since reset.
func (m *machine) late() (p99, most time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waits) == 0 {
		return 0, 0
	}
	slices.Sort(m.waits)
	return m.waits[len(m.waits)*99/100], m.waits[len(m.waits)-1]
}

// reset begins a new span.
func (m *machine) reset() {
	p99, most := m.late()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.worst, m.still, m.waits = append(m.worst, p99), max(m.still, most), nil
}

// excuse skips the test if the machine was too busy for it, in any span.
func (m *machine) excuse(t testing.TB, text string) {
	t.Helper()
	m.reset()
	m.mu.Lock()
	worst, still := slices.Max(m.worst), m.still
	m.mu.Unlock()
	if worst > starved || still > stoodStill {
		t.Skipf("%s; but this machine is too busy to tell: one in a hundred goroutines was woken %v late, one %v", text, worst, still)
	}
}
