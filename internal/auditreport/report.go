// Package auditreport makes one page of what is known of a tenant in a period: what the signed evidence proves, and,
// apart from it, what the custom resources say. What does not verify is told as a finding, and counted nowhere.
// Nothing personal comes in: names of objects, counts, ids, digests, times and reasons alone.
package auditreport

import (
	"time"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

// Format names the shape of the JSON: docs/audit-report.md. A member may be added to it; none changes its meaning.
const Format = "switchboard/audit-report/v1"

// Weights of findings.
const (
	// WeightProblem: evidence that can't be relied upon.
	WeightProblem = "Problem"
	// WeightBreach: what is relied upon says that something promised was not kept.
	WeightBreach = "Breach"
	// WeightNote: nothing wrong.
	WeightNote = "Note"
)

// Report is the whole of it. Its times are UTC; its lists are never null.
type Report struct {
	Format       string       `json:"format"`
	Generator    Generator    `json:"generator"`
	MadeAt       time.Time    `json:"madeAt"`
	Tenant       Tenant       `json:"tenant"`
	Period       Days         `json:"period"`
	Verified     bool         `json:"verified"` // no finding is a Problem
	Findings     []Finding    `json:"findings"` // the heaviest first
	Verification Verification `json:"verification"`
	Policies     []Policy     `json:"policies"`
	Deletions    Deletions    `json:"deletions"`
	Overdue      []OverdueDay `json:"overdue"` // days with runs
	Runs         []Run        `json:"runs"`
	Holds        []Hold       `json:"holds"`
	Requests     []Request    `json:"requests"`
	Restores     []Restore    `json:"restores"`
	// Residency and Transfers are what the custom resources say; null when they were not read.
	Residency    *Residency    `json:"residency"`
	Transfers    *Transfers    `json:"transfers"`
	Certificates []Certificate `json:"certificates"`
	CheckAgain   []Command     `json:"checkAgain"`
}

// Generator is the program that made the report.
type Generator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Tenant is whom the report is about.
type Tenant struct {
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"` // empty when neither an object nor a statement tells it
	Region string `json:"region,omitempty"`
	// State: Present, Gone (the Tenant is not there, and no certificate tells of an erasure), Erased, or NotRead.
	State    string     `json:"state"`
	ErasedAt *time.Time `json:"erasedAt,omitempty"`
}

// States of a tenant.
const (
	StatePresent = "Present"
	StateGone    = "Gone"
	StateErased  = "Erased"
	StateNotRead = "NotRead"
)

// Days is the period.
type Days struct {
	From  string    `json:"from"` // the first day
	To    string    `json:"to"`   // the last day, inclusive
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`  // the first instant after it
	Over  bool      `json:"over"` // the last day was over when the report was made
}

// Finding is one thing to know.
type Finding struct {
	Code     string `json:"code"`
	Weight   string `json:"weight"`             // a Weight…
	Sequence int64  `json:"sequence,omitempty"` // the receipt it is about
	Sentence string `json:"sentence"`
}

// Verification is what was checked before anything was counted.
type Verification struct {
	Statements    int                 `json:"statements"` // of the ledger, about the tenant's chain
	Receipts      int64               `json:"receipts"`   // that were given
	Records       int                 `json:"records"`    // that can be relied upon, of all times
	Keys          []string            `json:"keys"`       // IDs of those that signed
	Countersigned *contract.ChainLink `json:"countersigned"`
	Head          *contract.ChainLink `json:"head"` // the newest receipt that was given
	Anchor        *contract.ChainLink `json:"anchor"`
	// NotCounted are receipts of all times that nothing here is built upon.
	NotCounted []audit.Doubt `json:"notCounted"`
}

// Rule bounds a category.
type Rule = contract.RetentionRule

// Policy is one RetentionPolicy.
type Policy struct {
	Name     string    `json:"name"`
	Versions []Version `json:"versions"` // in force in the period, oldest first, as runs prove them
	// Object is what the cluster says; null when it has none of that name, or was not read.
	Object *PolicyObject `json:"object"`
}

// Version is rules that runs enforced.
type Version struct {
	Generation   int64  `json:"generation"`
	PolicyDigest string `json:"policyDigest"`
	// Rules are null when no signed statement says what they were.
	Rules []Rule `json:"rules"`
	// Since is when the first run of them began, Until when the first run of others did; null for none so far.
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until"`
	FirstRun int64      `json:"firstRun"` // its receipt
	RunsIn   int        `json:"runsIn"`   // runs in the period
	Changes  []Change   `json:"changes"`  // against the version before; empty for the first
}

// Change is what became of the rule of one category.
type Change struct {
	Category string `json:"category"`
	Before   *Rule  `json:"before"` // null: there was none
	After    *Rule  `json:"after"`  // null: it was taken out
}

// PolicyObject is a RetentionPolicy as the cluster has it when the report is made.
type PolicyObject struct {
	Generation   int64     `json:"generation"`
	CreatedAt    time.Time `json:"createdAt"`
	Mode         string    `json:"mode"`
	Schedule     string    `json:"schedule"`
	TimeZone     string    `json:"timeZone"`
	MaxPercent   int32     `json:"maxPercent"`
	PolicyDigest string    `json:"policyDigest"`
	Rules        []Rule    `json:"rules"`
	// Proven: the newest run was by these rules.
	Proven bool `json:"proven"`
}

// Deletions counts rows that went, by category, cause and month.
type Deletions struct {
	Months []string      `json:"months"`
	Rows   []DeletionRow `json:"rows"`
	Total  int64         `json:"total"`
}

// Causes of deletions.
const (
	CauseExpired   = "Expired"   // by a retention run
	CauseRequested = "Requested" // by a request of a person
)

// DeletionRow is one category by one cause.
type DeletionRow struct {
	Category string  `json:"category"`
	Cause    string  `json:"cause"`
	Months   []int64 `json:"months"` // as Deletions.Months
	Total    int64   `json:"total"`
	// Anonymized counts those of Total that live on in counts.
	Anonymized int64 `json:"anonymized"`
}

// OverdueDay is what the runs of a day left over.
type OverdueDay struct {
	Day     string `json:"day"`
	Runs    int    `json:"runs"`
	Highest *int64 `json:"highest"` // rows that one run left; null when none counted
	Unknown int    `json:"unknown"` // runs that could not count, which doesn't mean none
}

// Run is a retention run that finished in the period.
type Run struct {
	Sequence     int64      `json:"sequence"`
	Digest       string     `json:"digest"`
	Basis        string     `json:"basis"` // audit.Basis…
	Key          string     `json:"key"`   // that signed the statement about it; empty where a later one vouches for it
	Policy       string     `json:"policy"`
	Generation   int64      `json:"generation"`
	PolicyDigest string     `json:"policyDigest"`
	Outcome      string     `json:"outcome"`
	StartedAt    *time.Time `json:"startedAt"` // null when only the statement is there
	FinishedAt   time.Time  `json:"finishedAt"`
	// Interrupted: it was not taken up again, because its rules were no longer in force.
	Interrupted bool            `json:"interrupted"`
	Attempts    int             `json:"attempts"` // that were interrupted before it
	Categories  []RunCategory   `json:"categories"`
	Holds       []HeldRows      `json:"holds"`
	Followed    []FollowedCount `json:"followed"` // rows without personal data that went along
}

// RunCategory is what a run did to a category.
type RunCategory struct {
	Category   string     `json:"category"`
	Cutoff     *time.Time `json:"cutoff"`
	Deleted    int64      `json:"deleted"`
	Anonymized int64      `json:"anonymized"`
	HeldBack   int64      `json:"heldBack"`
	Overdue    *int64     `json:"overdue"` // null: not counted, which doesn't mean none
	OldestLeft *time.Time `json:"oldestLeft"`
}

// HeldRows counts expired rows that a hold kept.
type HeldRows struct {
	Hold string `json:"hold"`
	Rows int64  `json:"rows"`
}

// FollowedCount counts rows of one kind that went because nothing referred to them any more.
type FollowedCount struct {
	Kind    string `json:"kind"`
	Deleted int64  `json:"deleted"`
	Pending int64  `json:"pending"`
}

// Hold is a LegalHold.
type Hold struct {
	Name string `json:"name"`
	// Runs of the period that it kept rows from, and Rows that it kept from the newest of them: by receipts.
	Runs int   `json:"runs"`
	Rows int64 `json:"rows"`
	// Refusals counts rows that it kept from requests in the period: by receipts.
	Refusals int64 `json:"refusals"`
	// Object is what the cluster says; null when it has none of that name any more, or was not read.
	Object *HoldObject `json:"object"`
}

// HoldObject is a LegalHold as the cluster has it.
type HoldObject struct {
	Reason    string     `json:"reason"`
	CreatedAt time.Time  `json:"createdAt"`
	Until     *time.Time `json:"until"`
	InForce   string     `json:"inForce"` // the condition's status: True, False or Unknown
	Matches   []string   `json:"matches"` // by what it matches; never whom
	// What it matched when it was put in force; null while that is not known.
	Contacts      *int64 `json:"contacts"`
	Conversations *int64 `json:"conversations"`
	Messages      *int64 `json:"messages"`
}

// Clocks of requests, at the end of the period or when the report was made, whichever is earlier.
const (
	ClockOnTime   = "OnTime"   // done before it was due
	ClockLate     = "Late"     // done after it was due
	ClockRunning  = "Running"  // not done, and not due
	ClockPastDue  = "PastDue"  // not done, and past due
	ClockNotKnown = "NotKnown" // no object says when it was received
)

// Request is a DataSubjectRequest.
type Request struct {
	UID      string    `json:"uid"`
	Type     string    `json:"type"`
	Attempts []Attempt `json:"attempts"` // of the period: by receipts
	// Proven: a receipt that can be relied upon says that it was carried out.
	Proven bool `json:"proven"`
	// The rest is what the cluster says of it; empty and null when it has none of that uid.
	Name        string     `json:"name,omitempty"`
	ReceivedAt  *time.Time `json:"receivedAt"`
	DueAt       *time.Time `json:"dueAt"`
	CompletedAt *time.Time `json:"completedAt"`
	Clock       string     `json:"clock"` // a Clock…
}

// Attempt is one that left a receipt.
type Attempt struct {
	Sequence   int64                    `json:"sequence"`
	Digest     string                   `json:"digest"`
	Basis      string                   `json:"basis"`
	Key        string                   `json:"key"`
	FinishedAt time.Time                `json:"finishedAt"`
	Found      []contract.CategoryCount `json:"found"`
	Done       []contract.CategoryCount `json:"done"`
	Refused    []contract.Refusal       `json:"refused"`
}

// Restore tells that an older database was put back, and what was done again.
type Restore struct {
	Sequence   int64             `json:"sequence"`
	Digest     string            `json:"digest"`
	Basis      string            `json:"basis"`
	Key        string            `json:"key"`
	FinishedAt time.Time         `json:"finishedAt"`
	Restored   contract.Restored `json:"restored"`
}

// Residency is where the operator saw things of the tenant in the period.
type Residency struct {
	Region    string `json:"region"`
	Compliant string `json:"compliant"` // the condition's status when the report was made
	Reason    string `json:"reason"`
	// Since is when that status began.
	Since      *time.Time  `json:"since"`
	Places     []Place     `json:"places"`
	Violations []Violation `json:"violations"` // when the report was made
}

// Place is a node, a volume or a provider's database.
type Place struct {
	Kind     string     `json:"kind"` // Node, Volume or Database
	Name     string     `json:"name"`
	Region   string     `json:"region"`
	InRegion bool       `json:"inRegion"`
	Claimed  bool       `json:"claimed"` // only its provider says so
	Moving   bool       `json:"moving"`
	Since    *time.Time `json:"since"`
	Until    *time.Time `json:"until"`
}

// Violation is something outside of its region.
type Violation struct {
	Kind  string    `json:"kind"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// Transfers are the flows of the period out of the jurisdiction, as far as status remembers them.
type Transfers struct {
	Flows []transfer.Flow `json:"flows"`
	Notes []string        `json:"notes"`
}

// Certificate is an ErasureCertificate whose erasure ended in the period. What it says is there when it is genuine.
type Certificate struct {
	Name    string          `json:"name"`
	Genuine bool            `json:"genuine"`
	Key     string          `json:"key"`
	Says    *CertificateSay `json:"says"` // null when it is not genuine
}

// CertificateSay is what the operator signed.
type CertificateSay struct {
	TenantUID   string                   `json:"tenantUID"`
	Region      string                   `json:"region"`
	RequestedAt time.Time                `json:"requestedAt"`
	FinishedAt  time.Time                `json:"finishedAt"`
	Counted     bool                     `json:"counted"`
	Counts      []contract.CategoryCount `json:"counts"`
	Destroyed   []string                 `json:"destroyed"`
	Unchecked   []string                 `json:"unchecked"`
	MovedTo     string                   `json:"movedTo,omitempty"`      // the tenant lives there
	ExportSHA   string                   `json:"exportSHA256,omitempty"` // of the file that it was taken out as
	Head        *contract.ChainLink      `json:"head"`
}

// Command checks something of the report again.
type Command struct {
	Does string `json:"does"`
	Run  string `json:"run"`
}
