package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// aProvider is one that who the sample Region's register has runs, changed.
func aProvider(change func(*v1alpha1.StaffOIDC)) *v1alpha1.StaffOIDC {
	o := &v1alpha1.StaffOIDC{
		Name: "Directory", Issuer: "https://login.example/realms/staff", ClientID: "switchboard", ClientSecretRef: v1alpha1.SecretReference{Name: "staff-oidc"},
		SubProcessor: "twilio", EmailDomains: []v1alpha1.EmailDomain{"hotel.example"},
	}
	change(o)
	return o
}

func withProvider(change func(*v1alpha1.StaffOIDC)) *v1alpha1.Tenant {
	return aTenant(func(o *v1alpha1.Tenant) { o.Spec.StaffOIDC = aProvider(change) })
}

// staffSignsIn follows a tenant whose staff sign in by a provider: it is not reached before the register has it, and passwords do not
// take the place of a required one.
func staffSignsIn(t *testing.T, c testCluster) {
	h := c.book(t, "staff-oidc", func(s *v1alpha1.TenantSpec) {
		s.StaffOIDC = aProvider(func(o *v1alpha1.StaffOIDC) { o.SubProcessor, o.Required = "nobody", true })
	})
	becomes := func(status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		eventually(t, "StaffOIDCReady "+reason, func(ctx context.Context) error {
			return errors.Join(h.play(ctx, h.namespace), says(h.tenant(t).Status.Conditions, v1alpha1.ConditionStaffOIDCReady, status, reason, message))
		})
	}
	change := func(change func(*v1alpha1.TenantSpec)) {
		t.Helper()
		o := h.tenant(t)
		before := client.MergeFrom(o.DeepCopy())
		change(&o.Spec)
		if err := h.Patch(t.Context(), o, before); err != nil {
			t.Fatal(err)
		}
	}
	// told is the provider as the server's pods know it.
	told := func(want func(contract.StaffOIDC) bool) {
		t.Helper()
		eventually(t, "what the server is told", func(ctx context.Context) error {
			o := &appsv1.Deployment{}
			if err := errors.Join(h.play(ctx, h.namespace), h.Get(ctx, h.key("serve"), o)); err != nil {
				return err
			}
			for _, e := range o.Spec.Template.Spec.Containers[0].Env {
				var is contract.StaffOIDC
				if e.Name == contract.EnvStaffOIDC {
					if err := json.Unmarshal([]byte(e.Value), &is); err != nil || !want(is) {
						return fmt.Errorf("it is %s (%w)", e.Value, err)
					}
					return nil
				}
			}
			return errors.New("it is told nothing")
		})
	}
	closed := func() {
		t.Helper()
		if err := h.Get(t.Context(), h.key("staff-oidc"), &networkingv1.NetworkPolicy{}); !apierrors.IsNotFound(err) {
			t.Errorf("there is a way out (%v)", err)
		}
	}
	becomes(metav1.ConditionFalse, v1alpha1.ReasonSubProcessorNotRegistered, "nobody signs in")
	told(func(is contract.StaffOIDC) bool { return is.Required && len(is.CIDRs) == 0 })
	closed()
	change(func(s *v1alpha1.TenantSpec) {
		s.StaffOIDC.SubProcessor, s.StaffOIDC.Issuer, s.StaffOIDC.Required = "twilio", "https://login.example:8443/", false
	})
	becomes(metav1.ConditionFalse, v1alpha1.ReasonOutOfBounds, "issuer leads to port 8443")
	closed()
	change(func(s *v1alpha1.TenantSpec) { s.StaffOIDC.Issuer = "https://login.example/" })
	becomes(metav1.ConditionFalse, v1alpha1.ReasonSecretMissing, "create secret generic staff-oidc --from-file=clientSecret=FILE")
	create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "staff-oidc", Namespace: h.namespace}, StringData: map[string]string{contract.FileClientSecret: "known to both"}})
	becomes(metav1.ConditionTrue, v1alpha1.ReasonReady, "sign in by Directory")
	told(func(is contract.StaffOIDC) bool {
		return !is.Required && len(is.CIDRs) > 0 && is.VerifiedClaim == "email_verified"
	})
	rules := get(t, h, "staff-oidc", &networkingv1.NetworkPolicy{}).Spec
	if len(rules.Egress) != 1 || len(rules.Egress[0].Ports) != 1 || rules.Egress[0].Ports[0].Port.IntVal != 443 || len(rules.Ingress) != 0 ||
		!strings.Contains(fmt.Sprint(rules.PodSelector.MatchLabels), "component:serve") {
		t.Errorf("the way out is %+v", rules)
	}
	eventually(t, "the sub-processor", func(ctx context.Context) error {
		if seen := h.tenant(t).Status.Residency; seen != nil {
			for _, p := range seen.SubProcessors {
				if p.Channel == v1alpha1.StaffOIDCFlow && p.Name == "twilio" && p.Location == "US" && p.Allowed {
					return nil
				}
			}
		}
		return errors.Join(h.play(ctx, h.namespace), errors.New("it was not seen"))
	})
	change(func(s *v1alpha1.TenantSpec) { s.StaffOIDC = nil })
	eventually(t, "nothing of it", func(ctx context.Context) error {
		for _, condition := range h.tenant(t).Status.Conditions {
			if condition.Type == v1alpha1.ConditionStaffOIDCReady {
				return errors.Join(h.play(ctx, h.namespace), errors.New("the condition is there"))
			}
		}
		return nil
	})
	closed()
}
