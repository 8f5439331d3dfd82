package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/media"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
)

// codeEnded is how sb.web_chat_receive says that a session has ended.
const codeEnded = "SB401"

// chatStore is what a web chat asks of the database.
type chatStore struct{ c *Connector }

// Open begins a session.
func (s chatStore) Open(ctx context.Context, o webchat.Opening) (expires time.Time, err error) {
	keys, err := addresshash.Load(s.c.keysDir)
	if err != nil {
		return time.Time{}, err
	}
	hashes, version := keys.Hashes(o.Guest.Kind, o.Guest.Value)
	contact, err := uuid.NewV7()
	if err != nil {
		return time.Time{}, err
	}
	var from *netip.Addr
	if o.From.IsValid() {
		from = &o.From
	}
	for range maxTries { // a conflict with another transaction over the same guest
		err = described("opening a session", s.c.database.pool.QueryRow(ctx, "SELECT sb.web_chat_open($1, $2, $3, $4, $5, $6, $7, $8, NULLIF($9, ''))",
			o.Session, o.Token[:], o.Lifetime, o.Guest.Value, hashes, version, contact, from, o.Browser).Scan(&expires))
		var refusal *refusalError
		if !errors.As(err, &refusal) || !refusal.conflict() {
			return expires, err
		}
	}
	return expires, err
}

// Begin makes a session active.
func (s chatStore) Begin(ctx context.Context, h webchat.Hash) (webchat.Session, error) {
	session := webchat.Session{Guest: person.Address{Kind: contract.KindWebChat}}
	err := s.c.database.pool.QueryRow(ctx, `SELECT session, contact, address, epoch, last_seq, staff_seen_seq, expires_at FROM sb.web_chat_begin($1)`, h[:]).
		Scan(&session.ID, &session.Contact, &session.Guest.Value, &session.Epoch, &session.Last, &session.StaffSeen, &session.Expires)
	return session, ended("taking up a session", err)
}

// ended tells a session that is not there from other errors.
func ended(doing string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return webchat.ErrEnded
	}
	return described(doing, err)
}

// Receive stores a message with those that come at the same time.
func (s chatStore) Receive(ctx context.Context, w webchat.Written) (uuid.UUID, error) {
	return s.receive(ctx, w, nil)
}

func (s chatStore) receive(ctx context.Context, w webchat.Written, with []provider.Media) (uuid.UUID, error) {
	l, err := s.c.letter(provider.Inbound{
		// Whose it is belongs to the id: two guests may choose the same, and one guest may use it in two sessions.
		ID: w.Guest.Value + " " + w.ClientID, From: []person.Address{w.Guest}, Body: provider.Storable(w.Text), Handled: optout.None, Media: with,
	})
	if err != nil {
		return uuid.UUID{}, err
	}
	l.providerID, l.session = w.ClientID, w.Token[:]
	err = s.c.receiver.store(ctx, []*letter{l})
	var refusal *refusalError
	switch {
	case errors.As(err, &refusal) && refusal.code == codeEnded:
		return uuid.UUID{}, webchat.ErrEnded
	case err != nil:
		received.add("unavailable", 1)
		return uuid.UUID{}, err
	case l.stored == nil: // stored before, and expired since
		return uuid.UUID{}, nil
	}
	return *l.stored, nil
}

// sourceUpload stands where a provider's name for a file would: the guest's browser sends it.
const sourceUpload = "upload"

// Expect stores a message that a file is to come with.
func (s chatStore) Expect(ctx context.Context, w webchat.Written) (webchat.Expected, error) {
	message, err := s.receive(ctx, w, []provider.Media{{Source: sourceUpload, Name: w.FileName}})
	if err != nil || message == (uuid.UUID{}) {
		return webchat.Expected{}, err
	}
	files, err := s.files(ctx, w.Token, []uuid.UUID{message})
	if err != nil || len(files[message]) != 1 { // the id is that of a message without a file, or the file has expired
		return webchat.Expected{}, err
	}
	return webchat.Expected{Message: message, File: files[message][0]}, nil
}

// Keep keeps the file of a message. Who sent it is told when it was given up or erased meanwhile.
func (s chatStore) Keep(ctx context.Context, attachment uuid.UUID, mediaType string, head []byte, rest io.Reader) error {
	outcome, err := s.c.keep(ctx, attachment, mediaType, head, rest)
	if err == nil && outcome == outcomeGone {
		err = &provider.MediaError{Reason: media.Expired}
	}
	return err
}

// files gives those of messages that a session's thread shows, by message.
func (s chatStore) files(ctx context.Context, h webchat.Hash, of []uuid.UUID) (map[uuid.UUID][]webchat.File, error) {
	rows, err := s.c.database.pool.Query(ctx, "SELECT message_id, id, name, state, COALESCE(media_type, ''), COALESCE(size, 0) FROM sb.web_chat_files($1, $2)", h[:], of)
	if err != nil {
		return nil, described("reading the files of messages", err)
	}
	all := map[uuid.UUID][]webchat.File{}
	var message uuid.UUID
	var f webchat.File
	_, err = pgx.ForEachRow(rows, []any{&message, &f.ID, &f.Name, &f.State, &f.MediaType, &f.Size}, func() error {
		all[message] = append(all[message], f)
		return nil
	})
	return all, described("reading the files of messages", err)
}

