package tenant

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// drawBoundary tells the admission policies where the tenant may be. A change of the Region's place counts at once if it
// leaves nothing of the tenant outside, or was approved; until then the tenant is held to the place it had.
func (r *Reconciler) drawBoundary(ctx context.Context, s *scope) error {
	boundary, err := observe.Boundary(ctx, r.Client, s.in.Namespace())
	if err != nil {
		return err
	}
	wanted := s.in.Region
	if s.in.Region = plan.InForce(wanted, boundary); !plan.SamePlace(s.in.Region, wanted) {
		if s.planned, err = r.planChange(ctx, s, wanted); err != nil {
			return err
		}
		if s.planned == nil {
			s.in.Region = wanted
		}
	}
	if s.in.DefaultClass, err = observe.DefaultClass(ctx, r.Client); err != nil {
		return err
	}
	return rights(r.Applier.Apply(ctx, plan.Boundary(s.in)))
}

// planChange gives what the place that is wanted would leave outside; nil when that is nothing, or was approved.
func (r *Reconciler) planChange(ctx context.Context, s *scope, wanted *v1alpha1.Region) (*v1alpha1.PlannedChange, error) {
	digest := plan.PlaceDigest(wanted)
	if wanted.Annotations[v1alpha1.AnnotationApproveChange] == digest {
		return nil, nil
	}
	would, err := observe.Residency(ctx, r.Client, s.in.Namespace(), plan.NodeSelector(wanted), observe.Elsewhere{})
	if err != nil {
		return nil, err
	}
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(s.in.Namespace())); err != nil {
		return nil, fmt.Errorf("reading the tenant's channels: %w", err)
	}
	outside := judge.Outside(would)
	for i := range channels.Items {
		_, before := plan.Processor(s.in.Region, &channels.Items[i])
		if _, after := plan.Processor(wanted, &channels.Items[i]); before == nil && after != nil {
			by := "its database"
			if p := channels.Items[i].Spec.SubProcessor; p != "" {
				by = "sub-processor " + p
			}
			outside = append(outside, fmt.Sprintf("channel %s, by %s", channels.Items[i].Name, by))
		}
	}
	for i := range s.tenant.Spec.Webhooks {
		w := &s.tenant.Spec.Webhooks[i]
		_, before := plan.Webhook(s.in.Region, w)
		if _, after := plan.Webhook(wanted, w); before == nil && after != nil {
			outside = append(outside, fmt.Sprintf("webhook %s, by sub-processor %s", w.Name, w.SubProcessor))
		}
	}
	if o := s.tenant.Spec.StaffOIDC; o != nil {
		_, before := plan.StaffOIDC(s.in.Region, o)
		if _, after := plan.StaffOIDC(wanted, o); before == nil && after != nil {
			outside = append(outside, "staff's sign-in, by sub-processor "+o.SubProcessor)
		}
	}
	if len(outside) == 0 {
		return nil, nil
	}
	return &v1alpha1.PlannedChange{Digest: digest, Outside: outside[:min(len(outside), 32)]}, nil
}

// rights turns a refusal for lack of rights into a wait: the binding just made takes a moment to reach the authorizer.
func rights(err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	return &step.Wait{
		Condition: v1alpha1.ConditionIsolated, Reason: v1alpha1.ReasonProgressing, After: 200 * time.Millisecond,
		Message: "the operator's rights in the namespace are on their way",
	}
}

// lookAround sees where what is the tenant's really is, and remembers since when.
func (r *Reconciler) lookAround(ctx context.Context, s *scope) error {
	move, err := observe.Moving(ctx, r.Client, s.tenant)
	if err != nil {
		return err
	}
	seen, err := observe.Residency(ctx, r.Client, s.in.Namespace(), s.in.NodeSelector(), move)
	if err != nil {
		return err
	}
	var channels v1alpha1.ChannelList
	if err := r.Client.List(ctx, &channels, client.InNamespace(s.in.Namespace())); err != nil {
		return fmt.Errorf("reading the tenant's channels: %w", err)
	}
	seen.SubProcessors, seen.Planned = observe.SubProcessors(s.in.Region, channels.Items, s.tenant), s.planned
	seen.Database = observe.ExternalDatabase(s.in.Region)
	s.facts.Residency = judge.Remember(s.tenant.Status.Residency, seen, r.Now())
	return nil
}
