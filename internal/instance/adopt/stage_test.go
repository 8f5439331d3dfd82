package adopt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/adopt"
	"github.com/switchboard-operator/switchboard/internal/instance/export"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	former  = "hotel-berlin"
	present = "inn-berlin"
)

var discard = slog.New(slog.DiscardHandler)

// hashKeys are those of the tenant that is taken out.
var hashKeys = map[int][]byte{1: bytes.Repeat([]byte{'a'}, 32), 2: bytes.Repeat([]byte{'b'}, 32)}

// limits that are in force at both places: guests are kept for longer than messages.
var limits = map[string]int32{
	contract.CategoryMessages: 30, contract.CategoryMessageMetadata: 60, contract.CategoryAttachments: 30, contract.CategoryContacts: 90,
	contract.CategoryStaffAccounts: 90, contract.CategoryAccessLogs: 30, contract.CategoryWebChatSessions: 30,
	contract.CategoryIntegrationData: 30, contract.CategoryTestimonials: 30,
}

// stage is a tenant that has everything, and an empty one.
type stage struct {
	t        *testing.T
	from, to *pgtest.Database
	key      *age.X25519Identity
	chain    contract.ChainLink
	objects  *objectstore.Store
}

// newStage: the former place has guests 0, 1 and 2, whose data is 1, 45 and 100 days old. Guest
// 2 has expired in every category, but is held with all that there is of her.
func newStage(t *testing.T) *stage {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, from: pgtest.New(t), to: pgtest.New(t), key: key}
	policy := s.from.Limits(t, limits)
	s.to.Limits(t, limits)
	admin := s.from.Admin(t)
	s.chain = contract.ChainLink{}
	for range 3 {
		result, err := retention.Run(t.Context(), s.from.Retain(t), policy, former, retention.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.chain = contract.ChainLink{Sequence: result.Sequence, Digest: result.Digest}
	}
	fill(t, admin)
	for _, d := range []*pgxpool.Pool{admin, s.to.Admin(t)} {
		exec(t, d, "INSERT INTO sb.hold (name, by_subject) VALUES ('case-9', true)")
	}
	exec(t, s.to.Admin(t), "INSERT INTO sb.hold_alias (hold, kind, address_hash) VALUES ('case-9', 'phone', sha256('2 by the keys of before'))")
	exec(t, admin, "INSERT INTO sb.hold_alias (hold, kind, address_hash) VALUES ('case-9', 'phone', sha256('2'))")
	exec(t, admin, "INSERT INTO sb.hold_contact (hold, contact_id) VALUES ('case-9', md5('c2')::uuid)")
	exec(t, admin, "SELECT sb.testimonial_end(ARRAY[md5('t2')::uuid], md5('s0')::uuid, 'phone')") // kept by the hold
	exec(t, admin, "UPDATE sb.testimonial SET doubted_at = now(), bearers = ARRAY[sha256('0')] WHERE id = md5('t0')::uuid")
	exec(t, admin, "INSERT INTO sb.hold (name, by_subject, channel, expires_at) VALUES ('ended', false, 'front-desk', now() - interval '1 day')")
	return s
}

