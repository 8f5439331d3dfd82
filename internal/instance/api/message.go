package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/switchboard-operator/switchboard/internal/instance/notice"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
)

// maxReply is how many characters Twilio takes in one message (its error 21617).
const maxReply = 1600

type message struct {
	ID        uuid.UUID `json:"id"`
	At        time.Time `json:"at"`
	Direction string    `json:"direction"`
	Origin    string    `json:"origin"`
	Status    string    `json:"status"`
	ErrorCode *string   `json:"errorCode"`
	Body      *string   `json:"body"` // null once the content has expired
	// Waits says what an automated message waits for; null for what waits for nothing.
	Waits *waits `json:"waits"`
	// ExpiresAt is when it does by the policies in force; null where nothing bounds it.
	ExpiresAt *time.Time `json:"expiresAt"`
	// Author is who of the staff wrote it; null for others, and where another system asks.
	Author *string `json:"author"`
	// Attachments are left out of it once they have expired.
	Attachments []attachment `json:"attachments"`
}

// waits is the guest's night.
type waits struct {
	Until     *time.Time `json:"until"`     // null while nothing automated is sent at all
	TimeZone  string     `json:"timeZone"`  // the guest's, by its IANA name
	LocalTime *string    `json:"localTime"` // HH:MM there
}

type messageList struct {
	Messages   []message `json:"messages"`
	NextCursor *string   `json:"nextCursor"`
}

type postMessageRequest struct {
	Body string `json:"body"`
	// Template is sent in place of the body.
	Template *template `json:"template"`
	// DespiteOptOutRequest sends to a guest who asked for no more messages in words of their own.
	DespiteOptOutRequest bool `json:"despiteOptOutRequest"`
}

// untilExpiry is how long a row is shown after its time: expiry is computed by sb.cutoff and nowhere else.
const untilExpiry = `(SELECT now() - NULLIF(sb.cutoff('Messages'), '-infinity'))`

// whatWaits tells of a message m what it waits for.
const whatWaits = `CASE WHEN m.status = 'queued' AND m.not_before > now() THEN sb.waits(m.conversation_id, m.time_zone, m.not_before) END`

const selectMessage = `SELECT m.id, m.at, m.direction, m.origin, m.status, m.error_code, b.body, b.at + ` + untilExpiry + `, ` + whatWaits + `,
		(SELECT COALESCE(NULLIF(f.name, ''), f.email) FROM sb.staff f WHERE f.id = m.staff_id)
	FROM sb.message m LEFT JOIN sb.message_body b ON b.at = m.at AND b.id = m.id `

func scanMessage(row pgx.CollectableRow) (placed[message], error) {
	var m message
	if err := row.Scan(&m.ID, &m.At, &m.Direction, &m.Origin, &m.Status, &m.ErrorCode, &m.Body, &m.ExpiresAt, &m.Waits, &m.Author); err != nil {
		return placed[message]{}, err
	}
	m.inUTC()
	return placed[message]{m, m.At, m.ID}, nil
}

func (m *message) inUTC() {
	m.At = m.At.UTC()
	if m.ExpiresAt != nil {
		*m.ExpiresAt = m.ExpiresAt.UTC()
	}
}

func listMessages(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	p, err := readPage(c.http)
	if err != nil {
		return reply{}, err
	}
	if _, err := findConversation(ctx, c.tx, id); err != nil {
		return reply{}, err
	}
	// Notes are for staff alone.
	rows, err := c.tx.Query(ctx, selectMessage+`WHERE m.conversation_id = $1 AND (m.at, m.id) < ($2, $3) AND (m.direction <> 'note' OR $5)
		ORDER BY m.at DESC, m.id DESC LIMIT $4`, id, p.at, p.id, p.limit+1, c.system == nil)
	found, next, err := collect(rows, err, p, scanMessage)
	if err != nil {
		return reply{}, fmt.Errorf("listing messages: %w", err)
	}
	for i := range found {
		if c.system != nil {
			found[i].Author = nil
		}
	}
	if err := noteSeen(ctx, c.tx, id, found); err != nil {
		return reply{}, err
	}
	if err := attach(ctx, c.tx, found); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: messageList{found, next}}, nil
}

