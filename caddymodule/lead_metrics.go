package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// leadCollector tells of the lead server's work and of what it has left to people; nothing
// while this booster is not the active one, or has no cluster.
type leadCollector struct {
	missed, stranded, failed *prometheus.Desc
	queue, queueAge          *prometheus.Desc
}

// registerLead makes the gauges visible in the registry of a new configuration.
func registerLead(registry *prometheus.Registry) error {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_lead_"+name, help, nil, nil)
	}
	c := &leadCollector{
		missed:   desc("missed", "Schedules that nobody has fired, or of which that is not known, of the last day: the lines Missed in the status."),
		stranded: desc("stranded", "Reasons for which tickets stand still that nobody but people can move on, by flow, of the last day: the lines Stranded in the status."),
		failed:   desc("failed_commands", "Commands of on_change that have failed, of the last day: the lines Command failed in the status."),
		queue:    desc("flow_queue", "Items in the journal of OMFLOW's flow queue."),
		queueAge: desc("flow_queue_age_seconds", "How long the oldest item of the flow queue's journal has not moved."),
	}
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(c); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *leadCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.missed, c.stranded, c.failed, c.queue, c.queueAge} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A journal that can't be read is left out.
func (c *leadCollector) Collect(ch chan<- prometheus.Metric) {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return
	}
	s, ok := node.conductor.coordinator.Status()
	if !ok {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(c.missed, float64(len(s.Missed)))
	gauge(c.stranded, float64(len(s.StrandedTickets)))
	gauge(c.failed, float64(len(s.FailedCommands)))
	if s.Blind == "" {
		gauge(c.queue, float64(s.Rows))
		gauge(c.queueAge, s.Oldest.Seconds())
	}
}
