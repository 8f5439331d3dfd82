package subject_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/subject"
)

// TestErasureTakesAllOfOneGuestAndNothingOfAnother, who shares a file with them. The
// request names the guest by a WhatsApp id that is hashed under an older key.
func TestErasureTakesAllOfOneGuestAndNothingOfAnother(t *testing.T) {
	for _, kind := range []string{contract.RequestErasure, contract.RequestUnderage} {
		t.Run(kind, func(t *testing.T) {
			s := newStage(t)
			before, other := s.has("anna"), s.has("ben")
			result := s.carryOut(request(kind, "uid-1"), s.person(contract.KindWhatsApp, anna[1:]))
			for category, n := range s.has("anna") {
				if n != 0 || before[category] == 0 {
					t.Errorf("%s: %d of %d rows are left", category, n, before[category])
				}
				if !slices.Contains(result.Done, contract.CategoryCount{Category: category, Rows: before[category]}) {
					t.Errorf("%s: %d rows are gone, the result says %v", category, before[category], result.Done)
				}
			}
			if got := s.has("ben"); !reflect.DeepEqual(got, other) {
				t.Errorf("the other guest had %v and has %v", other, got)
			}
			if !slices.Equal(result.Found, result.Done) || len(result.Refused) != 0 || len(result.Subjects) != 4 {
				t.Errorf("result %+v", result)
			}
			if n := s.count("SELECT count(*) FROM sb.contact_address WHERE contact_id = md5('anna')::uuid"); n != 0 {
				t.Errorf("%d addresses are left", n)
			}
			if files, objects := s.count("SELECT count(*) FROM sb.file"), s.count("SELECT count(*) FROM pg_largeobject_metadata"); files != 2 || objects != 2 {
				t.Errorf("%d files and %d large objects are left, want the other guest's own and the shared one", files, objects)
			}
			if n := s.count("SELECT count(*) FROM sb.conversation"); n != 1 {
				t.Errorf("%d conversations are left", n)
			}
		})
	}
}

// TestAHoldRefusesAndItsEndCompletes: a guest under hold, known by WhatsApp, asks by
// phone. The third story of those who went before us.
func TestAHoldRefusesAndItsEndCompletes(t *testing.T) {
	s := newStage(t)
	s.exec("INSERT INTO sb.hold (name, by_subject, from_at) VALUES ('case-1', true, now() - interval '210 minutes')")
	whatsApp, _ := s.keys.Hashes(contract.KindWhatsApp, anna[1:])
	for _, h := range whatsApp {
		s.exec("INSERT INTO sb.hold_alias VALUES ('case-1', 'whatsapp', $1)", h)
	}
	s.exec("INSERT INTO sb.hold_contact SELECT 'case-1', contact_id FROM sb.contact_address JOIN sb.hold_alias USING (kind, address_hash)")

	result := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	left := s.has("anna")
	if left[contract.CategoryMessages] != 3 || left[contract.CategoryMessageMetadata] != 3 || left[contract.CategoryContacts] != 1 {
		t.Errorf("left are %v, want the 3 messages that are held, and who wrote them", left)
	}
	refused := map[string]int64{}
	for _, r := range result.Refused {
		if r.Hold != "case-1" {
			t.Errorf("refused by %q", r.Hold)
		}
		refused[r.Category] = r.Rows
	}
	for category, n := range left {
		if refused[category] != n {
			t.Errorf("%s: %d rows are left, %d were refused", category, n, refused[category])
		}
	}

	s.exec("DELETE FROM sb.hold")
	again := request(contract.RequestErasure, "uid-1")
	again.After = result.Digest
	done := s.carryOut(again, s.person(contract.KindPhone, anna))
	for category, n := range s.has("anna") {
		if n != 0 {
			t.Errorf("%s: %d rows are left after the hold", category, n)
		}
	}
	if len(done.Refused) != 0 || sum(done.Done) != sum(result.Found)-sum(result.Done) || done.Sequence != result.Sequence+1 {
		t.Errorf("first %+v, then %+v", result, done)
	}
}

