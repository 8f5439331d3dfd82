// Package archive is the form in which a tenant is taken out as a file: documents, tables
// as JSON Lines and files, in a tar archive, compressed by gzip, encrypted by age. It is
// written and read in one pass, whatever its size, and ends with a manifest, so that one
// that was cut off or changed is told. docs/export.md describes it.
package archive

import (
	"hash"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Names in an archive. Tables are directories of members of some MiB each.
const (
	headName      = "head.json"
	keysName      = "hash-keys.json"
	resourcesName = "resources.yaml"
	tablePrefix   = "data/"
	filePrefix    = "files/"
	manifestName  = "manifest.json"
)

// Tables lists the tables of an archive, in their order: none refers to a later one.
func Tables() []string {
	return []string{
		"retention_limit", "channel", "hold", "hold_alias", "contact", "contact_address", "hold_contact", "conversation",
		"message", "message_body", "message_count", TableFile, "attachment", "web_chat_session", "integration_data", "testimonial",
		"access_log", "seen", "suppression", "consent_log", "staff", "canned_reply", TableReceipt,
	}
}

// Tables that a reader has to know of: that of files, whose bytes follow it, and the chain.
const (
	TableFile    = "file"
	TableReceipt = "receipt"
)

// Bounds of what is read, in bytes.
const (
	maxDocument = 4 << 20  // a document
	maxLine     = 64 << 20 // a row
	// chunk is where a member of a table is full.
	chunk = 1 << 20
)

// Head says what an archive is about; it comes first.
type Head struct {
	Format        string    `json:"format"`
	Tenant        string    `json:"tenant"`
	SchemaVersion int64     `json:"schemaVersion"`
	SnapshotAt    time.Time `json:"snapshotAt"`
	// RetainDays are the limits in force, in days of 24 hours by category; a category that
	// nothing bounds is left out.
	RetainDays map[string]float64 `json:"retainDays"`
	// Chain is the newest receipt; zero for none.
	Chain contract.ChainLink `json:"chain"`
}

// Manifest ends an archive.
type Manifest struct {
	Head
	Documents []Part `json:"documents"`
	Tables    []Part `json:"tables"`
	Files     Part   `json:"files"`
}

// Part is what the manifest tells of a document, a table or all files. Of a table, and of
// files, Bytes and SHA256 (hex) are those of its members' contents, one after the other.
type Part struct {
	Name    string `json:"name"`
	Members int64  `json:"members"`
	Rows    int64  `json:"rows,omitempty"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// tally counts and digests what goes by.
type tally struct {
	part Part
	hash hash.Hash
}

func (t *tally) Write(b []byte) (int, error) {
	t.part.Bytes += int64(len(b))
	return t.hash.Write(b)
}