// postMessage stores a reply and queues it for the channel's connector, both or
// neither. The same Idempotency-Key answers with the same message.
func (s *Server) postMessage(ctx context.Context, c *call) (reply, error) {
	id, err := pathID(c.http, "conversation")
	if err != nil {
		return reply{}, err
	}
	c.object = &id
	key, err := idempotencyKey(c, id)
	if err != nil {
		return reply{}, err
	}
	var in postMessageRequest
	file, err := readReply(c, &in)
	if err != nil {
		return reply{}, err
	}
	v, err := findConversation(ctx, c.tx, id)
	if err != nil {
		return reply{}, err
	}
	if err := in.check(ctx, c.tx, v.Channel, file); err != nil {
		return reply{}, err
	}
	var now time.Time
	if err := c.tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return reply{}, fmt.Errorf("asking for the time: %w", err)
	}
	messageID, err := uuid.NewV7()
	if err != nil {
		return reply{}, fmt.Errorf("making an id: %w", err)
	}
	if key != nil {
		earlier, err := claimKey(ctx, c.tx, key, messageID, now, in, file)
		if earlier != nil || err != nil {
			return reply{status: http.StatusAccepted, body: earlier}, err
		}
	}
	if err := checkReachable(ctx, c.tx, v, in.DespiteOptOutRequest); err != nil {
		return reply{}, err
	}
	if err := checkWindow(ctx, c.tx, v, in.Template); err != nil {
		return reply{}, err
	}
	m := message{ID: messageID, At: now.UTC(), Direction: "out", Origin: "staff", Status: "queued", Body: &in.Body, Author: author(c), Attachments: []attachment{}}
	if err := s.storeReply(ctx, c, v, &m, outgoing{template: in.Template, file: file}); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: m}, nil
}

// outgoing is what goes with a message's words.
type outgoing struct {
	template *template
	file     *upload
	// Of an automated one: when it may go, and the zone that its guest's number tells.
	notBefore *pgtype.Timestamptz
	timeZone  *string
}

// check says what is wrong with a reply, and makes the words of one by a template.
func (in *postMessageRequest) check(ctx context.Context, tx pgx.Tx, channel string, file *upload) error {
	if in.Template == nil && file == nil {
		return checkText("body", in.Body, 1, maxReply)
	}
	kind, err := channelType(ctx, tx, channel)
	switch {
	case err != nil:
		return err
	case in.Template != nil && (in.Body != "" || file != nil):
		return badRequest("A template goes without the field body and without a file.")
	case in.Template != nil:
		err := in.Template.check(kind)
		in.Body = in.Template.words()
		return err
	}
	if err := checkText("body", in.Body, 0, maxCaption); err != nil {
		return err
	}
	return checkFile(kind, in.Body, file)
}

