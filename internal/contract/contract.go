// Package contract is what the operator and the instance agree on: the file
// paths, environment variables, ports, database roles and JSON documents that
// pass between them. The operator writes them into pods; the instance, which
// never talks to the Kubernetes API, reads them and answers by its exit code
// and its termination message.
//
// It imports nothing but the standard library, so that both sides can.
package contract

import "time"

// Ports of every instance pod.
const (
	// PortHTTPS serves the staff API (serve) or a channel's webhooks (connect)
	// with the certificate in DirTLS.
	PortHTTPS = 8443
	// PortProbe serves /healthz, /readyz and /metrics over plain HTTP. It carries no
	// personal data.
	PortProbe = 8080
	// PortPostgres is the database's.
	PortPostgres = 5432
)

// Directories that the operator mounts into instance pods, read-only. Files are
// re-read when they change: a rotation needs no restart of the reader.
const (
	// DirDatabase holds username, password, tls.crt, tls.key and ca.crt: one login
	// role of the database, its client certificate (CN = username) and the authority
	// of the server's certificate. Of a database that is not the operator's own also host, port
	// and dbname, which then count for PGHOST, PGPORT and PGDATABASE; tls.crt and tls.key may be
	// missing there, or password, if they are not.
	DirDatabase = "/var/run/switchboard/database"
	// DirTLS holds tls.crt, tls.key and ca.crt: the serving certificate.
	DirTLS = "/var/run/switchboard/tls"
	// DirKeys holds one file address-hash-N (32 random bytes) for each version N of
	// the tenant's key for keyed hashes; the highest N is current. Connect needs it, and
	// serve too, in whose pod `instance import` runs.
	DirKeys = "/var/run/switchboard/keys"
	// DirChannel holds the keys of the Secret that the Channel names (connect only).
	DirChannel = "/var/run/switchboard/channel"
	// DirRoles holds a directory per login role to exist, named as the role, with a
	// file password in it (migrate only).
	DirRoles = "/var/run/switchboard/roles"
	// DirStaff holds email and password of the first staff account (migrate only).
	DirStaff = "/var/run/switchboard/staff"
	// DirHolds holds a directory per Hold that names a person, named as the hold, with
	// the files of a subject in it (migrate only).
	DirHolds = "/var/run/switchboard/holds"
	// DirSubject holds the files of the person whom a request is about (subject only):
	// one file for each Kind…, with one address on each line, and what a Rectification
	// puts right in FileNewName and FileNewPhone.
	DirSubject = "/var/run/switchboard/subject"
	// DirDownload holds FileToken, 43 characters of base64url, which lets whoever knows
	// it fetch the archive of an Access request once (subject only).
	DirDownload = "/var/run/switchboard/download"
	// DirAnchor holds FileAnchor, an Anchor as JSON: every component that opens the
	// database, but migrate and replay, gives up one that lacks what it tells of.
	DirAnchor = "/var/run/switchboard/anchor"
	// DirBackups is the volume of backups (backup and restore only).
	DirBackups = "/var/lib/switchboard/backups"
	// DirBackupKey holds FileRecipient, to which backups are encrypted (backup), or FileIdentity,
	// which opens them (restore): age keys, one in each line.
	DirBackupKey = "/var/run/switchboard/backup-key"
	// DirData is the volume of the database, in which pgdata is its data directory (restore only).
	DirData = "/var/lib/postgresql/data"
	// DirObjectStore holds FileAccessKeyID and FileSecretAccessKey, and FileSessionToken where
	// there is one: credentials of the ObjectStore.
	DirObjectStore = "/var/run/switchboard/object-store"
	// DirFiles holds the same of the tenant's own store where DirObjectStore is of another: in an export.
	DirFiles = "/var/run/switchboard/files"
	// DirReplay holds FileReplay (replay only).
	DirReplay = "/var/run/switchboard/replay"
)

