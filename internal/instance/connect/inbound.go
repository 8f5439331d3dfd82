package connect

import (
	"io"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
)

// Kinds of what is hashed.
const (
	kindPhone      = "phone"
	kindProviderID = "provider-id"
)

// inbound stores a guest's message, and acknowledges it once it is durable.
func (c *Connector) inbound(w http.ResponseWriter, r *http.Request, form url.Values) {
	in, err := twilio.ParseInbound(form)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !c.isOurs(in) {
		http.Error(w, "the message was not sent to the number or messaging service of this channel", http.StatusForbidden)
		return
	}
	l, err := c.letter(in)
	if err == nil {
		err = c.receiver.store(r.Context(), l)
	}
	if err != nil {
		received.WithLabelValues("unavailable").Inc()
		c.log.Warn("a message was not stored; the provider is asked to send it again", "error", err.Error())
		unavailable(w, "the message could not be stored")
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Response/>`) // a provider that went away sends it again
}

func (c *Connector) isOurs(in twilio.Inbound) bool {
	if c.twilio.MessagingServiceSID != "" {
		return in.MessagingServiceSID == c.twilio.MessagingServiceSID
	}
	return in.To == c.twilio.From
}

// letter prepares a message for the database.
func (c *Connector) letter(in twilio.Inbound) (*letter, error) {
	keys, err := addresshash.Load(c.keysDir)
	if err != nil {
		return nil, err
	}
	l := &letter{providerID: in.SID, address: in.From, body: in.Body, command: c.words.Command(in.Body)}
	if theirs, ok := advancedOptOut[in.OptOutType]; ok {
		l.command = theirs
	} else {
		l.answer = optout.Answer(l.command)
	}
	l.seen, _ = keys.Hashes(kindProviderID, in.SID)
	l.hashes, l.keyVersion = keys.Hashes(kindPhone, in.From)
	for _, id := range []*uuid.UUID{&l.message, &l.contact, &l.conversation, &l.confirmation} {
		if *id, err = uuid.NewV7(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// advancedOptOut are the commands that Twilio's Advanced Opt-Out has recognised and
// answered: the guest must not be answered twice.
var advancedOptOut = map[string]optout.Command{"STOP": optout.Stop, "START": optout.Start, "HELP": optout.Help}
