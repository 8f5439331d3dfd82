package api_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// tellDesk has somebody of a name tell the desk something.
func (s *system) tellDesk(who string, told contract.DeskTold) (int, contract.DeskFiled) {
	s.t.Helper()
	b, err := json.Marshal(told)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, contract.PathDesk, bytes.NewReader(b))
	if who != "" {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: who}}}}}
	}
	w := httptest.NewRecorder()
	api.Desk(s.db.Serve(s.t), slog.New(slog.NewTextHandler(s.t.Output(), nil))).ServeHTTP(w, r)
	var answer contract.DeskFiled
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return w.Code, answer
}

func (s *system) told(told contract.DeskTold) []contract.Filed {
	s.t.Helper()
	code, answer := s.tellDesk(contract.OperatorName, told)
	if code != http.StatusOK {
		s.t.Fatalf("the operator is answered %d", code)
	}
	return answer.Filed
}

type listed struct {
	ID, Name, FiledBy, Message, Verified   *string
	Type, State                            string
	ReceivedAt, DueAt                      time.Time
	AnsweredAt, CompletedAt, FiledAt, Ends *time.Time
	Done, Refused                          []map[string]any
}

func (s *system) requests() []listed {
	s.t.Helper()
	var list struct{ Requests []listed }
	s.do("GET", "/api/v1/privacy/requests", nil).want(http.StatusOK).into(&list)
	return list.Requests
}

func anErasure(address string) map[string]any {
	return map[string]any{"type": "Erasure", "receivedAt": time.Now().Add(-time.Hour).UTC().Truncate(time.Second), "verified": "booking", "addresses": []any{map[string]any{"kind": "phone", "address": address}}}
}

