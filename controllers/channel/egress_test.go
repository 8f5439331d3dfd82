package channel

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// A Channel closes the way out when its Tenant says that something is outside, and not before: were its connector all that is there, the
// Tenant would find nothing any more, and nobody would ever tell of it.
func TestAChannelLeavesItToTheTenantToSeeWhatIsOutside(t *testing.T) {
	for name, told := range map[string]bool{"not told of yet": false, "told of": true} {
		t.Run(name, func(t *testing.T) {
			e := end(t, func(tenant *v1alpha1.Tenant, c *v1alpha1.Channel) {
				c.DeletionTimestamp = nil
				tenant.Status.Residency = &v1alpha1.Residency{EgressClosed: told}
			})
			for _, o := range []client.Object{
				&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "far", Labels: map[string]string{corev1.LabelTopologyRegion: "us"}}},
				&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "connector-lobby-1", Namespace: e.channel.Namespace}, Spec: corev1.PodSpec{NodeName: "far"}},
			} {
				if err := e.Client.Create(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			running := int32(1)
			connector := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "connector-lobby", Namespace: e.channel.Namespace}, Spec: appsv1.DeploymentSpec{Replicas: &running}}
			if err := e.Client.Create(t.Context(), connector); err != nil {
				t.Fatal(err)
			}
			s := &scope{channel: e.channel, in: plan.Tenant{OperatorNamespace: e.OperatorNamespace}}
			_ = step.Run(t.Context(), e.steps(s)) // it waits for a login, and has no Secret
			if !s.facts.Accepted || s.facts.EgressClosed != told {
				t.Errorf("the way out is closed: %t, with a Tenant that says so: %t (accepted: %t)", s.facts.EgressClosed, told, s.facts.Accepted)
			}
			if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(connector), connector); err != nil {
				t.Fatal(err)
			}
			if stopped := *connector.Spec.Replicas == 0; stopped != told {
				t.Errorf("the connector is stopped: %t", stopped)
			}
		})
	}
}
