package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Tenant is a client with a messaging instance of its own: namespace, database,
// staff API, and whatever Channels and RetentionPolicies stand in that namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=tn
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Hostname",type=string,JSONPath=`.spec.hostname`
// +kubebuilder:printcolumn:name="Resident",type=string,JSONPath=`.status.conditions[?(@.type=="ResidencyCompliant")].status`
// +kubebuilder:printcolumn:name="Move",type=string,priority=1,JSONPath=`.status.move.phase`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in hotel-berlin"
// +kubebuilder:validation:XValidation:rule="self.spec.region == oldSelf.spec.region || (has(oldSelf.status) && has(oldSelf.status.move) && oldSelf.status.move.phase == 'Switched' && oldSelf.status.move.to == self.spec.region)",message="region can't change: the data is there. Ask for the tenant to be moved by spec.move; where it was moved already, set region to where it is"
type Tenant struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the client bought.
	// +required
	Spec TenantSpec `json:"spec"`
	// status is what the operator saw.
	// +optional
	Status TenantStatus `json:"status,omitempty"`
}

// TenantList is a list of Tenants.
//
// +kubebuilder:object:root=true
type TenantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Tenant `json:"items"`
}

// DeletionPolicy says what becomes of a tenant's data when its Tenant is deleted.
//
// +kubebuilder:validation:Enum=Retain;Erase
type DeletionPolicy string

const (
	// DeletionRetain stops the workloads and keeps namespace, volume, credentials and keys.
	// Applying the Tenant again takes them up again.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionErase deletes the namespace with all data in it, made or adopted.
	DeletionErase DeletionPolicy = "Erase"
)

// TenantSpec is what a client bought.
//
// +kubebuilder:validation:XValidation:rule="has(self.__namespace__) == has(oldSelf.__namespace__) && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",message="namespace can't change: the data is there. Make a new Tenant and import the data"
// +kubebuilder:validation:XValidation:rule="(has(self.plan) && has(self.plan.storage)) == (has(oldSelf.plan) && has(oldSelf.plan.storage)) && (!has(self.plan) || !has(self.plan.storage) || !has(oldSelf.plan) || !has(oldSelf.plan.storage) || string(self.plan.storage) == string(oldSelf.plan.storage))",message="plan.storage can't change: the volume is there. Make a new Tenant with the size that you need and import the data"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.objectStore) || (has(self.objectStore) && self.objectStore.name == oldSelf.objectStore.name && self.objectStore.bucket == oldSelf.objectStore.bucket)",message="objectStore can't change but for its credentials: the objects are there. Make a new Tenant with the other bucket and import the data"
type TenantSpec struct {
	// displayName for people. Default: the Tenant's name. Example: Hotel Berlin.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// region is the name of the Region that the tenant's data lives in. Nobody can change it but the operator, at the end of
	// a move. Example: eu-central.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Region string `json:"region"`

	// hostname is the DNS name under which staff, guests and providers reach the tenant.
	// No default. Example: messages.hotel-berlin.example.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="use a DNS name of lower-case letters, digits, hyphens and at least one dot, as in messages.hotel-berlin.example"
	Hostname string `json:"hostname"`

	// namespace of the tenant. It can't change. A namespace that exists is adopted only if it
	// bears the label messaging.switchboard.dev/tenant with the Tenant's name. Default: tenant-NAME.
	// Example: hotel-berlin.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="use a namespace name of lower-case letters, digits and hyphens"
	// +kubebuilder:validation:XValidation:rule="self != 'default' && !self.startsWith('kube-')",message="a tenant can't live in default or in a namespace of Kubernetes; leave the field out to get tenant-NAME"
	Namespace string `json:"namespace,omitempty"`

	// plan is the size of the instance. Default: the smallest.
	// +optional
	Plan *Plan `json:"plan,omitempty"`

	// objectStore keeps the bytes of attachments, and backups that name it, in a bucket of a store that the Region's register lists.
	// It can't change once it is set: the objects are there. Default: both are in the namespace's volumes.
	// +optional
	ObjectStore *TenantObjectStore `json:"objectStore,omitempty"`

	// backup of the database. Default: the Region's.
	// +optional
	Backup *Backup `json:"backup,omitempty"`

	// move asks for the tenant to be moved to another Region. Default: none.
	// +optional
	Move *Move `json:"move,omitempty"`

	// webhooks tell other systems of the client's of messages, receipts and opt-outs. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Webhooks []Webhook `json:"webhooks,omitempty"`

	// sendWindow is when automated messages, which other systems of the client's send, go to guests, in the guest's time zone. What
	// staff write goes at once, and so do answers to STOP, START and HELP. Default: always.
	// +optional
	SendWindow *SendWindow `json:"sendWindow,omitempty"`

	// privacyNotice is linked in the first message that a guest is sent, and again after a material change. A web chat whose Channel
	// names no page of its own shows it. Default: none.
	// +optional
	PrivacyNotice *PrivacyNotice `json:"privacyNotice,omitempty"`

	// staffOIDC lets staff sign in by the client's own directory, by OpenID Connect. Default: none, passwords alone.
	// +optional
	StaffOIDC *StaffOIDC `json:"staffOIDC,omitempty"`

	// suspended stops the staff API, the connectors and webhooks. Deletion of expired data goes on. Default: false.
	// +optional
	Suspended bool `json:"suspended,omitempty"`

	// deletionPolicy says what becomes of the data when this Tenant is deleted. Default: Retain.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// export of the tenant as a file, before deletionPolicy Erase erases it. Nothing is erased before the file was read back
	// whole. Default: none.
	// +optional
	Export *Export `json:"export,omitempty"`
}

