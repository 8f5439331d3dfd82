package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

const (
	published  = "/api/v1/testimonials"
	praise     = "A pearl by the sea"
	praisedBy  = "Ada from London"
	praisedOn  = "www.hotel.example, front page"
	askedSo    = "May we show these words on our website until you tell us not to?"
	consentLog = "SELECT count(*) FROM sb.consent_log"
)

func aTestimonial(change map[string]any) map[string]any {
	body := map[string]any{"words": praise, "namedAs": praisedBy, "shown": praisedOn, "consent": askedSo, "language": "en-GB", "given": "phone", "consentedAt": time.Now().Add(-time.Hour).UTC()}
	for field, value := range change {
		if body[field] = value; value == nil {
			delete(body, field)
		}
	}
	return body
}

type praised struct {
	ID                                           uuid.UUID
	Words, NamedAs, Shown, Consent, WithdrawnHow *string
	ConsentDigest, Language, Given               string
	Contact, Message, RecordedBy, WithdrawnBy    *uuid.UUID
	ConsentedAt, RecordedAt                      time.Time
	WithdrawnAt, DoubtedAt                       *time.Time
}

func (s *system) praise(v thread, change map[string]any) (p praised) {
	s.t.Helper()
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/testimonials", aTestimonial(change)).want(http.StatusCreated).into(&p)
	return p
}

func withdrawal(p praised) string {
	return "/api/v1/privacy/testimonials/" + p.ID.String() + "/withdrawals"
}

// traces counts rows that hold anything of what was to be shown.
func (s *system) traces() int {
	s.t.Helper()
	n := 0
	for _, text := range []string{praise, praisedBy, praisedOn, askedSo} {
		n += s.count("SELECT count(*) FROM sb.testimonial t WHERE position($1 IN t::text) > 0", text)
	}
	return n
}

