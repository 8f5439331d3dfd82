package judge_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

func TestRegion(t *testing.T) {
	planned := func(digest string) *v1alpha1.Residency {
		return &v1alpha1.Residency{Planned: &v1alpha1.PlannedChange{Digest: digest, Outside: []string{"node near", "volume pv-1"}}}
	}
	for _, c := range []struct {
		sentence string
		change   func(*judge.RegionFacts)
		wants    []expect
	}{
		{"a region with nodes and a class of its own is Ready", func(*judge.RegionFacts) {}, []expect{
			{v1alpha1.ConditionReady, v1alpha1.ReasonReady, yes, ""}, {v1alpha1.ConditionStorageBound, v1alpha1.ReasonReady, yes, "local-eu"},
			{v1alpha1.ConditionTenantsResident, v1alpha1.ReasonReady, yes, ""}, {v1alpha1.ConditionChangesMade, v1alpha1.ReasonReady, yes, ""},
		}},
		{"one without nodes is not", func(f *judge.RegionFacts) { f.Seen.Nodes = nil }, []expect{{v1alpha1.ConditionReady, v1alpha1.ReasonNoNodes, no, "label one"}}},
		{"nor without a class", func(f *judge.RegionFacts) { f.Seen.Class = nil }, []expect{{v1alpha1.ConditionStorageBound, v1alpha1.ReasonStorageNotBound, no, "name one"}}},
		{"nor with one that is not there", func(f *judge.RegionFacts) { f.Seen.Class = &v1alpha1.RegionStorageClass{Name: "lost"} }, []expect{
			{v1alpha1.ConditionStorageBound, v1alpha1.ReasonStorageNotBound, no, "there is no StorageClass lost"},
		}},
		{"nor with one that makes volumes anywhere", func(f *judge.RegionFacts) { f.Seen.Class.Bound = false }, []expect{
			{v1alpha1.ConditionStorageBound, v1alpha1.ReasonStorageNotBound, no, "allowedTopologies"},
		}},
		{"a sub-processor without a mechanism shows", func(f *judge.RegionFacts) { f.Uncovered = []string{"twilio"} }, []expect{
			{v1alpha1.ConditionTransfersCovered, v1alpha1.ReasonTransferNotCovered, no, "twilio"},
		}},
		{"databases abroad without a mechanism show", func(f *judge.RegionFacts) { f.DatabaseUncovered = true }, []expect{
			{v1alpha1.ConditionTransfersCovered, v1alpha1.ReasonTransferNotCovered, no, "spec.database.external"},
		}},
		{"a tenant that has left shows", func(f *judge.RegionFacts) {
			f.Seen.Tenants[0].Status.Residency = &v1alpha1.Residency{Violations: []v1alpha1.ResidencyViolation{{Kind: judge.KindNode, Name: "far"}}}
		}, []expect{{v1alpha1.ConditionTenantsResident, v1alpha1.ReasonTenantsOutside, no, "hotel"}}},
		{"a change that waits says what it would leave outside, and how it is approved", func(f *judge.RegionFacts) {
			f.Seen.Tenants[0].Status.Residency = planned("0123456789abcdef")
			f.Planned = judge.Planned("0123456789abcdef", f.Seen.Tenants)
		}, []expect{
			{v1alpha1.ConditionChangesMade, v1alpha1.ReasonChangePlanned, no, "hotel: node near; hotel: volume pv-1"},
			{v1alpha1.ConditionReady, v1alpha1.ReasonChangePlanned, no, "messaging.switchboard.dev/approve-change=0123456789abcdef"},
		}},
		{"what a tenant said of another change does not count", func(f *judge.RegionFacts) {
			f.Seen.Tenants[0].Status.Residency = planned("of before")
			f.Planned = judge.Planned("0123456789abcdef", f.Seen.Tenants)
		}, []expect{{v1alpha1.ConditionChangesMade, v1alpha1.ReasonReady, yes, ""}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			f := judge.RegionFacts{Seen: observe.Region{
				Nodes: []string{"near"}, Tenants: make([]v1alpha1.Tenant, 1), Class: &v1alpha1.RegionStorageClass{Name: "local-eu", Provisioner: "local", Bound: true},
			}}
			f.Seen.Tenants[0].Name = "hotel"
			c.change(&f)
			hold(t, judge.Region(f), c.wants...)
		})
	}
}
