package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Region is what the platform means by "eu-central": where its tenants' pods
// and volumes live, who may process data for them, and how long data may be kept.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=rgn
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Jurisdiction",type=string,JSONPath=`.spec.jurisdiction`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 40",message="metadata.name: use at most 40 lower-case letters, digits and hyphens, as in eu-central"
type Region struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the platform wants.
	// +required
	Spec RegionSpec `json:"spec"`
	// status is what the operator saw.
	// +optional
	Status RegionStatus `json:"status,omitempty"`
}

// RegionList is a list of Regions.
//
// +kubebuilder:object:root=true
type RegionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Region `json:"items"`
}

// RegionSpec is what the platform wants of a region.
//
// +kubebuilder:validation:XValidation:rule="(has(self.database) && has(self.database.engine) ? self.database.engine : 'Embedded') == (has(oldSelf.database) && has(oldSelf.database.engine) ? oldSelf.database.engine : 'Embedded')",message="database.engine can't change: the tenants' data is there. Make another Region, and bring the data over by an export"
type RegionSpec struct {
	// jurisdiction is the law that data in this region is under, as an ISO 3166 code of
	// a country, optionally of a subdivision, or EU. No default. Example: DE, EU, US-MA.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{2}(-[A-Z0-9]{1,3})?$')",message="use an ISO 3166 code such as DE or US-MA, or EU"
	Jurisdiction string `json:"jurisdiction"`

	// nodeSelector names the labels that a node must bear to run anything of the
	// region's tenants. Default: topology.kubernetes.io/region with the Region's name.
	// Example: {"topology.kubernetes.io/region": "eu-central-1"}.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && self[k].size() <= 63)",message="label keys have at most 317 characters and values at most 63"
	NodeSelector map[string]LabelValue `json:"nodeSelector,omitempty"`

	// tolerations let the region's tenants onto tainted nodes. Default: none.
	// Example: [{"key": "tenants", "operator": "Exists", "effect": "NoSchedule"}].
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// storageClassName is the StorageClass of the tenants' volumes; its topology should be
	// the region's. Default: the cluster's default class. Example: local-eu-central.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName string `json:"storageClassName,omitempty"`

	// volumeSnapshotClassName is the VolumeSnapshotClass whose snapshots stay in the region. Default: none, so that no
	// snapshot is made of the tenants' volumes. Example: snapshots-eu-central.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`

	// database sets defaults for the tenants' databases. Default: an embedded PostgreSQL.
	// +optional
	Database *RegionDatabase `json:"database,omitempty"`

	// routes says how requests from outside reach tenants. Default: no routes are made;
	// the Services serve and connector-CHANNEL stand ready for your own.
	// +optional
	Routes *Routes `json:"routes,omitempty"`

	// subProcessors is the register of companies that may process data of the region's
	// tenants. A Channel may use these alone. Default: none, so that no Channel is accepted.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	SubProcessors []SubProcessor `json:"subProcessors,omitempty"`

	// objectStores is the register of S3-compatible stores that may keep files and backups of the region's tenants.
	// A Tenant may use these alone. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ObjectStores []ObjectStore `json:"objectStores,omitempty"`

	// network says who may reach tenants beside the cluster's own pods, and what no tenant may reach. Default: nobody, and
	// nothing beyond what is closed anyway.
	// +optional
	Network *RegionNetwork `json:"network,omitempty"`

	// tracing says which collector is told how long what took. Default: none.
	// +optional
	Tracing *Tracing `json:"tracing,omitempty"`

	// defaultRetention is what holds for a category of data that no RetentionPolicy of a tenant bounds: the
	// operator makes a RetentionPolicy region-default of it in the tenant's namespace. Default: none; a tenant
	// whose policies leave a category unbounded then says so in its condition RetentionCovered.
	// +optional
	DefaultRetention *DefaultRetention `json:"defaultRetention,omitempty"`

	// retentionBounds says how short and how long data of a category may be kept here.
	// Default: no bounds but those of RetentionPolicy itself (1 to 36500 days).
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=9
	RetentionBounds []RetentionBound `json:"retentionBounds,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// DatabaseEngine is a way to run a tenant's database.
//
// +kubebuilder:validation:Enum=Embedded;CloudNativePG;External
type DatabaseEngine string

const (
	// EngineEmbedded is a PostgreSQL of one pod in the tenant's namespace.
	EngineEmbedded DatabaseEngine = "Embedded"
	// EngineCloudNativePG is a Cluster of CloudNativePG's in the tenant's namespace.
	EngineCloudNativePG DatabaseEngine = "CloudNativePG"
	// EngineExternal is a PostgreSQL that a provider runs, a server for each tenant.
	EngineExternal DatabaseEngine = "External"
)

// RegionDatabase sets defaults for databases.
//
// +kubebuilder:validation:XValidation:rule="(has(self.engine) && self.engine == 'External') == has(self.external)",message="engine External goes with external: set both or none"
// +kubebuilder:validation:XValidation:rule="(has(self.engine) && self.engine == 'CloudNativePG') == has(self.cloudNativePG)",message="engine CloudNativePG goes with cloudNativePG: set both or none"
// +kubebuilder:validation:XValidation:rule="!has(self.cloudNativePG) || !has(self.backup)",message="backups of engine CloudNativePG are not built: leave backup out"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !has(self.backup)",message="an external database is backed up by its provider: leave backup out"
type RegionDatabase struct {
	// engine runs the database. It can't change. Default: Embedded, one PostgreSQL pod per tenant. CloudNativePG:
	// a Cluster of that operator's, with replicas and failover. External: a server for each tenant that a provider runs.
	// +optional
	Engine DatabaseEngine `json:"engine,omitempty"`
	// cloudNativePG says how CloudNativePG runs the databases of engine CloudNativePG. Default: none.
	// +optional
	CloudNativePG *CloudNativePG `json:"cloudNativePG,omitempty"`
	// external says who runs the servers of engine External, and where. Default: none.
	// +optional
	External *ExternalDatabase `json:"external,omitempty"`
	// image is a container image that holds to the contract of the official postgres
	// image. Default: the operator's flag --postgres-image. Example: docker.io/library/postgres:15-bookworm.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// backup of tenants that say nothing of it. Default: none.
	// +optional
	Backup *Backup `json:"backup,omitempty"`
	// storage is the size in bytes of the volume of a tenant whose plan names none. Default: 10Gi.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('100Mi')) >= 0",message="a database needs a volume of 100Mi or more"
	Storage *resource.Quantity `json:"storage,omitempty"`
}

// CloudNativePG says how CloudNativePG runs databases. Its operator is installed in the cluster before this one starts.
//
// +kubebuilder:validation:XValidation:rule="has(self.apiServer.ports)",message="apiServer.ports: name the port of the API server, such as 6443"
type CloudNativePG struct {
	// instances of each tenant's database, of which one leads. Default: 2. Example: 3.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Instances *int32 `json:"instances,omitempty"`
	// operatorNamespace is where CloudNativePG's operator runs, which may ask the database's pods how they are. Default: cnpg-system.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	OperatorNamespace string `json:"operatorNamespace,omitempty"`
	// apiServer is where the database's pods reach the cluster's API server, by which they agree on who leads. No default.
	// +required
	APIServer Egress `json:"apiServer"`
}

// ExternalDatabase is a PostgreSQL that a provider runs. Each tenant has a server of its own there, since roles are common to
// all databases of a server. PostgreSQL 15 or newer, TLS 1.3.
//
// +kubebuilder:validation:XValidation:rule="has(self.egress.ports)",message="egress.ports: name the port of the servers, such as 5432"
type ExternalDatabase struct {
	// provider who runs the servers under contract, for the record. Example: Example Cloud SQL, Frankfurt.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Provider string `json:"provider"`
	// location of the servers and their backups, as a jurisdiction, as the provider says: nobody here can see it. Example: DE.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{2}(-[A-Z0-9]{1,3})?$')",message="use an ISO 3166 code such as DE or US-MA, or EU"
	Location string `json:"location"`
	// transferMechanism under which data leaves the region's jurisdiction. Default: none, for servers inside of it; elsewhere no
	// tenant is set up, and channels are stopped. Example: Standard Contractual Clauses.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// credentialsSecretRef names a Secret in each tenant's namespace with the keys host, dbname, user, ca.crt (the authorities that
	// the server's certificate may be from, in PEM), and password or tls.crt and tls.key; port where it is not 5432. The login owns
	// the database and may make roles (CREATEROLE); it is used for migrations alone.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`
	// egress is where the servers are reached. The tenants' pods that work with the database may connect to that.
	// +required
	Egress Egress `json:"egress"`
}

