package apply_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/apply"
)

func TestPruneRemovesOnlyOursThatNobodyWants(t *testing.T) {
	c := newCluster(t)
	opening := c.defaultDeny()
	opening.Name = "allow-old-connector"
	ofOther := c.defaultDeny()
	ofOther.Name, ofOther.Labels["tenant"] = "of-another-tenant", "b"
	ofStranger := c.defaultDeny()
	ofStranger.Name, ofStranger.Labels[apply.ManagedBy] = "of-a-stranger", "helm"
	c.apply(c.defaultDeny(), opening, ofOther, ofStranger, c.job("migrate-1"), c.job("migrate-2"))

	applier := &apply.Applier{Client: c.operator}
	prune := func() {
		t.Helper()
		err := applier.Prune(t.Context(), c.namespace, map[string]string{"tenant": "a"},
			[]client.Object{c.defaultDeny(), c.job("migrate-2")},
			&networkingv1.NetworkPolicyList{}, &batchv1.JobList{})
		if err != nil {
			t.Fatal(err)
		}
	}
	prune()
	for _, gone := range []client.Object{opening, c.job("migrate-1")} {
		if err := c.stranger.Get(t.Context(), client.ObjectKeyFromObject(gone), gone); !apierrors.IsNotFound(err) {
			t.Errorf("%T %s is still there (%v)", gone, gone.GetName(), err)
		}
	}
	for _, kept := range []client.Object{c.defaultDeny(), ofOther, ofStranger, c.job("migrate-2")} {
		c.get(kept)
	}

	before := c.writes.Load()
	prune()
	if n := c.writes.Load() - before; n != 0 {
		t.Errorf("pruning again made %d writes", n)
	}
}

func TestPruneRefusesWhatCannotBeMadeAgain(t *testing.T) {
	c := newCluster(t)
	secret := &corev1.Secret{ObjectMeta: c.meta("keys")}
	if err := c.stranger.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	applier := &apply.Applier{Client: c.operator}
	for _, list := range []client.ObjectList{
		&corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}, &corev1.NamespaceList{},
	} {
		err := applier.Prune(t.Context(), c.namespace, nil, nil, list)
		if err == nil || !strings.Contains(err.Error(), "never pruned") {
			t.Errorf("%T: err = %v, want a refusal", list, err)
		}
	}
	if err := applier.Prune(t.Context(), "", nil, nil, &batchv1.JobList{}); err == nil {
		t.Error("no refusal to prune the whole cluster")
	}
	c.get(secret)
}
