package subject_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	tenant = "hotel-berlin"
	anna   = "+4915112345678"
	ben    = "+4915187654321"
)

// stage is a database with two guests: Anna, known by phone and WhatsApp, and Ben.
type stage struct {
	t    *testing.T
	d    *pgtest.Database
	db   *pgxpool.Pool
	keys *addresshash.Keys
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	for version, b := range map[string]byte{"1": 'a', "2": 'b'} {
		if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+version), bytes.Repeat([]byte{b}, 32), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := pgtest.New(t)
	s := &stage{t: t, d: d, db: d.Admin(t), keys: keys}
	s.guest("anna", anna, 7)
	s.guest("ben", ben, 5)
	// Under an older key, as a guest who did not write since the rotation.
	old, _ := keys.Hashes(contract.KindWhatsApp, anna[1:])
	s.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('whatsapp', $1, 1, $2, md5('anna')::uuid)", old[1], anna[1:])
	return s
}

// guest stores a guest with a thread of n messages, and one of everything else.
func (s *stage) guest(name, phone string, n int) {
	s.t.Helper()
	hash, version := s.keys.Hash(contract.KindPhone, phone)
	s.exec("INSERT INTO sb.contact (id, name) VALUES (md5($1)::uuid, $1)", name)
	s.exec("INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id) VALUES ('phone', $1, $2, $3, md5($4)::uuid)", hash, version, phone, name)
	s.exec("INSERT INTO sb.conversation (id, channel, contact_id) VALUES (md5('v' || $1)::uuid, $2, md5($1)::uuid)", name, pgtest.Channel)
	s.exec(`INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
		SELECT md5($1 || i)::uuid, now() - make_interval(hours => i), md5('v' || $1)::uuid, $2, 'in', 'guest', 'received' FROM generate_series(1, $3) i`, name, pgtest.Channel, n)
	s.exec("INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, 'words of ' || $1 FROM sb.message WHERE conversation_id = md5('v' || $1)::uuid", name)
	// The last is what staff noted of the guest.
	s.exec("UPDATE sb.message SET direction = 'note', origin = 'staff', status = 'noted' WHERE id = md5($1 || 1)::uuid", name)
	s.exec(`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
		SELECT md5('a' || $1 || n)::uuid, now(), md5($1 || 1)::uuid, md5('v' || $1)::uuid, $2, n, sb.add_file('image/png', convert_to(n, 'UTF8'))
		FROM unnest(ARRAY['room of ' || $1, 'shared map']) n`, name, pgtest.Channel)
	s.exec("INSERT INTO sb.web_chat_session (id, channel, contact_id) VALUES (md5('w' || $1)::uuid, 'web', md5($1)::uuid)", name)
	s.exec(`INSERT INTO sb.integration_data (id, source, kind, contact_id, data) VALUES (md5('i' || $1)::uuid, 'pms', 'arrival', md5($1)::uuid, '{"room": 4}')`, name)
	s.exec("INSERT INTO sb.testimonial (id, contact_id, words, consent, consented_at, shown, language, given) VALUES (md5('t' || $1)::uuid, md5($1)::uuid, 'Lovely', 'You may print it', now(), 'website', 'en', 'phone')", name)
	s.exec("INSERT INTO sb.access_log (method, route, object_id, status) VALUES ('GET', '/', md5('v' || $1)::uuid, 200)", name)
}

func (s *stage) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(context.Background(), statement, args...); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

func (s *stage) count(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.db.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// everything a guest can have, by table and the condition that a row is theirs.
var everything = map[string]string{
	contract.CategoryMessages:        "sb.message_body WHERE conversation_id = md5('v' || $1)::uuid",
	contract.CategoryMessageMetadata: "sb.message WHERE conversation_id = md5('v' || $1)::uuid",
	contract.CategoryAttachments:     "sb.attachment WHERE conversation_id = md5('v' || $1)::uuid",
	contract.CategoryWebChatSessions: "sb.web_chat_session WHERE id = md5('w' || $1)::uuid",
	contract.CategoryIntegrationData: "sb.integration_data WHERE id = md5('i' || $1)::uuid",
	contract.CategoryTestimonials:    "sb.testimonial WHERE id = md5('t' || $1)::uuid",
	contract.CategoryAccessLogs:      "sb.access_log WHERE object_id = md5('v' || $1)::uuid",
	contract.CategoryContacts:        "sb.contact WHERE id = md5($1)::uuid",
}

func (s *stage) has(name string) map[string]int64 {
	s.t.Helper()
	all := map[string]int64{}
	for category, from := range everything {
		all[category] = s.count("SELECT count(*) FROM "+from, name)
	}
	return all
}

func (s *stage) person(kind, value string) subject.Person {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, kind), []byte(value), 0o600); err != nil {
		s.t.Fatal(err)
	}
	addresses, err := person.Read(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return subject.Person{Addresses: addresses, Keys: s.keys}
}

func request(kind, uid string) contract.Request {
	return contract.Request{Name: "request-1", UID: uid, Type: kind, ReceivedAt: time.Now()}
}

// carryOut carries a request out, which must succeed, and checks the chain with its receipt.
func (s *stage) carryOut(q contract.Request, p subject.Person) contract.SubjectResult {
	s.t.Helper()
	result, err := subject.Run(context.Background(), s.d.Subject(s.t), q, tenant, p)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := s.db.Query(context.Background(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	v := evidence.NewVerifier(&contract.ChainLink{Sequence: result.Sequence, Digest: result.Digest})
	for rows.Next() {
		var r evidence.Sealed
		if err := rows.Scan(&r.Sequence, &r.Body, &r.Previous, &r.Digest); err != nil {
			s.t.Fatal(err)
		}
		v.Add(r)
	}
	if report := v.Finish(); !report.OK() {
		s.t.Fatalf("the chain is not whole: %+v", report)
	}
	return result
}

func sum(counts []contract.CategoryCount) (n int64) {
	for _, c := range counts {
		n += c.Rows
	}
	return n
}
