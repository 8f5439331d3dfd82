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
// +kubebuilder:validation:Enum=Messages;MessageMetadata;Attachments;Contacts;StaffAccounts;AccessLogs;WebChatSessions;IntegrationData;Testimonials
type Category string

const (
	// CategoryMessages is what was written.
	CategoryMessages Category = "Messages"
	// CategoryMessageMetadata is when, between whom and how it was delivered.
	CategoryMessageMetadata Category = "MessageMetadata"
	// CategoryAttachments is the files that came or went with messages.
	CategoryAttachments Category = "Attachments"
	// CategoryContacts is guests' names and addresses, counted from when they were last seen.
	CategoryContacts Category = "Contacts"
	// CategoryStaffAccounts is accounts of the tenant's staff, counted from when they were last active.
	CategoryStaffAccounts Category = "StaffAccounts"
	// CategoryAccessLogs is who looked at what, from where.
	CategoryAccessLogs Category = "AccessLogs"
	// CategoryWebChatSessions is sessions of guests' web chats, counted from when they were last active.
	CategoryWebChatSessions Category = "WebChatSessions"
	// CategoryIntegrationData is what was brought in from other systems.
	CategoryIntegrationData Category = "IntegrationData"
	// CategoryTestimonials is what guests have said for publication.
	CategoryTestimonials Category = "Testimonials"
)

// Action is what becomes of expired data.
//
// +kubebuilder:validation:Enum=Delete;Anonymize
type Action string

const (
	// ActionDelete removes expired rows.
	ActionDelete Action = "Delete"
	// ActionAnonymize removes them too, and keeps how many messages there were on each day, channel and
	// direction, where they were five or more. It is for MessageMetadata.
	ActionAnonymize Action = "Anonymize"
)

// Mode of a policy.
//
// +kubebuilder:validation:Enum=Enforce;DryRun
type Mode string

const (
	// ModeEnforce makes what has expired unreadable, and deletes it.
	ModeEnforce Mode = "Enforce"
	// ModeDryRun only plans: runs show what they would delete.
	ModeDryRun Mode = "DryRun"
)

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

	// mode says whether the rules are enforced. Default: Enforce. Example: DryRun.
	// +optional
	Mode Mode `json:"mode,omitempty"`

	// guard stops a run that would delete more than anyone can have meant.
	// +optional
	Guard *Guard `json:"guard,omitempty"`

	// approvedPlan is the digest of a plan in status.plan that the guard stopped and that is to be carried out
	// all the same. Default: none. Example: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="approvedPlan is the plan's digest, 64 hexadecimal digits: copy it from status.plan.digest"
	ApprovedPlan string `json:"approvedPlan,omitempty"`

	// rules, one for each category. A category without a rule in any policy gets that of the Region's
	// defaultRetention, if there is one.
	// +required
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=9
	// +kubebuilder:validation:XValidation:rule="self.all(r, !has(r.action) || r.action != 'Anonymize' || r.category == 'MessageMetadata')",message="Anonymize is for MessageMetadata alone; use Delete, or leave action out"
	// +kubebuilder:validation:XValidation:rule="!self.exists(r, r.category == 'Messages') || !self.exists(r, r.category == 'MessageMetadata') || self.filter(r, r.category == 'Messages')[0].retainDays <= self.filter(r, r.category == 'MessageMetadata')[0].retainDays",message="Messages can't be kept longer than MessageMetadata: lower retainDays of Messages or raise that of MessageMetadata"
	Rules []RetentionRule `json:"rules"`
}

