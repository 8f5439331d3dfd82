package retention_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// newest reads the newest receipt.
func newest(t testing.TB, db *pgxpool.Pool) evidence.Receipt {
	t.Helper()
	r, err := evidence.Decode([]byte(ask[string](t, db, "SELECT body FROM sb.receipt ORDER BY sequence DESC LIMIT 1")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestATypoIsStoppedAndGoesOnWhenItsPlanIsApproved: three years became three days.
func TestATypoIsStoppedAndGoesOnWhenItsPlanIsApproved(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 3})
	policy.MaxPercent = 50
	fill(t, db, 1000, 1000)

	blocked := run(t, d, policy)
	if blocked.Outcome != contract.OutcomeBlocked || blocked.Plan == nil {
		t.Fatalf("the run is %q with plan %v, want it to be blocked with one", blocked.Outcome, blocked.Plan)
	}
	if n := count(t, db)[contract.CategoryContacts]; n != 1000 {
		t.Fatalf("%d of 1000 contacts are left after a run that was stopped", n)
	}
	c, planned := category(t, blocked, contract.CategoryContacts), blocked.Plan.Categories[0]
	if c.Deleted != 0 || c.Overdue == nil || *c.Overdue != planned.Expired || planned.Expired < 990 || planned.Total != 1000 {
		t.Errorf("the result says %+v, the plan %+v", c, planned)
	}
	if r := newest(t, db); r.Outcome != contract.OutcomeBlocked || r.PlanDigest != blocked.Plan.Digest {
		t.Errorf("the receipt says %q, plan %s", r.Outcome, r.PlanDigest)
	}
	if n := ask[int64](t, d.Serve(t), "SELECT count(*) FROM sb.contact"); n > 10 {
		t.Errorf("%d expired contacts can still be read: the guard stops deletion, not expiry", n)
	}

	t.Run("another digest approves nothing", func(t *testing.T) {
		other := policy
		other.ApprovedPlan = strings.Repeat("a", 64)
		if again := run(t, d, other); again.Outcome != contract.OutcomeBlocked {
			t.Errorf("the run is %q", again.Outcome)
		}
	})
	t.Run("what the plan did not count is not approved", func(t *testing.T) {
		execSQL(t, db, "INSERT INTO sb.contact (id, last_seen_at) SELECT gen_random_uuid(), now() - interval '9 years' FROM generate_series(1, 2500)")
		approved := policy
		approved.ApprovedPlan = blocked.Plan.Digest
		if again := run(t, d, approved); again.Outcome != contract.OutcomeBlocked {
			t.Errorf("the run is %q, with 2500 rows more than were approved", again.Outcome)
		}
		execSQL(t, db, "DELETE FROM sb.contact WHERE last_seen_at < now() - interval '8 years'")
	})
	approved := policy
	approved.ApprovedPlan = blocked.Plan.Digest
	done := run(t, d, approved)
	if done.Outcome != contract.OutcomeEnforced || category(t, done, contract.CategoryContacts).Deleted < 990 {
		t.Fatalf("the approved run: %+v", done)
	}
	if r := newest(t, db); r.PlanDigest != blocked.Plan.Digest {
		t.Errorf("the receipt names plan %q, want the approved one", r.PlanDigest)
	}
	t.Run("an approval counts once", func(t *testing.T) {
		execSQL(t, db, "INSERT INTO sb.contact (id, last_seen_at) SELECT gen_random_uuid(), now() - interval '1 year' FROM generate_series(1, 500)")
		if again := run(t, d, approved); again.Outcome != contract.OutcomeBlocked {
			t.Errorf("the run is %q", again.Outcome)
		}
	})
}

// TestAnEstimateNeverLetsARunPass: the planner thinks that the table is a hundred
// times as large as it is.
func TestAnEstimateNeverLetsARunPass(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 600})
	policy.MaxPercent = 50
	fill(t, db, 1000, 1000)
	if r := run(t, d, policy); r.Outcome != contract.OutcomeEnforced || r.Plan == nil || category(t, r, contract.CategoryContacts).Deleted < 390 {
		t.Fatalf("the first run of these rules: %+v, want it enforced and planned", r)
	}
	if r := run(t, d, policy); r.Outcome != contract.OutcomeEnforced || r.Plan != nil {
		t.Fatalf("the second run of these rules: %+v, want it enforced and not planned", r)
	}
	execSQL(t, db, "VACUUM ANALYZE sb.contact")
	execSQL(t, db, "UPDATE sb.contact SET last_seen_at = now() - interval '700 days' WHERE id IN (SELECT id FROM sb.contact LIMIT 350)")
	execSQL(t, db, "UPDATE pg_class SET reltuples = 1000 WHERE oid = 'sb.contact'::regclass")
	if r := run(t, d, policy); r.Outcome != contract.OutcomeBlocked || r.Plan.Categories[0].Total > 620 {
		t.Errorf("350 of 600 are %q, plan %+v", r.Outcome, r.Plan)
	}
}