// BackupDestination is where copies of a database are kept.
//
// +kubebuilder:validation:Enum=Volume;ObjectStore
type BackupDestination string

const (
	// BackupToVolume keeps copies on a volume of the region.
	BackupToVolume BackupDestination = "Volume"
	// BackupToObjectStore keeps copies in the tenant's object store.
	BackupToObjectStore BackupDestination = "ObjectStore"
)

// Backup says when copies of a database are made, encrypted, onto a volume of the region or into the tenant's object store, and how long
// they are kept.
type Backup struct {
	// destination of the copies: Volume, or ObjectStore, which is the Tenant's spec.objectStore. Copies that were made to the other one
	// stay there: remove them. Default: Volume.
	// +optional
	Destination BackupDestination `json:"destination,omitempty"`
	// schedule of the backups in UTC, as in RetentionPolicy. Default: "30 1 * * *".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$') || self.matches('^[0-9A-Za-z*?/,-]+( +[0-9A-Za-z*?/,-]+){4}$')",message="use cron with five fields (minute hour day month weekday) such as \"30 1 * * *\", or @hourly, @daily, @weekly, @monthly, @yearly"
	Schedule string `json:"schedule,omitempty"`
	// keepDays is how many days of 24 hours a copy is kept; never more than the shortest limit of a policy in force.
	// Default: 7.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=35
	KeepDays *int32 `json:"keepDays,omitempty"`
	// storage is the size in bytes of the volume. It counts when the volume is made. Default: that of the database's.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('100Mi')) >= 0",message="backups need a volume of 100Mi or more"
	Storage *resource.Quantity `json:"storage,omitempty"`
}

