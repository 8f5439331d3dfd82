package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// gone waits until an object is not found.
func (c testCluster) gone(t *testing.T, key client.ObjectKey, o client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s is gone", o, key.Name), func(ctx context.Context) error {
		if err := c.Get(ctx, key, o); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %w", err)
		}
		return nil
	})
}

// collect plays the garbage collector after a Tenant has gone.
func (h hotel) collect(t *testing.T) {
	t.Helper()
	for _, list := range []client.ObjectList{
		&appsv1.StatefulSetList{}, &appsv1.DeploymentList{}, &batchv1.JobList{}, &batchv1.CronJobList{}, &corev1.PodList{}, &corev1.ServiceList{},
		&corev1.ConfigMapList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}, &networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{},
	} {
		if err := h.List(t.Context(), list, client.InNamespace(h.namespace), client.MatchingLabels(plan.TenantLabels(h.name))); err != nil {
			t.Fatal(err)
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range objects {
			o, ok := each.(client.Object)
			if !ok {
				t.Fatalf("%T is no object", each)
			}
			if err := h.Delete(t.Context(), o, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
		}
	}
}

// keptAndTakenUp is what Retain promises.
func keptAndTakenUp(t *testing.T, c testCluster) {
	h := c.book(t, "returning", same)
	h.settle(t)
	if owner := get(t, h, "keys", &corev1.Secret{}).OwnerReferences; len(owner) != 0 {
		t.Errorf("the keys go with %v", owner)
	}
	before := map[string]*corev1.Secret{}
	for _, s := range []string{"keys", "database-admin-v1", "database-serve-v1", "staff-bootstrap"} {
		before[s] = get(t, h, s, &corev1.Secret{})
	}
	if err := c.Delete(t.Context(), h.tenant(t)); err != nil {
		t.Fatal(err)
	}
	c.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	h.collect(t)
	ns := &corev1.Namespace{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil || ns.Labels[v1alpha1.LabelRetained] != "true" {
		t.Fatalf("the namespace isn't marked as retained: %v %v", ns.Labels, err)
	}
	create(t, c, aTenant(func(o *v1alpha1.Tenant) { o.Name, o.Spec.Hostname = h.name, h.name+".example" }))
	h.settle(t)
	if err := c.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil || ns.Labels[v1alpha1.LabelRetained] != "" {
		t.Errorf("the namespace is still marked as retained: %v %v", ns.Labels, err)
	}
	for n, old := range before {
		if now := get(t, h, n, &corev1.Secret{}); now.UID != old.UID || now.ResourceVersion != old.ResourceVersion {
			t.Errorf("%s is another one: the database and its guests know the one before", n)
		}
	}
}

// erased is what Erase promises, and that it says what it waits for.
func erased(t *testing.T, c testCluster) {
	h := c.book(t, "leaving", func(s *v1alpha1.TenantSpec) { s.DeletionPolicy = v1alpha1.DeletionErase })
	h.settle(t)
	authority := client.ObjectKey{Namespace: "switchboard-system", Name: "tenant-leaving-ca"}
	if err := c.Get(t.Context(), authority, &corev1.Secret{}); err != nil {
		t.Fatal(err)
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-leaving"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
			ClaimRef:                      &corev1.ObjectReference{Namespace: h.namespace, Name: "data-postgres-0"},
		},
	}
	create(t, c, volume)
	leaving := h.tenant(t)
	hold := aHold("case-9", h.namespace, v1alpha1.HoldMatch{Channel: "desk"})
	create(t, c, hold)
	if err := c.Delete(t.Context(), leaving); err != nil {
		t.Fatal(err)
	}
	terminating := func(reason, part string) {
		t.Helper()
		eventually(t, "it says what it waits for: "+part, func(context.Context) error {
			return says(h.tenant(t).Status.Conditions, v1alpha1.ConditionTerminating, metav1.ConditionTrue, reason, part)
		})
	}
	terminating(v1alpha1.ReasonHeld, "LegalHold case-9 keeps the data")
	if err := c.Delete(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	terminating(v1alpha1.ReasonCounting, "counted by Job count")
	h.finishes(t, get(t, h, "count", &batchv1.Job{}), `{"count":{"counts":[{"category":"Messages","rows":7},{"category":"Contacts","rows":2}]}}`)
	ns := &corev1.Namespace{}
	// The pods that the test played stand for pods that take their time.
	terminating(v1alpha1.ReasonObjectsRemain, "waiting for pods to end: ")
	if err := c.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil || !ns.DeletionTimestamp.IsZero() {
		t.Errorf("the namespace is deleted before its pods have ended: %v", err)
	}
	h.collect(t)
	terminating(v1alpha1.ReasonObjectsRemain, "namespace "+h.namespace+" is being deleted")
	if err := c.Get(t.Context(), client.ObjectKey{Name: h.namespace}, ns); err != nil || ns.DeletionTimestamp.IsZero() {
		t.Errorf("the namespace is not being deleted: %v", err)
	}
	if err := c.Get(t.Context(), authority, &corev1.Secret{}); err != nil {
		t.Error("the authority went before the data:", err)
	}
	// The namespace controller is done.
	ns.Spec.Finalizers = nil
	if err := c.SubResource("finalize").Update(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	terminating(v1alpha1.ReasonVolumesRemain, "kubectl delete pv pv-leaving")
	if err := c.Get(t.Context(), authority, &corev1.Secret{}); err != nil {
		t.Error("the authority went before the volume:", err)
	}
	if err := c.Delete(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(volume), volume); err != nil {
		t.Fatal(err)
	}
	volume.Finalizers = nil // the volume controller is done
	if err := c.Update(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	c.gone(t, client.ObjectKey{Name: h.name}, &v1alpha1.Tenant{})
	c.gone(t, authority, &corev1.Secret{})

	certificate := &v1alpha1.ErasureCertificate{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "leaving-" + string(leaving.UID)[:8]}, certificate); err != nil {
		t.Fatal(err)
	}
	spec := certificate.Spec
	if !spec.Counted || spec.Rows != 9 || len(spec.Counts) != 2 || spec.Region != leaving.Spec.Region || spec.TenantUID != string(leaving.UID) {
		t.Errorf("the certificate says %+v", spec)
	}
	if !slices.Contains(spec.Destroyed, "PersistentVolume pv-leaving") || !slices.Contains(spec.Destroyed, "Namespace "+h.namespace) {
		t.Errorf("destroyed are %v", spec.Destroyed)
	}
	published := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "switchboard-system", Name: "switchboard-signing-keys"}, published); err != nil {
		t.Fatal(err)
	}
	keys, err := signing.PublicKeys(published)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := statement.OpenErasure(t.Context(), []byte(spec.Envelope), keys)
	if err != nil || !signed.Same(plan.ErasureOf(spec)) {
		t.Errorf("what was signed is %+v, %v", signed, err)
	}
	certificate.Spec.Rows = 0
	if err := c.Update(t.Context(), certificate); err == nil || !strings.Contains(err.Error(), "can't be changed") {
		t.Errorf("a certificate can be changed: %v", err)
	}
}

// mended holds stalls to their ends: each goes when somebody does what its message says.
func mended(t *testing.T, c testCluster) {
	long := strings.Repeat("n", 40)
	h := c.book(t, long, func(s *v1alpha1.TenantSpec) { s.Region = "utopia" })
	eventually(t, "the missing Region", func(ctx context.Context) error {
		return says(h.tenant(t).Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonRegionNotFound, `no Region "utopia"`)
	})
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "utopia"}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}}
	create(t, c, region)
	channel := func(what string, status metav1.ConditionStatus, reason, part string) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			if err := h.play(ctx, h.namespace); err != nil {
				return err
			}
			o := &v1alpha1.Channel{}
			if err := c.Get(ctx, h.key("desk"), o); err != nil {
				return err
			}
			return says(o.Status.Conditions, v1alpha1.ConditionAccepted, status, reason, part)
		})
	}
	channel("a sub-processor that nobody registered", metav1.ConditionFalse, v1alpha1.ReasonSubProcessorNotRegistered, "spec.subProcessors")
	if err := c.Get(t.Context(), h.key("connector-desk"), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
		t.Errorf("its connector is there: %v", err)
	}
	amend(t, c, region, func(o *v1alpha1.Region) {
		o.Spec.SubProcessors = []v1alpha1.SubProcessor{{Name: "twilio", Purpose: "delivery", Location: "US"}}
	})
	channel("one outside of the jurisdiction, without a mechanism", metav1.ConditionFalse, v1alpha1.ReasonTransferNotCovered, "have transferMechanism added")
	amend(t, c, region, func(o *v1alpha1.Region) {
		o.Spec.SubProcessors[0].TransferMechanism = "EU-US Data Privacy Framework"
	})
	channel("registered", metav1.ConditionTrue, "", "")
	h.settle(t) // a tenant whose name has 40 characters, too

	t.Run("a channel of WhatsApp has three keys and an address of its own", func(t *testing.T) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "whatsapp", Namespace: h.namespace},
			Data:       map[string][]byte{"accessToken": []byte("x"), "appSecret": []byte("y")},
		}
		create(t, c, secret)
		chat := byWhatsApp(nil)
		chat.Name, chat.Namespace = "chat", h.namespace
		create(t, c, chat)
		eventually(t, "told", func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			return errors.Join(h.play(ctx, h.namespace), c.Get(ctx, h.key("chat"), o),
				says(o.Status.Conditions, v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonKeyMissing, "verifyToken"))
		})
		secret.Data["verifyToken"] = []byte("z")
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		eventually(t, "connected", func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			if err := c.Get(ctx, h.key("chat"), o); err != nil {
				return err
			}
			if !strings.HasSuffix(o.Status.WebhookURL, "/webhooks/chat/whatsapp") {
				return fmt.Errorf("its address is %q", o.Status.WebhookURL)
			}
			return c.Get(ctx, h.key("connector-chat"), &appsv1.Deployment{})
		})
	})
	t.Run("a Secret without its key is told", func(t *testing.T) {
		secret := get(t, h, "twilio", &corev1.Secret{})
		secret.Data = map[string][]byte{"token": []byte("x")}
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		patch := get(t, h, "desk", &v1alpha1.Channel{})
		patch.Spec.Keywords = []v1alpha1.Keywords{{Locale: "de", Stop: []v1alpha1.Keyword{"ABMELDEN"}}}
		if err := c.Update(t.Context(), patch); err != nil {
			t.Fatal(err)
		}
		eventually(t, "told", func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			return errors.Join(c.Get(ctx, h.key("desk"), o),
				says(o.Status.Conditions, v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse, v1alpha1.ReasonKeyMissing, "authToken"))
		})
	})
	t.Run("a schedule that only the operator can read as wrong is told", func(t *testing.T) {
		bad := aPolicy(func(p *v1alpha1.RetentionPolicy) {
			p.Name, p.Namespace, p.Spec.Schedule = "never", h.namespace, "99 3 * * *"
		})
		create(t, c, bad)
		eventually(t, "told", func(ctx context.Context) error {
			o := &v1alpha1.RetentionPolicy{}
			return errors.Join(c.Get(ctx, h.key("never"), o),
				says(o.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSchedule, "five fields"))
		})
		if err := c.Get(t.Context(), h.key("retain-never"), &batchv1.CronJob{}); !apierrors.IsNotFound(err) {
			t.Errorf("its CronJob is there: %v", err)
		}
	})
}
