package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/optout"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

type consent struct {
	OptOut             string
	Changed, Confirmed bool
}

// consents is the log of consent, oldest first.
func (s *system) consents() string {
	s.t.Helper()
	var log string
	if err := s.admin.QueryRow(s.t.Context(), `SELECT COALESCE(string_agg(concat_ws(' ', change, 'by', source, 'on', channel, NULLIF(reason, '')), ', ' ORDER BY id), '')
		FROM sb.consent_log`).Scan(&log); err != nil {
		s.t.Fatal(err)
	}
	return log
}

// confirmations are the texts of the confirmations that wait to be sent, oldest first.
func (s *system) confirmations() []string {
	s.t.Helper()
	rows, err := s.admin.Query(s.t.Context(), `SELECT b.body FROM sb.message m JOIN sb.message_body b USING (at, id)
		JOIN `+contract.QueueSchema(pgtest.Channel)+`.river_job j ON j.args ->> 'message_id' = m.id::text
		WHERE m.origin = 'confirmation' AND m.status = 'queued' ORDER BY m.at`)
	if err != nil {
		s.t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return texts
}

func TestStaffOptAGuestOutAndInOnce(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	v.wrote(s.now(), "Hello")
	path := "/api/v1/contacts/" + v.guest.String()
	var got consent
	s.do("POST", path+"/opt-out", map[string]any{}).want(http.StatusOK).into(&got)
	if got != (consent{"optedOut", true, true}) {
		t.Errorf("opting out gave %+v", got)
	}
	if a := s.lastAccess(); a.route != "/api/v1/contacts/{id}/opt-out" || a.object == nil || *a.object != v.guest {
		t.Errorf("logged %+v", a)
	}
	s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"optedOut"`)
	s.do("POST", v.path()+"/messages", map[string]any{"body": "One more thing"}).want(http.StatusConflict).saying("opted-out")
	for range 2 {
		s.do("POST", path+"/opt-out", map[string]any{}).want(http.StatusOK).into(&got)
		if got != (consent{"optedOut", false, false}) {
			t.Errorf("opting out again gave %+v", got)
		}
	}
	s.do("POST", path+"/opt-out", map[string]any{"channel": pgtest.Channel}).want(http.StatusOK).into(&got)
	if got.Changed {
		t.Error("a channel was changed although all are opted out")
	}
	for _, want := range []bool{true, false} {
		s.do("POST", path+"/opt-in", map[string]any{}).want(http.StatusOK).into(&got)
		if got != (consent{"none", want, want}) {
			t.Errorf("opting in gave %+v", got)
		}
	}
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Welcome back"}).want(http.StatusAccepted)
	if want := []string{optout.Answer(optout.Stop), optout.Answer(optout.Start)}; !slices.Equal(s.confirmations(), want) {
		t.Errorf("the guest is sent %q", s.confirmations())
	}
	if got := s.consents(); got != "stop by staff on *, start by staff on *" {
		t.Errorf("the log of consent says %q", got)
	}
}

func TestAnOptOutOfOneChannelLeavesTheOthers(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	spa := uuid.New()
	s.exec("INSERT INTO sb.conversation (id, channel, contact_id) VALUES ($1, $2, $3)", spa, pgtest.OtherChannel, v.guest)
	path := "/api/v1/contacts/" + v.guest.String()
	var got consent
	s.do("POST", path+"/opt-out", map[string]any{"channel": pgtest.Channel}).want(http.StatusOK).into(&got)
	s.do("GET", v.path(), nil).want(http.StatusOK).saying(`"optOut":"optedOut"`)
	s.do("GET", "/api/v1/conversations/"+spa.String(), nil).want(http.StatusOK).saying(`"optOut":"none"`)
	s.do("POST", path+"/opt-out", map[string]any{}).want(http.StatusOK).into(&got)
	if !got.Changed {
		t.Error("opting out of all changed nothing")
	}
	s.do("POST", path+"/opt-in", map[string]any{}).want(http.StatusOK)
	if n := s.count("SELECT count(*) FROM sb.suppression"); n != 0 {
		t.Errorf("%d suppressions are left", n)
	}
}

func TestAnAddressIsOptedOutWhetherOrNotItIsKnown(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	var got consent
	// Known, and given as WhatsApp knows it: it is the guest who is opted out, once.
	s.do("POST", "/api/v1/opt-outs", map[string]any{"kind": "whatsapp", "address": "4930901820"}).want(http.StatusOK).into(&got)
	if got != (consent{"optedOut", true, true}) {
		t.Errorf("opting out gave %+v", got)
	}
	if a := s.lastAccess(); a.object == nil || *a.object != v.guest {
		t.Errorf("logged %+v", a)
	}
	s.do("POST", "/api/v1/opt-outs", map[string]any{"kind": "phone", "address": "+49 30 901820"}).want(http.StatusOK).into(&got)
	if got.Changed {
		t.Error("the same number was opted out twice")
	}
	// Unknown: nobody is made known by it, and nobody is written to.
	for _, want := range []bool{true, false} {
		s.do("POST", "/api/v1/opt-outs", map[string]any{"kind": "whatsapp", "address": "+4915112345678"}).want(http.StatusOK).into(&got)
		if got != (consent{"optedOut", want, false}) {
			t.Errorf("opting out gave %+v", got)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.suppression WHERE channel = '*' AND address_hash IN ($1, $2)", v.addressHash, s.hash(contract.KindPhone, "+4915112345678")); n != 2 {
		t.Errorf("%d suppressions, want one for each number", n)
	}
	if n := s.count("SELECT count(*) FROM sb.suppression") + s.count("SELECT count(*) FROM sb.contact"); n != 3 {
		t.Errorf("%d suppressions and contacts, want 2 and 1", n)
	}
	s.do("POST", "/api/v1/opt-ins", map[string]any{"kind": "phone", "address": "+4915112345678"}).want(http.StatusOK).into(&got)
	s.do("POST", "/api/v1/opt-ins", map[string]any{"kind": "phone", "address": "+4930901820"}).want(http.StatusOK).into(&got)
	if n := s.count("SELECT count(*) FROM sb.suppression"); n != 0 {
		t.Errorf("%d suppressions are left", n)
	}
	if got := s.confirmations(); len(got) != 2 {
		t.Errorf("the guest is sent %q", got)
	}
}

func TestManyOptOutsAtOnceAreOne(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if i%2 == 0 {
				s.do("POST", "/api/v1/contacts/"+v.guest.String()+"/opt-out", map[string]any{})
			} else {
				s.do("POST", "/api/v1/opt-outs", map[string]any{"kind": "phone", "address": "+4930901820"})
			}
		})
	}
	all.Wait()
	if got := s.consents(); got != "stop by staff on *" {
		t.Errorf("the log of consent says %q", got)
	}
	if got := s.confirmations(); len(got) != 1 {
		t.Errorf("the guest is sent %q", got)
	}
}

func TestARequestIsConfirmedOrDismissedByStaff(t *testing.T) {
	request := func(t *testing.T, since time.Duration) (*system, thread) {
		s := start(t)
		v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
		v.wrote(s.now(), "please stop texting me")
		s.exec("INSERT INTO sb.suppression (channel, address_hash, key_version, requested, since) VALUES ('*', $1, 1, true, $2)", v.addressHash, s.now().Add(-since))
		return s, v
	}
	t.Run("confirmed", func(t *testing.T) {
		s, v := request(t, time.Minute)
		for range 2 {
			s.do("POST", v.path()+"/opt-out-request", map[string]any{"decision": "confirm"}).want(http.StatusOK).saying(`"optOut":"optedOut"`)
		}
		s.do("POST", v.path()+"/opt-out-request", map[string]any{"decision": "dismiss", "reason": "misunderstood"}).want(http.StatusConflict).saying("no-opt-out-request")
		if got := s.consents(); got != "stop by staff on *" {
			t.Errorf("the log of consent says %q", got)
		}
		if want := []string{optout.Answer(optout.Stop)}; !slices.Equal(s.confirmations(), want) {
			t.Errorf("the guest is sent %q", s.confirmations())
		}
	})
	t.Run("confirmed late", func(t *testing.T) {
		s, v := request(t, 6*time.Minute)
		s.do("POST", v.path()+"/opt-out-request", map[string]any{"decision": "confirm"}).want(http.StatusOK).saying(`"optOut":"optedOut"`)
		if got := s.confirmations(); len(got) != 0 {
			t.Errorf("hours after asking for no more messages the guest is sent %q", got)
		}
	})
	t.Run("dismissed", func(t *testing.T) {
		s, v := request(t, time.Minute)
		for range 2 {
			s.do("POST", v.path()+"/opt-out-request", map[string]any{"decision": "dismiss", "reason": "misunderstood"}).want(http.StatusOK).saying(`"optOut":"none"`)
		}
		s.do("POST", v.path()+"/opt-out-request", map[string]any{"decision": "confirm"}).want(http.StatusConflict).saying("no-opt-out-request")
		s.do("POST", v.path()+"/messages", map[string]any{"body": "Here it is"}).want(http.StatusAccepted)
		if got := s.consents(); got != "dismiss by staff on * misunderstood" {
			t.Errorf("the log of consent says %q", got)
		}
	})
}

func TestBadConsentsChangeNothing(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	contact, conversation := "/api/v1/contacts/"+v.guest.String(), v.path()
	for _, c := range []struct {
		path   string
		body   any
		status int
		says   string
	}{
		{contact + "/opt-out", map[string]any{"channel": "nowhere"}, 400, "no channel of that name"},
		{contact + "/opt-out", map[string]any{"scope": "*"}, 400, "the fields are channel"},
		{contact + "/opt-in", map[string]any{"channel": pgtest.Channel}, 400, "no field"},
		{contact + "/opt-out", "", 400, "not valid JSON"},
		{"/api/v1/contacts/" + uuid.NewString() + "/opt-out", map[string]any{}, 404, "no such contact"},
		{"/api/v1/contacts/" + uuid.NewString() + "/opt-in", map[string]any{}, 404, "no such contact"},
		{"/api/v1/opt-outs", map[string]any{"kind": "phone", "address": "030 901820"}, 400, "E.164"},
		{"/api/v1/opt-outs", map[string]any{"kind": "fax", "address": "+4930901820"}, 400, "use one of"},
		{"/api/v1/opt-outs", map[string]any{"kind": "email", "address": strings.Repeat("a", 300)}, 400, "256"},
		{"/api/v1/opt-ins", map[string]any{"address": "+4930901820"}, 400, "use one of"},
		{conversation + "/opt-out-request", map[string]any{"decision": "confirm"}, 409, "no open request"},
		{conversation + "/opt-out-request", map[string]any{"decision": "confirm", "reason": "withdrawn"}, 400, "takes no reason"},
		{conversation + "/opt-out-request", map[string]any{"decision": "dismiss"}, 400, "misunderstood, withdrawn"},
		{conversation + "/opt-out-request", map[string]any{"decision": "dismiss", "reason": "Mrs Lovelace said so"}, 400, "misunderstood, withdrawn"},
		{conversation + "/opt-out-request", map[string]any{"decision": "perhaps"}, 400, "confirm, dismiss"},
		{"/api/v1/conversations/" + uuid.NewString() + "/opt-out-request", map[string]any{"decision": "confirm"}, 404, "no such conversation"},
	} {
		s.do("POST", c.path, c.body).want(c.status).saying(c.says)
	}
	s.token = ""
	s.do("POST", contact+"/opt-out", map[string]any{}).want(http.StatusUnauthorized)
	s.do("POST", "/api/v1/opt-ins", map[string]any{"kind": "phone", "address": "+4930901820"}).want(http.StatusUnauthorized)
	if n := s.count("SELECT (SELECT count(*) FROM sb.suppression) + (SELECT count(*) FROM sb.consent_log) + (SELECT count(*) FROM sb.message)"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// TestServeMayCallItsFunctionsAlone lists what the server may execute of what belongs to the owner.
func TestServeMayCallItsFunctionsAlone(t *testing.T) {
	s := start(t)
	rows, err := s.admin.Query(t.Context(), `SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname = 'sb' AND p.prosecdef AND has_function_privilege($1, p.oid, 'EXECUTE') ORDER BY 1`, contract.LoginRole(contract.ComponentServe, 1))
	if err != nil {
		t.Fatal(err)
	}
	may, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"access_of", "access_to", "add_file", "add_stored_file", "archive_open", "archive_read", "archive_remove", "attach_reply", "attachment_file", "attachment_piece",
		"attachments_of", "automated_opening", "behind", "consent_newest", "consents_after", "count_usage", "counts", "cutoff", "decide_request", "desk_state", "desk_tell", "ensure_partition", "epoch", "file_request", "filed_answers", "filed_requests", "find_file", "first_seen",
		"import_thread", "integration_event", "known_zone", "lacks", "link_consent", "merge_contacts", "notice_count", "notice_counts", "notice_due", "notice_state", "notice_told", "opt_out", "search_conversations", "split_contact", "staff_accept", "staff_change", "staff_consent", "staff_identify", "staff_relay",
		"testimonial_confirm", "testimonial_record", "testimonial_withdraw",
		"usage_of", "waits", "web_chat_seen", "web_chat_typing", "webhook_dead", "webhook_retry", "webhook_state",
	}
	if !slices.Equal(may, want) {
		t.Errorf("the server may call %v, want %v", may, want)
	}
	pool := s.db.Serve(t)
	for _, statement := range []string{
		"INSERT INTO sb.suppression (channel, address_hash, key_version) VALUES ('*', '\\x00', 1)", "SELECT FROM sb.suppression", "SELECT FROM sb.consent_log",
		"INSERT INTO sb.consent_log (channel, address_hash, key_version, change, source) VALUES ('*', '\\x00', 1, 'start', 'guest')",
		"SELECT sb.suppress('*', '\\x00', 1)", "SELECT sb.suppress_request('\\x00', 1)", "SELECT sb.suppressible(gen_random_uuid())",
		"SELECT sb.staff_consent('start', '*', NULL, 'phone', ARRAY['\\x00'::bytea], '{}', 1, NULL, gen_random_uuid(), 'guest')",
		"SELECT sb.staff_consent('start', '*', NULL, 'phone', ARRAY['\\x00'::bytea], '{}', 1, NULL, gen_random_uuid(), 'api')",
	} {
		if _, err := pool.Exec(context.Background(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: want permission denied (42501), got %v", statement, err)
		}
	}
}
