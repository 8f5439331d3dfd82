package api_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

type access struct {
	method, route   string
	object          *uuid.UUID
	status          int
	ip              netip.Addr
	agent, referrer *string
	email           *string
}

func (s *system) lastAccess() access {
	s.t.Helper()
	var a access
	err := s.admin.QueryRow(context.Background(), `SELECT l.method, l.route, l.object_id, l.status, l.ip, l.user_agent, l.referrer, f.email
		FROM sb.access_log l LEFT JOIN sb.staff f ON f.id = l.staff_id ORDER BY l.id DESC LIMIT 1`).
		Scan(&a.method, &a.route, &a.object, &a.status, &a.ip, &a.agent, &a.referrer, &a.email)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func TestEveryLookIsLogged(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	headers := []string{"User-Agent", "Inbox/1 " + strings.Repeat("é", 600), "Referer", "https://hotel.example/inbox", "X-Forwarded-For", "10.0.0.1, 203.0.113.9"}

	s.do("GET", v.path()+"/messages?limit=5", nil, headers...).want(http.StatusOK)
	a := s.lastAccess()
	if a.method != "GET" || a.route != "/api/v1/conversations/{id}/messages" || a.object == nil || *a.object != v.id || a.status != 200 {
		t.Errorf("logged %+v", a)
	}
	if a.ip != netip.MustParseAddr("203.0.113.9") || a.email == nil || *a.email != pgtest.StaffEmail {
		t.Errorf("logged %v of %v", a.ip, a.email)
	}
	if a.agent == nil || len(*a.agent) > 512 || !strings.HasPrefix(*a.agent, "Inbox/1 é") || a.referrer == nil || *a.referrer != "https://hotel.example/inbox" {
		t.Errorf("logged user agent %v, referrer %v", a.agent, a.referrer)
	}

	missing := uuid.New()
	s.do("GET", "/api/v1/contacts/"+missing.String(), nil).want(http.StatusNotFound)
	if a := s.lastAccess(); a.route != "/api/v1/contacts/{id}" || a.object == nil || *a.object != missing || a.status != 404 || a.email == nil {
		t.Errorf("a look at what is not there was logged as %+v", a)
	}

	s.do("POST", "/api/v1/sessions", credentials(pgtest.StaffEmail, "a wrong guess")).want(http.StatusUnauthorized)
	if a := s.lastAccess(); a.route != "/api/v1/sessions" || a.status != 401 || a.email != nil {
		t.Errorf("a wrong sign-in was logged as %+v", a)
	}
}

func TestNothingIsShownUnlogged(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	v.wrote(s.now(), "secret words")
	s.exec("REVOKE INSERT ON sb.access_log FROM sb_serve")
	got := s.do("GET", v.path()+"/messages", nil)
	if got.status < 500 || strings.Contains(string(got.body), "secret words") {
		t.Errorf("shown without a line in the log: %d %s", got.status, got.body)
	}
}

func TestServeMayDoNoMoreThanItNeeds(t *testing.T) {
	s := start(t)
	pool := s.db.Serve(t)
	for _, statement := range []string{
		"DELETE FROM sb.message", "DELETE FROM sb.message_body", "DELETE FROM sb.contact", "DELETE FROM sb.conversation",
		"UPDATE sb.message SET status = 'sent'", "UPDATE sb.message_body SET body = ''", "UPDATE sb.contact_address SET address = ''",
		"UPDATE sb.consent_log SET change = 'start'", "DELETE FROM sb.consent_log", "DELETE FROM sb.suppression",
		"INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES (1, '', '', '', '')",
		"UPDATE sb.retention_limit SET retain_days = 9999", "DELETE FROM sb.retention_limit", "SELECT FROM sb.access_log",
		"DELETE FROM sb.access_log", "UPDATE sb.staff SET email = 'eve@hotel.example'", "INSERT INTO sb.channel (name, type) VALUES ('x', 'y')",
		"CREATE TABLE sb.mine ()", "CREATE TABLE public.mine ()", "CREATE TEMP TABLE mine ()", "SET ROLE sb_owner", "DELETE FROM queue_front_desk.river_job",
	} {
		if _, err := pool.Exec(context.Background(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: want permission denied (42501), got %v", statement, err)
		}
	}
}
