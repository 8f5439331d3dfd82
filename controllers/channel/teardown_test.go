package channel

import (
	"strings"
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
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
)

// ending is a Channel that is being deleted, as the cluster has it, and the Job and policy that take its webhook.
type ending struct {
	*Reconciler
	now         time.Time
	channel     *v1alpha1.Channel
	policy, job client.Object
	recorder    *events.FakeRecorder
}

func end(t *testing.T, change func(*v1alpha1.Tenant, *v1alpha1.Channel)) *ending {
	t.Helper()
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
	if change != nil {
		change(tenant, channel)
	}
	policy, job := plan.Withdraw(plan.Tenant{Tenant: tenant, Region: region}, channel, region.Spec.SubProcessors[0])
	b := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(channel).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-berlin", Labels: map[string]string{v1alpha1.LabelTenant: "berlin"}}}, tenant, region, channel, job, policy,
	)
	for _, i := range observe.Indexes() {
		b = b.WithIndex(i.Object, i.Field, i.Values)
	}
	c := b.Build()
	e := &ending{now: deleted.Time, channel: channel, policy: policy, job: job, recorder: events.NewFakeRecorder(8)}
	e.Reconciler = &Reconciler{Client: c, Jobs: observe.Jobs{Cache: c, Live: c, Now: func() time.Time { return e.now }}, Applier: &apply.Applier{Client: c}, Recorder: e.recorder, Now: func() time.Time { return e.now }}
	return e
}

// pass is one, so long after the deadline. It gives what then became of the Channel.
func (e *ending) pass(t *testing.T, late time.Duration) (ctrl.Result, error) {
	t.Helper()
	e.now = e.channel.DeletionTimestamp.Add(plan.WithdrawDeadline + late)
	result, err := e.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e.channel)})
	if err != nil {
		t.Fatal(err)
	}
	return result, e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.channel), e.channel.DeepCopy())
}

func (e *ending) condition(t *testing.T) metav1.Condition {
	t.Helper()
	o := &v1alpha1.Channel{}
	if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.channel), o); err != nil {
		t.Fatal(err)
	}
	if c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionTerminating); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func (e *ending) last() (last string) {
	close(e.recorder.Events)
	for event := range e.recorder.Events {
		last = event
	}
	return last
}

// A provider that does not answer holds a Channel's end up for so long, and no longer.
func TestAProviderThatIsDownHoldsNoDeletionUpForEver(t *testing.T) {
	e := end(t, nil)
	if _, err := e.pass(t, -time.Second); err != nil {
		t.Fatal("it went before its time:", err)
	}
	if c := e.condition(t); c.Reason != v1alpha1.ReasonWithdrawing {
		t.Errorf("it says %+v", c)
	}
	if _, err := e.pass(t, time.Second); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.policy), e.policy); !apierrors.IsNotFound(err) {
		t.Errorf("the way out is still open: %v", err)
	}
	want := "Warning WebhookLeft Terminating is True: the webhook is not known to be gone at Telegram: it was tried for 12m0s."
	if last := e.last(); !strings.HasPrefix(last, want) {
		t.Errorf("the last event is %q", last)
	}
}

// Where --regions was narrowed, nobody takes the webhook back; the Channel goes all the same, and says so.
func TestAChannelOfARegionThatIsNotServedAnyMoreGoesInTheEnd(t *testing.T) {
	e := end(t, nil)
	e.Regions = served.Regions{"us"}
	result, err := e.pass(t, -time.Minute)
	if err != nil || result.RequeueAfter < time.Minute || result.RequeueAfter > 2*time.Minute {
		t.Fatalf("before its time: %+v, %v", result, err)
	}
	if _, err := e.pass(t, time.Second); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	if last := e.last(); !strings.Contains(last, "WebhookLeft") || !strings.Contains(last, "does not serve its region") {
		t.Errorf("the last event is %q", last)
	}
}

// What was told to be left stays told, for the certificate of the tenant's erasure, and no Job is started for it again.
func TestWhatIsLeftIsToldOnce(t *testing.T) {
	e := end(t, func(tenant *v1alpha1.Tenant, channel *v1alpha1.Channel) {
		tenant.DeletionTimestamp, tenant.Finalizers, tenant.Spec.DeletionPolicy = channel.DeletionTimestamp, []string{"x/y"}, v1alpha1.DeletionErase
	})
	if _, err := e.pass(t, time.Second); err != nil {
		t.Fatal("it does not wait for the erasure:", err)
	}
	before := e.condition(t)
	if before.Reason != v1alpha1.ReasonWebhookLeft {
		t.Fatalf("it says %+v", before)
	}
	if err := e.Client.Delete(t.Context(), e.job); err != nil { // as its time to live has it
		t.Fatal(err)
	}
	if _, err := e.pass(t, -time.Minute); err != nil { // of a clock that was set back
		t.Fatal(err)
	}
	if after := e.condition(t); after != before {
		t.Errorf("it said %+v, and now %+v", before, after)
	}
	if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.job), e.job); !apierrors.IsNotFound(err) {
		t.Errorf("it is tried again: %v", err)
	}
}

// A Channel that stays while its Tenant goes has its webhook taken back as one that is deleted, for as long.
func TestAProviderThatIsDownHoldsNoTenantUpForEver(t *testing.T) {
	e := end(t, func(tenant *v1alpha1.Tenant, channel *v1alpha1.Channel) {
		tenant.DeletionTimestamp, tenant.Finalizers = channel.DeletionTimestamp, []string{"x/y"}
		channel.DeletionTimestamp = nil
	})
	began := metav1.NewTime(e.now)
	e.channel.DeletionTimestamp = &began // as pass counts
	for _, c := range []struct {
		late  time.Duration
		bound int
	}{{-time.Second, 1}, {time.Second, 0}} {
		if _, err := e.pass(t, c.late); err != nil {
			t.Fatal(err)
		}
		o := &v1alpha1.Channel{}
		if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.channel), o); err != nil || len(o.Finalizers) != c.bound || !o.DeletionTimestamp.IsZero() {
			t.Errorf("%s after the deadline it waits for %v (%v)", c.late, o.Finalizers, err)
		}
	}
	if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(e.policy), e.policy); !apierrors.IsNotFound(err) {
		t.Errorf("the way out is still open: %v", err)
	}
	close(e.recorder.Events)
	for event := range e.recorder.Events {
		if strings.HasPrefix(event, "Warning WebhookLeft the webhook is not known to be gone at Telegram: it was tried for 12m0s.") {
			return
		}
	}
	t.Error("nobody is told what is left")
}
