// Package datasubjectrequest reconciles DataSubjectRequests: each is carried out by a
// Job, kept to its time, and proven in status.
package datasubjectrequest

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=datasubjectrequests;legalholds;tenants;regions,verbs=get;list;watch
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=datasubjectrequests/finalizers,verbs=update
// +kubebuilder:rbac:groups=messaging.switchboard.dev,resources=datasubjectrequests/status,verbs=patch

// Reconciler brings DataSubjectRequests about.
type Reconciler struct {
	Client            client.Client
	Live              client.Reader // knows of a hold that was asked for a moment ago
	Jobs              observe.Jobs
	Applier           *apply.Applier
	Recorder          events.EventRecorder
	Status            *status.Writer
	Images            plan.Images
	OperatorNamespace string
	Ledger            *ledger.Ledger
	Now               func() time.Time
	Regions           served.Regions
}

type scope struct {
	request  *v1alpha1.DataSubjectRequest
	in       plan.Tenant
	setup    observe.Setup
	leftover *corev1.Secret // the subject's, to be removed
	running  bool
	facts    judge.RequestFacts
}

// Reconcile is one pass over one DataSubjectRequest. One that is being deleted needs
// nothing: its objects go by their owner references.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	q := &v1alpha1.DataSubjectRequest{}
	if err := r.Client.Get(ctx, req.NamespacedName, q); err != nil || !q.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &scope{request: q, in: plan.Tenant{Images: r.Images, OperatorNamespace: r.OperatorNamespace}}
	before := q.DeepCopy()
	return r.report(ctx, s, before, step.Run(ctx, r.steps(s)))
}

// steps is the story of a request. A guest under 16 waits for nothing but the database:
// see waitForHolds.
func (r *Reconciler) steps(s *scope) []step.Step {
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	open := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if s.request.Status.CompletedAt != nil {
				return nil
			}
			return do(ctx, s)
		}
	}
	return []step.Step{
		{Name: "see whether the region is served", Do: func(ctx context.Context) error { return r.Regions.Check(ctx, r.Client, s.request.Namespace) }},
		{Name: "find the tenant", Do: with(r.loadTenant)},
		{Name: "look for an answer", Do: with(r.awaitAnswer)},
		{Name: "take what the Job told", Do: open(r.settle)},
		{Name: "wait for the holds", Do: open(r.waitForHolds)},
		{Name: "find the database login", Do: open(r.findLogin)},
		{Name: "check who is named", Do: open(r.checkSubject)},
		{Name: "make the token of the archive", Do: open(r.makeToken)},
		{Name: "start the Job", Do: open(r.start)},
	}
}

func (r *Reconciler) report(ctx context.Context, s *scope, before *v1alpha1.DataSubjectRequest, outcome error) (ctrl.Result, error) {
	st := &s.request.Status
	observed := r.observe(ctx, s, st)
	outcome = errors.Join(outcome, observed)
	due := plan.Due(s.request)
	s.facts.Outcome, s.facts.Now, s.facts.Due = outcome, r.Now(), due
	s.facts.Answered = plan.Answered(s.request)
	if st.CompletedAt != nil {
		s.facts.Completed, s.facts.Files = st.CompletedAt.Time, st.Files
	}
	st.ObservedGeneration = s.request.Generation
	st.DueAt = &metav1.Time{Time: due}
	st.Phase = phase(s)
	status.SetConditions(&st.Conditions, judge.Request(s.facts), s.request.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.request, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.request, before.Status.Conditions, st.Conditions)
	// Only now, when status has what they were needed for.
	tidied := r.tidy(ctx, s)
	result, err := step.Result(errors.Join(outcome, tidied))
	if err == nil {
		result.RequeueAfter = r.next(s, result.RequeueAfter)
	}
	return result, err
}

func phase(s *scope) v1alpha1.RequestPhase {
	switch st := s.request.Status; {
	case st.CompletedAt != nil:
		return v1alpha1.RequestCompleted
	case s.request.Spec.Type == v1alpha1.RequestComplaint:
		return v1alpha1.RequestOpen
	case s.running:
		return v1alpha1.RequestRunning
	case len(st.Refused) > 0:
		return v1alpha1.RequestDeferred
	default:
		return v1alpha1.RequestPending
	}
}

// lookAgain is how soon the Secret of a person is looked for again after the end, and
// broughtBackAgain when somebody has just made it anew: Secrets are not watched
// (docs/design/0003).
const (
	lookAgain        = 10 * time.Minute
	broughtBackAgain = time.Minute
)

// next is when to come again: when asked to, when the clock says something else, when
// an archive ends, or to look for a Secret that was brought back.
func (r *Reconciler) next(s *scope, after time.Duration) time.Duration {
	sooner := func(d time.Duration) {
		// A moment later than the instant: a timer may be early by its clock's grain.
		if d = max(d+10*time.Millisecond, 10*time.Millisecond); after == 0 || d < after {
			after = d
		}
	}
	now := r.Now()
	if _, at := judge.Clock(now, s.facts.Due, s.facts.Answered); !at.IsZero() {
		sooner(at.Sub(now))
	}
	st := s.request.Status
	if st.Download != nil {
		sooner(st.Download.ExpiresAt.Sub(now))
	}
	if st.CompletedAt != nil && s.request.Spec.Subject != nil && s.in.Tenant != nil {
		sooner(lookAgain)
		if s.leftover != nil && s.facts.BroughtBack != "" {
			sooner(broughtBackAgain)
		}
	}
	return after
}
