package tenant

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
)

// Collector tells, from the cache and whenever it is asked, what is outside of its region, by tenant and kind, 0 included,
// so that an alert can tell "none" from "not looked at"; and the conditions that an alert is for.
type Collector struct {
	Reader client.Reader
}

func newGauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "switchboard_residency_violations", Help: "Nodes with pods of a tenant, and its volumes, that are outside of its region.",
	}, []string{"tenant", "kind"})
}

// told are the conditions that have a series.
var told = []string{v1alpha1.ConditionReady, v1alpha1.ConditionResidencyCompliant, v1alpha1.ConditionNetworkIsolated}

func newConditions() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "switchboard_tenant_condition", Help: "1 while a condition of a tenant is True, 0 while it is False; no series while it is Unknown.",
	}, []string{"tenant", "type"})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	newGauge().Describe(to)
	newConditions().Describe(to)
}

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	var tenants v1alpha1.TenantList
	if err := c.Reader.List(context.Background(), &tenants); err != nil {
		return // the cache is not filled yet
	}
	gauge, conditions := newGauge(), newConditions()
	for _, t := range tenants.Items {
		for _, kind := range told {
			switch condition := meta.FindStatusCondition(t.Status.Conditions, kind); {
			case condition == nil || condition.Status == metav1.ConditionUnknown:
			case condition.Status == metav1.ConditionTrue:
				conditions.WithLabelValues(t.Name, kind).Set(1)
			default:
				conditions.WithLabelValues(t.Name, kind).Set(0)
			}
		}
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
	conditions.Collect(to)
}
