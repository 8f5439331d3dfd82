package retention_test

import (
	"maps"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestARunDeletesWhatIsExpiredAndASecondDeletesNothing(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	fill(t, db, 2000, 400)
	before := count(t, db)

	first := run(t, d, policy)

	after := count(t, db)
	for _, c := range first.Categories {
		if c.Deleted == 0 || c.Deleted != before[c.Category]-after[c.Category] {
			t.Errorf("%s: the receipt says %d deleted; there were %d rows, %d are left", c.Category, c.Deleted, before[c.Category], after[c.Category])
		}
		if want := first.StartedAt.AddDate(0, 0, -int(allLimits[c.Category])); !c.Cutoff.Equal(want) {
			t.Errorf("%s: cutoff %s, want %s", c.Category, c.Cutoff, want)
		}
	}
	wantNothingOverdue(t, db, first)
	if n := ask[int64](t, db, `SELECT count(*) FROM sb.contact_address WHERE contact_id NOT IN (SELECT id FROM sb.contact)`); n != 0 {
		t.Errorf("%d addresses have outlived their contact", n)
	}
	if n := ask[int64](t, db, `SELECT count(*) FROM sb.conversation v WHERE contact_id IS NULL
		AND NOT EXISTS (SELECT FROM sb.message m WHERE m.conversation_id = v.id)`); n != 0 {
		t.Errorf("%d conversations without guest and metadata are left", n)
	}
	// Guests go after 120 days, metadata after 180: in between, threads have no guest.
	if n := ask[int64](t, db, `SELECT count(*) FROM sb.conversation WHERE contact_id IS NULL`); n == 0 {
		t.Error("no conversation has outlived its guest, although its metadata is kept")
	}

	second := run(t, d, policy)
	for _, c := range second.Categories {
		// The rows lie hours apart: none has expired since.
		if c.Deleted != 0 || c.Overdue == nil || *c.Overdue != 0 {
			t.Errorf("%s: the second run should have deleted nothing, and says %+v", c.Category, c)
		}
	}
	if left := count(t, db); !maps.Equal(left, after) {
		t.Errorf("after the second run there are %v, before it %v", left, after)
	}
	if second.Sequence != first.Sequence+1 || second.PreviousDigest != first.Digest || len(second.Recent) != 1 ||
		second.Recent[0] != (contract.ChainLink{Sequence: first.Sequence, Digest: first.Digest}) {
		t.Errorf("the second result does not follow the first: %+v", second)
	}
	wantValidChain(t, db, second)
}