// TestARepeatedAttemptGivesTheSameReceipt: its pod was lost after it had committed.
func TestARepeatedAttemptGivesTheSameReceipt(t *testing.T) {
	s := newStage(t)
	first := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	s.guest("anna", anna, 2) // she writes again
	if again := s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna)); encoded(t, again) != encoded(t, first) {
		t.Errorf("first %s, then %s", encoded(t, first), encoded(t, again))
	}
	if n := s.has("anna")[contract.CategoryMessages]; n != 2 {
		t.Errorf("a repeat of what was done has deleted what came since: %d messages", n)
	}
	t.Run("another request is another", func(t *testing.T) {
		if second := s.carryOut(request(contract.RequestErasure, "uid-2"), s.person(contract.KindPhone, anna)); second.Sequence != first.Sequence+1 || sum(second.Done) == 0 {
			t.Errorf("%+v", second)
		}
		if third := s.carryOut(request(contract.RequestErasure, "uid-3"), s.person(contract.KindPhone, anna)); len(third.Found)+len(third.Done) != 0 {
			t.Errorf("nothing was left, and the result says %+v", third)
		}
	})
}

// encoded is a result as the operator gets it.
func encoded(t *testing.T, result contract.SubjectResult) string {
	t.Helper()
	b, err := contract.Result{Subject: &result}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOptingOutSurvivesErasure(t *testing.T) {
	s := newStage(t)
	for i, kind := range []string{contract.RequestOptOut, contract.RequestObjection} {
		result := s.carryOut(request(kind, kind), s.person(contract.KindPhone, anna))
		if want := []int64{2, 0}[i]; sum(result.Done) != want { // phone and WhatsApp; the second changes nothing
			t.Errorf("%s: %+v", kind, result.Done)
		}
	}
	s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	hash, _ := s.keys.Hash(contract.KindPhone, anna)
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE channel = '*' AND address_hash = $1", hash); n != 1 {
		t.Error("the number is not suppressed any more")
	}
	if n := s.count("SELECT count(*) FROM sb.consent_log WHERE source = 'request' AND change = 'stop'"); n != 2 {
		t.Errorf("%d lines in the consent log", n)
	}
	s.guest("anna", anna, 1) // and comes back
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE sb.opt_out(id) = 'optedOut'"); n != 1 {
		t.Error("who comes back after an erasure can be written to again")
	}
}

// TestOptingOutByAnAddressUnderAnOlderKey reaches the guest, who has not written since the key
// was rotated.
func TestOptingOutByAnAddressUnderAnOlderKey(t *testing.T) {
	s := newStage(t)
	s.exec("DELETE FROM sb.contact_address WHERE kind = 'phone' AND contact_id = md5('anna')::uuid") // WhatsApp is left, under version 1
	s.carryOut(request(contract.RequestOptOut, "uid-1"), s.person(contract.KindPhone, anna))
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE sb.opt_out(id) = 'optedOut' AND id = md5('vanna')::uuid"); n != 1 {
		t.Error("the guest can be written to")
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE key_version = 1"); n != 0 {
		t.Errorf("%d addresses are hashed under the older key still", n)
	}
}

// What a guest asked for in words of their own is kept by an erasure too, and an opt-out decides it.
func TestARequestInOwnWordsSurvivesErasure(t *testing.T) {
	s := newStage(t)
	hash, version := s.keys.Hash(contract.KindPhone, anna)
	s.exec("SELECT sb.suppress_request($1, $2)", hash, version)
	s.carryOut(request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna))
	s.guest("anna", anna, 1) // comes back
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE sb.opt_out(id) = 'requested'"); n != 1 {
		t.Error("who comes back after an erasure can be written to as if nothing had been asked for")
	}
	s.carryOut(request(contract.RequestOptOut, "uid-2"), s.person(contract.KindPhone, anna))
	if n := s.count("SELECT count(*) FROM sb.conversation WHERE sb.opt_out(id) = 'optedOut'"); n != 1 {
		t.Error("an opt-out leaves the request open")
	}
}

