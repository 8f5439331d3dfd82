package retention_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestCountCountsWhatIsThere, whether it has expired or not, by a role that can read none of it.
func TestCountCountsWhatIsThere(t *testing.T) {
	d := pgtest.New(t)
	admin := d.Admin(t)
	d.Limits(t, map[string]int32{contract.CategoryContacts: 10})
	execSQL(t, admin, "INSERT INTO sb.contact (id, last_seen_at) SELECT gen_random_uuid(), now() - make_interval(days => i) FROM generate_series(1, 20) i")
	execSQL(t, admin, "INSERT INTO sb.integration_data (id, source, kind, data) VALUES (gen_random_uuid(), 'pms', 'arrival', '{}')")
	result, err := retention.Count(t.Context(), d.Retain(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{contract.CategoryContacts: 20, contract.CategoryIntegrationData: 1, contract.CategoryStaffAccounts: 1}
	if len(result.Counts) != len(contract.Categories()) {
		t.Errorf("counted are %v", result.Counts)
	}
	for _, c := range result.Counts {
		if c.Rows != want[c.Category] {
			t.Errorf("%s: %d rows, want %d", c.Category, c.Rows, want[c.Category])
		}
	}
	if _, err := retention.Count(t.Context(), d.Serve(t)); err == nil {
		t.Error("who serves may count what has expired")
	}
}
