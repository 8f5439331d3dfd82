package plan_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

func podOf(o client.Object) *corev1.PodSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec
	case *batchv1.Job:
		return &o.Spec.Template.Spec
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template.Spec
	case *corev1.Pod:
		return &o.Spec
	}
	return nil
}

// A suspended tenant is not served, but what expires is still deleted.
func TestSuspensionStopsServingAndNotDeleting(t *testing.T) {
	deployments, cronJobs := 0, 0
	for _, o := range everything(t, "testdata/suspended-with-gateway") {
		switch o := o.(type) {
		case *appsv1.Deployment:
			deployments++
			if *o.Spec.Replicas != 0 {
				t.Errorf("Deployment %s has %d replicas", o.Name, *o.Spec.Replicas)
			}
		case *batchv1.CronJob:
			cronJobs++
			if o.Spec.Suspend == nil || *o.Spec.Suspend {
				t.Errorf("CronJob %s does not run", o.Name)
			}
		}
	}
	if deployments != 2 || cronJobs != 1 {
		t.Errorf("saw %d Deployments and %d CronJobs, expected 2 and 1", deployments, cronJobs)
	}
}

func policyWith(schedule, zone string, days int32) *v1alpha1.RetentionPolicy {
	return &v1alpha1.RetentionPolicy{Spec: v1alpha1.RetentionPolicySpec{
		Schedule: schedule, TimeZone: zone, Rules: []v1alpha1.RetentionRule{{Category: v1alpha1.CategoryMessages, RetainDays: days}},
	}}
}

func TestAccept(t *testing.T) {
	region := &v1alpha1.Region{}
	read(t, filepath.Join("testdata", "usual", "region.yaml"), region) // Messages: 7 to 730 days
	for _, c := range []struct {
		sentence string
		policy   *v1alpha1.RetentionPolicy
		reason   string
		says     string
	}{
		{"the shortest that is allowed", policyWith("15 3 * * *", "Europe/Berlin", 7), "", ""},
		{"the longest that is allowed", policyWith("@daily", "", 730), "", ""},
		{"a day too short", policyWith("@daily", "", 6), v1alpha1.ReasonOutOfBounds, "demands 7 at least; raise retainDays"},
		{"a day too long", policyWith("@daily", "", 731), v1alpha1.ReasonOutOfBounds, "allows 730 at most; lower retainDays"},
		{"a minute that no hour has", policyWith("60 3 * * *", "", 90), v1alpha1.ReasonInvalidSchedule, "five fields"},
		{"a weekday that no week has", policyWith("0 3 * * Monday", "", 90), v1alpha1.ReasonInvalidSchedule, "five fields"},
		{"a zone that nobody keeps", policyWith("@daily", "Europe/Atlantis", 90), v1alpha1.ReasonInvalidSchedule, "Europe/Atlantis"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			refusal := plan.Accept(region, c.policy)
			switch {
			case c.reason == "" && refusal != nil:
				t.Errorf("refused: %s", refusal.Message)
			case c.reason != "" && refusal == nil:
				t.Error("accepted")
			case c.reason != "" && (refusal.Reason != c.reason || !strings.Contains(refusal.Message, c.says)):
				t.Errorf("got %s: %s", refusal.Reason, refusal.Message)
			}
		})
	}
}

// held is a hold of one channel, or of a person when a version of the Secret is given.
func held(uid types.UID, generation int64, version string) plan.Hold {
	h := &v1alpha1.LegalHold{ObjectMeta: metav1.ObjectMeta{Name: "case-1", UID: uid, Generation: generation}}
	h.Spec.Match.Channel = "front-desk"
	if version != "" {
		h.Spec.Match.Subject = &v1alpha1.SubjectReference{SecretName: "guest"}
	}
	return plan.HoldOf(h, version)
}

