package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Move asks for a tenant to be moved to another Region of the cluster. The operator plans it first, in status.move, and
// begins when the plan is approved. Taking this out of the spec before the switch gives the move up.
type Move struct {
	// to is the Region that the tenant moves to. Example: us-east.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	To string `json:"to"`
	// transferMechanism under which the data leaves its jurisdiction. Default: none, for a Region under the same law.
	// Example: EU-US Data Privacy Framework.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// approvedPlan is the digest of the plan that may be carried out. Default: none, so that the move is planned only.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	ApprovedPlan string `json:"approvedPlan,omitempty"`
}

// MovePhase is how far a move has come.
//
// +kubebuilder:validation:Enum=Planned;Copying;Quiesced;Switched;SourceErased;Aborting;Aborted
type MovePhase string

// Phases of a move, in their order.
const (
	// MovePlanned: the plan waits to be approved, or for what it refuses to be mended.
	MovePlanned MovePhase = "Planned"
	// MoveCopying: a standby of the database is made in the other region, and follows. The tenant is served.
	MoveCopying MovePhase = "Copying"
	// MoveQuiesced: nothing is written any more; both databases are compared. Providers are told to send again later.
	MoveQuiesced MovePhase = "Quiesced"
	// MoveSwitched: the tenant is served from the other region; what is left in the one before is being erased.
	MoveSwitched MovePhase = "Switched"
	// MoveSourceErased: it is done.
	MoveSourceErased MovePhase = "SourceErased"
	// MoveAborting: it was given up, or failed: the database is opened again, and the copy removed.
	MoveAborting MovePhase = "Aborting"
	// MoveAborted: nothing of it is left.
	MoveAborted MovePhase = "Aborted"
)

// MoveStatus is how a tenant is moved to another Region.
type MoveStatus struct {
	// from is the Region that the tenant was in.
	// +required
	// +kubebuilder:validation:MaxLength=40
	From string `json:"from"`
	// to is the Region that it moves to.
	// +required
	// +kubebuilder:validation:MaxLength=40
	To string `json:"to"`
	// phase: Planned, Copying, Quiesced, Switched, SourceErased; Aborting, Aborted.
	// +required
	Phase MovePhase `json:"phase"`
	// transferMechanism under which the data leaves its jurisdiction, as the plan has it.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// plan says what would leave, and what is in the way.
	// +required
	Plan MovePlan `json:"plan"`
	// attempts that failed. Each makes another plan, to be approved anew.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// failure says why the last attempt failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1200
	Failure string `json:"failure,omitempty"`
	// startedAt is when the first copy began, in UTC.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// quiescedAt is when nothing was written any more, in UTC.
	// +optional
	QuiescedAt *metav1.Time `json:"quiescedAt,omitempty"`
	// switchedAt is when the database in the other region was opened, in UTC.
	// +optional
	SwitchedAt *metav1.Time `json:"switchedAt,omitempty"`
	// finishedAt is when the last of the source had gone, in UTC.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// verified is what was compared before the switch.
	// +optional
	Verified *MoveVerified `json:"verified,omitempty"`
	// source is the StatefulSet of the database in the Region before.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Source string `json:"source,omitempty"`
	// volumes in the Region before that held the tenant's data.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=253
	Volumes []string `json:"volumes,omitempty"`
	// certificate is the ErasureCertificate about what was erased in the Region before.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Certificate string `json:"certificate,omitempty"`
}

// MovePlan is what a move would do.
type MovePlan struct {
	// digest that approves it, as spec.move.approvedPlan.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Digest string `json:"digest"`
	// flows are what leaves, from where to where, and under which mechanism.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=640
	Flows []string `json:"flows,omitempty"`
	// refusals are what the other Region lacks, or would violate: none may be left.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=640
	Refusals []string `json:"refusals,omitempty"`
}

// MoveVerified is what was found to be the same in both databases, when nobody wrote to them.
type MoveVerified struct {
	// at is when, in UTC.
	// +required
	At metav1.Time `json:"at"`
	// tables that were compared.
	// +required
	Tables int32 `json:"tables"`
	// rows in them.
	// +required
	Rows int64 `json:"rows"`
	// digest over the name, the count and the content of each: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// counts of rows by category.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	Counts []CategoryCount `json:"counts,omitempty"`
	// sequence of the newest receipt in them, and its digest: hex SHA-256.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// receiptDigest of that receipt.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ReceiptDigest string `json:"receiptDigest,omitempty"`
}

// Moved is where a tenant lives that left its former Region.
type Moved struct {
	// to is the Region.
	// +required
	// +kubebuilder:validation:MaxLength=40
	To string `json:"to"`
	// transferMechanism under which the data left its jurisdiction.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// plan is the digest of the plan that was approved.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Plan string `json:"plan"`
	// tables that were compared when nobody wrote to them.
	// +required
	Tables int32 `json:"tables"`
	// rows in them.
	// +required
	Rows int64 `json:"rows"`
	// digest over the name, the count and the content of each, which was the same in both Regions: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
}