// TestARequestIsFiledTakenAndFollowed goes the whole way on the instance's side: the addresses leave it when the operator has
// them, and nobody is shown them in between.
func TestARequestIsFiledTakenAndFollowed(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	received := time.Now().Add(-2 * 24 * time.Hour).UTC().Truncate(time.Second)
	body := anErasure("+4930901820")
	body["receivedAt"], body["dueDays"] = received, 30
	answer := officer.do("POST", "/api/v1/privacy/requests", body).want(http.StatusCreated)
	if strings.Contains(string(answer.body), "4930901820") {
		t.Errorf("the answer shows the address: %s", answer.body)
	}
	var made listed
	answer.into(&made)
	if made.State != "Waiting" || made.ID == nil || made.Name != nil || !made.DueAt.Equal(received.Add(30*24*time.Hour)) || made.FiledBy == nil || *made.FiledBy != officer.own().ID.String() {
		t.Errorf("filed %+v", made)
	}
	if got := officer.do("GET", "/api/v1/privacy/requests", nil).want(http.StatusOK); strings.Contains(string(got.body), "4930901820") {
		t.Errorf("the list shows the address: %s", got.body)
	}
	if a := s.lastAccess(); a.route != "/api/v1/privacy/requests" {
		t.Errorf("logged %+v", a)
	}

	filed := s.told(contract.DeskTold{Digest: "1"})
	if len(filed) != 1 || filed[0].ID != *made.ID || filed[0].Subject["phone"] != "+4930901820" || !filed[0].ReceivedAt.Equal(received) || filed[0].DueDays != 30 {
		t.Fatalf("the operator is handed %+v", filed)
	}
	if err := filed[0].Check(time.Now()); err != nil {
		t.Error(err)
	}
	if again := s.told(contract.DeskTold{Digest: "1"}); len(again) != 1 {
		t.Fatal("what was not taken is not handed out again")
	}
	due := received.Add(30 * 24 * time.Hour)
	running := contract.DeskRequest{Name: "desk-1", Type: "Erasure", ReceivedAt: received, DueAt: &due, Phase: "Running", Message: "Job carries it out"}
	taken := []contract.DeskTaken{{ID: *made.ID, Name: "desk-1"}}
	if left := s.told(contract.DeskTold{Digest: "2", Taken: taken, Requests: []contract.DeskRequest{running}}); len(left) != 0 {
		t.Fatalf("what was taken is handed out again: %+v", left)
	}
	if n := s.count("SELECT count(*) FROM sb.filed_request WHERE subject IS NOT NULL OR archive_key IS NOT NULL"); n != 0 {
		t.Error("the addresses stay behind")
	}
	if all := officer.requests(); len(all) != 1 || all[0].State != "Running" || all[0].Message == nil || *all[0].ID != *made.ID || *all[0].Name != "desk-1" {
		t.Errorf("listed %+v", all)
	}

	deferred := running
	deferred.Phase, deferred.AnsweredAt = "Deferred", &due
	deferred.Done, deferred.Refused = []contract.RequestCount{{Category: "Messages", Rows: 9}}, []contract.DeskRefusal{{Category: "Messages", Rows: 2, Hold: "court-12"}}
	other := contract.DeskRequest{Name: "by-kubectl", Type: "Complaint", ReceivedAt: received, Phase: "Open"}
	contacts := int64(1)
	holds := []contract.DeskHold{{Name: "court-12", Reason: "court order 12 O 345/26", Since: received, InForce: true, Contacts: &contacts}}
	s.told(contract.DeskTold{Digest: "3", Requests: []contract.DeskRequest{deferred, other}, Holds: holds})
	all := officer.requests()
	if len(all) != 2 || all[0].State != "Deferred" || all[0].Refused[0]["hold"] != "court-12" || all[0].Done[0]["rows"] != 9.0 || *all[1].Name != "by-kubectl" || all[1].ID != nil || all[1].State != "Open" {
		t.Errorf("listed %+v", all)
	}
	officer.do("GET", "/api/v1/privacy/holds", nil).want(http.StatusOK).saying("court order 12 O 345/26", `"contacts":1`, `"messages":null`)
	counts := s.as(staff.Auditor).do("GET", "/api/v1/privacy/request-counts", nil).want(http.StatusOK)
	counts.saying(`{"type":"Complaint","clock":"open","requests":1}`, `{"type":"Erasure","clock":"ended","requests":1}`)

	completed := deferred
	completed.Phase, completed.CompletedAt, completed.Refused = "Completed", &received, nil
	s.told(contract.DeskTold{Digest: "4", Requests: []contract.DeskRequest{completed}})
	if all := officer.requests(); len(all) != 1 || all[0].State != "Completed" {
		t.Errorf("listed %+v", all)
	}
	s.exec("UPDATE sb.filed_request SET taken_at = now() - interval '1 hour'")
	s.told(contract.DeskTold{Digest: "5"})
	if all := officer.requests(); len(all) != 1 || all[0].State != "Gone" {
		t.Errorf("listed %+v", all)
	}
	// What has ended is shown as long as the lines of the access log, and removed by a run of retention.
	s.db.Limits(t, map[string]int32{contract.CategoryAccessLogs: 1})
	if all := officer.requests(); len(all) != 0 {
		t.Errorf("what has expired is listed: %+v", all)
	}
	s.exec("UPDATE sb.retention_run SET policy = policy")
	if n := s.count("SELECT count(*) FROM sb.filed_request"); n != 0 {
		t.Errorf("%d rows stay behind", n)
	}
}

// TestAnObjectThatIsGoneAtOnceEndsItsRequest: the operator has nothing new to tell then, and is asked to all the same; once.
func TestAnObjectThatIsGoneAtOnceEndsItsRequest(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	var made listed
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated).into(&made)
	s.told(contract.DeskTold{Digest: "1", Taken: []contract.DeskTaken{{ID: *made.ID, Name: "desk-1"}}})
	waits := func(want int) {
		t.Helper()
		if n := s.count("SELECT filed FROM sb.desk_state()"); n != want {
			t.Errorf("%d wait, want %d", n, want)
		}
	}
	waits(0)
	s.exec("UPDATE sb.filed_request SET taken_at = now() - interval '2 minutes'")
	waits(1)
	s.told(contract.DeskTold{Digest: "1"})
	waits(0)
	if all := officer.requests(); len(all) != 1 || all[0].State != "Gone" {
		t.Errorf("listed %+v", all)
	}
	s.told(contract.DeskTold{Digest: "2", Requests: []contract.DeskRequest{{Name: "desk-1", Type: "Erasure", Phase: "Running"}}})
	waits(0)
	if all := officer.requests(); len(all) != 1 || all[0].State != "Running" {
		t.Errorf("listed %+v", all)
	}
}

