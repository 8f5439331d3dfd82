package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Result is what a Job's container says in its termination message. Exactly one
// member is set.
type Result struct {
	Retention *RetentionResult `json:"retention,omitempty"`
	Migration *MigrationResult `json:"migration,omitempty"`
	// Error says in one sentence, without personal data, why the Job failed.
	Error string `json:"error,omitempty"`
}

// MigrationResult is the outcome of `instance migrate`.
type MigrationResult struct {
	SchemaVersion int64 `json:"schemaVersion"`
}

// RetentionResult is the outcome of one run of `instance retain`. All times are
// UTC. It is a receipt as stored and chained in the database, plus the digests
// of the receipts before it.
type RetentionResult struct {
	Sequence     int64     `json:"sequence"` // 1, 2, 3 … within a tenant
	Policy       string    `json:"policy"`
	Generation   int64     `json:"generation"`
	PolicyDigest string    `json:"policyDigest"`
	StartedAt    time.Time `json:"startedAt"`
	FinishedAt   time.Time `json:"finishedAt"`
	// Categories in the order of the policy's rules.
	Categories []CategoryResult `json:"categories"`
	// PreviousDigest and Digest chain the receipts: hex SHA-256.
	PreviousDigest string `json:"previousDigest"`
	Digest         string `json:"digest"`
	// Recent holds the newest receipts before this one, newest first, at most 20:
	// what a run whose pod was lost could not tell.
	Recent []ChainLink `json:"recent,omitempty"`
}

// CategoryResult counts what a run did to one category.
type CategoryResult struct {
	Category string    `json:"category"`
	Cutoff   time.Time `json:"cutoff"` // rows at or before it are expired
	Deleted  int64     `json:"deleted"`
	HeldBack int64     `json:"heldBack"`
	// OldestLeft is the age mark of the oldest row left, nil when none is.
	OldestLeft *time.Time `json:"oldestLeft,omitempty"`
	// Overdue counts expired rows that are still there, read back after the run;
	// nil means that it could not be checked, which is never to be read as none.
	Overdue *int64 `json:"overdue"`
}

// ChainLink names one receipt.
type ChainLink struct {
	Sequence int64  `json:"sequence"`
	Digest   string `json:"digest"`
}

// Encode renders the result for a termination message. When it would be longer
// than the kubelet keeps, the oldest Recent links are left out first.
func (r Result) Encode() ([]byte, error) {
	for {
		b, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encoding a result: %w", err)
		}
		if len(b) <= TerminationLimit {
			return b, nil
		}
		if r.Retention == nil || len(r.Retention.Recent) == 0 {
			return nil, fmt.Errorf("encoding a result: %d bytes, a termination message holds %d", len(b), TerminationLimit)
		}
		short := *r.Retention
		short.Recent = short.Recent[:len(short.Recent)-1]
		r.Retention = &short
	}
}

// DecodeResult reads a termination message.
func DecodeResult(message string) (Result, error) {
	var r Result
	if len(message) > TerminationLimit {
		return r, fmt.Errorf("decoding a result: %d bytes, at most %d are possible", len(message), TerminationLimit)
	}
	if err := json.Unmarshal([]byte(message), &r); err != nil {
		return r, fmt.Errorf("decoding a result: %w", err)
	}
	return r, nil
}

// Digest identifies a policy's rules: hex SHA-256 of their JSON.
func Digest(rules []RetentionRule) string {
	b, err := json.Marshal(rules)
	if err != nil {
		panic(err) // strings and integers only: cannot happen
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
