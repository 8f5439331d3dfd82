package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"log/slog"

	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkInbox asks a tenant of 100,000 conversations of ten messages each for what the page asks for while somebody types
// a name: the list, and what each keystroke finds. p95-ms is of all requests of a kind. Run it with -benchtime=100x.
func BenchmarkInbox(b *testing.B) {
	d := pgtest.New(b)
	d.FillMessages(b, 1_000_000)
	for _, statement := range []string{
		`UPDATE sb.contact c SET name = (ARRAY['Ada', 'Adam', 'Anna', 'Ben', 'Grace', 'Jürgen', 'Maria', 'Zoë'])[1 + n % 8] || ' ' ||
			(ARRAY['Lovelace', 'Hopper', 'Müller', 'García', 'Smith', 'Sørensen', 'Yılmaz'])[1 + n % 7] || n
			FROM (SELECT id, row_number() OVER () AS n FROM sb.contact) x WHERE x.id = c.id`,
		`INSERT INTO sb.contact_address (kind, address_hash, key_version, address, contact_id)
			SELECT 'phone', sha256(id::text::bytea), 1, '+4930' || lpad((row_number() OVER ())::text, 7, '0'), id FROM sb.contact`,
		"UPDATE sb.conversation SET last_message_at = last_message_at - random() * interval '300 days'",
		"VACUUM ANALYZE",
	} {
		if _, err := d.Admin(b).Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	session, err := staff.SignIn(b.Context(), d.Serve(b), nil, pgtest.StaffEmail, pgtest.Password, "")
	if err != nil {
		b.Fatal(err)
	}
	server := api.New(d.Serve(b), slog.New(slog.DiscardHandler), b.TempDir())
	for _, kind := range []struct {
		name    string
		queries []string
	}{
		{"list", []string{""}},
		{"name", []string{"&q=a", "&q=ad", "&q=ada", "&q=ada+l", "&q=ada+lo", "&q=ada+lovelace1"}},
		{"number", []string{"&q=123", "&q=4123", "&q=34123"}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var took []time.Duration
			for range b.N {
				for _, q := range kind.queries {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/conversations?limit=50"+q, nil)
					r.Header.Set("Authorization", "Bearer "+session.Token)
					w := httptest.NewRecorder()
					began := time.Now()
					server.ServeHTTP(w, r)
					took = append(took, time.Since(began))
					if w.Code != http.StatusOK {
						b.Fatalf("%s: %d %s", q, w.Code, w.Body)
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
