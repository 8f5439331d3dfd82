package judge_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func TestLegalHold(t *testing.T) {
	const (
		ready, accepted, inForce = v1alpha1.ConditionReady, v1alpha1.ConditionAccepted, v1alpha1.ConditionInForce
		matches, stalled         = v1alpha1.ConditionMatches, v1alpha1.ConditionStalled
		well                     = v1alpha1.ReasonReady
	)
	missing := &step.Stall{Condition: accepted, Reason: v1alpha1.ReasonSecretMissing, Message: "make the Secret"}
	coming := &step.Wait{Condition: inForce, Reason: v1alpha1.ReasonProgressing, Message: "a migration runs"}
	over := &step.Stall{Condition: inForce, Reason: v1alpha1.ReasonExpired, Message: "delete it"}
	one := &v1alpha1.HoldMatched{Contacts: 1, Conversations: 2, Messages: 3}
	for _, c := range []struct {
		sentence string
		facts    judge.LegalHoldFacts
		wants    []expect
	}{
		{"one in force that matches something is ready", judge.LegalHoldFacts{Accepted: true, InForce: true, Current: true, Matched: one}, []expect{
			{ready, well, yes, "nothing that it matches is deleted"}, {inForce, well, yes, ""}, {matches, well, yes, "1 contacts, 2 conversations, 3 messages"}, {stalled, "", "", ""},
		}},
		{"one that matches nothing is in force, and says so", judge.LegalHoldFacts{Accepted: true, InForce: true, Current: true, Matched: &v1alpha1.HoldMatched{}}, []expect{
			{ready, well, yes, "matches nothing"}, {matches, v1alpha1.ReasonNothingMatches, no, "see whether its addresses"},
		}},
		{"what was not counted is not none", judge.LegalHoldFacts{Accepted: true, InForce: true, Current: true}, []expect{
			{ready, well, yes, ""}, {matches, v1alpha1.ReasonNotChecked, metav1.ConditionUnknown, ""},
		}},
		{"a new one without its Secret is not in force", judge.LegalHoldFacts{Outcome: missing}, []expect{
			{ready, v1alpha1.ReasonSecretMissing, no, "make the Secret"}, {accepted, v1alpha1.ReasonSecretMissing, no, ""},
			{inForce, v1alpha1.ReasonWaiting, metav1.ConditionUnknown, ""}, {stalled, v1alpha1.ReasonSecretMissing, yes, ""},
		}},
		{"one whose Secret went stays in force, and asks for it", judge.LegalHoldFacts{Outcome: missing, InForce: true, Matched: one}, []expect{
			{ready, v1alpha1.ReasonSecretMissing, no, "make the Secret"}, {inForce, well, yes, "before stays held"}, {matches, well, yes, ""},
		}},
		{"one that was changed is not in force until the migration has it", judge.LegalHoldFacts{Outcome: coming, Accepted: true, InForce: true, Matched: one}, []expect{
			{ready, v1alpha1.ReasonProgressing, no, ""}, {inForce, v1alpha1.ReasonProgressing, no, "a migration runs"}, {stalled, "", "", ""},
		}},
		{"one whose time is over holds nothing", judge.LegalHoldFacts{Outcome: over, Accepted: true, Expired: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Matched: one}, []expect{
			{ready, v1alpha1.ReasonExpired, no, "delete it"}, {inForce, v1alpha1.ReasonExpired, no, "since 2026-01-01T00:00:00Z"},
			{matches, v1alpha1.ReasonExpired, metav1.ConditionUnknown, ""}, {stalled, v1alpha1.ReasonExpired, yes, ""},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) { hold(t, judge.LegalHold(c.facts), c.wants...) })
	}
}