// TestATestimonialStandsAndFallsWithItsConsent from its record to its withdrawal: what the site, staff and the guest's archive are given.
func TestATestimonialStandsAndFallsWithItsConsent(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	officer, agent := s.as(staff.PrivacyOfficer), s.as(staff.Agent)
	site, _ := s.other("testimonials:read")
	p := officer.praise(v, nil)
	digest := sha256.Sum256([]byte(askedSo))
	if *p.Words != praise || *p.NamedAs != praisedBy || *p.Shown != praisedOn || *p.Consent != askedSo || p.Language != "en-GB" || p.Given != "phone" ||
		*p.RecordedBy != officer.own().ID || *p.Contact != v.guest || p.WithdrawnAt != nil || p.ConsentDigest != hex.EncodeToString(digest[:]) ||
		time.Since(p.ConsentedAt) < 59*time.Minute {
		t.Errorf("recorded %+v", p)
	}
	shown := site.do("GET", published, nil).want(http.StatusOK).saying(praise, praisedBy, praisedOn)
	for _, secret := range []string{v.guest.String(), "+49", askedSo} {
		if strings.Contains(string(shown.body), secret) {
			t.Errorf("a site is told %s", secret)
		}
	}
	tag := shown.header.Get("Etag")
	if cache := shown.header.Get("Cache-Control"); cache != "private, no-cache" || tag == "" {
		t.Errorf("Cache-Control %q, ETag %q", cache, tag)
	}
	for _, known := range []string{tag, `"other", W/` + tag} {
		if same := site.do("GET", published, nil, "If-None-Match", known); same.status != http.StatusNotModified || len(same.body) != 0 || same.header.Get("Etag") != tag {
			t.Errorf("asked with %s: %d with %d bytes", known, same.status, len(same.body))
		}
	}
	archive := func() string {
		var text string
		if err := s.admin.QueryRow(t.Context(), "SELECT COALESCE(string_agg(e::text, ''), '') FROM sb.subject_export(ARRAY['phone'], ARRAY[$1::bytea], 'Testimonials') e", v.addressHash).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, told := range []string{praise, praisedBy, praisedOn, askedSo, "consented_at"} {
		if !strings.Contains(archive(), told) {
			t.Errorf("the guest's archive lacks %q", told)
		}
	}

	// Messages are another matter, either way.
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/opt-out", map[string]any{}).want(http.StatusOK)
	site.do("GET", published, nil).want(http.StatusOK).saying(praise)
	logged := s.count(consentLog)

	// A guest tells whoever answers.
	agent.do("GET", "/api/v1/contacts/"+v.guest.String()+"/testimonials", nil).want(http.StatusOK).saying(praise)
	var left, again praised
	agent.do("POST", withdrawal(p), map[string]any{"how": "phone"}).want(http.StatusOK).into(&left)
	if left.Words != nil || left.NamedAs != nil || left.Shown != nil || left.Consent != nil || left.WithdrawnAt == nil || *left.WithdrawnBy != agent.own().ID ||
		*left.WithdrawnHow != "phone" || left.ConsentDigest != p.ConsentDigest || !left.ConsentedAt.Equal(p.ConsentedAt) {
		t.Errorf("what is left is %+v", left)
	}
	if n := s.traces(); n != 0 {
		t.Errorf("%d traces are in the table", n)
	}
	if text := archive(); strings.Contains(text, praise) || strings.Contains(text, askedSo) || !strings.Contains(text, "withdrawn_at") {
		t.Errorf("the archive tells %s", text)
	}
	site.do("GET", published, nil, "If-None-Match", tag).want(http.StatusOK).saying(`"testimonials":[]`)
	for _, address := range []string{"/api/v1/conversations?q=pearl", "/api/v1/contacts/" + v.guest.String() + "/testimonials", "/api/v1/privacy/testimonials"} {
		if got := s.do("GET", address, nil).want(http.StatusOK); strings.Contains(string(got.body), praise) || strings.Contains(string(got.body), praisedBy) {
			t.Errorf("%s shows it", address)
		}
	}
	if n := s.count(consentLog); n != logged {
		t.Error("a withdrawal opts the guest out of messages, or in")
	}
	officer.do("POST", withdrawal(p), map[string]any{"how": "writing"}).want(http.StatusOK).into(&again)
	if *again.WithdrawnHow != "phone" || !again.WithdrawnAt.Equal(*left.WithdrawnAt) {
		t.Errorf("withdrawn again: %+v", again)
	}
	// Both are lines of the guest's, for whoever asks who has looked.
	if n := s.count("SELECT count(*) FROM sb.access_log WHERE object_id = $1 AND method = 'POST' AND route LIKE '%testimonials%'", v.guest); n != 3 {
		t.Errorf("%d lines of the access log are about the guest", n)
	}
}

// TestThereIsNoTestimonialWithoutConsent by the API, nor by the server's own role, nor by the owner of the tables.
func TestThereIsNoTestimonialWithoutConsent(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	path := "/api/v1/contacts/" + v.guest.String() + "/testimonials"
	for says, change := range map[string]map[string]any{
		"consent":      {"consent": nil},
		"is empty":     {"consent": " \n"},
		"language":     {"language": "English"},
		"consentedAt":  {"consentedAt": nil},
		"the future":   {"consentedAt": time.Now().Add(time.Hour)},
		"use one of":   {"given": "assumed"},
		"message":      {"given": "message"},
		"only then":    {"message": uuid.New()},
		"words":        {"words": ""},
		"at most 4000": {"words": strings.Repeat("x", 4001)},
		"shown":        {"shown": nil},
		"namedAs":      {"namedAs": ""},
		"fields are":   {"name": "Ada"},
	} {
		s.do("POST", path, aTestimonial(change)).want(http.StatusBadRequest).saying(says)
	}
	s.do("POST", "/api/v1/contacts/"+uuid.NewString()+"/testimonials", aTestimonial(nil)).want(http.StatusNotFound)
	serve := s.db.Serve(t)
	for _, statement := range []string{
		"INSERT INTO sb.testimonial (id, words, shown, consent, language, given, consented_at) VALUES (gen_random_uuid(), 'a', 'b', 'c', 'en', 'phone', now())",
		"UPDATE sb.testimonial SET words = 'a'", "DELETE FROM sb.testimonial", "SELECT kept FROM sb.testimonial", "SELECT sb.testimonial_end('{}', NULL, 'phone')",
	} {
		if _, err := serve.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: want permission denied (42501), got %v", statement, err)
		}
	}
	for name, values := range map[string]string{
		"no wording":         "'a', 'b', NULL, 'en', 'phone', now(), NULL",
		"a blank wording":    "'a', 'b', ' ', 'en', 'phone', now(), NULL",
		"no time":            "'a', 'b', 'c', 'en', 'phone', NULL, NULL",
		"no language":        "'a', 'b', 'c', NULL, 'phone', now(), NULL",
		"nothing how":        "'a', 'b', 'c', 'en', NULL, now(), NULL",
		"no place":           "'a', NULL, 'c', 'en', 'phone', now(), NULL",
		"no message of its":  "'a', 'b', 'c', 'en', 'message', now(), NULL",
		"withdrawn, in full": "'a', 'b', 'c', 'en', 'phone', now(), now()",
	} {
		if _, err := s.admin.Exec(t.Context(), "INSERT INTO sb.testimonial (id, words, shown, consent, language, given, consented_at, withdrawn_at) VALUES (gen_random_uuid(), "+values+")"); err == nil ||
			!strings.Contains(err.Error(), "2350") && !strings.Contains(err.Error(), "23514") {
			t.Errorf("%s: want a constraint, got %v", name, err)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.testimonial"); n != 0 {
		t.Errorf("%d are stored", n)
	}
}

// TestAMessageIsEvidenceOfItsGuestAlone and gives its own time.
func TestAMessageIsEvidenceOfItsGuestAlone(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	other := s.guest("Grace", "+4930901821", pgtest.Channel, s.now())
	said := s.now().Add(-48 * time.Hour)
	m, theirs := v.wrote(said, "Yes, do show it"), other.wrote(s.now(), "Yes")
	by := func(message any) map[string]any {
		return map[string]any{"given": "message", "message": message, "consentedAt": nil}
	}
	path := "/api/v1/contacts/" + v.guest.String() + "/testimonials"
	s.do("POST", path, aTestimonial(by(theirs))).want(http.StatusNotFound).saying("message from the guest")
	s.do("POST", path, aTestimonial(by(uuid.New()))).want(http.StatusNotFound)
	if p := s.praise(v, by(m)); !p.ConsentedAt.Equal(said) || p.Message == nil || *p.Message != m {
		t.Errorf("recorded %+v", p)
	}
	s.exec("UPDATE sb.message SET direction = 'out' WHERE id = $1", m)
	s.do("POST", path, aTestimonial(by(m))).want(http.StatusNotFound)
	// Two contacts that are one person speak for each other.
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/merges", map[string]any{"contact": other.guest}).want(http.StatusOK)
	s.praise(v, by(theirs))
	s.do("GET", "/api/v1/contacts/"+other.guest.String()+"/testimonials", nil).want(http.StatusOK).saying(m.String(), theirs.String())
}

// TestATestimonialGoesWithItsLimit: from the instant, counted from the consent, withdrawn or not; and none comes that is older.
func TestATestimonialGoesWithItsLimit(t *testing.T) {
	s := start(t)
	s.db.Limits(t, map[string]int32{contract.CategoryTestimonials: 10})
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	site, _ := s.other("testimonials:read")
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/testimonials", aTestimonial(map[string]any{"consentedAt": time.Now().Add(-11 * 24 * time.Hour)})).want(http.StatusUnprocessableEntity).saying("expired")
	p, q := s.praise(v, nil), s.praise(v, map[string]any{"words": "Withdrawn soon"})
	s.do("POST", withdrawal(q), map[string]any{"how": "writing"}).want(http.StatusOK)
	for _, age := range []struct {
		at    string
		shown int
	}{{"interval '10 days' - interval '1 minute'", 2}, {"interval '10 days'", 0}} {
		s.exec("UPDATE sb.testimonial SET at = now() - (" + age.at + ")")
		var list struct{ Testimonials []praised }
		s.do("GET", "/api/v1/privacy/testimonials", nil).want(http.StatusOK).into(&list)
		if len(list.Testimonials) != age.shown {
			t.Errorf("%s: %d are shown", age.at, len(list.Testimonials))
		}
	}
	site.do("GET", published, nil).want(http.StatusOK).saying(`"testimonials":[]`)
	s.do("POST", withdrawal(p), map[string]any{"how": "phone"}).want(http.StatusNotFound)
}

// TestAHoldKeepsWhatNobodyIsShown: of a consent that was withdrawn, and of a guest whose erasure it keeps back. When the hold ends, it
// goes with the next run.
func TestAHoldKeepsWhatNobodyIsShown(t *testing.T) {
	for name, end := range map[string]func(*system, thread, praised){
		"withdrawn": func(s *system, _ thread, p praised) {
			s.do("POST", withdrawal(p), map[string]any{"how": "inPerson"}).want(http.StatusOK)
		},
		"erased": func(s *system, v thread, _ praised) {
			s.exec("SELECT sb.subject_erase('erasure', ARRAY['phone'], ARRAY[$1::bytea])", v.addressHash)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
			site, _ := s.other("testimonials:read")
			p := s.praise(v, nil)
			s.exec("INSERT INTO sb.hold (name, by_subject) VALUES ('case', true)")
			s.exec("INSERT INTO sb.hold_contact (hold, contact_id) VALUES ('case', $1)", v.guest)
			site.do("GET", published, nil).want(http.StatusOK).saying(praise) // a hold ends no consent
			end(s, v, p)
			site.do("GET", published, nil).want(http.StatusOK).saying(`"testimonials":[]`)
			if got := s.do("GET", "/api/v1/privacy/testimonials", nil).want(http.StatusOK).saying(p.ID.String()); strings.Contains(string(got.body), praise) {
				t.Error("staff are shown it")
			}
			if n := s.count("SELECT count(*) FROM sb.subject_export(ARRAY['phone'], ARRAY[$1::bytea], 'Testimonials') e WHERE position($2 IN e::text) > 0", v.addressHash, praise); n != 0 {
				t.Error("the archive shows it")
			}
			s.exec("INSERT INTO sb.retention_run (policy, generation, digest, began_at, started_at) VALUES ('p', 1, 'd', now(), now())")
			if n := s.count("SELECT count(*) FROM sb.testimonial WHERE kept ->> 'words' = $1 AND kept ->> 'consent' = $2 AND words IS NULL", praise, askedSo); n != 1 {
				t.Error("the hold has not kept it")
			}
			s.exec("UPDATE sb.hold SET expires_at = now()")
			s.exec("UPDATE sb.retention_run SET resumed = 1")
			if n := s.traces(); n != 0 {
				t.Errorf("%d traces are left after the hold", n)
			}
		})
	}
}

