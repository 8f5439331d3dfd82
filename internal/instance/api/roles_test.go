package api_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/pb33f/libopenapi"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// operation is one that openapi.yaml describes and whose roles it names.
type operation struct {
	id, method, path string
	roles            staff.Roles
}

func operations(t *testing.T) []operation {
	t.Helper()
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, o := range item.GetOperations().FromOldest() {
			node, named := o.Extensions.Get("x-roles")
			if !named { // it needs no session: TestEveryRouteIsDescribedAndEveryDescriptionIsARoute sees to that
				continue
			}
			one := operation{id: o.OperationId, method: strings.ToUpper(method), path: path}
			if err := node.Decode(&one.roles); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
	}
	return all
}

// as signs a member of a role in.
func (s *system) as(role staff.Role) *system {
	s.t.Helper()
	email := string(role) + "-" + uuid.NewString()[:8] + "@hotel.example"
	s.exec(`INSERT INTO sb.staff (id, email, name, role, password_hash) SELECT gen_random_uuid(), lower($1), 'Some ' || $2, $2, password_hash FROM sb.staff WHERE email = $3`,
		email, role, pgtest.StaffEmail)
	other := *s
	other.token = ""
	var session struct{ Token string }
	other.do("POST", "/api/v1/sessions", credentials(email, pgtest.Password)).want(http.StatusCreated).into(&session)
	other.token = session.Token
	return &other
}

const (
	markName    = "Marker-Lovelace"
	markAddress = "+49309018205555"
	markWords   = "marker words of a guest"
	markFile    = "marker-passport.txt"
)

// body is one that an operation takes.
func (s *system) bodyOf(o operation) any {
	bodies := map[string]any{
		"postMessage": map[string]any{"body": "Hello"}, "retryMessage": map[string]any{}, "retryUndeliveredEvent": map[string]any{}, "decideOptOutRequest": map[string]any{"decision": "confirm"},
		"patchContact": map[string]any{"name": markName}, "optOutContact": map[string]any{}, "optInContact": map[string]any{}, "makeUnsubscribeLink": map[string]any{},
		"mergeContact": map[string]any{"contact": uuid.NewString()}, "splitContact": map[string]any{},
		"optOutAddress": map[string]any{"kind": "phone", "address": "+4930901829"}, "optInAddress": map[string]any{"kind": "phone", "address": "+4930901829"},
		"createIntegration": map[string]any{"name": "pms", "scopes": []string{"contacts:read"}, "expiresInDays": 1},
		"postInvitation":    map[string]any{"email": uuid.NewString() + "@hotel.example", "role": "agent"}, "postAccountInvitation": map[string]any{},
		"confirmFactor": map[string]any{"code": "123456"}, "removeFactor": map[string]any{"code": "123456"}, "patchSettings": map[string]any{"requireSecondFactor": false},
		"putAssignee": map[string]any{"staff": nil}, "postNote": map[string]any{"body": markWords}, "postCannedReply": map[string]any{"title": uuid.NewString(), "body": "Of course"},
		"putCannedReply":      map[string]any{"title": uuid.NewString(), "body": "Of course"},
		"changePassword":      map[string]any{"present": pgtest.Password, "next": pgtest.Password},
		"patchAccount":        map[string]any{"name": "Renamed"},
		"answerComplaint":     map[string]any{"answeredAt": time.Now()},
		"postDisclosure":      map[string]any{"askedAt": time.Now(), "askedBy": "Amtsgericht Mitte", "ground": "an order", "outcome": "refused", "given": "nothing: it names nobody", "persons": 0, "noticed": true},
		"postTestimonial":     map[string]any{"words": markWords, "shown": "website", "consent": "May we show this?", "language": "en", "given": "phone", "consentedAt": time.Now()},
		"withdrawTestimonial": map[string]any{"how": "phone"},
		"postPrivacyRequest":  map[string]any{"type": "Erasure", "receivedAt": time.Now(), "verified": "booking", "addresses": []any{map[string]any{"kind": "phone", "address": markAddress}}},
		"postEvent":           map[string]any{"kind": "a", "guest": map[string]any{"kind": "phone", "address": "+4930901829"}, "data": map[string]any{}},
	}
	return bodies[o.id]
}

