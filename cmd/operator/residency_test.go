package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// driftLimit is how long drift may stay unseen.
const driftLimit = 5 * time.Second

// drifts takes one client out of its region, and back.
func drifts(t *testing.T, c testCluster) {
	ctx := t.Context()
	h := c.book(t, "drifting", func(s *v1alpha1.TenantSpec) { s.Region = "movable" })
	create(t, c, aRegion("movable"))
	h.settle(t)
	create(t, c, aNode("mid", "movable"))
	h.runOn(t, "guest", "mid")
	h.within(t, "compliant", func() error {
		o := h.tenant(t)
		r := o.Status.Residency
		if r == nil || len(r.Nodes) != 1 || r.Nodes[0].Name != "mid" || r.Nodes[0].Zone != "movable-a" || !r.Nodes[0].InRegion || r.Nodes[0].FirstSeen == nil || r.Nodes[0].LastSeen != nil {
			return fmt.Errorf("seen: %+v", r)
		}
		if p := r.SubProcessors; len(p) != 1 || p[0].Channel != "desk" || p[0].Location != "US" || p[0].TransferMechanism == "" || !p[0].Allowed {
			return fmt.Errorf("sub-processors: %+v", p)
		}
		return condition(o.Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, "")
	})
	if err := h.egress(ctx, 2, 1); err != nil {
		t.Fatal(err)
	}
	if n := violations(t, c, h.name); n != 0 {
		t.Errorf("the metric counts %v violations", n)
	}

	t.Run("a node that is relabelled closes egress", func(t *testing.T) {
		quiet(t, c)
		relabel(t, c, "mid", "elsewhere")
		h.within(t, "not compliant", func() error {
			o := h.tenant(t)
			if v := o.Status.Residency.Violations; len(v) != 1 || v[0].Kind != "Node" || v[0].Name != "mid" || v[0].Since.IsZero() || !o.Status.Residency.EgressClosed {
				return fmt.Errorf("violations: %+v", v)
			}
			return errors.Join(says(o.Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionFalse, v1alpha1.ReasonOutsideRegion, "node mid"), h.egress(ctx, 1, 0))
		})
		h.within(t, "told", func() error {
			channel := get(t, h, "desk", &v1alpha1.Channel{})
			return errors.Join(condition(channel.Status.Conditions, v1alpha1.ConditionConnectorAvailable, metav1.ConditionFalse, v1alpha1.ReasonEgressClosed),
				h.events(t, v1alpha1.ReasonOutsideRegion, 1))
		})
		if n := violations(t, c, h.name); n != 1 {
			t.Errorf("the metric counts %v violations", n)
		}
		eventually(t, "the Region says so", func(ctx context.Context) error {
			o := &v1alpha1.Region{}
			if err := c.Get(ctx, client.ObjectKey{Name: "movable"}, o); err != nil {
				return err
			}
			return says(o.Status.Conditions, v1alpha1.ConditionTenantsResident, metav1.ConditionFalse, v1alpha1.ReasonTenantsOutside, "drifting")
		})
		quiet(t, c)
		before := c.writes.Load()
		since := h.tenant(t).Status.Residency.Violations[0].Since
		c.restart(t)
		quiet(t, c)
		if written := c.writes.since(before); len(written) != 0 {
			t.Errorf("while it stays so, a restart wrote %v", written)
		}
		if got := h.tenant(t).Status.Residency.Violations[0].Since; !got.Equal(&since) {
			t.Errorf("since %v became %v", since, got)
		}
		if err := h.events(t, v1alpha1.ReasonOutsideRegion, 1); err != nil {
			t.Error(err)
		}
	})
	t.Run("once it is mended all is as before", func(t *testing.T) {
		relabel(t, c, "mid", "movable")
		h.within(t, "compliant", func() error {
			return errors.Join(condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, ""), h.egress(ctx, 2, 1))
		})
		h.settle(t)
		if r := h.tenant(t).Status.Residency; len(r.Violations) != 0 || r.EgressClosed || violations(t, c, h.name) != 0 {
			t.Errorf("it stays outside: %+v", r)
		}
	})
	t.Run("a volume that is bound elsewhere closes egress", func(t *testing.T) {
		create(t, c, aVolume("pv-drifting", h.namespace, "elsewhere"))
		h.within(t, "not compliant", func() error {
			return errors.Join(says(h.tenant(t).Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionFalse, v1alpha1.ReasonOutsideRegion, "volume pv-drifting"),
				h.egress(ctx, 1, 0))
		})
		removeVolume(t, c, "pv-drifting")
		h.within(t, "compliant", func() error {
			o := h.tenant(t)
			if v := o.Status.Residency.Volumes; len(v) != 1 || v[0].LastSeen == nil {
				return fmt.Errorf("it is not remembered: %+v", v)
			}
			return errors.Join(condition(o.Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, ""), h.egress(ctx, 2, 1))
		})
	})
	t.Run("a broken glass shows until it is mended", func(t *testing.T) {
		annotate := func(value string) {
			t.Helper()
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, v1alpha1.AnnotationBreakGlass, value)
			if err := c.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: h.namespace}}, client.RawPatch("application/merge-patch+json", patch)); err != nil {
				t.Fatal(err)
			}
		}
		annotate(`"incident 4711"`)
		h.within(t, "it shows", func() error {
			return errors.Join(says(h.tenant(t).Status.Conditions, v1alpha1.ConditionIsolated, metav1.ConditionFalse, v1alpha1.ReasonGlassBroken, v1alpha1.AnnotationBreakGlass),
				h.events(t, v1alpha1.ReasonGlassBroken, 1))
		})
		annotate("null")
		h.within(t, "it shows no more", func() error {
			return condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionIsolated, metav1.ConditionTrue, "")
		})
	})
	t.Run("a change of the Region is planned", func(t *testing.T) { planned(t, h) })
	t.Run("who leaves the register is stopped", func(t *testing.T) {
		changeRegion(t, c, func(r *v1alpha1.Region) { r.Spec.SubProcessors = nil })
		h.within(t, "stopped", func() error {
			if err := h.Get(ctx, h.key("connector-desk"), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("its connector is there: %w", err)
			}
			if err := h.Get(ctx, h.key("connector-desk"), &networkingv1.NetworkPolicy{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("its opening is there: %w", err)
			}
			channel := get(t, h, "desk", &v1alpha1.Channel{})
			return says(channel.Status.Conditions, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSubProcessorNotRegistered, "twilio")
		})
	})
}