// checkReachable says why a guest can't be written to.
func checkReachable(ctx context.Context, tx pgx.Tx, v conversation, despiteRequest bool) error {
	switch {
	case v.OptOut == optOutRequested && !despiteRequest:
		return fail(http.StatusConflict, typeOptOutRequested, "The guest seems to have asked for no more messages. Read what was written, and then confirm or dismiss it "+
			"by POST /api/v1/conversations/{id}/opt-out-request, or send this once with despiteOptOutRequest set to true.")
	case v.OptOut == optOutDone:
		return fail(http.StatusConflict, typeOptedOut,
			"The guest opted out of messages and must not be written to. Reach the guest in another way, or wait until the guest sends START.")
	}
	if v.Contact == nil {
		return fail(http.StatusConflict, typeUnreachable,
			"The guest's address has expired. Wait until the guest writes again.")
	}
	var channel, address bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sb.channel WHERE name = $1),
		EXISTS (SELECT FROM sb.contact_address a JOIN sb.conversation t USING (contact_id) WHERE t.id = $2 AND a.kind = sb.address_kind($1))`, v.Channel, v.ID).Scan(&channel, &address)
	switch {
	case err != nil:
		return fmt.Errorf("looking for the guest's address: %w", err)
	case !channel:
		return fail(http.StatusConflict, typeUnreachable,
			"The channel of this conversation was removed. Write to the guest on another channel.")
	case !address:
		return fail(http.StatusConflict, typeUnreachable,
			"The guest has no address any more. Wait until the guest writes again.")
	}
	return nil
}

func author(c *call) *string {
	name := nameOf(c.staff)
	return &name
}

func (s *Server) storeReply(ctx context.Context, c *call, v conversation, m *message, with outgoing) error {
	if with.template == nil && with.file == nil {
		if err := tellNotice(ctx, c.tx, v, m); err != nil {
			return err
		}
	}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, staff_id, status, status_at, not_before, time_zone)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $2, $9, $10)`, m.ID, m.At, v.ID, v.Channel, m.Direction, m.Origin, c.who(), m.Status, with.notBefore, with.timeZone)
	batch.Queue("INSERT INTO sb.message_body (id, at, conversation_id, channel, body, template) VALUES ($1, $2, $3, $4, $5, $6)", m.ID, m.At, v.ID, v.Channel, *m.Body, with.template)
	batch.Queue("SELECT $1::timestamptz + "+untilExpiry, m.At).QueryRow(func(row pgx.Row) error { return row.Scan(&m.ExpiresAt) })
	// An erasure that was faster has taken the thread: nothing may be stored in it any more.
	gone := false
	batch.Queue("UPDATE sb.conversation SET last_message_at = GREATEST(last_message_at, $2) WHERE id = $1", v.ID, m.At).
		Exec(func(tag pgconn.CommandTag) error {
			gone = tag.RowsAffected() == 0
			return nil
		})
	if err := c.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("storing a reply: %w", err)
	}
	m.inUTC()
	if gone {
		return notFound("conversation")
	}
	args := queue.SendArgs{MessageID: m.ID, At: m.At}
	if with.file != nil {
		if err := s.keepFile(ctx, c.tx, m, with.file); err != nil {
			return err
		}
		args.Files = 1
	}
	if err := queue.InsertTx(ctx, c.tx, v.Channel, args); err != nil {
		return fmt.Errorf("queueing a reply: %w", err)
	}
	return nil
}

// idempotencyKey hashes the header Idempotency-Key, nil when there is none. A key
// counts for one member of staff and one conversation.
func idempotencyKey(c *call, conversation uuid.UUID) ([]byte, error) {
	values := c.http.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	const most = 255
	if len(values) > 1 || values[0] == "" || len(values[0]) > most {
		return nil, badRequest(fmt.Sprintf("Send one header Idempotency-Key of 1 to %d characters, or none.", most))
	}
	sum := sha256.Sum256(bytes.Join([][]byte{c.staff.ID[:], conversation[:], []byte(values[0])}, nil))
	return sum[:], nil
}

// claimKey binds a key to a new message; or it gives the message that the key is
// bound to already, waiting for a request under way with the same key.
func claimKey(ctx context.Context, tx pgx.Tx, key []byte, id uuid.UUID, at time.Time, in postMessageRequest, file *upload) (*message, error) {
	claimed, err := tx.Exec(ctx, "INSERT INTO sb.reply_key (key_hash, message_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", key, id, at)
	if err != nil {
		return nil, fmt.Errorf("claiming an idempotency key: %w", err)
	}
	if claimed.RowsAffected() == 1 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, selectMessage+`WHERE (m.at, m.id) = (SELECT at, message_id FROM sb.reply_key WHERE key_hash = $1)`, key)
	if err != nil {
		return nil, fmt.Errorf("reading the message of an idempotency key: %w", err)
	}
	earlier, err := pgx.CollectExactlyOneRow(rows, scanMessage)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fail(http.StatusConflict, typeKeyReused, "This Idempotency-Key was used for a message that has expired; use a new key.")
	case err != nil:
		return nil, fmt.Errorf("reading the message of an idempotency key: %w", err)
	}
	one := []message{earlier.row}
	if err := attach(ctx, tx, one); err != nil {
		return nil, err
	}
	if one[0].Body != nil && notice.Without(*one[0].Body) != notice.Without(in.Body) || !file.is(one[0].Attachments) {
		return nil, fail(http.StatusUnprocessableEntity, typeKeyReused, "This Idempotency-Key was used for another text; use a new key for a new message.")
	}
	return &one[0], nil
}

// is says whether a file is the one that a message was stored with, as far as can be told without its bytes.
func (u *upload) is(stored []attachment) bool {
	if u == nil || len(stored) == 0 { // one that has expired is not told apart
		return u == nil && len(stored) == 0
	}
	a := stored[0]
	return a.Name == u.name && a.Size != nil && *a.Size == int64(len(u.content)) && a.MediaType != nil && *a.MediaType == u.mediaType
}
