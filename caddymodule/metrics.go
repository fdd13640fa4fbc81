package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/front"
)

// metrics are a pool's counters. They outlive reloads, while Caddy makes a new
// registry at each.
type metrics struct {
	pool     string
	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
	retries  prometheus.Counter
	creates  *prometheus.CounterVec
	queue    *prometheus.HistogramVec
	served   *prometheus.HistogramVec
}

// Buckets from a fraction of a click to the longest wait, in seconds.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}

func newMetrics(pool string) *metrics {
	const ns = "omflow_booster"
	constant := prometheus.Labels{"pool": pool}
	m := &metrics{
		pool: pool,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "requests_total", ConstLabels: constant,
			Help: "Requests by lane, the server that answered last, and the class of the status."}, []string{"lane", "server", "code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "refused_total", ConstLabels: constant,
			Help: "Requests that the booster answered itself, by reason."}, []string{"lane", "reason"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "retries_total", ConstLabels: constant,
			Help: "Times that a request was given to another server after the first."}),
		creates: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "creates_resolved_total", ConstLabels: constant,
			Help: "Creates whose server died before it had answered, by what was found out of them."}, []string{"outcome"}),
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: ns, Name: "queue_seconds", ConstLabels: constant,
			Help: "Time that requests waited for a place on a server.", Buckets: durationBuckets}, []string{"lane"}),
		served: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: ns, Name: "server_seconds", ConstLabels: constant,
			Help: "Time that servers took to begin their answer.", Buckets: durationBuckets}, []string{"lane"}),
	}
	for _, outcome := range front.CreateOutcomes {
		m.creates.WithLabelValues(outcome)
	}
	return m
}

// register makes the metrics visible in the registry of a new configuration.
func (m *metrics) register(registry *prometheus.Registry, f *fleet.Fleet) error {
	for _, c := range []prometheus.Collector{m.requests, m.refused, m.retries, m.creates, m.queue, m.served, newFleetCollector(m.pool, f)} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

var codeClasses = [...]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (m *metrics) observe(t *front.Trace) {
	if t.Status == 0 && t.Server == "" {
		return // one of our own pages
	}
	lane := t.Lane.String()
	m.requests.WithLabelValues(lane, t.Server, codeClasses[min(t.Status/100, len(codeClasses)-1)]).Inc()
	if t.Refusal != "" {
		m.refused.WithLabelValues(lane, t.Refusal).Inc()
	}
	if t.Create != "" {
		m.creates.WithLabelValues(t.Create).Inc()
	}
	if t.Tries > 1 {
		m.retries.Add(float64(t.Tries - 1))
	}
	m.queue.WithLabelValues(lane).Observe(t.Queue.Seconds())
	if t.Served > 0 {
		m.served.WithLabelValues(lane).Observe(t.Served.Seconds())
	}
}

// fleetCollector reads the gauges of a pool's servers when it is asked.
type fleetCollector struct {
	fleet *fleet.Fleet

	state, inFlight, elsewhere, capacity, share, sessions, latency, queued *prometheus.Desc
}

var serverStates = []string{"starting", "up", "behind", "down", "draining", "maintenance", "failed"}

func newFleetCollector(pool string, f *fleet.Fleet) *fleetCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_"+name, help, labels, prometheus.Labels{"pool": pool})
	}
	return &fleetCollector{
		fleet:     f,
		elsewhere: desc("server_in_flight_elsewhere", "Requests that a server works on for the other booster.", "server"),
		state:     desc("server_state", "1 for the state that a server is in.", "server", "state"),
		inFlight:  desc("server_in_flight", "Requests that a server works on.", "server"),
		capacity:  desc("server_capacity", "Requests at once that a server is given.", "server"),
		share:     desc("server_flow_share", "Flow requests at once that a server is given beside sessions.", "server"),
		sessions:  desc("server_sessions", "Open sessions on a server.", "server"),
		latency:   desc("server_latency_seconds", "Moving average of a server's service time.", "server"),
		queued:    desc("queue_length", "Requests that wait for a place on a server.", "lane"),
	}
}

// Describe sends all descriptions: Caddy's registry refuses gauges that were not
// described, and knows by them that a pool is there already.
func (c *fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.state, c.inFlight, c.elsewhere, c.capacity, c.share, c.sessions, c.latency, c.queued} {
		ch <- d
	}
}

// Collect sends the gauges.
func (c *fleetCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range c.fleet.Servers() {
		for _, name := range serverStates {
			v := 0.0
			if s.State == name {
				v = 1
			}
			gauge(c.state, v, s.Name, name)
		}
		gauge(c.inFlight, float64(s.InFlight), s.Name)
		gauge(c.elsewhere, float64(s.Elsewhere), s.Name)
		gauge(c.capacity, float64(s.Capacity), s.Name)
		gauge(c.share, s.FlowShare, s.Name)
		gauge(c.sessions, float64(s.Sessions), s.Name)
		gauge(c.latency, s.LatencySeconds, s.Name)
	}
	for l := range balance.Lanes {
		gauge(c.queued, float64(c.fleet.Balancer().Queued(balance.Lane(l))), balance.Lane(l).String())
	}
}