// fill puts ids into a path.
func fill(path string, ids map[string]string) string {
	for before, id := range ids {
		if strings.HasPrefix(path, before) {
			path = strings.Replace(path, "{id}", id, 1)
		}
	}
	return strings.NewReplacer("{id}", uuid.NewString(), "{message}", uuid.NewString(), "{note}", uuid.NewString()).Replace(path)
}

// TestEveryRoleAtEveryOperation asks for each operation as each role: whoever is not meant is refused, with what to do, and whoever
// is meant is not. An operation that is added without a role for it, or without a body here, fails.
func TestEveryRoleAtEveryOperation(t *testing.T) {
	s := start(t)
	v := s.guest(markName, markAddress, pgtest.Channel, s.now())
	ids := map[string]string{"/api/v1/conversations/": v.id.String(), "/api/v1/contacts/": v.guest.String()}
	all := operations(t)
	if len(all) < 25 {
		t.Fatalf("%d operations", len(all))
	}
	for _, role := range staff.All() {
		for _, o := range all {
			who := s.as(role) // of its own: signing out, for one, ends the session
			got := who.do(o.method, fill(o.path, ids), who.bodyOf(o), "Idempotency-Key", uuid.NewString())
			switch {
			case !o.roles.Has(role):
				got.want(http.StatusForbidden).saying("not-allowed")
				if len(o.roles) > 0 {
					got.saying(string(role), o.roles.String(), "ask one of them")
				}
			case got.status == http.StatusForbidden || got.status == http.StatusUnauthorized || got.status == http.StatusUnsupportedMediaType || got.status >= 500:
				t.Errorf("%s as %s: %d\n%s", o.id, role, got.status, got.body)
			}
		}
	}
	if n := s.count("SELECT count(*) FROM sb.access_log WHERE status = 403 AND staff_id IS NOT NULL"); n == 0 {
		t.Error("who was refused is not in the access log")
	}
}

// secrets stores a guest whose every word is a marker, and gives what is to be put into paths.
func (s *system) secrets() (thread, map[string]string) {
	s.t.Helper()
	v := s.guest(markName, markAddress, pgtest.Channel, s.now())
	m := v.wrote(s.now(), markWords)
	file := uuid.New()
	s.exec(`INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, name, file_id)
		SELECT $1, at, id, conversation_id, channel, $2, sb.add_file('text/plain', convert_to($3, 'UTF8')) FROM sb.message WHERE id = $4`, file, markFile, markWords, m)
	s.exec(`WITH m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) VALUES (gen_random_uuid(), now(), $1, $2, 'out', 'staff', 'failed') RETURNING *)
		INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT id, at, conversation_id, channel, $3 FROM m`, v.id, v.channel, markWords)
	return v, map[string]string{"/api/v1/conversations/": v.id.String(), "/api/v1/contacts/": v.guest.String(), "/api/v1/attachments/": file.String()}
}

// leaks says which markers an answer shows.
func leaks(a answer) []string {
	var header bytes.Buffer
	_ = a.header.Write(&header)
	var shown []string
	for _, mark := range []string{markName, markAddress, markWords, markFile} {
		text := header.String() + string(a.body)
		if strings.Contains(text, mark) || strings.Contains(text, strings.TrimPrefix(mark, "+")) {
			shown = append(shown, mark)
		}
	}
	return shown
}

// TestAnAuditorIsShownNobody looks for a guest's name, address, words and file in all that an auditor is answered, by every
// operation and question; and makes sure that somebody else would have been shown each by the same.
func TestAnAuditorIsShownNobody(t *testing.T) {
	s := start(t)
	_, ids := s.secrets()
	sweep := func(who *system) []string {
		var shown []string
		for _, o := range operations(t) {
			if o.id == "signOut" {
				continue
			}
			for _, query := range []string{"", "?q=Marker", "?q=5555", "?limit=200", "?channel=" + pgtest.Channel, "?before=100", "?staff=" + uuid.NewString()} {
				got := who.do(o.method, fill(o.path, ids)+query, who.bodyOf(o), "Idempotency-Key", uuid.NewString())
				if got.status >= 500 {
					t.Errorf("%s%s: %d", o.id, query, got.status)
				}
				shown = append(shown, leaks(got)...)
			}
		}
		slices.Sort(shown)
		return slices.Compact(shown)
	}
	if shown := sweep(s.as(staff.Auditor)); len(shown) > 0 {
		t.Errorf("an auditor was shown %v", shown)
	}
	if shown := sweep(s.as(staff.Agent)); len(shown) != 4 {
		t.Errorf("an agent was shown %v alone: the sweep looks in the wrong place", shown)
	}
}

