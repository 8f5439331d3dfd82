// Package metric tells Prometheus what the operator's caches know.
package metric

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Lead has the replica that leads tell a collector's metrics: others would count the same
// again. of says what they are about, for errors.
func Lead(mgr ctrl.Manager, of string, c prometheus.Collector) error {
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if err := metrics.Registry.Register(c); err != nil {
			return fmt.Errorf("registering the metrics of %s: %w", of, err)
		}
		<-ctx.Done()
		metrics.Registry.Unregister(c)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("adding the metrics of %s: %w", of, err)
	}
	return nil
}

// Tenants gives the name of the tenant that a namespace belongs to, empty for none, and
// looks each up once.
func Tenants(ctx context.Context, r client.Reader) func(namespace string) string {
	known := map[string]string{}
	return func(namespace string) string {
		tenant, ok := known[namespace]
		if !ok {
			ns := &corev1.Namespace{}
			if err := r.Get(ctx, client.ObjectKey{Name: namespace}, ns); err == nil {
				tenant = ns.Labels[v1alpha1.LabelTenant]
			}
			known[namespace] = tenant
		}
		return tenant
	}
}

// Conditions tells some conditions of an object: 1 while one is True, 0 while it is False, nothing while it is Unknown. labels
// come before the condition's type.
func Conditions(to chan<- prometheus.Metric, d *prometheus.Desc, conditions []metav1.Condition, types []string, labels ...string) {
	for _, kind := range types {
		condition := meta.FindStatusCondition(conditions, kind)
		if condition == nil || condition.Status == metav1.ConditionUnknown {
			continue
		}
		value := 0.0
		if condition.Status == metav1.ConditionTrue {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append(slices.Clone(labels), kind)...)
	}
}
