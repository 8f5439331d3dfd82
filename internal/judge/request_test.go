package judge_test

import (
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/judge"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func TestRequest(t *testing.T) {
	const (
		ready, completed, onTime = v1alpha1.ConditionReady, v1alpha1.ConditionCompleted, v1alpha1.ConditionOnTime
		well                     = v1alpha1.ReasonReady
	)
	due := time.Date(2026, 4, 15, 12, 0, 0, 0, time.UTC)
	early, late := due.Add(-30*24*time.Hour), due.Add(time.Minute)
	held := &step.Wait{Condition: completed, Reason: v1alpha1.ReasonHeldBack, Message: "3 rows are kept"}
	runs := &step.Wait{Condition: completed, Reason: v1alpha1.ReasonProgressing, Message: "a Job runs"}
	for _, c := range []struct {
		sentence string
		facts    judge.RequestFacts
		wants    []expect
	}{
		{"one that runs is not Ready, and on time", judge.RequestFacts{Outcome: runs, Accepted: true, Now: early, Due: due}, []expect{
			{ready, v1alpha1.ReasonProgressing, no, ""}, {completed, v1alpha1.ReasonProgressing, no, ""}, {onTime, well, yes, "due at 2026-04-15T12:00:00Z"},
			{v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing, yes, ""},
		}},
		{"one that was carried out is Ready", judge.RequestFacts{Accepted: true, Now: late, Due: due, Answered: early, Completed: early}, []expect{
			{ready, well, yes, "carried out at 2026-03-16"}, {completed, well, yes, ""}, {onTime, well, yes, "answered at 2026-03-16"},
		}},
		{"one that a hold keeps was answered, and is not Completed", judge.RequestFacts{Outcome: held, Accepted: true, Now: late, Due: due, Answered: early}, []expect{
			{ready, v1alpha1.ReasonHeldBack, no, "3 rows"}, {completed, v1alpha1.ReasonHeldBack, no, ""}, {onTime, well, yes, ""},
		}},
		{"one that was carried out too late says so for ever", judge.RequestFacts{Accepted: true, Now: late.Add(time.Hour), Due: due, Answered: late, Completed: late}, []expect{
			{ready, well, yes, ""}, {onTime, v1alpha1.ReasonPastDue, no, "answered at 2026-04-15T12:01:00Z"},
		}},
		{"one whose files the object store has not removed says so", judge.RequestFacts{
			Accepted: true, Now: early, Due: due, Answered: early, Completed: early, Files: &v1alpha1.StoredFiles{Pending: 3, Class: "Unreachable"},
		}, []expect{{ready, well, yes, "the object store (Unreachable) had still to remove 3 of its files"}, {completed, well, yes, "which nobody can read any more"}}},
		{"a Secret that was brought back is told", judge.RequestFacts{Accepted: true, Now: early, Due: due, Answered: early, Completed: early, BroughtBack: "guest"}, []expect{
			{ready, well, yes, "don't belong in Git"},
		}},
		{"the clock runs whatever else is wrong", judge.RequestFacts{
			Outcome: &step.Stall{Condition: v1alpha1.ConditionAccepted, Reason: v1alpha1.ReasonSecretMissing, Message: "make it"}, Now: late, Due: due,
		}, []expect{{ready, v1alpha1.ReasonSecretMissing, no, ""}, {onTime, v1alpha1.ReasonPastDue, no, "was due at"}}},
	} {
		t.Run(c.sentence, func(t *testing.T) { hold(t, judge.Request(c.facts), c.wants...) })
	}
}

// The clock changes exactly at its instants, and says when it changes next.
func TestClock(t *testing.T) {
	due := time.Date(2026, 4, 15, 12, 0, 0, 0, time.UTC)
	week, never := due.Add(-7*24*time.Hour), time.Time{}
	for _, c := range []struct {
		sentence      string
		now, answered time.Time
		want          string
		next          time.Time
	}{
		{"long before", week.Add(-time.Hour), never, judge.Open, week},
		{"an instant before the last week", week.Add(-time.Nanosecond), never, judge.Open, week},
		{"as the last week begins", week, never, judge.DueSoon, due},
		{"an instant before it is due", due.Add(-time.Nanosecond), never, judge.DueSoon, due},
		{"as it is due", due, never, judge.PastDue, never},
		{"answered in time, looked at later", due.Add(time.Hour), week, judge.Open, never},
		{"answered too late", due.Add(time.Hour), due.Add(time.Minute), judge.PastDue, never},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if state, next := judge.Clock(c.now, due, c.answered); state != c.want || !next.Equal(c.next) {
				t.Errorf("it is %s until %s, want %s until %s", state, next, c.want, c.next)
			}
		})
	}
}
