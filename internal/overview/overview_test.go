package overview

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func TestReasonsAreThoseOfArgoCD(t *testing.T) {
	script, err := os.ReadFile("../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	for name, ours := range map[string]map[string]bool{"degraded": degraded, "suspended": suspended} {
		_, list, found := strings.Cut(string(script), "local "+name+" = {")
		list, _, _ = strings.Cut(list, "}")
		var theirs []string
		for _, m := range regexp.MustCompile(`(\w+) = true`).FindAllStringSubmatch(list, -1) {
			theirs = append(theirs, m[1])
		}
		slices.Sort(theirs)
		if mine := slices.Sorted(maps.Keys(ours)); !found || !slices.Equal(mine, theirs) {
			t.Errorf("%s: here\n%v, in health.lua\n%v", name, mine, theirs)
		}
	}
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Unix(1000, 0)}
}

func TestMarks(t *testing.T) {
	ready := condition("Ready", metav1.ConditionTrue, "Ready", "all is well")
	notReady := func(reason, message string) metav1.Condition {
		return condition("Ready", metav1.ConditionFalse, reason, message)
	}
	for sentence, c := range map[string]struct {
		meta       metav1.ObjectMeta
		conditions []metav1.Condition
		mark       Mark
		says       string
	}{
		"ready":              {conditions: []metav1.Condition{ready, condition("Accepted", metav1.ConditionTrue, "Ready", "m")}, mark: OK},
		"never looked at":    {mark: Waiting, says: "has not looked at it yet"},
		"an older spec":      {meta: metav1.ObjectMeta{Generation: 2}, conditions: []metav1.Condition{ready}, mark: Waiting, says: "this spec"},
		"ready, with a note": {conditions: []metav1.Condition{ready, condition("BackedUp", metav1.ConditionFalse, "NoBackup", "nobody asks for any")}, mark: OK, says: "nobody asks"},
		"ready, and broken":  {conditions: []metav1.Condition{ready, condition("NetworkIsolated", metav1.ConditionFalse, "PolicyNotEnforced", "it reached x")}, mark: Broken, says: "it reached"},
		"on its way": {conditions: []metav1.Condition{
			notReady("SecretMissing", "make it"), condition("Accepted", metav1.ConditionTrue, "Ready", "m"),
			condition("CredentialsReady", metav1.ConditionFalse, "SecretMissing", "make it"),
		}, mark: Waiting, says: "make it"},
		"stalled": {conditions: []metav1.Condition{
			notReady("OutOfBounds", "lower it"), condition("Stalled", metav1.ConditionTrue, "OutOfBounds", "lower it"),
			condition("Accepted", metav1.ConditionFalse, "OutOfBounds", "lower it"),
		}, mark: Broken, says: "lower it"},
		"a failure that Ready alone tells": {conditions: []metav1.Condition{notReady("Failed", "no connection"), condition("Accepted", metav1.ConditionTrue, "Ready", "m")}, mark: Waiting, says: "no connection"},
		"a guard that waits": {conditions: []metav1.Condition{
			notReady("Blocked", "approve it"), condition("Enforced", metav1.ConditionFalse, "Blocked", "approve it"), condition("Stalled", metav1.ConditionTrue, "Blocked", "approve it"),
		}, mark: Waiting, says: "approve it"},
		"deleted": {
			meta:       metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: time.Unix(1, 0)}},
			conditions: []metav1.Condition{notReady("Held", "a hold keeps it"), condition("Terminating", metav1.ConditionTrue, "Held", "a hold keeps it")}, mark: Waiting, says: "a hold",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			n := Node{Problems: object{&c.meta, 0, c.conditions}.problems()}.close()
			if n.Mark != c.mark {
				t.Errorf("it is %s, want %s: %+v", n.Mark, c.mark, n.Problems)
			}
			if c.says == "" && len(n.Problems) > 0 || c.says != "" && (len(n.Problems) != 1 || !strings.Contains(n.Problems[0].Message, c.says)) {
				t.Errorf("problems %+v, want one that says %q", n.Problems, c.says)
			}
		})
	}
}

