package caddymodule

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omflow/booster/internal/pair"
)

// Why a booster became the active one.
const (
	// takeoverPlanned: the other one was active and was heard: it handed over, as in
	// `booster omflow failover`, `systemctl stop` and the return of a primary.
	takeoverPlanned = "planned"
	// takeoverLost: the other one was active and was not heard any more.
	takeoverLost = "lost"
	// takeoverVacant: nobody was known to be active, as at the start.
	takeoverVacant = "vacant"
)

// pairCounts are what a booster counts of its pair, beside pair.Metrics.
type pairCounts struct {
	received atomic.Uint64 // messages

	mu         sync.Mutex
	active     bool
	peerActive bool // the other one was active since this one last was
	takeovers  map[string]uint64
}

func newPairCounts() *pairCounts {
	return &pairCounts{takeovers: map[string]uint64{takeoverPlanned: 0, takeoverLost: 0, takeoverVacant: 0}}
}

// changed counts a take-over. It is told of each change in turn.
func (c *pairCounts) changed(s pair.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.active
	c.active = s.State == pair.Active
	if c.active && !before {
		switch {
		case !c.peerActive:
			c.takeovers[takeoverVacant]++
		case s.PeerHeard:
			c.takeovers[takeoverPlanned]++
		default:
			c.takeovers[takeoverLost]++
		}
		c.peerActive = false
	}
	c.peerActive = c.peerActive || s.PeerActive
}

// pairCollector tells of the process's place in its pair. A booster that is alone is
// active, and that is all.
type pairCollector struct {
	active, term, peerHeard, peerActive, virtualIP, witnesses, takeovers, received, refused, unsent *prometheus.Desc
}

// registerPair makes the metrics visible in the registry of a new configuration.
func registerPair(registry *prometheus.Registry) error {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_pair_"+name, help, labels, nil)
	}
	c := &pairCollector{
		active:     desc("active", "1 while this booster is the active one."),
		term:       desc("term", "The highest term that is known to have been used."),
		peerHeard:  desc("peer_heard", "1 when the other booster was heard within the failover time."),
		peerActive: desc("peer_active", "1 when the other booster said that it is active."),
		virtualIP:  desc("virtual_ip_held", "1 while the virtual IP is on this machine. Absent without one."),
		witnesses:  desc("witnesses", "Agents that count as witnesses, by whether they have answered lately. A standby asks none.", "heard"),
		takeovers:  desc("takeovers_total", "Times that this booster became the active one: planned, lost (the other one was not heard), vacant (nobody was active).", "reason"),
		received:   desc("messages_received_total", "Messages of the pair that came in, refused ones included."),
		refused:    desc("messages_refused_total", "Messages that were not taken: invalid (unreadable, recorded, of a stranger) or busy (no room).", "reason"),
		unsent:     desc("messages_unsent_total", "Messages of the pair that could not be sent."),
	}
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(c); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *pairCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.active, c.term, c.peerHeard, c.peerActive, c.virtualIP, c.witnesses, c.takeovers, c.received, c.refused, c.unsent} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *pairCollector) Collect(ch chan<- prometheus.Metric) {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return
	}
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	truth := map[bool]float64{true: 1}
	send(c.active, prometheus.GaugeValue, truth[node.active()])
	p := node.pair
	if p == nil {
		return
	}
	s := p.Status()
	send(c.term, prometheus.GaugeValue, float64(s.Term))
	send(c.peerHeard, prometheus.GaugeValue, truth[s.PeerHeard])
	send(c.peerActive, prometheus.GaugeValue, truth[s.PeerActive])
	if p.address != nil {
		send(c.virtualIP, prometheus.GaugeValue, truth[s.VirtualIP])
	}
	heard := 0
	for _, w := range s.Witnesses {
		if w.Heard {
			heard++
		}
	}
	send(c.witnesses, prometheus.GaugeValue, float64(heard), "yes")
	send(c.witnesses, prometheus.GaugeValue, float64(len(s.Witnesses)-heard), "no")

	p.counts.mu.Lock()
	for reason, n := range p.counts.takeovers {
		send(c.takeovers, prometheus.CounterValue, float64(n), reason)
	}
	p.counts.mu.Unlock()
	m := p.Metrics()
	send(c.received, prometheus.CounterValue, float64(p.counts.received.Load()))
	send(c.refused, prometheus.CounterValue, float64(m.Refused), "invalid")
	send(c.refused, prometheus.CounterValue, float64(m.Dropped), "busy")
	send(c.unsent, prometheus.CounterValue, float64(m.SendFailed))
}
