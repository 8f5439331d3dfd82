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

// PathCheck is where `instance connect` tells the operator, and nobody else, a Check: GET.
const PathCheck = "/operator/v1/check"

// MaxCheckCode bounds Check.Code, in bytes.
const MaxCheckCode = 10
