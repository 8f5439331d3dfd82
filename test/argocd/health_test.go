// Package argocd runs what config/argocd gives Argo CD in the interpreter that Argo CD uses, with the libraries that it allows.
package argocd

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/overview"
	"github.com/switchboard-operator/switchboard/internal/step"
)

const group = "resource.customizations.health.messaging.switchboard.dev_"

// scripts are those of the ConfigMap, by kind.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../config/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cm := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict(text, cm); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for key, script := range cm.Data {
		kind, ok := strings.CutPrefix(key, group)
		if !ok {
			t.Errorf("key %s is not one of ours", key)
		}
		found[kind] = script
	}
	return found
}

type health struct{ status, message string }

// run asks a script for the health of an object, as Argo CD does: without libraries but for tables, within a second.
func run(t *testing.T, script string, object map[string]any) health {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	l.SetGlobal("obj", value(l, object))
	if err := l.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returned %v", l.Get(-1))
	}
	h := health{lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))}
	if !slices.Contains([]string{"Healthy", "Progressing", "Degraded", "Suspended"}, h.status) || h.message == "" {
		t.Fatalf("Argo CD would not take %+v", h)
	}
	return h
}

func value(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := l.NewTable()
		for _, item := range v {
			table.Append(value(l, item))
		}
		return table
	case map[string]any:
		table := l.NewTable()
		for key, item := range v {
			table.RawSetString(key, value(l, item))
		}
		return table
	}
	return lua.LNil
}

// object is one of a kind with what was judged of it.
func object(t *testing.T, kind string, generation, observed int64, deleting bool, conditions []metav1.Condition) map[string]any {
	t.Helper()
	o := struct {
		metav1.ObjectMeta `json:"metadata"`
		Status            v1alpha1.TenantStatus `json:"status"`
	}{ObjectMeta: metav1.ObjectMeta{Name: "one", Generation: generation}, Status: v1alpha1.TenantStatus{ObservedGeneration: observed, Conditions: conditions}}
	if deleting {
		o.DeletionTimestamp = &metav1.Time{Time: time.Unix(1764000000, 0)}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&o)
	if err != nil {
		t.Fatal(err)
	}
	content["kind"], content["apiVersion"] = kind, v1alpha1.GroupVersion.String()
	return content
}

func served() judge.TenantFacts {
	up := observe.Workload{Exists: true, Wanted: 2, Available: 2, Settled: true}
	return judge.TenantFacts{
		NamespaceReady: true, Isolated: true, CredentialsReady: true, Region: "eu-central", Current: true,
		Database: up, Server: up, Setup: observe.Setup{Done: true},
		Residency: &v1alpha1.Residency{
			Nodes:   []v1alpha1.ObservedNode{{Name: "node-1", InRegion: true}},
			Volumes: []v1alpha1.ObservedVolume{{Name: "pv-1", InRegion: true}},
		},
	}
}

func tenant(change func(*judge.TenantFacts)) []metav1.Condition {
	f := served()
	change(&f)
	return judge.Tenant(f)
}

// with puts a condition in the place of the one of its type.
func with(conditions []metav1.Condition, condition, reason, message string) []metav1.Condition {
	kept := slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool { return c.Type == condition })
	return append(kept, metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: reason, Message: message})
}

// ending adds what a tenant that is being deleted says.
func ending(conditions []metav1.Condition, reason, message string) []metav1.Condition {
	return append(slices.Clone(conditions), metav1.Condition{Type: v1alpha1.ConditionTerminating, Status: metav1.ConditionTrue, Reason: reason, Message: message})
}

