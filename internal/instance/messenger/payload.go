package messenger

import (
	"regexp"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/meta"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

const (
	// minItem is what a message or a receipt has at least, in octets: in a list of receipts, an id of 36 characters.
	minItem = 39
	// maxID bounds an id of a message, in bytes.
	maxID = 256
	// latest bounds a watermark, in milliseconds: the end of year 9999.
	latest = 253402300799_000
)

// event is an entry of messaging, as far as it is read. One of its last four members is set, for what is read.
type event struct {
	sender, recipient string
	message           message
	postback          postback
	delivery, read    receipt
}

type message struct {
	is          bool
	id, text    string
	isEcho      bool   // the page has sent it
	metadata    string // of an echo: what was sent with the message
	attachments provider.JSON
}

// postback is a button that the guest has pressed.
type postback struct {
	is        bool
	id, title string
}

// receipt tells what of the page's messages was delivered, or read.
type receipt struct {
	is        bool
	ids       provider.JSON // a list
	watermark int64         // milliseconds: all that was sent before
}

// readEvent leaves a member of another type than expected empty: what was read counts.
func readEvent(v provider.JSON) (e event) {
	for name, v := range v.Members {
		switch string(name) {
		case "sender":
			e.sender = v.Member("id").Text()
		case "recipient":
			e.recipient = v.Member("id").Text()
		case "message":
			e.message = readMessage(v)
		case "postback":
			e.postback = postback{v.Is(), v.Member("mid").Text(), v.Member("title").Text()}
		case "delivery":
			e.delivery = readReceipt(v)
		case "read":
			e.read = readReceipt(v)
		}
	}
	return e
}

func readMessage(v provider.JSON) message {
	m := message{is: v.Is()}
	for name, v := range v.Members {
		switch string(name) {
		case "mid":
			m.id = v.Text()
		case "text":
			m.text = v.Text()
		case "is_echo":
			m.isEcho = v.True()
		case "metadata":
			m.metadata = v.Text()
		case "attachments":
			m.attachments = v
		}
	}
	return m
}

func readReceipt(v provider.JSON) receipt {
	watermark, _ := v.Member("watermark").Int()
	return receipt{v.Is(), v.Member("mids"), watermark}
}

// files are those that it bears: other attachments are places, links and the like.
func (m message) files() []provider.Media {
	n := 0
	for a := range m.attachments.List {
		if isFile(a) {
			n++
		}
	}
	all := make([]provider.Media, 0, min(n, media.MaxFiles))
	for a := range m.attachments.List {
		if len(all) == cap(all) {
			break
		}
		if isFile(a) {
			source := a.Member("payload").Member("url").Text()
			if len(source) > media.MaxSource || !printing.MatchString(source) {
				source = "" // so that staff see that there was one
			}
			all = append(all, provider.Media{Source: source})
		}
	}
	return all
}

func isFile(attachment provider.JSON) bool {
	switch attachment.Member("type").Text() {
	case "image", "audio", "video", "file":
		return true
	}
	return false
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
	webhook, err := meta.ReadWebhook(body, "page", minItem)
	if err != nil {
		return provider.Delivery{}, err
	}
	var d provider.Delivery
	ours, all, events, receipts := 0, 0, 0, 0
	for e := range webhook.Entries.List {
		all++
		if e.Member("id").Text() != p.channel.PageID {
			continue
		}
		ours++
		messaging := e.Member("messaging")
		if events += messaging.Len(); webhook.TooMany(events) {
			return provider.Delivery{}, meta.ErrTooMany
		}
		makeRoom(&d, messaging)
		for raw := range messaging.List {
			event := readEvent(raw)
			if receipts += event.receipts(); webhook.TooMany(receipts) {
				return provider.Delivery{}, meta.ErrTooMany
			}
			p.take(&d, event)
		}
	}
	if ours == 0 && all > 0 {
		return provider.Delivery{}, provider.Forbidden("the page is not that of this channel")
	}
	return d, nil
}

// makeRoom is for what happened: lists that grow as they are filled take several times their size.
func makeRoom(d *provider.Delivery, messaging provider.JSON) {
	messages, statuses, watermarks := 0, 0, 0
	for raw := range messaging.List {
		var inbound, echo, receipt bool
		for name, v := range raw.Members {
			switch string(name) {
			case "message":
				echo = v.Member("is_echo").True()
				inbound = inbound || v.Is() && !echo
			case "postback":
				inbound = inbound || v.Is()
			case "delivery", "read":
				receipt = receipt || v.Is()
			}
		}
		switch {
		case echo:
			statuses++
		case inbound:
			messages++
		case receipt:
			watermarks++
		}
	}
	d.Messages = slices.Grow(d.Messages, messages)
	d.Statuses = slices.Grow(d.Statuses, statuses)
	d.Watermarks = slices.Grow(d.Watermarks, watermarks)
}

// take adds what can be understood. Reactions, referrals and the like say nothing that is kept.
func (p *Provider) take(d *provider.Delivery, e event) {
	switch {
	case e.message.is && (e.message.isEcho || e.sender == p.channel.PageID):
		// What the page itself wrote, by us or by another way in, is no guest's; of ours it says the id.
		if key := meta.ParseCallback(e.message.metadata); key != nil && isID(e.message.id) {
			d.Statuses = append(d.Statuses, provider.Status{ID: e.message.id, Status: "accepted", Message: key})
		}
	case e.message.is:
		p.inbound(d, e, e.message.id, e.message.words(), e.message.files()...)
	case e.postback.is:
		p.inbound(d, e, e.postback.id, e.postback.words())
	case e.delivery.is:
		p.receipt(d, e, e.delivery, "delivered")
	case e.read.is:
		p.receipt(d, e, e.read, "read")
	}
}

func (p *Provider) inbound(d *provider.Delivery, e event, id, words string, files ...provider.Media) {
	if !isID(id) || !psid.MatchString(e.sender) || e.recipient != p.channel.PageID {
		d.Unreadable++
		return
	}
	d.Messages = append(d.Messages, provider.Inbound{ID: id, From: p.Addresses(e.sender), Body: provider.Storable(words), Media: files})
}

// receipts counts the messages that it names.
func (e event) receipts() int { return e.delivery.ids.Len() + e.read.ids.Len() }

// receipt takes the messages that are named, and the watermark for all others.
func (p *Provider) receipt(d *provider.Delivery, e event, r receipt, status string) {
	named := r.ids.Len()
	d.Statuses = slices.Grow(d.Statuses, named)
	for v := range r.ids.List {
		if id := v.Text(); isID(id) {
			d.Statuses = append(d.Statuses, provider.Status{ID: id, Status: status})
		}
	}
	if r.watermark <= 0 || r.watermark > latest || !psid.MatchString(e.sender) {
		if named == 0 {
			d.Unreadable++
		}
		return
	}
	d.Watermarks = append(d.Watermarks, provider.Watermark{Of: p.Addresses(e.sender), Status: status, Until: time.UnixMilli(r.watermark).UTC()})
}

// words are what the guest wrote. Of other messages they say which type came, as in [image].
func (m message) words() string {
	if m.text != "" {
		return m.text
	}
	for first := range m.attachments.List {
		if kind := first.Member("type").Text(); typeName.MatchString(kind) {
			return "[" + kind + "]"
		}
		break
	}
	return "[message]"
}

// words are those on the button.
func (p postback) words() string {
	if p.title != "" {
		return p.title
	}
	return "[button]"
}