func TestRectification(t *testing.T) {
	s := newStage(t)
	p := s.person(contract.KindPhone, anna)
	p.NewName, p.NewPhone = "Anna B.", "+4915100000001"
	s.carryOut(request(contract.RequestRectification, "uid-1"), p)
	hash, _ := s.keys.Hash(contract.KindPhone, p.NewPhone)
	if n := s.count("SELECT count(*) FROM sb.contact c JOIN sb.contact_address a ON a.contact_id = c.id WHERE c.name = 'Anna B.' AND a.address_hash = $1 AND a.address = $2", hash, p.NewPhone); n != 1 {
		t.Error("name and number are not put right")
	}
	if n := s.count("SELECT count(*) FROM sb.contact_address WHERE address = $1", anna); n != 0 {
		t.Error("the old number is still there")
	}
	t.Run("another guest's number is refused", func(t *testing.T) {
		p := s.person(contract.KindPhone, "+4915100000001")
		p.NewPhone = ben
		_, err := subject.Run(context.Background(), s.d.Subject(t), request(contract.RequestRectification, "uid-2"), tenant, p)
		if err == nil || !strings.Contains(err.Error(), "another guest") || strings.Contains(err.Error(), ben) {
			t.Errorf("got %v", err)
		}
		if n := s.count("SELECT count(*) FROM sb.receipt"); n != 1 {
			t.Errorf("%d receipts", n)
		}
	})
}

// TestTheRoleDoesNothingButRequests.
func TestTheRoleDoesNothingButRequests(t *testing.T) {
	s := newStage(t)
	pool := s.d.Subject(t)
	for _, statement := range []string{
		"SELECT * FROM sb.contact", "SELECT * FROM sb.message_body", "SELECT * FROM sb.suppression", "DELETE FROM sb.message", "SELECT * FROM sb.archive",
		"SELECT sb.remove_files('{}')", "SELECT sb.retention_open('a', 'b')", "INSERT INTO sb.receipt VALUES (1, '', '', '', '')", "SELECT sb.archive_purge()",
		"SELECT sb.receipt_append('', 1, '{}', '', '')",
	} {
		if _, err := pool.Exec(context.Background(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	s := newStage(t)
	for name, test := range map[string]struct {
		change func(*contract.Request, *subject.Person)
		says   string
	}{
		"no uid":       {func(q *contract.Request, _ *subject.Person) { q.UID = "" }, "no uid"},
		"unknown type": {func(q *contract.Request, _ *subject.Person) { q.Type = "Forget" }, "Forget"},
		"a complaint":  {func(q *contract.Request, _ *subject.Person) { q.Type = "Complaint" }, "Complaint"},
		"no address":   {func(_ *contract.Request, p *subject.Person) { p.Addresses = nil }, "no address"},
		"no key":       {func(q *contract.Request, _ *subject.Person) { q.Type = contract.RequestAccess }, "archiveKey"},
		"a bad key": {func(q *contract.Request, p *subject.Person) {
			q.Type, q.ArchiveKey, p.Token = contract.RequestAccess, "age1nothing", strings.Repeat("x", 43)
		}, "age-keygen"},
		"nothing to put right": {func(q *contract.Request, _ *subject.Person) { q.Type = contract.RequestRectification }, "newName"},
	} {
		t.Run(name, func(t *testing.T) {
			q, p := request(contract.RequestErasure, "uid-1"), s.person(contract.KindPhone, anna)
			test.change(&q, &p)
			_, err := subject.Run(context.Background(), s.d.Subject(t), q, tenant, p)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want that it says %q", err, test.says)
			}
		})
	}
	if n := s.count("SELECT count(*) FROM sb.receipt") + s.count("SELECT count(*) FROM sb.archive"); n != 0 || s.has("anna")[contract.CategoryMessages] != 7 {
		t.Error("a bad request has changed something")
	}
}
