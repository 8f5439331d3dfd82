package twilio

import (
	"fmt"
	"strconv"
	"time"
)

// CodeBlocked is the error code of a guest who has opted out at Twilio.
const CodeBlocked = 21610

// RefusedError is a message that Twilio will not take, now or later.
type RefusedError struct {
	HTTPStatus int
	Code       int // Twilio's, 0 when it gave none
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("Twilio refused the message (HTTP %d, code %s): %s", e.HTTPStatus, e.ErrorCode(), e.Reason())
}

// ErrorCode is what staff are shown: Twilio's code, or http-400 and the like.
func (e *RefusedError) ErrorCode() string {
	if e.Code == 0 {
		return "http-" + strconv.Itoa(e.HTTPStatus)
	}
	return strconv.Itoa(e.Code)
}

// reasons explain the codes of https://www.twilio.com/docs/api/errors that a
// message to one guest meets, and say what to do.
var reasons = map[int]string{
	21211: "the guest's number is not valid",
	21212: "the channel's sender is not valid; correct the Channel's from",
	21265: "the guest's number is a short code, which can't be written to",
	21408: "the account may not write to the guest's country; allow it in Twilio's geographic permissions",
	21606: "the channel's number can't send to this guest; correct the Channel's from",
	21608: "the account is a trial and the guest's number is not verified",
	21610: "the guest has opted out at Twilio",
	21612: "no route leads from the channel's number to the guest's",
	21614: "the guest's number can't receive text messages",
	21617: "the text is longer than 1600 characters",
	21660: "the channel's number does not belong to the account; correct the Channel",
	30007: "the carrier took the message for spam",
}

// Reason says in a few words why, and names the next step where there is one.
func (e *RefusedError) Reason() string {
	if r, ok := reasons[e.Code]; ok {
		return r
	}
	return "see https://www.twilio.com/docs/api/errors"
}

// NotSentError is a message that Twilio certainly did not take, but may later.
type NotSentError struct {
	After time.Duration // how long Twilio asks to wait, 0 when it did not say
	Cause error
}

func (e *NotSentError) Error() string { return "the message was not sent: " + e.Cause.Error() }

func (e *NotSentError) Unwrap() error { return e.Cause }

// UnknownError is a message that Twilio may or may not have taken.
type UnknownError struct{ Cause error }

func (e *UnknownError) Error() string {
	return "whether the message was sent is unknown: " + e.Cause.Error()
}

func (e *UnknownError) Unwrap() error { return e.Cause }
