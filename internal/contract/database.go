package contract

// DatabaseResult is the outcome of `instance database`: whether a database that is not the operator's own may be used, or
// what was removed of it.
type DatabaseResult struct {
	// Class of what is in the way, one of Database…; empty when the database may be used, or was emptied.
	Class   string `json:"class,omitempty"`
	Message string `json:"message,omitempty"` // what to do about it; names no login and no host
	// Version of the server, as its server_version_num: 150014.
	Version int `json:"version,omitempty"`
	// Schemas and Roles that were removed, when that was asked for.
	Schemas int `json:"schemas,omitempty"`
	Roles   int `json:"roles,omitempty"`
}

// Classes of what is in the way of using a database.
const (
	DatabaseUnreachable = "Unreachable" // nobody answers there
	DatabaseUntrusted   = "Untrusted"   // no TLS, or not the certificate that was to be expected
	DatabaseRefused     = "Refused"     // the login or the database is not known there
	DatabaseRights      = "Rights"      // the login may not do what a migration has to
	DatabaseTooOld      = "TooOld"      // the server is older than MinPostgres
	DatabaseTaken       = "Taken"       // the server has the roles of another tenant
	DatabaseFailed      = "Failed"      // anything else
)

// MinPostgres is the oldest server that serves a tenant, as its server_version_num: PostgreSQL 15.
const MinPostgres = 150000

// EnvDatabaseClaim is REGION/TENANT, by which the roles of a server are marked that is not the operator's own (migrate,
// database): roles are common to all databases of a server, so that one which serves another tenant is refused.
const EnvDatabaseClaim = "SWITCHBOARD_DATABASE_CLAIM"
