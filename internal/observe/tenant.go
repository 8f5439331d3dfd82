// Package observe reads what is there, into plain structs. It writes nothing.
package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func component(tenant, name string) map[string]string {
	l := plan.TenantLabels(tenant)
	l["app.kubernetes.io/component"] = name
	return l
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// TenantOf finds the Tenant that a namespace belongs to, and its Region as the tenant
// is held to it; nil where there is none. The namespace's label decides: a Tenant that
// only claims it does not count, nor does one that is being deleted.
func TenantOf(ctx context.Context, r client.Reader, namespace string) (*v1alpha1.Tenant, *v1alpha1.Region, error) {
	t, region, err := HolderOf(ctx, r, namespace)
	if err != nil || t == nil || !t.DeletionTimestamp.IsZero() {
		return nil, nil, err
	}
	return t, region, nil
}

// HolderOf is TenantOf, and finds a Tenant that is being deleted, too.
func HolderOf(ctx context.Context, r client.Reader, namespace string) (*v1alpha1.Tenant, *v1alpha1.Region, error) {
	ns := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return nil, nil, wrap("reading namespace "+namespace, client.IgnoreNotFound(err))
	}
	t := &v1alpha1.Tenant{}
	if err := r.Get(ctx, client.ObjectKey{Name: ns.Labels[v1alpha1.LabelTenant]}, t); err != nil {
		return nil, nil, wrap("reading the tenant of namespace "+namespace, client.IgnoreNotFound(err))
	}
	if (plan.Tenant{Tenant: t}).Namespace() != namespace {
		return nil, nil, nil
	}
	region := &v1alpha1.Region{}
	if err := r.Get(ctx, client.ObjectKey{Name: t.Spec.Region}, region); err != nil {
		return t, nil, wrap("reading Region "+t.Spec.Region, client.IgnoreNotFound(err))
	}
	boundary, err := Boundary(ctx, r, namespace)
	if err != nil {
		return t, nil, err
	}
	return t, plan.InForce(region, boundary), nil
}

// ServiceAddress is the cluster's address of a Service that the operator made for a tenant; empty when there is none.
func ServiceAddress(ctx context.Context, r client.Reader, tenant string, service client.ObjectKey) (string, error) {
	s := &corev1.Service{}
	if err := r.Get(ctx, service, s); err != nil {
		return "", wrap("reading Service "+service.Name, client.IgnoreNotFound(err))
	}
	if s.Labels[v1alpha1.LabelTenant] != tenant || !s.DeletionTimestamp.IsZero() || s.Spec.ClusterIP == corev1.ClusterIPNone {
		return "", nil
	}
	return s.Spec.ClusterIP, nil
}

// ImageChanged lets through that a Tenant's pods are to run another image.
var ImageChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.Tenant)
		after, is := e.ObjectNew.(*v1alpha1.Tenant)
		return ok && is && imageOf(before) != imageOf(after)
	},
}

func imageOf(t *v1alpha1.Tenant) string {
	if t.Status.Instance == nil {
		return ""
	}
	return t.Status.Instance.Image
}