// TestAnAuditorsPageHearsNothing: it learns that its session has ended, and not even which threads there are.
func TestAnAuditorsPageHearsNothing(t *testing.T) {
	s := startLive(t)
	v := s.guest(markName, markAddress, pgtest.Channel, s.now())
	auditor, agent := s.as(staff.Auditor), s.as(staff.Agent)
	listen := func(who *system) page {
		conn, _, err := who.dialFor("?rows=true", "Authorization", "Bearer "+who.token) //nolint:bodyclose // the library's
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		return page{t, conn}
	}
	one, other := listen(auditor), listen(agent)
	if e, err := one.next(); err != nil || e.Type != "hello" {
		t.Fatalf("told %+v, %v", e, err)
	}
	v.wrote(s.now(), markWords)
	other.hearsOf(v.id, "all")
	v.wrote(s.now(), markWords)
	other.hearsOf(v.id, "all")
	s.exec("UPDATE sb.staff_session SET revoked_at = now() WHERE token_hash = sha256(convert_to($1, 'UTF8'))", auditor.token)
	if e, err := one.next(); websocket.CloseStatus(err) != 4401 {
		t.Errorf("told %+v, %v", e, err)
	}
}

func TestAnAuditorSeesCountsAndEvidence(t *testing.T) {
	s := start(t)
	s.secrets()
	for i := range 3 {
		s.exec("INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES ($1, 'guest-data', '{}', 'p', 'd')", i+1)
	}
	auditor := s.as(staff.Auditor)
	var counts struct {
		Counts []struct {
			Kind string
			Rows int
		}
	}
	auditor.do("GET", "/api/v1/counts", nil).want(http.StatusOK).into(&counts)
	told := map[string]int{}
	for _, c := range counts.Counts {
		told[c.Kind] = c.Rows
	}
	if told["Messages"] != 2 || told["Contacts"] != 1 || told["Attachments"] != 1 || told["StaffAccounts"] != 2 {
		t.Errorf("counted %v", told)
	}
	var page struct {
		Receipts []struct{ Sequence int }
		Before   *int
	}
	auditor.do("GET", "/api/v1/evidence?limit=2", nil).want(http.StatusOK).into(&page)
	if len(page.Receipts) != 2 || page.Receipts[0].Sequence != 3 || page.Before == nil || *page.Before != 2 {
		t.Errorf("evidence %+v", page)
	}
	auditor.do("GET", "/api/v1/evidence?before=2", nil).want(http.StatusOK).into(&page)
	if len(page.Receipts) != 1 || page.Before != nil {
		t.Errorf("evidence %+v", page)
	}
	for _, query := range []string{"limit=0", "limit=201", "before=0", "before=x", "q=1", "limit=1&limit=2"} {
		auditor.do("GET", "/api/v1/evidence?"+query, nil).want(http.StatusBadRequest)
	}
}

type account struct {
	ID         uuid.UUID
	Email      string
	Role       string
	DisabledAt *string
}

func (s *system) account(email string) account {
	s.t.Helper()
	var list struct{ Accounts []account }
	s.do("GET", "/api/v1/staff", nil).want(http.StatusOK).into(&list)
	for _, a := range list.Accounts {
		if a.Email == email {
			return a
		}
	}
	s.t.Fatalf("no account %s in %+v", email, list)
	return account{}
}

func (s *system) own() account {
	s.t.Helper()
	var a account
	s.do("GET", "/api/v1/me", nil).want(http.StatusOK).into(&a)
	return a
}

