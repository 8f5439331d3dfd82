package retention_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// changed gives the policy with another number of days for every rule.
func changed(p contract.Retention, days int32) contract.Retention {
	p.Rules = append([]contract.RetentionRule(nil), p.Rules...)
	for i := range p.Rules {
		p.Rules[i].RetainDays = days
	}
	p.Generation++
	p.Digest = contract.Digest(p.Rules)
	return p
}

// inForce replaces the limits as `instance migrate` does.
const inForce = `WITH gone AS (DELETE FROM sb.retention_limit) INSERT INTO sb.retention_limit (policy, category, retain_days, generation, digest)
	SELECT 'test', c, $1, $2, $3 FROM unnest($4::text[]) c ON CONFLICT (policy, category) DO UPDATE
	SET retain_days = excluded.retain_days, generation = excluded.generation, digest = excluded.digest`

func categoriesOf(p contract.Retention) (names []string) {
	for _, r := range p.Rules {
		names = append(names, r.Category)
	}
	return names
}

func TestRulesNotInForceDeleteNothing(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	fill(t, db, 500, 300)
	before := count(t, db)
	_, err := retention.Run(context.Background(), d.Retain(t), changed(policy, 10), tenant, retention.Options{PolicyWait: 50 * time.Millisecond})
	if !errors.Is(err, retention.ErrNotInForce) || !strings.Contains(err.Error(), "nothing was deleted") {
		t.Errorf("the run ended with: %v", err)
	}
	for name, n := range count(t, db) {
		if n != before[name] {
			t.Errorf("%s: %d rows are left of %d", name, n, before[name])
		}
	}
	if n := len(receipts(t, db)) + int(ask[int64](t, db, "SELECT count(*) FROM sb.retention_run")); n != 0 {
		t.Errorf("%d receipts and open runs, want none", n)
	}
}

func TestARunWaitsForItsRules(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, allLimits)
	fill(t, db, 500, 300)
	shadow(t, db)
	next := changed(policy, 60)
	results := make(chan contract.RetentionResult, 1)
	go func() {
		result, err := retention.Run(context.Background(), d.Retain(t), next, tenant, retention.Options{PolicyWait: time.Minute})
		if err != nil {
			t.Errorf("the run ended with: %v", err)
		}
		results <- result
	}()
	until(t, "the run is waiting", func() bool {
		return ask[int64](t, db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") > 0
	})
	execSQL(t, db, inForce, 60, next.Generation, next.Digest, categoriesOf(next))
	result := <-results
	if result.Generation != next.Generation || result.PolicyDigest != next.Digest {
		t.Errorf("the result names generation %d, digest %s", result.Generation, result.PolicyDigest)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

// TestAPolicyChangedMeanwhileEndsTheRun: the rest of the run would enforce rules
// that nobody wants any more. The next run seals what the first had deleted.
func TestAPolicyChangedMeanwhileEndsTheRun(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 90, contract.CategoryAccessLogs: 90})
	fill(t, db, 2000, 300)
	shadow(t, db)
	// The run is stopped in the middle by a lock on the access log, which goes last.
	blocker, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback(ctx)
	if _, err := blocker.Exec(ctx, "LOCK TABLE sb.access_log IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := retention.Run(ctx, d.Retain(t), policy, tenant, retention.Options{Batch: 50})
		ended <- err
	}()
	until(t, "contacts are being deleted", func() bool {
		return ask[int64](t, db, "SELECT COALESCE(sum(deleted), 0)::bigint FROM sb.retention_progress WHERE kind = 'Contacts'") > 100
	})
	next := changed(policy, 200)
	execSQL(t, db, inForce, 200, next.Generation, next.Digest, categoriesOf(next))
	if err := blocker.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, retention.ErrNotInForce) {
		t.Fatalf("the run ended with: %v", err)
	}
	gone := ask[int64](t, db, `SELECT (SELECT count(*) FROM public."Contacts") - (SELECT count(*) FROM sb.contact)`)
	result := run(t, d, next)
	wantValidChain(t, db, result)
	chain := receipts(t, db)
	if len(chain) != 2 {
		t.Fatalf("%d receipts, want one for the run that was broken off and one for the next", len(chain))
	}
	first, err := evidence.Decode([]byte(chain[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	if !first.Interrupted || first.PolicyDigest != policy.Digest || first.Categories[1].Category != contract.CategoryContacts ||
		first.Categories[1].Deleted != gone || first.Categories[1].Overdue != nil {
		t.Errorf("%d contacts were gone, the interrupted run's receipt says %s", gone, chain[0].Body)
	}
}

// TestMigrateBesideARunDisturbsNothing: limits are put in force again and again, unchanged.
func TestMigrateBesideARunDisturbsNothing(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	policy := d.Limits(t, allLimits)
	fill(t, db, 1500, 400)
	shadow(t, db)
	migrated := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			tx, err := db.Begin(ctx)
			if err != nil {
				break
			}
			_, _ = tx.Exec(ctx, "CREATE TEMP TABLE l ON COMMIT DROP AS SELECT * FROM sb.retention_limit")
			_, _ = tx.Exec(ctx, "DELETE FROM sb.retention_limit")
			_, _ = tx.Exec(ctx, "INSERT INTO sb.retention_limit SELECT * FROM l")
			_ = tx.Commit(ctx)
		}
		migrated <- n
	}()
	result, err := retention.Run(context.Background(), d.Retain(t), policy, tenant, retention.Options{Batch: 25})
	cancel()
	if n := <-migrated; err != nil || n < 5 {
		t.Fatalf("beside %d migrations the run ended with: %v", n, err)
	}
	wantExactly(t, db, result, wantValidChain(t, db, result))
}