// TenantObjectStore is a tenant's bucket. Its objects have keys that begin with REGION/TENANT/, so that tenants may share one.
type TenantObjectStore struct {
	// name of the store in the Region's register. Example: frankfurt.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// bucket of the store. It must exist, in the location that the register names, and never have had versioning. Example: switchboard-eu.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$')",message="use the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"
	Bucket string `json:"bucket"`
	// credentialsSecretRef names a Secret in the tenant's namespace with the keys accessKeyID and secretAccessKey, and sessionToken where there is one.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`
}

// Plan is the size of an instance.
type Plan struct {
	// replicas of the staff API. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Replicas *int32 `json:"replicas,omitempty"`
	// storage is the size in bytes of the database's volume. It counts when the database is made.
	// Default: the Region's, else 10Gi. Example: 50Gi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('100Mi')) >= 0",message="a database needs a volume of 100Mi or more"
	Storage *resource.Quantity `json:"storage,omitempty"`
	// resources of the database's pod. Default: 100m of CPU and 512Mi of memory.
	// +optional
	Resources *PlanResources `json:"resources,omitempty"`
}

// PlanResources is what a pod may count on. Memory is also its limit; CPU is not limited, so that an idle node is of use.
type PlanResources struct {
	// cpu in cores. Default: 100m. Example: 500m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('10m')) >= 0",message="use 10m or more"
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// memory in bytes. Default: 512Mi. Example: 1Gi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('128Mi')) >= 0",message="the database needs 128Mi or more"
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// TenantStatus is what the operator saw of a tenant.
type TenantStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=24
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// namespace in which the tenant lives.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// schemaVersion of the database, as the last migrate Job said.
	// +optional
	SchemaVersion int64 `json:"schemaVersion,omitempty"`
	// credentialsVersion is the newest version of the database credentials.
	// +optional
	CredentialsVersion int32 `json:"credentialsVersion,omitempty"`
	// endpoints under which the tenant is reached, if routes lead to them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// residency is where pods and volumes of the tenant were really seen.
	// +optional
	Residency *Residency `json:"residency,omitempty"`
	// network is what the newest probe of the tenant's network told.
	// +optional
	Network *NetworkProbe `json:"network,omitempty"`
	// evidence is the newest receipt of the tenant's chain that the operator has countersigned.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
	// restored is what was carried out again when an older database was put back last.
	// +optional
	Restored *Restored `json:"restored,omitempty"`
	// backup is what the newest backups told.
	// +optional
	Backup *BackupStatus `json:"backup,omitempty"`
	// restore is the newest request to put a backup back.
	// +optional
	Restore *RestoreStatus `json:"restore,omitempty"`
	// move is how the tenant is moved to another Region, or was last.
	// +optional
	Move *MoveStatus `json:"move,omitempty"`
	// erasure is what is known of a tenant that is being erased: it goes into the ErasureCertificate.
	// +optional
	Erasure *Erasure `json:"erasure,omitempty"`
	// export is the file that a tenant which is being erased was taken out as.
	// +optional
	Export *Exported `json:"export,omitempty"`
	// usage is what the tenant is billed by: counts of whole days, which name nobody.
	// +optional
	Usage *Usage `json:"usage,omitempty"`
	// privacyNotice counts who was told of it.
	// +optional
	PrivacyNotice *NoticeStatus `json:"privacyNotice,omitempty"`
	// instance is the image that the tenant's pods run.
	// +optional
	Instance *InstanceStatus `json:"instance,omitempty"`
}

