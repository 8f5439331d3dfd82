package observe_test

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

// A Job's end may come to the cache before its pod's does: what the pod said is not taken for nothing then.
func TestWhatAPodSaidIsAskedForWhereTheCacheLacksIt(t *testing.T) {
	owner := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: tenant, UID: "1"}}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	job := func(status batchv1.JobStatus, end batchv1.JobConditionType, ago time.Duration) *batchv1.Job {
		if end != "" {
			status.Conditions = []batchv1.JobCondition{{Type: end, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at.Add(-ago))}}
		}
		return &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Name: "count", Namespace: namespace, UID: "2", OwnerReferences: []metav1.OwnerReference{
				{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Tenant", Name: owner.Name, UID: owner.UID, Controller: ptr.To(true)},
			}},
			Status: status,
		}
	}
	attempt := func(number int, phase corev1.PodPhase, message string) *corev1.Pod {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: "count-" + string(rune('0'+number)), Namespace: namespace, CreationTimestamp: metav1.NewTime(at.Add(time.Duration(number) * time.Minute)),
				Labels:          map[string]string{batchv1.JobNameLabel: "count"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "count", UID: "2", Controller: ptr.To(true)}},
			},
			Status: corev1.PodStatus{Phase: phase},
		}
		if message != "" {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}}}}
		}
		return p
	}
	holding := func(objects ...client.Object) client.Reader {
		return fake.NewClientBuilder().WithObjects(objects...).Build()
	}
	const first, second = `{"error":"the first"}`, `{"error":"the second"}`
	for what, c := range map[string]struct {
		cache, live client.Reader // live is nil where it must not be asked
		want        string
	}{
		"the cache has all":                      {holding(job(batchv1.JobStatus{Succeeded: 1}, batchv1.JobComplete, time.Second), attempt(1, corev1.PodSucceeded, first)), nil, "the first"},
		"the cache lacks the pod":                {holding(job(batchv1.JobStatus{Succeeded: 1}, batchv1.JobComplete, time.Second)), holding(attempt(1, corev1.PodSucceeded, first)), "the first"},
		"the pod runs, in the cache":             {holding(job(batchv1.JobStatus{Succeeded: 1}, batchv1.JobComplete, time.Second), attempt(1, corev1.PodRunning, "")), holding(attempt(1, corev1.PodSucceeded, first)), "the first"},
		"an attempt before is in the cache":      {holding(job(batchv1.JobStatus{Succeeded: 1, Failed: 1}, batchv1.JobComplete, time.Second), attempt(1, corev1.PodFailed, first)), holding(attempt(1, corev1.PodFailed, first), attempt(2, corev1.PodSucceeded, second)), "the second"},
		"the last attempt that failed is not":    {holding(job(batchv1.JobStatus{Failed: 2}, batchv1.JobFailed, time.Second), attempt(1, corev1.PodFailed, first)), holding(attempt(1, corev1.PodFailed, first), attempt(2, corev1.PodFailed, second)), "the second"},
		"it goes on, and an attempt has failed":  {holding(job(batchv1.JobStatus{Failed: 2}, "", 0), attempt(1, corev1.PodFailed, first)), nil, "the first"},
		"its pod is gone, and there is no other": {holding(job(batchv1.JobStatus{Succeeded: 1}, batchv1.JobComplete, time.Second)), holding(), ""},
		"its pod has been gone for long":         {holding(job(batchv1.JobStatus{Succeeded: 1}, batchv1.JobComplete, time.Hour)), nil, ""},
	} {
		got, err := observe.Jobs{Cache: c.cache, Live: c.live, Now: func() time.Time { return at }}.Read(t.Context(), owner, client.ObjectKey{Namespace: namespace, Name: "count"})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got.Result.Error != c.want {
			t.Errorf("%s: it is said to have told %q, want %q", what, got.Result.Error, c.want)
		}
	}
}
