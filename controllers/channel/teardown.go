package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// bind has the Channel wait for its end, where its connector sets something up at the provider.
func (r *Reconciler) bind(ctx context.Context, s *scope) error {
	before := s.channel.DeepCopy()
	if !contract.Registers(string(s.channel.Spec.Type)) || !controllerutil.AddFinalizer(s.channel, v1alpha1.FinalizerChannel) {
		return nil
	}
	return r.Client.Patch(ctx, s.channel, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// tearDown takes the webhook of a Channel that is being deleted from its provider, while its credentials are there. A provider that
// can't be told holds the deletion up for plan.WithdrawDeadline at most: then the Channel goes, and an event says what is left.
func (r *Reconciler) tearDown(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.channel, v1alpha1.FinalizerChannel) {
		return ctrl.Result{}, nil
	}
	s.ends = s.channel.DeletionTimestamp.Time
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	if end := meta.FindStatusCondition(s.channel.Status.Conditions, v1alpha1.ConditionTerminating); end != nil && end.Status == metav1.ConditionTrue && end.Reason == v1alpha1.ReasonWebhookLeft {
		s.left = end.Message // once told it stays told, whatever becomes of the Job
	}
	outcome := step.Run(ctx, []step.Step{
		{Name: "see whether the region is served", Do: with(r.served)},
		{Name: "take the webhook from the provider", Do: with(r.withdraw)},
		{Name: "end the connector", Do: with(r.stop)},
		{Name: "leave it to the tenant's erasure", Do: with(r.handOver)},
	})
	before := s.channel.DeepCopy()
	if outcome != nil || s.left != "" {
		told := outcome
		if told == nil {
			told = leftBehind(s)
		}
		s.channel.Status.ObservedGeneration = s.channel.Generation
		status.SetConditions(&s.channel.Status.Conditions, judge.Terminating(told), s.channel.Generation)
		if err := r.Status.Patch(ctx, r.Client, s.channel, before); err != nil {
			return step.Result(err)
		}
		status.Events(r.Recorder, s.channel, before.Status.Conditions, s.channel.Status.Conditions)
	}
	if outcome != nil {
		return step.Result(outcome)
	}
	bound := s.channel.DeepCopy()
	controllerutil.RemoveFinalizer(s.channel, v1alpha1.FinalizerChannel)
	return ctrl.Result{}, client.IgnoreNotFound(r.Client.Patch(ctx, s.channel, client.MergeFrom(bound)))
}

func leftBehind(s *scope) *step.Wait {
	return &step.Wait{Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonWebhookLeft, Message: s.left, After: 5 * time.Second}
}

// served waits for the deadline where the operator does not serve the tenant's region (any more): nothing is started there, and
// nobody else would let the Channel go.
func (r *Reconciler) served(ctx context.Context, s *scope) error {
	err := r.Regions.Check(ctx, r.Client, s.channel.Namespace)
	var stall *step.Stall
	if !errors.As(err, &stall) {
		return err
	}
	if r.late(s) {
		if s.left == "" {
			s.left = judge.WebhookLeft(s.channel.Spec.Type, "the operator does not serve its region, so that nothing can be started there")
		}
		return nil
	}
	stall.After = s.ends.Add(plan.WithdrawDeadline).Sub(r.Now()) + time.Second
	return stall
}

func (r *Reconciler) late(s *scope) bool {
	return r.Now().Sub(s.ends) > plan.WithdrawDeadline
}

// withdraw sets s.left when the webhook is not known to be gone, and never will be.
func (r *Reconciler) withdraw(ctx context.Context, s *scope) error {
	tenant, region, err := observe.HolderOf(ctx, r.Client, s.channel.Namespace)
	if err != nil {
		return err
	}
	held := tenant != nil // one that is being deleted waits for its Channels
	if s.left != "" {
		if held && r.Regions.Serve(tenant.Spec.Region) {
			s.in.Tenant = tenant
		}
		return nil
	}
	leave := func(why string) { s.left = judge.WebhookLeft(s.channel.Spec.Type, why) }
	switch {
	case !held:
		leave("its namespace belongs to no Tenant any more, so that nothing can be started there")
		return nil
	case region == nil:
		leave("its Region " + tenant.Spec.Region + " is gone, so that nothing can be started there")
		return nil
	}
	s.in.Tenant, s.in.Region = tenant, region
	processor, refusal := plan.Processor(region, s.channel)
	if refusal != nil {
		leave(refusal.Message)
		return nil
	}
	policy, job := plan.Withdraw(s.in, s.channel, processor)
	s.withdrawing = policy
	a, err := r.Jobs.Read(ctx, tenant, client.ObjectKeyFromObject(job))
	switch {
	case err != nil:
		return err
	case a.Done && a.Result.Withdraw != nil:
		s.left = judge.Withdrawn(s.channel.Spec.Type, *a.Result.Withdraw)
		s.withdrawing = nil // the way out is closed with the rest
		return nil
	case a.Done, a.Failed:
		leave("Job " + job.Name + " failed")
		s.withdrawing = nil
		return nil
	case r.late(s):
		leave("it was tried for " + plan.WithdrawDeadline.String())
		s.withdrawing = nil
		return nil
	case a.Job != nil:
		return withdrawing(fmt.Sprintf("Job %s takes it from the provider, and tries again while the provider does not answer", job.Name))
	}
	if err := r.quiet(ctx, s); err != nil {
		return err
	}
	if err := r.Applier.Apply(ctx, policy); err != nil {
		return r.unstartable(err, leave)
	}
	err = r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return r.unstartable(fmt.Errorf("making Job %s: %w", job.Name, err), leave)
	}
	return withdrawing("Job " + job.Name + " was started")
}