// InstanceStatus is the image that a tenant's pods run, and the one that they are being brought to.
type InstanceStatus struct {
	// image of the server, the connectors and the Jobs.
	// +required
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`
	// rollout to another image that is under way: first the database is migrated by it, then the pods run it, and it ends when all
	// of them are available.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`
	// lacks are fields of spec that the image does not know: they wait for the tenant's turn at one that does.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=64
	Lacks []string `json:"lacks,omitempty"`
}

// Rollout is how far a tenant is on the way to another image.
type Rollout struct {
	// to is the image.
	// +required
	// +kubebuilder:validation:MaxLength=512
	To string `json:"to"`
	// from is the image before.
	// +required
	// +kubebuilder:validation:MaxLength=512
	From string `json:"from"`
	// since is when the tenant's turn came, in UTC.
	// +required
	Since metav1.Time `json:"since"`
	// mending: the tenant was not served when its turn came. It holds nobody up.
	// +optional
	Mending bool `json:"mending,omitempty"`
}

// BackupStatus is what the newest backups told.
type BackupStatus struct {
	// keepDays is how long a copy is kept, in days of 24 hours.
	// +required
	KeepDays int32 `json:"keepDays"`
	// boundBy is the policy and category whose limit makes it shorter than was asked for. Example: guests/Messages.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BoundBy string `json:"boundBy,omitempty"`
	// file of the newest backup.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	File string `json:"file,omitempty"`
	// bytes of it.
	// +optional
	Bytes int64 `json:"bytes,omitempty"`
	// takenAt is when it began, in UTC.
	// +optional
	TakenAt *metav1.Time `json:"takenAt,omitempty"`
	// sequence of the newest receipt that is in it for sure.
	// +optional
	Sequence int64 `json:"sequence,omitempty"`
	// count of backups that there are.
	// +optional
	Count int32 `json:"count,omitempty"`
	// oldestAt is when the oldest of them began, in UTC.
	// +optional
	OldestAt *metav1.Time `json:"oldestAt,omitempty"`
	// copiesExpireBy is when the newest goes, in UTC: what has been deleted by now is in no copy any more then.
	// +optional
	CopiesExpireBy *metav1.Time `json:"copiesExpireBy,omitempty"`
}

// RestoreStatus is how a backup is being put back. What has happened since it was taken is told by restored.
type RestoreStatus struct {
	// request is the annotation that asked for it.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Request string `json:"request"`
	// phase: Restoring, Done or Failed.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Phase string `json:"phase"`
	// file that was put back.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	File string `json:"file,omitempty"`
	// message says why it failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1200
	Message string `json:"message,omitempty"`
}

