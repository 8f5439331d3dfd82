package tenant

import (
	"context"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// ring is all Tenants, for whoever looks for a tenant's neighbours. It is listed once and kept up to date by what the watch tells: a
// pass over one tenant must not take longer with every other one.
type ring struct {
	mu         sync.Mutex
	listed     bool
	names      []string          // of those that stay, in the order of the alphabet
	namespaces map[string]string // by name
}

// fill lists all Tenants, unless that was done.
func (r *ring) fill(ctx context.Context, reader client.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listed {
		return nil
	}
	var tenants v1alpha1.TenantList
	if err := reader.List(ctx, &tenants, client.UnsafeDisableDeepCopy); err != nil { // read only
		return fmt.Errorf("reading the other tenants: %w", err)
	}
	r.names, r.namespaces = nil, map[string]string{}
	for i := range tenants.Items {
		r.put(&tenants.Items[i])
	}
	r.listed = true
	return nil
}

// look takes up that a Tenant came, goes or has gone.
func (r *ring) look(ctx context.Context, reader client.Reader, tenant string) error {
	t := &v1alpha1.Tenant{}
	err := reader.Get(ctx, client.ObjectKey{Name: tenant}, t, client.UnsafeDisableDeepCopy) // read only
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case apierrors.IsNotFound(err):
		r.drop(tenant)
		delete(r.namespaces, tenant)
		return nil
	case err != nil:
		return fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	if r.listed {
		r.put(t)
	}
	return nil
}

func (r *ring) put(t *v1alpha1.Tenant) {
	r.namespaces[t.Name] = plan.Tenant{Tenant: t}.Namespace()
	at, found := slices.BinarySearch(r.names, t.Name)
	switch stays := t.DeletionTimestamp.IsZero(); {
	case stays && !found:
		r.names = slices.Insert(r.names, at, t.Name)
	case !stays:
		r.drop(t.Name)
	}
}

func (r *ring) drop(tenant string) {
	if at, found := slices.BinarySearch(r.names, tenant); found {
		r.names = slices.Delete(r.names, at, at+1)
	}
}

// neighbour is another tenant that a probe tries.
type neighbour struct{ name, namespace string }

// after gives the tenants that a tenant's probe tries.
func (r *ring) after(ctx context.Context, reader client.Reader, tenant string) ([]neighbour, error) {
	if err := r.fill(ctx, reader); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []neighbour
	for _, n := range plan.Neighbours(tenant, r.names) {
		all = append(all, neighbour{n, r.namespaces[n]})
	}
	return all, nil
}

// before gives the tenants whose probes try a tenant, whether or not it is there.
func (r *ring) before(ctx context.Context, reader client.Reader, tenant string) ([]string, error) {
	if err := r.fill(ctx, reader); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return plan.NeighboursOf(tenant, r.names), nil
}