func TestHealth(t *testing.T) {
	all := scripts(t)
	fine := tenant(func(*judge.TenantFacts) {})
	channel := judge.ChannelFacts{Accepted: true, CredentialsReady: true, Connector: observe.Workload{Exists: true, Wanted: 1, Available: 1}, CredentialsAccepted: true}
	for _, test := range []struct {
		sentence   string
		kind       string
		conditions []metav1.Condition
		observed   int64 // of generation 2
		deleting   bool
		status     string
		message    string // a part
	}{
		{"a tenant that is served", "Tenant", fine, 2, false, "Healthy", "Ready: "},
		{"one that nobody has looked at", "Tenant", nil, 0, false, "Progressing", "has not looked at it yet"},
		{"one whose spec has changed since", "Tenant", fine, 1, false, "Progressing", "has not looked at this spec yet"},
		{"one whose Job runs", "Tenant", tenant(func(f *judge.TenantFacts) {
			f.Setup.Done = false
			f.Outcome = &step.Wait{Condition: v1alpha1.ConditionMigrated, Reason: v1alpha1.ReasonProgressing, Message: "a Job runs"}
		}), 2, false, "Progressing", "a Job runs"},
		{"one that somebody has to help", "Tenant", tenant(func(f *judge.TenantFacts) {
			f.Outcome = &step.Stall{Condition: v1alpha1.ConditionNamespaceReady, Reason: v1alpha1.ReasonRegionNotFound, Message: "make the Region"}
		}), 2, false, "Degraded", "make the Region"},
		{"one that is tried again", "Tenant", tenant(func(f *judge.TenantFacts) { f.Outcome = errors.New("applying the quota: timed out") }), 2, false, "Progressing", "timed out"},
		{"one outside of its region", "Tenant", tenant(func(f *judge.TenantFacts) { f.Residency.Nodes[0].InRegion = false }), 2, false, "Degraded", "ResidencyCompliant: "},
		{"one that was suspended", "Tenant", tenant(func(f *judge.TenantFacts) { f.Suspended = true }), 2, false, "Suspended", "spec.suspended is true"},
		{"one whose network lets through what it must not", "Tenant", with(fine, v1alpha1.ConditionNetworkIsolated, v1alpha1.ReasonPolicyNotEnforced, "reached a neighbour"), 2, false, "Degraded", "reached a neighbour"},
		{"one that waits for the plan of a move to be approved", "Tenant", with(fine, v1alpha1.ConditionMoved, v1alpha1.ReasonMovePlanned, "set spec.move.approvedPlan"), 2, false, "Suspended", "approvedPlan"},
		{"what is broken counts before what waits", "Tenant", with(with(fine, v1alpha1.ConditionMoved, v1alpha1.ReasonMovePlanned, "approve"), v1alpha1.ConditionBackedUp, v1alpha1.ReasonRunFailed, "look at the Job"), 2, false, "Degraded", "look at the Job"},
		{"one that is being erased", "Tenant", ending(fine, v1alpha1.ReasonVolumesRemain, "1 volume is left"), 1, true, "Progressing", "1 volume is left"},
		{"one that a hold keeps", "Tenant", ending(fine, v1alpha1.ReasonHeld, "lift hold case-7"), 2, true, "Suspended", "lift hold case-7"},
		{"one whose export failed", "Tenant", ending(fine, v1alpha1.ReasonExportFailed, "make the Secret"), 2, true, "Degraded", "make the Secret"},
		{"a channel that works", "Channel", judge.Channel(channel), 2, false, "Healthy", "Ready: "},
		{"a channel of a tenant that is suspended", "Channel", judge.Channel(judge.ChannelFacts{Accepted: true, CredentialsReady: true, Suspended: true}), 2, false, "Suspended", "suspended"},
		{"a channel without its Secret", "Channel", judge.Channel(judge.ChannelFacts{
			Accepted: true, Outcome: &step.Stall{Condition: v1alpha1.ConditionCredentialsReady, Reason: v1alpha1.ReasonSecretMissing, Message: "make Secret twilio"},
		}), 2, false, "Degraded", "make Secret twilio"},
		{"a channel whose credentials are refused", "Channel", with(judge.Channel(channel), v1alpha1.ConditionCredentialsAccepted, v1alpha1.ReasonCredentialsRefused, "put the token"), 2, false, "Degraded", "put the token"},
		{"a policy that never ran", "RetentionPolicy", judge.Retention(judge.RetentionFacts{Accepted: true, Scheduled: true}), 2, false, "Healthy", "first run"},
		{"a policy whose run was stopped by the guard", "RetentionPolicy", with(judge.Retention(judge.RetentionFacts{Accepted: true, Scheduled: true}), v1alpha1.ConditionEnforced, v1alpha1.ReasonBlocked, "approve the plan"), 2, false, "Suspended", "approve the plan"},
		{"a policy that is behind", "RetentionPolicy", with(judge.Retention(judge.RetentionFacts{Accepted: true, Scheduled: true}), v1alpha1.ConditionEnforced, v1alpha1.ReasonOverdue, "12 rows"), 2, false, "Degraded", "12 rows"},
		{"a hold that is over", "LegalHold", judge.LegalHold(judge.LegalHoldFacts{
			Accepted: true, Outcome: &step.Stall{Condition: v1alpha1.ConditionInForce, Reason: v1alpha1.ReasonExpired, Message: "delete it"},
		}), 2, false, "Degraded", "delete it"},
		{"a request that was carried out", "DataSubjectRequest", judge.Request(judge.RequestFacts{
			Accepted: true, Completed: time.Unix(1, 0), Answered: time.Unix(1, 0), Now: time.Unix(2, 0), Due: time.Unix(3, 0),
		}), 2, false, "Healthy", "carried out"},
		{"a request that a hold keeps", "DataSubjectRequest", judge.Request(judge.RequestFacts{
			Accepted: true, Now: time.Unix(1, 0), Due: time.Unix(8640000, 0),
			Outcome: &step.Wait{Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonHeldBack, Message: "kept by case-7"},
		}), 2, false, "Suspended", "kept by case-7"},
		{"a request that is late", "DataSubjectRequest", judge.Request(judge.RequestFacts{
			Accepted: true, Now: time.Unix(8640000, 0), Due: time.Unix(1, 0),
			Outcome: &step.Wait{Condition: v1alpha1.ConditionCompleted, Reason: v1alpha1.ReasonProgressing, Message: "a Job runs"},
		}), 2, false, "Degraded", "OnTime: "},
		{"a region without nodes", "Region", judge.Region(judge.RegionFacts{}), 2, false, "Degraded", "no node"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			o := object(t, test.kind, 2, test.observed, test.deleting, test.conditions)
			if test.conditions == nil {
				delete(o, "status")
			}
			h := run(t, all[test.kind], o)
			if h.status != test.status || !strings.Contains(h.message, test.message) {
				t.Errorf("%+v, want %s with %q, of %v", h, test.status, test.message, test.conditions)
			}
			// kubectl switchboard status shows the same.
			marks := map[string]overview.Mark{"Healthy": overview.OK, "Degraded": overview.Broken, "Progressing": overview.Waiting, "Suspended": overview.Waiting}
			meta := metav1.ObjectMeta{Name: "one", Generation: 2}
			if test.deleting {
				meta.DeletionTimestamp = &metav1.Time{Time: time.Unix(1764000000, 0)}
			}
			if mark := overview.Judge(&meta, test.observed, test.conditions); mark != marks[h.status] {
				t.Errorf("the plugin marks it %s, of %v", mark, test.conditions)
			}
		})
	}
}

func TestEveryKindWithConditionsHasAScript(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%v, %v", files, err)
	}
	var want []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n              conditions:") {
			want = append(want, regexp.MustCompile(`(?m)^    kind: (\w+)$`).FindStringSubmatch(string(text))[1])
		}
	}
	if got := slices.Sorted(maps.Keys(scripts(t))); !slices.Equal(got, want) {
		t.Errorf("scripts are there for %v, kinds with conditions are %v", got, want)
	}
}

// TestTheScriptKnowsReasonsOfTheCodeAlone: a reason that was renamed would count for nothing.
func TestTheScriptKnowsReasonsOfTheCodeAlone(t *testing.T) {
	code, err := os.ReadFile("../../api/v1alpha1/conditions.go")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(\w+) = true`).FindAllStringSubmatch(string(script), -1)
	if len(named) < 30 {
		t.Fatalf("found %d reasons only", len(named))
	}
	for _, m := range named {
		if !strings.Contains(string(code), `= "`+m[1]+`"`) {
			t.Errorf("reason %s is none of the code's", m[1])
		}
	}
}
