package twilio

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// maxBody is the longest text taken, in characters. Twilio's limit is 1,600; the
// rest is room for what it may allow one day.
const maxBody = 16_000

var (
	messageSID = regexp.MustCompile(`^(SM|MM)[0-9a-fA-F]{32}$`)
	// E.164, a short code, or the alphanumeric sender id of a business.
	sender = regexp.MustCompile(`^(\+[1-9][0-9]{1,14}|[0-9]{3,8}|[A-Za-z0-9][A-Za-z0-9 ._&-]{0,10})$`)
)

// Inbound is a text message from a guest.
type Inbound struct {
	SID                 string
	To                  string
	MessagingServiceSID string
	From                string
	Body                string
	// OptOutType is STOP, START or HELP when Twilio's Advanced Opt-Out has acted
	// upon the message and answered it.
	OptOutType string
	Media      []provider.Media
}

// ParseInbound reads an inbound message. Its errors are sentences for the caller
// of the webhook and repeat nothing of the message.
func ParseInbound(form url.Values) (Inbound, error) {
	in := Inbound{
		SID:                 form.Get("MessageSid"),
		To:                  form.Get("To"),
		MessagingServiceSID: form.Get("MessagingServiceSid"),
		From:                form.Get("From"),
		// A guest's message is not refused for a byte that PostgreSQL can't hold.
		Body:       strings.ReplaceAll(strings.ToValidUTF8(form.Get("Body"), "\uFFFD"), "\x00", "\uFFFD"),
		OptOutType: form.Get("OptOutType"),
	}
	switch {
	case !messageSID.MatchString(in.SID):
		return in, errors.New("MessageSid is missing or not SM or MM and 32 hexadecimal digits")
	case !sender.MatchString(in.From):
		return in, errors.New("From is missing or neither a number in E.164, a short code nor a sender id")
	case !form.Has("Body"):
		return in, errors.New("Body is missing")
	case utf8.RuneCountInString(in.Body) > maxBody:
		return in, fmt.Errorf("Body has more than %d characters", maxBody)
	}
	in.Media = mediaOf(form)
	return in, nil
}

// mediaOf reads the files of an MMS. An address that can't be one is kept as none, so that staff see that there was a file.
func mediaOf(form url.Values) []provider.Media {
	n, err := strconv.Atoi(form.Get("NumMedia"))
	if err != nil {
		return nil
	}
	var all []provider.Media
	for i := range min(n, media.MaxFiles) {
		source := form.Get("MediaUrl" + strconv.Itoa(i))
		if len(source) > media.MaxSource || !utf8.ValidString(source) || strings.ContainsRune(source, 0) {
			source = ""
		}
		all = append(all, provider.Media{Source: source})
	}
	return all
}