// TestWhatIsNotToldForWantOfRoomHasNotEnded, and what had ended stays so.
func TestWhatIsNotToldForWantOfRoomHasNotEnded(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	var open, done listed
	for _, made := range []*listed{&open, &done} {
		officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated).into(made)
	}
	now := time.Now().UTC()
	s.told(contract.DeskTold{Digest: "1", Taken: []contract.DeskTaken{{ID: *open.ID, Name: "desk-1"}, {ID: *done.ID, Name: "desk-2"}},
		Requests: []contract.DeskRequest{{Name: "desk-1", Type: "Erasure", Phase: "Running"}, {Name: "desk-2", Type: "Erasure", Phase: "Completed", CompletedAt: &now}}})
	s.exec("UPDATE sb.filed_request SET taken_at = now() - interval '2 minutes'")
	s.told(contract.DeskTold{Digest: "2", Cut: true})
	if n := s.count("SELECT count(*) FROM sb.filed_request WHERE (name = 'desk-2') = (ended_at IS NOT NULL)"); n != 2 {
		t.Errorf("of %d of 2 it is known whether they have ended", n)
	}
	if n := s.count("SELECT filed FROM sb.desk_state()"); n != 0 {
		t.Errorf("the operator is asked for %d, and can't tell", n)
	}
}

// TestADeskHearsTheOperatorAlone: to everybody else there is nothing, whatever certificate they have.
func TestADeskHearsTheOperatorAlone(t *testing.T) {
	s := start(t)
	s.as(staff.PrivacyOfficer).do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
	for _, who := range []string{"", "serve", "connect-front-desk", "switchboard-operator "} {
		if code, _ := s.tellDesk(who, contract.DeskTold{Digest: "x"}); code != http.StatusNotFound {
			t.Errorf("%q is answered %d", who, code)
		}
	}
	if n := s.count("SELECT count(*) FROM sb.desk WHERE digest = 'x'"); n != 0 {
		t.Error("somebody else's word is kept")
	}
}

func TestWhatTheOperatorRefusesIsTold(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
	filed := s.told(contract.DeskTold{})
	s.told(contract.DeskTold{Taken: []contract.DeskTaken{{ID: filed[0].ID, Refused: "a policy of the cluster has it so"}}})
	all := officer.requests()
	if len(all) != 1 || all[0].State != "Refused" || all[0].Message == nil || *all[0].Message != "a policy of the cluster has it so" {
		t.Errorf("listed %+v", all)
	}
	if n := s.count("SELECT count(*) FROM sb.filed_request WHERE subject IS NOT NULL"); n != 0 {
		t.Error("the addresses stay behind")
	}
}

// TestAContactIsFiledByItsAddresses, which the officer need not copy.
func TestAContactIsFiledByItsAddresses(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	officer := s.as(staff.PrivacyOfficer)
	body := anErasure("")
	delete(body, "addresses")
	body["contact"] = v.guest
	officer.do("POST", "/api/v1/privacy/requests", body).want(http.StatusCreated)
	if filed := s.told(contract.DeskTold{}); len(filed) != 1 || filed[0].Subject["phone"] != "+4930901820" {
		t.Errorf("handed %+v", filed)
	}
	body["contact"] = uuid.New()
	officer.do("POST", "/api/v1/privacy/requests", body).want(http.StatusNotFound)
}

