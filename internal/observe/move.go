package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// Elsewhere is what a tenant that is being moved may have outside of its region.
type Elsewhere struct {
	selector map[string]string // of the nodes there; empty when it may have nothing
	// database is the StatefulSet that alone may be there, with the Job that fills its volume, before the switch. Empty
	// afterwards: then it is what was there before.
	database string
}

// Moving reads it.
func Moving(ctx context.Context, r client.Reader, tenant *v1alpha1.Tenant) (Elsewhere, error) {
	m := tenant.Status.Move
	if m == nil {
		return Elsewhere{}, nil
	}
	other, e := m.To, Elsewhere{database: name.DatabaseIn(m.To)}
	switch {
	case m.Phase == v1alpha1.MoveSwitched && tenant.Spec.Region == m.To:
		other, e.database = m.From, ""
	case !Copied(m):
		return Elsewhere{}, nil
	}
	region := &v1alpha1.Region{}
	if err := r.Get(ctx, client.ObjectKey{Name: other}, region); err != nil {
		return Elsewhere{}, wrap("reading Region "+other, client.IgnoreNotFound(err))
	}
	e.selector = plan.NodeSelector(region)
	return e, nil
}

// Copied says that there may be a copy of the tenant's database in the region that it moves to, which it is not served from yet.
func Copied(m *v1alpha1.MoveStatus) bool {
	return m != nil && slices.Contains([]v1alpha1.MovePhase{v1alpha1.MoveCopying, v1alpha1.MoveQuiesced, v1alpha1.MoveSwitched, v1alpha1.MoveAborting}, m.Phase)
}

func (e Elsewhere) node(n *corev1.Node) bool {
	return len(e.selector) > 0 && labels.SelectorFromSet(e.selector).Matches(labels.Set(n.Labels))
}

func (e Elsewhere) pod(p *corev1.Pod) bool {
	switch {
	case len(e.selector) == 0 || p.Labels[v1alpha1.LabelTenant] == "":
		return false
	case e.database == "":
		return true
	default:
		return p.Name == e.database+"-0" || strings.HasPrefix(p.Name, name.Copy(e.database)+"-")
	}
}

func (e Elsewhere) volume(v *corev1.PersistentVolume) bool {
	if _, there := topology(v, e.selector); len(e.selector) == 0 || !there {
		return false
	}
	return e.database == "" || v.Spec.ClaimRef.Name == name.DatabaseClaim(e.database)
}

// onNode says that a pod is on a node, and has not ended.
func onNode(p *corev1.Pod) bool {
	return p.Spec.NodeName != "" && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// Busy names the tenant's Jobs that have not ended; those of a move are none of them.
func Busy(ctx context.Context, r client.Reader, tenant, namespace string) ([]batchv1.Job, error) {
	var all batchv1.JobList
	if err := r.List(ctx, &all, client.InNamespace(namespace), client.MatchingLabels(plan.TenantLabels(tenant))); err != nil {
		return nil, fmt.Errorf("reading the tenant's Jobs: %w", err)
	}
	return slices.DeleteFunc(all.Items, func(j batchv1.Job) bool {
		return finished(&j, batchv1.JobComplete) || finished(&j, batchv1.JobFailed) || !j.DeletionTimestamp.IsZero() || plan.IsMove(&j)
	}), nil
}

// InRegion says that a Job's pods run where the tenant is.
func InRegion(job *batchv1.Job, in plan.Tenant) bool {
	return equality.Semantic.DeepEqual(job.Spec.Template.Spec.Affinity, plan.Affinity(in))
}
