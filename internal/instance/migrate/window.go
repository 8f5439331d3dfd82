package migrate

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

var (
	windowOpens  = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	windowCloses = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)
)

func (in Input) validateSendWindow() error {
	w := in.Setup.SendWindow
	if w == nil {
		return nil
	}
	if !windowOpens.MatchString(w.Opens) || !windowCloses.MatchString(w.Closes) || w.Opens == w.Closes {
		return fmt.Errorf("the send window in %s opens at %q and closes at %q; write different times of the day as HH:MM", contract.EnvSetup, w.Opens, w.Closes)
	}
	if slices.ContainsFunc(w.Days, func(d int) bool { return d < 1 || d > 7 }) {
		return fmt.Errorf("the send window in %s has the days %v; write 1 for Monday to 7 for Sunday", contract.EnvSetup, w.Days)
	}
	return nil
}

// replaceSendWindow has automated messages wait for a window, nil being none. A window of a time zone that this server does not
// know never opens: nobody is written to at night by a mistake, and the rest of the migration goes on.
func replaceSendWindow(ctx context.Context, owner *pgxpool.Pool, w *contract.SendWindow) error {
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM sb.send_window"); err != nil {
			return fmt.Errorf("removing the send window: %w", err)
		}
		if w == nil {
			return nil
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sb.send_window (opens, closes, days, time_zone)
			SELECT $1::text::time, $2::text::time, CASE WHEN z IS NULL THEN '{}' ELSE $3::int[] END, COALESCE(z, 'UTC') FROM sb.known_zone($4) z`,
			w.Opens, w.Closes, append([]int{}, w.Days...), w.TimeZone); err != nil {
			return fmt.Errorf("storing the send window: %w", err)
		}
		return nil
	})
}
