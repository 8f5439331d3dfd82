package contract

import "time"

// Problems of a channel's credentials, as its provider told them to the connector.
const (
	ProblemRefused    = "refused"     // they are wrong, or were revoked
	ProblemExpired    = "expired"     // they worked, and their time is over
	ProblemNotAllowed = "not-allowed" // they are right, and may not do what the channel needs
	ProblemElsewhere  = "elsewhere"   // they belong to another account, number, page or bot than the channel's
	ProblemSuspended  = "suspended"   // the provider has suspended or closed the account
	ProblemWebhook    = "webhook"     // the provider does not take the channel's address
	ProblemUnreadable = "unreadable"  // they can't be what the provider gives: a key is missing, empty or in another form
)

// Check is what a connector knows of its channel's credentials. It holds nothing of them.
type Check struct {
	Tried    time.Time `json:"tried"`    // when the provider was asked last; zero: not yet
	Answered time.Time `json:"answered"` // when it last answered; zero: never
	// Problem is what it then said: a Problem…, or "" when the credentials work.
	Problem string `json:"problem,omitempty"`
	Code    string `json:"code,omitempty"` // the provider's number for the problem, at most MaxCheckCode digits
}

// Traffic is what a connector has counted since it started, and what its queue holds. It tells of no message, and of nobody.
type Traffic struct {
	Started time.Time `json:"started"`
	// Received has webhooks and messages that were the provider's, by one of Results.
	Received map[string]int64 `json:"received,omitempty"`
	// Sends has requests to send a message, by one of Outcomes.
	Sends map[string]int64 `json:"sends,omitempty"`
	// Failed has messages that will not be sent, by one of Failures.
	Failed map[string]int64 `json:"failed,omitempty"`
	// Queue is nil when it could not be read.
	Queue *Queue `json:"queue,omitempty"`
}

// Queue is what a connector has still to send.
type Queue struct {
	Messages int64      `json:"messages"`
	Oldest   *time.Time `json:"oldest,omitempty"` // when the one that has waited longest was given to the queue; nil when none waits
}

// What Traffic counts by. Who reads one takes nothing else for a label.
var (
	// Results: it was stored, or had been before; or it could not be, so that the provider sends it again; or made no sense.
	Results = []string{"stored", "duplicate", "unavailable", "unreadable"}
	// Outcomes: the provider took it, or refused it for good; it surely does not have it; or nobody knows.
	Outcomes = []string{"accepted", "refused", "not_sent", "unknown"}
	// Failures: the provider refused it, or says that the guest has opted out there; the tenant knows that the guest has;
	// it expired in the queue; the provider could not be reached for too long; the keys of hashes could not be read.
	Failures = []string{FailureRefused, FailureBlocked, FailureSuppressed, FailureExpired, FailureUnavailable, FailureKeys}
)

// Why a message will not be sent.
const (
	FailureRefused     = "refused"
	FailureBlocked     = "blocked"
	FailureSuppressed  = "suppressed"
	FailureExpired     = "expired"
	FailureUnavailable = "provider_unavailable"
	FailureKeys        = "keys_unavailable"
)

// ConnectorState is what a connector answers the operator.
type ConnectorState struct {
	Check
	Traffic *Traffic `json:"traffic,omitempty"`
}

// PathCheck is where `instance connect` tells the operator, and nobody else, a ConnectorState: GET.
const PathCheck = "/operator/v1/check"

// MaxCheckCode bounds Check.Code, in bytes.
const MaxCheckCode = 10
