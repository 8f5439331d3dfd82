package judge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// expect is what one condition should be; an empty status says that it is not there.
type expect struct {
	condition, reason string
	status            metav1.ConditionStatus
	says              string
}

func hold(t *testing.T, got []metav1.Condition, wants ...expect) {
	t.Helper()
	seen := map[string]metav1.Condition{}
	for _, c := range got {
		if _, twice := seen[c.Type]; twice {
			t.Errorf("%s is there twice", c.Type)
		}
		if c.Reason == "" || c.Message == "" {
			t.Errorf("%s has no reason or no message", c.Type)
		}
		seen[c.Type] = c
	}
	for _, w := range wants {
		c, ok := seen[w.condition]
		switch {
		case !ok && w.status != "":
			t.Errorf("%s is missing", w.condition)
		case ok && w.status == "":
			t.Errorf("%s is %s (%s), and should not be there", w.condition, c.Status, c.Reason)
		case ok && (c.Status != w.status || c.Reason != w.reason || !strings.Contains(c.Message, w.says)):
			t.Errorf("%s is %s %s %q, want %s %s with %q", w.condition, c.Status, c.Reason, c.Message, w.status, w.reason, w.says)
		}
	}
}

const (
	yes = metav1.ConditionTrue
	no  = metav1.ConditionFalse
)

func served() judge.TenantFacts {
	up := observe.Workload{Exists: true, Wanted: 2, Available: 2, Settled: true}
	return judge.TenantFacts{
		NamespaceReady: true, Isolated: true, CredentialsReady: true, Region: "eu-central",
		Database: up, Server: up, Setup: observe.Setup{Done: true},
		Residency: &v1alpha1.Residency{
			Nodes:   []v1alpha1.ObservedNode{{Name: "node-1", InRegion: true}},
			Volumes: []v1alpha1.ObservedVolume{{Name: "pv-1", InRegion: true}},
		},
	}
}

func TestTenant(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(*judge.TenantFacts)
		wants    []expect
	}{
		{"a tenant that is served is Ready and at rest", func(*judge.TenantFacts) {}, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonReady, yes, ""},
			{v1alpha1.ConditionResidencyCompliant, v1alpha1.ReasonReady, yes, "eu-central"},
			{condition: v1alpha1.ConditionReconciling}, {condition: v1alpha1.ConditionStalled},
		}},
		{"a pod that is missing keeps it from Ready", func(f *judge.TenantFacts) { f.Server.Available = 1 }, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonProgressing, no, "1 of 2"},
			{v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing, yes, ""},
		}},
		{"one pod outside of the region makes it not compliant, and names it", func(f *judge.TenantFacts) {
			f.Residency.Nodes = append(f.Residency.Nodes, v1alpha1.ObservedNode{Name: "node-far"})
		}, []expect{
			{v1alpha1.ConditionResidencyCompliant, v1alpha1.ReasonOutsideRegion, no, "node node-far"},
			{v1alpha1.ConditionReady, v1alpha1.ReasonOutsideRegion, no, "node-far"},
		}},
		{"one volume outside of the region does so too", func(f *judge.TenantFacts) { f.Residency.Volumes[0].InRegion = false }, []expect{
			{v1alpha1.ConditionResidencyCompliant, v1alpha1.ReasonOutsideRegion, no, "volume pv-1"},
		}},
		{"nothing seen is not taken for compliant", func(f *judge.TenantFacts) { f.Residency = nil }, []expect{
			{v1alpha1.ConditionResidencyCompliant, v1alpha1.ReasonNothingObserved, metav1.ConditionUnknown, ""},
			{v1alpha1.ConditionReady, v1alpha1.ReasonNothingObserved, no, ""},
		}},
		{"a suspended tenant says how to end that", func(f *judge.TenantFacts) { f.Suspended = true }, []expect{
			{v1alpha1.ConditionInstanceAvailable, v1alpha1.ReasonSuspended, no, "spec.suspended"},
			{v1alpha1.ConditionReady, v1alpha1.ReasonSuspended, no, ""},
		}},
		{"a region that does not exist stalls it", func(f *judge.TenantFacts) {
			f.Outcome = &step.Stall{Condition: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonRegionNotFound, Message: "make the Region"}
		}, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonRegionNotFound, no, "make the Region"},
			{v1alpha1.ConditionStalled, v1alpha1.ReasonRegionNotFound, yes, "make the Region"},
			{condition: v1alpha1.ConditionReconciling},
		}},
		{"a failed migration shows its error while the rest is told as seen", func(f *judge.TenantFacts) {
			f.Setup.Done = false
			f.Outcome = &step.Wait{Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonMigrationFailed, Message: "disk full"}
		}, []expect{
			{v1alpha1.ConditionMigrated, v1alpha1.ReasonMigrationFailed, no, "disk full"},
			{v1alpha1.ConditionInstanceAvailable, v1alpha1.ReasonReady, yes, ""},
			{v1alpha1.ConditionReady, v1alpha1.ReasonMigrationFailed, no, "disk full"},
		}},
		{"an error that no condition names is told by Ready", func(f *judge.TenantFacts) { f.Outcome = errors.New("could not apply: refused") }, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonFailed, no, "could not apply: refused"},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			f := served()
			c.change(&f)
			hold(t, judge.Tenant(f), c.wants...)
		})
	}
}

