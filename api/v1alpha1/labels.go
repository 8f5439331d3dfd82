package v1alpha1

// Labels and annotations that people may see or set.
const (
	// LabelTenant is the name of the tenant that an object belongs to. On a
	// Namespace it is the consent to be adopted by that Tenant.
	LabelTenant = "messaging.switchboard.dev/tenant"
	// LabelRegion is the name of the tenant's region.
	LabelRegion = "messaging.switchboard.dev/region"
	// LabelChannel is the name of the channel that an object serves.
	LabelChannel = "messaging.switchboard.dev/channel"
	// LabelPolicy is the name of the RetentionPolicy that an object serves.
	LabelPolicy = "messaging.switchboard.dev/retention-policy"
	// LabelRequest is the name of the DataSubjectRequest that an object serves.
	LabelRequest = "messaging.switchboard.dev/request"
	// LabelFiledBy on a DataSubjectRequest and its Secret says that the tenant's privacy desk filed it: FiledByDesk.
	LabelFiledBy = "messaging.switchboard.dev/filed-by"
	// LabelTenantUID on a ledger's ConfigMap is the uid of the Tenant that the chain belongs to.
	LabelTenantUID = "messaging.switchboard.dev/tenant-uid"
	// LabelRetained is "true" on a namespace whose Tenant was deleted with deletionPolicy Retain.
	LabelRetained = "messaging.switchboard.dev/retained"

	// AnnotationBreakGlass on a tenant's Namespace suspends the policies that keep the tenant in its region, as long as it
	// is there. Its value is the reason; who may set it is said by the verb breakglass on residencyboundaries.
	AnnotationBreakGlass = "messaging.switchboard.dev/break-glass"
	// AnnotationApproveChange on a Region is the digest of a change of its place that is to be made although it leaves
	// something of its tenants outside.
	AnnotationApproveChange = "messaging.switchboard.dev/approve-change"
	// AnnotationRotateCredentials on a Tenant asks for new database credentials
	// whenever its value changes, for example to the current date.
	AnnotationRotateCredentials = "messaging.switchboard.dev/rotate-credentials"
	// AnnotationProbe on a Tenant asks for its network to be probed: each new value, once. Example: the date.
	AnnotationProbe = "messaging.switchboard.dev/probe"
	// AnnotationRestore on a Tenant asks for a backup to be put back: its file's name, or latest, a blank, and when it was
	// asked for. kubectl switchboard restore writes it.
	AnnotationRestore = "messaging.switchboard.dev/restore"
	// AnnotationRotateSigningKey on the Secret switchboard-signing-key asks for a new key
	// whenever its value changes; the next receipt is signed with it.
	AnnotationRotateSigningKey = "messaging.switchboard.dev/rotate-signing-key"
	// AnnotationRotatedFor on a Secret is the value that asked for it.
	AnnotationRotatedFor = "messaging.switchboard.dev/rotated-for"
	// AnnotationApplied is the hash of the object as the operator last applied it.
	AnnotationApplied = "messaging.switchboard.dev/applied"
	// AnnotationAcceptEvidence on a Tenant is SEQUENCE:DIGEST of a receipt that the ledger is to go on from although
	// it does not join what was countersigned before: after a restore, or when too many results were lost.
	AnnotationAcceptEvidence = "messaging.switchboard.dev/accept-evidence"
	// AnnotationHead on a ledger's ConfigMap is what its newest statement says, as the
	// JSON of an Evidence: what status shows of it. The statement itself is what counts.
	AnnotationHead = "messaging.switchboard.dev/head"
	// AnnotationPosition on a ConfigMap of changes of consent is the newest one in it.
	AnnotationPosition = "messaging.switchboard.dev/position"
	// AnnotationEpoch on a migrate Job's pods is the epoch of the database that it prepares: one that was put back is
	// migrated anew.
	AnnotationEpoch = "messaging.switchboard.dev/epoch"
	// AnnotationLogins on a migrate Job lists the Secrets of the logins that it brings about, separated by commas.
	AnnotationLogins = "messaging.switchboard.dev/logins"
	// AnnotationHolds on a migrate Job's pods lists the LegalHolds that it puts in force: NAME=UID.GENERATION, and
	// .RESOURCEVERSION of the Secret where there is one, separated by commas.
	AnnotationHolds = "messaging.switchboard.dev/holds"
)

// FiledByDesk is the value of LabelFiledBy.
const FiledByDesk = "privacy-desk"

// FinalizerTenant lets the operator obey a Tenant's deletionPolicy.
const FinalizerTenant = "messaging.switchboard.dev/deletion-policy"

// FinalizerChannel lets the operator take a Channel's webhook from its provider before the Channel goes.
const FinalizerChannel = "messaging.switchboard.dev/webhook"
