package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/status"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// tearDown obeys the deletion policy. Retain: what is derived goes by its owner
// references; namespace, volume, credentials and the tenant's own objects stay.
// Erase: the namespace goes with all in it, and the authority.
func (r *Reconciler) tearDown(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.tenant, v1alpha1.FinalizerTenant) {
		return ctrl.Result{}, nil
	}
	with := func(do func(context.Context, *scope) error) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, s) }
	}
	steps := []step.Step{
		{Name: "end a move", Do: with(r.endMove)},
		{Name: "wait for the webhooks", Do: with(r.waitForWebhooks)}, // what takes them from their providers is the Tenant's
		{Name: "keep the namespace", Do: with(r.retain)},
	}
	if s.tenant.Spec.DeletionPolicy == v1alpha1.DeletionErase {
		steps = []step.Step{
			{Name: "keep what a hold keeps", Do: with(r.waitForHolds)},
			{Name: "end a move", Do: with(r.endMove)},
			{Name: "take it out as a file", Do: with(r.export)},
			{Name: "count what goes", Do: with(r.count)},
			{Name: "take the webhooks from their providers", Do: with(r.withdraw)}, // by what runs yet, and is allowed out
			{Name: "end what runs", Do: with(r.endWorkloads)},
			{Name: "empty the object store", Do: with(r.emptyStore)}, // nothing stores any more, and the credentials are there still
			{Name: "empty the provider's database", Do: with(r.emptyDatabase)},
			{Name: "erase the namespace", Do: with(r.eraseNamespace)},
			{Name: "wait for the volumes", Do: with(r.waitForVolumes)},
			{Name: "erase the authority", Do: with(r.eraseAuthority)},
			{Name: "leave the certificate", Do: with(r.certify)},
		}
	}
	r.Keeper.Forget(s.in.Namespace())
	r.Keeper.Distrust(s.tenant.Name)
	before := s.tenant.DeepCopy()
	outcome := step.Run(ctx, steps)
	if outcome == nil {
		controllerutil.RemoveFinalizer(s.tenant, v1alpha1.FinalizerTenant)
		return ctrl.Result{}, client.IgnoreNotFound(r.Client.Patch(ctx, s.tenant, client.MergeFrom(before)))
	}
	s.tenant.Status.ObservedGeneration = s.tenant.Generation
	status.SetConditions(&s.tenant.Status.Conditions, judge.Terminating(outcome), s.tenant.Generation)
	if err := r.Status.Patch(ctx, r.Client, s.tenant, before); err != nil {
		return step.Result(err)
	}
	status.Events(r.Recorder, s.tenant, before.Status.Conditions, s.tenant.Status.Conditions)
	return step.Result(outcome)
}

// ours reads the tenant's namespace; nil when there is none that is this tenant's.
func (r *Reconciler) ours(ctx context.Context, s *scope) (*corev1.Namespace, error) {
	ns := &corev1.Namespace{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: s.in.Namespace()}, ns)
	if apierrors.IsNotFound(err) || (err == nil && ns.Labels[v1alpha1.LabelTenant] != s.tenant.Name) {
		return nil, nil
	}
	return ns, err
}

func (r *Reconciler) retain(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil {
		return err
	}
	if err := r.hibernate(ctx, ns.Name); err != nil {
		return err
	}
	before := ns.DeepCopy()
	ns.Labels[v1alpha1.LabelRetained] = "true"
	return r.Client.Patch(ctx, ns, client.MergeFrom(before))
}

// endWorkloads ends the pods before the namespace goes: the namespace controller would
// come back to them only after half of the longest grace period.
func (r *Reconciler) endWorkloads(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil || !ns.DeletionTimestamp.IsZero() {
		return err
	}
	labels := plan.TenantLabels(s.tenant.Name)
	if err := r.removeCluster(ctx, ns.Name); err != nil {
		return err
	}
	var empties []client.Object // these come after
	for _, job := range []string{name.EmptyBucket, name.EraseDatabase} {
		empties = append(empties, &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: metav1.ObjectMeta{Name: job, Namespace: ns.Name}})
	}
	err = r.Applier.Prune(ctx, ns.Name, labels, empties,
		&batchv1.CronJobList{}, &batchv1.JobList{}, &appsv1.DeploymentList{}, &appsv1.StatefulSetList{})
	if err != nil {
		return err
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(ns.Name), client.MatchingLabels(labels)); err != nil {
		return err
	}
	var names []string
	for _, p := range pods.Items {
		if job := p.Labels[batchv1.JobNameLabel]; job != name.EmptyBucket && job != name.EraseDatabase {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonObjectsRemain,
		Message: "waiting for pods to end: " + strings.Join(names[:min(len(names), 10)], ", "),
	}
}

func (r *Reconciler) eraseNamespace(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	if err != nil || ns == nil {
		return err
	}
	if ns.DeletionTimestamp.IsZero() {
		uid := ns.UID
		err := r.Client.Delete(ctx, ns, client.Preconditions(metav1.Preconditions{UID: &uid}))
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonObjectsRemain, After: 5 * time.Second,
		Message: "namespace " + ns.Name + " is being deleted" + remaining(ns),
	}
}

// remaining says what the namespace controller says that it waits for.
func remaining(ns *corev1.Namespace) string {
	for _, t := range []corev1.NamespaceConditionType{
		corev1.NamespaceFinalizersRemaining, corev1.NamespaceContentRemaining, corev1.NamespaceDeletionContentFailure,
		corev1.NamespaceDeletionDiscoveryFailure, corev1.NamespaceDeletionGVParsingFailure,
	} {
		for _, c := range ns.Status.Conditions {
			if c.Type == t && c.Status == corev1.ConditionTrue {
				return ": " + c.Message
			}
		}
	}
	return ""
}

func (r *Reconciler) waitForVolumes(ctx context.Context, s *scope) error {
	var volumes corev1.PersistentVolumeList
	if err := r.Client.List(ctx, &volumes); err != nil {
		return err
	}
	for _, v := range volumes.Items {
		if v.Spec.ClaimRef == nil || v.Spec.ClaimRef.Namespace != s.in.Namespace() {
			continue
		}
		wait := &step.Wait{
			Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonVolumesRemain, After: 5 * time.Second,
			Message: fmt.Sprintf("volume %s has not been removed yet (phase %s)", v.Name, v.Status.Phase),
		}
		if v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			wait.Message = fmt.Sprintf("volume %s holds the tenant's data and its reclaim policy is %s: erase it, then kubectl delete pv %s",
				v.Name, v.Spec.PersistentVolumeReclaimPolicy, v.Name)
		}
		return wait
	}
	return nil
}

func (r *Reconciler) eraseAuthority(ctx context.Context, s *scope) error {
	return r.Keeper.RemoveAuthority(ctx, s.tenant.Name)
}
