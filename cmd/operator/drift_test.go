package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// steadfast takes one client through order, restart and drift.
func steadfast(t *testing.T, c testCluster) {
	quiet(t, c)
	begun := c.writes.Load()
	h := c.book(t, "steadfast", same)
	t.Run("no workload before the migration that it needs is done", func(t *testing.T) {
		h.databaseReady(t)
		var jobs batchv1.JobList
		eventually(t, "the migration", func(ctx context.Context) error {
			if err := c.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
				return err
			}
			if len(jobs.Items) != 1 {
				return fmt.Errorf("there are %d Jobs, want the migration alone", len(jobs.Items))
			}
			return nil
		})
		quiet(t, c)
		var deployments appsv1.DeploymentList
		var cronJobs batchv1.CronJobList
		if err := errors.Join(c.List(t.Context(), &deployments, client.InNamespace(h.namespace)), c.List(t.Context(), &cronJobs, client.InNamespace(h.namespace))); err != nil {
			t.Fatal(err)
		}
		if len(deployments.Items)+len(cronJobs.Items) != 0 {
			t.Errorf("while the migration runs there are %d Deployments and %d CronJobs", len(deployments.Items), len(cronJobs.Items))
		}
		channel := get(t, h, "desk", &v1alpha1.Channel{})
		if err := condition(channel.Status.Conditions, v1alpha1.ConditionConnectorAvailable, metav1.ConditionFalse, v1alpha1.ReasonWaiting); err != nil {
			t.Error(err)
		}
	})
	h.settle(t)

	t.Run("things were written in the order of their need", func(t *testing.T) {
		written := c.writes.since(begun)
		last := -1
		for _, path := range []string{
			"/rolebindings/switchboard-tenant-manager", "/networkpolicies/default-deny", "/statefulsets/postgres",
			"/jobs/migrate-", "/deployments/serve", "/deployments/connector-desk",
		} {
			i := slices.IndexFunc(written, func(w string) bool { return strings.Contains(w, "/"+h.namespace+"/") && strings.Contains(w, path) })
			// The connector and serve wait for the same migration, in no order.
			if i < 0 || (i < last && !strings.Contains(path, "connector")) {
				t.Errorf("%s is number %d, after something that needs it: %s", path, i, strings.Join(written, "\n"))
			}
			last = max(last, i)
		}
	})

	t.Run("a restart of the operator writes nothing", func(t *testing.T) {
		before := c.writes.Load()
		c.restart(t)
		quiet(t, c)
		if written := c.writes.since(before); len(written) != 0 {
			t.Errorf("it wrote %s", strings.Join(written, ", "))
		}
	})

	for _, d := range []struct {
		what   string
		object client.Object
		change func(client.Object) // nil deletes it
		back   func(client.Object) bool
	}{
		{
			"a network policy that was widened", &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "default-deny"}},
			func(o client.Object) {
				o.(*networkingv1.NetworkPolicy).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
			},
			func(o client.Object) bool { return len(o.(*networkingv1.NetworkPolicy).Spec.Ingress) == 0 },
		},
		{
			"a connector's network policy that was widened", &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "connector-desk"}},
			func(o client.Object) {
				p := o.(*networkingv1.NetworkPolicy)
				p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
			},
			func(o client.Object) bool {
				return !slices.ContainsFunc(o.(*networkingv1.NetworkPolicy).Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return len(r.Ports) == 0 })
			},
		},
		{
			"a network policy that was deleted", &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "default-deny"}}, nil,
			func(client.Object) bool { return true },
		},
		{
			"a Deployment that was scaled", &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "serve"}},
			func(o client.Object) { none := int32(0); o.(*appsv1.Deployment).Spec.Replicas = &none },
			func(o client.Object) bool { return *o.(*appsv1.Deployment).Spec.Replicas == 1 },
		},
		{
			"a pod template that gained a container", &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "connector-desk"}},
			func(o client.Object) {
				pod := &o.(*appsv1.Deployment).Spec.Template.Spec
				pod.Containers = append(pod.Containers, corev1.Container{Name: "spy", Image: "spy"})
			},
			func(o client.Object) bool { return len(o.(*appsv1.Deployment).Spec.Template.Spec.Containers) == 1 },
		},
		{
			"a CronJob that was suspended", &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "retain-guests"}},
			func(o client.Object) { yes := true; o.(*batchv1.CronJob).Spec.Suspend = &yes },
			func(o client.Object) bool { return !*o.(*batchv1.CronJob).Spec.Suspend },
		},
		{
			"a CronJob that was deleted", &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "retain-guests"}}, nil,
			func(client.Object) bool { return true },
		},
		{
			"a Service that was deleted", &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "serve"}}, nil,
			func(client.Object) bool { return true },
		},
		{
			"a Service that was led elsewhere", &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "postgres"}},
			func(o client.Object) { o.(*corev1.Service).Spec.Selector["app.kubernetes.io/component"] = "spy" },
			func(o client.Object) bool {
				return o.(*corev1.Service).Spec.Selector["app.kubernetes.io/component"] == "database"
			},
		},
		{
			"a rule that lets everybody into the database", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "postgres-config"}},
			func(o client.Object) {
				o.(*corev1.ConfigMap).Data["pg_hba.conf"] = "host all all 0.0.0.0/0 trust\n"
			},
			func(o client.Object) bool {
				return !strings.Contains(o.(*corev1.ConfigMap).Data["pg_hba.conf"], "trust")
			},
		},
		{
			"a quota that was lifted", &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "switchboard"}}, nil,
			func(client.Object) bool { return true },
		},
		{
			"the binding of the operator's own rights", &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "switchboard-tenant-manager"}}, nil,
			func(client.Object) bool { return true },
		},
	} {
		t.Run(d.what+" is put back", func(t *testing.T) {
			o := get(t, h, d.object.GetName(), d.object)
			uid := o.GetUID()
			if d.change == nil {
				if err := c.Delete(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			} else {
				amend(t, c, o, func(o client.Object) {
					d.change(o)
					if d.back(o) {
						t.Fatal("nothing was changed")
					}
				})
			}
			eventually(t, "back", func(ctx context.Context) error {
				if err := c.Get(ctx, h.key(o.GetName()), o); err != nil {
					return err
				}
				if !d.back(o) || (d.change == nil && o.GetUID() == uid) {
					return errors.New("it stays as it was changed")
				}
				return nil
			})
		})
	}
	t.Run("what a network policy lets out is not widened in the first place", func(t *testing.T) {
		for _, name := range []string{"default-deny", "connector-desk"} {
			p := get(t, h, name, &networkingv1.NetworkPolicy{})
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{})
			refuses(t, c.Update(t.Context(), p), "what a tenant may send is opened by the operator alone")
		}
	})
	t.Run("labels that admit other pods are put back", func(t *testing.T) {
		ns := &corev1.Namespace{}
		eventually(t, "relabelled", func(ctx context.Context) error {
			if err := c.Get(ctx, client.ObjectKey{Name: h.namespace}, ns); err != nil {
				return err
			}
			ns.Labels = maps.Clone(ns.Labels)
			ns.Labels["pod-security.kubernetes.io/enforce"] = "privileged"
			return c.Update(ctx, ns)
		})
		eventually(t, "restricted again", func(ctx context.Context) error {
			if err := c.Get(ctx, client.ObjectKey{Name: h.namespace}, ns); err != nil {
				return err
			}
			if ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				return fmt.Errorf("the labels are %v", ns.Labels)
			}
			return nil
		})
	})
	h.settle(t)
}
