package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// change is how long it takes until a Tenant's Deployment is as its changed spec says.
type change struct {
	Tenants      int     `json:"tenants"`
	Alone        seconds `json:"alone"`
	WhileFailing seconds `json:"whileOthersFail"`
	Failing      int     `json:"failing"`
}

// changed is how many tenants are changed, one after the other.
const changed = 10

func (w *world) measureChange(ctx context.Context) (change, error) {
	c := change{Tenants: min(changed, w.Tenants-w.Failing), Failing: w.Failing}
	if c.Tenants < 1 {
		return c, fmt.Errorf("%d tenants fail and none of %d is left to be changed: lower -failing", w.Failing, w.Tenants)
	}
	var err error
	if c.Alone, err = w.changeSome(ctx, c.Tenants, 2); err != nil {
		return c, err
	}
	if _, err := w.op.rest(ctx, w.Tenants, 5*time.Minute); err != nil {
		return c, err
	}
	if err := w.breakTenants(ctx); err != nil {
		return c, err
	}
	c.WhileFailing, err = w.changeSome(ctx, c.Tenants, 1)
	return c, err
}

// changeSome gives tenants, the last ones, another number of servers, one after the other.
func (w *world) changeSome(ctx context.Context, tenants int, replicas int32) (seconds, error) {
	informer, err := w.seen.GetInformer(ctx, &appsv1.Deployment{})
	if err != nil {
		return seconds{}, fmt.Errorf("watching Deployments: %w", err)
	}
	var all []time.Duration
	for i := range tenants {
		tenant := tenantName(w.Tenants - 1 - i)
		right := make(chan struct{}, 100)
		handler, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, o any) {
			d, ok := o.(*appsv1.Deployment)
			if ok && d.Namespace == name.Namespace(tenant) && d.Name == name.Serve && *d.Spec.Replicas == replicas {
				select {
				case right <- struct{}{}:
				default:
				}
			}
		}})
		if err != nil {
			return seconds{}, fmt.Errorf("watching Deployments: %w", err)
		}
		start := time.Now()
		patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"plan":{"replicas":%d}}}`, replicas))
		if err := w.admin.Patch(ctx, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenant}}, patch); err != nil {
			return seconds{}, fmt.Errorf("changing Tenant %s: %w", tenant, err)
		}
		select {
		case <-right:
			all = append(all, time.Since(start))
		case <-time.After(2 * time.Minute):
			return seconds{}, fmt.Errorf("2 minutes after Tenant %s was changed its Deployment is as before", tenant)
		case <-ctx.Done():
			return seconds{}, ctx.Err()
		}
		if err := informer.RemoveEventHandler(handler); err != nil {
			return seconds{}, fmt.Errorf("watching Deployments: %w", err)
		}
		if err := pause(ctx, time.Second); err != nil {
			return seconds{}, err
		}
	}
	return secondsOf(all), nil
}

// breakTenants makes every pass over some tenants, the first ones, fail from now on: their authorities can't be read.
func (w *world) breakTenants(ctx context.Context) error {
	err := inParallel(ctx, w.Failing, 8, func(ctx context.Context, i int) error {
		ca := &corev1.Secret{}
		if err := w.admin.Get(ctx, client.ObjectKey{Namespace: name.OperatorNamespace, Name: name.CA(tenantName(i))}, ca); err != nil {
			return fmt.Errorf("reading an authority: %w", err)
		}
		ca.Data[contract.FileTLSCert] = []byte("not a certificate")
		if err := w.admin.Update(ctx, ca); err != nil {
			return fmt.Errorf("breaking an authority: %w", err)
		}
		touch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"scale.switchboard.dev/touched":"yes"}}}`))
		return w.admin.Patch(ctx, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenantName(i)}}, touch)
	})
	if err != nil {
		return err
	}
	before, err := w.op.sums(ctx)
	if err != nil {
		return err
	}
	for range 300 {
		now, err := w.op.sums(ctx)
		if err != nil {
			return err
		}
		if now["controller_runtime_reconcile_errors_total tenant"] >= before["controller_runtime_reconcile_errors_total tenant"]+float64(w.Failing) {
			return nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the %d tenants that should fail don't", w.Failing)
}
