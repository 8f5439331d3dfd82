package plan_test

import (
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func TestWhereDataMayGo(t *testing.T) {
	for _, c := range []struct {
		jurisdiction, location, mechanism string
		covered                           bool
	}{
		{"DE", "DE", "", true}, {"EU", "DE", "", true}, {"DE", "EU", "", true}, {"DE", "FR", "", true}, {"EU", "NO", "", true}, {"DE", "DE-BE", "", true},
		{"DE-BE", "DE", "", true}, // the same law in all of the Union
		{"US", "US-MA", "", true}, {"US-MA", "US", "", true}, {"US-MA", "US-MA", "", true}, {"US-MA", "US-CA", "", true},
		{"EU", "US", "", false}, {"EU", "CH", "", false}, {"EU", "GB", "", false}, {"US", "DE", "", false}, {"CH", "EU", "", false},
		{"EU", "US", "EU-US Data Privacy Framework", true},
	} {
		region := &v1alpha1.Region{Spec: v1alpha1.RegionSpec{Jurisdiction: c.jurisdiction}}
		if got := plan.Covered(region, v1alpha1.SubProcessor{Location: c.location, TransferMechanism: c.mechanism}); got != c.covered {
			t.Errorf("from %s to %s under %q: covered %t, want %t", c.jurisdiction, c.location, c.mechanism, got, c.covered)
		}
	}
}

func TestAChannelOutsideOfTheLawIsRefused(t *testing.T) {
	region := &v1alpha1.Region{Spec: v1alpha1.RegionSpec{Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "twilio", Location: "US"}}}}
	channel := &v1alpha1.Channel{Spec: v1alpha1.ChannelSpec{SubProcessor: "twilio"}}
	if _, refusal := plan.Processor(region, channel); refusal == nil || refusal.Reason != v1alpha1.ReasonTransferNotCovered {
		t.Errorf("refusal = %v", refusal)
	}
	region.Spec.SubProcessors[0].TransferMechanism = "EU-US Data Privacy Framework"
	if _, refusal := plan.Processor(region, channel); refusal != nil {
		t.Errorf("refusal = %v", refusal)
	}
}

// While something of a tenant is outside of its region its connectors run no pod, and what they may reach is the database.
func TestDriftClosesEgress(t *testing.T) {
	in, channel, processor := connectorOf(t)
	opened, closed := 0, in
	closed.Tenant = in.Tenant.DeepCopy()
	closed.Tenant.Status.Residency = &v1alpha1.Residency{EgressClosed: true}
	for _, o := range plan.Connector(in, channel, processor) {
		if p, ok := o.(*networkingv1.NetworkPolicy); ok {
			opened = len(p.Spec.Egress)
		}
	}
	if opened != 2 {
		t.Fatalf("before, %d openings: the test proves nothing", opened)
	}
	looked := 0
	for _, o := range plan.Connector(closed, channel, processor) {
		switch o := o.(type) {
		case *networkingv1.NetworkPolicy:
			looked++
			if len(o.Spec.Egress) != 1 || o.Spec.Egress[0].To[0].PodSelector == nil || o.Spec.Egress[0].To[0].IPBlock != nil {
				t.Errorf("egress is %v", o.Spec.Egress)
			}
		case *appsv1.Deployment:
			looked++
			if *o.Spec.Replicas != 0 {
				t.Errorf("%d connectors run", *o.Spec.Replicas)
			}
		}
	}
	if looked != 2 {
		t.Errorf("looked at %d objects", looked)
	}
}

func TestATenantIsHeldToTheRegionOfItsBoundary(t *testing.T) {
	in, _, _ := connectorOf(t)
	boundary := plan.Boundary(in)
	changed := in.Region.DeepCopy()
	changed.Spec.NodeSelector = map[string]v1alpha1.LabelValue{corev1.LabelTopologyRegion: "elsewhere"}
	changed.Spec.StorageClassName, changed.Spec.SubProcessors = "elsewhere", nil
	inForce := plan.InForce(changed, boundary)
	if !plan.SamePlace(inForce, in.Region) || plan.SamePlace(inForce, changed) || plan.PlaceDigest(changed) == plan.PlaceDigest(in.Region) {
		t.Error("the place is not that of the boundary")
	}
	if len(inForce.Spec.SubProcessors) != 0 {
		t.Error("who is taken out of the register stays in it")
	}
	if changed.Spec.NodeSelector[corev1.LabelTopologyRegion] != "elsewhere" {
		t.Error("the Region itself was changed")
	}
	if plan.InForce(changed, nil) != changed {
		t.Error("without a boundary the Region's own place counts")
	}
}

// … and its webhooks run no pod either, and nothing leads out of its namespace.
func TestDriftClosesTheWayOfWebhooksAndSignIn(t *testing.T) {
	ways := func(closed bool) (out int, pods int32) {
		tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
		read(t, "testdata/everything/tenant.yaml", tenant)
		read(t, "testdata/everything/region.yaml", region)
		tenant.Status.Residency = &v1alpha1.Residency{EgressClosed: closed}
		in := plan.Tenant{Tenant: tenant, Region: region, Versions: map[string]int{contract.ComponentWebhooks: 1}}
		for _, o := range append(plan.Webhooks(in, plan.AcceptedWebhooks(in)), plan.Isolation(in)...) {
			switch o := o.(type) {
			case *networkingv1.NetworkPolicy:
				if o.Name == "webhooks" || o.Name == "staff-oidc" {
					for _, rule := range o.Spec.Egress {
						out += len(slices.DeleteFunc(rule.To, func(p networkingv1.NetworkPolicyPeer) bool { return p.IPBlock == nil }))
					}
				}
			case *appsv1.Deployment:
				pods += *o.Spec.Replicas
			}
		}
		return out, pods
	}
	if out, pods := ways(false); out < 2 || pods != 1 {
		t.Fatalf("before, %d ways out and %d pods: the test proves nothing", out, pods)
	}
	if out, pods := ways(true); out != 0 || pods != 0 {
		t.Errorf("%d ways out, %d pods", out, pods)
	}
}

func connectorOf(t *testing.T) (plan.Tenant, *v1alpha1.Channel, v1alpha1.SubProcessor) {
	t.Helper()
	dir := "testdata/usual"
	tenant, region, channel := &v1alpha1.Tenant{}, &v1alpha1.Region{}, &v1alpha1.Channel{}
	read(t, filepath.Join(dir, "tenant.yaml"), tenant)
	read(t, filepath.Join(dir, "region.yaml"), region)
	read(t, filepath.Join(dir, "channel.yaml"), channel)
	processor, refusal := plan.Processor(region, channel)
	if refusal != nil {
		t.Fatal(refusal.Message)
	}
	return plan.Tenant{Tenant: tenant, Region: region}, channel, processor
}
