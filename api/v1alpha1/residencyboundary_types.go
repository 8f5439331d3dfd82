package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResidencyBoundary is what admission policies hold a tenant's namespace to: where its pods may run, its volumes be
// stored, and its routes lead. The operator keeps one, named residency, in each tenant's namespace, from the Tenant and
// its Region; nobody else can write it. It stays as long as the namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=residencyboundaries,shortName=boundary
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.storageClassName`
// +kubebuilder:printcolumn:name="Hostname",type=string,JSONPath=`.spec.hostname`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ResidencyBoundary struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is let in.
	// +required
	Spec ResidencyBoundarySpec `json:"spec"`
}

// ResidencyBoundaryList is a list of ResidencyBoundaries.
//
// +kubebuilder:object:root=true
type ResidencyBoundaryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResidencyBoundary `json:"items"`
}

// ResidencyBoundarySpec is what is let into a tenant's namespace.
type ResidencyBoundarySpec struct {
	// region is the name of the tenant's Region.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Region string `json:"region"`
	// jurisdiction that the data is under.
	// +required
	// +kubebuilder:validation:MaxLength=6
	Jurisdiction string `json:"jurisdiction"`
	// nodeSelector is what every pod must demand of its node.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	NodeSelector map[string]LabelValue `json:"nodeSelector"`
	// tolerations that pods may have besides those of Kubernetes' own node conditions.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// storageClassName that volumes must be of: the Region's, else the cluster's default. Empty when there is neither.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName string `json:"storageClassName,omitempty"`
	// volumeSnapshotClassName that snapshots must be of. Empty: there can be none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`
	// database is the StatefulSet of the tenant's database. Default: postgres. One that was moved here has another name.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database,omitempty"`
	// move is what else is let in while the tenant is moved to another Region: the copy of its database there.
	// +optional
	Move *BoundaryMove `json:"move,omitempty"`
	// hostname that routes must be of.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=253
	Hostname string `json:"hostname"`
	// gateway that HTTPRoutes must name. Default: any.
	// +optional
	Gateway *GatewayReference `json:"gateway,omitempty"`
	// ingressClassName that Ingresses must be of. Default: any.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	IngressClassName string `json:"ingressClassName,omitempty"`
}

// BoundaryMove is what is let into another Region while a tenant is moved there: the operator's StatefulSet and claim of that name,
// and the Job that fills it.
type BoundaryMove struct {
	// region is the name of the Region that the tenant moves to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Region string `json:"region"`
	// nodeSelector is what its pods must demand of their node.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	NodeSelector map[string]LabelValue `json:"nodeSelector"`
	// tolerations that its pods may have besides those of Kubernetes' own node conditions.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// storageClassName that its volume must be of.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName string `json:"storageClassName,omitempty"`
	// database is the name of the StatefulSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database"`
}
