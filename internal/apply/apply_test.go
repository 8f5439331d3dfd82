package apply_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
)

func TestApplyingAgainWritesNothing(t *testing.T) {
	c := newCluster(t)
	one := intstr.FromInt32(1)
	objects := []client.Object{
		c.deployment(), c.statefulSet(), c.cronJob(), c.job("migrate-1"), c.defaultDeny(), c.service(),
		c.configMap("postgres-config", map[string]string{"pg_hba.conf": "reject\n"}),
		&corev1.ResourceQuota{ObjectMeta: c.meta("quota"), Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("4000m"), "pods": resource.MustParse("20")},
		}},
		&corev1.LimitRange{ObjectMeta: c.meta("limits"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1024Mi")},
		}}}},
		&policyv1.PodDisruptionBudget{ObjectMeta: c.meta("serve"), Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "serve"}},
		}},
		&rbacv1.RoleBinding{ObjectMeta: c.meta("manager"),
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "operator", Namespace: "system"}},
		},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace, Labels: map[string]string{"tenant": "a"}}},
	}
	for _, object := range objects {
		before := c.writes.Load()
		c.apply(object)
		if n := c.writes.Load() - before; n != 1 {
			t.Errorf("the first apply of a %T made %d writes, want 1", object, n)
		}
		c.settled(object)
	}
}

func TestAWidenedNetworkPolicyIsPutBack(t *testing.T) {
	c := newCluster(t)
	c.apply(c.defaultDeny())
	change(c, c.defaultDeny(), func(p *networkingv1.NetworkPolicy) {
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
	})
	c.apply(c.defaultDeny())
	got := c.defaultDeny()
	c.get(got)
	if len(got.Spec.Ingress) != 0 {
		t.Errorf("ingress = %v, want none", got.Spec.Ingress)
	}
	c.settled(c.defaultDeny())

	change(c, c.defaultDeny(), func(p *networkingv1.NetworkPolicy) {
		p.Spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"only": "these"}}
	})
	c.apply(c.defaultDeny())
	c.get(got)
	if len(got.Spec.PodSelector.MatchLabels) != 0 {
		t.Errorf("podSelector = %v, want all pods", got.Spec.PodSelector)
	}
	c.settled(c.defaultDeny())
}

func TestWhatAStrangerAddsVanishes(t *testing.T) {
	c := newCluster(t)
	c.apply(c.deployment())
	change(c, c.deployment(), func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Env = append(d.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "C", Value: "3"})
		d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "spy", Image: "spy:1"})
		d.Spec.Template.Spec.HostNetwork = true
	})
	c.apply(c.deployment())
	got := c.deployment()
	c.get(got)
	pod := got.Spec.Template.Spec
	if len(pod.Containers) != 1 || len(pod.Containers[0].Env) != 2 || pod.HostNetwork {
		t.Errorf("the pod is not as asked for: %+v", pod)
	}
	c.settled(c.deployment())
}

func TestWhatWasThereBeforeIsTakenOver(t *testing.T) {
	c := newCluster(t)
	older := c.deployment()
	older.Labels = nil
	older.Spec.Template.Spec.Containers = append(older.Spec.Template.Spec.Containers, corev1.Container{Name: "spy", Image: "spy:1"})
	if err := c.stranger.Create(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	c.apply(c.deployment())
	got := c.deployment()
	c.get(got)
	if n := len(got.Spec.Template.Spec.Containers); n != 1 {
		t.Errorf("%d containers, want 1", n)
	}
	c.settled(c.deployment())
}

func TestAScaleIsPutBack(t *testing.T) {
	c := newCluster(t)
	c.apply(c.deployment())
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 0}}
	if err := c.stranger.SubResource("scale").Update(t.Context(), c.deployment(), client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	got := c.deployment()
	c.get(got)
	if *got.Spec.Replicas != 0 {
		t.Fatal("the scale did nothing")
	}
	c.apply(c.deployment())
	c.get(got)
	if *got.Spec.Replicas != 2 {
		t.Errorf("replicas = %d, want 2", *got.Spec.Replicas)
	}
	c.settled(c.deployment())
}

