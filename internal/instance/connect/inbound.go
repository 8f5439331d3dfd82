package connect

import (
	"context"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
)

// Kinds of what is hashed.
const (
	kindPhone      = contract.KindPhone
	kindProviderID = "provider-id"
)

// deliver stores what a webhook brings, and acknowledges it once all of it is durable.
func (c *Connector) deliver(w http.ResponseWriter, r *http.Request, d provider.Delivery) {
	if d.Unreadable > 0 {
		received.add("unreadable", d.Unreadable)
		c.log.Warn("a webhook holds what can't be understood", "items", d.Unreadable)
	}
	if err := c.store(r.Context(), d.Messages); err != nil {
		received.add("unavailable", 1)
		c.log.Warn("messages were not stored; the provider is asked to send them again", "messages", len(d.Messages), "error", err.Error())
		unavailable(w, "the message could not be stored")
		return
	}
	if err := c.note(r.Context(), d); err != nil {
		c.log.Warn("a status was not stored; the provider is asked to send it again", "error", err.Error())
		unavailable(w, "the status could not be stored")
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d.ContentType != "" {
		w.Header().Set("Content-Type", d.ContentType)
	}
	_, _ = io.WriteString(w, d.Answer) // a provider that went away sends it again
}

func (c *Connector) store(ctx context.Context, messages []provider.Inbound) error {
	letters := make([]*letter, 0, len(messages))
	for _, m := range messages {
		l, err := c.letter(m)
		if err != nil {
			return err
		}
		letters = append(letters, l)
	}
	return c.receiver.store(ctx, letters)
}

// note moves messages of ours on. One that is not known is passed over: to repeat it
// would not help.
func (c *Connector) note(ctx context.Context, d provider.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for _, s := range d.Statuses {
		u := update{providerID: s.ID, status: s.Status, errorCode: s.ErrorCode, blocked: s.Blocked}
		if s.Message != nil {
			u.message = &messageKey{s.Message.ID, s.Message.At}
		}
		if _, err := c.database.recordStatus(ctx, u); err != nil {
			return err
		}
	}
	if len(d.Watermarks) == 0 {
		return nil
	}
	keys, err := addresshash.Load(c.keysDir)
	if err != nil {
		return err
	}
	for _, w := range d.Watermarks {
		_, hashes := person.Hashes(keys, w.Of)
		if err := c.database.recordWatermark(ctx, hashes, w.Status, w.Until); err != nil {
			return err
		}
	}
	return nil
}

// letter prepares a message for the database.
func (c *Connector) letter(in provider.Inbound) (*letter, error) {
	keys, err := addresshash.Load(c.keysDir)
	if err != nil {
		return nil, err
	}
	l := &letter{providerID: in.ID, body: in.Body, command: in.Handled, media: in.Media[:min(len(in.Media), media.MaxFiles)]}
	l.files = make([]uuid.UUID, len(l.media))
	if in.Handled == optout.None {
		l.command = c.words.Command(in.Body)
		l.answer = optout.Answer(l.command)
	}
	l.seen, l.keyVersion = keys.Hashes(kindProviderID, in.ID)
	_, l.hashes = person.Hashes(keys, in.From)
	for _, a := range in.From {
		l.kinds, l.addresses = append(l.kinds, a.Kind), append(l.addresses, a.Value)
	}
	for _, id := range []*uuid.UUID{&l.message, &l.contact, &l.conversation, &l.confirmation} {
		if *id, err = uuid.NewV7(); err != nil {
			return nil, err
		}
	}
	for i := range l.files {
		if l.files[i], err = uuid.NewV7(); err != nil {
			return nil, err
		}
	}
	return l, nil
}