// TestAComplaintIsAnsweredOnceAndTheOperatorIsToldUntilItKnows.
func TestAComplaintIsAnsweredOnceAndTheOperatorIsToldUntilItKnows(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	received := time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
	var made listed
	officer.do("POST", "/api/v1/privacy/requests", map[string]any{"type": "Complaint", "receivedAt": received, "verified": "notNeeded"}).want(http.StatusCreated).into(&made)
	open := contract.DeskRequest{Name: "desk-1", Type: "Complaint", ReceivedAt: received, Phase: "Open"}
	s.told(contract.DeskTold{Digest: "1", Taken: []contract.DeskTaken{{ID: *made.ID, Name: "desk-1"}}, Requests: []contract.DeskRequest{open}})
	answers := "/api/v1/privacy/requests/" + *made.ID + "/answers"
	at := received.Add(time.Hour)
	officer.do("POST", answers, map[string]any{"answeredAt": time.Now().Add(48 * time.Hour)}).want(http.StatusBadRequest).saying("within the last year")
	officer.do("POST", answers, map[string]any{"answeredAt": at, "escalation": ""}).want(http.StatusBadRequest)
	officer.do("POST", answers, map[string]any{"answeredAt": at, "escalation": "Berliner Beauftragte"}).want(http.StatusNoContent)
	officer.do("POST", answers, map[string]any{"answeredAt": at}).want(http.StatusNotFound).saying("spec.answeredAt")
	if all := officer.requests(); len(all) != 1 || all[0].AnsweredAt == nil || !all[0].AnsweredAt.Equal(at) {
		t.Errorf("listed %+v", all)
	}
	officer.do("GET", "/api/v1/privacy/requests", nil).want(http.StatusOK).saying(`"escalation":"Berliner Beauftragte"`)
	for range 2 {
		_, answer := s.tellDesk(contract.OperatorName, contract.DeskTold{Digest: "1", Requests: []contract.DeskRequest{open}})
		if len(answer.Answered) != 1 || answer.Answered[0].ID != *made.ID || !answer.Answered[0].At.Equal(at) {
			t.Fatalf("the operator hears of %+v", answer)
		}
	}
	open.Phase, open.CompletedAt, open.AnsweredAt = "Completed", &at, &at
	if _, answer := s.tellDesk(contract.OperatorName, contract.DeskTold{Digest: "2", Requests: []contract.DeskRequest{open}}); len(answer.Answered) != 0 {
		t.Errorf("the operator, which knows it, hears of %+v", answer)
	}
	// No other request is answered by people.
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated).into(&made)
	officer.do("POST", "/api/v1/privacy/requests/"+*made.ID+"/answers", map[string]any{"answeredAt": at}).want(http.StatusNotFound)
}

// TestAChildIsReportedByWhoeverFindsOut, and not by an auditor.
func TestAChildIsReportedByWhoeverFindsOut(t *testing.T) {
	s := start(t)
	v := s.guest("Tim", "+4930901820", pgtest.Channel, s.now())
	report := "/api/v1/contacts/" + v.guest.String() + "/underage-reports"
	s.as(staff.Auditor).do("POST", report, nil).want(http.StatusForbidden)
	agent := s.as(staff.Agent)
	got := agent.do("POST", report, nil).want(http.StatusCreated).saying(`"type":"Underage"`, `"state":"Waiting"`)
	if strings.Contains(string(got.body), "4930901820") {
		t.Errorf("the answer shows the address: %s", got.body)
	}
	if a := s.lastAccess(); a.object == nil || *a.object != v.guest || a.status != http.StatusCreated {
		t.Errorf("logged %+v", a)
	}
	filed := s.told(contract.DeskTold{})
	if len(filed) != 1 || filed[0].Type != contract.RequestUnderage || filed[0].DueDays != 1 || filed[0].Subject["phone"] != "+4930901820" {
		t.Errorf("handed %+v", filed)
	}
	agent.do("POST", "/api/v1/contacts/"+uuid.NewString()+"/underage-reports", nil).want(http.StatusNotFound)
}

