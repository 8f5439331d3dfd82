package adopt_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// same lists what must be at both places alike, and how many rows of it there are: of guests 0
// and 1 what their ages leave, of guest 2 all, of guest 3 nothing.
var same = map[string]struct {
	query string
	rows  int
}{
	"contacts":           {"SELECT * FROM sb.contact WHERE id <> md5('c3')::uuid", 3},
	"addresses":          {"SELECT * FROM sb.contact_address WHERE contact_id <> md5('c3')::uuid", 3},
	"threads":            {"SELECT * FROM sb.conversation WHERE id <> md5('v3')::uuid", 3},
	"metadata":           {"SELECT * FROM sb.message WHERE id <> md5('m3')::uuid", 3},
	"content":            {"SELECT * FROM sb.message_body WHERE id IN (md5('m0')::uuid, md5('m2')::uuid)", 2},
	"counts of messages": {"SELECT * FROM sb.message_count WHERE messages <> 4", 2},
	"attachments":        {"SELECT * FROM sb.attachment WHERE id IN (md5('a0')::uuid, md5('a2')::uuid)", 2},
	"files":              {"SELECT f.id, sha256, size, media_type, f.created_at, sha256(lo_get(content)) FROM sb.file f JOIN sb.attachment a ON a.file_id = f.id WHERE a.id IN (md5('a0')::uuid, md5('a2')::uuid)", 2},
	"web chats":          {"SELECT id, channel, contact_id, started_at, last_active_at, expires_at, ip, user_agent FROM sb.web_chat_session WHERE id IN (md5('w0')::uuid, md5('w2')::uuid)", 2},
	"integration data":   {"SELECT * FROM sb.integration_data WHERE id IN (md5('i0')::uuid, md5('i2')::uuid)", 2},
	"testimonials":       {"SELECT * FROM sb.testimonial WHERE id IN (md5('t0')::uuid, md5('t2')::uuid)", 2},
	"access log":         {"SELECT * FROM sb.access_log WHERE object_id IN (md5('c0')::uuid, md5('c2')::uuid)", 2},
	"ids of providers":   {"SELECT * FROM sb.seen WHERE seen_at > now() - interval '60 days'", 2},
	"suppressions":       {"SELECT * FROM sb.suppression", 4},
	"consent":            {"SELECT id, at, channel, address_hash, key_version, change, source, reason FROM sb.consent_log", 4},
	"staff":              {"SELECT id, email, name, mobile, role, created_at, last_active_at, disabled_at FROM sb.staff WHERE email IN ('0@hotel.example', '1@hotel.example')", 2},
	"canned replies":     {"SELECT * FROM sb.canned_reply", 1},
	"holds":              {"SELECT * FROM sb.hold WHERE name <> 'ended'", 1},
	"addresses of holds": {"SELECT * FROM sb.hold_alias", 1},
	"contacts of holds":  {"SELECT * FROM sb.hold_contact", 1},
	"receipts":           {"SELECT * FROM sb.receipt WHERE sequence <= 3", 3},
}

// TestATenantComesInAsItWentOut: row by row, in every category; what has expired stays behind,
// what is held comes along.
func TestATenantComesInAsItWentOut(t *testing.T) {
	s := newStage(t)
	file := s.export()
	for _, word := range []string{"Guest 0", "+4930", "tar", "kind: Tenant"} {
		if bytes.Contains(file, []byte(word)) {
			t.Errorf("%q can be read in the file", word)
		}
	}
	result, err := s.adopt(bytes.NewReader(file), s.options())
	if err != nil {
		t.Fatal(err)
	}
	from, to := s.from.Admin(t), s.to.Admin(t)
	for what, c := range same {
		was, is := rows(t, from, c.query), rows(t, to, c.query)
		if len(was) != c.rows || !slices.Equal(was, is) {
			t.Errorf("%s: %d rows, want %d\nwere %s\nare  %s", what, len(was), c.rows, was, is)
		}
	}
	if got := rows(t, from, "SELECT count(*) FROM sb.access_log WHERE route = 'instance export'"); got[0] != `{"count":1}` {
		t.Errorf("the access log tells of %s exports", got[0])
	}
	for query, want := range map[string]string{
		// Nothing of guest 3, and of nobody what has expired.
		"SELECT count(*) FROM sb.contact":                                         `{"count":3}`,
		"SELECT count(*) FROM sb.message_body":                                    `{"count":2}`,
		"SELECT count(*) FROM sb.file":                                            `{"count":2}`,
		"SELECT count(*) FROM pg_largeobject_metadata":                            `{"count":2}`,
		"SELECT count(*) FROM sb.message_count":                                   `{"count":2}`,
		"SELECT count(*) FROM sb.staff WHERE password_hash LIKE '%secret%'":       `{"count":0}`,
		"SELECT count(*) FROM sb.staff WHERE email = '" + pgtest.StaffEmail + "'": `{"count":1}`,
		"SELECT count(*) FROM sb.staff_session":                                   `{"count":0}`,
		"SELECT count(*) FROM sb.consents_after(0, '0', 0, 100)":                  `{"count":0}`,
		"SELECT last_value >= 4 AS ok FROM sb.consent_log_id_seq":                 `{"ok":true}`,
	} {
		if got := rows(t, to, query); got[0] != want {
			t.Errorf("%s: %s, want %s", query, got[0], want)
		}
	}
	s.verify(result)
	if _, err := s.adopt(bytes.NewReader(file), s.options()); err == nil || !strings.Contains(err.Error(), "has data already (table adoption)") {
		t.Errorf("it was adopted twice: %v", err)
	}
}

