// Package metric tells Prometheus what the operator's caches know.
package metric

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
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
