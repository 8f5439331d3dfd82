package v1alpha1

// Types of conditions. Ready sums up the others. All are good when True, but
// for Reconciling, Stalled and Terminating, which are there only while they
// are True (the convention of sigs.k8s.io/cli-utils' kstatus).
const (
	// ConditionReady (all kinds): everything asked for is there and works.
	ConditionReady = "Ready"
	// ConditionReconciling (all kinds): the operator is at work or waits for something that is on its way.
	ConditionReconciling = "Reconciling"
	// ConditionStalled (all kinds): nothing will change until somebody does what the message says.
	ConditionStalled = "Stalled"

	// ConditionNamespaceReady (Tenant): the namespace is made or adopted.
	ConditionNamespaceReady = "NamespaceReady"
	// ConditionIsolated (Tenant): quota, limits and network policies are applied.
	ConditionIsolated = "Isolated"
	// ConditionNetworkIsolated (Tenant): a pod of the tenant reached what it must, and nothing that it must not. It is not part
	// of Ready: policies are applied whether or not the cluster's network enforces them.
	ConditionNetworkIsolated = "NetworkIsolated"
	// ConditionCredentialsReady (Tenant, Channel): certificates and credentials are there.
	ConditionCredentialsReady = "CredentialsReady"
	// ConditionDatabaseReady (Tenant): the database accepts connections.
	ConditionDatabaseReady = "DatabaseReady"
	// ConditionMigrated (Tenant): schema, roles, channels and limits in the database are as asked for.
	ConditionMigrated = "Migrated"
	// ConditionInstanceAvailable (Tenant): the staff API answers.
	ConditionInstanceAvailable = "InstanceAvailable"
	// ConditionResidencyCompliant (Tenant): every pod and volume seen is in the tenant's region.
	ConditionResidencyCompliant = "ResidencyCompliant"
	// ConditionDatabaseCurrent (Tenant): the database holds all that is known of it. One that was put back from a backup
	// does not, and serves nobody until what has happened since was replayed.
	ConditionDatabaseCurrent = "DatabaseCurrent"
	// ConditionBackedUp (Tenant): the newest backup succeeded, and none is missing. It is not part of Ready.
	ConditionBackedUp = "BackedUp"
	// ConditionObjectStoreReady (Tenant): the Region's register lists the object store that the Tenant names, and the bucket may be used.
	// It is there only where the Tenant names one.
	ConditionObjectStoreReady = "ObjectStoreReady"
	// ConditionWebhooksDelivered (Tenant): other systems take what they are told. It is there only where spec.webhooks names some, and
	// is not part of Ready.
	ConditionWebhooksDelivered = "WebhooksDelivered"
	// ConditionSendWindowInForce (Tenant): automated messages wait for the window that spec.sendWindow names. It is there only where that
	// is set, and is not part of Ready.
	ConditionSendWindowInForce = "SendWindowInForce"
	// ConditionStaffOIDCReady (Tenant): staff may sign in by the provider that spec.staffOIDC names. It is there only where that is set, and
	// is not part of Ready.
	ConditionStaffOIDCReady = "StaffOIDCReady"
	// ConditionUpToDate (Tenant): the tenant's pods run the image of the instance that the operator was told to run. Tenants take turns:
	// see status.instance. It is not part of Ready.
	ConditionUpToDate = "UpToDate"
	// ConditionMoved (Tenant): the tenant is in the Region that spec.move names, and nothing of it is left in the one before. It is there
	// while a move is asked for or under way, and is part of Ready only while the database is handed over.
	ConditionMoved = "Moved"
	// ConditionTerminating (Tenant, Channel): deletion is under way; the message names what it waits for.
	ConditionTerminating = "Terminating"

	// ConditionRetentionCovered (Tenant): every category of data is bounded by a policy in force.
	ConditionRetentionCovered = "RetentionCovered"

	// ConditionAccepted (Channel, RetentionPolicy, LegalHold, DataSubjectRequest): the spec can be carried out. A Tenant bears it, False,
	// only while its region is not among those that the operator serves.
	ConditionAccepted = "Accepted"
	// ConditionConnectorAvailable (Channel): the connector takes webhooks.
	ConditionConnectorAvailable = "ConnectorAvailable"
	// ConditionCredentialsAccepted (Channel): the provider takes the credentials.
	ConditionCredentialsAccepted = "CredentialsAccepted"

	// ConditionScheduled (RetentionPolicy): the CronJob stands as asked for.
	ConditionScheduled = "Scheduled"
	// ConditionEnforced (RetentionPolicy): the last run succeeded and left nothing overdue.
	ConditionEnforced = "Enforced"

	// ConditionInForce (LegalHold): nothing that it matches is deleted.
	ConditionInForce = "InForce"
	// ConditionMatches (LegalHold): it matches something.
	ConditionMatches = "Matches"
	// ConditionCompleted (DataSubjectRequest): the request was carried out, or answered.
	ConditionCompleted = "Completed"
	// ConditionOnTime (DataSubjectRequest): it is not due within a week, nor past due.
	ConditionOnTime = "OnTime"

	// ConditionNodesAvailable (Region): there is a node that its tenants may run on.
	ConditionNodesAvailable = "NodesAvailable"
	// ConditionStorageBound (Region): its StorageClass makes volumes in the region alone.
	ConditionStorageBound = "StorageBound"
	// ConditionTransfersCovered (Region): every sub-processor outside of the jurisdiction has a transfer mechanism.
	ConditionTransfersCovered = "TransfersCovered"
	// ConditionTenantsResident (Region): nothing of its tenants was seen elsewhere.
	ConditionTenantsResident = "TenantsResident"
	// ConditionChangesMade (Region): all its tenants are held to it as it stands.
	ConditionChangesMade = "ChangesMade"
)

