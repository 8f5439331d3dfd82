package channel

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/apply"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// A provider that does not answer holds a Channel's end up for so long, and no longer.
func TestAProviderThatIsDownHoldsNoDeletionUpForEver(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	deleted := metav1.NewTime(time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC))
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "berlin", UID: "t"}, Spec: v1alpha1.TenantSpec{Region: "eu", Hostname: "berlin.example"}}
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "telegram", Purpose: "x", Location: "DE", Egress: &v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}}}},
	}}
	channel := &v1alpha1.Channel{
		ObjectMeta: metav1.ObjectMeta{Name: "lobby", Namespace: "tenant-berlin", UID: "c", DeletionTimestamp: &deleted, Finalizers: []string{v1alpha1.FinalizerChannel}},
		Spec: v1alpha1.ChannelSpec{Type: v1alpha1.TypeTelegram, SubProcessor: "telegram",
			Telegram: &v1alpha1.Telegram{Username: "lobby_bot", CredentialsSecretRef: v1alpha1.SecretReference{Name: "lobby"}}},
	}
	policy, job := plan.Withdraw(plan.Tenant{Tenant: tenant, Region: region}, channel, region.Spec.SubProcessors[0])
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(channel).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-berlin", Labels: map[string]string{v1alpha1.LabelTenant: "berlin"}}}, tenant, region, channel, job, policy,
	).Build()
	now, recorder := deleted.Add(plan.WithdrawDeadline-time.Second), events.NewFakeRecorder(8)
	r := &Reconciler{Client: c, Applier: &apply.Applier{Client: c}, Recorder: recorder, Now: func() time.Time { return now }}
	pass := func() error {
		t.Helper()
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(channel)}); err != nil {
			t.Fatal(err)
		}
		return c.Get(t.Context(), client.ObjectKeyFromObject(channel), channel)
	}
	if err := pass(); err != nil {
		t.Fatal("it went before its time:", err)
	}
	if end := meta.FindStatusCondition(channel.Status.Conditions, v1alpha1.ConditionTerminating); end == nil || end.Reason != v1alpha1.ReasonWithdrawing {
		t.Errorf("it says %+v", channel.Status.Conditions)
	}
	now = now.Add(2 * time.Second)
	if err := pass(); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); !apierrors.IsNotFound(err) {
		t.Errorf("the way out is still open: %v", err)
	}
	close(recorder.Events)
	last := ""
	for e := range recorder.Events {
		last = e
	}
	if want := "Warning WebhookLeft Terminating is True: the webhook is not known to be gone at Telegram: it was tried for 12m0s."; len(last) < len(want) || last[:len(want)] != want {
		t.Errorf("the last event is %q", last)
	}
}
