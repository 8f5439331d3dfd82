package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ErasureCertificate says what was there of a tenant when it was erased, and what became of it. The operator leaves it behind
// when a Tenant with deletionPolicy Erase has gone, or has moved to another Region; it can't be changed, and bears the operator's signature.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=erasure
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Erased",type=string,JSONPath=`.spec.finishedAt`
// +kubebuilder:printcolumn:name="Rows",type=integer,JSONPath=`.spec.rows`
// +kubebuilder:printcolumn:name="Counted",type=boolean,JSONPath=`.spec.counted`
type ErasureCertificate struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was erased.
	// +required
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
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a certificate can't be changed"
type ErasureCertificateSpec struct {
	// tenant is the name of the Tenant.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Tenant string `json:"tenant"`
	// tenantUID is its uid: a later Tenant of the same name is another one.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TenantUID string `json:"tenantUID"`
	// region that its data lived in.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Region string `json:"region"`
	// requestedAt is when the Tenant was deleted, or switched to another Region, in UTC.
	// +required
	RequestedAt metav1.Time `json:"requestedAt"`
	// finishedAt is when the last of it had gone, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
	// counted: the database was counted before it went. False: see unchecked.
	// +required
	Counted bool `json:"counted"`
	// rows in sum, 0 when they were not counted.
	// +required
	Rows int64 `json:"rows"`
	// counts of rows by category when they were erased.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	Counts []CategoryCount `json:"counts,omitempty"`
	// destroyed are the objects that the operator saw go, as KIND NAME.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=320
	Destroyed []string `json:"destroyed,omitempty"`
	// unchecked is what the operator can't know, and why.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	Unchecked []string `json:"unchecked,omitempty"`
	// evidence is the newest receipt of the tenant, which the ledger keeps.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
	// moved says where the tenant lives by now, when what was erased is what it left behind.
	// +optional
	Moved *Moved `json:"moved,omitempty"`
	// export is the file that the tenant was taken out as before.
	// +optional
	Export *Exported `json:"export,omitempty"`
	// envelope is all of this as an in-toto statement, signed by the operator in a DSSE envelope (JSON).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Envelope string `json:"envelope"`
}
