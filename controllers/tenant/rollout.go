package tenant

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/rollout"
)

// turns lets tenants go one after the other, whichever passes run at once.
type turns struct {
	mu sync.Mutex
	// given are the turns that the cache does not show yet.
	given map[types.UID]*v1alpha1.Rollout
}

// turnAgain is how soon a tenant that waits for its turn asks again, besides when it is told that another's has ended.
const turnAgain = time.Minute

// sooner gives the shorter of two times; 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// takeTurn has a tenant's pods run another image when its turn has come: status says so before anything is done.
func (r *Reconciler) takeTurn(ctx context.Context, s *scope) error {
	t, wanted := s.tenant, r.Images.Instance
	if t.Status.Instance == nil {
		image, err := observe.Image(ctx, r.Client, s.in.Namespace(), name.Serve)
		if err != nil {
			return err
		}
		if image == "" || image == wanted { // nothing runs yet, or it runs already
			s.facts.Rollout.Status = &v1alpha1.InstanceStatus{Image: wanted}
			return nil
		}
		if err := r.noteInstance(ctx, t, &v1alpha1.InstanceStatus{Image: image}); err != nil {
			return err
		}
	}
	i := t.Status.Instance.DeepCopy()
	switch {
	case i.Rollout != nil && i.Rollout.To == wanted, i.Rollout == nil && i.Image == wanted:
		return nil
	case i.Rollout != nil: // the operator was told another image meanwhile: the turn goes on with that
		i.Rollout.From, i.Rollout.To, i.Rollout.Since = i.Image, wanted, metav1.Time{Time: r.Now().UTC()}
		return r.noteInstance(ctx, t, i)
	}
	turn, err := r.turn(ctx, t, wanted)
	if err != nil {
		return err
	}
	if s.facts.Rollout.Turn = turn; !turn.Granted {
		s.again = sooner(s.again, turnAgain) // whoever was woken in its place may have had to wait for something else
		return nil
	}
	i.Rollout = r.turns.of(t)
	if err := r.noteInstance(ctx, t, i); err != nil {
		r.turns.giveBack(t)
		return err
	}
	return nil
}

// turn asks for a tenant's turn, and takes it.
func (r *Reconciler) turn(ctx context.Context, t *v1alpha1.Tenant, wanted string) (rollout.Turn, error) {
	r.turns.mu.Lock()
	defer r.turns.mu.Unlock()
	var all v1alpha1.TenantList
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil { // copied where it is changed
		return rollout.Turn{}, fmt.Errorf("reading the other tenants: %w", err)
	}
	items := slices.DeleteFunc(slices.Clone(all.Items), func(o v1alpha1.Tenant) bool { return !r.Regions.Serve(o.Spec.Region) })
	for n := range items {
		given, ok := r.turns.given[items[n].UID]
		switch i := items[n].Status.Instance; {
		case !ok:
		case i != nil && (i.Rollout != nil || i.Image == given.To):
			delete(r.turns.given, items[n].UID) // the cache shows it now
		default:
			items[n].Status.Instance = &v1alpha1.InstanceStatus{Rollout: given}
		}
	}
	turn := r.Rollout.Next(items, t.Name, wanted, r.Now())
	if turn.Granted {
		if r.turns.given == nil {
			r.turns.given = map[types.UID]*v1alpha1.Rollout{}
		}
		r.turns.given[t.UID] = &v1alpha1.Rollout{
			From: t.Status.Instance.Image, To: wanted, Since: metav1.Time{Time: r.Now().UTC()},
			Mending: !isServed(t),
		}
	}
	return turn, nil
}

func (r *turns) of(t *v1alpha1.Tenant) *v1alpha1.Rollout {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.given[t.UID]
}

func (r *turns) giveBack(t *v1alpha1.Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.given, t.UID)
}

func (r *Reconciler) noteInstance(ctx context.Context, t *v1alpha1.Tenant, i *v1alpha1.InstanceStatus) error {
	before := t.DeepCopy()
	t.Status.Instance = i
	return r.Status.Patch(ctx, r.Client, t, before)
}