// The migration's name changes with what it brings about, and not with the order in which that was found.
func TestSetupIsNamedByWhatItBringsAbout(t *testing.T) {
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, "testdata/usual/tenant.yaml", tenant)
	read(t, "testdata/usual/region.yaml", region)
	in := plan.Tenant{Tenant: tenant, Region: region, Images: plan.Images{Instance: "instance:1"}}
	serve, retain := plan.Login{Component: contract.ComponentServe, Version: 1}, plan.Login{Component: contract.ComponentRetain, Version: 1}
	one := plan.RetentionOf(policyWith("@daily", "", 90))
	base := plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{one}, nil).Name
	if again := plan.Setup(in, []plan.Login{retain, serve}, nil, []contract.Retention{one}, nil).Name; again != base {
		t.Errorf("the order of the logins changed %s to %s", base, again)
	}
	other := in
	other.Images.Instance = "instance:2"
	rotated := plan.Login{Component: contract.ComponentServe, Version: 2}
	seen := map[string]string{base: "the first"}
	for what, name := range map[string]string{
		"another image":                     plan.Setup(other, []plan.Login{serve, retain}, nil, []contract.Retention{one}, nil).Name,
		"a rotation":                        plan.Setup(in, []plan.Login{serve, rotated, retain}, nil, []contract.Retention{one}, nil).Name,
		"a shorter limit":                   plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{plan.RetentionOf(policyWith("@daily", "", 89))}, nil).Name,
		"a hold":                            plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{one}, []plan.Hold{held("a", 1, "")}).Name,
		"the same hold, made again":         plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{one}, []plan.Hold{held("b", 1, "")}).Name,
		"the same hold, changed":            plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{one}, []plan.Hold{held("b", 2, "")}).Name,
		"the same hold, its Secret changed": plan.Setup(in, []plan.Login{serve, retain}, nil, []contract.Retention{one}, []plan.Hold{held("b", 2, "7")}).Name,
		"another channel":                   plan.Setup(in, []plan.Login{serve, retain}, []v1alpha1.Channel{{Spec: v1alpha1.ChannelSpec{Type: v1alpha1.TypeTwilioSMS}}}, []contract.Retention{one}, nil).Name,
	} {
		if twin, ok := seen[name]; ok {
			t.Errorf("%s has the name of %s", what, twin)
		}
		seen[name] = what
	}
}

// What the register lacks is refused, and nothing is told of it or opened to it.
func TestAStoreThatIsNotRegisteredIsRefused(t *testing.T) {
	tenant, region := &v1alpha1.Tenant{}, &v1alpha1.Region{}
	read(t, "testdata/object-store/tenant.yaml", tenant)
	read(t, "testdata/object-store/region.yaml", region)
	in := plan.Tenant{Tenant: tenant, Region: region}
	store, refusal := plan.Store(in)
	if refusal != nil || store.Prefix != "eu-central/hotel-berlin/" || store.Location != "eu-central-1" {
		t.Fatalf("a store that is registered: %+v, %+v", store, refusal)
	}
	if question := plan.CheckBucket(in, "1").Name; question == plan.CheckBucket(in, "2").Name {
		t.Error("other credentials are the same question")
	}
	region.Spec.ObjectStores[0].Name = "another"
	store, refusal = plan.Store(in)
	if store != nil || refusal == nil || refusal.Reason != v1alpha1.ReasonObjectStoreNotRegistered {
		t.Errorf("one that is not: %+v, %+v", store, refusal)
	}
	for _, o := range plan.Isolation(in) {
		if o.GetName() == "object-store" {
			t.Error("it is opened")
		}
	}
	if env := plan.Retention(in, policyWith("@daily", "", 90)).Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env; slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == contract.EnvObjectStore }) {
		t.Error("runs are told of it")
	}
}

// Kubernetes reads a schedule in its time zone; so must whoever waits for runs.
func TestScheduleIsReadInItsTimeZone(t *testing.T) {
	for zone, want := range map[string]string{
		"":                 "2026-07-02T03:15:00Z",
		"Europe/Berlin":    "2026-07-02T01:15:00Z", // summer time
		"America/New_York": "2026-07-01T07:15:00Z",
	} {
		schedule, err := plan.Schedule(policyWith("15 3 * * *", zone, 90))
		if err != nil {
			t.Fatal(err)
		}
		if next := schedule.Next(time.Date(2026, 7, 1, 6, 0, 0, 0, time.UTC)).UTC().Format(time.RFC3339); next != want {
			t.Errorf("in zone %q the next run is at %s, want %s", zone, next, want)
		}
	}
}