// planned changes where the Region is, under a tenant that is there.
func planned(t *testing.T, h hotel) {
	ctx := t.Context()
	quiet(t, h.testCluster)
	boundary := get(t, h, "residency", &v1alpha1.ResidencyBoundary{}).ResourceVersion
	changeRegion(t, h.testCluster, func(r *v1alpha1.Region) {
		r.Spec.NodeSelector = map[string]v1alpha1.LabelValue{corev1.LabelTopologyRegion: "moved"}
	})
	var digest string
	eventually(t, "it says what would be outside", func(ctx context.Context) error {
		o := &v1alpha1.Region{}
		if err := h.Get(ctx, client.ObjectKey{Name: "movable"}, o); err != nil {
			return err
		}
		if p := o.Status.Planned; p == nil || len(p.Outside) != 1 || p.Outside[0] != "drifting: node mid" {
			return fmt.Errorf("planned: %+v", p)
		}
		digest = o.Status.Planned.Digest
		return says(o.Status.Conditions, v1alpha1.ConditionChangesMade, metav1.ConditionFalse, v1alpha1.ReasonChangePlanned, v1alpha1.AnnotationApproveChange+"="+digest)
	})
	quiet(t, h.testCluster)
	if b := get(t, h, "residency", &v1alpha1.ResidencyBoundary{}); b.ResourceVersion != boundary {
		t.Errorf("the tenant is held to %v already", b.Spec)
	}
	if err := errors.Join(h.placed(ctx, "movable"), condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, "")); err != nil {
		t.Error(err)
	}
	changeRegion(t, h.testCluster, func(r *v1alpha1.Region) { r.Annotations = map[string]string{v1alpha1.AnnotationApproveChange: digest} })
	eventually(t, "approved, it is made", func(ctx context.Context) error {
		return errors.Join(h.placed(ctx, "moved"), condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionFalse, v1alpha1.ReasonOutsideRegion))
	})
	relabel(t, h.testCluster, "mid", "moved")
	eventually(t, "compliant there", func(context.Context) error {
		return condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionResidencyCompliant, metav1.ConditionTrue, "")
	})
	// A change that leaves nothing outside needs nobody's approval.
	node := &corev1.Node{}
	if err := h.Get(ctx, client.ObjectKey{Name: "mid"}, node); err != nil {
		t.Fatal(err)
	}
	node.Labels["tenants"] = "yes"
	if err := h.Update(ctx, node); err != nil {
		t.Fatal(err)
	}
	quiet(t, h.testCluster)
	changeRegion(t, h.testCluster, func(r *v1alpha1.Region) { r.Spec.NodeSelector["tenants"] = "yes" })
	eventually(t, "it is made", func(ctx context.Context) error {
		b := &v1alpha1.ResidencyBoundary{}
		if err := h.Get(ctx, h.key("residency"), b); err != nil {
			return err
		}
		if b.Spec.NodeSelector["tenants"] != "yes" {
			return fmt.Errorf("the tenant is held to %v", b.Spec.NodeSelector)
		}
		o := &v1alpha1.Region{}
		if err := h.Get(ctx, client.ObjectKey{Name: "movable"}, o); err != nil {
			return err
		}
		return condition(o.Status.Conditions, v1alpha1.ConditionChangesMade, metav1.ConditionTrue, "")
	})
}
