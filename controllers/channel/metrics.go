package channel

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/metric"
)

// Collector tells the conditions of channels that an alert is for, from the cache and whenever it is asked.
type Collector struct {
	Reader client.Reader
}

var condition = prometheus.NewDesc("switchboard_channel_condition",
	"1 while a condition of a channel is True, 0 while it is False; no series while it is Unknown.", []string{"tenant", "channel", "type"}, nil)

// told are the conditions that have a series.
var told = []string{v1alpha1.ConditionReady, v1alpha1.ConditionConnectorAvailable, v1alpha1.ConditionCredentialsAccepted}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) { to <- condition }

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx := context.Background()
	var channels v1alpha1.ChannelList
	if err := c.Reader.List(ctx, &channels); err != nil {
		return // the cache is not filled yet
	}
	tenantOf := metric.Tenants(ctx, c.Reader)
	for i := range channels.Items {
		channel := &channels.Items[i]
		if tenant := tenantOf(channel.Namespace); tenant != "" {
			metric.Conditions(to, condition, channel.Status.Conditions, told, tenant, channel.Name)
		}
	}
}
