package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// oracleCollector tells what agents read of Oracle's exporter; nothing where none does.
type oracleCollector struct {
	exporterUp, age, up, sessions, waits, used, max *prometheus.Desc
}

// registerOracle makes the metrics visible in the registry of a new configuration.
func registerOracle(registry *prometheus.Registry) error {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_oracle_"+name, help, append([]string{"server"}, labels...), nil)
	}
	c := &oracleCollector{
		exporterUp: desc("exporter_up", "1 when the server's agent could read the page of Oracle's exporter at its last attempt."),
		age:        desc("page_age_seconds", "Time since the last page of Oracle's exporter that could be read."),
		up:         desc("up", "1 when Oracle's exporter says that the database is up; 0 also when the exporter can't be read."),
		sessions:   desc("sessions", "Sessions of the database, by V$SESSION's status and type.", "status", "type"),
		waits:      desc("wait_seconds_total", "Time that sessions waited since the database was started, by wait class.", "class"),
		used:       desc("tablespace_used_bytes", "Bytes that are used of a tablespace.", "tablespace", "type"),
		max:        desc("tablespace_max_bytes", "Bytes that a tablespace can grow to.", "tablespace", "type"),
	}
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(c); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *oracleCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.exporterUp, c.age, c.up, c.sessions, c.waits, c.used, c.max} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What is on a page that is not the newest is
// left out: Prometheus would take it for a value of now.
func (c *oracleCollector) Collect(ch chan<- prometheus.Metric) {
	node := runningNode()
	if node == nil || node.oracle == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	truth := map[bool]float64{true: 1}
	for _, o := range node.oracle.all() {
		gauge(c.exporterUp, truth[o.ExporterUp], o.Server)
		gauge(c.up, truth[o.DatabaseUp()], o.Server)
		if o.AgeSeconds != nil {
			gauge(c.age, *o.AgeSeconds, o.Server)
		}
		if !o.ExporterUp {
			continue
		}
		for _, s := range o.Page.Sessions {
			gauge(c.sessions, s.Count, o.Server, s.Status, s.Type)
		}
		for _, w := range o.Page.Waits {
			ch <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, w.Seconds, o.Server, w.Class)
		}
		for _, t := range o.Page.Tablespaces {
			gauge(c.used, t.Used, o.Server, t.Name, t.Type)
			if t.Max > 0 {
				gauge(c.max, t.Max, o.Server, t.Name, t.Type)
			}
		}
	}
}
