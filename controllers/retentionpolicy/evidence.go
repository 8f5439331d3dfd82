package retentionpolicy

import (
	"context"
	"errors"
	"slices"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// countersign has the ledger take what the runs told, oldest first, and gives the
// results that don't contradict it.
func (r *Reconciler) countersign(
	ctx context.Context, s *scope, st *v1alpha1.RetentionPolicyStatus, runs observe.Runs,
) ([]contract.RetentionResult, error) {
	var taken []contract.RetentionResult
	for _, result := range slices.Backward(runs.Results) {
		if countersigned(st, result) {
			continue
		}
		given, err := r.Ledger.Append(ctx, s.in.Tenant, ledger.OfRetention(result, runs.Rules[result.PolicyDigest]))
		var broken *ledger.BrokenError
		switch {
		case errors.As(err, &broken):
			s.facts.Broken = broken.Message
			continue
		case err != nil:
			return nil, err
		case newer(given, st.Evidence):
			st.Evidence = &given
		}
		taken = append(taken, result)
	}
	return taken, nil
}

// newer says that evidence was signed after what status shows; by its sequence alone
// it can't be told, as that goes back with a restore.
func newer(given v1alpha1.Evidence, shown *v1alpha1.Evidence) bool {
	if shown == nil || given.SignedAt.After(shown.SignedAt.Time) {
		return given.Sequence > 0
	}
	return given.SignedAt.Equal(&shown.SignedAt) && given.Sequence > shown.Sequence
}

// countersigned says that status shows a result, and that the ledger took it.
func countersigned(st *v1alpha1.RetentionPolicyStatus, result contract.RetentionResult) bool {
	return st.Evidence != nil && result.Sequence <= st.Evidence.Sequence &&
		slices.ContainsFunc(st.Runs, func(known v1alpha1.RetentionRun) bool {
			return known.Sequence == result.Sequence && known.Digest == result.Digest
		})
}
