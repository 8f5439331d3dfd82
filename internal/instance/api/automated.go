package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
)

// originAutomated is the origin of what another system of the client's sends.
const originAutomated = "automated"

type automatedRequest struct {
	Channel string     `json:"channel"`
	Guest   eventGuest `json:"guest"`
	Body    string     `json:"body"`
	// Template is sent in place of the body.
	Template *template `json:"template"`
}

// postAutomated stores what another system sends to a guest, once for each Idempotency-Key, and queues it. It goes when the
// tenant's window is open where the guest is, and never to who has opted out or asked to.
func (s *Server) postAutomated(ctx context.Context, c *call) (reply, error) {
	told := c.http.Header.Values("Idempotency-Key")
	if len(told) != 1 || told[0] == "" || len(told[0]) > 255 {
		return reply{}, badRequest("Send one header Idempotency-Key of 1 to 255 characters: the same message bears the same one whenever it is sent.")
	}
	var in automatedRequest
	if err := decode(c.w, c.http, &in); err != nil {
		return reply{}, err
	}
	if err := checkText("channel", in.Channel, 1, 63); err != nil {
		return reply{}, err
	}
	v, err := s.threadOf(ctx, c, in.Channel, in.Guest)
	if err != nil {
		return reply{}, err
	}
	c.object = &v.ID
	words := postMessageRequest{Body: in.Body, Template: in.Template}
	if err := words.check(ctx, c.tx, v.Channel, nil); err != nil {
		return reply{}, err
	}
	messageID, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	var now time.Time
	if err := c.tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return reply{}, fmt.Errorf("asking for the time: %w", err)
	}
	// By the system's name, as keys of events: what is sent again under a new token is known still.
	key := sha256.Sum256([]byte("automated\x00" + c.system.Name + "\x00" + told[0]))
	earlier, err := claimKey(ctx, c.tx, key[:], messageID, now, words, nil)
	if err != nil {
		return reply{}, err
	}
	if earlier != nil {
		return sameAgain(ctx, c.tx, v, earlier)
	}
	// No template and nobody's decision makes up for an opt-out here.
	if err := checkReachable(ctx, c.tx, v, false); err != nil {
		return reply{}, err
	}
	m := message{ID: messageID, At: now.UTC(), Direction: "out", Origin: originAutomated, Status: "queued", Body: &words.Body, Attachments: []attachment{}}
	with := outgoing{template: in.Template}
	if err := s.whenOpen(ctx, c.tx, v, in.Template, &m, &with); err != nil {
		return reply{}, err
	}
	if err := s.storeReply(ctx, c, v, &m, with); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: m}, nil
}

// threadOf finds the conversation of a guest who has written on a channel, by an address: nobody is written to first.
func (s *Server) threadOf(ctx context.Context, c *call, channel string, guest eventGuest) (conversation, error) {
	address, err := person.Parse(guest.Kind, guest.Address)
	if err != nil {
		return conversation{}, badRequest("The fields kind and address of guest name no address: " + err.Error() + ".")
	}
	keys, err := addresshash.Load(s.keysDir)
	if err != nil {
		return conversation{}, err
	}
	w, err := findBearer(ctx, c.tx, keys, address.Aliases())
	if err != nil {
		return conversation{}, err
	}
	rows, err := c.tx.Query(ctx, "SELECT id FROM sb.conversation WHERE channel = $1 AND contact_id = $2", channel, w.contact)
	if err != nil {
		return conversation{}, fmt.Errorf("looking for a conversation: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return conversation{}, fmt.Errorf("looking for a conversation: %w", err)
	}
	if len(ids) == 0 {
		return conversation{}, fail(http.StatusNotFound, typeUnspecific, "No guest of that address has a conversation on that channel. A guest must have written there before other systems may.")
	}
	return findConversation(ctx, c.tx, ids[0])
}

// sameAgain answers with the message that a key was used for, when it was for the same guest.
func sameAgain(ctx context.Context, tx pgx.Tx, v conversation, earlier *message) (reply, error) {
	var same bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sb.message WHERE at = $1 AND id = $2 AND conversation_id = $3)", earlier.At, earlier.ID, v.ID).Scan(&same); err != nil {
		return reply{}, fmt.Errorf("reading the message of an idempotency key: %w", err)
	}
	if !same {
		return reply{}, fail(http.StatusUnprocessableEntity, typeKeyReused, "This Idempotency-Key was used for another guest; use a new key for a new message.")
	}
	return reply{status: http.StatusAccepted, body: earlier}, nil
}

// whenOpen finds out when a message may go, and refuses what the provider would not take any more by then.
func (s *Server) whenOpen(ctx context.Context, tx pgx.Tx, v conversation, by *template, m *message, with *outgoing) error {
	if err := checkWindow(ctx, tx, v, by); err != nil {
		return err
	}
	var of person.Address
	if err := tx.QueryRow(ctx, "SELECT a.kind, a.address FROM sb.contact_address a JOIN sb.conversation t USING (contact_id) WHERE t.id = $1 AND a.kind = sb.address_kind($2) ORDER BY a.address_hash LIMIT 1",
		v.ID, v.Channel).Scan(&of.Kind, &of.Value); err != nil {
		return fmt.Errorf("reading the guest's address: %w", err)
	}
	var opens pgtype.Timestamptz
	var late bool
	err := tx.QueryRow(ctx, `SELECT o.opens, z, CASE WHEN o.opens > now() THEN sb.waits($1, z, o.opens) END, COALESCE(o.opens > $3::timestamptz, false)
		FROM sb.known_zone($2) z, sb.automated_opening($1, z, now()) o`, v.ID, of.TimeZone(), v.Reply.FreeTextUntil).
		Scan(&opens, &with.timeZone, &m.Waits, &late)
	if err != nil {
		return fmt.Errorf("asking when a message may go: %w", err)
	}
	with.notBefore = &opens
	if late && by == nil {
		return fail(http.StatusConflict, typeWindowClosed,
			"The message may go in the guest's day only, and by then the guest last wrote more than 24 hours ago: the provider takes no free text any more. Send a template, or leave it to staff.")
	}
	return nil
}