// TestAnErasureFindsATestimonial of a guest who is there, and of one whose contact has expired before, by any address of theirs.
func TestAnErasureFindsATestimonial(t *testing.T) {
	s := start(t)
	v, w := s.guest("Ada", "+4930901820", pgtest.Channel, s.now()), s.guest("Ada L", "+4930901821", pgtest.Channel, s.now())
	other := s.guest("Grace", "+4930901822", pgtest.Channel, s.now())
	site, _ := s.other("testimonials:read")
	erase := func(v thread) {
		s.exec("SELECT sb.subject_erase('erasure', ARRAY['phone'], ARRAY[$1::bytea])", v.addressHash)
	}
	s.praise(other, map[string]any{"words": "Fine, too"})
	s.praise(v, nil)
	erase(v)
	if n := s.traces(); s.count("SELECT count(*) FROM sb.testimonial") != 1 || n == 0 {
		t.Error("an erasure takes another's, or leaves its own")
	}

	v = s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/merges", map[string]any{"contact": w.guest}).want(http.StatusOK)
	s.praise(v, nil)
	s.exec("DELETE FROM sb.contact WHERE id = $1", v.guest)
	s.exec("DELETE FROM sb.contact WHERE id = $1", w.guest)
	site.do("GET", published, nil).want(http.StatusOK).saying(praise) // it has a limit of its own
	if n := s.count("SELECT count(*) FROM sb.testimonial t WHERE t.contact_id IS NULL AND position('+4930' IN t::text) = 0"); n != 1 {
		t.Error("it is not apart from its guest")
	}
	if n := s.count("SELECT count(*) FROM sb.subject_export(ARRAY['phone'], ARRAY[$1::bytea], 'Testimonials')", w.addressHash); n != 1 {
		t.Errorf("the guest's archive has %d", n)
	}
	erase(w)
	site.do("GET", published, nil).want(http.StatusOK).saying("Fine, too")
	if n := s.count("SELECT count(*) FROM sb.testimonial"); n != 1 {
		t.Errorf("%d are left", n)
	}
	if n := s.count("SELECT rows FROM sb.request_count WHERE verdict = 'done' AND category = 'Testimonials'"); n != 1 {
		t.Errorf("%d are accounted for", n)
	}
}