func TestTerminatingNamesWhatBlocks(t *testing.T) {
	hold(t, judge.Terminating(&step.Wait{Condition: v1alpha1.ConditionTerminating, Reason: v1alpha1.ReasonVolumesRemain, Message: "volume pv-1 remains"}),
		expect{v1alpha1.ConditionTerminating, v1alpha1.ReasonVolumesRemain, yes, "pv-1"},
		expect{v1alpha1.ConditionReady, v1alpha1.ReasonDeleting, no, "pv-1"})
}

func TestChannel(t *testing.T) {
	missing := &step.Stall{Condition: v1alpha1.ConditionCredentialsReady, Reason: v1alpha1.ReasonSecretMissing, Message: "kubectl create secret"}
	up := observe.Workload{Exists: true, Wanted: 1, Available: 1}
	hold(t, judge.Channel(judge.ChannelFacts{Accepted: true, CredentialsReady: true, Connector: up}),
		expect{v1alpha1.ConditionCredentialsAccepted, v1alpha1.ReasonWaiting, metav1.ConditionUnknown, ""},
		expect{v1alpha1.ConditionReady, v1alpha1.ReasonWaiting, no, ""})
	hold(t, judge.Channel(judge.ChannelFacts{Accepted: true, CredentialsReady: true, Connector: up, CredentialsAccepted: true}),
		expect{v1alpha1.ConditionReady, v1alpha1.ReasonReady, yes, ""}, expect{condition: v1alpha1.ConditionReconciling})
	hold(t, judge.Channel(judge.ChannelFacts{Accepted: true, Outcome: missing, Connector: up}),
		expect{v1alpha1.ConditionCredentialsReady, v1alpha1.ReasonSecretMissing, no, "kubectl create secret"},
		expect{v1alpha1.ConditionReady, v1alpha1.ReasonSecretMissing, no, ""},
		expect{v1alpha1.ConditionStalled, v1alpha1.ReasonSecretMissing, yes, ""})
	hold(t, judge.Channel(judge.ChannelFacts{Accepted: true, CredentialsReady: true, Suspended: true}),
		expect{v1alpha1.ConditionConnectorAvailable, v1alpha1.ReasonSuspended, no, "spec.suspended"})
}