func TestTheLastSupervisorStays(t *testing.T) {
	s := start(t)
	first := s.account(pgtest.StaffEmail)
	if first.Role != "supervisor" {
		t.Fatalf("the first account is %s", first.Role)
	}
	for _, change := range []map[string]any{{"role": "agent"}, {"role": "auditor"}, {"active": false}, {"role": "agent", "active": false}} {
		s.do("PATCH", "/api/v1/staff/"+first.ID.String(), change).want(http.StatusConflict).saying("last-supervisor", "make somebody else one first")
	}
	// Those who can't sign in are no help.
	for _, spoil := range []string{"disabled_at = now()", "password_hash = '$argon2id$v=19$m=7168,t=5,p=1$c3dpdGNoYm9hcmQtbm8tMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"} {
		other := s.as(staff.Supervisor).own()
		s.exec("UPDATE sb.staff SET "+spoil+" WHERE id = $1", other.ID)
		s.do("PATCH", "/api/v1/staff/"+first.ID.String(), map[string]any{"role": "agent"}).want(http.StatusConflict)
	}
	second := s.as(staff.Supervisor)
	s.do("PATCH", "/api/v1/staff/"+first.ID.String(), map[string]any{"role": "agent"}).want(http.StatusOK).saying(`"role":"agent"`)
	s.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized) // the role it was begun with counts no more
	second.do("PATCH", "/api/v1/staff/"+second.own().ID.String(), map[string]any{"active": false}).want(http.StatusConflict)
}

// TestTwoSupervisorsCanNotPutEachOtherOut at the same moment.
func TestTwoSupervisorsCanNotPutEachOtherOut(t *testing.T) {
	s := start(t)
	for range 5 {
		one, other := s.as(staff.Supervisor), s.as(staff.Supervisor)
		s.exec("UPDATE sb.staff SET role = 'agent' WHERE id <> ALL ($1)", []uuid.UUID{one.own().ID, other.own().ID})
		oneID, otherID := one.own().ID.String(), other.own().ID.String()
		done := make(chan int, 2)
		go func() { done <- one.do("PATCH", "/api/v1/staff/"+otherID, map[string]any{"role": "agent"}).status }()
		go func() { done <- other.do("PATCH", "/api/v1/staff/"+oneID, map[string]any{"role": "agent"}).status }()
		if statuses := []int{<-done, <-done}; statuses[0] == 200 && statuses[1] == 200 {
			t.Error("both are out")
		}
		if n := s.count("SELECT count(*) FROM sb.staff_supervisors()"); n != 1 {
			t.Errorf("%d supervisors are left", n)
		}
	}
}

func TestAClosedAccountEndsAtOnce(t *testing.T) {
	s := startLive(t)
	agent := s.as(staff.Agent)
	conn, _, err := agent.dial("Authorization", "Bearer "+agent.token) //nolint:bodyclose // the library's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	id := agent.own().ID.String()
	s.do("PATCH", "/api/v1/staff/"+id, map[string]any{"active": false}).want(http.StatusOK)
	agent.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized)
	page{t, conn}.ends()
	s.do("PATCH", "/api/v1/staff/"+id, map[string]any{"active": true}).want(http.StatusOK).saying(`"disabledAt":null`)
	agent.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized) // not by the session of before
}

func TestWhatAnAccountCanNotBecome(t *testing.T) {
	s := start(t)
	id := s.as(staff.Agent).own().ID.String()
	for _, change := range []any{map[string]any{}, map[string]any{"role": "owner"}, map[string]any{"role": ""}, map[string]any{"email": "x@y.z"}, map[string]any{"name": strings.Repeat("x", 201)}, "[]"} {
		s.do("PATCH", "/api/v1/staff/"+id, change).want(http.StatusBadRequest)
	}
	s.do("PATCH", "/api/v1/staff/"+uuid.NewString(), map[string]any{"role": "agent"}).want(http.StatusNotFound)
	s.do("PATCH", "/api/v1/staff/1", map[string]any{"role": "agent"}).want(http.StatusNotFound)
	s.do("PATCH", "/api/v1/staff/"+id, map[string]any{"name": "Grace"}).want(http.StatusOK)
	var colleagues struct {
		Colleagues []map[string]any
	}
	s.do("GET", "/api/v1/colleagues", nil).want(http.StatusOK).into(&colleagues)
	if i := slices.IndexFunc(colleagues.Colleagues, func(c map[string]any) bool { return c["name"] == "Grace" }); i < 0 || len(colleagues.Colleagues[i]) != 3 {
		t.Errorf("colleagues %v", colleagues)
	}
}