// Routes is one way for requests to come in.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.gateway) != has(self.ingress)",message="set one of gateway and ingress"
type Routes struct {
	// gateway makes HTTPRoutes on this Gateway. The Gateway API must be installed.
	// +optional
	Gateway *GatewayReference `json:"gateway,omitempty"`
	// ingress makes Ingresses of this class.
	// +optional
	Ingress *IngressReference `json:"ingress,omitempty"`
}

// GatewayReference names a listener of a Gateway.
type GatewayReference struct {
	// name of the Gateway. Example: public.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the Gateway. Example: gateways.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// sectionName is the listener. Default: all listeners that fit. Example: https.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// IngressReference names a class of Ingresses.
type IngressReference struct {
	// className is the IngressClass. It must speak HTTPS to its backends. Example: nginx.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className"`
}

// SubProcessor is a company that processes data of tenants under contract.
type SubProcessor struct {
	// name by which Channels refer to it. Example: twilio.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="use lower-case letters, digits and hyphens, as in twilio"
	Name string `json:"name"`
	// purpose of the processing, for the record. Example: delivery of text messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Purpose string `json:"purpose"`
	// location where it processes data, as a jurisdiction. Example: US.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{2}(-[A-Z0-9]{1,3})?$')",message="use an ISO 3166 code such as DE or US-MA, or EU"
	Location string `json:"location"`
	// transferMechanism under which data leaves the region's jurisdiction. Default: none, for a
	// sub-processor inside of it. Example: EU-US Data Privacy Framework.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TransferMechanism string `json:"transferMechanism,omitempty"`
	// egress is where connectors of this sub-processor may connect to. Default: nowhere.
	// +optional
	Egress *Egress `json:"egress,omitempty"`
}

// Egress is a set of addresses and ports.
type Egress struct {
	// cidrs are IP networks. Example: ["168.86.128.0/18"].
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	CIDRs []CIDR `json:"cidrs"`
	// ports are TCP ports. Default: [443].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Ports []Port `json:"ports,omitempty"`
}

// CIDR is an IP network.
//
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="use an IP network such as 168.86.128.0/18"
type CIDR string

// Port is a TCP port.
//
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=65535
type Port int32

// ObjectStore is an S3-compatible store.
type ObjectStore struct {
	// name by which Tenants refer to it. Example: frankfurt.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="use lower-case letters, digits and hyphens, as in frankfurt"
	Name string `json:"name"`
	// endpoint is the store's origin. Example: https://s3.eu-central-1.amazonaws.com.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",message="use an https origin without a path, as in https://s3.eu-central-1.amazonaws.com"
	Endpoint string `json:"endpoint"`
	// location of its buckets, in the store's own words: what it answers when it is asked for a bucket's location.
	// A bucket that is elsewhere is refused. Example: eu-central-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$')",message="use the store's word for a region, of letters, digits and hyphens, as in eu-central-1"
	Location string `json:"location"`
	// egress is where the store is reached. Retention runs, requests and backups of tenants that use it may connect to that.
	// +required
	Egress Egress `json:"egress"`
	// caBundle are the certificate authorities that the store's certificate may be from, in PEM. Default: public ones.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32768
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
}

// DefaultRetention is the policy of a tenant that has none.
type DefaultRetention struct {
	// schedule of the runs, as in RetentionPolicy. Default: "30 2 * * *".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Schedule string `json:"schedule,omitempty"`
	// timeZone of the schedule, by its IANA name. Default: Etc/UTC. Example: Europe/Berlin.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// rules, one for each category.
	// +required
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=9
	// +kubebuilder:validation:XValidation:rule="self.all(r, !has(r.action) || r.action != 'Anonymize' || r.category == 'MessageMetadata')",message="Anonymize is for MessageMetadata alone; use Delete, or leave action out"
	// +kubebuilder:validation:XValidation:rule="!self.exists(r, r.category == 'Messages') || !self.exists(r, r.category == 'MessageMetadata') || self.filter(r, r.category == 'Messages')[0].retainDays <= self.filter(r, r.category == 'MessageMetadata')[0].retainDays",message="Messages can't be kept longer than MessageMetadata: lower retainDays of Messages or raise that of MessageMetadata"
	Rules []RetentionRule `json:"rules"`
}

// RetentionBound bounds retention of one category.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minDays) || !has(self.maxDays) || self.minDays <= self.maxDays",message="minDays must not be above maxDays"
type RetentionBound struct {
	// category of data. Example: Messages.
	// +required
	Category Category `json:"category"`
	// minDays is the shortest retention allowed, in days of 24 hours. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=36500
	MinDays *int32 `json:"minDays,omitempty"`
	// maxDays is the longest retention allowed, in days of 24 hours. Default: 36500.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=36500
	MaxDays *int32 `json:"maxDays,omitempty"`
}

// RegionStatus is what the operator saw of a region.
type RegionStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are listed in conditions.go.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// nodes counts the nodes that match the node selector.
	// +optional
	Nodes int32 `json:"nodes"`
	// tenants counts the Tenants that name this region.
	// +optional
	Tenants int32 `json:"tenants"`
	// nodeNames are the first 64 of the nodes, in the order of the alphabet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	NodeNames []string `json:"nodeNames,omitempty"`
	// tenantNames are the first 64 of the Tenants, likewise.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	TenantNames []string `json:"tenantNames,omitempty"`
	// storageClass that the tenants' volumes are of.
	// +optional
	StorageClass *RegionStorageClass `json:"storageClass,omitempty"`
	// jurisdictions under which data of the tenants may be: the region's own, and those of the sub-processors.
	// +optional
	// +listType=map
	// +listMapKey=jurisdiction
	// +kubebuilder:validation:MaxItems=65
	Jurisdictions []RegionJurisdiction `json:"jurisdictions,omitempty"`
	// planned is a change of the Region that some of its tenants are not held to yet.
	// +optional
	Planned *RegionChange `json:"planned,omitempty"`
}

