package provider

import (
	"fmt"
	"net/http"
	"time"
)

// RefusedError is a message that the provider will not take, now or later.
type RefusedError struct {
	Code    string // what staff are shown
	Reason  string // in a few words, with the next step where there is one
	Blocked bool   // the guest has opted out at the provider
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the provider refused the message (code %s): %s", e.Code, e.Reason)
}

// NotSentError is a message that the provider certainly did not take, but may later.
type NotSentError struct {
	After time.Duration // how long it asks to wait, 0 when it did not say
	Cause error
}

func (e *NotSentError) Error() string { return "the message was not sent: " + e.Cause.Error() }

func (e *NotSentError) Unwrap() error { return e.Cause }

// UnknownError is a message that the provider may or may not have taken.
type UnknownError struct{ Cause error }

func (e *UnknownError) Error() string {
	return "whether the message was sent is unknown: " + e.Cause.Error()
}

func (e *UnknownError) Unwrap() error { return e.Cause }

// CredentialsError says that a channel's credentials do not work as its settings are.
type CredentialsError struct {
	Problem string // a contract.Problem…
	Code    string // the provider's, "" when it gave none
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("the channel's credentials do not work: %s (code %q)", e.Problem, e.Code)
}

// RejectedError is a webhook that is not the provider's, or not as it makes them.
type RejectedError struct {
	Status int    // of HTTP
	Says   string // a sentence for the caller, that repeats nothing received
}

func (e *RejectedError) Error() string { return e.Says }

// Forbidden rejects a webhook that is not this channel's.
func Forbidden(says string) error { return &RejectedError{http.StatusForbidden, says} }

// Malformed rejects a webhook that can't be read.
func Malformed(err error) error { return &RejectedError{http.StatusBadRequest, err.Error()} }
