package whatsapp

import (
	"errors"
	"regexp"
	"slices"

	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// minItem is what a message or a status has at least, in octets: id, person, time and type.
	minItem = 64
	// maxID bounds an id of a message, in bytes.
	maxID = 256
)

// change is what happened to a number, as far as it is read.
type change struct {
	phoneNumberID      string
	messages, statuses provider.JSON // lists
}

// readChange reads the value of one of field messages.
func readChange(value provider.JSON) (c change, err error) {
	for name, v := range value.Members {
		switch string(name) {
		case "metadata":
			c.phoneNumberID = v.Member("phone_number_id").Text()
		case "messages":
			c.messages = v
		case "statuses":
			c.statuses = v
		}
	}
	if !value.IsObject() || c.messages.Is() && !c.messages.IsList() || c.statuses.Is() && !c.statuses.IsList() {
		return c, provider.Malformed(errors.New("a change of field messages can't be read; send it complete"))
	}
	return c, nil
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
	webhook, err := meta.ReadWebhook(body, "whatsapp_business_account", minItem)
	if err != nil {
		return provider.Delivery{}, err
	}
	var d provider.Delivery
	ours, others, items := 0, 0, 0
	for e := range webhook.Entries.List {
		account := e.Member("id").Text()
		for raw := range e.Member("changes").List {
			if raw.Member("field").Text() != "messages" {
				continue // about the account, not from a guest
			}
			c, err := readChange(raw.Member("value"))
			if err != nil {
				return provider.Delivery{}, err
			}
			if account != p.channel.BusinessAccountID || c.phoneNumberID != p.channel.PhoneNumberID {
				others++
				continue
			}
			ours++
			if items += c.messages.Len() + c.statuses.Len(); webhook.TooMany(items) {
				return provider.Delivery{}, meta.ErrTooMany
			}
			p.take(&d, c)
		}
	}
	if ours == 0 && others > 0 {
		return provider.Delivery{}, provider.Forbidden("business account and phone_number_id are not those of this channel")
	}
	return d, nil
}

// take adds what can be understood. What has no id or sender can't be stored, now or
// when it is sent again.
func (p *Provider) take(d *provider.Delivery, c change) {
	d.Messages = slices.Grow(d.Messages, c.messages.Len())
	for raw := range c.messages.List {
		m := readMessage(raw)
		if !isID(m.id) || len(m.from) > maxWaID || !waID.MatchString(m.from) {
			d.Unreadable++
			continue
		}
		d.Messages = append(d.Messages, provider.Inbound{ID: m.id, From: p.Addresses(m.from), Body: provider.Storable(m.words()), Media: m.files()})
	}
	d.Statuses = slices.Grow(d.Statuses, c.statuses.Len())
	for raw := range c.statuses.List {
		s := readStatus(raw)
		news, ok := s.news()
		if !isID(s.id) {
			d.Unreadable++
		} else if ok {
			d.Statuses = append(d.Statuses, news)
		}
	}
}

func isID(id string) bool { return len(id) <= maxID && printing.MatchString(id) }

// status is an entry of statuses, as far as it is read.
type status struct {
	id, status string
	code       int64  // of the first error, 0 for none
	callback   string // what was sent with the message
}

// readStatus leaves a member of another type than expected empty: what was read counts.
func readStatus(v provider.JSON) (s status) {
	for name, v := range v.Members {
		switch string(name) {
		case "id":
			s.id = v.Text()
		case "status":
			s.status = v.Text()
		case "errors":
			for first := range v.List {
				s.code, _ = first.Member("code").Int()
				break
			}
		case "biz_opaque_callback_data":
			s.callback = v.Text()
		}
	}
	return s
}

// news translates a status; ok is false for one that says nothing new.
func (s status) news() (news provider.Status, ok bool) {
	news = provider.Status{ID: s.id, Status: s.status}
	switch s.status {
	case "sent", "delivered", "read":
	case "failed":
		news.ErrorCode = ourCode(int(s.code))
	default: // deleted, and what may come
		return news, false
	}
	news.Message = meta.ParseCallback(s.callback)
	return news, true
}
