package gossip

import (
	"cmp"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a cluster must keep to, at every size that is tested.
const (
	joinWithin  = 10 * time.Second // from the first start until all know all
	deathWithin = 5 * time.Second  // until all know of an agent's end
	trafficMost = 20_000           // bytes a second and node, sent and received
)

// figures are what was measured of one crowd.
type figures struct {
	agents        int
	joined        time.Duration
	deaths        []time.Duration // ordered
	traffic       traffic
	processor     float64 // of all nodes, in processors
	memory        int     // bytes a node
	goroutines    int     // a node
	state         int     // bytes of memberlist's state exchange for each member
	late, latest  time.Duration
	latestAtDeath time.Duration
}

const tableHead = `
| agents | all know all | an agent's end is known, median | worst of 5 | an agent's traffic | of the busiest agent | of the busier booster | processor a node | memory a node | processors in all | woken late, 99 % | at worst |
|---|---|---|---|---|---|---|---|---|---|---|---|
`

func (f figures) String() string {
	kB := func(bytes float64) string { return fmt.Sprintf("%.1f kB/s", bytes/1000) }
	return fmt.Sprintf("| %d | %.1f s | %.1f s | %.1f s | %s | %s | %s | %.2f %% | %.1f MB | %.2f | %.0f ms | %.0f ms |\n",
		f.agents, f.joined.Seconds(), f.deaths[len(f.deaths)/2].Seconds(), f.deaths[len(f.deaths)-1].Seconds(),
		kB(f.traffic.agent), kB(f.traffic.busiestAgent), kB(f.traffic.booster), 100*f.processor/float64(f.agents+2),
		float64(f.memory)/1e6, f.processor, float64(f.late)/1e6, float64(max(f.latest, f.latestAtDeath))/1e6)
}

// study starts a crowd, looks at it for a while, and kills some of its agents.
func study(t *testing.T, agents, kills int, watch time.Duration) figures {
	t.Helper()
	before := readMemory()
	c := newCrowd(t, agents)
	f := figures{agents: agents, joined: c.joined}
	c.settle(t)
	c.machine.reset()
	f.traffic, f.processor = c.measure(watch)
	f.late, f.latest = c.machine.late()
	after := readMemory()
	f.memory, f.goroutines = (after.bytes-before.bytes)/len(c.nodes), (after.goroutines-before.goroutines)/len(c.nodes)
	b, err := c.nodes[0].transport.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	f.state = len(b) / len(c.nodes)
	c.machine.reset()
	for range kills {
		f.deaths = append(f.deaths, c.kill(t))
	}
	_, f.latestAtDeath = c.machine.late()
	slices.SortFunc(f.deaths, cmp.Compare)
	c.check(t, f)
	return f
}

// check holds the figures against what is promised.
func (c *crowd) check(t *testing.T, f figures) {
	t.Helper()
	var missed []string
	if f.joined > joinWithin {
		missed = append(missed, fmt.Sprintf("all know all after %v, want %v", f.joined, joinWithin))
	}
	if worst := f.deaths[len(f.deaths)-1]; worst > deathWithin {
		missed = append(missed, fmt.Sprintf("all know of an agent's end after %v, want %v", worst, deathWithin))
	}
	if most := max(f.traffic.busiestAgent, f.traffic.booster); most > trafficMost {
		missed = append(missed, fmt.Sprintf("a node has %.0f bytes a second, want %d", most, trafficMost))
	}
	if len(missed) == 0 {
		return
	}
	text := strings.Join(missed, "; ")
	c.machine.excuse(t, text)
	t.Error(text)
}

// TestCrowd is TestScale at a size that does not take minutes.
func TestCrowd(t *testing.T) {
	t.Log(tableHead + study(t, 20, 1, 2*time.Second).String())
}

var scale = flag.Bool("scale", false, "run TestScale")

// TestScale prints a table, which docs/scale.md has from it.
func TestScale(t *testing.T) {
	if !*scale {
		t.Skip("minutes of simulation, in real time: make scale")
	}
	// Among 200 each node begins a state exchange once in this time.
	const exchanges = time.Minute
	var all []figures
	for _, agents := range []int{25, 50, 100, 200} {
		t.Run(fmt.Sprint(agents), func(t *testing.T) { all = append(all, study(t, agents, 5, exchanges)) })
	}
	var table strings.Builder
	table.WriteString(tableHead)
	for _, f := range all {
		table.WriteString(f.String())
	}
	for _, f := range all {
		fmt.Fprintf(&table, "%d agents: %d goroutines a node, %d bytes of state for each member\n", f.agents, f.goroutines, f.state)
	}
	fmt.Fprintf(&table, "%d processors\n", runtime.NumCPU())
	t.Log(table.String())
}