// TestARestoreDoubtsConsent until somebody has made sure of it: it may have been withdrawn since the backup.
func TestARestoreDoubtsConsent(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	p, q := s.praise(v, nil), s.praise(v, map[string]any{"words": "Not this one"})
	s.exec("SELECT sb.restore_settle()")
	s.token = s.signIn()
	site, _ := s.other("testimonials:read")
	site.do("GET", published, nil).want(http.StatusOK).saying(`"testimonials":[]`)
	s.do("GET", "/api/v1/privacy/testimonials", nil).want(http.StatusOK).saying(`"doubtedAt":"2`, praise)
	confirm := func(p praised) string { return "/api/v1/privacy/testimonials/" + p.ID.String() + "/confirmations" }
	s.as(staff.Agent).do("POST", confirm(p), nil).want(http.StatusForbidden)
	s.do("POST", confirm(p), nil).want(http.StatusOK).saying(`"doubtedAt":null`)
	s.do("POST", withdrawal(q), map[string]any{"how": "phone"}).want(http.StatusOK)
	s.do("POST", confirm(q), nil).want(http.StatusNotFound).saying("ask the guest anew")
	if got := site.do("GET", published, nil).want(http.StatusOK).saying(praise); strings.Contains(string(got.body), "Not this one") {
		t.Error("what was withdrawn is shown")
	}
}

