package tenant

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
)

// Collector counts what is outside of its region, from the cache, whenever it is asked: by tenant and kind, 0 included,
// so that an alert can tell "none" from "not looked at".
type Collector struct {
	Reader client.Reader
}

func newGauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "switchboard_residency_violations", Help: "Nodes with pods of a tenant, and its volumes, that are outside of its region.",
	}, []string{"tenant", "kind"})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) { newGauge().Describe(to) }

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	var tenants v1alpha1.TenantList
	if err := c.Reader.List(context.Background(), &tenants); err != nil {
		return // the cache is not filled yet
	}
	gauge := newGauge()
	for _, t := range tenants.Items {
		if t.Status.Residency == nil {
			continue
		}
		for _, kind := range []string{judge.KindNode, judge.KindVolume} {
			gauge.WithLabelValues(t.Name, kind).Set(0)
		}
		for _, v := range t.Status.Residency.Violations {
			gauge.WithLabelValues(t.Name, v.Kind).Inc()
		}
	}
	gauge.Collect(to)
}
