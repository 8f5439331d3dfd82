package tenant

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// observeDatabase sees how the database is; of one that a provider runs, a step has asked.
func (r *Reconciler) observeDatabase(ctx context.Context, s *scope) (err error) {
	f := &s.facts
	f.External, f.Cluster = plan.External(s.in.Region) != nil, plan.CloudNativePG(s.in.Region) != nil
	switch {
	case f.External, f.Cluster && !r.Clusters:
		return nil
	case f.Cluster:
		f.Database, err = observe.Cluster(ctx, r.Client, s.in.Namespace())
	default:
		f.StatefulSet = s.in.DatabaseName()
		f.Database, err = observe.Database(ctx, r.Client, s.in.Namespace(), s.in.DatabaseName())
	}
	return err
}

// hibernate stops a database that CloudNativePG runs and keeps its volumes: its Cluster outlives the Tenant.
func (r *Reconciler) hibernate(ctx context.Context, namespace string) error {
	cluster, err := r.cluster(ctx, namespace)
	if err != nil || cluster == nil {
		return err
	}
	before := cluster.DeepCopy()
	plan.Hibernate(cluster)
	if err := r.Client.Patch(ctx, cluster, client.MergeFrom(before), client.FieldOwner(apply.FieldOwner)); err != nil {
		return fmt.Errorf("stopping the database: %w", err)
	}
	return nil
}

// removeCluster removes a database that CloudNativePG runs, with its volumes.
func (r *Reconciler) removeCluster(ctx context.Context, namespace string) error {
	cluster, err := r.cluster(ctx, namespace)
	if err != nil || cluster == nil {
		return err
	}
	if err := r.Client.Delete(ctx, cluster); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the database: %w", err)
	}
	return nil
}

// cluster reads the tenant's Cluster; nil when there is none of the operator's.
func (r *Reconciler) cluster(ctx context.Context, namespace string) (*unstructured.Unstructured, error) {
	if !r.Clusters {
		return nil, nil
	}
	cluster := &unstructured.Unstructured{}
	cluster.SetGroupVersionKind(plan.ClusterKind)
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Postgres}, cluster)
	if apierrors.IsNotFound(err) || err == nil && cluster.GetLabels()[apply.ManagedBy] != apply.ManagedByValue {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Cluster %s: %w", name.Postgres, err)
	}
	return cluster, nil
}

// removeFollowers removes the copies of a Cluster that sleeps but for one claim: what was put back there is older than they are, and they
// could not follow it. CloudNativePG makes them anew. It says whether they have gone.
func (r *Reconciler) removeFollowers(ctx context.Context, s *scope, keep string) (bool, error) {
	if plan.CloudNativePG(s.in.Region) == nil {
		return true, nil
	}
	claims, err := observe.ClusterClaims(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return false, err
	}
	gone := true
	for i := range claims {
		claim := &claims[i]
		if claim.GetName() == keep {
			continue
		}
		uid := claim.GetUID()
		if err := r.Client.Delete(ctx, claim, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("removing copy %s of the database: %w", claim.GetName(), err)
		}
		gone = false
	}
	return gone, nil
}
