package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RegionNetwork bounds who reaches a region's tenants, and what they may never reach.
type RegionNetwork struct {
	// clientCIDRs are networks that requests to a tenant's API and webhooks may come from, beside pods of namespaces that are
	// no tenant's: of proxies on the nodes' own network, or of a load balancer that speaks to pods. Default: none.
	// Example: ["10.0.8.0/24"].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	ClientCIDRs []CIDR `json:"clientCIDRs,omitempty"`

	// forbiddenTargets are addresses that no pod of a tenant may reach, such as a cloud's metadata. They are cut out of every
	// egress, and tried by a probe, which tells in the condition NetworkIsolated whether one answered. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ForbiddenTargets []ForbiddenTarget `json:"forbiddenTargets,omitempty"`
}

// NetworkProbe is what the newest probe of a tenant's network told.
type NetworkProbe struct {
	// probedAt is when it ended, in UTC.
	// +required
	ProbedAt metav1.Time `json:"probedAt"`
	// node that it ran on: what it saw holds there.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`
	// tried counts what should not have answered.
	// +required
	Tried int32 `json:"tried"`
	// neighbours counts the other tenants among that.
	// +required
	Neighbours int32 `json:"neighbours"`
	// reached is what answered although it should not have.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=80
	Reached []string `json:"reached,omitempty"`
	// missed is what did not answer although it should have, or could not be tried: where there is any, the probe says nothing.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=80
	Missed []string `json:"missed,omitempty"`
	// digest of what was tried, and under which policies.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Digest string `json:"digest"`
	// renews is when the probe of the same ended that it repeats.
	// +optional
	Renews *metav1.Time `json:"renews,omitempty"`
}

// ForbiddenTarget is an address and port that no pod of a tenant may reach.
type ForbiddenTarget struct {
	// name by which status calls it. Example: metadata.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="use lower-case letters, digits and hyphens, as in metadata"
	Name string `json:"name"`
	// address of it, that of one other host. Example: 169.254.169.254.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule="isIP(self) && (ip(self).isGlobalUnicast() || ip(self).isLinkLocalUnicast())",message="use an IP address of another host, such as 169.254.169.254"
	Address string `json:"address"`
	// port by TCP. The whole address is cut out of every egress; this is what the probe tries. Default: 80.
	// +optional
	Port *Port `json:"port,omitempty"`
}
