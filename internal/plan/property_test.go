package plan_test

import (
	"path/filepath"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// always checks what must hold of every object of every case, and counts those that it holds of.
func always(t *testing.T, atLeast int, holds func(t *testing.T, o client.Object) (looked bool)) {
	t.Helper()
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			looked := 0
			for _, o := range everything(t, dir) {
				if holds(t, o) {
					looked++
				}
			}
			if looked < atLeast {
				t.Errorf("%d objects were looked at, expected %d at least", looked, atLeast)
			}
		})
	}
}

// Deleting a Tenant takes down what was derived from it. The namespace and the volume of
// backups hold data, which the boundary keeps in its place, and the binding is what the operator deletes by: they have to
// outlive it.
func TestEverythingButDataAndBindingIsOwned(t *testing.T) {
	always(t, 17, func(t *testing.T, o client.Object) bool {
		owners := o.GetOwnerReferences()
		switch o.(type) {
		case *corev1.Namespace, *corev1.PersistentVolumeClaim, *rbacv1.RoleBinding, *v1alpha1.ResidencyBoundary:
			if len(owners) != 0 {
				t.Errorf("%T %s is owned by %v", o, o.GetName(), owners)
			}
			return true
		}
		if o.GetObjectKind().GroupVersionKind() == plan.ClusterKind { // its volumes go with it
			if len(owners) != 0 {
				t.Errorf("the Cluster is owned by %v", owners)
			}
			return true
		}
		want := "Tenant"
		if o.GetLabels()[v1alpha1.LabelChannel] != "" && !plan.IsWithdrawal(o) { // which outlives what a Channel owns
			want = "Channel"
		}
		if o.GetLabels()[v1alpha1.LabelPolicy] != "" {
			want = "RetentionPolicy"
		}
		if o.GetLabels()[v1alpha1.LabelRequest] != "" {
			want = "DataSubjectRequest"
		}
		if len(owners) != 1 || owners[0].Kind != want || owners[0].Controller == nil || !*owners[0].Controller {
			t.Errorf("%T %s is owned by %v, want a %s as its controller", o, o.GetName(), owners, want)
		}
		return true
	})
}

func TestEverythingBearsTheTenantsLabels(t *testing.T) {
	for _, dir := range cases(t) {
		tenant := &v1alpha1.Tenant{}
		read(t, filepath.Join(dir, "tenant.yaml"), tenant)
		for _, o := range everything(t, dir) {
			for key, value := range plan.TenantLabels(tenant.Name) {
				if o.GetLabels()[key] != value {
					t.Errorf("%s: %T %s lacks %s=%s: the operator's caches would not show it", dir, o, o.GetName(), key, value)
				}
			}
		}
	}
}

func TestNamesAndLabelsAreWithinTheirLimits(t *testing.T) {
	always(t, 17, func(t *testing.T, o client.Object) bool {
		problems := validation.IsDNS1035Label(o.GetName()) // the strictest: that of Services
		limit := 63
		if _, cron := o.(*batchv1.CronJob); cron {
			limit = 52
		}
		if len(o.GetName()) > limit {
			problems = append(problems, "too long for its kind")
		}
		values := o.GetLabels()
		if pod := templateOf(o); pod != nil {
			for k, v := range pod.Labels {
				values["pod "+k] = v
			}
		}
		for _, v := range values {
			problems = append(problems, validation.IsValidLabelValue(v)...)
		}
		if len(problems) > 0 {
			t.Errorf("%T %s: %v", o, o.GetName(), problems)
		}
		return true
	})
}

func templateOf(o client.Object) *metav1.ObjectMeta {
	switch o := o.(type) {
	case *batchv1.Job:
		return &o.Spec.Template.ObjectMeta
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template.ObjectMeta
	}
	return nil
}

// A policy that names one direction alone leaves the other one as it is.
func TestNoPolicyLeavesADirectionOpen(t *testing.T) {
	always(t, 6, func(t *testing.T, o client.Object) bool {
		p, ok := o.(*networkingv1.NetworkPolicy)
		if !ok {
			return false
		}
		for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
			if !slices.Contains(p.Spec.PolicyTypes, direction) {
				t.Errorf("%s says nothing of %s", p.Name, direction)
			}
		}
		for _, rule := range p.Spec.Egress {
			if len(rule.Ports) == 0 || len(rule.To) == 0 {
				t.Errorf("%s lets pods go anywhere, or to any port: %v", p.Name, rule)
			}
			for _, peer := range rule.To {
				allowed := "kube-system"
				if p.Name == "tracing" {
					allowed = "observability" // of the Region's collector
				}
				if peer.NamespaceSelector != nil && peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] != allowed {
					t.Errorf("%s opens a way into other namespaces: %v", p.Name, peer)
				}
			}
		}
		for _, rule := range p.Spec.Ingress {
			if len(rule.Ports) == 0 {
				t.Errorf("%s opens all ports: %v", p.Name, rule)
			}
		}
		return true
	})
}

func TestTheNamespaceIsClosedBeforeAnythingRuns(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			objects := everything(t, dir)
			deny := slices.IndexFunc(objects, func(o client.Object) bool {
				p, ok := o.(*networkingv1.NetworkPolicy)
				return ok && p.Name == "default-deny" && len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0 &&
					len(p.Spec.Ingress) == 0 && len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2
			})
			first := slices.IndexFunc(objects, func(o client.Object) bool { return podOf(o) != nil })
			if deny < 0 || deny > first {
				t.Errorf("default-deny is number %d, and the first pod's %d", deny, first)
			}
			if mode := objects[0].GetLabels()["pod-security.kubernetes.io/enforce"]; mode != "restricted" {
				t.Errorf("the namespace enforces %q", mode)
			}
		})
	}
}

// What a sub-processor's register says is all that its connector can reach.
func TestAConnectorReachesItsProcessorAlone(t *testing.T) {
	got := map[string][]string{}
	for _, o := range everything(t, "testdata/everything") {
		p, ok := o.(*networkingv1.NetworkPolicy)
		if !ok || p.Labels[v1alpha1.LabelChannel] == "" {
			continue
		}
		got[p.Name] = []string{}
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				if peer.IPBlock != nil {
					got[p.Name] = append(got[p.Name], peer.IPBlock.CIDR)
				}
			}
		}
	}
	if spa, ok := got["connector-spa"]; !ok || len(spa) != 0 {
		t.Errorf("the connector of a processor without egress reaches %v, %t", spa, ok)
	}
	if desk := got["connector-front-desk-of-the-grand-hotel-characters"]; !slices.Equal(desk, []string{"168.86.128.0/18"}) {
		t.Errorf("the front desk's connector reaches %v", desk)
	}
}

func TestProcessorIsOneOfTheRegister(t *testing.T) {
	region := &v1alpha1.Region{}
	read(t, "testdata/everything/region.yaml", region)
	for wanted, refused := range map[string]bool{"twilio": false, "relay": false, "nobody": true, "": true, "Twilio": true} {
		p, refusal := plan.Processor(region, &v1alpha1.Channel{Spec: v1alpha1.ChannelSpec{SubProcessor: wanted}})
		if refused != (refusal != nil) {
			t.Errorf("%q: refusal is %v", wanted, refusal)
		}
		if !refused && p.Name != wanted {
			t.Errorf("%q gave %q", wanted, p.Name)
		}
		if refused && refusal != nil && refusal.Reason != v1alpha1.ReasonSubProcessorNotRegistered {
			t.Errorf("%q was refused by reason %s", wanted, refusal.Reason)
		}
	}
}
