package twilio

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Inbound is a guest's message.
type Inbound struct {
	MessageSID          string
	AccountSID          string
	MessagingServiceSID string
	From, To            string
	Body                string
	// Answered says that Advanced Opt-Out has answered a STOP, START or HELP already.
	Answered bool
}

// maxBody is the longest text taken, in characters: ten times what one message can hold.
const maxBody = 16000

var (
	messageSID = regexp.MustCompile(`^(SM|MM)[0-9a-f]{32}$`)
	// sender is a number in E.164, a short code or an alphanumeric sender id.
	sender = regexp.MustCompile(`^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[A-Za-z0-9][A-Za-z0-9 &_+-]{0,10})$`)
)

// ParseInbound reads the form of an inbound webhook whose signature was checked.
// Its errors name parameters, never their values.
func ParseInbound(form url.Values) (Inbound, error) {
	in := Inbound{
		MessageSID: form.Get("MessageSid"), AccountSID: form.Get("AccountSid"),
		MessagingServiceSID: form.Get("MessagingServiceSid"),
		From:                form.Get("From"), To: form.Get("To"), Body: form.Get("Body"),
		Answered: form.Get("OptOutType") != "",
	}
	switch {
	case !messageSID.MatchString(in.MessageSID):
		return in, errors.New("MessageSid must be SM or MM and 32 hexadecimal digits")
	case !sender.MatchString(in.From):
		return in, errors.New("From must be a number in E.164, a short code or an alphanumeric sender")
	case !form.Has("Body"):
		return in, errors.New("Body is missing")
	case !utf8.ValidString(in.Body) || strings.ContainsRune(in.Body, 0):
		return in, errors.New("Body must be UTF-8 without NUL")
	case utf8.RuneCountInString(in.Body) > maxBody:
		return in, fmt.Errorf("Body is longer than %d characters", maxBody)
	}
	return in, nil
}

// Status is a delivery receipt.
type Status struct {
	MessageSID string
	AccountSID string
	Status     string // as sb.message spells it
	ErrorCode  string
	// Message and At name our message; uuid.Nil when the callback bears no reference.
	Message uuid.UUID
	At      time.Time
}

// statuses are Twilio's words in ours.
var statuses = map[string]string{
	"accepted": "accepted", "scheduled": "accepted", "queued": "accepted", "sending": "accepted",
	"sent": "sent", "delivered": "delivered", "read": "read", "undelivered": "failed", "failed": "failed", "canceled": "failed",
}

// Parameters of the status callback's URL that refer to our message.
const (
	paramMessage = "m" // the message's id
	paramAt      = "t" // its time, in microseconds since 1970
)

// StatusCallback gives the URL that Twilio is asked to report a message's fate to.
func StatusCallback(base string, message uuid.UUID, at time.Time) string {
	return base + "?" + url.Values{paramMessage: {message.String()}, paramAt: {strconv.FormatInt(at.UnixMicro(), 10)}}.Encode()
}

var errorCode = regexp.MustCompile(`^[0-9]{0,6}$`)

// ParseStatus reads the form and the query of a status webhook whose signature was checked.
func ParseStatus(form, query url.Values) (Status, error) {
	s := Status{MessageSID: form.Get("MessageSid"), AccountSID: form.Get("AccountSid"), ErrorCode: form.Get("ErrorCode")}
	if !messageSID.MatchString(s.MessageSID) {
		return s, errors.New("MessageSid must be SM or MM and 32 hexadecimal digits")
	}
	if !errorCode.MatchString(s.ErrorCode) {
		return s, errors.New("ErrorCode must be a number")
	}
	status, known := statuses[form.Get("MessageStatus")]
	if !known {
		return s, errors.New("MessageStatus is none of Twilio's")
	}
	s.Status = status
	if !query.Has(paramMessage) {
		return s, nil
	}
	micros, err := strconv.ParseInt(query.Get(paramAt), 10, 64)
	if err != nil {
		return s, fmt.Errorf("the callback's parameter %s must be microseconds since 1970", paramAt)
	}
	if s.Message, err = uuid.Parse(query.Get(paramMessage)); err != nil {
		return s, fmt.Errorf("the callback's parameter %s must be a message's id", paramMessage)
	}
	s.At = time.UnixMicro(micros).UTC()
	return s, nil
}
