package plan

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Server is the staff API of a tenant.
func Server(in Tenant) []client.Object {
	meta := in.tenantMeta(name.Serve, componentServe)
	container := serving(in.instance("serve", need{cpu: "50m", memory: "64Mi", memoryLimit: "256Mi"}, nil, []corev1.VolumeMount{
		mount("database", contract.DirDatabase), mount("tls", contract.DirTLS), mount("keys", contract.DirKeys),
	}))
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(contract.ComponentServe), secretVolume("tls", name.ServeTLS), secretVolume("keys", name.Keys),
	})
	all := []client.Object{
		in.deployment(meta, in.selector(componentServe), in.serveReplicas(), in.traced(in.signingIn(in.stored(guarded(pod))))),
		service(meta, in.selector(componentServe), "https", 443, intstr.FromString("https")),
		disruptionBudget(meta, in.selector(componentServe)),
	}
	all = append(all, stateService(in))
	if route := in.route(meta, "/", name.Serve); route != nil {
		all = append(all, route)
	}
	return all
}

func (in Tenant) serveReplicas() int32 {
	switch plan := in.Tenant.Spec.Plan; {
	case in.Tenant.Spec.Suspended:
		return 0
	case plan != nil && plan.Replicas != nil:
		return *plan.Replicas
	default:
		return 1
	}
}

// deployment replaces its pods one by one, a new one first.
func (in Tenant) deployment(meta metav1.ObjectMeta, selector map[string]string, replicas int32, pod corev1.PodSpec) *appsv1.Deployment {
	none, one, history := intstr.FromInt32(0), intstr.FromInt32(1), int32(2)
	return &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, RevisionHistoryLimit: &history,
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &one},
			},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: pod},
		},
	}
}

// disruptionBudget lets a drain move pods one at a time. It does not hold a single one back: a node that can't be
// drained is worse than seconds that a provider bridges by sending again.
func disruptionBudget(meta metav1.ObjectMeta, selector map[string]string) *policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	return &policyv1.PodDisruptionBudget{
		TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: meta,
		Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: selector}},
	}
}
