package migrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

func (in Input) validateWebhooks() error {
	known := []string{contract.EventMessageReceived, contract.EventMessageStatus, contract.EventOptOutChanged, contract.EventTestimonialWithdrawn}
	seen := map[string]bool{}
	for _, w := range in.Setup.Webhooks {
		if !channelName.MatchString(w.Name) || seen[w.Name] || len(w.Events) == 0 {
			return fmt.Errorf("webhook %q is listed twice, has no good name or no events in %s", w.Name, contract.EnvSetup)
		}
		seen[w.Name] = true
		for _, e := range w.Events {
			if !slices.Contains(known, e) {
				return fmt.Errorf("webhook %s: event %q is unknown; use one of %v", w.Name, e, known)
			}
		}
	}
	return nil
}

// replaceWebhooks has the subscriptions that there are. One that leads elsewhere begins anew: its receiver has ended nothing, and what
// waited for another receiver is not told to it.
func replaceWebhooks(ctx context.Context, owner *pgxpool.Pool, webhooks []contract.SetupWebhook) error {
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		names, targets := []string{}, []string{}
		for _, w := range webhooks {
			names, targets = append(names, w.Name), append(targets, w.Target)
		}
		const others = ` WHERE NOT EXISTS (SELECT FROM sb.webhook w, unnest($1::text[], $2::text[]) n (name, target)
			WHERE w.name = t.%s AND n.name = w.name AND n.target = w.target)`
		// Events first: one that is being sent is waited for before its sender may wait for this.
		for _, remove := range []string{"DELETE FROM sb.webhook_event t" + fmt.Sprintf(others, "webhook"), "DELETE FROM sb.webhook t" + fmt.Sprintf(others, "name")} {
			if _, err := tx.Exec(ctx, remove, names, targets); err != nil {
				return fmt.Errorf("removing webhooks: %w", err)
			}
		}
		for _, w := range webhooks {
			if _, err := tx.Exec(ctx, `INSERT INTO sb.webhook (name, events, include_text, target) VALUES ($1, $2, $3, $4)
				ON CONFLICT (name) DO UPDATE SET events = excluded.events, include_text = excluded.include_text`,
				w.Name, w.Events, w.IncludeText, w.Target); err != nil {
				return fmt.Errorf("storing webhook %s: %w", w.Name, err)
			}
		}
		return nil
	})
}