// verify holds the chain to going on over the move.
func (s *stage) verify(result contract.AdoptResult) {
	s.t.Helper()
	if result.Tenant != former || result.Head != s.chain || result.Receipt.Sequence != s.chain.Sequence+1 {
		s.t.Errorf("told %+v", result)
	}
	v := evidence.NewVerifierOf(evidence.Expectation{Tenant: present, Countersigned: map[int64]string{4: result.Receipt.Digest}})
	forged := evidence.NewVerifierOf(evidence.Expectation{Tenant: present, Countersigned: map[int64]string{3: s.chain.Digest}})
	found, err := s.to.Admin(s.t).Query(s.t.Context(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		s.t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var r evidence.Sealed
		if err := found.Scan(&r.Sequence, &r.Body, &r.Previous, &r.Digest); err != nil {
			s.t.Fatal(err)
		}
		v.Add(r)
		forged.Add(r)
	}
	report := v.Finish()
	if !report.OK() || report.Receipts != 4 || report.Findings[0].Code != evidence.Adopted {
		s.t.Errorf("findings %+v", report.Findings)
	}
	if forged.Finish().OK() {
		s.t.Error("receipts of another tenant can be brought in by claiming an adoption that nobody has seen")
	}
}

// TestAGuestWhoSaidStopStaysSo after the move: by the connector's own question.
func TestAGuestWhoSaidStopStaysSo(t *testing.T) {
	s := newStage(t)
	if _, err := s.adopt(bytes.NewReader(s.export()), s.options()); err != nil {
		t.Fatal(err)
	}
	admin := s.to.Admin(t)
	if got := rows(t, admin, "SELECT sb.opt_out(md5('v0')::uuid) AS stop"); got[0] != `{"stop":"optedOut"}` {
		t.Error("the guest can be written to")
	}
	// A provider that sends again what it sent to the former place changes nothing.
	if got := rows(t, admin, "SELECT sb.first_seen('front-desk', ARRAY[sha256('seen0')]) AS new"); got[0] != `{"new":false}` {
		t.Error("a message that was stored before the move is new")
	}
}

// TestWhatWasOnItsWayOutIsUnknown: the former place may have sent it.
func TestWhatWasOnItsWayOutIsUnknown(t *testing.T) {
	s := newStage(t)
	exec(t, s.from.Admin(t), "UPDATE sb.message SET direction = 'out', status = 'queued' WHERE id = md5('m0')::uuid")
	result, err := s.adopt(bytes.NewReader(s.export()), s.options())
	if err != nil || result.Unknown != 1 {
		t.Errorf("%d are unknown, %v", result.Unknown, err)
	}
	if got := rows(t, s.to.Admin(t), "SELECT status, error_code FROM sb.message WHERE id = md5('m0')::uuid"); got[0] != `{"status":"unknown","error_code":"adopted"}` {
		t.Errorf("it is %s", got[0])
	}
}

// TestRowsThatExpireOnTheWayAreLeftOut and counted; a hold keeps its own all the same.
func TestRowsThatExpireOnTheWayAreLeftOut(t *testing.T) {
	s := newStage(t)
	file := s.export()
	exec(t, s.to.Admin(t), "UPDATE sb.retention_limit SET retain_days = 10 WHERE category IN ('Contacts', 'MessageMetadata')")
	result, err := s.adopt(bytes.NewReader(file), s.options())
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]int64{}
	for _, c := range result.Tables {
		if c.LeftOut > 0 {
			left[c.Table] = c.LeftOut
		}
	}
	// Guest 1, the address, the metadata; and what refers to the guest.
	if left["contact"] != 1 || left["contact_address"] != 1 || left["message"] != 1 || result.LeftOut < 3 {
		t.Errorf("left out are %v", left)
	}
	if got := rows(t, s.to.Admin(t), "SELECT id = md5('c2')::uuid AS held FROM sb.contact WHERE last_seen_at < now() - interval '90 days'"); len(got) != 1 || got[0] != `{"held":true}` {
		t.Errorf("of the guest who is held there is %v", got)
	}
}

