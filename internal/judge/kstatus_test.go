package judge_test

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// compute reads a Tenant with these conditions as Flux, Argo CD and kubectl's like do.
func compute(t *testing.T, conditions []metav1.Condition, observed int64) status.Status {
	t.Helper()
	tenant := &v1alpha1.Tenant{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Tenant"},
		ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin", Generation: 2},
		Status:     v1alpha1.TenantStatus{ObservedGeneration: observed, Conditions: conditions},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(tenant)
	if err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

// What tools that wait by kstatus see is what people see by kubectl.
func TestKstatusReadsTheConditions(t *testing.T) {
	stall := &step.Stall{Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonRegionNotFound, Message: "make the Region"}
	wait := &step.Wait{Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonProgressing, Message: "a Job runs"}
	tenant := func(outcome error, change func(*judge.TenantFacts)) []metav1.Condition {
		f := served()
		f.Outcome = outcome
		change(&f)
		return judge.Tenant(f)
	}
	same := func(*judge.TenantFacts) {}
	for _, c := range []struct {
		sentence   string
		conditions []metav1.Condition
		observed   int64
		want       status.Status
	}{
		{"a tenant that is served is Current", tenant(nil, same), 2, status.CurrentStatus},
		{"a spec that was not looked at yet is in progress, whatever was judged before", tenant(nil, same), 1, status.InProgressStatus},
		{"a tenant that waits is in progress", tenant(wait, func(f *judge.TenantFacts) { f.Setup.Done = false }), 2, status.InProgressStatus},
		{"a tenant that somebody has to help has failed", tenant(stall, same), 2, status.FailedStatus},
		{"a failed pass is in progress, since it is made again", tenant(errors.New("refused"), same), 2, status.InProgressStatus},
		{"a tenant outside of its region is not Current", tenant(nil, func(f *judge.TenantFacts) { f.Residency.Nodes[0].InRegion = false }), 2, status.InProgressStatus},
		{"a policy that never ran is Current", judge.Retention(judge.RetentionFacts{Accepted: true, Scheduled: true}), 2, status.CurrentStatus},
		{"a channel that works is Current", judge.Channel(judge.ChannelFacts{
			Accepted: true, CredentialsReady: true, Connector: observe.Workload{Exists: true, Wanted: 1, Available: 1}, CredentialsAccepted: true,
		}), 2, status.CurrentStatus},
		{"a hold that is over waits for somebody", judge.LegalHold(judge.LegalHoldFacts{
			Outcome: &step.Stall{Condition: v1alpha1.ConditionInForce, Reason: v1alpha1.ReasonExpired, Message: "delete it"}, Accepted: true,
		}), 2, status.FailedStatus},
		{"a request that a hold keeps is in progress", judge.Request(judge.RequestFacts{
			Outcome: &step.Wait{Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonHeldBack, Message: "kept"}, Accepted: true,
		}), 2, status.InProgressStatus},
		{"a request that was carried out is Current", judge.Request(judge.RequestFacts{Accepted: true, Completed: time.Unix(1, 0)}), 2, status.CurrentStatus},
		{"a region without nodes is in progress", judge.Region(judge.RegionFacts{}), 2, status.InProgressStatus},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := compute(t, c.conditions, c.observed); got != c.want {
				t.Errorf("kstatus reads %s, want %s from %v", got, c.want, c.conditions)
			}
		})
	}
}

// Over every combination of facts: Ready is False as soon as a condition before it is
// not True, it bears that condition's reason, and exactly one of Ready, Stalled and
// Reconciling is True.
func TestReadyFollowsTheFirstConditionThatIsNotTrue(t *testing.T) {
	outcomes := map[string]error{
		"nothing to tell": nil, "a failure": errors.New("could not apply: refused"),
		"a wait":  &step.Wait{Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonProgressing, Message: "a Job runs"},
		"a stall": &step.Stall{Condition: v1alpha1.ConditionIsolated, Reason: v1alpha1.ReasonSecretMissing, Message: "make it"},
	}
	changes := []func(*judge.TenantFacts){
		func(f *judge.TenantFacts) { f.NamespaceReady = false }, func(f *judge.TenantFacts) { f.Isolated = false },
		func(f *judge.TenantFacts) { f.CredentialsReady = false }, func(f *judge.TenantFacts) { f.Database = observe.Workload{} },
		func(f *judge.TenantFacts) { f.Setup.Done = false }, func(f *judge.TenantFacts) { f.Server.Available = 0 },
		func(f *judge.TenantFacts) { f.Residency = nil }, func(f *judge.TenantFacts) { f.Suspended = true },
	}
	for name, outcome := range outcomes {
		for bits := range 1 << len(changes) {
			f := served()
			f.Outcome = outcome
			for i, change := range changes {
				if bits&(1<<i) != 0 {
					change(&f)
				}
			}
			conditions := judge.Tenant(f)
			summaries := 0
			for _, s := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
				if meta.IsStatusConditionTrue(conditions, s) {
					summaries++
				}
			}
			if summaries != 1 {
				t.Fatalf("%s, changes %b: %d of Ready, Stalled and Reconciling are True: %v", name, bits, summaries, conditions)
			}
			ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
			if ready.Status == metav1.ConditionTrue && (outcome != nil || bits != 0) {
				t.Fatalf("%s, changes %b: Ready", name, bits)
			}
			if first := firstNotTrue(conditions); outcome == nil && first != nil && ready.Reason != first.Reason {
				t.Fatalf("changes %b: Ready is False because of %s, and the first that is not True says %s", bits, ready.Reason, first.Reason)
			}
		}
	}
}

// firstNotTrue is the first in the order in which a tenant comes about.
func firstNotTrue(conditions []metav1.Condition) *metav1.Condition {
	for _, name := range []string{
		v1alpha1.ConditionNamespaceReady, v1alpha1.ConditionIsolated, v1alpha1.ConditionCredentialsReady, v1alpha1.ConditionDatabaseReady,
		v1alpha1.ConditionMigrated, v1alpha1.ConditionInstanceAvailable, v1alpha1.ConditionResidencyCompliant,
	} {
		if c := meta.FindStatusCondition(conditions, name); c == nil || c.Status != metav1.ConditionTrue {
			return c
		}
	}
	return nil
}
