package observe_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// TestWhatHoldsARolloutUp: every Deployment of the tenant's, but for a connector that would not be there with any image.
func TestWhatHoldsARolloutUp(t *testing.T) {
	deployment := func(name, image string, available int32) *appsv1.Deployment {
		one := int32(1)
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n", Labels: map[string]string{v1alpha1.LabelTenant: "hotel"}},
			Spec:       appsv1.DeploymentSpec{Replicas: &one, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: image}}}}},
			Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: available},
		}
	}
	channel := func(condition string, status metav1.ConditionStatus) v1alpha1.Channel {
		return v1alpha1.Channel{
			ObjectMeta: metav1.ObjectMeta{Name: "desk", Namespace: "n"},
			Status:     v1alpha1.ChannelStatus{Conditions: []metav1.Condition{{Type: condition, Status: status}}},
		}
	}
	for name, test := range map[string]struct {
		serve, connector *appsv1.Deployment
		channel          v1alpha1.Channel
		ended            bool
	}{
		"all are there":                     {deployment("serve", "two", 1), deployment("connector-desk", "two", 1), channel(v1alpha1.ConditionAccepted, metav1.ConditionTrue), true},
		"the server is not":                 {deployment("serve", "two", 0), deployment("connector-desk", "two", 1), channel(v1alpha1.ConditionAccepted, metav1.ConditionTrue), false},
		"the server is of the image before": {deployment("serve", "one", 1), deployment("connector-desk", "two", 1), channel(v1alpha1.ConditionAccepted, metav1.ConditionTrue), false},
		"a connector is not":                {deployment("serve", "two", 1), deployment("connector-desk", "two", 0), channel(v1alpha1.ConditionConnectorAvailable, metav1.ConditionFalse), false},
		"one whose provider is not asked":   {deployment("serve", "two", 1), deployment("connector-desk", "two", 0), channel(v1alpha1.ConditionCredentialsAccepted, metav1.ConditionUnknown), false},
		"one that is turned away":           {deployment("serve", "two", 1), deployment("connector-desk", "two", 0), channel(v1alpha1.ConditionCredentialsAccepted, metav1.ConditionFalse), true},
		"one without its Secret":            {deployment("serve", "two", 1), deployment("connector-desk", "one", 1), channel(v1alpha1.ConditionCredentialsReady, metav1.ConditionFalse), true},
	} {
		t.Run(name, func(t *testing.T) {
			c := indexed().WithObjects(test.serve, test.connector).WithStatusSubresource(&appsv1.Deployment{}).Build()
			for _, d := range []*appsv1.Deployment{test.serve, test.connector} {
				if err := c.Status().Update(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			ended, err := observe.RolledOut(t.Context(), c, "hotel", "n", "two", []v1alpha1.Channel{test.channel})
			if err != nil || ended != test.ended {
				t.Errorf("ended: %t, %v", ended, err)
			}
		})
	}
}
