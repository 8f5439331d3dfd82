package contract

import "time"

// ExportFormat names the form of an archive that `instance export` writes (docs/export.md).
const ExportFormat = "switchboard/export/v1"

// Where `instance export` learns what is asked for, when it uploads an archive.
const (
	EnvExport = "SWITCHBOARD_EXPORT" // an Export as JSON
	// DirResources holds FileResources: what the operator has of the tenant, as YAML.
	DirResources  = "/var/run/switchboard/resources"
	FileResources = "resources.yaml"
)

// Export says to whom and where a tenant is exported. The store's credentials are in
// DirObjectStore.
type Export struct {
	Recipient string      `json:"recipient"` // an age public key
	Object    string      `json:"object"`    // its name in the store, without the prefix
	Store     ObjectStore `json:"store"`
}

// ExportResult is the outcome of `instance export`.
type ExportResult struct {
	SnapshotAt time.Time `json:"snapshotAt"` // what it shows
	FinishedAt time.Time `json:"finishedAt"`
	// SHA256 is the hex digest of the archive as it was written, encrypted, and Bytes its size.
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	// Head is the newest receipt in it; zero for none.
	Head          ChainLink `json:"head"`
	SchemaVersion int64     `json:"schemaVersion"`
	// Counts of rows by category, files as Files, and what goes along with them.
	Counts []CategoryCount `json:"counts"`
	// Object is the name under which it was uploaded; empty when it was not.
	Object string `json:"object,omitempty"`
}

// Adopted tells, in a receipt, what a tenant was brought in from.
type Adopted struct {
	Tenant     string    `json:"tenant"` // its former name
	Head       ChainLink `json:"head"`   // the newest receipt that came along; zero for none
	SnapshotAt time.Time `json:"snapshotAt"`
	SHA256     string    `json:"sha256"`  // of the archive, as it was encrypted
	Rows       int64     `json:"rows"`    // that were stored
	LeftOut    int64     `json:"leftOut"` // that had expired on the way
}

// AdoptResult is the outcome of `instance adopt`: a line of JSON on standard output.
type AdoptResult struct {
	Adopted
	Receipt ChainLink    `json:"receipt"` // that tells of it
	Tables  []AdoptCount `json:"tables"`
	Unknown int64        `json:"unknown"` // messages that were on their way out
}

// AdoptCount counts rows of one table of an archive.
type AdoptCount struct {
	Table   string `json:"table"`
	Rows    int64  `json:"rows"`
	LeftOut int64  `json:"leftOut"`
}
