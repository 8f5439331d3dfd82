package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

var eventPath = regexp.MustCompile(`/events(/|$)`)

const (
	tenantName = "hotel-berlin"
	namespace  = "tenant-hotel-berlin"
)

// condition says what is missing until a condition is as wanted.
func condition(conditions []metav1.Condition, name string, want metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(conditions, name)
	if c == nil {
		return fmt.Errorf("no condition %s", name)
	}
	if c.Status != want || (reason != "" && c.Reason != reason) {
		return fmt.Errorf("%s is %s (%s: %s), want %s %s", name, c.Status, c.Reason, c.Message, want, reason)
	}
	return nil
}

// clientsLife takes a client from the first apply to the end, and counts the
// operator's writes.
func clientsLife(t *testing.T, c testCluster) {
	ctx := t.Context()
	tenant := func() *v1alpha1.Tenant {
		t.Helper()
		o := &v1alpha1.Tenant{}
		if err := c.Get(ctx, client.ObjectKey{Name: tenantName}, o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	key := func(name string) client.ObjectKey { return client.ObjectKey{Namespace: namespace, Name: name} }

	c.apply(t, "hotel-berlin/namespace.yaml", "hotel-berlin/tenant.yaml", "hotel-berlin/front-desk.yaml",
		"hotel-berlin/guest-messages.yaml", "hotel-berlin/guest-contacts.yaml")

	t.Run("nothing runs before the namespace is closed and the database migrated", func(t *testing.T) {
		eventually(t, "database applied", func(ctx context.Context) error {
			return c.Get(ctx, key("postgres"), &appsv1.StatefulSet{})
		})
		var policies networkingv1.NetworkPolicyList
		if err := c.List(ctx, &policies, client.InNamespace(namespace)); err != nil || len(policies.Items) == 0 {
			t.Errorf("the database stands in an open namespace: %v", err)
		}
		for _, early := range []client.Object{&appsv1.Deployment{}, &batchv1.CronJob{}, &batchv1.Job{}} {
			name := map[string]string{"*v1.Deployment": "serve", "*v1.CronJob": "retain-guest-messages"}[fmt.Sprintf("%T", early)]
			if name != "" && !apierrors.IsNotFound(c.Get(ctx, key(name), early)) {
				t.Errorf("%s is there before the database", name)
			}
		}
	})

	channel := &v1alpha1.Channel{}
	t.Run("a missing Secret is told, and taken when it comes", func(t *testing.T) {
		eventually(t, "the channel says so", func(ctx context.Context) error {
			if err := c.play(ctx, namespace); err != nil {
				return err
			}
			if err := c.Get(ctx, key("front-desk"), channel); err != nil {
				return err
			}
			return condition(channel.Status.Conditions, v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing)
		})
		if m := meta.FindStatusCondition(channel.Status.Conditions, v1alpha1.ConditionStalled).Message; !strings.Contains(m, "kubectl -n "+namespace+" create secret") {
			t.Errorf("the message doesn't say what to do: %s", m)
		}
		create(t, c, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: channel.Spec.TwilioSMS.CredentialsSecretRef.Name, Namespace: namespace},
			StringData: map[string]string{"authToken": "token"},
		})
	})

	settled := func(what string) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			if err := c.play(ctx, namespace); err != nil {
				return err
			}
			if err := c.Get(ctx, key("front-desk"), channel); err != nil {
				return err
			}
			policy := &v1alpha1.RetentionPolicy{}
			if err := c.Get(ctx, key("guest-messages"), policy); err != nil {
				return err
			}
			return errors.Join(
				// Nothing is scheduled here, so nothing can be seen in the region.
				condition(tenant().Status.Conditions, v1alpha1.ConditionMigrated, metav1.ConditionTrue, ""),
				condition(tenant().Status.Conditions, v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue, ""),
				condition(channel.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
				condition(policy.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
			)
		})
	}
	settled("onboarded")

	t.Run("a pass over what is settled writes nothing", func(t *testing.T) {
		quiet(t, c)
		before := c.writes.Load()
		wake(t, c, tenant())
		quiet(t, c)
		if n := c.writes.Load() - before; n != 0 {
			t.Errorf("%d writes", n)
		}
	})

	t.Run("a pass that nobody asked for reads nothing but the caches", func(t *testing.T) {
		quiet(t, c)
		writes, reads, before := c.writes.Load(), c.reads.Load(), passes(t, "tenant")
		wakeAll(t, c, "eu-central")
		eventually(t, "a pass", func(context.Context) error {
			if passes(t, "tenant") == before {
				return errors.New("none yet")
			}
			return nil
		})
		quiet(t, c)
		if asked := append(c.writes.since(writes), c.reads.since(reads)...); len(asked) != 0 {
			t.Errorf("it asked the API server for %v", asked)
		}
	})

	t.Run("what is in Git can be applied again, and changes nothing", func(t *testing.T) {
		appliedAgain(t, c, "hotel-berlin/namespace.yaml", "hotel-berlin/tenant.yaml", "hotel-berlin/front-desk.yaml", "hotel-berlin/guest-messages.yaml")
	})

	t.Run("logins rotate: new beside old, then old gone", func(t *testing.T) {
		rotated := tenant()
		rotated.Annotations = map[string]string{v1alpha1.AnnotationRotateCredentials: "now"}
		if err := c.Update(ctx, rotated); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the second version alone", func(ctx context.Context) error {
			if err := c.play(ctx, namespace); err != nil {
				return err
			}
			var secrets corev1.SecretList
			if err := c.List(ctx, &secrets, client.InNamespace(namespace)); err != nil {
				return err
			}
			var logins []string
			for _, s := range secrets.Items {
				if strings.HasPrefix(s.Name, "database-") {
					logins = append(logins, s.Name)
				}
			}
			want := []string{"database-admin-v1", "database-adopt-v2", "database-backup-v2", "database-connector-front-desk-v2", "database-export-v2", "database-replay-v2", "database-retain-v2", "database-serve-v2", "database-subject-v2"}
			if !slices.Equal(logins, want) {
				return fmt.Errorf("there are %v, want %v", logins, want)
			}
			return nil
		})
		settled("settled after the rotation")
		serve := &appsv1.Deployment{}
		if err := c.Get(ctx, key("serve"), serve); err != nil {
			t.Fatal(err)
		}
		if v := serve.Spec.Template.Spec.Volumes[0].Secret.SecretName; v != "database-serve-v2" {
			t.Errorf("serve mounts %s", v)
		}
	})

	t.Run("routes follow the Region, and a stale one goes", func(t *testing.T) {
		routes := func(want ...string) {
			t.Helper()
			eventually(t, "routes", func(ctx context.Context) error {
				var found networkingv1.IngressList
				if err := c.List(ctx, &found, client.InNamespace(namespace)); err != nil {
					return err
				}
				var names []string
				for _, i := range found.Items {
					names = append(names, i.Name)
				}
				if !slices.Equal(names, want) {
					return fmt.Errorf("there are %v, want %v", names, want)
				}
				return nil
			})
		}
		set := func(r *v1alpha1.Routes) {
			t.Helper()
			amend(t, c, aRegion("eu-central"), func(o *v1alpha1.Region) { o.Spec.Routes = r })
		}
		set(&v1alpha1.Routes{Ingress: &v1alpha1.IngressReference{ClassName: "nginx"}})
		routes("connector-front-desk", "serve")
		set(nil)
		routes()
	})
	t.Run("a lost login is replaced by a newer one", func(t *testing.T) {
		if err := c.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "database-serve-v2", Namespace: namespace}}); err != nil {
			t.Fatal(err)
		}
		wake(t, c, tenant())
		eventually(t, "the third version", func(ctx context.Context) error {
			return errors.Join(c.play(ctx, namespace), c.Get(ctx, key("database-serve-v3"), &corev1.Secret{}))
		})
		settled("settled with the third version")
	})
	t.Run("lost keys are not made anew, but asked for", func(t *testing.T) {
		keys := &corev1.Secret{}
		if err := c.Get(ctx, key("keys"), keys); err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(ctx, keys.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		wake(t, c, tenant())
		eventually(t, "told", func(context.Context) error {
			return condition(tenant().Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretMissing)
		})
		create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: keys.Name, Namespace: namespace, Labels: keys.Labels}, Data: keys.Data})
		settled("settled with the keys restored")
	})
	t.Run("a volume's size can't change", func(t *testing.T) {
		larger, size := tenant(), resource.MustParse("77Gi")
		stays := client.MergeFrom(larger.DeepCopy())
		larger.Spec.Plan = &v1alpha1.Plan{Storage: &size}
		if err := c.Patch(ctx, larger, stays); err == nil || !strings.Contains(err.Error(), "plan.storage can't change") {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("a run's result comes into status", func(t *testing.T) { runComesIntoStatus(t, c) })
	t.Run("a policy outside of the Region's bounds is refused, and the rules before it stay", func(t *testing.T) { outOfBounds(t, c) })

	t.Run("deleted with Retain, the data stays and the workloads are let go", func(t *testing.T) {
		if err := c.Delete(ctx, tenant()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the Tenant is gone", func(ctx context.Context) error {
			if err := c.Get(ctx, client.ObjectKey{Name: tenantName}, &v1alpha1.Tenant{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("still there: %w", err)
			}
			return nil
		})
		ns := &corev1.Namespace{}
		if err := c.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil || ns.Labels[v1alpha1.LabelRetained] != "true" || !ns.DeletionTimestamp.IsZero() {
			t.Errorf("the namespace: %v %v", ns.Labels, err)
		}
		for _, kept := range []string{"keys", "database-admin-v1", "staff-bootstrap"} {
			if err := c.Get(ctx, key(kept), &corev1.Secret{}); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "connector and CronJob are gone", func(ctx context.Context) error {
			for name, object := range map[string]client.Object{"connector-front-desk": &appsv1.Deployment{}, "retain-guest-messages": &batchv1.CronJob{}} {
				if err := c.Get(ctx, key(name), object); !apierrors.IsNotFound(err) {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	})
}

// wake has the operator look at a Tenant.
func wake(t *testing.T, c testCluster, tenant *v1alpha1.Tenant) {
	t.Helper()
	before := tenant.DeepCopy()
	if tenant.Annotations == nil {
		tenant.Annotations = map[string]string{}
	}
	tenant.Annotations["example.com/woken"] = time.Now().String()
	if err := c.Patch(t.Context(), tenant, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// wakeAll has the operator look at all Tenants of a Region, as a resync would: nobody changed one of them.
func wakeAll(t *testing.T, c testCluster, region string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/woken":%q}}}`, time.Now())
	if err := c.Patch(t.Context(), &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: region}}, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}

// passes counts those that a reconciler has made.
func passes(t *testing.T, controller string) (n float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "controller" && l.GetValue() == controller {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// quiet waits until the operator has written nothing for two seconds.
func quiet(t *testing.T, c testCluster) {
	t.Helper()
	last, since := c.writes.Load(), time.Now()
	eventually(t, "quiet", func(context.Context) error {
		if n := c.writes.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return errors.New("still writing")
		}
		return nil
	})
}
