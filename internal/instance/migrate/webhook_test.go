package migrate_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/migrate"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// A webhook that leads elsewhere is another one: it has not ended, and what waited for the one before is not told to it. One that
// stays keeps what waits.
func TestWebhooksAreReplaced(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	admin := d.Admin(t)
	in := pgtest.Input()
	run := func(webhooks ...contract.SetupWebhook) error {
		in.Setup.Webhooks = webhooks
		_, err := migrate.Run(t.Context(), slog.New(slog.DiscardHandler), d.Config(t, contract.AdminRole), in)
		return err
	}
	hook := func(name, target string) contract.SetupWebhook {
		return contract.SetupWebhook{Name: name, Events: []string{contract.EventMessageReceived}, Target: target}
	}
	if err := run(hook("pms", "a"), hook("tickets", "a"), hook("gone", "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), `UPDATE sb.webhook SET ended_at = now();
		INSERT INTO sb.webhook_event (webhook, kind, contact_id, detail) SELECT name, 'optout.changed', gen_random_uuid(), '{}' FROM sb.webhook`); err != nil {
		t.Fatal(err)
	}
	text := hook("tickets", "a")
	text.IncludeText = true
	if err := run(hook("pms", "b"), text); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := admin.QueryRow(t.Context(), `SELECT string_agg(format('%s text %s ended %s events %s', w.name, w.include_text, w.ended_at IS NOT NULL,
		(SELECT count(*) FROM sb.webhook_event e WHERE e.webhook = w.name)), '; ' ORDER BY w.name) FROM sb.webhook w`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if want := "pms text f ended f events 0; tickets text t ended t events 1"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	for says, bad := range map[string][]contract.SetupWebhook{
		"listed twice": {hook("pms", "a"), hook("pms", "b")},
		"is unknown":   {{Name: "pms", Events: []string{"guest.sneezed"}, Target: "a"}},
		"no good name": {hook("../pms", "a")},
	} {
		if err := run(bad...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