func TestBadPoliciesAreRefused(t *testing.T) {
	rule := func(category string, days int32) contract.RetentionRule {
		return contract.RetentionRule{Category: category, RetainDays: days, Action: contract.ActionDelete}
	}
	anonymize := rule(contract.CategoryContacts, 30)
	anonymize.Action = "Anonymize"
	for _, tc := range []struct {
		name, tenant, policy string
		rules                []contract.RetentionRule
		digest, want         string
	}{
		{"no tenant", "", "p", []contract.RetentionRule{rule("Contacts", 1)}, "", contract.EnvTenant},
		{"no policy", tenant, "", []contract.RetentionRule{rule("Contacts", 1)}, "", contract.EnvRetention},
		{"no rules", tenant, "p", nil, "", "one rule at least"},
		{"an unknown category", tenant, "p", []contract.RetentionRule{rule("Bookings", 1)}, "", "Bookings"},
		{"zero days", tenant, "p", []contract.RetentionRule{rule("Contacts", 0)}, "", "must be from 1 to 36500"},
		{"negative days", tenant, "p", []contract.RetentionRule{rule("Contacts", -1)}, "", "must be from 1 to 36500"},
		{"a category twice", tenant, "p", []contract.RetentionRule{rule("Contacts", 1), rule("Contacts", 2)}, "", "at most once"},
		{"not sorted", tenant, "p", []contract.RetentionRule{rule("Contacts", 1), rule("AccessLogs", 2)}, "", "sorted"},
		{"an action not known", tenant, "p", []contract.RetentionRule{anonymize}, "", "Anonymize"},
		{"another digest", tenant, "p", []contract.RetentionRule{rule("Contacts", 1)}, "beef", "digest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := contract.Retention{Policy: tc.policy, Generation: 1, Rules: tc.rules, Digest: tc.digest, Mode: contract.ModeEnforce, MaxPercent: 50}
			if p.Digest == "" {
				p.Digest = contract.Digest(p.Rules)
			}
			// No pool: a policy that is refused never reaches the database.
			if _, err := retention.Run(context.Background(), nil, p, tc.tenant, retention.Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