// Phases of a restore.
const (
	// RestoreRestoring: the database is stopped, and the backup unpacked.
	RestoreRestoring = "Restoring"
	// RestoreDone: it is in place, and the database is started.
	RestoreDone = "Done"
	// RestoreFailed: the data is as it was, and the database is started.
	RestoreFailed = "Failed"
)

// Erasure is what is known of a tenant that is being erased.
type Erasure struct {
	// counted: the database was counted.
	// +required
	Counted bool `json:"counted"`
	// counts of rows by category.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	Counts []CategoryCount `json:"counts,omitempty"`
	// objects says what became of the tenant's objects in its store; absent while that is not known, and when it has none.
	// +optional
	Objects *ErasedObjects `json:"objects,omitempty"`
	// database says what became of what the tenant had in a provider's database; absent while that is not known, and when it has none.
	// +optional
	Database *ErasedDatabase `json:"database,omitempty"`
	// webhooks that are not known to be gone at their providers: why, by Channel.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	Webhooks []string `json:"webhooks,omitempty"`
	// unchecked says why it could not be counted.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Unchecked string `json:"unchecked,omitempty"`
	// volumes that were bound to the tenant's claims.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	Volumes []string `json:"volumes,omitempty"`
}

// ErasedObjects is what became of a tenant's objects in its store.
type ErasedObjects struct {
	// removed counts those that the store has confirmed to be gone: files and backups.
	// +required
	Removed int64 `json:"removed"`
	// problem says why not all are known to be gone; empty when the store listed none any more.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Problem string `json:"problem,omitempty"`
}

// ErasedDatabase is what became of a tenant's schemas and roles in a provider's database.
type ErasedDatabase struct {
	// provider who runs it, by the Region; empty when the Region had gone.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Provider string `json:"provider,omitempty"`
	// schemas that were dropped.
	// +required
	Schemas int32 `json:"schemas"`
	// roles that were dropped.
	// +required
	Roles int32 `json:"roles"`
	// problem says why not all is known to be gone; empty when nothing was left.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Problem string `json:"problem,omitempty"`
}

// Restored counts what was carried out again on a database that was put back, before anything was served from it.
type Restored struct {
	// epoch counts the restores of this tenant.
	// +required
	Epoch int32 `json:"epoch"`
	// sequence of the receipt that tells of it, and its digest: hex SHA-256.
	// +required
	Sequence int64 `json:"sequence"`
	// digest of that receipt: hex SHA-256.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// finishedAt is when erasures and opt-outs had been carried out again, in UTC.
	// +required
	FinishedAt metav1.Time `json:"finishedAt"`
	// foundSequence is the newest receipt that the database held.
	// +required
	FoundSequence int64 `json:"foundSequence"`
	// knownSequence is the newest receipt that was countersigned: those in between are in the ledger alone.
	// +required
	KnownSequence int64 `json:"knownSequence"`
	// erasures of persons that were carried out again.
	// +required
	Erasures int64 `json:"erasures"`
	// erasedRows that went by them.
	// +required
	ErasedRows int64 `json:"erasedRows"`
	// heldRows that a hold kept from them.
	// +required
	HeldRows int64 `json:"heldRows"`
	// optOuts and objections of persons that were carried out again.
	// +required
	OptOuts int64 `json:"optOuts"`
	// consents: changes of consent that were repeated, such as a STOP.
	// +required
	Consents int64 `json:"consents"`
	// holds that were put in force before.
	// +required
	Holds int32 `json:"holds"`
	// requestsToRepeat can't be carried out again, because nobody keeps what they were about: rectifications.
	// +required
	RequestsToRepeat int64 `json:"requestsToRepeat"`
	// sessionsEnded of staff.
	// +required
	SessionsEnded int64 `json:"sessionsEnded"`
	// messagesUnknown were on their way out, and may have been sent since: staff decide.
	// +required
	MessagesUnknown int64 `json:"messagesUnknown"`
}

// Endpoint is an address of a tenant.
type Endpoint struct {
	// name is api, or channel- and the name of a channel.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// url of it. Example: https://messages.hotel-berlin.example/api/v1/.
	// +required
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url"`
}