// Guard stops a run that would delete more than anyone can have meant.
type Guard struct {
	// maxPercent is how much of a category's rows one run may delete, in percent. A run that would delete more
	// stops as Blocked, shows its plan in status.plan, and goes on when spec.approvedPlan names that plan.
	// Default: 50. Example: 100, which lets everything pass.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxPercent *int32 `json:"maxPercent,omitempty"`
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
	// plan is what the newest run that planned would do: the first run of changed rules, one that the guard
	// stopped, or a dry run. Approve it by copying its digest to spec.approvedPlan.
	// +optional
	Plan *RetentionPlan `json:"plan,omitempty"`
	// evidence is the newest receipt of this policy that the operator has countersigned.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
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

// RetentionPlan is what a run would do.
type RetentionPlan struct {
	// digest names the plan: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// policyDigest is the hex SHA-256 of the rules that were planned.
	// +required
	// +kubebuilder:validation:MaxLength=64
	PolicyDigest string `json:"policyDigest"`
	// plannedAt is when, in UTC.
	// +required
	PlannedAt metav1.Time `json:"plannedAt"`
	// estimated says that counts may be the database's estimates, because no exact ones could have stopped the run. Counts of
	// a plan that waits for approval, or of a dry run, are always exact.
	// +optional
	Estimated bool `json:"estimated,omitempty"`
	// categories say what would happen to each.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	Categories []PlannedCategory `json:"categories,omitempty"`
}

// PlannedCategory is what a run would do to a category.
type PlannedCategory struct {
	// category of data.
	// +required
	Category Category `json:"category"`
	// cutoff: rows at or before it would go, in UTC to the microsecond.
	// +required
	Cutoff metav1.MicroTime `json:"cutoff"`
	// expired counts the rows that would go.
	// +required
	Expired int64 `json:"expired"`
	// heldBack counts expired rows that would stay because of a LegalHold.
	// +required
	HeldBack int64 `json:"heldBack"`
	// total counts the rows that there were.
	// +required
	Total int64 `json:"total"`
}

// Evidence is a receipt that the operator has signed and written into its ledger, beyond the reach of the tenant.
type Evidence struct {
	// sequence of the receipt within the tenant's chain.
	// +required
	Sequence int64 `json:"sequence"`
	// digest of the receipt: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// keyID names the key that signed it: hex SHA-256 of its public half.
	// +required
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID"`
	// signedAt is when, in UTC.
	// +required
	SignedAt metav1.Time `json:"signedAt"`
	// ledger is the ConfigMap in the operator's namespace that holds the signed statement.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Ledger string `json:"ledger"`
}

// RunSummary sums up a run.
type RunSummary struct {
	// sequence of the run's receipt.
	// +required
	Sequence int64 `json:"sequence"`
	// finishedAt is when the run ended, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
	// outcome is Enforced; Blocked, when the guard stopped it; or DryRun.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Outcome string `json:"outcome,omitempty"`
	// deleted counts rows deleted in all categories.
	// +required
	Deleted int64 `json:"deleted"`
	// heldBack counts expired rows that LegalHolds keep, in all categories.
	// +optional
	HeldBack int64 `json:"heldBack,omitempty"`
	// overdue counts expired rows that were still there after the run; absent when it couldn't be counted, which doesn't mean none.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
	// filesPending counts files that are deleted, and that the object store has not removed; nobody can read them.
	// +optional
	FilesPending int64 `json:"filesPending,omitempty"`
}

// StoredFiles is what became of files in the tenant's object store.
type StoredFiles struct {
	// removed counts files that the store has confirmed to be gone.
	// +optional
	Removed int64 `json:"removed,omitempty"`
	// pending counts files that are deleted, and that the store has still to remove; nobody can read them, as their keys are gone.
	// +optional
	Pending int64 `json:"pending,omitempty"`
	// since is when the oldest of them was deleted, in UTC.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// unknown counts objects that no file named, left by uploads that came to nothing; they are among removed and pending.
	// +optional
	Unknown int64 `json:"unknown,omitempty"`
	// missing counts files that the store does not have, as after an older database was put back.
	// +optional
	Missing int64 `json:"missing,omitempty"`
	// class says why the store did not do all that it was asked: Unreachable, Denied, NoBucket, Misplaced, Versioned,
	// Failing, NotConfigured or Unreadable.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Class string `json:"class,omitempty"`
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
	// outcome is Enforced; Blocked, when the guard stopped it; or DryRun.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Outcome string `json:"outcome,omitempty"`
	// holds count the expired rows that each LegalHold keeps, at most 24.
	// +optional
	// +listType=map
	// +listMapKey=hold
	// +kubebuilder:validation:MaxItems=24
	Holds []HoldCount `json:"holds,omitempty"`
	// categories say what happened to each.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	Categories []CategoryRun `json:"categories,omitempty"`
	// files tells of files in the tenant's object store; absent when there is nothing to tell.
	// +optional
	Files *StoredFiles `json:"files,omitempty"`
	// digest is the hex SHA-256 of this receipt.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// previousDigest is the digest of the receipt before it; empty for the first.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PreviousDigest string `json:"previousDigest,omitempty"`
}

// HoldCount counts the rows that a LegalHold keeps.
type HoldCount struct {
	// hold is the LegalHold's name.
	// +required
	// +kubebuilder:validation:MaxLength=40
	Hold string `json:"hold"`
	// rows that would have been deleted.
	// +required
	Rows int64 `json:"rows"`
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
	// anonymized counts those of deleted that live on in counts.
	// +optional
	Anonymized int64 `json:"anonymized,omitempty"`
	// heldBack counts expired rows that LegalHolds keep.
	// +required
	HeldBack int64 `json:"heldBack"`
	// oldestLeft is the age mark of the oldest row left, in UTC; absent when none is left.
	// +optional
	OldestLeft *metav1.MicroTime `json:"oldestLeft,omitempty"`
	// overdue counts expired rows that were still there after the run; absent when it couldn't be counted, which doesn't mean none.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
	// vacuumedAt is when the database was last seen to have cleared the space of deleted rows, in UTC; absent when it was not seen yet.
	// +optional
	VacuumedAt *metav1.Time `json:"vacuumedAt,omitempty"`
}
