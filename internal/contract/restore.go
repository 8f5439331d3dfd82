package contract

import "time"

// Position is where a change of consent stands among all of a tenant's: by epoch, then
// transaction, then id. The zero Position is before the first.
type Position struct {
	Epoch int32  `json:"epoch"`
	XID   uint64 `json:"xid,string"`
	ID    int64  `json:"id"`
}

// Anchor is what a tenant's database is known to have held, kept outside of it: FileAnchor
// in DirAnchor. A database that lacks any of it was put back in time.
type Anchor struct {
	// Epoch counts the restores that were replayed. An anchor of an epoch before the
	// database's is out of date, and tells of nothing.
	Epoch int32 `json:"epoch"`
	// Head is the newest receipt that was countersigned; zero for none.
	Head ChainLink `json:"head"`
	// Consent is the newest change of consent that the operator keeps, of this epoch; zero for none.
	Consent Position `json:"consent"`
}

// Consent is a change of consent as the operator keeps it: it names nobody.
type Consent struct {
	Position
	At         time.Time `json:"at"`
	Channel    string    `json:"channel"` // * for all
	Hash       string    `json:"hash"`    // hex; of the address
	KeyVersion int       `json:"keyVersion"`
	Change     string    `json:"change"`           // stop, start, request or dismiss
	Source     string    `json:"source"`           // guest, provider, staff, api or request
	Reason     string    `json:"reason,omitempty"` // of a dismiss: misunderstood or withdrawn
}

// PathState is where `instance serve` tells the operator, and nobody else, what the
// database holds: GET with query parameter anchor, an Anchor as JSON, answers a State.
const PathState = "/operator/v1/state"

// OperatorName is the common name of the client certificate by which the operator asks,
// issued by the tenant's own authority.
const OperatorName = "switchboard-operator"

// MaxConsents bounds State.Consents.
const MaxConsents = 500

// State is what a tenant's database holds.
type State struct {
	// Behind: it lacks something that the anchor tells of, or is being replayed.
	Behind bool `json:"behind"`
	// Lacks: it lacks something, and no replay has begun.
	Lacks bool  `json:"lacks"`
	Epoch int32 `json:"epoch"`
	// Head is the newest receipt that is there; zero for none.
	Head ChainLink `json:"head"`
	// Consent is the newest change of consent that is there.
	Consent Position `json:"consent"`
	// Consents are the changes after the anchor's, oldest first, at most MaxConsents; none
	// when the database is behind.
	Consents []Consent `json:"consents,omitempty"`
	// Webhooks are how the subscriptions fare.
	Webhooks []WebhookState `json:"webhooks,omitempty"`
	// Usage is what the tenant is billed by; nil when it could not be counted.
	Usage *Usage `json:"usage,omitempty"`
	// Notice counts who was told of the privacy notice; nil when there is none, or they could not be counted.
	Notice *NoticeState `json:"notice,omitempty"`
	// Desk is what the privacy desk has; nil when it could not be asked.
	Desk *DeskState `json:"desk,omitempty"`
}

// Replay is what `instance replay` carries out again: FileReplay in DirReplay, as JSON
// compressed by gzip.
type Replay struct {
	Anchor Anchor `json:"anchor"`
	// Requests of persons since the database's head, in their order: Erasure, Underage,
	// OptOut and Objection.
	Requests []ReplayRequest `json:"requests,omitempty"`
	// Again counts the requests since then that can't be carried out again, because nobody
	// keeps what they were about: Rectification and Access.
	Again int64 `json:"again,omitempty"`
	// Consents since the database's newest, in their order.
	Consents []Consent `json:"consents,omitempty"`
}

// ReplayRequest is a request that was carried out before.
type ReplayRequest struct {
	UID  string `json:"uid"`
	Type string `json:"type"`
	// At is when it was done, by the database's clock: changes of consent go before it or after.
	At       time.Time     `json:"at"`
	Subjects []SubjectHash `json:"subjects"`
}

// ReplayResult is the outcome of `instance replay`: what a receipt of kind restore says.
type ReplayResult struct {
	Restored
	FinishedAt     time.Time `json:"finishedAt"`
	Sequence       int64     `json:"sequence"`
	PreviousDigest string    `json:"previousDigest"`
	Digest         string    `json:"digest"`
}

// Restored tells how a database that was put back was brought up to what is known.
type Restored struct {
	// Epoch that begins with it.
	Epoch int32 `json:"epoch"`
	// Found is the head that the database ended with, Known the one that it should have had.
	Found ChainLink `json:"found"`
	Known ChainLink `json:"known"`
	// Erasures and OptOuts count the requests that were carried out again, Erased the rows
	// that went, Refused those that a hold keeps, Consents the changes of consent.
	Erasures int64 `json:"erasures"`
	Erased   int64 `json:"erased"`
	Refused  int64 `json:"refused"`
	OptOuts  int64 `json:"optOuts"`
	Consents int64 `json:"consents"`
	// Again counts requests that a person must make or carry out again.
	Again int64 `json:"again"`
	// Sessions of staff, and archives, that were ended; Unknown counts messages on their way
	// out, which may have been sent since.
	Sessions int64 `json:"sessions"`
	Archives int64 `json:"archives"`
	Unknown  int64 `json:"unknown"`
}