// Reasons of conditions.
const (
	// ReasonReady: all is well.
	ReasonReady = "Ready"
	// ReasonProgressing: work is under way.
	ReasonProgressing = "Progressing"
	// ReasonWaiting: something else must be done first; the message names it.
	ReasonWaiting = "Waiting"
	// ReasonFailed: an attempt failed and will be made again; the message has the error.
	ReasonFailed = "Failed"
	// ReasonSuspended: spec.suspended is true.
	ReasonSuspended = "Suspended"
	// ReasonDeleting: the object is being deleted.
	ReasonDeleting = "Deleting"

	// ReasonRegionNotFound: spec.region names no Region.
	ReasonRegionNotFound = "RegionNotFound"
	// ReasonRegionNotServed: the operator of this cluster serves other regions, and leaves the object alone.
	ReasonRegionNotServed = "RegionNotServed"
	// ReasonNamespaceNotAdoptable: the namespace exists and doesn't bear the tenant's label.
	ReasonNamespaceNotAdoptable = "NamespaceNotAdoptable"
	// ReasonNamespaceOfOtherTenant: the namespace belongs to another tenant.
	ReasonNamespaceOfOtherTenant = "NamespaceOfOtherTenant"
	// ReasonNamespaceTerminating: the namespace is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonNoTenant: the namespace belongs to no Tenant.
	ReasonNoTenant = "NoTenant"

	// ReasonSecretMissing: a Secret that the spec names isn't there.
	ReasonSecretMissing = "SecretMissing"
	// ReasonKeyMissing: a Secret lacks a key that is needed.
	ReasonKeyMissing = "KeyMissing"
	// ReasonCredentialsRefused: the provider does not take the credentials.
	ReasonCredentialsRefused = "CredentialsRefused"
	// ReasonCredentialsExpired: the credentials' time is over.
	ReasonCredentialsExpired = "CredentialsExpired"
	// ReasonCredentialsNotAllowed: the provider takes the credentials, and does not allow what the channel needs.
	ReasonCredentialsNotAllowed = "CredentialsNotAllowed"
	// ReasonCredentialsElsewhere: the credentials are of another account, number, page or bot than the channel names.
	ReasonCredentialsElsewhere = "CredentialsElsewhere"
	// ReasonAccountSuspended: the provider has suspended or closed the account.
	ReasonAccountSuspended = "AccountSuspended"
	// ReasonWebhookRefused: the provider does not take the channel's address.
	ReasonWebhookRefused = "WebhookRefused"
	// ReasonProviderUnreachable: the provider does not say whether the credentials work.
	ReasonProviderUnreachable = "ProviderUnreachable"
	// ReasonSubProcessorNotRegistered: the Region's register lacks the channel's sub-processor.
	ReasonSubProcessorNotRegistered = "SubProcessorNotRegistered"
	// ReasonPrivacyNoticeMissing: neither the web chat's Channel nor its Tenant names a privacy notice.
	ReasonPrivacyNoticeMissing = "PrivacyNoticeMissing"

	// ReasonReceiverUnreachable: a webhook's receiver can't be reached, or not trusted.
	ReasonReceiverUnreachable = "ReceiverUnreachable"
	// ReasonReceiverRefuses: a webhook's receiver does not take what it is told.
	ReasonReceiverRefuses = "ReceiverRefuses"
	// ReasonReceiverGone: a webhook's receiver wants no more, and is told nothing.
	ReasonReceiverGone = "ReceiverGone"
	// ReasonEventsGivenUp: events were not taken for three days.
	ReasonEventsGivenUp = "EventsGivenUp"

	// ReasonObjectStoreNotRegistered: the Region's register lacks the tenant's object store.
	ReasonObjectStoreNotRegistered = "ObjectStoreNotRegistered"
	// ReasonBucketMisplaced: the store says that the bucket is in another location than the Region's register says.
	ReasonBucketMisplaced = "BucketMisplaced"
	// ReasonBucketVersioned: the bucket keeps what is deleted.
	ReasonBucketVersioned = "BucketVersioned"
	// ReasonStoreUnreachable: the object store did not answer.
	ReasonStoreUnreachable = "StoreUnreachable"
	// ReasonFilesPending: the object store has not removed all files that were deleted.
	ReasonFilesPending = "FilesPending"
	// ReasonTransferNotCovered: the channel's sub-processor is outside of the jurisdiction, without a transfer mechanism.
	ReasonTransferNotCovered = "TransferNotCovered"

	// ReasonEngineMissing: the cluster lacks what the Region's database engine needs.
	ReasonEngineMissing = "EngineMissing"
	// ReasonDatabaseUnreachable: the server of a provider does not answer.
	ReasonDatabaseUnreachable = "DatabaseUnreachable"
	// ReasonDatabaseUntrusted: it has no TLS, or another certificate than was to be expected.
	ReasonDatabaseUntrusted = "DatabaseUntrusted"
	// ReasonDatabaseLoginRefused: it refuses the login, or has no such database.
	ReasonDatabaseLoginRefused = "DatabaseLoginRefused"
	// ReasonDatabaseRightsMissing: the login may not do what a migration has to.
	ReasonDatabaseRightsMissing = "DatabaseRightsMissing"
	// ReasonDatabaseTooOld: the server is older than PostgreSQL 15.
	ReasonDatabaseTooOld = "DatabaseTooOld"
	// ReasonDatabaseTaken: the server has the roles of another tenant.
	ReasonDatabaseTaken = "DatabaseTaken"

	// ReasonMigrationFailed: the migrate Job failed; the message has its error.
	ReasonMigrationFailed = "MigrationFailed"
	// ReasonReplaying: an older database was put back, and what has happened since is being carried out again.
	ReasonReplaying = "Replaying"
	// ReasonNoBackup: neither the Tenant nor its Region asks for backups.
	ReasonNoBackup = "NoBackup"
	// ReasonRestoring: a backup is being put back.
	ReasonRestoring = "Restoring"
	// ReasonPolicyNotEnforced: a pod of the tenant reached what its network policies forbid.
	ReasonPolicyNotEnforced = "PolicyNotEnforced"
	// ReasonNotProbed: the network could not be probed, or the last probe is too old to count.
	ReasonNotProbed = "NotProbed"
	// ReasonOutsideRegion: a pod or volume was seen outside of the region.
	ReasonOutsideRegion = "OutsideRegion"
	// ReasonEgressClosed: something of the tenant is outside of its region, and nothing is sent until it is back.
	ReasonEgressClosed = "EgressClosed"
	// ReasonGlassBroken: the namespace bears the annotation that suspends the policies of residency.
	ReasonGlassBroken = "GlassBroken"
	// ReasonChangePlanned: a change of the Region would leave something outside, and waits to be approved.
	ReasonChangePlanned = "ChangePlanned"
	// ReasonStorageNotBound: the Region's StorageClass is missing, or makes volumes that other regions reach.
	ReasonStorageNotBound = "StorageNotBound"
	// ReasonTenantsOutside: something of the Region's tenants was seen elsewhere.
	ReasonTenantsOutside = "TenantsOutside"
	// ReasonNothingObserved: no pod or volume has been seen yet.
	ReasonNothingObserved = "NothingObserved"
	// ReasonNoNodes: no node matches the Region's node selector.
	ReasonNoNodes = "NoNodes"

	// ReasonOutOfBounds: a rule is outside of what the Region allows.
	ReasonOutOfBounds = "OutOfBounds"
	// ReasonInvalidSchedule: the schedule or time zone can't be understood.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonNeverRun: no run has finished yet.
	ReasonNeverRun = "NeverRun"
	// ReasonRunFailed: the last run failed.
	ReasonRunFailed = "RunFailed"
	// ReasonOverdue: expired data is still there, or a run is missing.
	ReasonOverdue = "Overdue"
	// ReasonNotChecked: the last run couldn't count what is overdue.
	ReasonNotChecked = "NotChecked"

	// ReasonEvidenceBroken: a receipt contradicts what the operator has countersigned.
	ReasonEvidenceBroken = "EvidenceBroken"
	// ReasonBlocked: the guard stopped a run; spec.approvedPlan lets it pass.
	ReasonBlocked = "Blocked"
	// ReasonDryRun: the policy only plans.
	ReasonDryRun = "DryRun"
	// ReasonUnbounded: no policy in force bounds a category.
	ReasonUnbounded = "Unbounded"
	// ReasonNothingMatches: a hold matches nothing that the tenant has.
	ReasonNothingMatches = "NothingMatches"
	// ReasonExpired: the time of a hold is over.
	ReasonExpired = "Expired"
	// ReasonHeldBack: a hold keeps what a request asked to erase.
	ReasonHeldBack = "HeldBack"
	// ReasonDueSoon: a request is due within a week.
	ReasonDueSoon = "DueSoon"
	// ReasonPastDue: a request should have been answered.
	ReasonPastDue = "PastDue"
	// ReasonInvalidSubject: a Secret with a person's addresses can't be understood.
	ReasonInvalidSubject = "InvalidSubject"

	// ReasonMoveRefused: the Region that a tenant is to move to lacks something; status.move.plan lists it.
	ReasonMoveRefused = "MoveRefused"
	// ReasonMovePlanned: a move waits for spec.move.approvedPlan.
	ReasonMovePlanned = "MovePlanned"
	// ReasonMoveCopying: the database is copied to the other region while the tenant is served.
	ReasonMoveCopying = "MoveCopying"
	// ReasonMoveQuiesced: nothing is written; source and copy are compared.
	ReasonMoveQuiesced = "MoveQuiesced"
	// ReasonMoveSwitched: the tenant is served from the other region; the one before is being emptied.
	ReasonMoveSwitched = "MoveSwitched"
	// ReasonMoveAborting: a move was given up or failed, and is being taken back.
	ReasonMoveAborting = "MoveAborting"
	// ReasonMoveFailed: the last attempt at a move failed and was taken back; its new plan waits to be approved.
	ReasonMoveFailed = "MoveFailed"

	// ReasonRollingOut: the tenant's pods are being brought to another image.
	ReasonRollingOut = "RollingOut"
	// ReasonWaitingForTurn: as many tenants as may be are being brought to another image.
	ReasonWaitingForTurn = "WaitingForTurn"
	// ReasonRolloutOverdue: the tenant has not become ready with another image in time, and holds every other tenant's up.
	ReasonRolloutOverdue = "RolloutOverdue"
	// ReasonRolloutPaused: another tenant has not become ready with the image that this one waits for.
	ReasonRolloutPaused = "RolloutPaused"
	// ReasonImageTooOld: the image that the tenant's pods run does not know something that is asked for, which waits for another.
	ReasonImageTooOld = "ImageTooOld"

	// ReasonHeld: a LegalHold keeps the data of a tenant that is to be erased.
	ReasonHeld = "Held"
	// ReasonCounting: the rows of a tenant are counted before they are erased.
	ReasonCounting = "Counting"
	// ReasonExporting: a tenant is taken out as a file before it is erased.
	ReasonExporting = "Exporting"
	// ReasonExportFailed: it could not be, and nothing is erased.
	ReasonExportFailed = "ExportFailed"
	// ReasonObjectsRemain: objects in the namespace have not gone yet.
	ReasonObjectsRemain = "ObjectsRemain"
	// ReasonEmptyingDatabase: the tenant's schemas and roles are being removed from its provider's server.
	ReasonEmptyingDatabase = "EmptyingDatabase"
	// ReasonEmptyingStore: the tenant's objects are being removed from its store.
	ReasonEmptyingStore = "EmptyingStore"
	// ReasonWithdrawing: the webhook of a Channel is being taken from its provider.
	ReasonWithdrawing = "Withdrawing"
	// ReasonWebhookLeft: it could not be, and the Channel goes all the same.
	ReasonWebhookLeft = "WebhookLeft"
	// ReasonVolumesRemain: volumes of the namespace have not been removed yet.
	ReasonVolumesRemain = "VolumesRemain"
)
