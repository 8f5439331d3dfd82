package observe_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// Before the switch the copy alone may be in the other region, and nothing beside it on its node; afterwards what is left
// where the tenant was; and nothing of anybody else's, ever.
func TestWhatAMoveMayHaveElsewhere(t *testing.T) {
	far := map[string]string{corev1.LabelTopologyRegion: "us-east"}
	foreign := pod("foreign", "far")
	foreign.Labels = nil
	copied := volume(demands(corev1.NodeSelectorOpIn, corev1.LabelTopologyRegion, "us-east"))
	copied.Spec.ClaimRef.Name = "data-postgres-us-east-0"
	for sentence, c := range map[string]struct {
		phase  v1alpha1.MovePhase
		region string // of the tenant's spec
		there  []client.Object
		moving bool
	}{
		"the copy":                              {v1alpha1.MoveCopying, "eu-central", []client.Object{pod("postgres-us-east-0", "far"), copied}, true},
		"what fills its volume":                 {v1alpha1.MoveCopying, "eu-central", []client.Object{pod("copy-postgres-us-east-x", "far")}, true},
		"the copy, being taken back":            {v1alpha1.MoveAborting, "eu-central", []client.Object{pod("postgres-us-east-0", "far"), copied}, true},
		"the copy, before anybody asked":        {v1alpha1.MovePlanned, "eu-central", []client.Object{pod("postgres-us-east-0", "far")}, false},
		"a server beside the copy":              {v1alpha1.MoveCopying, "eu-central", []client.Object{pod("postgres-us-east-0", "far"), pod("serve-1", "far")}, false},
		"somebody else's beside the copy":       {v1alpha1.MoveQuiesced, "eu-central", []client.Object{pod("postgres-us-east-0", "far"), foreign}, false},
		"another volume":                        {v1alpha1.MoveCopying, "eu-central", []client.Object{volume(demands(corev1.NodeSelectorOpIn, corev1.LabelTopologyRegion, "us-east"))}, false},
		"a volume that is bound to nothing":     {v1alpha1.MoveCopying, "eu-central", []client.Object{volume()}, false},
		"what is left, after the switch":        {v1alpha1.MoveSwitched, "eu-central", []client.Object{pod("serve-1", "far")}, true},
		"somebody else's, after the switch":     {v1alpha1.MoveSwitched, "eu-central", []client.Object{foreign}, false},
		"what is left, when all should be gone": {v1alpha1.MoveSourceErased, "eu-central", []client.Object{pod("serve-1", "far")}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			o := &v1alpha1.Tenant{Spec: v1alpha1.TenantSpec{Region: c.region}}
			o.Status.Move = &v1alpha1.MoveStatus{From: "eu-central", To: "us-east", Phase: c.phase}
			if c.phase == v1alpha1.MoveSwitched || c.phase == v1alpha1.MoveSourceErased {
				o.Status.Move.From, o.Status.Move.To = "us-east", "eu-central"
			}
			region := &v1alpha1.Region{Spec: v1alpha1.RegionSpec{NodeSelector: map[string]v1alpha1.LabelValue{corev1.LabelTopologyRegion: "us-east"}}}
			region.Name = "us-east"
			scheme := fake.NewClientBuilder().Build().Scheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			reader := indexed().WithScheme(scheme).WithObjects(append([]client.Object{region, node("far", far)}, c.there...)...).Build()
			move, err := observe.Moving(t.Context(), reader, o)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := observe.Residency(t.Context(), reader, namespace, central, move)
			if err != nil {
				t.Fatal(err)
			}
			if len(seen.Nodes)+len(seen.Volumes) == 0 {
				t.Fatal("nothing was seen")
			}
			for _, n := range seen.Nodes {
				if n.Moving != c.moving || n.InRegion {
					t.Errorf("node %+v", n)
				}
			}
			for _, v := range seen.Volumes {
				if v.Moving != c.moving || v.InRegion {
					t.Errorf("volume %+v", v)
				}
			}
		})
	}
}
