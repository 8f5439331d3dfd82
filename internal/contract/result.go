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
	Subject   *SubjectResult   `json:"subject,omitempty"`
	Replay    *ReplayResult    `json:"replay,omitempty"`
	Count     *CountResult     `json:"count,omitempty"`
	Backup    *BackupResult    `json:"backup,omitempty"`
	Restore   *RestoreResult   `json:"restore,omitempty"`
	Export    *ExportResult    `json:"export,omitempty"`
	Bucket    *BucketResult    `json:"bucket,omitempty"`
	Database  *DatabaseResult  `json:"database,omitempty"`
	Probe     *ProbeResult     `json:"probe,omitempty"`
	Standby   *StandbyResult   `json:"standby,omitempty"`
	CutOver   *CutOverResult   `json:"cutOver,omitempty"`
	Reopen    *ReopenResult    `json:"reopen,omitempty"`
	Withdraw  *WithdrawResult  `json:"withdraw,omitempty"`
	// Error says in one sentence, without personal data, why the Job failed.
	Error string `json:"error,omitempty"`
}

// WithdrawResult is the outcome of `instance withdraw`.
type WithdrawResult struct {
	// Gone: nothing at the provider leads to the channel any more.
	Gone bool `json:"gone"`
	// Problem of the credentials is why it is not, a Problem…; "" when the provider could not be reached, or did not say.
	Problem string `json:"problem,omitempty"`
	Code    string `json:"code,omitempty"` // as Check.Code
}

// MigrationResult is the outcome of `instance migrate`.
type MigrationResult struct {
	SchemaVersion int64 `json:"schemaVersion"`
	// Holds says what each hold matched when it was put in force, sorted by name. The
	// last ones are left out when there are more than fit (MaxHoldsTold).
	Holds []HoldMatch `json:"holds,omitempty"`
	// Lacks are the parts of what is asked for that this image does not know, and has left out: of EnvMayLack alone, sorted.
	Lacks []string `json:"lacks,omitempty"`
}

// MaxHoldsTold bounds the holds that a result lists.
const MaxHoldsTold = 24

// HoldMatch counts what a hold matches.
type HoldMatch struct {
	Hold          string `json:"hold"`
	Contacts      int64  `json:"contacts"`
	Conversations int64  `json:"conversations"`
	Messages      int64  `json:"messages"`
}

// SubjectResult is the outcome of `instance subject`: what a receipt of kind
// "request" says, chained as those of retention runs.
type SubjectResult struct {
	Request    string    `json:"request"` // its UID
	Type       string    `json:"type"`
	FinishedAt time.Time `json:"finishedAt"`
	// Found counts the rows of the person by category, before; Done those that were
	// deleted, put into the archive, or put right.
	Found []CategoryCount `json:"found"`
	Done  []CategoryCount `json:"done"`
	// Refused is what had to be kept, and why.
	Refused []Refusal `json:"refused,omitempty"`
	// Subjects are the person's keyed hashes, at most 16: by them the request is carried
	// out again on a database that was put back from a backup.
	Subjects []SubjectHash `json:"subjects,omitempty"`
	// ArchiveID names an Access request's archive, whose path is /api/v1/archives/ID.
	ArchiveID string `json:"archiveID,omitempty"`
	// Files tells of the person's files in an object store: what of an Erasure is Pending, what for an
	// Access was Missing. nil when there is nothing to tell.
	Files          *FilesResult `json:"files,omitempty"`
	Sequence       int64        `json:"sequence"`
	PreviousDigest string       `json:"previousDigest"`
	Digest         string       `json:"digest"`
	Recent         []ChainLink  `json:"recent,omitempty"`
}

// CountResult is the outcome of `instance count`: the rows of every category, expired ones too.
type CountResult struct {
	Counts []CategoryCount `json:"counts"`
}

// CategoryCount counts rows of a category.
type CategoryCount struct {
	Category string `json:"category"`
	Rows     int64  `json:"rows"`
}

// Refusal counts rows of a category that a hold keeps.
type Refusal struct {
	Category string `json:"category"`
	Rows     int64  `json:"rows"`
	Hold     string `json:"hold"`
}

// SubjectHash is a keyed hash of one of a person's addresses.
type SubjectHash struct {
	Kind       string `json:"kind"`
	KeyVersion int    `json:"keyVersion"`
	Hash       string `json:"hash"` // hex
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
	Outcome      string    `json:"outcome"` // an Outcome…
	// Plan is what the run was about to do; set when it planned: the first run of
	// changed rules, a run that the guard stopped, a dry run.
	Plan *Plan `json:"plan,omitempty"`
	// Holds counts the expired rows that each hold keeps, sorted by name, at most MaxHoldsTold.
	Holds []HoldCount `json:"holds,omitempty"`
	// Categories in the order of the policy's rules.
	Categories []CategoryResult `json:"categories"`
	// Files tells of files in an object store; nil when there is nothing to tell.
	Files *FilesResult `json:"files,omitempty"`
	// PreviousDigest and Digest chain the receipts: hex SHA-256.
	PreviousDigest string `json:"previousDigest"`
	Digest         string `json:"digest"`
	// Recent holds the newest receipts before this one, newest first, at most 20:
	// what a run whose pod was lost could not tell.
	Recent []ChainLink `json:"recent,omitempty"`
}