// TestWhatIsNotAsItShouldBeChangesNothing.
func TestWhatIsNotAsItShouldBeChangesNothing(t *testing.T) {
	s := newStage(t)
	file := s.export()
	reject := func(sentence string, content []byte, is error, parts ...string) {
		t.Run(sentence, func(t *testing.T) {
			_, err := s.adopt(bytes.NewReader(content), s.options())
			contains(t, err, is, parts...)
			s.untouched()
		})
	}
	reject("nothing", nil, archive.ErrForm)
	reject("something else", []byte("hello, this is no archive"), archive.ErrForm)
	reject("cut off at its end", file[:len(file)-1], archive.ErrDamaged)
	reject("cut off in the middle", file[:len(file)/2], archive.ErrDamaged)
	reject("longer than it was", append(slices.Clone(file), 'x'), archive.ErrDamaged)
	edited := slices.Clone(file)
	edited[len(edited)/2] ^= 1
	reject("one bit changed", edited, archive.ErrDamaged)

	t.Run("another key", func(t *testing.T) {
		other, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		o := s.options()
		o.Identities = []age.Identity{other}
		_, err = s.adopt(bytes.NewReader(file), o)
		contains(t, err, archive.ErrKey)
		s.untouched()
	})
	t.Run("another digest than was told", func(t *testing.T) {
		o := s.options()
		o.Digest = strings.Repeat("ab", 32)
		_, err := s.adopt(bytes.NewReader(file), o)
		contains(t, err, archive.ErrDamaged, "not the one that was told")
		s.untouched()
	})
	t.Run("other keys of hashes", func(t *testing.T) {
		o := s.options()
		o.Keys = map[int][]byte{1: bytes.Repeat([]byte{'x'}, 32)}
		_, err := s.adopt(bytes.NewReader(file), o)
		contains(t, err, nil, "said STOP would not be known")
		s.untouched()
	})
	admin := s.to.Admin(t)
	for sentence, c := range map[string]struct{ before, after, says string }{
		"another schema":          {"INSERT INTO migration.version (version_id, is_applied) VALUES (999, true)", "DELETE FROM migration.version WHERE version_id = 999", "of schema version"},
		"a longer limit":          {"UPDATE sb.retention_limit SET retain_days = 31 WHERE category = 'Testimonials'", "UPDATE sb.retention_limit SET retain_days = 30 WHERE category = 'Testimonials'", "Testimonials (30 days)"},
		"no limit":                {"UPDATE sb.retention_limit SET enforced = false WHERE category = 'Contacts'", "UPDATE sb.retention_limit SET enforced = true", "Contacts (90 days)"},
		"a hold that is not here": {"DELETE FROM sb.hold_alias; UPDATE sb.hold SET name = 'case-8'", "UPDATE sb.hold SET name = 'case-9'", "case-9 must be in force"},
		"a hold of another range": {"UPDATE sb.hold SET to_at = now()", "UPDATE sb.hold SET to_at = NULL", "case-9 must be in force"},
		"a tenant with a guest":   {"INSERT INTO sb.contact (id) VALUES (gen_random_uuid())", "DELETE FROM sb.contact", "has data already (table contact)"},
		"a tenant with receipts":  {"INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES (1, '', '', '', '')", "DELETE FROM sb.receipt", "has data already (table receipt)"},
	} {
		t.Run(sentence, func(t *testing.T) {
			exec(t, admin, c.before)
			_, err := s.adopt(bytes.NewReader(file), s.options())
			contains(t, err, nil, c.says)
			exec(t, admin, c.after)
			s.untouched()
		})
	}
	if _, err := s.adopt(bytes.NewReader(file), s.options()); err != nil {
		t.Error("what is as it should be is not taken:", err)
	}
}
