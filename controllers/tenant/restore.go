package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// applyAnchor tells the pods what the database is known to have held.
func (r *Reconciler) applyAnchor(ctx context.Context, s *scope) error {
	anchor, err := r.Ledger.Anchor(ctx, s.tenant)
	if err != nil {
		return err
	}
	s.in.Epoch = anchor.Epoch
	if known, ok := r.Journal.Known(s.tenant.UID); ok && known.Anchor.Epoch == anchor.Epoch {
		s.database = &known.State
		if known.State.Lacks {
			s.in.Epoch++ // holds and logins are brought about anew, then what has happened since
		}
	}
	return r.Applier.Apply(ctx, plan.Anchor(s.in, anchor))
}

// replay brings a database that was put back up to what is known of it. Until then its
// components keep away from it by themselves.
func (r *Reconciler) replay(ctx context.Context, s *scope) error {
	switch {
	case s.database == nil: // nobody has answered yet: it is as it was
		s.facts.Current = meta.IsStatusConditionTrue(s.tenant.Status.Conditions, v1alpha1.ConditionDatabaseCurrent)
		return nil
	case s.database.Lacks:
		return r.carryOutAgain(ctx, s)
	case s.database.Behind:
		return r.runPolicies(ctx, s)
	default:
		s.facts.Current = true
		return r.Applier.Prune(ctx, s.in.Namespace(), plan.ReplayLabels(s.tenant.Name), nil, &batchv1.JobList{}, &corev1.ConfigMapList{})
	}
}

func (r *Reconciler) carryOutAgain(ctx context.Context, s *scope) error {
	input, err := r.replayInput(ctx, s)
	if err != nil {
		return err
	}
	objects, err := plan.Replay(s.in, input)
	if err != nil {
		return &step.Stall{Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonReplaying, Message: err.Error()}
	}
	job, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(objects[1]))
	if err != nil {
		return err
	}
	wait := &step.Wait{Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonReplaying, Message: fmt.Sprintf(
		"an older database was put back, which ends with receipt %d of %d: Job %s carries out again what has happened since, and nothing is served before",
		s.database.Head.Sequence, input.Anchor.Head.Sequence, objects[1].GetName())}
	switch {
	case job.Job == nil:
		for _, o := range objects {
			// Created, not applied: what is replayed is what was known then.
			if err := r.Client.Create(ctx, o, client.FieldOwner(apply.FieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("making %s: %w", o.GetName(), err)
			}
		}
		return wait
	case job.Done && job.Result.Replay != nil:
		return r.takeReplay(ctx, s, *job.Result.Replay)
	case job.Failed || job.Done:
		if age := r.Now().Sub(failedAt(job.Job)); age < setupRetry {
			wait.After, wait.Message = setupRetry-age, "replaying failed and is made again every minute: "+orNothing(job.Result.Error)
			return wait
		}
		if err := r.Applier.Prune(ctx, s.in.Namespace(), plan.ReplayLabels(s.tenant.Name), nil, &batchv1.JobList{}, &corev1.ConfigMapList{}); err != nil {
			return err
		}
		wait.Message = "replaying is made again"
	case job.Result.Error != "":
		wait.Message += "; it tries again after: " + job.Result.Error
	}
	return wait
}

// replayInput gathers what has happened since the database's head.
func (r *Reconciler) replayInput(ctx context.Context, s *scope) (contract.Replay, error) {
	var input contract.Replay
	var err error
	if input.Anchor, err = r.Ledger.Anchor(ctx, s.tenant); err != nil {
		return input, err
	}
	statements, joins, err := r.Ledger.Since(ctx, s.tenant, s.database.Head)
	if err != nil {
		return input, err
	}
	if !joins {
		return input, &step.Stall{Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonEvidenceBroken, Message: fmt.Sprintf(
			"the database that was put back ends with another receipt %d than was countersigned: it is not a backup of this tenant; put back one that is",
			s.database.Head.Sequence)}
	}
	for _, receipt := range statements {
		switch {
		case receipt.Kind != evidence.KindRequest || len(receipt.Subjects) == 0 && receipt.RequestType == contract.RequestAccess:
		case len(receipt.Subjects) == 0:
			input.Again++
		default:
			input.Requests = append(input.Requests, contract.ReplayRequest{
				UID: receipt.Request, Type: receipt.RequestType, At: receipt.FinishedAt, Subjects: receipt.Subjects,
			})
		}
	}
	input.Consents, err = r.Ledger.ConsentsAfter(ctx, s.tenant, s.database.Consent)
	return input, err
}

// takeReplay countersigns the receipt of a replay and shows it in status.
func (r *Reconciler) takeReplay(ctx context.Context, s *scope, result contract.ReplayResult) error {
	_, err := r.Ledger.Append(ctx, s.tenant, ledger.OfReplay(result))
	var broken *ledger.BrokenError
	if errors.As(err, &broken) {
		return &step.Stall{Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonEvidenceBroken, Message: broken.Message}
	}
	if err != nil {
		return err
	}
	s.restored = &v1alpha1.Restored{
		Epoch: result.Epoch, Sequence: result.Sequence, Digest: result.Digest, FinishedAt: metav1.NewTime(result.FinishedAt),
		FoundSequence: result.Found.Sequence, KnownSequence: result.Known.Sequence,
		Erasures: result.Erasures, ErasedRows: result.Erased, HeldRows: result.Refused, OptOuts: result.OptOuts,
		Consents: result.Consents, Holds: int32(len(s.facts.Setup.Holds)), RequestsToRepeat: result.Again, //nolint:gosec // few
		SessionsEnded: result.Sessions, MessagesUnknown: result.Unknown,
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonReplaying,
		Message: "erasures and opt-outs were carried out again; every policy runs before anything is served",
	}
}

// runPolicies gives every policy one run: the database lets nobody else in before.
func (r *Reconciler) runPolicies(ctx context.Context, s *scope) error {
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.in.Namespace())); err != nil {
		return err
	}
	var names []string
	for i := range policies.Items {
		made, err := r.runOnce(ctx, &policies.Items[i], plan.RestoreRun(s.in.Epoch))
		if err != nil {
			return err
		}
		if made {
			names = append(names, policies.Items[i].Name)
		}
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionDatabaseCurrent, Reason: v1alpha1.ReasonReplaying,
		Message: "erasures and opt-outs were carried out again; before anything is served, these policies run: " + strings.Join(names, ", "),
	}
}
