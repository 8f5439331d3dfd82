package api_test

import (
	"net/http"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestWhoLookedAtAGuestIsShown(t *testing.T) {
	s := start(t)
	ada := s.guest("Ada", "+4930901820", pgtest.Channel, s.now())
	eve := s.guest("Eve", "+4930901821", pgtest.Channel, s.now())
	agent, officer := s.as(staff.Agent), s.as(staff.PrivacyOfficer)
	agent.do("GET", ada.path(), nil).want(http.StatusOK)
	agent.do("POST", ada.path()+"/notes", map[string]any{"body": "Likes tea"}).want(http.StatusCreated)
	agent.do("GET", eve.path(), nil).want(http.StatusOK)

	looks := "/api/v1/contacts/" + ada.guest.String() + "/looks"
	agent.do("GET", looks, nil).want(http.StatusForbidden)
	type line struct{ Name, Method, Route string }
	ask := func() []line {
		t.Helper()
		var told struct{ Rows []line }
		officer.do("GET", looks, nil).want(http.StatusOK).into(&told)
		return told.Rows
	}
	first := ask()
	want := []line{
		{"Some agent", "POST", "/api/v1/conversations/{id}/notes"},
		{"Some agent", "GET", "/api/v1/conversations/{id}"},
	}
	for i := range max(len(first), len(want)) {
		if i >= len(first) || i >= len(want) || first[i] != want[i] {
			t.Fatalf("told are %v, want %v", first, want)
		}
	}
	if again := ask(); len(again) != len(want)+1 || again[0].Name != "Some privacyOfficer" {
		t.Errorf("asking is not among what is told: %v", again)
	}
	s.exec("INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest) VALUES ('guests', 'AccessLogs', 1, 1, '')")
	s.exec("SELECT sb.ensure_partition(now() - interval '2 days')")
	s.exec("UPDATE sb.access_log SET at = now() - interval '2 days'")
	if left := ask(); len(left) != 0 {
		t.Errorf("what has expired is told: %v", left)
	}
}
