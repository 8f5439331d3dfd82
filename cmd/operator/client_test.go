package main

import (
	"context"
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// hotel is a client with one channel, desk, and one policy, guests.
type hotel struct {
	testCluster
	name, namespace string
}

// book applies all that a client is, its provider's Secret too.
func (c testCluster) book(t *testing.T, name string, change func(*v1alpha1.TenantSpec)) hotel {
	t.Helper()
	h := hotel{testCluster: c, name: name, namespace: "tenant-" + name}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: h.namespace, Labels: map[string]string{v1alpha1.LabelTenant: name}}})
	create(t, c, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "twilio", Namespace: h.namespace}, StringData: map[string]string{"authToken": "token"},
	})
	create(t, c, aChannel(func(o *v1alpha1.Channel) { o.Name, o.Namespace = "desk", h.namespace }))
	create(t, c, aPolicy(func(o *v1alpha1.RetentionPolicy) { o.Name, o.Namespace = "guests", h.namespace }))
	create(t, c, aTenant(func(o *v1alpha1.Tenant) {
		o.Name, o.Spec.Hostname = name, name+".example"
		change(&o.Spec)
	}))
	return h
}

func same(*v1alpha1.TenantSpec) {}

func (h hotel) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: h.namespace, Name: name}
}

func (h hotel) tenant(t *testing.T) *v1alpha1.Tenant {
	t.Helper()
	o := &v1alpha1.Tenant{}
	if err := h.Get(t.Context(), client.ObjectKey{Name: h.name}, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// get reads one of the client's objects.
func get[T client.Object](t *testing.T, h hotel, name string, into T) T {
	t.Helper()
	if err := h.Get(t.Context(), h.key(name), into); err != nil {
		t.Fatal(err)
	}
	return into
}

// settle has everything work until the client is served and the operator rests.
func (h hotel) settle(t *testing.T) {
	t.Helper()
	eventually(t, h.name+" is served", func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		tenant, channel, policy := &v1alpha1.Tenant{}, &v1alpha1.Channel{}, &v1alpha1.RetentionPolicy{}
		if err := errors.Join(
			h.Get(ctx, client.ObjectKey{Name: h.name}, tenant), h.Get(ctx, h.key("desk"), channel), h.Get(ctx, h.key("guests"), policy),
		); err != nil {
			return err
		}
		return errors.Join(
			condition(tenant.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue, ""),
			condition(tenant.Status.Conditions, v1alpha1.ConditionMigrated, metav1.ConditionTrue, ""),
			condition(tenant.Status.Conditions, v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue, ""),
			condition(channel.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
			condition(policy.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
		)
	})
	quiet(t, h.testCluster)
}

// databaseReady has the database's pod work, and nothing else.
func (h hotel) databaseReady(t *testing.T) {
	t.Helper()
	eventually(t, "the database", func(ctx context.Context) error {
		s := &appsv1.StatefulSet{}
		if err := h.Get(ctx, h.key("postgres"), s); err != nil {
			return err
		}
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
		return h.Status().Update(ctx, s)
	})
}