// TestADryRunPlansAndTouchesNothing: neither rows nor what can be read of them.
func TestADryRunPlansAndTouchesNothing(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	policy.Mode = contract.ModeDryRun
	execSQL(t, db, "UPDATE sb.retention_limit SET enforced = false")
	fill(t, db, 1000, 400)
	before := count(t, db)
	result := run(t, d, policy)
	if result.Outcome != contract.OutcomeDryRun || result.Plan == nil {
		t.Fatalf("the run is %q", result.Outcome)
	}
	for _, c := range result.Plan.Categories {
		q := countQuery[c.Category]
		if n := ask[int64](t, db, "SELECT count(*) FROM "+q.table+" WHERE "+q.mark+" <= $1", c.Cutoff); n != c.Expired || n == 0 || c.Total != before[c.Category] {
			t.Errorf("%s: the plan says %+v, there are %d of %d", c.Category, c, n, before[c.Category])
		}
	}
	for name, n := range count(t, db) {
		if n != before[name] {
			t.Errorf("%s: %d of %d rows are left after a dry run", name, n, before[name])
		}
	}
	if cutoff := ask[bool](t, db, "SELECT sb.cutoff('Messages') = '-infinity'"); !cutoff {
		t.Error("a policy that only plans makes messages unreadable")
	}
	wantValidChain(t, db, result)
}

// TestARunByAWrongClockIsRefused: of the database or of the node, nobody can tell.
func TestARunByAWrongClockIsRefused(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	fill(t, db, 100, 100)
	for _, skew := range []time.Duration{6 * time.Minute, -6 * time.Minute, 24 * time.Hour} {
		_, err := retention.Run(context.Background(), d.Retain(t), policy, tenant, retention.Options{Now: func() time.Time { return time.Now().Add(skew) }})
		if err == nil || !strings.Contains(err.Error(), "clocks") {
			t.Errorf("clocks that differ by %s: %v", skew, err)
		}
	}
	if n := count(t, db)[contract.CategoryContacts]; n != 100 {
		t.Errorf("%d of 100 contacts are left", n)
	}
	if _, err := retention.Run(context.Background(), d.Retain(t), policy, tenant, retention.Options{Now: func() time.Time { return time.Now().Add(4 * time.Minute) }}); err != nil {
		t.Errorf("clocks that differ by 4 minutes: %v", err)
	}
}

// TestEstimatesStandWhereNoCountCouldStopTheRun: the database believes in more rows than there are.
func TestEstimatesStandWhereNoCountCouldStopTheRun(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryMessages: 90})
	fillMessages(t, db, 4000, 400)
	execSQL(t, db, `DO $$ DECLARE part regclass; BEGIN
		FOR part IN SELECT q.part FROM sb.retention_partitions('message_body') q LOOP
			EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', part); -- it would know better
		END LOOP; END $$`)
	execSQL(t, db, "ANALYZE")
	execSQL(t, db, "DELETE FROM sb.message_body WHERE at < now() - interval '300 days'")
	const question = "SELECT count(*) FROM sb.message_body WHERE at <= now() - interval '90 days'"

	guarded := policy
	guarded.MaxPercent = 50
	blocked, expired := run(t, d, guarded), ask[int64](t, db, question)
	if blocked.Outcome != contract.OutcomeBlocked || blocked.Plan.Estimated {
		t.Fatalf("the run is %q, its plan %+v: what waits for approval is counted", blocked.Outcome, blocked.Plan)
	}
	if planned := planOf(t, blocked, contract.CategoryMessages); planned.Expired != expired || planned.Total != ask[int64](t, db, "SELECT count(*) FROM sb.message_body") {
		t.Errorf("the plan has %+v, %d rows have expired", planned, expired)
	}

	policy.MaxPercent = 100
	done := run(t, d, policy)
	if done.Outcome != contract.OutcomeEnforced || done.Plan == nil || !done.Plan.Estimated {
		t.Fatalf("the run is %q, its plan %+v: nothing could have stopped it", done.Outcome, done.Plan)
	}
	if planned := planOf(t, done, contract.CategoryMessages); planned.Expired <= expired {
		t.Errorf("the plan has %d, and the estimates are higher than the %d that have expired", planned.Expired, expired)
	}
	if deleted := category(t, done, contract.CategoryMessages).Deleted; deleted != expired {
		t.Errorf("the receipt tells of %d rows, %d had expired", deleted, expired)
	}
	if left := ask[int64](t, db, question); left != 0 {
		t.Errorf("%d expired rows are left", left)
	}
}

func planOf(t testing.TB, result contract.RetentionResult, name string) contract.PlannedCategory {
	t.Helper()
	for _, c := range result.Plan.Categories {
		if c.Category == name {
			return c
		}
	}
	t.Fatalf("the plan does not name %s", name)
	return contract.PlannedCategory{}
}
