package twilio

import (
	"errors"
	"net/url"
	"regexp"
)

// Status is what Twilio says of a message that it was given.
type Status struct {
	SID       string
	Status    string // ours: accepted, sent, delivered, read or failed; "" for one that says nothing new
	ErrorCode string // why it failed, "" when not said
}

var errorCode = regexp.MustCompile(`^[0-9]{1,6}$`)

// ParseStatus reads a status webhook.
func ParseStatus(form url.Values) (Status, error) {
	s := Status{SID: form.Get("MessageSid"), Status: OurStatus(form.Get("MessageStatus")), ErrorCode: form.Get("ErrorCode")}
	switch {
	case !messageSID.MatchString(s.SID):
		return s, errors.New("MessageSid is missing or not SM or MM and 32 hexadecimal digits")
	case form.Get("MessageStatus") == "":
		return s, errors.New("MessageStatus is missing")
	case s.ErrorCode != "" && !errorCode.MatchString(s.ErrorCode):
		return s, errors.New("ErrorCode is not a number")
	}
	return s, nil
}

// OurStatus translates the statuses of
// https://www.twilio.com/docs/messaging/api/message-resource#message-status-values.
func OurStatus(theirs string) string {
	switch theirs {
	case "accepted", "scheduled", "queued", "sending":
		return "accepted"
	case "sent", "delivered", "read":
		return theirs
	case "failed", "undelivered", "canceled":
		return "failed"
	default:
		return ""
	}
}
