// Package observe reads what is there, into plain structs. It writes nothing.
package observe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Workload is a Deployment or StatefulSet.
type Workload struct {
	Exists    bool
	Wanted    int32
	Available int32
	// Settled: every pod is of the newest template and available.
	Settled bool
}

// Deployment reads one; a missing one is no error.
func Deployment(ctx context.Context, r client.Reader, namespace, deployment string) (Workload, error) {
	d := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return Workload{}, wrap("reading Deployment "+deployment, client.IgnoreNotFound(err))
	}
	wanted := *cmp.Or(d.Spec.Replicas, new(int32))
	s := d.Status
	return Workload{
		Exists: true, Wanted: wanted, Available: s.AvailableReplicas,
		Settled: s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == wanted && s.Replicas == wanted && s.AvailableReplicas == wanted,
	}, nil
}

// Database reads the embedded engine.
func Database(ctx context.Context, r client.Reader, namespace string) (Workload, error) {
	s := &appsv1.StatefulSet{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Postgres}, s); err != nil {
		return Workload{}, wrap("reading StatefulSet "+name.Postgres, client.IgnoreNotFound(err))
	}
	return Workload{
		Exists: true, Wanted: *cmp.Or(s.Spec.Replicas, new(int32)), Available: s.Status.ReadyReplicas,
		Settled: s.Status.ObservedGeneration >= s.Generation && s.Status.ReadyReplicas > 0,
	}, nil
}

// Setup is what is known of a tenant's migrations.
type Setup struct {
	Done, Failed bool
	// Error of a Job that failed.
	Error         string
	SchemaVersion int64
	// Usable logins, by component: those that a finished Job brought about, newest version.
	Usable map[string]int
	// Outdated Jobs: others than the one asked for.
	Outdated []string
}

// ReadSetup reads the migration Jobs of a tenant; desired is the name of the one
// that stands for what is asked for now.
func ReadSetup(ctx context.Context, r client.Reader, tenant, namespace, desired string) (Setup, error) {
	s := Setup{Usable: map[string]int{}}
	var jobs batchv1.JobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant, "migrate"))); err != nil {
		return s, fmt.Errorf("reading the migration Jobs: %w", err)
	}
	slices.SortFunc(jobs.Items, func(a, b batchv1.Job) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if !strings.HasPrefix(job.Name, name.Migrate("")) || !job.DeletionTimestamp.IsZero() {
			continue
		}
		done := finished(job, batchv1.JobComplete)
		if job.Name != desired {
			s.Outdated = append(s.Outdated, job.Name)
		}
		if done {
			s.Usable = usable(job)
		}
		if job.Name != desired {
			continue
		}
		s.Done, s.Failed = done, finished(job, batchv1.JobFailed)
		if !s.Done && job.Status.Failed == 0 {
			continue
		}
		result, err := Result(ctx, r, job)
		if err != nil {
			return s, err
		}
		s.Error = result.Error
		if result.Migration != nil {
			s.SchemaVersion = result.Migration.SchemaVersion
		}
	}
	return s, nil
}

func usable(job *batchv1.Job) map[string]int {
	found := map[string]int{}
	for _, secret := range strings.Split(job.Annotations[v1alpha1.AnnotationLogins], ",") {
		if c, version, ok := name.ParseCredentials(secret); ok {
			found[c] = max(found[c], version)
		}
	}
	return found
}

func finished(job *batchv1.Job, condition batchv1.JobConditionType) bool {
	for _, c := range job.Status.Conditions {
		if c.Type == condition && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// Result is what the newest finished pod of a Job said; empty when none said anything.
func Result(ctx context.Context, r client.Reader, job *batchv1.Job) (contract.Result, error) {
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return contract.Result{}, fmt.Errorf("reading the pods of Job %s: %w", job.Name, err)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && t.Message != "" {
				result, err := contract.DecodeResult(t.Message)
				if err != nil {
					// Not worth a retry: the message will not change.
					return contract.Result{Error: "the Job's result can't be read"}, nil //nolint:nilerr // told in the result
				}
				return result, nil
			}
		}
	}
	return contract.Result{}, nil
}

// Residency reads where a tenant's pods and volumes really are.
func Residency(ctx context.Context, r client.Reader, tenant, namespace string, selector map[string]string) (*v1alpha1.Residency, error) {
	want := labels.SelectorFromSet(selector)
	var pods corev1.PodList
	if err := r.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(plan.TenantLabels(tenant))); err != nil {
		return nil, fmt.Errorf("reading the tenant's pods: %w", err)
	}
	names := map[string]bool{}
	for _, p := range pods.Items {
		if p.Spec.NodeName != "" {
			names[p.Spec.NodeName] = true
		}
	}
	seen := &v1alpha1.Residency{}
	for _, nodeName := range slices.Sorted(maps.Keys(names)) {
		n := v1alpha1.ObservedNode{Name: nodeName}
		node := &corev1.Node{}
		err := r.Get(ctx, client.ObjectKey{Name: nodeName}, node)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading node %s: %w", nodeName, err)
		}
		if err == nil {
			n.Region, n.InRegion = node.Labels[corev1.LabelTopologyRegion], want.Matches(labels.Set(node.Labels))
		}
		seen.Nodes = append(seen.Nodes, n)
	}
	volumes, err := volumes(ctx, r, namespace, selector)
	if err != nil {
		return nil, err
	}
	seen.Volumes = volumes
	return seen, nil
}

