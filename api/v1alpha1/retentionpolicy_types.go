package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RetentionPolicy says how long a tenant's data is kept, in the tenant's namespace.
// Expired data is unreadable at once and is removed by the next run; each run leaves a receipt.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rp;retention,path=retentionpolicies
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Enforced",type=string,JSONPath=`.status.conditions[?(@.type=="Enforced")].status`
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.schedule`
// +kubebuilder:printcolumn:name="Last-Run",type=date,JSONPath=`.status.lastRun.finishedAt`
// +kubebuilder:printcolumn:name="Sequence",type=integer,JSONPath=`.status.sequence`
// +kubebuilder:printcolumn:name="Deleted",type=integer,JSONPath=`.status.lastRun.deleted`
// +kubebuilder:printcolumn:name="Overdue",type=integer,JSONPath=`.status.lastRun.overdue`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in guest-data"
type RetentionPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is to be enforced.
	// +required
	Spec RetentionPolicySpec `json:"spec"`
	// status is what was enforced.
	// +optional
	Status RetentionPolicyStatus `json:"status,omitempty"`
}

// RetentionPolicyList is a list of RetentionPolicies.
//
// +kubebuilder:object:root=true
type RetentionPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RetentionPolicy `json:"items"`
}

// Category of data.
//
// +kubebuilder:validation:Enum=Messages;MessageMetadata;Contacts;AccessLogs
type Category string

const (
	// CategoryMessages is what was written.
	CategoryMessages Category = "Messages"
	// CategoryMessageMetadata is when, between whom and how it was delivered.
	CategoryMessageMetadata Category = "MessageMetadata"
	// CategoryContacts is guests' names and addresses, counted from when they were last seen.
	CategoryContacts Category = "Contacts"
	// CategoryAccessLogs is who looked at what, from where.
	CategoryAccessLogs Category = "AccessLogs"
)

// Action is what becomes of expired data.
//
// +kubebuilder:validation:Enum=Delete
type Action string

// ActionDelete removes expired rows.
const ActionDelete Action = "Delete"

// RetentionPolicySpec is what is to be enforced.
type RetentionPolicySpec struct {
	// schedule of the runs, as cron with five fields or @hourly, @daily, @weekly, @monthly, @yearly.
	// No default. Example: "15 3 * * *".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$') || self.matches('^[0-9A-Za-z*?/,-]+( +[0-9A-Za-z*?/,-]+){4}$')",message="use cron with five fields (minute hour day month weekday) such as \"15 3 * * *\", or @hourly, @daily, @weekly, @monthly, @yearly; the time zone goes into timeZone"
	Schedule string `json:"schedule"`

	// timeZone of the schedule, by its IANA name. Default: Etc/UTC. Example: Europe/Berlin.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$') && self != 'Local'",message="use a name of the IANA time zone database, as in Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`

	// rules, one for each category. A category without a rule in any policy is kept without limit.
	// +required
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:XValidation:rule="!self.exists(r, r.category == 'Messages') || !self.exists(r, r.category == 'MessageMetadata') || self.filter(r, r.category == 'Messages')[0].retainDays <= self.filter(r, r.category == 'MessageMetadata')[0].retainDays",message="Messages can't be kept longer than MessageMetadata: lower retainDays of Messages or raise that of MessageMetadata"
	Rules []RetentionRule `json:"rules"`
}

// RetentionRule bounds one category.
type RetentionRule struct {
	// category of data. Example: Messages.
	// +required
	Category Category `json:"category"`
	// retainDays is how long data is kept, in whole days of 24 hours. No default. Example: 365.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 36500",message="retainDays is a whole number of days from 1 to 36500; to keep data without limit, leave the rule out"
	RetainDays int32 `json:"retainDays"`
	// action is what becomes of expired data. Default: Delete.
	// +optional
	Action Action `json:"action,omitempty"`
	// legalBasis of keeping the data that long, for the record. Default: none. Example: Art. 6(1)(b) GDPR.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	LegalBasis string `json:"legalBasis,omitempty"`
}

// RetentionPolicyStatus is what was enforced.
type RetentionPolicyStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// policyDigest is the hex SHA-256 of the rules in force.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PolicyDigest string `json:"policyDigest,omitempty"`
	// sequence is the number of the newest receipt of this policy within the tenant's chain.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// lastRun is the newest run that left a receipt.
	// +optional
	LastRun *RunSummary `json:"lastRun,omitempty"`
	// nextRun is when the schedule is next due.
	// +optional
	NextRun *metav1.Time `json:"nextRun,omitempty"`
	// runs are the newest receipts, the newest first, at most 10. All of them are in the tenant's database.
	// +optional
	// +listType=map
	// +listMapKey=sequence
	// +kubebuilder:validation:MaxItems=10
	Runs []RetentionRun `json:"runs,omitempty"`
}

// RunSummary sums up a run.
type RunSummary struct {
	// sequence of the run's receipt.
	// +required
	Sequence int64 `json:"sequence"`
	// finishedAt is when the run ended, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
	// deleted counts rows deleted in all categories.
	// +required
	Deleted int64 `json:"deleted"`
	// overdue counts expired rows that were still there after the run; absent when it couldn't be counted, which doesn't mean none.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
}

// RetentionRun is the receipt of one run.
type RetentionRun struct {
	// sequence numbers the receipts of a tenant: 1, 2, 3 and so on.
	// +required
	Sequence int64 `json:"sequence"`
	// generation of the policy that was enforced.
	// +required
	Generation int64 `json:"generation"`
	// policyDigest is the hex SHA-256 of the rules that were enforced.
	// +required
	// +kubebuilder:validation:MaxLength=64
	PolicyDigest string `json:"policyDigest"`
	// startedAt is when the run began, in UTC.
	// +required
	StartedAt metav1.Time `json:"startedAt"`
	// finishedAt is when the run ended, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
	// categories say what happened to each.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=4
	Categories []CategoryRun `json:"categories,omitempty"`
	// digest is the hex SHA-256 of this receipt.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// previousDigest is the digest of the receipt before it; empty for the first.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PreviousDigest string `json:"previousDigest,omitempty"`
}

// CategoryRun is what a run did to a category.
type CategoryRun struct {
	// category of data.
	// +required
	Category Category `json:"category"`
	// cutoff: rows at or before it were expired, in UTC to the microsecond.
	// +required
	Cutoff metav1.MicroTime `json:"cutoff"`
	// deleted counts rows deleted.
	// +required
	Deleted int64 `json:"deleted"`
	// heldBack counts expired rows that had to be kept.
	// +required
	HeldBack int64 `json:"heldBack"`
	// oldestLeft is the age mark of the oldest row left, in UTC; absent when none is left.
	// +optional
	OldestLeft *metav1.MicroTime `json:"oldestLeft,omitempty"`
	// overdue counts expired rows that were still there after the run; absent when it couldn't be counted, which doesn't mean none.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
}
