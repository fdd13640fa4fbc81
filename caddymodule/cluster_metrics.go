package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// clusterCollector tells of the cluster as this process's node sees it.
type clusterCollector struct {
	members, bytes, packets, refused, joinsFailed *prometheus.Desc
}

// registerCluster makes the metrics visible in the registry of a new configuration.
func registerCluster(registry *prometheus.Registry) error {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("omflow_booster_cluster_"+name, help, labels, nil)
	}
	c := &clusterCollector{
		members:     desc("members", "Nodes of the cluster, this one included, by state.", "state"),
		bytes:       desc("bytes_total", "Bytes over the cluster's port, without the headers of UDP, TCP and IP.", "direction"),
		packets:     desc("packets_total", "UDP packets over the cluster's port; received ones had our key.", "direction"),
		refused:     desc("refused_total", "What came in over the cluster's port and did not authenticate.", "kind"),
		joinsFailed: desc("joins_failed_total", "Attempts to join a booster that failed."),
	}
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(c); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *clusterCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.members, c.bytes, c.packets, c.refused, c.joinsFailed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *clusterCollector) Collect(ch chan<- prometheus.Metric) {
	node := runningNode()
	if node == nil {
		return
	}
	m := node.node.Metrics()
	for state, n := range m.Members {
		ch <- prometheus.MustNewConstMetric(c.members, prometheus.GaugeValue, float64(n), string(state))
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(c.bytes, m.BytesSent, "sent")
	count(c.bytes, m.BytesReceived, "received")
	count(c.packets, m.PacketsSent, "sent")
	count(c.packets, m.PacketsReceived, "received")
	count(c.refused, m.PacketsRefused, "packet")
	count(c.refused, m.StreamsRefused, "connection")
	count(c.joinsFailed, m.JoinsFailed)
}
