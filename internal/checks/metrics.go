package checks

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/metric"
)

// Metrics of a channel: what its connector told last. Series are bounded by the number of channels: a connector's own
// words are no labels, but for those that the contract lists.
var (
	received = prometheus.NewDesc("switchboard_channel_received_total",
		"Inbound messages that were the provider's, by what became of them, since the connector started.", []string{"tenant", "channel", "result"}, nil)
	sends = prometheus.NewDesc("switchboard_channel_sends_total",
		"Requests to send a message, by their outcome, since the connector started.", []string{"tenant", "channel", "outcome"}, nil)
	failed = prometheus.NewDesc("switchboard_channel_failed_total",
		"Messages that will not be sent, by the reason, since the connector started.", []string{"tenant", "channel", "reason"}, nil)
	queued = prometheus.NewDesc("switchboard_channel_queue_messages",
		"Messages that wait to be sent.", []string{"tenant", "channel"}, nil)
	oldest = prometheus.NewDesc("switchboard_channel_queue_oldest_timestamp_seconds",
		"When the message that has waited longest was given to the queue; absent when none waits.", []string{"tenant", "channel"}, nil)
)

// patienceForTraffic is how long an answer is told: what is older is not known any more.
const patienceForTraffic = 5 * time.Minute

// Describe implements prometheus.Collector.
func (c *Checks) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{received, sends, failed, queued, oldest} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Checks) Collect(to chan<- prometheus.Metric) {
	ctx := context.Background()
	var channels v1alpha1.ChannelList
	if err := c.Client.List(ctx, &channels); err != nil {
		return // the cache is not filled yet
	}
	tenantOf := metric.Tenants(ctx, c.Client)
	for i := range channels.Items {
		channel := &channels.Items[i]
		c.mu.Lock()
		told := c.known[channel.UID]
		c.mu.Unlock()
		tenant := tenantOf(channel.Namespace)
		if tenant == "" || told.Traffic == nil || c.Keeper.Now().Sub(told.at) > patienceForTraffic {
			continue
		}
		tell(to, tenant, channel.Name, told.Traffic)
	}
}

func tell(to chan<- prometheus.Metric, tenant, channel string, t *contract.Traffic) {
	for _, counted := range []struct {
		desc   *prometheus.Desc
		labels []string
		values map[string]int64
	}{{received, contract.Results, t.Received}, {sends, contract.Outcomes, t.Sends}, {failed, contract.Failures, t.Failed}} {
		for _, label := range counted.labels {
			to <- prometheus.MustNewConstMetric(counted.desc, prometheus.CounterValue, float64(counted.values[label]), tenant, channel, label)
		}
	}
	if t.Queue == nil {
		return
	}
	to <- prometheus.MustNewConstMetric(queued, prometheus.GaugeValue, float64(t.Queue.Messages), tenant, channel)
	if t.Queue.Oldest != nil {
		to <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, float64(t.Queue.Oldest.Unix()), tenant, channel)
	}
}
