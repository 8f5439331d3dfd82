package evidence

import "fmt"

// Code names a kind of finding.
type Code string

// What a verification can find.
const (
	// Edited: a receipt's digest is not that of its bytes, or its number is not the one within.
	Edited Code = "Edited"
	// Replaced: a receipt is whole, but is not the one that its successor, or the anchor, was sealed on.
	Replaced Code = "Replaced"
	// Missing: receipts in the middle are gone, and the chain is broken there.
	Missing Code = "Missing"
	// SequenceGap: numbers are left out, repeated or out of order, although the digests join.
	SequenceGap Code = "SequenceGap"
	// StartTruncated: the oldest receipts are gone.
	StartTruncated Code = "StartTruncated"
	// HeadTruncated: the anchor is newer than the newest receipt.
	HeadTruncated Code = "HeadTruncated"
	// Unreadable: a body is no receipt of a version known here.
	Unreadable Code = "Unreadable"
	// OtherTenant: a receipt is of another tenant.
	OtherTenant Code = "OtherTenant"
	// Resealed: receipts are not those that were countersigned.
	Resealed Code = "Resealed"
	// SwappedPolicy: a receipt is of rules that were never in force.
	SwappedPolicy Code = "SwappedPolicy"
	// UnknownPolicy is a note: a receipt after the anchor is of rules that are not known yet.
	UnknownPolicy Code = "UnknownPolicy"
	// AnchorOlder is a note: the receipts after the anchor are held by the chain alone.
	AnchorOlder Code = "AnchorOlder"
	// Empty is a note: there is no receipt, and no anchor says that there should be one.
	Empty Code = "Empty"
	// More stands for findings beyond the first MaxFindings.
	More Code = "More"
)

// MaxFindings bounds a report.
const MaxFindings = 100

// Finding is one thing that a verification has to say.
type Finding struct {
	Code     Code  `json:"code"`
	Sequence int64 `json:"sequence"` // the receipt it is about; 0 for none
	// Problem is false for a note, which tells of nothing wrong.
	Problem  bool   `json:"problem"`
	Sentence string `json:"sentence"`
}

func problem(code Code, sequence int64, format string, args ...any) Finding {
	return Finding{Code: code, Sequence: sequence, Problem: true, Sentence: fmt.Sprintf(format, args...)}
}

func note(code Code, sequence int64, format string, args ...any) Finding {
	f := problem(code, sequence, format, args...)
	f.Problem = false
	return f
}
