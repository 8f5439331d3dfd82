package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/instance/number"
)

// Bounds on what one line may hold.
const (
	maxLine       = 512 << 10 // bytes; 65,536 characters fit in any encoding of JSON
	maxBody       = 65_536    // characters, as sb.message_body checks
	maxName       = 200       // characters, as sb.contact checks
	maxProviderID = 128       // bytes
)

// earliest is the first instant taken: before it, it is a mistaken year, and every
// month would get a partition.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// line is one message as a file holds it.
type line struct {
	Channel    string `json:"channel"`
	Address    string `json:"address"` // of the guest, in E.164 once checked
	Name       string `json:"name"`
	At         string `json:"at"` // RFC 3339
	Direction  string `json:"direction"`
	Body       string `json:"body"`
	ProviderID string `json:"providerId"`

	at time.Time
}

// rules are what lines are checked against.
type rules struct {
	channels map[string]bool
	now      time.Time
}

// parse reads and checks one line. Its errors say what to do and repeat no value:
// lines hold personal data.
func (r rules) parse(b []byte) (line, error) {
	var l line
	if !utf8.Valid(b) {
		return l, errors.New("it is not UTF-8; convert the file")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("there is something after its JSON object; write one object a line")
	}
	if !r.channels[l.Channel] {
		return l, errors.New("channel is none of this tenant's; create the Channel first, or correct the name")
	}
	var err error
	if l.Address, err = number.E164(l.Address); err != nil {
		return l, fmt.Errorf("address is not in international form: %w", err)
	}
	if l.at, err = time.Parse(time.RFC3339, l.At); err != nil {
		return l, errors.New("at is no instant; write it as RFC 3339 says, with its offset, such as 2026-01-31T18:04:05Z")
	}
	l.at = l.at.UTC().Truncate(time.Microsecond)
	switch {
	case l.at.After(r.now):
		return l, errors.New("at is in the future; correct it, or the clock that wrote it")
	case l.at.Before(earliest):
		return l, errors.New("at is before the year 2000; correct the year")
	case l.Direction != "in" && l.Direction != "out":
		return l, errors.New(`direction must be "in" (from the guest) or "out" (to the guest)`)
	case l.Body == "":
		return l, errors.New("body is empty; leave out messages without words")
	case utf8.RuneCountInString(l.Body) > maxBody:
		return l, fmt.Errorf("body has more than %d characters; shorten it", maxBody)
	case utf8.RuneCountInString(l.Name) > maxName:
		return l, fmt.Errorf("name has more than %d characters; shorten it", maxName)
	case len(l.ProviderID) > maxProviderID:
		return l, fmt.Errorf("providerId has more than %d bytes; leave it out when it is not the provider's", maxProviderID)
	case strings.ContainsRune(l.Body+l.Name+l.ProviderID, 0):
		return l, errors.New(`there is a NUL character (\u0000), which can't be stored; remove it`)
	}
	return l, nil
}

func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%s must be a string, not a %s", wrong.Field, wrong.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return errors.New("there is a field other than channel, address, name, at, direction, body and providerId; remove it")
	}
	return errors.New(`it is no JSON object; write one message a line, such as {"channel":"front-desk","address":"+4930901820","at":"2026-01-31T18:04:05Z","direction":"in","body":"Hello"}`)
}

var errLong = fmt.Errorf("it is longer than %d bytes; shorten it", maxLine)

// readLine gives the next line without its end, errLong when it is too long (and was
// passed over), or io.EOF. The bytes are good until the next call. r's buffer must
// hold maxLine bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	b, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, errLong
	}
	if errors.Is(err, io.EOF) && len(b) > 0 {
		err = nil
	}
	return bytes.TrimRight(b, "\r\n"), err
}
