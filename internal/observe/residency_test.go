package observe_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const (
	tenant    = "hotel-berlin"
	namespace = "tenant-hotel-berlin"
)

// central are the labels that nodes of the region bear.
var central = map[string]string{corev1.LabelTopologyRegion: "eu-central", "tenants": "yes"}

// indexed is a cluster that finds things as the operator's caches do.
func indexed() *fake.ClientBuilder {
	b := fake.NewClientBuilder()
	for _, i := range observe.Indexes() {
		if _, ours := i.Object.(*v1alpha1.Tenant); !ours {
			b = b.WithIndex(i.Object, i.Field, i.Values)
		}
	}
	return b
}

func node(name string, labels map[string]string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func pod(name, nodeName string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: plan.TenantLabels(tenant)},
		Spec:       corev1.PodSpec{NodeName: nodeName},
	}
}

// demands is a term of a volume's node affinity.
func demands(operator corev1.NodeSelectorOperator, pairs ...string) corev1.NodeSelectorTerm {
	var term corev1.NodeSelectorTerm
	for i := 0; i+1 < len(pairs); i += 2 {
		term.MatchExpressions = append(term.MatchExpressions, corev1.NodeSelectorRequirement{Key: pairs[i], Operator: operator, Values: []string{pairs[i+1]}})
	}
	return term
}

func volume(terms ...corev1.NodeSelectorTerm) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv"},
		Spec:       corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{Namespace: namespace, Name: "data-postgres-0"}},
	}
	if len(terms) > 0 {
		v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: terms}}
	}
	return v
}

func TestNodesAreJudgedByTheirOwnLabels(t *testing.T) {
	elsewhere := pod("somebody-elses", "far")
	elsewhere.Namespace = "tenant-hotel-boston"
	foreign := pod("not-ours", "far")
	foreign.Labels = nil
	ended, failed := pod("ended", "once"), pod("failed", "once")
	ended.Status.Phase, failed.Status.Phase = corev1.PodSucceeded, corev1.PodFailed
	c := indexed().WithObjects(
		node("near", central), node("far", map[string]string{corev1.LabelTopologyRegion: "us-east", "tenants": "yes"}),
		node("once", nil), node("half", map[string]string{corev1.LabelTopologyRegion: "eu-central"}),
		pod("serve-1", "near"), pod("serve-2", "near"), pod("serve-3", "half"), pod("postgres-0", "gone"), pod("waiting", ""),
		elsewhere, foreign, ended, failed,
	).Build()
	seen, err := observe.Residency(t.Context(), c, namespace, central, observe.Elsewhere{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, n := range seen.Nodes {
		got[n.Name] = n.InRegion
	}
	want := map[string]bool{
		"near": true,
		"far":  false, // whoever made the pod
		"half": false, // it lacks one of the labels
		"gone": false, // nobody can say where it was
	}
	if len(got) != len(want) || len(seen.Nodes) != len(want) {
		t.Errorf("saw %v, want %v", seen.Nodes, want)
	}
	for name, in := range want {
		if was, ok := got[name]; !ok || was != in {
			t.Errorf("node %s: in the region %t (seen %t), want %t", name, was, ok, in)
		}
	}
	for _, n := range seen.Nodes {
		if n.Missing != (n.Name == "gone") {
			t.Errorf("node %s: missing %t", n.Name, n.Missing)
		}
	}
}

func TestAVolumeIsInTheRegionOnlyIfItsAffinityLeavesNoOtherNode(t *testing.T) {
	const region = corev1.LabelTopologyRegion
	in := demands(corev1.NodeSelectorOpIn, region, "eu-central", "tenants", "yes")
	two := demands(corev1.NodeSelectorOpIn, "tenants", "yes")
	two.MatchExpressions = append(two.MatchExpressions, corev1.NodeSelectorRequirement{
		Key: region, Operator: corev1.NodeSelectorOpIn, Values: []string{"eu-central", "us-east"},
	})
	for sentence, c := range map[string]struct {
		volume *corev1.PersistentVolume
		in     bool
	}{
		"bound to the region":                       {volume(in), true},
		"bound to the region by each term":          {volume(in, in), true},
		"bound to nothing":                          {volume(), false},
		"bound to another region":                   {volume(demands(corev1.NodeSelectorOpIn, region, "us-east", "tenants", "yes")), false},
		"bound by one label of two":                 {volume(demands(corev1.NodeSelectorOpIn, region, "eu-central")), false},
		"one term of two leads elsewhere, at last":  {volume(in, demands(corev1.NodeSelectorOpIn, region, "us-east", "tenants", "yes")), false},
		"one term of two leads elsewhere, at first": {volume(demands(corev1.NodeSelectorOpIn, region, "us-east", "tenants", "yes"), in), false},
		"bound to either of two regions":            {volume(two), false},
		"kept out of the region":                    {volume(demands(corev1.NodeSelectorOpNotIn, region, "eu-central", "tenants", "yes")), false},
	} {
		t.Run(sentence, func(t *testing.T) {
			other := volume(in)
			other.Name, other.Spec.ClaimRef = "others", &corev1.ObjectReference{Namespace: "tenant-hotel-boston", Name: "data-postgres-0"}
			free := volume(in)
			free.Name, free.Spec.ClaimRef = "free", nil
			reader := indexed().WithObjects(c.volume, other, free).Build()
			seen, err := observe.Residency(t.Context(), client.Reader(reader), namespace, central, observe.Elsewhere{})
			if err != nil {
				t.Fatal(err)
			}
			if len(seen.Volumes) != 1 || seen.Volumes[0].Name != "pv" || seen.Volumes[0].Claim != "data-postgres-0" || seen.Volumes[0].InRegion != c.in {
				t.Errorf("saw %+v, want pv alone, in the region: %t", seen.Volumes, c.in)
			}
		})
	}
}

// What a pass over one tenant reads doesn't grow with the others'.
func TestVolumesOfOthersAreNotRead(t *testing.T) {
	mine := volume(demands(corev1.NodeSelectorOpIn, corev1.LabelTopologyRegion, "eu-central", "tenants", "yes"))
	others := mine.DeepCopy()
	others.Name, others.Spec.ClaimRef.Namespace = "others", "tenant-hotel-boston"
	read := 0
	reader := indexed().WithObjects(mine, others).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			err := c.List(ctx, list, options...)
			if volumes, is := list.(*corev1.PersistentVolumeList); is {
				read += len(volumes.Items)
			}
			return err
		},
	}).Build()
	seen, err := observe.Residency(t.Context(), reader, namespace, central, observe.Elsewhere{})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Volumes) != 1 || !seen.Volumes[0].InRegion || read != 1 {
		t.Errorf("%d volumes were read for %+v", read, seen.Volumes)
	}
}