func TestASuspendedCronJobIsPutBack(t *testing.T) {
	for name, want := range map[string]*bool{"when we say so": new(bool), "when we say nothing": nil} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			desired := c.cronJob()
			desired.Spec.Suspend = want
			c.apply(desired)
			change(c, c.cronJob(), func(j *batchv1.CronJob) { yes := true; j.Spec.Suspend = &yes })
			c.apply(desired)
			got := c.cronJob()
			c.get(got)
			if got.Spec.Suspend != nil && *got.Spec.Suspend {
				t.Error("the CronJob is still suspended")
			}
			c.settled(desired)
		})
	}
}

func TestAFieldNoLongerWantedIsRemoved(t *testing.T) {
	c := newCluster(t)
	c.apply(c.configMap("config", map[string]string{"a": "1", "b": "2"}))
	c.apply(c.configMap("config", map[string]string{"a": "1"}))
	got := c.configMap("config", nil)
	c.get(got)
	if _, there := got.Data["b"]; there || got.Data["a"] != "1" {
		t.Errorf("data = %v, want a alone", got.Data)
	}
	c.settled(c.configMap("config", map[string]string{"a": "1"}))
}

func TestMetadataOfOthersIsLeftAlone(t *testing.T) {
	c := newCluster(t)
	c.apply(c.deployment())
	change(c, c.deployment(), func(d *appsv1.Deployment) {
		d.Annotations["deployment.kubernetes.io/revision"] = "7"
		d.Labels["team"] = "night"
		d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-11-24T00:00:00Z"}
	})
	c.settled(c.deployment())
	change(c, c.deployment(), func(d *appsv1.Deployment) { d.Labels["tenant"] = "b"; d.Spec.Paused = true })
	c.apply(c.deployment())
	got := c.deployment()
	c.get(got)
	if got.Annotations["deployment.kubernetes.io/revision"] != "7" || got.Labels["team"] != "night" ||
		got.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" {
		t.Errorf("what others noted is gone: %v %v %v", got.Annotations, got.Labels, got.Spec.Template.Annotations)
	}
	if got.Labels["tenant"] != "a" || got.Spec.Paused {
		t.Errorf("our own is not put back: %v, paused %t", got.Labels, got.Spec.Paused)
	}
	c.settled(c.deployment())
}

func TestANamespaceIsShared(t *testing.T) {
	c := newCluster(t)
	desired := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace, Labels: map[string]string{"tenant": "a"}}}
	c.apply(desired)
	got := desired.DeepCopy()
	change(c, got, func(ns *corev1.Namespace) { ns.Labels["tenant"] = "b"; ns.Labels["team"] = "night" })
	c.apply(desired)
	c.get(got)
	if got.Labels["tenant"] != "a" || got.Labels["team"] != "night" {
		t.Errorf("labels = %v", got.Labels)
	}
	for _, entry := range got.ManagedFields {
		if entry.Manager == "kubectl-edit" {
			c.settled(desired)
			return
		}
	}
	t.Errorf("the stranger lost its share of the namespace: %v", got.ManagedFields)
}

func TestOneFailureDoesNotStopTheRest(t *testing.T) {
	c := newCluster(t)
	bad := c.configMap("Not A Name", nil)
	err := (&apply.Applier{Client: c.operator}).Apply(t.Context(), bad, c.configMap("good", map[string]string{"a": "1"}))
	if err == nil {
		t.Error("no error for a name that can't be")
	}
	c.get(c.configMap("good", nil))
}

func TestTheHashIsOnTheObject(t *testing.T) {
	c := newCluster(t)
	c.apply(c.service())
	got := c.service()
	c.get(got)
	if len(got.Annotations[v1alpha1.AnnotationApplied]) != 64 {
		t.Errorf("annotations = %v", got.Annotations)
	}
}