// Files in the directories above.
const (
	FileUsername = "username"
	FilePassword = "password"
	FileTLSCert  = "tls.crt"
	FileTLSKey   = "tls.key"
	FileCA       = "ca.crt"
	// FileHost, FilePort and FileDatabase say where a database is that is not the operator's own.
	FileHost     = "host"
	FilePort     = "port"
	FileDatabase = "dbname"
	FileEmail    = "email"
	// FileHashKeyPrefix is followed by the key's version, a positive integer.
	FileHashKeyPrefix = "address-hash-"
	// FileNewName and FileNewPhone are what a Rectification replaces name and phone with.
	FileNewName   = "newName"
	FileNewPhone  = "newPhone"
	FileToken     = "token"
	FileRecipient = "recipient"
	FileIdentity  = "identity"
	FileAnchor    = "anchor.json"
	FileReplay    = "replay.json.gz"
	// The keys of the Secret with an object store's credentials.
	FileAccessKeyID     = "accessKeyID"
	FileSecretAccessKey = "secretAccessKey"
	FileSessionToken    = "sessionToken"
	// FileAuthToken is the key of a Twilio channel's Secret with its auth token.
	FileAuthToken = "authToken"
	// FileAccessToken, FileAppSecret and FileVerifyToken are the keys of the Secret of a
	// channel of WhatsApp or Messenger: by which messages are sent, webhooks are signed, and their address is agreed on.
	FileAccessToken = "accessToken"
	FileAppSecret   = "appSecret"
	FileVerifyToken = "verifyToken"
	// FileBotToken and FileSecretToken are the keys of a Telegram channel's Secret: by which
	// messages are sent, and by which Telegram proves itself.
	FileBotToken    = "botToken"
	FileSecretToken = "secretToken"
	// FileIdentitySecret is the key of a web chat's Secret, by which the client's site signs user ids.
	FileIdentitySecret = "identitySecret"
)

// Environment variables of instance pods. PGHOST, PGPORT, PGDATABASE and
// PGSSLMODE=verify-full are set as libpq defines them, the rest of the
// connection comes from DirDatabase.
const (
	EnvTenant = "SWITCHBOARD_TENANT" // the Tenant's name
	EnvRegion = "SWITCHBOARD_REGION" // the Region's name
	// EnvPublicURL is the origin under which guests, staff and providers reach the
	// tenant, without a trailing slash: https://hotel-berlin.example.
	EnvPublicURL   = "SWITCHBOARD_PUBLIC_URL"
	EnvSetup       = "SWITCHBOARD_SETUP"        // migrate: a Setup as JSON
	EnvChannel     = "SWITCHBOARD_CHANNEL"      // connect: a Channel as JSON
	EnvRetention   = "SWITCHBOARD_RETENTION"    // retain: a Retention as JSON
	EnvRequest     = "SWITCHBOARD_REQUEST"      // subject: a Request as JSON
	EnvKeepDays    = "SWITCHBOARD_KEEP_DAYS"    // backup: days of 24 hours that a copy is kept
	EnvBackup      = "SWITCHBOARD_BACKUP"       // restore: a file's name, or latest
	EnvObjectStore = "SWITCHBOARD_OBJECT_STORE" // an ObjectStore as JSON; unset: the tenant has none
	EnvTracing     = "SWITCHBOARD_TRACING"      // serve, connect: a Tracing as JSON; unset: nobody is told
	// EnvTerminationLog is where a Job writes its result; /dev/termination-log when unset.
	EnvTerminationLog = "SWITCHBOARD_TERMINATION_LOG"
)

// DatabaseName is the database of every tenant.
const DatabaseName = "switchboard"

// TerminationLimit is the kubelet's bound on a termination message, in bytes.
const TerminationLimit = 4096

// Setup is what `instance migrate` brings about in the database, beside the schema.
type Setup struct {
	// Channels that exist. Roles and queues of others are dropped.
	Channels []SetupChannel `json:"channels"`
	// Retention in force: one entry per policy. It replaces what was in force before.
	Retention []Retention `json:"retention"`
	// Holds in force, sorted by name. They replace what was in force before.
	Holds []Hold `json:"holds,omitempty"`
	// Webhooks that other systems are told by, sorted by name. Others go, with what they have not told yet.
	Webhooks []SetupWebhook `json:"webhooks,omitempty"`
	// SendWindow is when automated messages go; nil for always.
	SendWindow *SendWindow `json:"sendWindow,omitempty"`
	// PrivacyNotice is what guests are told of; nil for none.
	PrivacyNotice *PrivacyNotice `json:"privacyNotice,omitempty"`
}

// SendWindow is a window of the recipient's day.
type SendWindow struct {
	Opens  string `json:"opens"`  // HH:MM
	Closes string `json:"closes"` // HH:MM, also 24:00; before Opens: on the day after
	// Days of ISO 8601, 1 being Monday, on which it opens. None: never, and nothing automated is sent.
	Days     []int  `json:"days"`
	TimeZone string `json:"timeZone"` // where the recipient's is not known, by its IANA name
}

// Hold keeps rows from deletion. All of its members that are set must agree with a
// row; one of Subject, Conversation, Channel, From and To is set at least.
type Hold struct {
	Name string `json:"name"` // the LegalHold's name
	// Subject: the person whose addresses are in DirHolds/Name. All that the tenant
	// has of a contact who bears one of them is held.
	Subject      bool       `json:"subject,omitempty"`
	Conversation string     `json:"conversation,omitempty"` // a UUID
	Channel      string     `json:"channel,omitempty"`
	From         *time.Time `json:"from,omitempty"`    // age marks at or after it
	To           *time.Time `json:"to,omitempty"`      // age marks before it
	Expires      *time.Time `json:"expires,omitempty"` // from then on it holds nothing
}

