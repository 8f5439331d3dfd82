package plan

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// defaultVerifiedClaim is the claim of an address that was verified (OpenID Connect Core 1.0, section 5.1).
const defaultVerifiedClaim = "email_verified"

// StaffOIDC gives the sub-processor that runs the provider which staff sign in by, when the region allows it, with an egress to the
// issuer's port alone.
func StaffOIDC(region *v1alpha1.Region, o *v1alpha1.StaffOIDC) (v1alpha1.SubProcessor, *Refusal) {
	return reached(region, o.SubProcessor, "issuer", o.Issuer)
}

// staffOIDC is the provider as the server knows it. One that the region does not allow is told without networks, so that it reaches
// nothing, and that no password is taken in its place still holds.
func (in Tenant) staffOIDC(o *v1alpha1.StaffOIDC) contract.StaffOIDC {
	c := contract.StaffOIDC{
		Name: o.Name, Issuer: o.Issuer, ClientID: o.ClientID, CIDRs: []string{}, VerifiedClaim: cmp.Or(o.EmailVerifiedClaim, defaultVerifiedClaim),
		Required: o.Required, CABundle: o.CABundle,
	}
	for _, domain := range o.EmailDomains {
		c.EmailDomains = append(c.EmailDomains, string(domain))
	}
	if p, refusal := StaffOIDC(in.Region, o); refusal == nil && !in.EgressClosed() {
		c.CIDRs, c.Except = in.networks(*p.Egress)
	}
	return c
}

// signingIn gives the server's pod the provider that staff sign in by, if there is one. The Secret may be missing: passwords are taken
// without it, unless the provider is required.
func (in Tenant) signingIn(pod corev1.PodSpec) corev1.PodSpec {
	o := in.Tenant.Spec.StaffOIDC
	if o == nil {
		return pod
	}
	yes := true
	secret := secretVolume("staff-oidc", o.ClientSecretRef.Name)
	secret.Secret.Optional = &yes
	secret.Secret.Items = []corev1.KeyToPath{{Key: contract.FileClientSecret, Path: contract.FileClientSecret}}
	pod.Volumes = append(pod.Volumes, secret)
	c := &pod.Containers[0]
	c.Env = append(c.Env, corev1.EnvVar{Name: contract.EnvStaffOIDC, Value: mustJSON(in.staffOIDC(o))})
	c.VolumeMounts = append(c.VolumeMounts, mount("staff-oidc", contract.DirStaffOIDC))
	return pod
}

// staffOIDCPolicy lets the server out to the provider that staff sign in by; nil while it may not be reached.
func staffOIDCPolicy(in Tenant) *networkingv1.NetworkPolicy {
	o := in.Tenant.Spec.StaffOIDC
	if o == nil || in.EgressClosed() {
		return nil
	}
	p, refusal := StaffOIDC(in.Region, o)
	if refusal != nil {
		return nil
	}
	return in.networkPolicy("staff-oidc", in.selector(componentServe), nil, in.to(*p.Egress), in.Tenant, "Tenant")
}

// StaffOIDCSecret refuses a Secret by which the provider can't know the tenant; nil for one that is as it should be. data is that of the
// Secret, found whether it is there.
func StaffOIDCSecret(in Tenant, data map[string][]byte, found bool) *Refusal {
	name := in.Tenant.Spec.StaffOIDC.ClientSecretRef.Name
	create := fmt.Sprintf("create it with kubectl -n %s create secret generic %s --from-file=%s=FILE, where FILE has what the provider gave, and nothing else",
		in.Namespace(), name, contract.FileClientSecret)
	switch secret := data[contract.FileClientSecret]; {
	case !found:
		return &Refusal{v1alpha1.ReasonSecretMissing, fmt.Sprintf("there is no Secret %s: %s", name, create)}
	case len(secret) == 0 || len(secret) > contract.MaxClientSecret:
		return &Refusal{v1alpha1.ReasonKeyMissing, fmt.Sprintf("Secret %s has no key %s of 1 to %d bytes: delete it, and %s", name, contract.FileClientSecret, contract.MaxClientSecret, create)}
	}
	return nil
}