func TestRetention(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC)
	none, some := int64(0), int64(7)
	run := func(overdue *int64) *v1alpha1.RetentionRun {
		return &v1alpha1.RetentionRun{Sequence: 4, FinishedAt: metav1.NewTime(at), Categories: []v1alpha1.CategoryRun{{Category: v1alpha1.CategoryMessages, Overdue: overdue}}}
	}
	base := judge.RetentionFacts{
		Policy:   &v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant-a", Name: "guests"}},
		Accepted: true, Scheduled: true,
	}
	for _, c := range []struct {
		sentence string
		change   func(*judge.RetentionFacts)
		wants    []expect
	}{
		{"a policy that never ran is Ready and not yet Enforced", func(*judge.RetentionFacts) {}, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonReady, yes, ""},
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonNeverRun, metav1.ConditionUnknown, ""},
		}},
		{"a run that left nothing overdue enforces it", func(f *judge.RetentionFacts) { f.Last = run(&none) }, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonReady, yes, "run 4"}, {v1alpha1.ConditionReady, v1alpha1.ReasonReady, yes, ""},
		}},
		{"what is overdue is counted", func(f *judge.RetentionFacts) { f.Last = run(&some) }, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonOverdue, no, "7 expired rows"}, {v1alpha1.ConditionReady, v1alpha1.ReasonOverdue, no, ""},
		}},
		{"what could not be counted is never taken for none", func(f *judge.RetentionFacts) { f.Last = run(nil) }, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonNotChecked, no, "Messages"},
		}},
		{"files that the object store has not removed are counted", func(f *judge.RetentionFacts) {
			f.Last = run(&none)
			since := metav1.NewTime(at)
			f.Last.Files = &v1alpha1.StoredFiles{Pending: 7, Since: &since, Class: contract.StoreUnreachable}
		}, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonFilesPending, no, "(Unreachable) has not removed 7 deleted files, the oldest since 2026-03-01T03:15:00Z"},
			{v1alpha1.ConditionReady, v1alpha1.ReasonFilesPending, no, ""},
		}},
		{"files that it has removed are done", func(f *judge.RetentionFacts) {
			f.Last = run(&none)
			f.Last.Files = &v1alpha1.StoredFiles{Removed: 7, Missing: 1}
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonReady, yes, ""}}},
		{"a receipt that contradicts the ledger comes before all else", func(f *judge.RetentionFacts) {
			f.Last, f.Broken, f.Failed, f.FailedAt = run(&none), "another receipt 4 was countersigned", "no connection", at.Add(time.Hour)
		}, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonEvidenceBroken, no, "receipt 4"}, {v1alpha1.ConditionReady, v1alpha1.ReasonEvidenceBroken, no, ""},
		}},
		{"a failure after the last receipt counts", func(f *judge.RetentionFacts) {
			f.Last, f.Failed, f.FailedAt = run(&none), "no connection", at.Add(time.Hour)
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonRunFailed, no, "no connection"}}},
		{"a failure before the last receipt is over", func(f *judge.RetentionFacts) {
			f.Last, f.Failed, f.FailedAt = run(&none), "no connection", at.Add(-time.Hour)
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonReady, yes, ""}}},
		{"a run that was due and did not begin is overdue", func(f *judge.RetentionFacts) {
			f.Last, f.MissedSince = run(&none), at.Add(24*time.Hour)
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonOverdue, no, "2026-03-02T03:15:00Z"}}},
		{"what the guard stopped is told with its counts and the next step", func(f *judge.RetentionFacts) {
			f.Last, f.Plan = run(&some), &v1alpha1.RetentionPlan{Digest: "abc", Categories: []v1alpha1.PlannedCategory{{Category: "Messages", Expired: 900, Total: 1000}}}
			f.Last.Outcome = contract.OutcomeBlocked
		}, []expect{
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonBlocked, no, "900 of 1000 Messages"},
			{v1alpha1.ConditionEnforced, v1alpha1.ReasonBlocked, no, `kubectl -n tenant-a patch retentionpolicy guests --type=merge -p '{"spec":{"approvedPlan":"abc"}}'`},
			{v1alpha1.ConditionReady, v1alpha1.ReasonBlocked, no, ""},
		}},
		{"an approved plan waits for the next run", func(f *judge.RetentionFacts) {
			f.Last, f.Plan = run(&some), &v1alpha1.RetentionPlan{Digest: "abc"}
			f.Last.Outcome = contract.OutcomeBlocked
			f.Policy = f.Policy.DeepCopy()
			f.Policy.Spec.ApprovedPlan = "abc"
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonBlocked, no, "the plan is approved, and the next run carries it out"}}},
		{"a dry run enforces nothing", func(f *judge.RetentionFacts) {
			f.Last = run(&none)
			f.Last.Outcome = contract.OutcomeDryRun
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonDryRun, no, "spec.mode"}}},
		{"a failure tells what was overdue when it was counted last", func(f *judge.RetentionFacts) {
			f.Last, f.Failed, f.FailedAt = run(&some), "no connection", at.Add(time.Hour)
		}, []expect{{v1alpha1.ConditionEnforced, v1alpha1.ReasonRunFailed, no, "run 4 had left 7 expired rows"}}},
		{"of two policies for one category both say which counts", func(f *judge.RetentionFacts) { f.Shared = []string{"Messages with guest-data"} }, []expect{
			{v1alpha1.ConditionAccepted, v1alpha1.ReasonReady, yes, "the shortest counts: Messages with guest-data"},
		}},
		{"a rule out of bounds is refused even when the last run was good", func(f *judge.RetentionFacts) {
			f.Last, f.Accepted = run(&none), false
			f.Outcome = &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonOutOfBounds, Message: "lower retainDays"}
		}, []expect{
			{v1alpha1.ConditionAccepted, v1alpha1.ReasonOutOfBounds, no, "lower retainDays"},
			{v1alpha1.ConditionStalled, v1alpha1.ReasonOutOfBounds, yes, ""}, {v1alpha1.ConditionReady, v1alpha1.ReasonOutOfBounds, no, ""},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			f := base
			c.change(&f)
			hold(t, judge.Retention(f), c.wants...)
		})
	}
}
