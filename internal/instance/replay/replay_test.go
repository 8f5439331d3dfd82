package replay_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/addresshash"
	"github.com/switchboard-operator/switchboard/internal/instance/person"
	"github.com/switchboard-operator/switchboard/internal/instance/replay"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	tenant = "hotel-berlin"
	anna   = "+4915112345678"
	ben    = "+4915187654321"
	cara   = "+4915111111111"
)

// stage is a tenant's database, a backup of it, and what happened between the two.
type stage struct {
	t        *testing.T
	now, old *pgtest.Database
	policy   contract.Retention
	keys     *addresshash.Keys
	anchor   contract.Anchor
	input    contract.Replay
	digests  map[int64]string // of every receipt that was sealed, as a ledger keeps them
}

// newStage: three guests have written; a backup is made; then Anna is erased, Ben says
// STOP and START and STOP, Cara objects, and a policy's run follows.
func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+"1"), bytes.Repeat([]byte{'a'}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, now: pgtest.New(t), keys: keys, digests: map[int64]string{}}
	s.policy = s.now.Limits(t, map[string]int32{contract.CategoryMessages: 30})
	for _, guest := range []string{anna, ben, cara} {
		s.receive(guest, "")
	}
	s.retain(s.now)
	serve := s.now.Serve(t)
	exec(t, serve, "INSERT INTO sb.staff_session (token_hash, staff_id, expires_at) SELECT 'token', id, now() + interval '1 day' FROM sb.staff")
	exec(t, s.now.Admin(t), `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
		SELECT gen_random_uuid(), now(), v.id, v.channel, 'out', 'staff', 'queued'
		FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE a.address = $1`, ben)
	s.old = s.now.Copy(t)

	s.request(contract.RequestErasure, "uid-anna", anna)
	for _, command := range []string{"stop", "start", "stop"} {
		s.receive(ben, command)
	}
	s.request(contract.RequestObjection, "uid-cara", cara)
	head := s.retain(s.now)
	s.input.Consents = s.consents(5) // Cara's objection counts for phone and WhatsApp
	s.anchor = contract.Anchor{Head: head, Consent: s.input.Consents[len(s.input.Consents)-1].Position}
	s.input.Anchor = s.anchor
	return s
}

func (s *stage) receive(guest, command string) {
	s.t.Helper()
	s.receiveIn(s.now.Connector(s.t, pgtest.Channel), guest, command)
}

