package judge_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/observe"
	"github.com/switchboard-operator/switchboard/internal/step"
)

// A tenant that waits to be moved is served; only while its database is handed over it is not.
func TestMoved(t *testing.T) {
	at := func(phase v1alpha1.MovePhase) *v1alpha1.MoveStatus {
		return &v1alpha1.MoveStatus{From: "eu-central", To: "us-east", Phase: phase, Plan: v1alpha1.MovePlan{Digest: "4711"}}
	}
	refused, failed := at(v1alpha1.MovePlanned), at(v1alpha1.MovePlanned)
	refused.Plan.Refusals = []string{"Region us-east has no nodes"}
	failed.Failure = "source and target differ"
	waits := func(reason string) error {
		return &step.Wait{Condition: v1alpha1.ConditionMoved, Reason: reason, Message: "Job x"}
	}
	for sentence, c := range map[string]struct {
		wanted  string
		status  *v1alpha1.MoveStatus
		outcome error
		moved   expect
		ready   expect
	}{
		"nothing is asked for": {"", nil, nil, expect{}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it moved once":        {"", at(v1alpha1.MoveSourceErased), nil, expect{}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it is there":          {"eu-central", at(v1alpha1.MoveSourceErased), nil, expect{status: yes, reason: v1alpha1.ReasonReady}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"something is in the way": {"us-east", refused, nil,
			expect{status: no, reason: v1alpha1.ReasonMoveRefused, says: "has no nodes"}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it waits for approval": {"us-east", at(v1alpha1.MovePlanned), nil,
			expect{status: no, reason: v1alpha1.ReasonMovePlanned, says: "approvedPlan to 4711"}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"an attempt failed": {"us-east", failed, nil,
			expect{status: no, reason: v1alpha1.ReasonMoveFailed, says: "differ"}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it is copied": {"us-east", at(v1alpha1.MoveCopying), waits(v1alpha1.ReasonMoveCopying),
			expect{status: no, reason: v1alpha1.ReasonMoveCopying, says: "Job x"}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it is handed over": {"us-east", at(v1alpha1.MoveQuiesced), waits(v1alpha1.ReasonMoveQuiesced),
			expect{status: no, reason: v1alpha1.ReasonMoveQuiesced}, expect{status: no, reason: v1alpha1.ReasonMoveQuiesced, says: "Job x"}},
		"it is emptied": {"us-east", at(v1alpha1.MoveSwitched), waits(v1alpha1.ReasonMoveSwitched),
			expect{status: no, reason: v1alpha1.ReasonMoveSwitched}, expect{status: yes, reason: v1alpha1.ReasonReady}},
		"it is taken back though nobody asks any more": {"", at(v1alpha1.MoveAborting), waits(v1alpha1.ReasonMoveAborting),
			expect{status: no, reason: v1alpha1.ReasonMoveAborting}, expect{status: no, reason: v1alpha1.ReasonMoveAborting}},
	} {
		t.Run(sentence, func(t *testing.T) {
			f := served()
			f.Outcome, f.Move = c.outcome, judge.Move{Wanted: c.wanted, Status: c.status}
			if observe.Copied(c.status) && c.status.Phase == v1alpha1.MoveQuiesced {
				f.Setup.Done = false // the story ends before
			}
			c.moved.condition, c.ready.condition = v1alpha1.ConditionMoved, v1alpha1.ConditionReady
			hold(t, judge.Tenant(f), c.moved, c.ready)
		})
	}
}

// What a move has elsewhere is shown, and closes nothing.
func TestWhatMovesIsNotOutside(t *testing.T) {
	r := &v1alpha1.Residency{
		Nodes:   []v1alpha1.ObservedNode{{Name: "far", Moving: true}},
		Volumes: []v1alpha1.ObservedVolume{{Name: "pv-far", Claim: "data-postgres-us-east-0", Moving: true}},
	}
	if judge.EgressClosed(r) || len(judge.Outside(r)) > 0 {
		t.Errorf("outside: %v", judge.Outside(r))
	}
	r.Nodes[0].Moving = false
	if !judge.EgressClosed(r) {
		t.Error("a node that runs something else closes nothing either")
	}
}
