package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Residency is where things were seen, read from nodes and volumes and not from any spec.
type Residency struct {
	// nodes that run pods of the tenant.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Nodes []ObservedNode `json:"nodes,omitempty"`
	// volumes bound to the tenant's claims.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Volumes []ObservedVolume `json:"volumes,omitempty"`
	// subProcessors of the tenant's channels.
	// +optional
	// +listType=map
	// +listMapKey=channel
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	SubProcessors []ObservedSubProcessor `json:"subProcessors,omitempty"`
	// database that a provider runs: where it says that it is. Not there for a database whose volume is seen.
	// +optional
	Database *ObservedDatabase `json:"database,omitempty"`
	// violations that there are now.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Violations []ResidencyViolation `json:"violations,omitempty"`
	// egressClosed: nothing is sent until the violations are mended.
	// +optional
	EgressClosed bool `json:"egressClosed,omitempty"`
	// planned is a change of the Region that this tenant is not held to yet.
	// +optional
	Planned *PlannedChange `json:"planned,omitempty"`
}

// ResidencyViolation is something of a tenant that is outside of its region.
type ResidencyViolation struct {
	// kind: Node or Volume.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Kind string `json:"kind"`
	// name of the node or volume.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// since when it was seen so, in UTC.
	// +required
	Since metav1.Time `json:"since"`
}

// PlannedChange is a change of a Region that would leave something of a tenant outside.
type PlannedChange struct {
	// digest that approves it, as annotation messaging.switchboard.dev/approve-change of the Region.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Digest string `json:"digest"`
	// outside is what would be: nodes with pods of the tenant, volumes, channels.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=300
	Outside []string `json:"outside"`
}

// WebhookPrefix is what the name of a webhook follows where a channel is expected: no channel has a slash in its name.
const WebhookPrefix = "webhook/"

// StaffOIDCFlow stands where a channel is expected for the provider that staff sign in by.
const StaffOIDCFlow = "staff/oidc"

// ObservedSubProcessor is who carries the messages of a channel.
type ObservedSubProcessor struct {
	// channel that names it; webhook/NAME for a webhook of the Tenant, staff/oidc for the provider that its staff sign in by.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Channel string `json:"channel"`
	// name of the sub-processor.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// location where it processes data, by the Region's register; empty when it is not in there.
	// +optional
	// +kubebuilder:validation:MaxLength=6
	Location string `json:"location,omitempty"`
	// transferMechanism under which data leaves the jurisdiction.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// allowed: it is in the register, and within the jurisdiction or under a mechanism. Otherwise the channel is stopped.
	// +required
	Allowed bool `json:"allowed"`
	// firstSeen is when the channel was first seen to name it, in UTC.
	// +optional
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
	// lastSeen is when the channel had gone, in UTC; not there as long as it is.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
}

// ObservedDatabase is a database of which only its provider knows where it is.
type ObservedDatabase struct {
	// provider who runs it, by the Region.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Provider string `json:"provider"`
	// location as the provider claims it, by the Region: nobody has seen it.
	// +required
	// +kubebuilder:validation:MaxLength=6
	Location string `json:"location"`
	// transferMechanism under which data leaves the jurisdiction.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// claimed: always true, so that nobody takes it for seen.
	// +required
	Claimed bool `json:"claimed"`
	// allowed: the location is within the jurisdiction, or under a mechanism. Otherwise nothing is set up, and channels are stopped.
	// +required
	Allowed bool `json:"allowed"`
	// firstSeen is when the Region was first seen to say so, in UTC.
	// +optional
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
}

// ObservedNode is a node that runs a pod of the tenant.
type ObservedNode struct {
	// name of the node.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// region is the node's label topology.kubernetes.io/region.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`
	// zone is the node's label topology.kubernetes.io/zone.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`
	// inRegion: the node bears the labels that the Region asks for.
	// +required
	InRegion bool `json:"inRegion"`
	// moving: it is outside because the tenant is being moved, and runs nothing else of it.
	// +optional
	Moving bool `json:"moving,omitempty"`
	// missing: there is no such node any more.
	// +optional
	Missing bool `json:"missing,omitempty"`
	// firstSeen is when a pod of the tenant was first seen there, in UTC.
	// +optional
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
	// lastSeen is when none was any more, in UTC; not there as long as one is.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
}

// ObservedVolume is a volume of the tenant.
type ObservedVolume struct {
	// name of the PersistentVolume.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// claim that it is bound to.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Claim string `json:"claim"`
	// region that the volume's own node affinity names, or the nodes it is tied to; empty when it names none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`
	// inRegion: every node that the volume can be reached from is in the region.
	// +required
	InRegion bool `json:"inRegion"`
	// moving: it is outside because the tenant is being moved.
	// +optional
	Moving bool `json:"moving,omitempty"`
	// firstSeen is when the volume was first seen so bound, in UTC.
	// +optional
	FirstSeen *metav1.Time `json:"firstSeen,omitempty"`
	// lastSeen is when it had gone, in UTC; not there as long as it is.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
}