func (s *stage) receiveIn(db execer, guest, command string) {
	s.t.Helper()
	hashes, version := s.keys.Hashes(contract.KindPhone, guest)
	ids := make([]any, 4)
	for i := range ids {
		ids[i] = uuid.New()
	}
	id := []byte(uuid.NewString())
	exec(s.t, db, `SELECT sb.receive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		append([]any{string(id), [][]byte{id}, []string{contract.KindPhone}, []string{guest}, hashes, version, "Hello", command, "Done."}, ids...)...)
}

func (s *stage) request(kind, uid, phone string) {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.KindPhone), []byte(phone), 0o600); err != nil {
		s.t.Fatal(err)
	}
	addresses, err := person.Read(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	result, err := subject.Run(s.t.Context(), s.now.Subject(s.t), contract.Request{Name: uid, UID: uid, Type: kind, ReceivedAt: time.Now()},
		tenant, subject.Person{Addresses: addresses, Keys: s.keys})
	if err != nil {
		s.t.Fatal(err)
	}
	s.digests[result.Sequence] = result.Digest
	s.input.Requests = append(s.input.Requests, contract.ReplayRequest{UID: uid, Type: kind, At: result.FinishedAt, Subjects: result.Subjects})
}

func (s *stage) retain(d *pgtest.Database) contract.ChainLink {
	s.t.Helper()
	result, err := retention.Run(s.t.Context(), d.Retain(s.t), s.policy, tenant, retention.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.digests[result.Sequence] = result.Digest
	return contract.ChainLink{Sequence: result.Sequence, Digest: result.Digest}
}

// consents are what the operator was told of.
func (s *stage) consents(want int) (all []contract.Consent) {
	s.t.Helper()
	rows, err := s.now.Serve(s.t).Query(s.t.Context(), "SELECT epoch, xid::text::bigint, id, at, channel, address_hash, key_version, change, source, reason FROM sb.consents_after(0, '0', 0, 100)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c contract.Consent
		var hash []byte
		if err := rows.Scan(&c.Epoch, &c.XID, &c.ID, &c.At, &c.Channel, &hash, &c.KeyVersion, &c.Change, &c.Source, &c.Reason); err != nil {
			s.t.Fatal(err)
		}
		c.Hash = hex.EncodeToString(hash)
		all = append(all, c)
	}
	if rows.Err() != nil || len(all) != want {
		s.t.Fatalf("%d changes of consent, %v", len(all), rows.Err())
	}
	return all
}

// admits says whether a component's role gets a connection under an anchor.
func (s *stage) admits(d *pgtest.Database, component string, anchor string) bool {
	s.t.Helper()
	config := d.Config(s.t, contract.LoginRole(component, 1))
	config.AnchorDir = s.t.TempDir()
	if err := os.WriteFile(filepath.Join(config.AnchorDir, contract.FileAnchor), []byte(anchor), 0o600); err != nil {
		s.t.Fatal(err)
	}
	pool, err := store.OpenConfig(s.t.Context(), slog.New(slog.DiscardHandler), config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer pool.Close()
	err = store.Ready(s.t.Context(), pool)
	if err != nil && !errors.Is(err, store.ErrBehind) {
		s.t.Fatalf("%s: %v", component, err)
	}
	return err == nil
}

func components() []string {
	return []string{contract.ComponentServe, contract.ComponentConnector(pgtest.Channel), contract.ComponentSubject, contract.ComponentRetain}
}

// TestADatabasePutBackIsRecognised by what it lacks, and by nothing else.
func TestADatabasePutBackIsRecognised(t *testing.T) {
	s := newStage(t)
	for sentence, c := range map[string]struct {
		anchor contract.Anchor
		now    bool // what the database of today says; the old one is always behind
	}{
		"by receipts and consent":          {s.anchor, true},
		"by receipts alone":                {contract.Anchor{Head: s.anchor.Head}, true},
		"by consent alone":                 {contract.Anchor{Consent: s.anchor.Consent}, true},
		"by another receipt of the number": {contract.Anchor{Head: contract.ChainLink{Sequence: 1, Digest: evidence.Genesis}}, false},
		"by the epoch":                     {contract.Anchor{Epoch: 1}, false},
	} {
		for _, component := range components() {
			if got := s.admits(s.now, component, encode(t, c.anchor)); got != c.now {
				t.Errorf("%s: %s is let into the database of today: %v", sentence, component, got)
			}
			if s.admits(s.old, component, encode(t, c.anchor)) {
				t.Errorf("%s: %s is let into the old database", sentence, component)
			}
		}
	}
	if !s.admits(s.old, contract.ComponentServe, encode(t, contract.Anchor{})) {
		t.Error("an anchor that tells of nothing keeps serve out")
	}
}

// TestARestoreIsReplayed: the first of the ten stories. Before one guest is served, every
// later erasure and opt-out is carried out again, and the receipt tells how many.
func TestARestoreIsReplayed(t *testing.T) {
	s := newStage(t)
	admin := s.old.Admin(t)
	if n := count(t, admin, "SELECT count(*) FROM sb.contact_address WHERE address = $1", anna); n != 1 {
		t.Fatalf("the backup has Anna %d times", n)
	}
	if n := count(t, admin, "SELECT count(*) FROM sb.suppression"); n != 0 {
		t.Fatalf("the backup has %d suppressions", n)
	}
	result, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input)
	if err != nil {
		t.Fatal(err)
	}
	told := result.Restored
	told.Erased, told.Found.Digest = 0, ""
	want := contract.Restored{
		Epoch: 1, Found: contract.ChainLink{Sequence: 1}, Known: s.anchor.Head,
		Erasures: 1, OptOuts: 1, Consents: 5, Sessions: 1, Unknown: 1,
	}
	if told != want || result.Erased < 3 || result.Sequence != s.anchor.Head.Sequence+1 || result.PreviousDigest != s.anchor.Head.Digest {
		t.Errorf("told %+v\nwant %+v", result, want)
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM sb.contact":                                                             2,
		"SELECT count(*) FROM sb.suppression WHERE channel = '*'":                                     3,
		"SELECT count(*) FROM sb.staff_session WHERE revoked_at IS NULL":                              0,
		"SELECT count(*) FROM sb.message WHERE status IN ('queued', 'sending') AND direction = 'out'": 0,
		"SELECT count(*) FROM sb.message WHERE status = 'unknown' AND error_code = 'restored'":        1,
		"SELECT count(*) FROM sb.consents_after(0, '0', 0, 100)":                                      0, // nothing is news
		"SELECT count(*) FROM sb.consent_log WHERE xid = '0'":                                         5, // Cara's objection comes with them
		"SELECT count(*) FROM sb.request_count":                                                       0,
	} {
		if n := count(t, admin, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}

	anchor := encode(t, s.anchor) // of an epoch before: the operator has not told the pods yet
	for _, component := range components() {
		if got := s.admits(s.old, component, anchor); got != (component == contract.ComponentRetain) {
			t.Errorf("before the policies have run, %s is let in: %v", component, got)
		}
	}
	s.digests[result.Sequence] = result.Digest
	head := s.retain(s.old)
	next := encode(t, contract.Anchor{Epoch: 1, Head: head})
	for _, component := range components() {
		if !s.admits(s.old, component, anchor) || !s.admits(s.old, component, next) {
			t.Errorf("after the policies have run, %s is kept out", component)
		}
		if s.admits(s.now, component, next) {
			t.Errorf("%s is let into a database of the epoch before", component)
		}
	}
	s.verify(s.old)

	again, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input)
	if err != nil || again != result {
		t.Errorf("again: %v, %+v, want the same result %+v", err, again, result)
	}
	if n := count(t, admin, "SELECT count(*) FROM sb.restore"); n != 1 {
		t.Errorf("%d restores are on record", n)
	}
}

// TestAnOptOutAndAStartTakeTheirTurns: the operator was told of the request and not of the
// change of consent that it made.
func TestAnOptOutAndAStartTakeTheirTurns(t *testing.T) {
	for sentence, c := range map[string]struct {
		first bool // the opt-out
		want  int64
	}{
		"the opt-out came last": {false, 1}, "START came last": {true, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newStage(t)
			s.request(contract.RequestOptOut, "uid-ben", ben)
			s.input.Consents = s.input.Consents[:2] // Ben's STOP and START
			if c.first {
				last := &s.input.Requests[len(s.input.Requests)-1]
				last.At = s.input.Consents[0].At.Add(-time.Second)
				s.input.Requests = s.input.Requests[len(s.input.Requests)-1:]
			}
			if _, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input); err != nil {
				t.Fatal(err)
			}
			hash, _ := s.keys.Hash(contract.KindPhone, ben)
			if n := count(t, s.old.Admin(t), "SELECT count(*) FROM sb.suppression WHERE channel = '*' AND address_hash = $1", hash); n != c.want {
				t.Errorf("Ben's number is suppressed %d times, want %d", n, c.want)
			}
		})
	}
}

// TestChangesOfConsentAreRepeatedInTheirOrder, which need not be that of their times: clocks are put right.
func TestChangesOfConsentAreRepeatedInTheirOrder(t *testing.T) {
	s := newStage(t)
	const dora = "+4915100000021"
	s.receive(dora, "stop")
	s.receive(dora, "start")
	s.receive(dora, "stop")
	exec(t, s.now.Admin(t), "UPDATE sb.consent_log SET at = at - interval '1 hour' WHERE id = (SELECT max(id) FROM sb.consent_log)")
	s.input.Consents = s.consents(5 + 3)
	last := s.input.Consents[5:]
	if last[1].Change != "start" || last[2].Change != "stop" || !last[2].At.Before(last[1].At) {
		t.Fatalf("the changes are %+v: this test tells nothing", last)
	}
	s.anchor.Consent = last[2].Position
	s.input.Anchor = s.anchor
	if _, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input); err != nil {
		t.Fatal(err)
	}
	hash, _ := s.keys.Hash(contract.KindPhone, dora)
	for name, d := range map[string]*pgtest.Database{"before": s.now, "after": s.old} {
		if n := count(t, d.Admin(t), "SELECT count(*) FROM sb.suppression WHERE channel = '*' AND address_hash = $1", hash); n != 1 {
			t.Errorf("%s the replay Dora's number is suppressed %d times, want 1", name, n)
		}
	}
}

// TestAStartAfterARotationLiftsWhatAnOlderKeySuppressed: the backup, or the ledger, knows the opt-out by
// a hash under the key of before, and START came under the new one.
func TestAStartAfterARotationLiftsWhatAnOlderKeySuppressed(t *testing.T) {
	s := newStage(t)
	const dora, emil, fay = "+4915100000011", "+4915100000012", "+4915100000013"
	s.receive(dora, "stop")
	s.receive(emil, "request")
	s.receive(fay, "stop")
	s.rotate()
	for _, guest := range []string{dora, emil, fay} {
		s.receive(guest, "") // a word like any other brings the suppression to the new key
	}
	s.receive(dora, "start")
	_, also := person.Hashes(s.keys, []person.Address{{Kind: contract.KindPhone, Value: emil}})
	exec(t, s.now.Serve(t), `SELECT sb.decide_request(v.id, 'dismiss', 'misunderstood', 'Done.', gen_random_uuid(), $2)
		FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE a.address = $1`, emil, also)
	s.input.Consents = s.consents(5 + 3 + 2 + 2)
	s.anchor.Consent = s.input.Consents[len(s.input.Consents)-1].Position
	s.input.Anchor = s.anchor
	if _, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input); err != nil {
		t.Fatal(err)
	}
	for guest, want := range map[string]int64{dora: 0, emil: 0, fay: 1} {
		hashes, _ := s.keys.Hashes(contract.KindPhone, guest)
		if n := count(t, s.old.Admin(t), "SELECT count(*) FROM sb.suppression WHERE address_hash = ANY ($1)", hashes); n != want {
			t.Errorf("%s is suppressed %d times after the replay, want %d", guest, n, want)
		}
	}
}

// rotate makes a second version of the key, and reads both.
func (s *stage) rotate() {
	s.t.Helper()
	dir := s.t.TempDir()
	for version, letter := range map[string]byte{"1": 'a', "2": 'b'} {
		if err := os.WriteFile(filepath.Join(dir, contract.FileHashKeyPrefix+version), bytes.Repeat([]byte{letter}, 32), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	keys, err := addresshash.Load(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.keys = keys
}

// TestEveryKindOfConsentIsReplayed: afterwards the same people are written to, or not.
func TestEveryKindOfConsentIsReplayed(t *testing.T) {
	s := newStage(t)
	serve := s.now.Serve(t)
	const dora, emil, fay, gus = "+4915100000001", "+4915100000002", "+4915100000003", "+4915100000004"
	for _, guest := range []string{dora, emil} {
		s.receive(guest, "request")
	}
	exec(t, serve, `SELECT sb.decide_request(v.id, 'dismiss', 'misunderstood', 'Done.', gen_random_uuid())
		FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE a.address = $1`, emil)
	for phone, channel := range map[string]string{fay: pgtest.OtherChannel, gus: "*"} {
		hashes, version := s.keys.Hashes(contract.KindPhone, phone)
		exec(t, serve, "SELECT sb.staff_consent('stop', $1, NULL, 'phone', $2, '{}', $3, 'Done.', gen_random_uuid())", channel, hashes, version)
		if phone == gus {
			exec(t, serve, "SELECT sb.staff_consent('start', '*', NULL, 'phone', $1, '{}', $2, 'Done.', gen_random_uuid())", hashes, version)
		}
	}
	s.input.Consents = s.consents(11)
	s.anchor.Consent = s.input.Consents[len(s.input.Consents)-1].Position
	s.input.Anchor = s.anchor
	if _, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT string_agg(concat_ws(' ', channel, encode(address_hash, 'hex'), requested), ', ' ORDER BY channel, address_hash) FROM sb.suppression",
		"SELECT string_agg(concat_ws(' ', at, channel, encode(address_hash, 'hex'), change, source, reason), ', ' ORDER BY at, id) FROM sb.consent_log WHERE change <> 'stop'",
	} {
		var before, after string
		if err := errors.Join(s.now.Admin(t).QueryRow(t.Context(), query).Scan(&before), s.old.Admin(t).QueryRow(t.Context(), query).Scan(&after)); err != nil {
			t.Fatal(err)
		}
		if before != after {
			t.Errorf("%s:\nbefore %s\nafter  %s", query, before, after)
		}
	}
	if n := count(t, s.old.Admin(t), "SELECT count(*) FROM sb.suppression WHERE requested"); n != 1 {
		t.Errorf("%d requests wait for staff, want Dora's", n)
	}
}

// TestAWholeDatabaseIsLeftAlone, and so is one whose replay is told nonsense.
func TestAWholeDatabaseIsLeftAlone(t *testing.T) {
	s := newStage(t)
	before := count(t, s.now.Admin(t), "SELECT count(*) FROM sb.receipt")
	if _, err := replay.Run(t.Context(), s.now.Replay(t), tenant, s.input); !errors.Is(err, replay.ErrNothing) {
		t.Errorf("err = %v", err)
	}
	if n := count(t, s.now.Admin(t), "SELECT count(*) FROM sb.receipt"); n != before {
		t.Errorf("%d receipts were sealed", n-before)
	}
	s.input.Requests[0].Subjects[0].Hash = "Anna"
	if _, err := replay.Run(t.Context(), s.old.Replay(t), tenant, s.input); err == nil {
		t.Error("a subject that is no hash was taken")
	}
	if n := count(t, s.old.Admin(t), "SELECT count(*) FROM sb.contact"); n != 3 {
		t.Errorf("%d contacts are left by a replay that failed", n)
	}
}

// verify holds the chain against what a ledger has: the receipts that the database lacks
// are told of, and nothing is wrong.
func (s *stage) verify(d *pgtest.Database) {
	s.t.Helper()
	rows, err := d.Admin(s.t).Query(s.t.Context(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	v := evidence.NewVerifierOf(evidence.Expectation{Tenant: tenant, Countersigned: s.digests})
	forged := evidence.NewVerifierOf(evidence.Expectation{Tenant: tenant, Countersigned: map[int64]string{1: s.digests[1]}})
	for rows.Next() {
		var r evidence.Sealed
		if err := rows.Scan(&r.Sequence, &r.Body, &r.Previous, &r.Digest); err != nil {
			s.t.Fatal(err)
		}
		v.Add(r)
		forged.Add(r)
	}
	report := v.Finish()
	if !report.OK() || len(report.Findings) != 1 || report.Findings[0].Code != evidence.Restored {
		s.t.Errorf("findings %+v", report.Findings)
	}
	// The same chain, where nobody has seen what the restore says that it follows.
	if forged.Finish().OK() {
		s.t.Error("receipts can be cut out by claiming a restore")
	}
}

// execer is a pool or a transaction.
type execer interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}

func exec(t *testing.T, db execer, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *pgxpool.Pool, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func encode(t *testing.T, a contract.Anchor) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