func volumes(ctx context.Context, r client.Reader, namespace string, selector map[string]string) ([]v1alpha1.ObservedVolume, error) {
	var all corev1.PersistentVolumeList
	if err := r.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("reading volumes: %w", err)
	}
	var seen []v1alpha1.ObservedVolume
	for i := range all.Items {
		v := &all.Items[i]
		if v.Spec.ClaimRef == nil || v.Spec.ClaimRef.Namespace != namespace {
			continue
		}
		o := v1alpha1.ObservedVolume{Name: v.Name, Claim: v.Spec.ClaimRef.Name}
		o.Region, o.InRegion = topology(v, selector)
		seen = append(seen, o)
	}
	slices.SortFunc(seen, func(a, b v1alpha1.ObservedVolume) int { return cmp.Compare(a.Name, b.Name) })
	return seen, nil
}

// topology says which region a volume is bound to, and whether its affinity alone
// keeps it on nodes that match the selector: every term must demand every label.
func topology(v *corev1.PersistentVolume, selector map[string]string) (region string, in bool) {
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil || len(v.Spec.NodeAffinity.Required.NodeSelectorTerms) == 0 {
		return "", false
	}
	in = true
	for _, term := range v.Spec.NodeAffinity.Required.NodeSelectorTerms {
		demanded := map[string]string{}
		for _, e := range term.MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				demanded[e.Key] = e.Values[0]
			}
		}
		region = demanded[corev1.LabelTopologyRegion]
		for key, value := range selector {
			in = in && demanded[key] == value
		}
	}
	return region, in
}

func component(tenant, name string) map[string]string {
	l := plan.TenantLabels(tenant)
	l["app.kubernetes.io/component"] = name
	return l
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// UsesSecret says whether a Deployment's pods are to mount a Secret.
func UsesSecret(ctx context.Context, r client.Reader, namespace, deployment, secret string) (bool, error) {
	d := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, d); err != nil {
		return false, wrap("reading Deployment "+deployment, client.IgnoreNotFound(err))
	}
	return mounts(d.Spec.Template.Spec, secret), nil
}

// RunsUseSecret says whether all retention CronJobs of a tenant are to mount a Secret.
func RunsUseSecret(ctx context.Context, r client.Reader, tenant, namespace, secret string) (bool, error) {
	var jobs batchv1.CronJobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant, "retain"))); err != nil {
		return false, fmt.Errorf("reading the retention CronJobs: %w", err)
	}
	return !slices.ContainsFunc(jobs.Items, func(j batchv1.CronJob) bool {
		return !mounts(j.Spec.JobTemplate.Spec.Template.Spec, secret)
	}), nil
}

func mounts(pod corev1.PodSpec, secret string) bool {
	return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
		return v.Secret != nil && v.Secret.SecretName == secret
	})
}

// ActiveRuns counts the retention Jobs of a tenant that have not finished.
func ActiveRuns(ctx context.Context, r client.Reader, tenant, namespace string) (int, error) {
	var jobs batchv1.JobList
	if err := r.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels(component(tenant, "retain"))); err != nil {
		return 0, fmt.Errorf("reading the retention Jobs: %w", err)
	}
	active := 0
	for i := range jobs.Items {
		if !finished(&jobs.Items[i], batchv1.JobComplete) && !finished(&jobs.Items[i], batchv1.JobFailed) {
			active++
		}
	}
	return active, nil
}

// TenantOf finds the Tenant that a namespace belongs to, and its Region; nil where
// there is none. The namespace's label decides: a Tenant that only claims it does not
// count, nor does one that is being deleted.
func TenantOf(ctx context.Context, r client.Reader, namespace string) (*v1alpha1.Tenant, *v1alpha1.Region, error) {
	ns := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return nil, nil, wrap("reading namespace "+namespace, client.IgnoreNotFound(err))
	}
	t := &v1alpha1.Tenant{}
	if err := r.Get(ctx, client.ObjectKey{Name: ns.Labels[v1alpha1.LabelTenant]}, t); err != nil {
		return nil, nil, wrap("reading the tenant of namespace "+namespace, client.IgnoreNotFound(err))
	}
	if !t.DeletionTimestamp.IsZero() || (plan.Tenant{Tenant: t}).Namespace() != namespace {
		return nil, nil, nil
	}
	region := &v1alpha1.Region{}
	if err := r.Get(ctx, client.ObjectKey{Name: t.Spec.Region}, region); err != nil {
		return t, nil, wrap("reading Region "+t.Spec.Region, client.IgnoreNotFound(err))
	}
	return t, region, nil
}