// unstartable is no error where the namespace goes, too: nothing can be made there any more.
func (*Reconciler) unstartable(err error, leave func(string)) error {
	if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return err
	}
	leave("its namespace is being deleted, so that nothing can be started there")
	return nil
}

func withdrawing(message string) *step.Wait {
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonWithdrawing, After: 5 * time.Second,
		Message: fmt.Sprintf("the webhook is taken from the provider: %s; after %s it is left there", message, plan.WithdrawDeadline),
	}
}

// quiet waits until nobody sets the webhook any more, and the way out may be opened.
func (r *Reconciler) quiet(ctx context.Context, s *scope) error {
	outside, err := r.outside(ctx, s)
	if err != nil {
		return err
	}
	if err := r.stop(ctx, s); err != nil {
		return err
	}
	if outside {
		return withdrawing("something of the tenant is outside of its region, so that nothing is sent yet")
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(s.channel.Namespace), client.MatchingLabels(plan.ConnectorLabels(s.in.Tenant.Name, s.channel.Name))); err != nil {
		return fmt.Errorf("reading the connector's pods: %w", err)
	}
	if len(pods.Items) == 0 {
		return nil
	}
	var names []string
	for i := range pods.Items {
		names = append(names, pods.Items[i].Name)
	}
	slices.Sort(names)
	return withdrawing("waiting for pods to end: " + strings.Join(names[:min(len(names), 10)], ", "))
}

// outside says that something of the tenant is outside of its region. It looks by itself: a Tenant that is being deleted does not tell.
func (r *Reconciler) outside(ctx context.Context, s *scope) (bool, error) {
	move, err := observe.Moving(ctx, r.Client, s.in.Tenant)
	if err != nil {
		return false, err
	}
	seen, err := observe.Residency(ctx, r.Client, s.channel.Namespace, s.in.NodeSelector(), move)
	return judge.EgressClosed(seen), err
}

// erasing says that the Channel goes with its tenant, and the certificate is to say what is left.
func (*Reconciler) erasing(s *scope) bool {
	t := s.in.Tenant
	return t != nil && !t.DeletionTimestamp.IsZero() && t.Spec.DeletionPolicy == v1alpha1.DeletionErase
}

// handOver leaves a Channel whose webhook is left to the erasure of its tenant, whose certificate says so.
func (r *Reconciler) handOver(ctx context.Context, s *scope) error {
	if s.left == "" || !r.erasing(s) {
		return nil
	}
	ns := &corev1.Namespace{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: s.channel.Namespace}, ns); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !ns.DeletionTimestamp.IsZero() {
		return nil
	}
	return leftBehind(s)
}

// unplug takes the webhook from the provider of a Channel that stays while its Tenant goes (Retain): as long as the Tenant is there, something
// can be started for it. Then the Channel does not wait for its end any more; when the Tenant is applied again, it does, and its connector
// sets the webhook anew.
func (r *Reconciler) unplug(ctx context.Context, s *scope) error {
	if !controllerutil.ContainsFinalizer(s.channel, v1alpha1.FinalizerChannel) {
		return nil
	}
	tenant, _, err := observe.HolderOf(ctx, r.Client, s.channel.Namespace)
	if err != nil || tenant == nil || tenant.DeletionTimestamp.IsZero() || tenant.Spec.DeletionPolicy == v1alpha1.DeletionErase {
		return err // Erase deletes its Channels
	}
	s.ends = tenant.DeletionTimestamp.Time
	if err := r.withdraw(ctx, s); err != nil {
		var wait *step.Wait
		if errors.As(err, &wait) { // nothing is terminated here
			stays := *wait
			stays.Condition = v1alpha1.ConditionAccepted
			return &stays
		}
		return err
	}
	bound := s.channel.DeepCopy()
	controllerutil.RemoveFinalizer(s.channel, v1alpha1.FinalizerChannel)
	if err := r.Client.Patch(ctx, s.channel, client.MergeFromWithOptions(bound, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	if s.left != "" {
		r.Recorder.Eventf(s.channel, nil, corev1.EventTypeWarning, v1alpha1.ReasonWebhookLeft, "Withdraw", "%s", s.left)
	}
	return nil
}

// stop takes the connector down: its Tenant was deleted and the namespace stayed, the Region does not allow it any more, or the
// Channel is being deleted.
func (r *Reconciler) stop(ctx context.Context, s *scope) error {
	kinds := append(plan.Routes(r.Gateway), &appsv1.DeploymentList{}, &corev1.ServiceList{}, &networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{})
	var keep []client.Object
	if s.withdrawing != nil {
		keep = append(keep, s.withdrawing)
	}
	return r.Applier.Prune(ctx, s.channel.Namespace, map[string]string{v1alpha1.LabelChannel: s.channel.Name}, keep, kinds...)
}