// Outcomes of a run.
const (
	OutcomeEnforced = "Enforced" // what had expired was removed
	OutcomeBlocked  = "Blocked"  // the guard stopped it: nothing was removed
	OutcomeDryRun   = "DryRun"   // planned only
)

// Plan is what a run would do. Approved by its digest, it lets one run of the same
// rules pass the guard with the rows that it counted; what is beyond them counts
// against the guard again.
type Plan struct {
	Digest       string    `json:"digest,omitempty"` // hex SHA-256 of the rest as JSON
	PolicyDigest string    `json:"policyDigest"`
	PlannedAt    time.Time `json:"plannedAt"`
	// Estimated: counts may be the database's estimates, for no exact ones could have stopped the run. Never of a plan
	// that waits for approval.
	Estimated bool `json:"estimated,omitempty"`
	// Categories in the order of the policy's rules.
	Categories []PlannedCategory `json:"categories"`
}

// PlannedCategory counts what a run would do to one category.
type PlannedCategory struct {
	Category string    `json:"category"`
	Cutoff   time.Time `json:"cutoff"`
	Expired  int64     `json:"expired"` // rows that would go
	HeldBack int64     `json:"heldBack"`
	Total    int64     `json:"total"` // rows that there are
}

// HoldCount counts expired rows that a hold keeps.
type HoldCount struct {
	Hold string `json:"hold"`
	Rows int64  `json:"rows"`
}

// CategoryResult counts what a run did to one category.
type CategoryResult struct {
	Category string    `json:"category"`
	Cutoff   time.Time `json:"cutoff"` // rows at or before it are expired
	Deleted  int64     `json:"deleted"`
	// Anonymized counts those of Deleted that live on in counts (ActionAnonymize).
	Anonymized int64 `json:"anonymized,omitempty"`
	HeldBack   int64 `json:"heldBack"`
	// OldestLeft is the age mark of the oldest row left, nil when none is.
	OldestLeft *time.Time `json:"oldestLeft,omitempty"`
	// Overdue counts expired rows that are still there, read back after the run;
	// nil means that it could not be checked, which is never to be read as none.
	Overdue *int64 `json:"overdue"`
	// VacuumedAt is when the database was last seen to have cleared the space of rows that
	// batches had deleted, before this run read back; nil when it was not seen yet. A
	// dropped month leaves no such space.
	VacuumedAt *time.Time `json:"vacuumedAt,omitempty"`
}

// ChainLink names one receipt.
type ChainLink struct {
	Sequence int64  `json:"sequence"`
	Digest   string `json:"digest"`
}

// Unbroken cuts links, newest first, at the first number that is left out: a database that
// was put back lacks receipts, and what is before them was told of before.
func Unbroken(links []ChainLink) []ChainLink {
	for i := 1; i < len(links); i++ {
		if links[i].Sequence != links[i-1].Sequence-1 {
			return links[:i]
		}
	}
	return links
}

// Encode renders the result for a termination message. When it would be longer
// than the kubelet keeps, the oldest Recent links are left out first, then the last holds.
func (r Result) Encode() ([]byte, error) {
	for {
		b, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encoding a result: %w", err)
		}
		if len(b) <= TerminationLimit {
			return b, nil
		}
		if !r.shorten() {
			return nil, fmt.Errorf("encoding a result: %d bytes, a termination message holds %d", len(b), TerminationLimit)
		}
	}
}

// shorten leaves out what can be had elsewhere: the oldest Recent link, then the last
// hold. It reports false when there is nothing left to leave out.
func (r *Result) shorten() bool {
	switch {
	case r.Retention != nil && len(r.Retention.Recent) > 0:
		short := *r.Retention
		short.Recent = short.Recent[:len(short.Recent)-1]
		r.Retention = &short
	case r.Retention != nil && len(r.Retention.Holds) > 0:
		short := *r.Retention
		short.Holds = short.Holds[:len(short.Holds)-1]
		r.Retention = &short
	case r.Subject != nil && len(r.Subject.Recent) > 0:
		short := *r.Subject
		short.Recent = short.Recent[:len(short.Recent)-1]
		r.Subject = &short
	case r.Migration != nil && len(r.Migration.Holds) > 0:
		short := *r.Migration
		short.Holds = short.Holds[:len(short.Holds)-1]
		r.Migration = &short
	default:
		return false
	}
	return true
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
