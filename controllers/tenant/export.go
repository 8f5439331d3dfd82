package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// export takes a tenant that is to be erased out as a file, if it is asked for: what brings
// anything in is stopped, then a Job uploads the file. Nothing is erased before that Job has
// read it back.
func (r *Reconciler) export(ctx context.Context, s *scope) error {
	ns, err := r.ours(ctx, s)
	switch {
	case err != nil || ns == nil || !ns.DeletionTimestamp.IsZero():
		return err
	case s.tenant.Spec.Export == nil:
		s.tenant.Status.Export = nil // it was given up
		return nil
	case s.tenant.Status.Export != nil || s.tenant.Status.Erasure != nil:
		return nil
	}
	setup, err := r.Jobs.Setup(ctx, s.tenant, ns.Name, "")
	if err != nil {
		return err
	}
	switch known := setup.Usable; {
	case len(known) == 0 && s.tenant.Status.SchemaVersion == 0:
		return nil // its database was never set up: there is nothing to take out
	case known[contract.ComponentExport] == 0:
		return exportFailed("its database knows no login for exports", 0)
	}
	s.in.Versions = setup.Usable
	err = r.Client.Get(ctx, client.ObjectKey{Name: s.tenant.Spec.Region}, s.in.Region)
	if apierrors.IsNotFound(err) {
		return exportFailed("there is no Region "+s.tenant.Spec.Region+" to start a Job in: apply it again", 0)
	}
	if err != nil {
		return err
	}
	if err := r.quiesce(ctx, s); err != nil {
		return err
	}
	return r.takeOut(ctx, s)
}

// quiesce stops what brings anything in, so that the file has all that there is.
func (r *Reconciler) quiesce(ctx context.Context, s *scope) error {
	labels := plan.TenantLabels(s.tenant.Name)
	if err := r.Applier.Prune(ctx, s.in.Namespace(), labels, nil, &batchv1.CronJobList{}, &appsv1.DeploymentList{}); err != nil {
		return err
	}
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(s.in.Namespace()), client.MatchingLabels(labels)); err != nil {
		return err
	}
	var names []string
	for i := range pods.Items {
		p := &pods.Items[i]
		if !plan.IsQuiet(p) && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonExporting,
		Message: "before the tenant is exported, these pods must end: " + strings.Join(names[:min(len(names), 10)], ", "),
	}
}

// takeOut has the Job made, and takes into account what it told.
func (r *Reconciler) takeOut(ctx context.Context, s *scope) error {
	resources, err := r.resources(ctx, s)
	if err != nil {
		return err
	}
	objects := plan.Export(s.in, resources)
	job := objects[len(objects)-1]
	attempt, err := r.Jobs.Read(ctx, s.tenant, client.ObjectKeyFromObject(job))
	if err != nil {
		return err
	}
	wait := &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonExporting,
		Message: fmt.Sprintf("Job %s exports the tenant; nothing is erased before it has ended well", job.GetName()),
	}
	switch {
	case attempt.Job == nil:
		return r.startExport(ctx, s, objects, wait)
	case attempt.Done && attempt.Result.Export != nil:
		s.tenant.Status.Export = exported(s.tenant.Spec.Export, *attempt.Result.Export)
		wait.Message, wait.After = "the tenant was exported", time.Millisecond
		return wait // so that status has it before anything goes
	case attempt.Done || attempt.Failed:
		return r.retryExport(ctx, s, attempt)
	case attempt.Result.Error != "":
		wait.Message += "; it tries again after: " + attempt.Result.Error
	}
	return wait
}

func (r *Reconciler) startExport(ctx context.Context, s *scope, objects []client.Object, wait error) error {
	before := objects[:len(objects)-1]
	if err := r.Applier.Apply(ctx, before...); err != nil {
		return err
	}
	err := r.Applier.Prune(ctx, s.in.Namespace(), plan.ExportLabels(s.tenant.Name), objects, &batchv1.JobList{}, &corev1.ConfigMapList{}, &networkingv1.NetworkPolicyList{})
	if err != nil {
		return err
	}
	job := objects[len(objects)-1]
	if err := r.Client.Create(ctx, job, client.FieldOwner(apply.FieldOwner)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making Job %s: %w", job.GetName(), err)
	}
	return wait
}

// exportRetry is how long a failed export is left to be looked at before it is made again.
const exportRetry = time.Minute

func (r *Reconciler) retryExport(ctx context.Context, s *scope, attempt observe.Attempt) error {
	age := r.Now().Sub(failedAt(attempt.Job))
	if age < exportRetry {
		return exportFailed(orNothing(attempt.Result.Error), exportRetry-age)
	}
	if err := r.removeJob(ctx, s, attempt.Job.Name); err != nil {
		return err
	}
	return exportFailed(orNothing(attempt.Result.Error), time.Second)
}

func exportFailed(why string, after time.Duration) error {
	return &step.Wait{
		Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonExportFailed, After: after,
		Message: "the export failed, so that nothing is erased: " + why +
			". It is made again every minute: mend spec.export or the Secret that it names; or remove spec.export, and the tenant is erased without one",
	}
}

// resources renders what was asked for of the tenant.
func (r *Reconciler) resources(ctx context.Context, s *scope) ([]byte, error) {
	namespace := client.InNamespace(s.in.Namespace())
	var channels v1alpha1.ChannelList
	var policies v1alpha1.RetentionPolicyList
	var holds v1alpha1.LegalHoldList
	if err := errors.Join(r.Client.List(ctx, &channels, namespace), r.Client.List(ctx, &policies, namespace), r.Client.List(ctx, &holds, namespace)); err != nil {
		return nil, fmt.Errorf("reading what was asked for: %w", err)
	}
	return plan.ResourcesOf(s.tenant, channels.Items, policies.Items, holds.Items)
}

func exported(asked *v1alpha1.Export, told contract.ExportResult) *v1alpha1.Exported {
	x := &v1alpha1.Exported{
		Object: told.Object, Endpoint: asked.ObjectStore.Endpoint, Bucket: asked.ObjectStore.Bucket, Recipient: asked.Recipient,
		SHA256: told.SHA256, Bytes: told.Bytes, SnapshotAt: metav1.NewTime(told.SnapshotAt.UTC().Truncate(time.Second)), Sequence: told.Head.Sequence,
	}
	if asked.ObjectStore.Prefix != "" {
		x.Object = asked.ObjectStore.Prefix + "/" + told.Object
	}
	for _, c := range told.Counts {
		x.Counts = append(x.Counts, v1alpha1.CategoryCount{Category: c.Category, Rows: c.Rows})
	}
	return x
}
