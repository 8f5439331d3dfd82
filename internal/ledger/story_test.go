package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestFromARunToAnAudit lets real runs delete in a real database, countersigns what
// they tell, and then lets the database's owner forge all of it.
func TestFromARunToAnAudit(t *testing.T) {
	w, d := newWorld(t), pgtest.New(t)
	db, policy := d.Admin(t), d.Limits(t, map[string]int32{contract.CategoryMessages: 90, contract.CategoryAccessLogs: 30})
	run := func() ledger.Head {
		t.Helper()
		result, err := retention.Run(t.Context(), d.Retain(t), policy, tenant().Name, retention.Options{Batch: 100})
		if err != nil {
			t.Fatal(err)
		}
		message, err := contract.Result{Retention: &result}.Encode() // as the pod tells it
		if err != nil {
			t.Fatal(err)
		}
		told, err := contract.DecodeResult(string(message))
		if err != nil {
			t.Fatal(err)
		}
		return ledger.OfRetention(*told.Retention, policy.Rules)
	}
	for range 3 {
		if _, err := w.Append(t.Context(), tenant(), run()); err != nil {
			t.Fatal(err)
		}
	}
	run() // its pod is lost
	if e, err := w.Append(t.Context(), tenant(), run()); err != nil || e.Sequence != 5 {
		t.Fatalf("%+v, %v", e, err)
	}
	if report := w.audit(db); !report.OK || len(report.Findings) > 0 || report.Receipts != 5 || report.Statements != 4 {
		t.Fatalf("before anyone forged anything: %+v", report)
	}

	forge(t, db)
	report := w.audit(db)
	if codes := codesOf(report); report.OK || !slices.Equal(codes, []evidence.Code{evidence.Resealed}) || !strings.HasPrefix(report.Findings[0].Sentence, "Receipts 1 to 5 ") {
		t.Errorf("after the database's owner forged the chain: %+v", report)
	}
	var broken *ledger.BrokenError
	if _, err := w.Append(t.Context(), tenant(), run()); !errors.As(err, &broken) {
		t.Errorf("a run on the forged chain was countersigned: %v", err)
	}
}

// audit reads the receipts as the plugin does, by their lines.
func (w *world) audit(db *pgxpool.Pool) audit.Report {
	w.Helper()
	keys, err := w.Keeper.Public(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	e := audit.Evidence{Tenant: tenant().Name, Keys: keys, Receipts: func(add func(evidence.Sealed) error) error {
		for _, s := range stored(w.T, db) {
			if err := add(s); err != nil {
				return err
			}
		}
		return nil
	}}
	for _, book := range w.books() {
		for key, envelope := range book.Data {
			e.Entries = append(e.Entries, audit.Entry{Ledger: book.Name, Key: key, Envelope: envelope})
		}
	}
	audit.Sort(e.Entries, func(string) (year, part int) { return 0, 0 }) // there is one
	report, err := audit.Verify(w.Context(), e)
	if err != nil {
		w.Fatal(err)
	}
	return report
}

func codesOf(r audit.Report) (codes []evidence.Code) {
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}

func stored(t *testing.T, db *pgxpool.Pool) []evidence.Sealed {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT sequence, body, previous, digest FROM sb.receipt ORDER BY sequence")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var chain []evidence.Sealed
	for rows.Next() {
		var s evidence.Sealed
		if err := rows.Scan(&s.Sequence, &s.Body, &s.Previous, &s.Digest); err != nil {
			t.Fatal(err)
		}
		chain = append(chain, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return chain
}

// forge writes the whole chain anew, sound in itself, as the database's owner can.
func forge(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	var head contract.ChainLink
	exec(t, db, "ALTER TABLE sb.receipt DISABLE TRIGGER USER")
	for _, s := range stored(t, db) {
		r, err := evidence.Decode([]byte(s.Body))
		if err != nil {
			t.Fatal(err)
		}
		r.Followed = append(r.Followed, evidence.Followed{Kind: "Forged", Deleted: 1})
		forged, err := evidence.Seal(r, head)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "UPDATE sb.receipt SET body = $2, previous = $3, digest = $4 WHERE sequence = $1", forged.Sequence, forged.Body, forged.Previous, forged.Digest)
		head = contract.ChainLink{Sequence: forged.Sequence, Digest: forged.Digest}
	}
	exec(t, db, "ALTER TABLE sb.receipt ENABLE TRIGGER USER")
}

func exec(t *testing.T, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatal(fmt.Errorf("executing %q: %w", statement, err))
	}
}
