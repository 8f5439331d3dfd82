package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func runComesIntoStatus(t *testing.T, c testCluster) {
	ctx, key := t.Context(), client.ObjectKey{Namespace: namespace, Name: "retain-guest-messages"}
	cron := &batchv1.CronJob{}
	if err := c.Get(ctx, key, cron); err != nil {
		t.Fatal(err)
	}
	yes := true
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "retain-guest-messages-1", Namespace: namespace, Labels: cron.Spec.JobTemplate.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron.Name, UID: cron.UID, Controller: &yes}},
		},
		Spec: *cron.Spec.JobTemplate.Spec.DeepCopy(),
	}
	create(t, c, job)
	digest := hash("run 7")
	result := `{"retention":{"sequence":7,"policy":"guest-messages","generation":1,"policyDigest":"` + hash("rules") + `","startedAt":"2026-11-23T00:00:00Z",` +
		`"finishedAt":"2026-11-23T00:00:01Z","categories":[{"category":"Messages","cutoff":"2026-08-25T00:00:00Z","deleted":3,"heldBack":0,"overdue":0},` +
		`{"category":"MessageMetadata","cutoff":"2025-11-23T00:00:00Z","deleted":2,"heldBack":0,"overdue":null}],"previousDigest":"` + hash("run 6") + `","digest":"` + digest + `"}}`
	if err := c.finish(ctx, job, result); err != nil {
		t.Fatal(err)
	}
	// Whoever may make Jobs in the namespace can put the same labels on theirs.
	forged := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "forged", Namespace: namespace, Labels: cron.Spec.JobTemplate.Labels},
		Spec:       *cron.Spec.JobTemplate.Spec.DeepCopy(),
	}
	create(t, c, forged)
	if err := c.finish(ctx, forged, strings.Replace(result, `"sequence":7`, `"sequence":99`, 1)); err != nil {
		t.Fatal(err)
	}
	quiet(t, c)
	policy := &v1alpha1.RetentionPolicy{}
	eventually(t, "the run in status", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "guest-messages"}, policy); err != nil {
			return err
		}
		if policy.Status.Sequence != 7 || len(policy.Status.Runs) != 1 || policy.Status.Runs[0].Digest != digest || policy.Status.LastRun.Deleted != 5 {
			return fmt.Errorf("status is %+v", policy.Status)
		}
		// What could not be counted in one category is not none in sum.
		if policy.Status.LastRun.Overdue != nil {
			return errors.New("what was not counted reads as counted")
		}
		return condition(policy.Status.Conditions, v1alpha1.ConditionEnforced, metav1.ConditionFalse, v1alpha1.ReasonNotChecked)
	})
}

func outOfBounds(t *testing.T, c testCluster) {
	ctx := t.Context()
	cron, policy := &batchv1.CronJob{}, &v1alpha1.RetentionPolicy{}
	for name, object := range map[string]client.Object{"retain-guest-contacts": cron, "guest-contacts": policy} {
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			t.Fatal(err)
		}
	}
	before := cron.ResourceVersion
	amend(t, c, policy, func(o *v1alpha1.RetentionPolicy) { o.Spec.Rules[0].RetainDays = 36500 })
	eventually(t, "the refusal", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
			return err
		}
		return condition(policy.Status.Conditions, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonOutOfBounds)
	})
	quiet(t, c)
	if err := c.Get(ctx, client.ObjectKeyFromObject(cron), cron); err != nil || cron.ResourceVersion != before {
		t.Errorf("the CronJob of the rules before was touched: %v", err)
	}
}

// whoMayHaveANamespace holds adoption to the label's consent.
func whoMayHaveANamespace(t *testing.T, c testCluster) {
	ctx := t.Context()
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "somebodys"}})
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other", Labels: map[string]string{v1alpha1.LabelTenant: "another"}}})
	for name, spec := range map[string]v1alpha1.TenantSpec{
		"unlabelled": {Region: "eu-central", Hostname: "a.example", Namespace: "somebodys"},
		"taken":      {Region: "eu-central", Hostname: "b.example", Namespace: "other"},
		"nowhere":    {Region: "atlantis", Hostname: "c.example"},
	} {
		create(t, c, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
	}
	stalled := func(name, reason, say string) {
		t.Helper()
		eventually(t, name, func(ctx context.Context) error {
			tenant := &v1alpha1.Tenant{}
			if err := c.Get(ctx, client.ObjectKey{Name: name}, tenant); err != nil {
				return err
			}
			if err := condition(tenant.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason); err != nil {
				return err
			}
			if m := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(m, say) {
				return fmt.Errorf("the message doesn't say %q: %s", say, m)
			}
			return nil
		})
	}
	stalled("unlabelled", v1alpha1.ReasonNamespaceNotAdoptable, "kubectl label namespace somebodys "+v1alpha1.LabelTenant+"=unlabelled")
	stalled("taken", v1alpha1.ReasonNamespaceOfOtherTenant, "belongs to tenant another")
	stalled("nowhere", v1alpha1.ReasonRegionNotFound, `no Region "atlantis"`)
	var policies networkingv1.NetworkPolicyList
	for _, foreign := range []string{"somebodys", "other"} {
		if err := c.List(ctx, &policies, client.InNamespace(foreign)); err != nil || len(policies.Items) != 0 {
			t.Errorf("something was made in a namespace that is not the tenant's: %v %v", policies.Items, err)
		}
	}

	ns := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: "somebodys"}, ns); err != nil {
		t.Fatal(err)
	}
	ns.Labels[v1alpha1.LabelTenant] = "unlabelled"
	if err := c.Update(ctx, ns); err != nil {
		t.Fatal(err)
	}
	eventually(t, "adopted once it bears the label", func(ctx context.Context) error {
		tenant := &v1alpha1.Tenant{}
		if err := c.Get(ctx, client.ObjectKey{Name: "unlabelled"}, tenant); err != nil {
			return err
		}
		return condition(tenant.Status.Conditions, v1alpha1.ConditionIsolated, metav1.ConditionTrue, "")
	})
}
