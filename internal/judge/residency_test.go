package judge_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
)

var (
	morning = time.Date(2026, 11, 24, 9, 0, 0, 123456789, time.UTC)
	noon    = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	evening = time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
)

func onNodes(nodes ...v1alpha1.ObservedNode) *v1alpha1.Residency {
	return &v1alpha1.Residency{Nodes: nodes, Volumes: []v1alpha1.ObservedVolume{{Name: "pv-1", InRegion: true}}}
}

func near(in bool) v1alpha1.ObservedNode { return v1alpha1.ObservedNode{Name: "near", InRegion: in} }

func TestWhatIsSeenIsRememberedWithItsTimes(t *testing.T) {
	first := judge.Remember(nil, onNodes(near(true)), morning)
	if n := first.Nodes[0]; !n.FirstSeen.Equal(&metav1.Time{Time: morning.Truncate(time.Second)}) || n.LastSeen != nil || len(first.Violations) != 0 {
		t.Fatalf("at first: %+v", first)
	}
	if again := judge.Remember(first, onNodes(near(true)), noon); !reflect.DeepEqual(again, first) {
		t.Errorf("nothing happened, and something is written: %+v", again)
	}

	left := judge.Remember(first, onNodes(near(false)), noon)
	if len(left.Violations) != 1 || left.Violations[0].Kind != judge.KindNode || left.Violations[0].Name != "near" || !left.Violations[0].Since.Equal(&metav1.Time{Time: noon}) || !left.EgressClosed {
		t.Fatalf("relabelled: %+v", left)
	}
	if again := judge.Remember(left, onNodes(near(false)), evening); !reflect.DeepEqual(again, left) {
		t.Errorf("it is as before, and something is written: %+v", again)
	}
	if mended := judge.Remember(left, onNodes(near(true)), evening); len(mended.Violations) != 0 || mended.EgressClosed {
		t.Errorf("mended: %+v", mended)
	}

	moved := judge.Remember(left, onNodes(v1alpha1.ObservedNode{Name: "other", InRegion: true}), evening)
	if len(moved.Nodes) != 2 || moved.Nodes[0].Name != "other" || moved.Nodes[1].LastSeen == nil || !moved.Nodes[1].LastSeen.Equal(&metav1.Time{Time: evening}) {
		t.Fatalf("moved: %+v", moved)
	}
	if len(moved.Violations) != 0 || moved.EgressClosed || judge.EgressClosed(moved) || len(judge.Outside(moved)) != 0 {
		t.Errorf("what has gone still counts: %+v", moved)
	}
	back := judge.Remember(moved, onNodes(near(true)), evening.Add(time.Hour))
	if n := back.Nodes[0]; n.Name != "near" || n.LastSeen != nil || !n.FirstSeen.Equal(first.Nodes[0].FirstSeen) {
		t.Errorf("back: %+v", back.Nodes)
	}
}

func TestWhatHasGoneIsRememberedWithinBounds(t *testing.T) {
	var r *v1alpha1.Residency
	for i := range 100 {
		r = judge.Remember(r, onNodes(v1alpha1.ObservedNode{Name: fmt.Sprintf("node-%03d", i), InRegion: true}), morning.Add(time.Duration(i)*time.Minute))
	}
	if len(r.Nodes) != 17 || r.Nodes[0].Name != "node-099" || r.Nodes[1].Name != "node-098" || r.Nodes[16].Name != "node-083" {
		t.Errorf("remembered %d nodes, from %s to %s", len(r.Nodes), r.Nodes[0].Name, r.Nodes[len(r.Nodes)-1].Name)
	}
	many := &v1alpha1.Residency{}
	for i := range 200 {
		many.Nodes = append(many.Nodes, v1alpha1.ObservedNode{Name: fmt.Sprintf("node-%03d", i)})
	}
	if r := judge.Remember(r, many, evening); len(r.Nodes) > 64 || len(r.Violations) > 128 || !r.EgressClosed {
		t.Errorf("%d nodes and %d violations don't fit", len(r.Nodes), len(r.Violations))
	}
}

func TestANodeThatHasGoneClosesNothing(t *testing.T) {
	gone := onNodes(v1alpha1.ObservedNode{Name: "gone", Missing: true})
	if judge.EgressClosed(gone) || len(judge.Outside(gone)) != 1 {
		t.Errorf("closed %t, outside %v", judge.EgressClosed(gone), judge.Outside(gone))
	}
	if judge.EgressClosed(nil) {
		t.Error("nothing was seen, and egress is closed")
	}
	volume := onNodes(near(true))
	volume.Volumes[0].InRegion = false
	if !judge.EgressClosed(volume) {
		t.Error("a volume is outside, and egress is open")
	}
}

// TestAChannelThatChangesWhoCarriesItIsTwoFlows: each with its own times.
func TestAChannelThatChangesWhoCarriesItIsTwoFlows(t *testing.T) {
	by := func(name string) *v1alpha1.Residency {
		return &v1alpha1.Residency{SubProcessors: []v1alpha1.ObservedSubProcessor{{Channel: "desk", Name: name, Allowed: true}}}
	}
	r := judge.Remember(judge.Remember(nil, by("twilio"), morning), by("other"), noon)
	if len(r.SubProcessors) != 2 {
		t.Fatalf("remembered: %+v", r.SubProcessors)
	}
	now, before := r.SubProcessors[0], r.SubProcessors[1]
	if now.Name != "other" || !now.FirstSeen.Equal(&metav1.Time{Time: noon}) || now.LastSeen != nil {
		t.Errorf("now: %+v", now)
	}
	if before.Name != "twilio" || before.LastSeen == nil || !before.LastSeen.Equal(&metav1.Time{Time: noon}) {
		t.Errorf("before: %+v", before)
	}
}

// TestWhatAProviderClaimsIsNotTakenForSeen: its time is kept, and the condition says whose word it is.
func TestWhatAProviderClaimsIsNotTakenForSeen(t *testing.T) {
	at := func(location string) *v1alpha1.Residency {
		r := onNodes(near(true))
		r.Database = &v1alpha1.ObservedDatabase{Provider: "Example", Location: location, Claimed: true, Allowed: true}
		return r
	}
	first := judge.Remember(nil, at("DE"), morning)
	if again := judge.Remember(first, at("DE"), noon); !reflect.DeepEqual(again, first) {
		t.Errorf("nothing happened, and something is written: %+v", again.Database)
	}
	if moved := judge.Remember(first, at("FR"), noon); !moved.Database.FirstSeen.Equal(&metav1.Time{Time: noon}) {
		t.Errorf("moved: %+v", moved.Database)
	}
	if gone := judge.Remember(first, onNodes(near(true)), noon); gone.Database != nil {
		t.Errorf("gone: %+v", gone.Database)
	}
	f := served()
	f.Residency.Database = first.Database
	hold(t, judge.Tenant(f), expect{v1alpha1.ConditionResidencyCompliant, v1alpha1.ReasonReady, yes, "is what provider Example says, and was not seen"})
}