// OpenFile reads a file that a session's thread shows. In the database, each piece asks anew whether it may be read: what expires meanwhile
// breaks off. Of an object that is asked once, before it begins.
func (s chatStore) OpenFile(ctx context.Context, h webchat.Hash, id uuid.UUID) (webchat.File, io.ReadCloser, error) {
	f := webchat.File{ID: id}
	var object, key *string
	err := s.c.database.pool.QueryRow(ctx, "SELECT name, media_type, size, object, object_key FROM sb.web_chat_file($1, $2)", h[:], id).
		Scan(&f.Name, &f.MediaType, &f.Size, &object, &key)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, nil, webchat.ErrNoFile
	}
	if err != nil {
		return f, nil, described("reading a file of a thread", err)
	}
	if object != nil && key != nil {
		body, err := file.Open(ctx, s.c.objects, *object, *key)
		if errors.Is(err, file.ErrMissing) {
			err = webchat.ErrNoFile
		}
		return f, body, err
	}
	return f, io.NopCloser(file.Pieces(f.Size, func(at int64, length int) (b []byte, err error) {
		err = s.c.database.pool.QueryRow(ctx, "SELECT sb.web_chat_file_piece($1, $2, $3, $4)", h[:], id, at, length).Scan(&b)
		return b, described("reading a piece of a file", err)
	})), nil
}

// Read gives what a thread holds after a place.
func (s chatStore) Read(ctx context.Context, h webchat.Hash, guest person.Address, after int64, most int) ([]webchat.Entry, webchat.Progress, error) {
	keys, err := addresshash.Load(s.c.keysDir)
	if err != nil {
		return nil, webchat.Progress{}, err // without keys nobody can tell who has opted out
	}
	_, hashes := person.Hashes(keys, []person.Address{guest})
	var now webchat.Progress
	var entries []webchat.Entry
	batch := &pgx.Batch{}
	batch.Queue("SELECT last_seq, staff_seen_seq FROM sb.web_chat_alive(ARRAY[$1::bytea])", h[:]).QueryRow(func(row pgx.Row) error {
		return row.Scan(&now.Last, &now.StaffSeen)
	})
	batch.Queue("SELECT place, id, at, direction, origin, COALESCE(client_id, ''), body FROM sb.web_chat_read($1, $2, $3, $4)", h[:], hashes, after, most).
		Query(func(rows pgx.Rows) error {
			entries, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e webchat.Entry, err error) {
				return e, row.Scan(&e.Place, &e.ID, &e.At, &e.Direction, &e.Origin, &e.ClientID, &e.Text)
			})
			return err
		})
	if err := s.c.database.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, webchat.Progress{}, ended("reading a thread", err)
	}
	if len(entries) == 0 {
		return nil, now, nil
	}
	shown := make([]uuid.UUID, len(entries))
	for i, e := range entries {
		shown[i] = e.ID
	}
	files, err := s.files(ctx, h, shown)
	for i := range entries {
		entries[i].Files = files[entries[i].ID]
	}
	return entries, now, err
}

// Receipt moves messages on.
func (s chatStore) Receipt(ctx context.Context, h webchat.Hash, status string, upTo int64) error {
	_, err := s.c.database.pool.Exec(ctx, "SELECT sb.web_chat_receipt($1, $2, $3)", h[:], status, upTo)
	return described("noting a receipt", err)
}

// Alive tells which sessions have not ended.
func (s chatStore) Alive(ctx context.Context, of []webchat.Hash) (map[webchat.Hash]webchat.Progress, error) {
	hashes := make([][]byte, 0, len(of))
	for i := range of {
		hashes = append(hashes, of[i][:])
	}
	rows, err := s.c.database.pool.Query(ctx, "SELECT token_hash, last_seq, staff_seen_seq FROM sb.web_chat_alive($1)", hashes)
	if err != nil {
		return nil, described("looking for sessions", err)
	}
	alive := map[webchat.Hash]webchat.Progress{}
	var hash []byte
	var now webchat.Progress
	_, err = pgx.ForEachRow(rows, []any{&hash, &now.Last, &now.StaffSeen}, func() error {
		alive[webchat.Hash(hash)] = now
		return nil
	})
	return alive, described("looking for sessions", err)
}

// End ends a session.
func (s chatStore) End(ctx context.Context, h webchat.Hash) error {
	_, err := s.c.database.pool.Exec(ctx, "SELECT sb.web_chat_end($1)", h[:])
	return described("ending a session", err)
}

// Release puts a message into its thread.
func (s chatStore) Release(ctx context.Context, k provider.Key) (released bool, err error) {
	err = s.c.database.pool.QueryRow(ctx, "SELECT sb.web_chat_release($1, $2)", k.ID, k.At).Scan(&released)
	return released, described("releasing a message", err)
}

// Listen keeps one connection for notifications. It is not given back: whoever got it would hear them.
func (s chatStore) Listen(ctx context.Context, heard func(string)) error {
	pooled, err := s.c.database.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	conn := pooled.Hijack()
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is not needed any more
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{topicPrefix + s.c.channel.Name}.Sanitize()); err != nil {
		return described("listening", err)
	}
	heard("")
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		heard(n.Payload)
	}
}

// topicPrefix is that of sb.web_chat_topic.
const topicPrefix = "sb_web_chat_"

// attach gives a chat the connector's database.
func (c *Connector) attach(chat *webchat.Server, log *slog.Logger, limits webchat.Limits) {
	chat.Attach(chatStore{c}, log, limits)
	c.chat = chat
}
