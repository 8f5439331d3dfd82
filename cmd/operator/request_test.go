package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

const anAgeKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

func aRequest(name, namespace string, of v1alpha1.RequestType, change func(*v1alpha1.DataSubjectRequestSpec)) *v1alpha1.DataSubjectRequest {
	q := &v1alpha1.DataSubjectRequest{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.DataSubjectRequestSpec{
			Type: of, ReceivedAt: metav1.NewTime(time.Now().Add(-24 * time.Hour).Truncate(time.Second)),
			Subject: &v1alpha1.SubjectReference{SecretName: name},
		},
	}
	if of == v1alpha1.RequestComplaint {
		q.Spec.Subject = nil
	}
	if change != nil {
		change(&q.Spec)
	}
	return q
}

// asked holds a request to something, sooner or later.
func (h hotel) asked(t *testing.T, name string, is func(*v1alpha1.DataSubjectRequest) error) {
	t.Helper()
	eventually(t, "DataSubjectRequest "+name, func(ctx context.Context) error {
		q := &v1alpha1.DataSubjectRequest{}
		if err := h.Get(ctx, h.key(name), q); err != nil {
			return err
		}
		return is(q)
	})
}

func inPhase(want v1alpha1.RequestPhase) func(*v1alpha1.DataSubjectRequest) error {
	return func(q *v1alpha1.DataSubjectRequest) error {
		if q.Status.Phase != want {
			return fmt.Errorf("it is %s, want %s: %+v", q.Status.Phase, want, q.Status.Conditions)
		}
		return nil
	}
}

// attempt waits for the one Job of a request that has not finished, and is not one seen before.
func (h hotel) attempt(t *testing.T, request string, not ...*batchv1.Job) *batchv1.Job {
	t.Helper()
	var found *batchv1.Job
	eventually(t, "an attempt at "+request, func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelRequest: request}); err != nil {
			return err
		}
		jobs.Items = slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool {
			return len(j.Status.Conditions) > 0 || slices.ContainsFunc(not, func(n *batchv1.Job) bool { return n.UID == j.UID })
		})
		if len(jobs.Items) != 1 {
			return fmt.Errorf("there are %d", len(jobs.Items))
		}
		found = &jobs.Items[0]
		return nil
	})
	return found
}

