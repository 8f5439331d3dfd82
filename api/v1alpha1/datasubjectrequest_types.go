package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DataSubjectRequest is what a person asked for and the law grants: it is carried out, timed, and proven.
// It stands in the tenant's namespace, and names the person by a Secret that is removed when it ends.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dsr,path=datasubjectrequests
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Due",type=date,JSONPath=`.status.dueAt`
// +kubebuilder:printcolumn:name="On-Time",type=string,JSONPath=`.status.conditions[?(@.type=="OnTime")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in request-2026-41; never a person's name"
type DataSubjectRequest struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata. Its name is shown in status: never use a person's.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was asked for.
	// +required
	Spec DataSubjectRequestSpec `json:"spec"`
	// status is what became of it.
	// +optional
	Status DataSubjectRequestStatus `json:"status,omitempty"`
}

// DataSubjectRequestList is a list of DataSubjectRequests.
//
// +kubebuilder:object:root=true
type DataSubjectRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DataSubjectRequest `json:"items"`
}

// RequestType is what a person may ask for.
//
// +kubebuilder:validation:Enum=Erasure;Access;Rectification;OptOut;Objection;Complaint;Underage
type RequestType string

const (
	// RequestErasure deletes all that the tenant has of the person.
	RequestErasure RequestType = "Erasure"
	// RequestAccess puts all that the tenant has of the person into an encrypted archive.
	RequestAccess RequestType = "Access"
	// RequestRectification puts name or phone number right.
	RequestRectification RequestType = "Rectification"
	// RequestOptOut ends messages to the person.
	RequestOptOut RequestType = "OptOut"
	// RequestObjection ends messages to the person, on the ground of an objection to processing.
	RequestObjection RequestType = "Objection"
	// RequestComplaint is answered by people; only its clock is kept here.
	RequestComplaint RequestType = "Complaint"
	// RequestUnderage deletes all that the tenant has of a guest under 16, before anything else.
	RequestUnderage RequestType = "Underage"
)

// DataSubjectRequestSpec is what was asked for.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'Complaint' || has(self.subject)",message="subject is needed: name a Secret with the person's addresses"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Access') == has(self.archive)",message="archive belongs to requests of type Access, and they need it: give archive.publicKey"
// +kubebuilder:validation:XValidation:rule="self.type == 'Complaint' || !has(self.answeredAt)",message="answeredAt is for complaints; the operator finds out itself when other requests are done"
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type && self.receivedAt == oldSelf.receivedAt && has(self.subject) == has(oldSelf.subject) && (!has(self.subject) || self.subject == oldSelf.subject)",message="type, subject and receivedAt can't change: file another request"
type DataSubjectRequestSpec struct {
	// type of the request. Example: Erasure.
	// +required
	Type RequestType `json:"type"`
	// subject is the person. Needed for all types but Complaint. The operator removes the Secret when the request ends.
	// +optional
	Subject *SubjectReference `json:"subject,omitempty"`
	// receivedAt is when the request reached the client: the clocks count from it. Example: "2026-11-20T09:00:00Z".
	// +required
	ReceivedAt metav1.Time `json:"receivedAt"`
	// dueDays is how many days of 24 hours the law gives, counted from receivedAt. Default: 45; for Underage 1. Example: 30.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=90
	DueDays *int32 `json:"dueDays,omitempty"`
	// archive is for Access: how the person's data is handed over.
	// +optional
	Archive *Archive `json:"archive,omitempty"`
	// answeredAt is for Complaint: when it was answered. Default: not yet.
	// +optional
	AnsweredAt *metav1.Time `json:"answeredAt,omitempty"`
}

// Archive is how a person's data is handed over.
type Archive struct {
	// publicKey is the age recipient that the archive is encrypted to, so that only the holder of its identity can read
	// it. Example: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p.
	// +required
	// +kubebuilder:validation:MinLength=62
	// +kubebuilder:validation:MaxLength=62
	// +kubebuilder:validation:XValidation:rule="self.matches('^age1[02-9ac-hj-np-z]{58}$')",message="publicKey is an age recipient, as age-keygen prints it: age1 and 58 more characters"
	PublicKey string `json:"publicKey"`
}

// RequestPhase is how far a request is.
//
// +kubebuilder:validation:Enum=Pending;Running;Deferred;Open;Completed
type RequestPhase string

const (
	// RequestPending: it can't be begun yet; the condition Ready says why.
	RequestPending RequestPhase = "Pending"
	// RequestRunning: it is being carried out.
	RequestRunning RequestPhase = "Running"
	// RequestDeferred: a LegalHold keeps some of the data. When it ends, the rest is done.
	RequestDeferred RequestPhase = "Deferred"
	// RequestOpen: a complaint that is not answered.
	RequestOpen RequestPhase = "Open"
	// RequestCompleted: it was carried out.
	RequestCompleted RequestPhase = "Completed"
)

// DataSubjectRequestStatus is what became of a request.
type DataSubjectRequestStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// phase is how far it is.
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`
	// dueAt is when the law wants it done, in UTC.
	// +optional
	DueAt *metav1.Time `json:"dueAt,omitempty"`
	// completedAt is when it was done, in UTC.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// secretBroughtBackAt is when somebody last made the subject's Secret again after it was removed, in UTC: a GitOps
	// tool, as a rule. It is removed again each time.
	// +optional
	SecretBroughtBackAt *metav1.Time `json:"secretBroughtBackAt,omitempty"`
	// found counts the rows of the person, by category, when it was last carried out.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Found []CategoryCount `json:"found,omitempty"`
	// done counts the rows deleted, handed over or put right, by category, in all attempts.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Done []CategoryCount `json:"done,omitempty"`
	// refused is what had to be kept, and why.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Refused []Refusal `json:"refused,omitempty"`
	// files tells of the person's files in the tenant's object store, when the request was last carried out. What was pending then is
	// removed by the next retention run, whose policy tells of it.
	// +optional
	Files *StoredFiles `json:"files,omitempty"`
	// download is where the archive of an Access request can be fetched, once.
	// +optional
	Download *Download `json:"download,omitempty"`
	// receipts are those of the attempts, the newest first.
	// +optional
	// +listType=map
	// +listMapKey=sequence
	// +kubebuilder:validation:MaxItems=10
	Receipts []RequestReceipt `json:"receipts,omitempty"`
	// evidence is the newest receipt of this request that the operator has countersigned.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
}

// CategoryCount counts rows of a category of data.
type CategoryCount struct {
	// category of data, as in RetentionPolicy; or Suppressions, ConsentLog.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Category string `json:"category"`
	// rows of it.
	// +required
	Rows int64 `json:"rows"`
}

// Refusal is what a request could not have.
type Refusal struct {
	// category of data.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Category string `json:"category"`
	// rows that were kept.
	// +required
	Rows int64 `json:"rows"`
	// hold is the LegalHold that keeps them.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Hold string `json:"hold"`
}

// Download is where an archive can be fetched.
type Download struct {
	// url of the archive. It wants the token as a bearer.
	// +required
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url"`
	// secretName is the Secret in the same namespace with the token.
	// +required
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// expiresAt is when the archive goes even if nobody fetched it, in UTC.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// RequestReceipt is the receipt of one attempt.
type RequestReceipt struct {
	// sequence of it within the tenant's chain.
	// +required
	Sequence int64 `json:"sequence"`
	// digest of it: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// finishedAt is when, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
}
