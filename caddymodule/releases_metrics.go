package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// releaseCollector tells of the releases that the process's booster knows; nothing while
// it has none.
type releaseCollector struct {
	head, quarantined, waiting *prometheus.Desc
}

// registerReleases makes the gauges visible in the registry of a new configuration.
func registerReleases(registry *prometheus.Registry) error {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_release_"+name, help, nil, nil)
	}
	c := &releaseCollector{
		head:        desc("head", "Number of the newest release, 0 when there is none."),
		quarantined: desc("quarantined", "Releases in quarantine while nothing that anybody has made since is rolled out."),
		waiting:     desc("waiting", "Releases that wait for a person's approval."),
	}
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(c); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *releaseCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.head, c.quarantined, c.waiting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *releaseCollector) Collect(ch chan<- prometheus.Metric) {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return
	}
	st := node.conductor.releases.Status()
	quarantined, waiting := 0, 0
	for _, r := range st.Releases {
		if r.Alarm {
			quarantined++
		}
		if r.Ref.Number > st.Approved.Number {
			waiting++
		}
	}
	for d, v := range map[*prometheus.Desc]float64{
		c.head: float64(st.Head.Number), c.quarantined: float64(quarantined), c.waiting: float64(waiting),
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
