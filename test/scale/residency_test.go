package main

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// A pod of the reference is no tenant's: waiting for a Tenant to tell of it, a run waited in vain.
func TestWhosePodsTheyAre(t *testing.T) {
	pod := func(namespace, tenant string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "postgres-0", Namespace: namespace, Labels: map[string]string{v1alpha1.LabelTenant: tenant}}}
	}
	got := slices.Sorted(maps.Keys(tenantsOf([]corev1.Pod{pod("tenant-berlin", "berlin"), pod("copy-of-tenant-paris", "paris"), pod("ballast", "")})))
	if !slices.Equal(got, []string{"berlin"}) {
		t.Errorf("they are of %v, want berlin alone", got)
	}
}
