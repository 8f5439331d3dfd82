// Package legalhold reconciles LegalHolds: they are put in force by the migration of
// the tenant whose namespace they stand in; here is told whether they are, and what
// they keep.
package legalhold

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=legalholds;retentionpolicies;tenants;regions,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=legalholds/status,verbs=patch

// Reconciler tells of LegalHolds.
type Reconciler struct {
	Client   client.Client
	Jobs     observe.Jobs
	Recorder events.EventRecorder
	Status   *status.Writer
	Now      func() time.Time
	Regions  served.Regions
}

type scope struct {
	hold   *v1alpha1.LegalHold
	tenant *v1alpha1.Tenant
	mark   string // of the hold as it is asked for
	known  observe.Setup
	facts  judge.LegalHoldFacts
}

// Reconcile is one pass over one LegalHold. One that is being deleted needs nothing:
// the tenant's next migration is without it.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	h := &v1alpha1.LegalHold{}
	if err := r.Client.Get(ctx, req.NamespacedName, h); err != nil || !h.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &scope{hold: h}
	return r.report(ctx, s, step.Run(ctx, r.steps(s)))
}

func (r *Reconciler) steps(s *scope) []step.Step {
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	return []step.Step{
		{Name: "see whether the region is served", Do: func(ctx context.Context) error { return r.Regions.Check(ctx, r.Client, s.hold.Namespace) }},
		{Name: "find the tenant", Do: with(r.loadTenant)},
		{Name: "look at the clock", Do: with(r.checkTime)},
		{Name: "check who is named", Do: with(r.checkSubject)},
		{Name: "see whether it is in force", Do: with(r.checkForce)},
	}
}

func (r *Reconciler) loadTenant(ctx context.Context, s *scope) error {
	tenant, _, err := observe.TenantOf(ctx, r.Client, s.hold.Namespace)
	if err != nil {
		return err
	}
	if tenant == nil {
		return step.NoTenant(s.hold.Namespace)
	}
	s.tenant = tenant
	s.known, err = r.Jobs.Setup(ctx, tenant, s.hold.Namespace, "")
	return err
}

func (r *Reconciler) checkTime(_ context.Context, s *scope) error {
	if !plan.Expired(s.hold, r.Now()) {
		return nil
	}
	s.facts.Accepted, s.facts.Expired = true, s.hold.Spec.Until.Time
	return &step.Stall{
		Condition: v1alpha1.ConditionInForce, Reason: v1alpha1.ReasonExpired,
		Message: fmt.Sprintf("its time was over at %s: delete it, or move spec.until", s.hold.Spec.Until.UTC().Format(time.RFC3339)),
	}
}

// askAgain is how soon a missing Secret is looked for again, and lookAgain one that
// may change: Secrets are not watched (docs/design/0003).
const (
	askAgain  = 3 * time.Second
	lookAgain = time.Minute
)

func (r *Reconciler) checkSubject(ctx context.Context, s *scope) error {
	version := ""
	if subject := s.hold.Spec.Match.Subject; subject != nil {
		secret, refusal, err := observe.Subject(ctx, r.Client, s.hold.Namespace, subject.SecretName, contract.CheckSubject)
		switch {
		case apierrors.IsForbidden(err):
			// The binding that the Tenant's pass has just made takes a moment to reach the authorizer.
			return &step.Wait{
				Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonProgressing, After: 200 * time.Millisecond,
				Message: "the operator's rights in the namespace are on their way",
			}
		case err != nil:
			return err
		case refusal != nil:
			return &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: refusal.Reason, Message: refusal.Message, After: askAgain}
		}
		version = secret.ResourceVersion
	}
	s.facts.Accepted = true
	s.mark = plan.HoldOf(s.hold, version).Mark
	return nil
}

func (r *Reconciler) checkForce(_ context.Context, s *scope) error {
	if s.known.Holds[s.hold.Name].Mark == s.mark {
		return nil
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionInForce, Reason: v1alpha1.ReasonProgressing,
		Message: "the tenant's next migration puts it in force as it is now; see kubectl describe tenant " + s.tenant.Name + " if this lasts",
	}
}

func (r *Reconciler) report(ctx context.Context, s *scope, outcome error) (ctrl.Result, error) {
	before := s.hold.DeepCopy()
	st := &s.hold.Status
	observed := r.observe(ctx, s, st)
	s.facts.Outcome = errors.Join(outcome, observed)
	st.ObservedGeneration = s.hold.Generation
	status.SetConditions(&st.Conditions, judge.LegalHold(s.facts), s.hold.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.hold, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.hold, before.Status.Conditions, st.Conditions)
	result, err := step.Result(errors.Join(outcome, observed))
	if err == nil && s.facts.Expired.IsZero() && s.tenant != nil {
		result.RequeueAfter = r.next(s, result.RequeueAfter)
	}
	return result, err
}

// next is when to come again: when asked to, to look at the Secret, or when its time is over.
func (r *Reconciler) next(s *scope, after time.Duration) time.Duration {
	if s.hold.Spec.Match.Subject != nil && after == 0 {
		after = lookAgain
	}
	if until := s.hold.Spec.Until; until != nil {
		// A moment later than the instant: a timer may be early by its clock's grain.
		left := max(until.Sub(r.Now())+10*time.Millisecond, 10*time.Millisecond)
		if after == 0 || left < after {
			after = left
		}
	}
	return after
}

// observe finds out what the hold keeps.
func (r *Reconciler) observe(ctx context.Context, s *scope, st *v1alpha1.LegalHoldStatus) error {
	if s.tenant == nil {
		return nil
	}
	known, listed := s.known.Holds[s.hold.Name]
	s.facts.InForce = listed && known.UID() == string(s.hold.UID)
	if len(s.known.Usable) == 0 { // no migration is known, as when somebody removed its Job: the database is as it was
		s.facts.InForce = meta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionInForce)
	}
	s.facts.InForce = s.facts.InForce && s.facts.Expired.IsZero()
	s.facts.Current = s.facts.InForce && known.Mark == s.mark
	if !s.facts.InForce {
		st.Matched = nil
	}
	for _, m := range s.known.Matches {
		if s.facts.InForce && m.Hold == s.hold.Name {
			st.Matched = &v1alpha1.HoldMatched{Contacts: m.Contacts, Conversations: m.Conversations, Messages: m.Messages}
		}
	}
	s.facts.Matched = st.Matched
	var policies v1alpha1.RetentionPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(s.hold.Namespace)); err != nil {
		return err
	}
	st.HeldBack = heldBack(policies.Items, s.hold.Name)
	return nil
}

// heldBack sums up what the newest runs of policies left because of a hold; nil when
// that is not known: none has run, or one told of as many holds as it can.
func heldBack(policies []v1alpha1.RetentionPolicy, hold string) *int64 {
	sum, told := int64(0), false
	for _, p := range policies {
		if len(p.Status.Runs) == 0 {
			continue
		}
		told = true
		found := false
		for _, h := range p.Status.Runs[0].Holds {
			if h.Hold == hold {
				sum, found = sum+h.Rows, true
			}
		}
		if !found && len(p.Status.Runs[0].Holds) >= contract.MaxHoldsTold {
			return nil
		}
	}
	if !told {
		return nil
	}
	return &sum
}