// gone waits until an object is not there.
func (h hotel) gone(t *testing.T, name string, object client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s goes", object, name), func(ctx context.Context) error {
		if err := h.Get(ctx, h.key(name), object); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// outcome is what an attempt says, its receipts chained one on the other.
func outcome(t *testing.T, q *v1alpha1.DataSubjectRequest, sequence int, change func(*contract.SubjectResult)) string {
	t.Helper()
	r := contract.SubjectResult{
		Request: string(q.UID), Type: string(q.Spec.Type), FinishedAt: time.Now().UTC().Truncate(time.Second),
		Found:    []contract.CategoryCount{{Category: "Contacts", Rows: 1}, {Category: "Messages", Rows: 9}},
		Done:     []contract.CategoryCount{{Category: "Contacts", Rows: 1}, {Category: "Messages", Rows: 9}},
		Sequence: int64(sequence), PreviousDigest: hash(fmt.Sprintf("run %d", sequence-1)), Digest: hash(fmt.Sprintf("run %d", sequence)),
	}
	if sequence == 1 {
		r.PreviousDigest = strings.Repeat("0", 64)
	}
	if change != nil {
		change(&r)
	}
	b, err := json.Marshal(contract.Result{Subject: &r})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (h hotel) finishes(t *testing.T, job *batchv1.Job, message string) {
	t.Helper()
	if err := h.finish(t.Context(), job, message); err != nil {
		t.Fatal(err)
	}
}

// nudge has the operator look at a request.
func (h hotel) nudge(t *testing.T, request string) {
	t.Helper()
	q := get(t, h, request, &v1alpha1.DataSubjectRequest{})
	before := q.DeepCopy()
	q.Annotations = map[string]string{"example.com/look": time.Now().String()}
	if err := h.Patch(t.Context(), q, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// askedFor takes requests of persons from filing to the end.
func askedFor(t *testing.T, c testCluster) {
	h := c.book(t, "asked", same)
	h.settle(t)
	file := func(q *v1alpha1.DataSubjectRequest, guest bool) *v1alpha1.DataSubjectRequest {
		t.Helper()
		if guest {
			create(t, c, aGuest(q.Spec.Subject.SecretName, h.namespace))
		}
		create(t, c, q)
		return q
	}

	t.Run("an erasure waits for its Secret, and its clock runs", func(t *testing.T) {
		q := file(aRequest("erase-1", h.namespace, v1alpha1.RequestErasure, nil), false)
		h.asked(t, "erase-1", func(q *v1alpha1.DataSubjectRequest) error {
			return errors.Join(inPhase(v1alpha1.RequestPending)(q),
				says(q.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretMissing, "create secret generic erase-1"),
				condition(q.Status.Conditions, v1alpha1.ConditionOnTime, metav1.ConditionTrue, ""))
		})
		if due := get(t, h, q.Name, &v1alpha1.DataSubjectRequest{}).Status.DueAt; due == nil || !due.Time.Equal(q.Spec.ReceivedAt.Add(45*24*time.Hour)) {
			t.Errorf("it is due at %v", due)
		}
		create(t, c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "erase-1", Namespace: h.namespace}, StringData: map[string]string{"phone": "030 23125177"}})
		h.asked(t, "erase-1", func(q *v1alpha1.DataSubjectRequest) error {
			return says(q.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSubject, "key phone, line 1")
		})
		secret := get(t, h, "erase-1", &corev1.Secret{})
		secret.Data["phone"] = []byte("+493023125177")
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("an attempt that fails is told, and made again", func(t *testing.T) {
		job := h.attempt(t, "erase-1")
		h.asked(t, "erase-1", inPhase(v1alpha1.RequestRunning))
		// Of the minute before the next attempt, the last seconds are left.
		if err := c.fail(t.Context(), job, `{"error":"no connection to the database"}`, time.Now().Add(-45*time.Second)); err != nil {
			t.Fatal(err)
		}
		h.asked(t, "erase-1", func(q *v1alpha1.DataSubjectRequest) error {
			return says(q.Status.Conditions, v1alpha1.ConditionCompleted, metav1.ConditionFalse, v1alpha1.ReasonFailed, "no connection to the database")
		})
		h.attempt(t, "erase-1", job)
	})
	t.Run("carried out, it is proven, and what named the person goes", func(t *testing.T) {
		q := get(t, h, "erase-1", &v1alpha1.DataSubjectRequest{})
		job := h.attempt(t, "erase-1")
		h.finishes(t, job, outcome(t, q, 1, nil))
		h.asked(t, "erase-1", func(q *v1alpha1.DataSubjectRequest) error {
			st := q.Status
			want := []v1alpha1.CategoryCount{{Category: "Contacts", Rows: 1}, {Category: "Messages", Rows: 9}}
			if st.CompletedAt == nil || !slices.Equal(st.Found, want) || !slices.Equal(st.Done, want) || len(st.Refused) != 0 ||
				len(st.Receipts) != 1 || st.Receipts[0].Digest != hash("run 1") || st.Evidence == nil || st.Evidence.Digest != hash("run 1") {
				return fmt.Errorf("status is %+v", st)
			}
			return errors.Join(inPhase(v1alpha1.RequestCompleted)(q), condition(st.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
				says(st.Conditions, v1alpha1.ConditionOnTime, metav1.ConditionTrue, "", "it was answered"))
		})
		h.gone(t, "erase-1", &corev1.Secret{})
		h.gone(t, job.Name, &batchv1.Job{})
	})
	t.Run("a Secret that is brought back goes again, and it is said why", func(t *testing.T) {
		nextSecond(t)
		create(t, c, aGuest("erase-1", h.namespace))
		h.nudge(t, "erase-1")
		h.gone(t, "erase-1", &corev1.Secret{})
		h.asked(t, "erase-1", func(q *v1alpha1.DataSubjectRequest) error {
			return says(q.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "", "don't belong in Git")
		})
	})
	t.Run("another Secret by that name is left alone", func(t *testing.T) {
		other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "erase-1", Namespace: h.namespace}, StringData: map[string]string{"tls.key": "k"}}
		create(t, c, other)
		h.nudge(t, "erase-1")
		quiet(t, c)
		get(t, h, "erase-1", &corev1.Secret{})
	})
	t.Run("a hold keeps an erasure from its end, and release completes it", func(t *testing.T) { deferred(t, h, file) })
	t.Run("an archive is handed over once, and its token goes with it", func(t *testing.T) { archived(t, h, file) })
	t.Run("the clock", func(t *testing.T) { onTheClock(t, h, file) })
}

// onTheClock has requests come due.
func onTheClock(t *testing.T, h hotel, file func(*v1alpha1.DataSubjectRequest, bool) *v1alpha1.DataSubjectRequest) {
	onTime := func(status metav1.ConditionStatus, reason string) func(*v1alpha1.DataSubjectRequest) error {
		return func(q *v1alpha1.DataSubjectRequest) error {
			return condition(q.Status.Conditions, v1alpha1.ConditionOnTime, status, reason)
		}
	}
	due := func(in time.Duration) func(*v1alpha1.DataSubjectRequestSpec) {
		return func(s *v1alpha1.DataSubjectRequestSpec) {
			s.ReceivedAt = metav1.NewTime(time.Now().Add(in - 45*24*time.Hour).Truncate(time.Second))
		}
	}
	file(aRequest("complaint-2", h.namespace, v1alpha1.RequestComplaint, due(time.Hour)), false)
	h.asked(t, "complaint-2", onTime(metav1.ConditionFalse, v1alpha1.ReasonDueSoon))
	h.asked(t, "complaint-2", inPhase(v1alpha1.RequestOpen))
	file(aRequest("complaint-1", h.namespace, v1alpha1.RequestComplaint, due(4*time.Second)), false)
	h.asked(t, "complaint-1", onTime(metav1.ConditionFalse, v1alpha1.ReasonPastDue))
	q := get(t, h, "complaint-1", &v1alpha1.DataSubjectRequest{})
	if time.Now().Before(q.Status.DueAt.Time) {
		t.Error("it was past due before it was due")
	}
	answered := metav1.NewTime(q.Status.DueAt.Add(-time.Hour))
	amend(t, h, q, func(o *v1alpha1.DataSubjectRequest) { o.Spec.AnsweredAt = &answered })
	h.asked(t, "complaint-1", func(q *v1alpha1.DataSubjectRequest) error {
		return errors.Join(inPhase(v1alpha1.RequestCompleted)(q), onTime(metav1.ConditionTrue, "")(q), condition(q.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""))
	})
	var events corev1.EventList
	eventually(t, "the events", func(ctx context.Context) error {
		if err := h.List(ctx, &events, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for complaint, reason := range map[string]string{"complaint-2": v1alpha1.ReasonDueSoon, "complaint-1": v1alpha1.ReasonPastDue} {
			if !slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
				return e.Reason == reason && e.InvolvedObject.Name == complaint
			}) {
				return fmt.Errorf("none says %s of %s", reason, complaint)
			}
		}
		return nil
	})
}
