package twilio

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Parameters by which the URL of a status callback names our message.
const (
	paramMessage = "m" // its id
	paramAt      = "t" // its time, in microseconds since 1970
)

// StatusCallback is the URL at which Twilio reports on one message. Its signature
// covers the message's name, which thereby settles a send of unknown outcome too.
func StatusCallback(base string, id uuid.UUID, at time.Time) string {
	return base + "?" + url.Values{paramMessage: {id.String()}, paramAt: {strconv.FormatInt(at.UnixMicro(), 10)}}.Encode()
}

// ParseCallback reads which message a status callback is about; ok is false when
// it does not say, as one that is configured at Twilio does not.
func ParseCallback(query url.Values) (id uuid.UUID, at time.Time, ok bool, err error) {
	if !query.Has(paramMessage) {
		return id, at, false, nil
	}
	if id, err = uuid.Parse(query.Get(paramMessage)); err != nil {
		return id, at, false, errors.New("the URL's parameter " + paramMessage + " is not a message's id")
	}
	micros, err := strconv.ParseInt(query.Get(paramAt), 10, 64)
	const latest = 253402300799_000_000 // the end of year 9999
	if err != nil || micros < 0 || micros > latest {
		return id, at, false, errors.New("the URL's parameter " + paramAt + " is not a time in microseconds since 1970")
	}
	return id, time.UnixMicro(micros).UTC(), true, nil
}
