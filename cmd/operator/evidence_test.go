package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// countersigned follows a run's receipt into the ledger and into status, and then a
// forged one that gets into neither.
func countersigned(t *testing.T, c testCluster, h hotel, policy func(*testing.T, string, func(*v1alpha1.RetentionPolicy) error)) {
	shown := &v1alpha1.Evidence{}
	policy(t, "evidence", func(p *v1alpha1.RetentionPolicy) error {
		if p.Status.Evidence == nil || p.Status.Evidence.Sequence != 1 || p.Status.Evidence.Digest != hash("run 1") {
			return fmt.Errorf("evidence is %+v", p.Status.Evidence)
		}
		shown = p.Status.Evidence
		return nil
	})
	eventually(t, "the tenant's evidence", func(context.Context) error {
		if got := h.tenant(t).Status.Evidence; !reflect.DeepEqual(got, shown) {
			return fmt.Errorf("the tenant shows %+v, the policy %+v", got, shown)
		}
		return nil
	})
	book, published := &corev1.ConfigMap{}, &corev1.ConfigMap{}
	for name, object := range map[string]*corev1.ConfigMap{shown.Ledger: book, "switchboard-signing-keys": published} {
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "switchboard-system", Name: name}, object); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := signing.PublicKeys(published)
	if err != nil {
		t.Fatal(err)
	}
	r, id, err := statement.OpenReceipt(t.Context(), []byte(book.Data["000000000001"]), keys)
	if err != nil || id != shown.KeyID || r.Tenant != h.name || r.TenantUID != string(h.tenant(t).UID) || r.Digest != shown.Digest || !r.SignedAt.Equal(shown.SignedAt.Time) {
		t.Errorf("the ledger says %+v by %s, %v", r, id, err)
	}

	// The rules are those that the run's Job was given: their digest can be checked without the cluster.
	if len(r.Rules) == 0 || contract.Digest(r.Rules) != r.PolicyDigest {
		t.Errorf("the rules %v are not those of %s", r.Rules, r.PolicyDigest)
	}

	nextSecond(t)
	job := h.run(t, "retain-guests-forged")
	forged := strings.ReplaceAll(receipt("guests", 1, time.Now()), hash("run 1"), hash("forged"))
	if err := c.finish(t.Context(), job, forged); err != nil {
		t.Fatal(err)
	}
	policy(t, "told", func(p *v1alpha1.RetentionPolicy) error {
		if len(p.Status.Runs) != 1 || p.Status.Runs[0].Digest != hash("run 1") || !reflect.DeepEqual(p.Status.Evidence, shown) {
			return fmt.Errorf("status is %+v", p.Status)
		}
		return errors.Join(
			says(p.Status.Conditions, v1alpha1.ConditionEnforced, metav1.ConditionFalse, v1alpha1.ReasonEvidenceBroken, "another receipt 1 was countersigned"),
			says(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonEvidenceBroken, "kubectl switchboard audit verify "+h.name),
		)
	})
	quiet(t, c)
	if err := c.Delete(t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	policy(t, "mended", func(p *v1alpha1.RetentionPolicy) error {
		return says(p.Status.Conditions, v1alpha1.ConditionEnforced, metav1.ConditionTrue, "", "run 1")
	})
	after := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(book), after); err != nil || after.ResourceVersion != book.ResourceVersion {
		t.Errorf("the ledger was touched: %v", err)
	}
}
