package tenant

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/metric"
)

// Collector tells, from the cache and whenever it is asked, what is outside of its region, by tenant and kind, and whose
// evidence is contradicted, 0 included, so that an alert can tell "none" from "not looked at"; and the conditions that an
// alert is for.
type Collector struct {
	Reader client.Reader
}

// told are the conditions that have a series.
var told = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionResidencyCompliant, v1alpha1.ConditionNetworkIsolated, v1alpha1.ConditionIsolated,
	v1alpha1.ConditionDatabaseCurrent, v1alpha1.ConditionBackedUp, v1alpha1.ConditionRetentionCovered, v1alpha1.ConditionWebhooksDelivered,
}

var (
	info = prometheus.NewDesc("switchboard_tenant_info",
		"1 for each tenant, with its region, and whether it is active, suspended or deleting.", []string{"tenant", "region", "state"}, nil)
	violations = prometheus.NewDesc("switchboard_residency_violations",
		"Nodes with pods of a tenant, and its volumes, that are outside of its region.", []string{"tenant", "kind"}, nil)
	conditions = prometheus.NewDesc("switchboard_tenant_condition",
		"1 while a condition of a tenant is True, 0 while it is False; no series while it is Unknown.", []string{"tenant", "type"}, nil)
	rolloutOverdue = prometheus.NewDesc("switchboard_tenant_rollout_overdue",
		"1 while a tenant has not become ready with another image in time, and every other one waits for it; else 0.", []string{"tenant"}, nil)
	evidenceBroken = prometheus.NewDesc("switchboard_evidence_broken",
		"Policies and requests of a tenant, and the tenant itself, whose receipts contradict what the operator countersigned.", []string{"tenant"}, nil)
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{info, violations, conditions, rolloutOverdue, evidenceBroken} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It reads from memory: no deadline is needed.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx := context.Background()
	var tenants v1alpha1.TenantList
	if err := c.Reader.List(ctx, &tenants); err != nil {
		return // the cache is not filled yet
	}
	broken := c.broken(ctx)
	for i := range tenants.Items {
		t := &tenants.Items[i]
		to <- prometheus.MustNewConstMetric(info, prometheus.GaugeValue, 1, t.Name, t.Spec.Region, stateOf(t))
		metric.Conditions(to, conditions, t.Status.Conditions, told, t.Name)
		to <- prometheus.MustNewConstMetric(rolloutOverdue, prometheus.GaugeValue, map[bool]float64{true: 1}[overdue(t)], t.Name)
		if broken != nil {
			to <- prometheus.MustNewConstMetric(evidenceBroken, prometheus.GaugeValue, float64(broken[t.Name]+contradicted(t.Status.Conditions)), t.Name)
		}
		if t.Status.Residency == nil {
			continue
		}
		outside := map[string]int{}
		for _, v := range t.Status.Residency.Violations {
			outside[v.Kind]++
		}
		for _, kind := range []string{judge.KindNode, judge.KindVolume} {
			to <- prometheus.MustNewConstMetric(violations, prometheus.GaugeValue, float64(outside[kind]), t.Name, kind)
		}
	}
}

func stateOf(t *v1alpha1.Tenant) string {
	switch {
	case !t.DeletionTimestamp.IsZero():
		return "deleting"
	case t.Spec.Suspended:
		return "suspended"
	}
	return "active"
}

// broken counts the policies and requests of each tenant whose evidence is contradicted; nil while the cache is not filled.
func (c *Collector) broken(ctx context.Context) map[string]int {
	var policies v1alpha1.RetentionPolicyList
	var requests v1alpha1.DataSubjectRequestList
	if c.Reader.List(ctx, &policies) != nil || c.Reader.List(ctx, &requests) != nil {
		return nil
	}
	found, tenantOf := map[string]int{}, metric.Tenants(ctx, c.Reader)
	for i := range policies.Items {
		if p := &policies.Items[i]; contradicted(p.Status.Conditions) > 0 {
			found[tenantOf(p.Namespace)]++
		}
	}
	for i := range requests.Items {
		if q := &requests.Items[i]; contradicted(q.Status.Conditions) > 0 {
			found[tenantOf(q.Namespace)]++
		}
	}
	return found
}

// contradicted is 1 when a condition says that evidence is, else 0.
func contradicted(conditions []metav1.Condition) int {
	for _, c := range conditions {
		if c.Reason == v1alpha1.ReasonEvidenceBroken {
			return 1
		}
	}
	return 0
}
