package contract

import "time"

// BackupSlack is how much sooner than its time a copy goes: the run of that day may start
// some seconds earlier than the one that took it.
const BackupSlack = time.Hour

// BackupResult is the outcome of `instance backup`.
type BackupResult struct {
	File       string    `json:"file,omitempty"` // that was made; empty when it failed
	Bytes      int64     `json:"bytes,omitempty"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// Head is the newest receipt that is in it for sure; zero for none.
	Head ChainLink `json:"head"`
	// Count is how many backups there are, Oldest when the oldest began.
	Count   int        `json:"count"`
	Oldest  *time.Time `json:"oldest,omitempty"`
	Removed int        `json:"removed,omitempty"` // because their time was over
}

// RestoreResult is the outcome of `instance restore`.
type RestoreResult struct {
	File string `json:"file"` // that was put back
}
