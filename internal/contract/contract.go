// Package contract is what the operator and the instance agree on: the file
// paths, environment variables, ports, database roles and JSON documents that
// pass between them. The operator writes them into pods; the instance, which
// never talks to the Kubernetes API, reads them and answers by its exit code
// and its termination message.
//
// It imports nothing but the standard library, so that both sides can.
package contract

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
	// of the server's certificate.
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
)

// Files in the directories above.
const (
	FileUsername = "username"
	FilePassword = "password"
	FileTLSCert  = "tls.crt"
	FileTLSKey   = "tls.key"
	FileCA       = "ca.crt"
	FileEmail    = "email"
	// FileHashKeyPrefix is followed by the key's version, a positive integer.
	FileHashKeyPrefix = "address-hash-"
	// FileAuthToken is the key of a Twilio channel's Secret with its auth token.
	FileAuthToken = "authToken"
)

// Environment variables of instance pods. PGHOST, PGPORT, PGDATABASE and
// PGSSLMODE=verify-full are set as libpq defines them, the rest of the
// connection comes from DirDatabase.
const (
	EnvTenant = "SWITCHBOARD_TENANT" // the Tenant's name
	EnvRegion = "SWITCHBOARD_REGION" // the Region's name
	// EnvPublicURL is the origin under which guests, staff and providers reach the
	// tenant, without a trailing slash: https://hotel-berlin.example.
	EnvPublicURL = "SWITCHBOARD_PUBLIC_URL"
	EnvSetup     = "SWITCHBOARD_SETUP"     // migrate: a Setup as JSON
	EnvChannel   = "SWITCHBOARD_CHANNEL"   // connect: a Channel as JSON
	EnvRetention = "SWITCHBOARD_RETENTION" // retain: a Retention as JSON
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
}

// SetupChannel is a channel as the database knows it.
type SetupChannel struct {
	Name string `json:"name"`
	Type string `json:"type"` // a ChannelType…
}

// Types of channels, as Channel.spec.type spells them.
const (
	ChannelTypeTwilioSMS = "TwilioSMS"
)

// Channel is what `instance connect` needs to know of its channel.
type Channel struct {
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	TwilioSMS *TwilioSMS `json:"twilioSMS,omitempty"`
	Keywords  []Keywords `json:"keywords,omitempty"`
}

// TwilioSMS is a Twilio account's side of a channel; its auth token is in DirChannel.
type TwilioSMS struct {
	AccountSID          string `json:"accountSID"`
	From                string `json:"from,omitempty"`                // E.164; or
	MessagingServiceSID string `json:"messagingServiceSID,omitempty"` // MG…
	APIBaseURL          string `json:"apiBaseURL"`                    // https://api.twilio.com
	CABundle            string `json:"caBundle,omitempty"`            // PEM, instead of the public authorities
}

// Keywords adds words of a locale to the mandatory ones; it can't remove any.
type Keywords struct {
	Locale string   `json:"locale"`
	Stop   []string `json:"stop,omitempty"`
	Start  []string `json:"start,omitempty"`
	Help   []string `json:"help,omitempty"`
}

// Retention is one policy as `instance retain` enforces it.
type Retention struct {
	Policy     string          `json:"policy"`     // the RetentionPolicy's name
	Generation int64           `json:"generation"` // its metadata.generation
	Digest     string          `json:"digest"`     // Digest(Rules)
	Rules      []RetentionRule `json:"rules"`      // sorted by category
}

// RetentionRule bounds one category of data.
type RetentionRule struct {
	Category   string `json:"category"`
	RetainDays int32  `json:"retainDays"` // days of 24 hours
	Action     string `json:"action"`     // Delete
	LegalBasis string `json:"legalBasis,omitempty"`
}

// Categories of data that a rule can bound.
const (
	CategoryMessages        = "Messages"
	CategoryMessageMetadata = "MessageMetadata"
	CategoryContacts        = "Contacts"
	CategoryAccessLogs      = "AccessLogs"
)

// ActionDelete removes expired rows.
const ActionDelete = "Delete"
