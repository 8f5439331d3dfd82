package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// Where a subscription must not lead, nothing goes.
func TestWhereNothingGoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*stage)
		problem string
	}{
		"the Internet does not mean loopback": {func(s *stage) { s.hook.CIDRs = []string{"0.0.0.0/0", "::/0"} }, contract.WebhookForbidden},
		"another network":                     {func(s *stage) { s.hook.CIDRs = []string{"198.51.100.0/24"} }, contract.WebhookForbidden},
		"a target that the region forbids":    {func(s *stage) { s.hook.Except = []string{"127.0.0.1/32"} }, contract.WebhookForbidden},
		"a name that leads inwards": {func(s *stage) {
			s.hook.URL, s.hook.CIDRs = strings.Replace(s.hook.URL, "127.0.0.1", "localhost", 1), []string{"0.0.0.0/0", "::/0"}
		}, contract.WebhookForbidden},
		"no network":            {func(s *stage) { s.hook.CIDRs = nil }, contract.WebhookForbidden},
		"another authority":     {func(s *stage) { s.hook.CABundle = "" }, contract.WebhookUntrusted},
		"a secret that is none": {func(s *stage) { s.secret(0, "whsec_c2hvcnQ=") }, contract.WebhookUnsigned},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.subscribe(false, contract.EventMessageReceived)
			c.change(s)
			s.says("hello", "")
			stop := s.work()
			s.until("the problem to be known", func() bool {
				return s.count("SELECT count(*) FROM sb.webhook_state() WHERE waiting = 1 AND problem = $1", c.problem) == 1
			})
			stop()
			if len(s.got) != 0 {
				t.Error("it was told all the same")
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subscribe(false, contract.EventMessageReceived)
	s.answer = func(w http.ResponseWriter, _ told) {
		w.Header().Set("Location", s.receiver.URL+"/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	s.says("hello", "")
	s.work()
	first, second := s.next(), s.next()
	if first.id != second.id {
		t.Error("another event was told")
	}
	s.until("the problem to be known", func() bool { return s.count("SELECT count(*) FROM sb.webhook WHERE problem = 'redirects'") == 1 })
}

// The worker's login takes what is to be told, and reads nothing else.
func TestTheWorkerMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("hello", "")
	worker := s.d.Pool(t, contract.LoginRole(contract.ComponentWebhooks, 1))
	for _, statement := range []string{
		"SELECT * FROM sb.message", "SELECT * FROM sb.message_body", "SELECT * FROM sb.contact", "SELECT * FROM sb.contact_address", "SELECT * FROM sb.webhook_event",
		"SELECT * FROM sb.webhook", "UPDATE sb.webhook SET include_text = true", "DELETE FROM sb.webhook_event", "SELECT sb.webhook_payload(e) FROM sb.webhook_event e",
		"SELECT sb.opt_out(gen_random_uuid())", "INSERT INTO " + contract.QueueSchema(pgtest.Channel) + ".river_job DEFAULT VALUES",
	} {
		if _, err := worker.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