// Kinds of addresses by which a person is known: files in the directory of a subject,
// and the kinds of addresses that are hashed. Phone numbers are in E.164.
const (
	KindPhone     = "phone"
	KindWhatsApp  = "whatsapp"
	KindMessenger = "messenger"
	KindTelegram  = "telegram"
	// KindWebChat is who a guest of a web chat is: CHANNEL:user:ID, by the client's own site, or CHANNEL:session:UUID.
	KindWebChat = "webchat"
	KindEmail   = "email"
)

// Kinds lists the kinds of addresses.
func Kinds() []string {
	return []string{KindPhone, KindWhatsApp, KindMessenger, KindTelegram, KindWebChat, KindEmail}
}

// Request is one request of a person, as `instance subject` carries it out.
type Request struct {
	Name       string    `json:"name"` // the DataSubjectRequest's name
	UID        string    `json:"uid"`  // its metadata.uid: a second run of it changes nothing more
	Type       string    `json:"type"` // a Request…
	ReceivedAt time.Time `json:"receivedAt"`
	// After is the digest of the receipt of the attempt before this one, empty for the
	// first: an attempt that is repeated, because its pod was lost, gives the same receipt.
	After string `json:"after,omitempty"`
	// ArchiveKey is the age recipient (age1…) that an Access request's archive is encrypted to.
	ArchiveKey string `json:"archiveKey,omitempty"`
}

// Types of requests, as DataSubjectRequest.spec.type spells them. The instance carries out all but
// a Complaint, which has a clock only.
const (
	RequestErasure       = "Erasure"
	RequestAccess        = "Access"
	RequestRectification = "Rectification"
	RequestOptOut        = "OptOut"
	RequestObjection     = "Objection"
	RequestUnderage      = "Underage"
	RequestComplaint     = "Complaint"
)

// Retention is one policy as `instance retain` enforces it.
type Retention struct {
	Policy     string          `json:"policy"`     // the RetentionPolicy's name
	Generation int64           `json:"generation"` // its metadata.generation
	Digest     string          `json:"digest"`     // Digest(Rules)
	Rules      []RetentionRule `json:"rules"`      // sorted by category
	// Mode is ModeEnforce or ModeDryRun, which plans only: neither does it delete, nor
	// make anything unreadable.
	Mode string `json:"mode"`
	// MaxPercent is the guard: a run that would delete more of a category's rows stops.
	// 100 lets everything pass.
	MaxPercent int32 `json:"maxPercent"`
	// ApprovedPlan is the digest of a plan that may be carried out although the guard
	// stopped it; empty for none.
	ApprovedPlan string `json:"approvedPlan,omitempty"`
}

// Modes of a policy.
const (
	ModeEnforce = "Enforce"
	ModeDryRun  = "DryRun"
)

// RetentionRule bounds one category of data.
type RetentionRule struct {
	Category   string `json:"category"`
	RetainDays int32  `json:"retainDays"` // days of 24 hours
	Action     string `json:"action"`     // Delete or Anonymize
	LegalBasis string `json:"legalBasis,omitempty"`
}

// MaxRetainDays bounds RetentionRule.RetainDays: a hundred years.
const MaxRetainDays = 36500

// Categories of data that a rule can bound.
const (
	CategoryMessages        = "Messages"
	CategoryMessageMetadata = "MessageMetadata"
	CategoryAttachments     = "Attachments"
	CategoryContacts        = "Contacts"
	CategoryStaffAccounts   = "StaffAccounts"
	CategoryAccessLogs      = "AccessLogs"
	CategoryWebChatSessions = "WebChatSessions"
	CategoryIntegrationData = "IntegrationData"
	CategoryTestimonials    = "Testimonials"
)

// Categories lists all categories.
func Categories() []string {
	return []string{
		CategoryMessages, CategoryMessageMetadata, CategoryAttachments, CategoryContacts, CategoryStaffAccounts,
		CategoryAccessLogs, CategoryWebChatSessions, CategoryIntegrationData, CategoryTestimonials,
	}
}

// Actions on expired rows.
const (
	// ActionDelete removes them.
	ActionDelete = "Delete"
	// ActionAnonymize removes them too, and keeps counts per day, channel and direction
	// of groups of five and more. For MessageMetadata alone.
	ActionAnonymize = "Anonymize"
)
