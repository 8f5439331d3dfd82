package api_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestASupervisorWhoIsLockedOutIsLetInAgain: password and second factor are lost, and the account was closed.
func TestASupervisorWhoIsLockedOutIsLetInAgain(t *testing.T) {
	s := start(t)
	s.accept(s.invite("other@hotel.example", staff.Supervisor).Token).want(http.StatusCreated)
	s.accept(s.invite("night@hotel.example", staff.Agent).Token).want(http.StatusCreated)
	s.exec(`INSERT INTO sb.staff_factor (staff_id, secret, key_version, confirmed_at) SELECT id, 'x', 1, now() FROM sb.staff WHERE email = $1`, pgtest.StaffEmail)
	s.exec(`INSERT INTO sb.staff_identity (staff_id, issuer, client_id, subject) SELECT id, 'https://login.example', 'switchboard', '4711' FROM sb.staff WHERE email = $1`, pgtest.StaffEmail)
	s.exec("UPDATE sb.staff SET disabled_at = now() WHERE email = $1", pgtest.StaffEmail)

	s.db.Setenv(t, contract.LoginRole(contract.ComponentServe, 1))
	letIn := func(email string) (string, error) {
		var out bytes.Buffer
		err := staff.LetInCommand(t.Context(), slog.New(slog.DiscardHandler), strings.NewReader(email), &out, "https://hotel.example/inbox/")
		return out.String(), err
	}
	for _, email := range []string{"nobody@hotel.example", "night@hotel.example"} {
		if out, err := letIn(email); !errors.Is(err, staff.ErrNoSupervisor) || out != "" {
			t.Errorf("%s: %q, %v", email, out, err)
		}
	}
	if _, err := letIn(" \n"); err == nil || !strings.Contains(err.Error(), "standard input is empty") {
		t.Errorf("without an address: %v", err)
	}
	if n := s.count("SELECT count(*) FROM sb.access_log WHERE route = 'instance staff'"); n != 0 {
		t.Errorf("%d lines of what was refused", n)
	}
	link, err := letIn(strings.ToUpper(pgtest.StaffEmail) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	token, ok := strings.CutPrefix(strings.TrimSpace(link), "https://hotel.example/inbox/#invitation=")
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	if n := s.count("SELECT count(*) FROM sb.access_log l JOIN sb.staff s ON s.id = l.object_id WHERE route = 'instance staff' AND staff_id IS NULL AND email = $1", pgtest.StaffEmail); n != 1 {
		t.Errorf("the access log has %d lines of it", n)
	}
	if n := s.count("SELECT count(*) FROM sb.staff_invitation WHERE expires_at <= now() + interval '4 hours'"); n != 1 {
		t.Errorf("%d links end within four hours", n)
	}
	if n := s.count("SELECT count(*) FROM sb.staff_identity"); n != 0 {
		t.Error("whoever the account was linked to at a provider gets in still")
	}
	s.do("GET", "/api/v1/me", nil).want(http.StatusUnauthorized) // the session before
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, pgtest.Password)).want(http.StatusUnauthorized)
	s.accept(token).want(http.StatusCreated).saying("supervisor")
	s.accept(token).want(http.StatusNotFound)
	s.token = ""
	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, chosen)).want(http.StatusCreated).saying("supervisor")
}