// fill stores three guests, i = 0 to 2, of some age, and guest 3, who has expired.
func fill(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	exec(t, db, "SELECT sb.ensure_partition(now() - make_interval(days => d)) FROM generate_series(0, 150, 27) d")
	ages := "(VALUES (0, now() - interval '1 day'), (1, now() - interval '45 days'), (2, now() - interval '100 days'), (3, now() - interval '101 days')) g (i, at)"
	for _, statement := range []string{
		"INSERT INTO sb.contact (id, name, created_at, last_seen_at, notice_version, notice_at, notice_message) SELECT md5('c' || i)::uuid, 'Guest ' || i, at, at, 3, at, md5('m' || i)::uuid FROM " + ages,
		"INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) SELECT 'phone', sha256(i::text::bytea), 2, '+4930' || i, md5('c' || i)::uuid FROM " + ages,
		"INSERT INTO sb.conversation (id, channel, contact_id, created_at, last_message_at, last_seq, staff_seen_seq) SELECT md5('v' || i)::uuid, 'front-desk', md5('c' || i)::uuid, at, at, 7 + i, 5 + i FROM " + ages,
		"INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status, provider_id, thread_seq) SELECT md5('m' || i)::uuid, at, md5('v' || i)::uuid, 'front-desk', 'in', 'guest', 'received', 'SM' || i, 6 + i FROM " + ages,
		"INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, E'Is the \"pool\" open?\\n– ' || id FROM sb.message",
		"INSERT INTO sb.message_count (day, channel, direction, messages) VALUES ((now() - interval '200 days')::date, 'front-desk', 'in', 7), ((now() - interval '201 days')::date, 'front-desk', 'in', 4), ((now() - interval '60 days')::date, 'front-desk', 'in', 2)",
		"INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id) SELECT md5('a' || i)::uuid, at, md5('m' || i)::uuid, md5('v' || i)::uuid, 'front-desk', 'room.png', sb.add_file('image/png', convert_to(repeat('bytes of ' || i, 200000), 'UTF8')) FROM " + ages,
		"INSERT INTO sb.web_chat_session (id, channel, contact_id, started_at, last_active_at, expires_at, token_hash, ip, user_agent) SELECT md5('w' || i)::uuid, 'web', md5('c' || i)::uuid, at, at, at + interval '9 days', sha256(('token' || i)::bytea), '2001:db8::7', 'Browser' FROM " + ages,
		`INSERT INTO sb.integration_data (id, at, source, kind, contact_id, data) SELECT md5('i' || i)::uuid, at, 'pms', 'arrival', md5('c' || i)::uuid, '{"room": null, "of": [1, 2.50]}' FROM ` + ages,
		"INSERT INTO sb.testimonial (id, at, contact_id, words, consent, consented_at, named_as, shown, language, given, recorded_by) SELECT md5('t' || i)::uuid, at, md5('c' || i)::uuid, 'Lovely', 'You may print it', at, 'Ada', 'website', 'en', 'phone', md5('s' || i)::uuid FROM " + ages,
		"INSERT INTO sb.access_log (at, staff_id, method, route, object_id, status, ip, user_agent) SELECT at, md5('s')::uuid, 'GET', '/api/v1/contacts/{id}', md5('c' || i)::uuid, 200, '192.0.2.7', 'Browser' FROM " + ages,
		"INSERT INTO sb.seen (channel, id_hash, seen_at) SELECT 'front-desk', sha256(('seen' || i)::bytea), at FROM " + ages,
		"INSERT INTO sb.suppression (channel, address_hash, key_version, since, requested) SELECT '*', sha256(i::text::bytea), 2, at, i > 0 FROM " + ages,
		"INSERT INTO sb.consent_log (at, channel, address_hash, key_version, change, source) SELECT at, 'front-desk', sha256(i::text::bytea), 2, 'stop', 'guest' FROM " + ages,
		"INSERT INTO sb.staff (id, email, name, password_hash, last_active_at) SELECT md5('s' || i)::uuid, i || '@hotel.example', 'Staff ' || i, '$argon2id$secret', at FROM " + ages,
		"INSERT INTO sb.canned_reply (id, title, body) VALUES (md5('r')::uuid, 'Late', 'Until noon.')",
		"INSERT INTO sb.staff_session (token_hash, staff_id, expires_at) SELECT 'token', id, now() + interval '1 day' FROM sb.staff WHERE email = '0@hotel.example'",
	} {
		exec(t, db, statement)
	}
}

func (s *stage) export() []byte {
	s.t.Helper()
	var file bytes.Buffer
	result, err := export.Run(s.t.Context(), s.from.Export(s.t), &file, export.Options{
		Tenant: former, Recipient: s.key.Recipient().String(), Keys: hashKeys, Resources: []byte("kind: Tenant\n"), Log: discard, Objects: s.objects,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if result.Bytes != int64(file.Len()) || result.Head != s.chain {
		s.t.Errorf("told %+v of %d bytes, the chain ends with %+v", result, file.Len(), s.chain)
	}
	return file.Bytes()
}

func (s *stage) options() adopt.Options {
	return adopt.Options{Tenant: present, Identities: []age.Identity{s.key}, Keys: hashKeys, Log: discard}
}

func (s *stage) adopt(file io.Reader, o adopt.Options) (contract.AdoptResult, error) {
	s.t.Helper()
	return adopt.Run(s.t.Context(), s.to.Adopt(s.t), file, o)
}

// rows gives a table's rows as text, in their order; what differs between places is left out.
func rows(t *testing.T, db *pgxpool.Pool, query string) []string {
	t.Helper()
	found, _ := db.Query(context.Background(), "SELECT row_to_json(q)::text FROM ("+query+") q ORDER BY 1")
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

func exec(t *testing.T, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// untouched holds the empty tenant to having nothing.
func (s *stage) untouched() {
	s.t.Helper()
	for _, table := range []string{"contact", "conversation", "message", "file", "suppression", "consent_log", "receipt", "adoption"} {
		if n := rows(s.t, s.to.Admin(s.t), "SELECT count(*) FROM sb."+table); n[0] != `{"count":0}` {
			s.t.Errorf("table %s has %s", table, n[0])
		}
	}
}

func contains(t *testing.T, err, is error, parts ...string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) {
		t.Errorf("err = %v, want %v", err, is)
		return
	}
	for _, part := range append(parts, "nothing has changed") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	for _, word := range []string{"+4930", "Guest", "hotel.example"} {
		if strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("the error tells %q: %v", word, err)
		}
	}
}
