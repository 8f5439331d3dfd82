package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

func aDisclosure(change map[string]any) map[string]any {
	body := map[string]any{
		"askedAt": time.Now().Add(-time.Hour).UTC().Truncate(time.Second), "askedBy": "Amtsgericht Mitte", "ground": "StPO section 95, 12 Gs 345/26", "outcome": "partly",
		"given": "messages of three days", "persons": 1, "noticed": false, "notNoticed": "the order forbids it",
	}
	for field, value := range change {
		if body[field] = value; value == nil {
			delete(body, field)
		}
	}
	return body
}

type recorded struct {
	ID                   uuid.UUID
	AskedBy, Outcome     string
	RecordedBy, Corrects *uuid.UUID
	Persons              int
	NotNoticed           *string
	RecordedAt           time.Time
}

// TestADisclosureIsAddedToAndNeverChanged: not by an officer, and not by the server.
func TestADisclosureIsAddedToAndNeverChanged(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	var first, second recorded
	officer.do("POST", "/api/v1/privacy/disclosures", aDisclosure(nil)).want(http.StatusCreated).into(&first)
	officer.do("POST", "/api/v1/privacy/disclosures", aDisclosure(map[string]any{"corrects": first.ID, "noticed": true, "notNoticed": nil, "persons": 2})).want(http.StatusCreated).into(&second)
	if first.RecordedBy == nil || *first.RecordedBy != officer.own().ID || first.NotNoticed == nil || second.Corrects == nil || *second.Corrects != first.ID {
		t.Errorf("recorded %+v and %+v", first, second)
	}
	var page struct {
		Disclosures []recorded
		NextCursor  *string
	}
	officer.do("GET", "/api/v1/privacy/disclosures?limit=1", nil).want(http.StatusOK).into(&page)
	if len(page.Disclosures) != 1 || page.Disclosures[0].ID != second.ID || page.NextCursor == nil {
		t.Fatalf("the first page is %+v", page)
	}
	officer.do("GET", "/api/v1/privacy/disclosures?cursor="+*page.NextCursor, nil).want(http.StatusOK).into(&page)
	if len(page.Disclosures) != 1 || page.Disclosures[0].ID != first.ID || page.NextCursor != nil {
		t.Errorf("the second page is %+v", page)
	}
	pool := s.db.Serve(t)
	for _, statement := range []string{
		"UPDATE sb.disclosure SET given = 'nothing'", "DELETE FROM sb.disclosure", "TRUNCATE sb.disclosure",
		"INSERT INTO sb.disclosure (id, recorded_at, asked_at, asked_by, ground, outcome, given, persons, noticed) VALUES (gen_random_uuid(), now() - interval '1 year', now(), 'a', 'b', 'given', 'c', 1, true)",
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: want permission denied (42501), got %v", statement, err)
		}
	}
	// Who recorded it may go; what was recorded stays.
	s.exec("DELETE FROM sb.staff WHERE id = $1", officer.own().ID)
	other := s.as(staff.PrivacyOfficer)
	other.do("GET", "/api/v1/privacy/disclosures", nil).want(http.StatusOK).saying("Amtsgericht Mitte", `"recordedBy":null`)
}

// TestADisclosureIsKeptForThreeYears, to the second, whatever the policies say of what it is about.
func TestADisclosureIsKeptForThreeYears(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	for range 2 {
		officer.do("POST", "/api/v1/privacy/disclosures", aDisclosure(nil)).want(http.StatusCreated)
	}
	s.exec("UPDATE sb.disclosure SET recorded_at = now() - interval '3 years' + CASE WHEN id = (SELECT max(id::text)::uuid FROM sb.disclosure) THEN interval '1 minute' ELSE interval '-1 second' END")
	var page struct{ Disclosures []recorded }
	officer.do("GET", "/api/v1/privacy/disclosures", nil).want(http.StatusOK).into(&page)
	if len(page.Disclosures) != 1 {
		t.Errorf("%d are shown", len(page.Disclosures))
	}
	s.exec("UPDATE sb.retention_run SET policy = policy")
	if n := s.count("SELECT count(*) FROM sb.disclosure"); n != 1 {
		t.Errorf("%d stay after a run", n)
	}
}

func TestWhatIsNoDisclosure(t *testing.T) {
	s := start(t)
	officer := s.as(staff.PrivacyOfficer)
	for says, change := range map[string]map[string]any{
		"askedBy":          {"askedBy": ""},
		"ground":           {"ground": strings.Repeat("x", 401)},
		"given":            {"given": ""},
		"three years":      {"askedAt": time.Now().AddDate(-4, 0, 0)},
		"partly or":        {"outcome": "perhaps"},
		"how many":         {"persons": -1},
		"persons":          {"persons": nil},
		"why not in":       {"notNoticed": nil},
		"were not told":    {"noticed": true},
		"Send \\\"noticed": {"noticed": nil},
		"notNoticed":       {"notNoticed": strings.Repeat("x", 401)},
		"fields are":       {"guest": "Ada"},
	} {
		officer.do("POST", "/api/v1/privacy/disclosures", aDisclosure(change)).want(http.StatusBadRequest).saying(says)
	}
	officer.do("POST", "/api/v1/privacy/disclosures", aDisclosure(map[string]any{"corrects": uuid.New()})).want(http.StatusNotFound)
	if n := s.count("SELECT count(*) FROM sb.disclosure"); n != 0 {
		t.Errorf("%d were recorded", n)
	}
}
