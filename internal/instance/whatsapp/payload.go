package whatsapp

import (
	"encoding/json"
	"errors"
	"regexp"

	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxItems bounds the messages and statuses of one webhook. Meta sends at most 1,000 changes.
	maxItems = 2000
	// maxMembers bounds the members of all its lists: each item has some of its own.
	maxMembers = 4 * maxItems
	// maxID bounds an id of a message, in bytes.
	maxID = 256
)

// payload is a webhook's body, as far as it is read.
type payload struct {
	Object string  `json:"object"`
	Entry  []entry `json:"entry"`
}

type entry struct {
	ID      string   `json:"id"` // of the business account
	Changes []change `json:"changes"`
}

type change struct {
	Field string          `json:"field"`
	Value json.RawMessage `json:"value"` // of field messages: value
}

type value struct {
	Metadata struct {
		PhoneNumberID string `json:"phone_number_id"`
	} `json:"metadata"`
	// Each by itself: one that can't be read must not take the others with it.
	Messages []json.RawMessage `json:"messages"`
	Statuses []json.RawMessage `json:"statuses"`
}

// maxWaID bounds Meta's name for a person, in bytes.
const maxWaID = 128

var (
	waID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	printing = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

// parse reads what is for this channel's number: of a business account with several, Meta
// may put all into one webhook. One that holds nothing but what is another's is rejected.
func (p *Provider) parse(body []byte) (provider.Delivery, error) {
	var d provider.Delivery
	var in payload
	body, ok := provider.Legible(body, maxMembers)
	if !ok {
		return d, provider.Malformed(errors.New("the webhook holds too many messages and statuses; send fewer at once"))
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Object != "whatsapp_business_account" {
		return d, provider.Malformed(errors.New("the body is not a webhook of a whatsapp_business_account as JSON; send it complete"))
	}
	ours, others := 0, 0
	for _, e := range in.Entry {
		for _, c := range e.Changes {
			if c.Field != "messages" {
				continue // about the account, not from a guest
			}
			var v value
			if err := json.Unmarshal(c.Value, &v); err != nil {
				return provider.Delivery{}, provider.Malformed(errors.New("a change of field messages can't be read; send it complete"))
			}
			if e.ID != p.channel.BusinessAccountID || v.Metadata.PhoneNumberID != p.channel.PhoneNumberID {
				others++
				continue
			}
			ours++
			if len(d.Messages)+len(d.Statuses)+len(v.Messages)+len(v.Statuses) > maxItems {
				return provider.Delivery{}, provider.Malformed(errors.New("the webhook holds too many messages and statuses; send fewer at once"))
			}
			p.take(&d, v)
		}
	}
	if ours == 0 && others > 0 {
		return provider.Delivery{}, provider.Forbidden("business account and phone_number_id are not those of this channel")
	}
	return d, nil
}

// take adds what can be understood. What has no id or sender can't be stored, now or
// when it is sent again.
func (p *Provider) take(d *provider.Delivery, v value) {
	for _, raw := range v.Messages {
		var m message
		// A field of another type than expected is left empty; what was read counts.
		_ = json.Unmarshal(raw, &m)
		if !isID(m.ID) || len(m.From) > maxWaID || !waID.MatchString(m.From) {
			d.Unreadable++
			continue
		}
		d.Messages = append(d.Messages, provider.Inbound{ID: m.ID, From: p.Addresses(m.From), Body: provider.Storable(m.words()), Media: m.files()})
	}
	for _, raw := range v.Statuses {
		var s status
		_ = json.Unmarshal(raw, &s)
		news, ok := s.read()
		if !isID(s.ID) {
			d.Unreadable++
		} else if ok {
			d.Statuses = append(d.Statuses, news)
		}
	}
}

func isID(id string) bool { return len(id) <= maxID && printing.MatchString(id) }

// status is an entry of statuses.
type status struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Errors []struct {
		Code int `json:"code"`
	} `json:"errors"`
	// Callback is what was sent with the message.
	Callback string `json:"biz_opaque_callback_data"`
}

// read translates a status; ok is false for one that says nothing new.
func (s status) read() (news provider.Status, ok bool) {
	news = provider.Status{ID: s.ID, Status: s.Status}
	switch s.Status {
	case "sent", "delivered", "read":
	case "failed":
		news.ErrorCode = "failed"
		if len(s.Errors) > 0 {
			news.ErrorCode = ourCode(s.Errors[0].Code)
		}
	default: // deleted, and what may come
		return news, false
	}
	news.Message = meta.ParseCallback(s.Callback)
	return news, true
}
