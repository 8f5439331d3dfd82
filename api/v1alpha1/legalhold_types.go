package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LegalHold keeps data from every deletion, by policy or by request, for as long as the law says so.
// It stands in the tenant's namespace. Deleting it, or its expiry, lets the deferred deletions happen.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hold,path=legalholds
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="In-Force",type=string,JSONPath=`.status.conditions[?(@.type=="InForce")].status`
// +kubebuilder:printcolumn:name="Messages",type=integer,JSONPath=`.status.matched.messages`
// +kubebuilder:printcolumn:name="Held-Back",type=integer,JSONPath=`.status.heldBack`
// +kubebuilder:printcolumn:name="Until",type=date,JSONPath=`.spec.until`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in case-2026-17; never a person's name"
type LegalHold struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata. Its name is shown in status and receipts: never use a person's.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what must be kept.
	// +required
	Spec LegalHoldSpec `json:"spec"`
	// status is what it keeps.
	// +optional
	Status LegalHoldStatus `json:"status,omitempty"`
}

// LegalHoldList is a list of LegalHolds.
//
// +kubebuilder:object:root=true
type LegalHoldList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []LegalHold `json:"items"`
}

// LegalHoldSpec is what must be kept, why, and until when.
type LegalHoldSpec struct {
	// reason why the law asks for it, for the record, without personal data. Example: court order 12 O 345/26.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason"`
	// until is when it ends by itself. Default: never; delete it to release it. Example: "2028-01-01T00:00:00Z".
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// match says what is held: rows that agree with all of what is given.
	// +required
	Match HoldMatch `json:"match"`
}

// HoldMatch says what a hold matches. At least one member is given; all that are given must agree.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.to) || self.from < self.to",message="from must be before to"
type HoldMatch struct {
	// subject is a person, by any address.
	// +optional
	Subject *SubjectReference `json:"subject,omitempty"`
	// conversation is the id of a conversation. Example: 0198c1f2-5a6b-7c8d-9e0f-112233445566.
	// +optional
	// +kubebuilder:validation:MinLength=36
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",message="use the conversation's id, a UUID in lower case"
	Conversation string `json:"conversation,omitempty"`
	// channel is the name of a Channel. Example: front-desk.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Channel string `json:"channel,omitempty"`
	// from: data of this instant and later. Default: any. Example: "2026-01-01T00:00:00Z".
	// +optional
	From *metav1.Time `json:"from,omitempty"`
	// to: data before this instant. Default: any. Example: "2026-07-01T00:00:00Z".
	// +optional
	To *metav1.Time `json:"to,omitempty"`
}

// SubjectReference names a Secret with a person's addresses, so that no object and no Git repository holds them.
type SubjectReference struct {
	// secretName is a Secret in the same namespace. Its keys are phone (in E.164, +4915112345678), whatsapp, messenger,
	// telegram, webchat and email, with one address on each line; one key is there at least.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
}

// LegalHoldStatus is what a hold keeps.
type LegalHoldStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// matched is what it matched when it was put in force.
	// +optional
	Matched *HoldMatched `json:"matched,omitempty"`
	// heldBack counts the expired rows that it kept from the newest runs of the tenant's policies.
	// +optional
	HeldBack *int64 `json:"heldBack,omitempty"`
}

// HoldMatched counts what a hold matches.
type HoldMatched struct {
	// contacts of guests.
	// +required
	Contacts int64 `json:"contacts"`
	// conversations of them.
	// +required
	Conversations int64 `json:"conversations"`
	// messages in them.
	// +required
	Messages int64 `json:"messages"`
}
