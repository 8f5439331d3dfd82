package messenger

import (
	"encoding/json"
	"errors"
	"regexp"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// maxItems bounds what one webhook brings.
	maxItems = 2000
	// maxMembers bounds the members of all its lists: each event has some of its own.
	maxMembers = 4 * maxItems
	// maxID bounds an id of a message, in bytes.
	maxID = 256
	// latest bounds a watermark, in milliseconds: the end of year 9999.
	latest = 253402300799_000
)

// payload is a webhook's body, as far as it is read.
type payload struct {
	Object string  `json:"object"`
	Entry  []entry `json:"entry"`
}

type entry struct {
	ID string `json:"id"` // of the page
	// Each by itself: one that can't be read must not take the others with it.
	Messaging []json.RawMessage `json:"messaging"`
}

// event is an entry of messaging. One of its last four members is set, for what is read.
type event struct {
	Sender    party     `json:"sender"`
	Recipient party     `json:"recipient"`
	Message   *message  `json:"message"`
	Postback  *postback `json:"postback"`
	Delivery  *receipt  `json:"delivery"`
	Read      *receipt  `json:"read"`
}

type party struct {
	ID string `json:"id"`
}

type message struct {
	ID          string `json:"mid"`
	Text        string `json:"text"`
	IsEcho      bool   `json:"is_echo"`  // the page has sent it
	Metadata    string `json:"metadata"` // of an echo: what was sent with the message
	Attachments []struct {
		Type    string `json:"type"`
		Payload struct {
			URL string `json:"url"`
		} `json:"payload"`
	} `json:"attachments"`
}

// files are those that it bears: other attachments are places, links and the like.
func (m message) files() (all []provider.Media) {
	for _, a := range m.Attachments {
		switch a.Type {
		case "image", "audio", "video", "file":
			source := a.Payload.URL
			if len(source) > media.MaxSource || !printing.MatchString(source) {
				source = "" // so that staff see that there was one
			}
			if all = append(all, provider.Media{Source: source}); len(all) == media.MaxFiles {
				return all
			}
		}
	}
	return all
}

// postback is a button that the guest has pressed.
type postback struct {
	ID    string `json:"mid"`
	Title string `json:"title"`
}

// receipt tells what of the page's messages was delivered, or read.
type receipt struct {
	IDs       []string `json:"mids"`
	Watermark int64    `json:"watermark"` // milliseconds: all that was sent before
}

var (
	psid     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	printing = regexp.MustCompile(`^[\x21-\x7e]+$`)
	typeName = regexp.MustCompile(`^[a-z_]{1,32}$`)
)

func isID(id string) bool { return len(id) <= maxID && printing.MatchString(id) }

// parse reads what is for this channel's page: of an app with several, Meta may put all
// into one webhook. One that holds nothing but what is another's is rejected.
func (p *Provider) parse(body []byte) (provider.Delivery, error) {
	var d provider.Delivery
	var in payload
	body, ok := provider.Legible(body, maxMembers)
	if !ok {
		return d, provider.Malformed(errors.New("the webhook holds too many events; send fewer at once"))
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Object != "page" {
		return d, provider.Malformed(errors.New("the body is not a webhook of a page as JSON; send it complete"))
	}
	ours, items := 0, 0
	for _, e := range in.Entry {
		if e.ID != p.channel.PageID {
			continue
		}
		ours++
		if items += len(e.Messaging); items > maxItems {
			return provider.Delivery{}, provider.Malformed(errors.New("the webhook holds too many events; send fewer at once"))
		}
		for _, raw := range e.Messaging {
			var event event
			// A member of another type than expected is left empty; what was read counts.
			_ = json.Unmarshal(raw, &event)
			p.take(&d, event)
			if len(d.Statuses) > maxItems {
				return provider.Delivery{}, provider.Malformed(errors.New("the webhook holds too many receipts; send fewer at once"))
			}
		}
	}
	if ours == 0 && len(in.Entry) > 0 {
		return provider.Delivery{}, provider.Forbidden("the page is not that of this channel")
	}
	return d, nil
}

// take adds what can be understood. Reactions, referrals and the like say nothing that is kept.
func (p *Provider) take(d *provider.Delivery, e event) {
	switch {
	case e.Message != nil && (e.Message.IsEcho || e.Sender.ID == p.channel.PageID):
		// What the page itself wrote, by us or by another way in, is no guest's; of ours it says the id.
		if key := meta.ParseCallback(e.Message.Metadata); key != nil && isID(e.Message.ID) {
			d.Statuses = append(d.Statuses, provider.Status{ID: e.Message.ID, Status: "accepted", Message: key})
		}
	case e.Message != nil:
		p.inbound(d, e, e.Message.ID, e.Message.words(), e.Message.files()...)
	case e.Postback != nil:
		p.inbound(d, e, e.Postback.ID, e.Postback.words())
	case e.Delivery != nil:
		p.receipt(d, e, *e.Delivery, "delivered")
	case e.Read != nil:
		p.receipt(d, e, *e.Read, "read")
	}
}

func (p *Provider) inbound(d *provider.Delivery, e event, id, words string, files ...provider.Media) {
	if !isID(id) || !psid.MatchString(e.Sender.ID) || e.Recipient.ID != p.channel.PageID {
		d.Unreadable++
		return
	}
	d.Messages = append(d.Messages, provider.Inbound{ID: id, From: p.Addresses(e.Sender.ID), Body: provider.Storable(words), Media: files})
}

// receipt takes the messages that are named, and the watermark for all others.
func (p *Provider) receipt(d *provider.Delivery, e event, r receipt, status string) {
	for _, id := range r.IDs {
		if isID(id) {
			d.Statuses = append(d.Statuses, provider.Status{ID: id, Status: status})
		}
	}
	if r.Watermark <= 0 || r.Watermark > latest || !psid.MatchString(e.Sender.ID) {
		if len(r.IDs) == 0 {
			d.Unreadable++
		}
		return
	}
	d.Watermarks = append(d.Watermarks, provider.Watermark{Of: p.Addresses(e.Sender.ID), Status: status, Until: time.UnixMilli(r.Watermark).UTC()})
}

// words are what the guest wrote. Of other messages they say which type came, as in [image].
func (m message) words() string {
	if m.Text != "" {
		return m.Text
	}
	if len(m.Attachments) > 0 && typeName.MatchString(m.Attachments[0].Type) {
		return "[" + m.Attachments[0].Type + "]"
	}
	return "[message]"
}

// words are those on the button.
func (p postback) words() string {
	if p.Title != "" {
		return p.Title
	}
	return "[button]"
}
