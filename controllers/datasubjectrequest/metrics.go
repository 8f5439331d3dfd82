package datasubjectrequest

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/metric"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Collector counts the requests that were not answered yet, from the cache, whenever it
// is asked: by tenant, type and what the clock says. No request is named.
type Collector struct {
	Reader client.Reader
	Now    func() time.Time
	gauge  *prometheus.GaugeVec // its Desc alone
}

// NewCollector makes one that reads from r.
func NewCollector(r client.Reader, now func() time.Time) *Collector {
	return &Collector{Reader: r, Now: now, gauge: newGauge()}
}

func newGauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "switchboard_requests", Help: "Requests of persons that were not answered yet.",
	}, []string{"tenant", "type", "state"})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) { c.gauge.Describe(to) }

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx := context.Background()
	var requests v1alpha1.DataSubjectRequestList
	if err := c.Reader.List(ctx, &requests); err != nil {
		return // the cache is not filled yet
	}
	gauge, tenantOf := newGauge(), metric.Tenants(ctx, c.Reader)
	for i := range requests.Items {
		q := &requests.Items[i]
		answered := plan.Answered(q)
		if !answered.IsZero() {
			continue
		}
		tenant := tenantOf(q.Namespace)
		if tenant == "" {
			continue // nobody's
		}
		state, _ := judge.Clock(c.Now(), plan.Due(q), answered)
		gauge.WithLabelValues(tenant, string(q.Spec.Type), state).Inc()
	}
	gauge.Collect(to)
}
