package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ErasureCertificate stays when a Tenant was deleted with deletionPolicy Erase: it says what was deleted, and
// what could not be checked. The operator writes it once; it can't be changed.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=erasure,path=erasurecertificates
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Erased",type=date,JSONPath=`.spec.erasedAt`
// +kubebuilder:printcolumn:name="Unchecked",type=integer,JSONPath=`.spec.uncheckedCount`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ErasureCertificate struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was erased.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a certificate can't be changed"
	Spec ErasureCertificateSpec `json:"spec"`
}

// ErasureCertificateList is a list of ErasureCertificates.
//
// +kubebuilder:object:root=true
type ErasureCertificateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ErasureCertificate `json:"items"`
}

// ErasureCertificateSpec is what was erased.
type ErasureCertificateSpec struct {
	// tenant is the Tenant's name.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Tenant string `json:"tenant"`
	// tenantUID is the uid that the Tenant had.
	// +required
	// +kubebuilder:validation:MaxLength=36
	TenantUID string `json:"tenantUID"`
	// region that its data was in.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Region string `json:"region"`
	// namespace that was deleted.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// requestedAt is when the Tenant was deleted, in UTC.
	// +required
	RequestedAt metav1.Time `json:"requestedAt"`
	// erasedAt is when the last of it was gone, in UTC.
	// +required
	ErasedAt metav1.Time `json:"erasedAt"`
	// erased counts what was deleted, by kind: Namespaces, Volumes, Secrets and so on.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=32
	Erased []ErasedCount `json:"erased,omitempty"`
	// volumes that held data, and that are gone.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Volumes []VolumeName `json:"volumes,omitempty"`
	// unchecked lists, in sentences, what could not be checked.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Unchecked []Sentence `json:"unchecked,omitempty"`
	// uncheckedCount is the length of unchecked.
	// +required
	UncheckedCount int32 `json:"uncheckedCount"`
	// lastReceipt is the newest receipt of the tenant's chain that was countersigned.
	// +optional
	LastReceipt *Evidence `json:"lastReceipt,omitempty"`
	// envelope is the operator's signature over all of the above: a DSSE envelope, as JSON, around an in-toto statement.
	// +required
	// +kubebuilder:validation:MaxLength=65536
	Envelope string `json:"envelope"`
}

// ErasedCount counts things of one kind.
type ErasedCount struct {
	// kind of thing. Example: Secrets.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// count of them.
	// +required
	Count int64 `json:"count"`
}

// VolumeName is the name of a PersistentVolume.
//
// +kubebuilder:validation:MaxLength=253
type VolumeName string

// Sentence is a sentence for people.
//
// +kubebuilder:validation:MaxLength=512
type Sentence string