// TestReportsTakeNoneOfTheOfficersRoom: one agent can't use up the day of those who file.
func TestReportsTakeNoneOfTheOfficersRoom(t *testing.T) {
	s := start(t)
	v := s.guest("Tim", "+4930901820", pgtest.Channel, s.now())
	report := "/api/v1/contacts/" + v.guest.String() + "/underage-reports"
	agent := s.as(staff.Agent)
	for range contract.MaxReports {
		agent.do("POST", report, nil).want(http.StatusCreated)
	}
	agent.do("POST", report, nil).want(http.StatusConflict).saying("too-many-filed", "have a privacy officer")
	officer := s.as(staff.PrivacyOfficer)
	for range contract.MaxFiled {
		officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
	}
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusConflict)
	for _, f := range s.told(contract.DeskTold{}) {
		if f.Type != contract.RequestErasure {
			t.Error("a report comes before what an officer filed")
		}
	}
	officer.do("POST", report, nil).want(http.StatusCreated) // another account has its own
	s.exec("INSERT INTO sb.filed_request (id, type, received_at, verified, due_days, reported) SELECT gen_random_uuid(), 'Underage', now(), 'notNeeded', 1, true FROM generate_series(1, $1)", contract.MaxReportsDay-contract.MaxReports-1)
	officer.do("POST", report, nil).want(http.StatusConflict).saying("too-many-filed")
	s.exec("UPDATE sb.filed_request SET filed_at = now() - interval '25 hours'")
	agent.do("POST", report, nil).want(http.StatusCreated)
}

func TestWhatCanNotBeFiled(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	for says, change := range map[string]map[string]any{
		"type is none of":       {"type": "Everything"},
		"within the last year":  {"receivedAt": time.Now().Add(-400 * 24 * time.Hour)},
		"receivedAt must lie":   {"receivedAt": time.Now().Add(48 * time.Hour)},
		"use one of":            {"verified": "because"},
		"dueDays":               {"dueDays": 91},
		"from 1 to 90":          {"dueDays": 0},
		"age recipient":         {"type": "Access"},
		"belongs to requests":   {"archiveKey": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
		"names nobody":          {"type": "Complaint"},
		"no address":            {"addresses": []any{}},
		"no address of that":    {"addresses": []any{map[string]any{"kind": "phone", "address": "030 901820"}}},
		"is none of phone":      {"addresses": []any{map[string]any{"kind": "token", "address": "+4930901820"}}},
		"line break":            {"addresses": []any{map[string]any{"kind": "phone", "address": "+4930901820\n+4930901821"}}},
		"newName belongs":       {"newName": "Ada"},
		"what to put right":     {"type": "Rectification"},
		"not both":              {"contact": uuid.NewString()},
		"The fields are":        nil,
		"this is no phone numb": {"type": "Rectification", "newPhone": "1"},
	} {
		body := anErasure("+4930901820")
		for field, value := range change {
			body[field] = value
		}
		if change == nil {
			body["name"] = "Ada"
			says = "fields are"
		}
		officer.do("POST", "/api/v1/privacy/requests", body).want(http.StatusBadRequest).saying(says)
	}
	if n := s.count("SELECT count(*) FROM sb.filed_request"); n != 0 {
		t.Errorf("%d were filed", n)
	}
}

// TestNotTooManyAreFiled: whoever has an officer's session can't have the operator make objects without end.
func TestNotTooManyAreFiled(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	for range contract.MaxFiled {
		officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
	}
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusConflict).saying("too-many-filed", "wait until")
	s.exec("UPDATE sb.filed_request SET taken_at = now(), subject = NULL")
	for range contract.MaxFiledDay - contract.MaxFiled {
		officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
		s.exec("UPDATE sb.filed_request SET taken_at = now(), subject = NULL")
	}
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusConflict)
	s.exec("UPDATE sb.filed_request SET filed_at = now() - interval '25 hours'")
	officer.do("POST", "/api/v1/privacy/requests", anErasure("+4930901820")).want(http.StatusCreated)
}

// TestServeCanNotReadWhatWasFiled but by the function whose answer is the operator's.
func TestServeCanNotReadWhatWasFiled(t *testing.T) {
	s := start(t)
	pool := s.db.Serve(t)
	for _, statement := range []string{
		"SELECT subject FROM sb.filed_request", "SELECT archive_key FROM sb.filed_request", "INSERT INTO sb.filed_request (id) VALUES (gen_random_uuid())",
		"UPDATE sb.filed_request SET name = 'x'", "DELETE FROM sb.filed_request", "UPDATE sb.desk SET digest = ''",
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: want permission denied (42501), got %v", statement, err)
		}
	}
}
