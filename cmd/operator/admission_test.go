package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// TestAdmission holds config/admission to what a real API server makes of it.
func TestAdmission(t *testing.T) {
	config := startServer(t)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents(t, "../../config/admission/retention_bounds.yaml") {
		create(t, c, decode(t, c, document))
	}
	ten, hundred := int32(10), int32(100)
	for _, name := range []string{"bounded", "free"} {
		region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RegionSpec{Jurisdiction: "EU"}}
		if name == "bounded" {
			region.Spec.RetentionBounds = []v1alpha1.RetentionBound{
				{Category: v1alpha1.CategoryMessages, MinDays: &ten, MaxDays: &hundred}, {Category: v1alpha1.CategoryContacts, MaxDays: &hundred},
			}
		}
		create(t, c, region)
		create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-" + name, Labels: map[string]string{v1alpha1.LabelRegion: name}}})
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-new"}}) // the operator has not come to it

	policy := func(namespace string, rules ...v1alpha1.RetentionRule) *v1alpha1.RetentionPolicy {
		return &v1alpha1.RetentionPolicy{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "p-", Namespace: namespace},
			Spec:       v1alpha1.RetentionPolicySpec{Schedule: "@daily", Rules: rules},
		}
	}
	rule := func(category v1alpha1.Category, days int32) v1alpha1.RetentionRule {
		return v1alpha1.RetentionRule{Category: category, RetainDays: days}
	}
	eventually(t, "the policy counts", func(ctx context.Context) error {
		if c.Create(ctx, policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 101)), client.DryRunAll) == nil {
			return errors.New("nothing is refused yet")
		}
		return nil
	})
	for sentence, x := range map[string]struct {
		policy *v1alpha1.RetentionPolicy
		says   string // empty when it is let in
	}{
		"at the longest":             {policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 100)), ""},
		"at the shortest":            {policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 10)), ""},
		"too long":                   {policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 101)), "Messages can't be kept for 101 days: region bounded allows 100 at most; lower retainDays"},
		"too short":                  {policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 9)), "Messages can't be deleted after 9 days: region bounded demands 10 at least; raise retainDays"},
		"the second rule":            {policy("tenant-bounded", rule(v1alpha1.CategoryMessages, 50), rule(v1alpha1.CategoryContacts, 3650)), "Contacts can't be kept for 3650 days"},
		"a bound at one end alone":   {policy("tenant-bounded", rule(v1alpha1.CategoryContacts, 1)), ""},
		"a category without bounds":  {policy("tenant-bounded", rule(v1alpha1.CategoryAccessLogs, 3650)), ""},
		"a region without bounds":    {policy("tenant-free", rule(v1alpha1.CategoryMessages, 3650)), ""},
		"a region that is not known": {policy("tenant-new", rule(v1alpha1.CategoryMessages, 3650)), ""},
	} {
		err := c.Create(t.Context(), x.policy, client.DryRunAll)
		if x.says == "" && err != nil || x.says != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), x.says)) {
			t.Errorf("%s: %v, want %q", sentence, err, x.says)
		}
	}

	t.Run("a policy that was there before its bounds stays, and can't move further", func(t *testing.T) {
		old := policy("tenant-new", rule(v1alpha1.CategoryMessages, 3650))
		create(t, c, old)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-new"}}
		if err := c.Patch(t.Context(), ns, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"messaging.switchboard.dev/region":"bounded"}}}`))); err != nil {
			t.Fatal(err)
		}
		old.Labels = map[string]string{"seen": "yes"}
		if err := c.Update(t.Context(), old); err != nil {
			t.Errorf("it can't be labelled: %v", err)
		}
		old.Spec.Rules[0].RetainDays = 3649
		eventually(t, "the namespace's label counts", func(ctx context.Context) error {
			if err := c.Update(ctx, old.DeepCopy(), client.DryRunAll); !apierrors.IsInvalid(err) {
				return errors.New("a change was let in")
			}
			return nil
		})
		if err := c.Delete(t.Context(), old); err != nil {
			t.Errorf("it can't be deleted: %v", err)
		}
	})
}