// RegionStorageClass is the StorageClass of a region's volumes.
type RegionStorageClass struct {
	// name of it: the Region's, or the cluster's default.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// provisioner that makes the volumes; empty when there is no such class.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Provisioner string `json:"provisioner,omitempty"`
	// bound: its volumes are made in the region alone, since its allowedTopologies say so, or since they are made where
	// the first pod runs.
	// +required
	Bound bool `json:"bound"`
}

// RegionJurisdiction is a place where data of a region's tenants may be.
type RegionJurisdiction struct {
	// jurisdiction as an ISO 3166 code, or EU.
	// +required
	// +kubebuilder:validation:MaxLength=6
	Jurisdiction string `json:"jurisdiction"`
	// subProcessors that process data there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	SubProcessors []string `json:"subProcessors,omitempty"`
	// covered: data stays under the region's law there, or goes there under a transfer mechanism.
	// +required
	Covered bool `json:"covered"`
}

// RegionChange is a change of a Region that would leave something of its tenants outside.
type RegionChange struct {
	// digest that approves it, as annotation messaging.switchboard.dev/approve-change.
	// +required
	// +kubebuilder:validation:MaxLength=16
	Digest string `json:"digest"`
	// outside is what would be, each after the name of its tenant.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=400
	Outside []string `json:"outside"`
}