// TestASiteReadsAllPages, and nobody reads another tenant's: a token of one is none at the other.
func TestASiteReadsAllPages(t *testing.T) {
	s, elsewhere := start(t), start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	for range 3 {
		s.praise(v, nil)
	}
	site, _ := s.other("testimonials:read")
	var page struct {
		Testimonials []praised
		NextCursor   *string
	}
	seen := map[uuid.UUID]bool{}
	for query := "?limit=2"; query != ""; {
		site.do("GET", published+query, nil).want(http.StatusOK).into(&page)
		for _, p := range page.Testimonials {
			seen[p.ID] = true
		}
		if query = ""; page.NextCursor != nil {
			query = "?limit=2&cursor=" + *page.NextCursor
		}
	}
	if len(seen) != 3 {
		t.Errorf("read %d", len(seen))
	}
	stranger := *elsewhere
	stranger.token = site.token
	stranger.do("GET", published, nil).want(http.StatusUnauthorized)
	s.do("GET", published, nil).want(http.StatusForbidden) // no session either
	pms, _ := s.other("contacts:read")
	pms.do("GET", published, nil).want(http.StatusForbidden).saying("testimonials:read")
	site.do("GET", "/api/v1/privacy/testimonials", nil).want(http.StatusForbidden)
	site.do("GET", "/api/v1/contacts/"+v.guest.String()+"/testimonials", nil).want(http.StatusForbidden)
}
