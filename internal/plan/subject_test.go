package plan_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// A run that a hold's end asks for is made as the CronJob would make it, and once.
func TestReleaseIsTheCronJobsOwnRun(t *testing.T) {
	var cron *batchv1.CronJob
	for _, o := range everything(t, "testdata/everything") {
		if c, ok := o.(*batchv1.CronJob); ok && cron == nil {
			cron = c
		}
	}
	cron.UID = "cron"
	policy := cron.Labels[v1alpha1.LabelPolicy]
	job := plan.Release(cron, policy, "hold-1")
	if !metav1.IsControlledBy(job, cron) || !reflect.DeepEqual(job.Spec, cron.Spec.JobTemplate.Spec) || !reflect.DeepEqual(job.Labels, cron.Spec.JobTemplate.Labels) {
		t.Errorf("it is no run of %s: %+v", cron.Name, job)
	}
	if len(job.Name) > 63 || job.Name != plan.Release(cron, policy, "hold-1").Name || job.Name == plan.Release(cron, policy, "hold-2").Name {
		t.Errorf("its name is %s", job.Name)
	}
}

// Each attempt at a request is a Job of its own, and one attempt is one Job whatever a newer operator would change in it.
func TestAttemptsAreJobsOfTheirOwn(t *testing.T) {
	q := all[v1alpha1.DataSubjectRequest](t, "testdata/everything", "request-2.yaml")[0]
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, "testdata/usual/tenant.yaml", tenant)
	read(t, "testdata/usual/region.yaml", region)
	in := plan.Tenant{Tenant: tenant, Region: region, Images: plan.Images{Instance: "instance:1"}}
	first := plan.Subject(in, &q, "").Name
	in.Images.Instance = "instance:2"
	if again := plan.Subject(in, &q, "").Name; again != first {
		t.Errorf("another image made %s of %s", again, first)
	}
	second := plan.Subject(in, &q, "digest of the first receipt")
	if second.Name == first {
		t.Error("the second attempt has the first one's name")
	}
	env := second.Spec.Template.Spec.Containers[0].Env
	if !slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return strings.Contains(e.Value, `"after":"digest of the first receipt"`) }) {
		t.Errorf("the instance is not told which attempt it is: %v", env)
	}
}

func TestDue(t *testing.T) {
	received, ten := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), int32(10)
	for _, c := range []struct {
		spec v1alpha1.DataSubjectRequestSpec
		want string
	}{
		{v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestErasure}, "2026-04-15T12:00:00Z"}, // 45 days of 24 hours, summer time or not
		{v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestUnderage}, "2026-03-02T12:00:00Z"},
		{v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestAccess, DueDays: &ten}, "2026-03-11T12:00:00Z"},
	} {
		c.spec.ReceivedAt = received
		if got := plan.Due(&v1alpha1.DataSubjectRequest{Spec: c.spec}).Format(time.RFC3339); got != c.want {
			t.Errorf("%s is due at %s, want %s", c.spec.Type, got, c.want)
		}
	}
}
