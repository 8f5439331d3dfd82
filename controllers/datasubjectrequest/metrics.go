package datasubjectrequest

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
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

// measure has the replica that leads tell the metric: others would count the same again.
func measure(mgr ctrl.Manager, now func() time.Time) error {
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		c := NewCollector(mgr.GetClient(), now)
		if err := metrics.Registry.Register(c); err != nil {
			return fmt.Errorf("registering the metric of requests: %w", err)
		}
		<-ctx.Done()
		metrics.Registry.Unregister(c)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("adding the metric of requests: %w", err)
	}
	return nil
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
	gauge, tenants := newGauge(), map[string]string{}
	for i := range requests.Items {
		q := &requests.Items[i]
		answered := Answered(q)
		if !answered.IsZero() {
			continue
		}
		tenant, known := tenants[q.Namespace]
		if !known {
			ns := &corev1.Namespace{}
			if err := c.Reader.Get(ctx, client.ObjectKey{Name: q.Namespace}, ns); err == nil {
				tenant = ns.Labels[v1alpha1.LabelTenant]
			}
			tenants[q.Namespace] = tenant
		}
		if tenant == "" {
			continue // nobody's
		}
		state, _ := judge.Clock(c.Now(), plan.Due(q), answered)
		gauge.WithLabelValues(tenant, string(q.Spec.Type), state).Inc()
	}
	gauge.Collect(to)
}