// changeImage has the pods run the image that has migrated the database: what runs meanwhile works with the schema of the next.
func (r *Reconciler) changeImage(ctx context.Context, s *scope) error {
	i := s.tenant.Status.Instance.DeepCopy()
	if i == nil || i.Rollout == nil || i.Image == i.Rollout.To || !s.facts.Setup.Done {
		return nil
	}
	i.Image, i.Lacks = i.Rollout.To, s.facts.Setup.Lacks
	return r.noteInstance(ctx, s.tenant, i)
}

// observeRollout ends a tenant's turn once every Deployment of the tenant's is there with the image.
func (r *Reconciler) observeRollout(ctx context.Context, s *scope) error {
	s.facts.Rollout.Wanted = r.Images.Instance
	i := s.tenant.Status.Instance.DeepCopy()
	if i == nil {
		return nil
	}
	s.facts.Rollout.Status = i
	if setup := s.facts.Setup; setup.Done && setup.LacksKnown {
		i.Lacks = setup.Lacks
	}
	if i.Rollout == nil {
		return nil
	}
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(s.in.Namespace())); err != nil {
		return fmt.Errorf("reading the channels: %w", err)
	}
	settled, err := observe.RolledOut(ctx, r.Client, s.tenant.Name, s.in.Namespace(), i.Rollout.To, channels.Items)
	if err != nil {
		return err
	}
	if settled && i.Image == i.Rollout.To {
		i.Rollout = nil
		return nil
	}
	now := r.Now()
	s.facts.Rollout.Overdue = r.Rollout.Overdue(i.Rollout, now)
	if left := r.Rollout.Deadline - now.Sub(i.Rollout.Since.Time); left >= 0 {
		s.again = sooner(s.again, left+time.Second)
	}
	return nil
}

// nextTurns is told when a tenant's turn ends, and has as many of those that wait looked at as may go; all of them when one becomes
// overdue, or is not any more: they say so.
func (r *Reconciler) nextTurns() handler.EventHandler {
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			before, ok := e.ObjectOld.(*v1alpha1.Tenant)
			after, is := e.ObjectNew.(*v1alpha1.Tenant)
			if !ok || !is || !rolling(before) {
				return
			}
			if overdue(before) != overdue(after) || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() {
				r.wake(ctx, queue, true)
			} else if !rolling(after) {
				r.wake(ctx, queue, false)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if t, ok := e.Object.(*v1alpha1.Tenant); ok && rolling(t) {
				r.wake(ctx, queue, true)
			}
		},
	}
}

// wake has tenants looked at that wait for their turn: those first that are well, since the others may not come as far.
func (r *Reconciler) wake(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request], all bool) {
	var tenants v1alpha1.TenantList
	if err := r.Client.List(ctx, &tenants, client.UnsafeDisableDeepCopy); err != nil { // read only
		return // the cache ends
	}
	var well, ill []reconcile.Request
	for i := range tenants.Items {
		t := &tenants.Items[i]
		request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(t)}
		switch is := t.Status.Instance; {
		case is == nil || is.Rollout != nil || is.Image == r.Images.Instance || !t.DeletionTimestamp.IsZero() || !r.Regions.Serve(t.Spec.Region):
		case isServed(t):
			well = append(well, request)
		default:
			ill = append(ill, request)
		}
	}
	waiting := slices.Concat(well, ill)
	if !all {
		waiting = waiting[:min(len(waiting), r.Rollout.Bound(len(tenants.Items)))]
	}
	for _, request := range waiting {
		queue.Add(request)
	}
}

func isServed(t *v1alpha1.Tenant) bool {
	return meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionInstanceAvailable)
}

func rolling(t *v1alpha1.Tenant) bool {
	return t.Status.Instance != nil && t.Status.Instance.Rollout != nil
}

func overdue(t *v1alpha1.Tenant) bool {
	c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionUpToDate)
	return c != nil && c.Reason == v1alpha1.ReasonRolloutOverdue
}
