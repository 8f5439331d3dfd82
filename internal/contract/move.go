package contract

import "time"

// EnvTarget names the host of a tenant's database in the region that it moves to (cutover only). Its certificate
// is that of PGHOST.
const EnvTarget = "SWITCHBOARD_TARGET"

// MoveSlot is the replication slot by which the source keeps what the target has not read yet.
const MoveSlot = "switchboard_move"

// StandbyResult is the outcome of `instance standby`.
type StandbyResult struct {
	Bytes int64 `json:"bytes"` // of the data directory that was copied
}

// CutOverResult is the outcome of `instance cutover`: source and target were the same to the last row, and nobody
// writes to the source any more. Times are UTC.
type CutOverResult struct {
	QuiescedAt time.Time `json:"quiescedAt"`
	VerifiedAt time.Time `json:"verifiedAt"`
	OpenedAt   time.Time `json:"openedAt"` // the target takes writes
	// Tables were compared, which have Rows in sum; Digest is over the name, the count and the content of each: hex SHA-256.
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
	// Counts of rows by category, and the newest receipt, as both have them.
	Counts []CategoryCount `json:"counts,omitempty"`
	Head   ChainLink       `json:"head"`
}

// ReopenResult is the outcome of `instance reopen`.
type ReopenResult struct {
	At time.Time `json:"at"`
}
