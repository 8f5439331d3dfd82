package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestTheRoleReadsNoWordAndDeletesNothingByItself lists every right of sb_retain.
func TestTheRoleReadsNoWordAndDeletesNothingByItself(t *testing.T) {
	d := pgtest.New(t)
	rows, err := d.Admin(t).Query(context.Background(), `
		SELECT c.relname || ' ' || p FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
		AND CASE WHEN c.relkind = 'S' THEN p IN ('SELECT', 'UPDATE') AND has_sequence_privilege('sb_retain', c.oid, CASE WHEN p = 'UPDATE' THEN 'USAGE' ELSE p END)
		         WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege('sb_retain', c.oid, p)
		         ELSE has_table_privilege('sb_retain', c.oid, p) END
		UNION ALL
		SELECT p.proname || ' EXECUTE' FROM pg_proc p WHERE p.pronamespace = 'sb'::regnamespace AND p.prosecdef AND has_function_privilege('sb_retain', p.oid, 'EXECUTE')
		UNION ALL
		SELECT 'member of ' || r.rolname FROM pg_roles r WHERE r.rolname <> 'sb_retain' AND pg_has_role('sb_retain', r.oid, 'MEMBER')
		UNION ALL
		SELECT 'owner of ' || c.relname FROM pg_class c WHERE c.relowner = 'sb_retain'::regrole
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"archive_purge EXECUTE", "behind EXECUTE", "cutoff EXECUTE", "ensure_partition EXECUTE",
		"objects_compare EXECUTE",
		"receipt SELECT", "receipt_lock EXECUTE",
		"removals_add EXECUTE", "removals_done EXECUTE", "removals_next EXECUTE", "removals_pending EXECUTE",
		"retention_delete EXECUTE", "retention_drop EXECUTE", "retention_files EXECUTE", "retention_kept SELECT", "retention_left EXECUTE",
		"retention_limit SELECT", "retention_months EXECUTE",
		"retention_open EXECUTE", "retention_plan SELECT", "retention_planned EXECUTE",
		"retention_progress SELECT", "retention_run SELECT",
		"retention_seal EXECUTE", "retention_survey EXECUTE", "retention_total EXECUTE",
	}
	if !slices.Equal(got, want) {
		t.Errorf("sb_retain may\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOthersCannotDeleteBySchedule(t *testing.T) {
	d := pgtest.New(t)
	for _, role := range []string{"sb_serve", "sb_connector", contract.GroupRole(contract.ComponentConnector(pgtest.Channel)), "public"} {
		names := ask[[]string](t, d.Admin(t), `SELECT COALESCE(array_agg(proname::text), '{}') FROM pg_proc
			WHERE pronamespace = 'sb'::regnamespace AND proname LIKE 'retention\_%' AND prosecdef AND has_function_privilege($1, oid, 'EXECUTE')`, role)
		if len(names) > 0 {
			t.Errorf("%s may execute %v", role, names)
		}
	}
}

// TestReceiptsAreAppendOnly: neither who writes nor who reads them can change one.
func TestReceiptsAreAppendOnly(t *testing.T) {
	d := pgtest.New(t)
	policy := d.Limits(t, allLimits)
	run(t, d, policy)
	for name, pool := range map[string]interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	}{"retain": d.Retain(t), "serve": d.Serve(t), "connector": d.Connector(t, pgtest.Channel)} {
		for _, statement := range []string{
			"UPDATE sb.receipt SET body = ''", "DELETE FROM sb.receipt", "TRUNCATE sb.receipt",
			"INSERT INTO sb.receipt (sequence, policy, body, previous, digest) VALUES (2, '', '', '', '')",
			"SELECT body FROM sb.message_body WHERE false",
		} {
			if name == "serve" && strings.HasPrefix(statement, "SELECT") {
				continue // staff read messages
			}
			_, err := pool.Exec(context.Background(), statement)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "42501" {
				t.Errorf("%s: %s: %v, want that it is not permitted", name, statement, err)
			}
		}
	}
}

// TestTheDatabaseRefusesAReceiptThatIsNotTrue: even the retain role can't seal what it likes.
func TestTheDatabaseRefusesAReceiptThatIsNotTrue(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	first := run(t, d, policy)
	fill(t, db, 100, 100)
	retain := d.Retain(t)
	execSQL(t, retain, "SELECT sb.retention_open($1, $2)", policy.Policy, policy.Digest)
	deleted := ask[int64](t, retain, "SELECT deleted FROM sb.retention_delete($1, ARRAY['Contacts'], 1000, true, NULL, NULL)", policy.Policy)
	if deleted < 50 {
		t.Fatalf("%d contacts deleted", deleted)
	}
	cutoff := ask[time.Time](t, retain, "SELECT cutoff FROM sb.retention_progress WHERE policy = $1 AND kind = 'Contacts'", policy.Policy)
	truth := evidence.Receipt{Kind: evidence.KindRetention, Outcome: contract.OutcomeEnforced, Tenant: tenant, Policy: policy.Policy, Generation: 1, PolicyDigest: policy.Digest,
		Categories: []contract.CategoryResult{{Category: contract.CategoryContacts, Cutoff: cutoff, Deleted: deleted}}}
	head := contract.ChainLink{Sequence: first.Sequence, Digest: first.Digest}
	for _, tc := range []struct {
		name string
		make func() evidence.Sealed
		want string
	}{
		{"fewer deleted", func() evidence.Sealed {
			r := truth
			r.Categories = []contract.CategoryResult{{Category: contract.CategoryContacts, Cutoff: cutoff, Deleted: deleted - 1}}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"another cutoff", func() evidence.Sealed {
			r := truth
			r.Categories = []contract.CategoryResult{{Category: contract.CategoryContacts, Cutoff: cutoff.Add(time.Second), Deleted: deleted}}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a read-back that was not made", func() evidence.Sealed {
			r := truth
			none := int64(0)
			r.Categories = []contract.CategoryResult{{Category: contract.CategoryContacts, Cutoff: cutoff, Deleted: deleted, Overdue: &none}}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a hold that is none", func() evidence.Sealed {
			r := truth
			r.Holds = []contract.HoldCount{{Hold: "case-1", Rows: 3}}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a category left out", func() evidence.Sealed {
			r := truth
			r.Categories = []contract.CategoryResult{}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a category more", func() evidence.Sealed {
			r := truth
			r.Categories = append(r.Categories[:1:1], contract.CategoryResult{Category: contract.CategoryMessages, Deleted: 5})
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"another policy", func() evidence.Sealed {
			r := truth
			r.Policy = "other"
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a number left out", func() evidence.Sealed {
			return sealed(t, truth, contract.ChainLink{Sequence: 7, Digest: head.Digest})
		}, "does not follow"},
		{"a new beginning", func() evidence.Sealed { return sealed(t, truth, contract.ChainLink{}) }, "does not follow"},
		{"without its number", func() evidence.Sealed {
			return rewritten(t, sealed(t, truth, head), fmt.Sprintf(`"sequence":%d,`, head.Sequence+1), "")
		}, "does not tell what was deleted"},
		{"without its policy", func() evidence.Sealed {
			return rewritten(t, sealed(t, truth, head), fmt.Sprintf(`"policy":%q,`, policy.Policy), "")
		}, "does not tell what was deleted"},
		{"a category told twice", func() evidence.Sealed {
			r := truth
			r.Categories = append(r.Categories[:1:1], r.Categories[0])
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"a category among what followed", func() evidence.Sealed {
			r := truth
			r.Categories = []contract.CategoryResult{}
			r.Followed = []evidence.Followed{{Kind: contract.CategoryContacts, Deleted: deleted}}
			return sealed(t, r, head)
		}, "does not tell what was deleted"},
		{"another digest", func() evidence.Sealed {
			s := sealed(t, truth, head)
			s.Digest = strings.Repeat("a", 64)
			return s
		}, "not that of its bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.make()
			_, err := retain.Exec(ctx, "SELECT sb.retention_seal($1, $2, $3, $4, $5)", policy.Policy, s.Sequence, s.Body, s.Previous, s.Digest)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want that it %s", err, tc.want)
			}
		})
	}
	if n := len(receipts(t, db)); n != 1 {
		t.Errorf("%d receipts, want the 1 that is true", n)
	}
	s := sealed(t, truth, head)
	execSQL(t, retain, "SELECT sb.retention_seal($1, $2, $3, $4, $5)", policy.Policy, s.Sequence, s.Body, s.Previous, s.Digest)
}

// rewritten changes a receipt's body and gives it the digest of the new one.
func rewritten(t testing.TB, s evidence.Sealed, from, to string) evidence.Sealed {
	t.Helper()
	body := strings.Replace(s.Body, from, to, 1)
	if body == s.Body {
		t.Fatalf("%s is not in the body %s", from, s.Body)
	}
	digest, err := evidence.Digest(s.Previous, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	s.Body, s.Digest = body, digest
	return s
}

func sealed(t testing.TB, r evidence.Receipt, head contract.ChainLink) evidence.Sealed {
	t.Helper()
	s, err := evidence.Seal(r, head)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhatCannotBeCountedIsNeverNone takes the read-back away from the role.
func TestWhatCannotBeCountedIsNeverNone(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, map[string]int32{contract.CategoryContacts: 30})
	fill(t, db, 100, 100)
	execSQL(t, db, "REVOKE EXECUTE ON FUNCTION sb.retention_left FROM sb_retain")
	result, err := retention.Run(context.Background(), d.Retain(t), policy, tenant, retention.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := category(t, result, contract.CategoryContacts)
	if c.Deleted == 0 || c.Overdue != nil || c.OldestLeft != nil {
		t.Errorf("the result says %+v, want rows deleted and nothing about what is left", c)
	}
	message, err := contract.Result{Retention: &result}.Encode()
	if err != nil || !strings.Contains(string(message), `"overdue":null`) {
		t.Errorf("the message is %s, %v; want overdue null in it", message, err)
	}
}