func TestATreeIsAsBadAsItsWorstPart(t *testing.T) {
	overdue := int64(3)
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin"},
		Spec:       v1alpha1.TenantSpec{Region: "eu-central"},
		Status:     v1alpha1.TenantStatus{Conditions: []metav1.Condition{condition("Ready", metav1.ConditionTrue, "Ready", "m")}},
	}
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu-central"}, Status: v1alpha1.RegionStatus{Conditions: tenant.Status.Conditions}}
	fine := Of(Read{Tenant: tenant, Region: region})
	if _, p := fine.First(); fine.Mark != OK || p != nil {
		t.Errorf("a tenant that is fine is %s: %+v", fine.Mark, p)
	}
	policy := v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "guests"},
		Spec:       v1alpha1.RetentionPolicySpec{Rules: []v1alpha1.RetentionRule{{Category: "Messages", RetainDays: 90}}},
		Status: v1alpha1.RetentionPolicyStatus{
			Conditions: []metav1.Condition{tenant.Status.Conditions[0], condition("Enforced", metav1.ConditionFalse, "Overdue", "run 7 left 3 expired rows")},
			Runs:       []v1alpha1.RetentionRun{{Categories: []v1alpha1.CategoryRun{{Category: "Messages", Overdue: &overdue}}}},
		},
	}
	broken := Of(Read{Tenant: tenant, Region: region, Policies: []v1alpha1.RetentionPolicy{policy}})
	path, p := broken.First()
	if broken.Mark != Broken || p == nil || p.Reason != "Overdue" || strings.Join(path, "/") != "retention/policy guests" {
		t.Errorf("an overdue policy: %s, %v %+v", broken.Mark, path, p)
	}
	lost := Of(Read{Tenant: tenant})
	if _, p := lost.First(); lost.Mark != Broken || p == nil || p.Reason != "RegionNotFound" {
		t.Errorf("without its Region: %s, %+v", lost.Mark, p)
	}
	hidden := Of(Read{Tenant: &v1alpha1.Tenant{ObjectMeta: tenant.ObjectMeta}, Unread: map[string]string{KindTenant: "you may not"}})
	if hidden.Mark != Unknown {
		t.Errorf("one that can't be read is %s", hidden.Mark)
	}
	if all := []Node{fine, hidden, broken}; true {
		slices.SortFunc(all, Compare)
		if all[0].Mark != Broken || all[2].Mark != OK {
			t.Errorf("the worst is not the first: %s, %s, %s", all[0].Mark, all[1].Mark, all[2].Mark)
		}
	}
	b, err := json.Marshal(broken)
	if err != nil || !strings.Contains(string(b), `"facts":{"limitDays":90,"deleted":0,"overdue":3}`) {
		t.Errorf("%v: %s", err, b)
	}
}

func TestCompletedRequestsAreCounted(t *testing.T) {
	done := func(name string, more ...metav1.Condition) v1alpha1.DataSubjectRequest {
		return v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.DataSubjectRequestStatus{
			Phase: v1alpha1.RequestCompleted, Conditions: append([]metav1.Condition{condition("Ready", metav1.ConditionTrue, "Ready", "m")}, more...),
		}}
	}
	open := v1alpha1.DataSubjectRequest{ObjectMeta: metav1.ObjectMeta{Name: "open"}}
	n := Read{Tenant: &v1alpha1.Tenant{}, Requests: []v1alpha1.DataSubjectRequest{
		done("a"), done("b"), open, done("late", condition("OnTime", metav1.ConditionFalse, "PastDue", "late")),
	}}.requests()
	if len(n.Parts) != 2 || n.Parts[0].Name != "late" || n.Parts[0].Mark != Broken || n.Parts[1].Name != "open" || n.Mark != Broken || n.Facts[1] != (Fact{"completed", int64(2)}) {
		t.Errorf("%+v", n)
	}
}
