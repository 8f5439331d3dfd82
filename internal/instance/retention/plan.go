package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// maxSkew is how far the clocks of the database and of this machine may be apart. By
// a clock that is wrong, what must be kept may look expired.
const maxSkew = 5 * time.Minute

// compareClocks refuses to run by a clock that nobody can trust.
func (r *run) compareClocks(ctx context.Context) error {
	before := r.Now()
	var database time.Time
	if err := r.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&database); err != nil {
		return err
	}
	here := before.Add(r.Now().Sub(before) / 2)
	if skew := database.Sub(here).Abs(); skew > maxSkew {
		return fmt.Errorf("the clocks of the database and of this node differ by %s, at most %s are allowed; nothing was deleted; set the clocks right (is NTP running on the nodes?)",
			skew.Round(time.Second), maxSkew)
	}
	return nil
}

// plan counts what has expired, and decides whether the run may delete it.
func (r *run) plan(ctx context.Context) error {
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		changed, err := r.changed(ctx, tx)
		if err != nil {
			return err
		}
		approved, err := r.approved(ctx, tx)
		if err != nil {
			return err
		}
		if r.policy.Mode != contract.ModeDryRun && r.policy.MaxPercent >= 100 && (approved != nil || !changed) {
			// No count could stop the run, and nobody is told of one.
			r.outcome, r.planned = contract.OutcomeEnforced, approved
			return nil
		}
		plan, err := r.survey(ctx, tx, r.policy.Mode == contract.ModeDryRun)
		if err != nil {
			return err
		}
		over := r.overLimit(plan, approved)
		switch {
		case r.policy.Mode == contract.ModeDryRun:
			r.outcome = contract.OutcomeDryRun
		case over != "":
			r.Log.Warn("the guard stops the run", "policy", r.policy.Policy, "category", over, "max_percent", r.policy.MaxPercent)
			r.outcome = contract.OutcomeBlocked
			if plan, err = r.survey(ctx, tx, true); err != nil {
				return err
			}
		default:
			r.outcome = contract.OutcomeEnforced
			if approved != nil || !changed {
				r.planned = approved
				return nil
			}
		}
		if err := r.writeDown(ctx, tx, plan); err != nil {
			return err
		}
		return r.flushLater(ctx, tx)
	})
}

// changed tells whether the newest run of the policy that deleted had other rules.
func (r *run) changed(ctx context.Context, tx pgx.Tx) (bool, error) {
	var changed bool
	err := tx.QueryRow(ctx, `SELECT COALESCE((
			SELECT body::jsonb ->> 'policyDigest' IS DISTINCT FROM $2 OR body::jsonb ? 'interrupted' FROM sb.receipt
			WHERE policy = $1 AND body::jsonb ->> 'outcome' = 'Enforced' ORDER BY sequence DESC LIMIT 1), true)`,
		r.policy.Policy, r.policy.Digest).Scan(&changed)
	return changed, err
}

// survey counts what the run would find. Unless exact, estimates stand where none could
// let the run pass that a count would stop: for totals, of which even half would do, so that a daily run
// need not count years of rows; and for what is expired of months where the guard lets everything pass.
func (r *run) survey(ctx context.Context, tx pgx.Tx, exact bool) (*contract.Plan, error) {
	plan := &contract.Plan{PolicyDigest: r.policy.Digest, Estimated: !exact}
	rows, _ := tx.Query(ctx, `SELECT kind, cutoff, now() FROM sb.retention_progress WHERE policy = $1 AND ruled ORDER BY kind COLLATE "C"`, r.policy.Policy)
	var err error
	plan.Categories, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c contract.PlannedCategory, err error) {
		err = row.Scan(&c.Category, &c.Cutoff, &plan.PlannedAt)
		return c, err
	})
	if err != nil {
		return nil, err
	}
	for i := range plan.Categories {
		c := &plan.Categories[i]
		count := func(expired, total bool) error {
			err := tx.QueryRow(ctx, "SELECT expired, held, total FROM sb.retention_survey($1, $2, $3, $4)", r.policy.Policy, c.Category, expired, total).
				Scan(&c.Expired, &c.HeldBack, &c.Total)
			c.Expired -= c.HeldBack
			return err
		}
		if err := count(exact || r.policy.MaxPercent < 100, exact); err != nil {
			return nil, fmt.Errorf("counting %s: %w", c.Category, err)
		}
		if !exact && exceeds(c.Expired, c.Total/2, r.policy.MaxPercent) {
			if err := count(true, true); err != nil {
				return nil, fmt.Errorf("counting %s: %w", c.Category, err)
			}
		}
	}
	return plan, nil
}

// approved gives the plan that the policy approves, nil when there is none. A plan
// counts until a run has deleted since, and only for the rules that it was made for.
func (r *run) approved(ctx context.Context, tx pgx.Tx) (*contract.Plan, error) {
	if r.policy.ApprovedPlan == "" {
		return nil, nil
	}
	rows, _ := tx.Query(ctx, `SELECT body FROM sb.retention_plan WHERE policy = $1 AND digest = $2 AND executed_at IS NULL`,
		r.policy.Policy, r.policy.ApprovedPlan)
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(bodies) == 0 {
		return nil, err
	}
	plan := &contract.Plan{}
	if err := json.Unmarshal([]byte(bodies[0]), plan); err != nil {
		return nil, fmt.Errorf("reading the approved plan: %w", err)
	}
	if plan.PolicyDigest != r.policy.Digest {
		return nil, nil
	}
	plan.Digest = r.policy.ApprovedPlan
	return plan, nil
}

// overLimit names the first category of which more would go than the guard lets pass
// and the approved plan, if any, counted.
func (r *run) overLimit(plan, approved *contract.Plan) string {
	for _, c := range plan.Categories {
		beyond := c.Expired
		if approved != nil {
			for _, a := range approved.Categories {
				if a.Category == c.Category {
					beyond -= a.Expired
				}
			}
		}
		if exceeds(beyond, c.Total, r.policy.MaxPercent) {
			return c.Category
		}
	}
	return ""
}

// exceeds: no part exceeds all of the total, whatever an estimate says.
func exceeds(part, total int64, percent int32) bool {
	return percent < 100 && part > 0 && part*100 > total*int64(percent)
}

// writeDown stores the plan, so that it can be approved.
func (r *run) writeDown(ctx context.Context, tx pgx.Tx, plan *contract.Plan) error {
	plan.PlannedAt = plan.PlannedAt.UTC()
	for i := range plan.Categories {
		plan.Categories[i].Cutoff = plan.Categories[i].Cutoff.UTC()
	}
	body, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("encoding the plan: %w", err)
	}
	if err := tx.QueryRow(ctx, "SELECT sb.retention_planned($1, $2)", r.policy.Policy, string(body)).Scan(&plan.Digest); err != nil {
		return fmt.Errorf("writing the plan down: %w", err)
	}
	r.planned = plan
	return nil
}
