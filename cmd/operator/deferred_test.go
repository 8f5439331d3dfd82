package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// deferred follows an erasure that a hold keeps back.
func deferred(t *testing.T, h hotel, file func(*v1alpha1.DataSubjectRequest, bool) *v1alpha1.DataSubjectRequest) {
	create(t, h, aHold("case-7", h.namespace, v1alpha1.HoldMatch{Channel: "desk"}))
	q := file(aRequest("erase-2", h.namespace, v1alpha1.RequestErasure, nil), true)
	h.asked(t, "erase-2", func(q *v1alpha1.DataSubjectRequest) error {
		return says(q.Status.Conditions, v1alpha1.ConditionCompleted, metav1.ConditionFalse, v1alpha1.ReasonWaiting, "LegalHold case-7 has to be in force first")
	})
	// A guest under 16 does not wait for it.
	young := file(aRequest("young-1", h.namespace, v1alpha1.RequestUnderage, nil), true)
	h.finishes(t, h.attempt(t, "young-1"), outcome(t, young, 2, nil))
	h.asked(t, "young-1", inPhase(v1alpha1.RequestCompleted))

	h.migrates(t, `{"migration":{"schemaVersion":4}}`, "case-7")
	first := h.attempt(t, "erase-2")
	h.finishes(t, first, outcome(t, q, 3, func(r *contract.SubjectResult) {
		r.Done = []contract.CategoryCount{{Category: "Messages", Rows: 4}}
		r.Refused = []contract.Refusal{{Category: "Contacts", Rows: 1, Hold: "case-7"}, {Category: "Messages", Rows: 5, Hold: "case-7"}}
	}))
	h.asked(t, "erase-2", func(q *v1alpha1.DataSubjectRequest) error {
		if len(q.Status.Refused) != 2 {
			return fmt.Errorf("refused are %v", q.Status.Refused)
		}
		return errors.Join(inPhase(v1alpha1.RequestDeferred)(q), condition(q.Status.Conditions, v1alpha1.ConditionOnTime, metav1.ConditionTrue, ""),
			says(q.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonHeldBack, "6 rows are kept by LegalHold case-7"))
	})
	h.gone(t, first.Name, &batchv1.Job{})
	get(t, h, "erase-2", &corev1.Secret{}) // the rest needs it

	if err := h.Delete(t.Context(), aHold("case-7", h.namespace, v1alpha1.HoldMatch{})); err != nil {
		t.Fatal(err)
	}
	quiet(t, h.testCluster)
	h.asked(t, "erase-2", inPhase(v1alpha1.RequestDeferred)) // the database still has the hold
	h.migrates(t, `{"migration":{"schemaVersion":4}}`)
	second := h.attempt(t, "erase-2")
	if second.Name == first.Name {
		t.Error("the second attempt has the name of the first")
	}
	h.finishes(t, second, outcome(t, q, 4, func(r *contract.SubjectResult) {
		r.Done = []contract.CategoryCount{{Category: "Contacts", Rows: 1}, {Category: "Messages", Rows: 5}}
	}))
	h.asked(t, "erase-2", func(q *v1alpha1.DataSubjectRequest) error {
		want := []v1alpha1.CategoryCount{{Category: "Contacts", Rows: 1}, {Category: "Messages", Rows: 9}}
		if !slices.Equal(q.Status.Done, want) || len(q.Status.Refused) != 0 || len(q.Status.Receipts) != 2 || q.Status.Receipts[0].Sequence != 4 {
			return fmt.Errorf("status is %+v", q.Status)
		}
		return inPhase(v1alpha1.RequestCompleted)(q)
	})
	h.gone(t, "erase-2", &corev1.Secret{})
}

// archived follows an archive from its token to its end.
func archived(t *testing.T, h hotel, file func(*v1alpha1.DataSubjectRequest, bool) *v1alpha1.DataSubjectRequest) {
	access := func(s *v1alpha1.DataSubjectRequestSpec) { s.Archive = &v1alpha1.Archive{PublicKey: anAgeKey} }
	q := file(aRequest("access-1", h.namespace, v1alpha1.RequestAccess, access), true)
	job := h.attempt(t, "access-1")
	token := get(t, h, "access-1-download", &corev1.Secret{})
	if len(token.Data["token"]) != 43 || !metav1.IsControlledBy(token, q) {
		t.Errorf("the token has %d characters and is owned by %v", len(token.Data["token"]), token.OwnerReferences)
	}
	if !strings.Contains(fmt.Sprint(job.Spec.Template.Spec.Containers[0].Env), anAgeKey) {
		t.Error("the Job does not know whom to encrypt to")
	}
	h.finishes(t, job, outcome(t, q, 5, func(r *contract.SubjectResult) { r.ArchiveID = "0198c1f2-5a6b-7c8d-9e0f-112233445566" }))
	h.asked(t, "access-1", func(q *v1alpha1.DataSubjectRequest) error {
		d := q.Status.Download
		if d == nil || d.URL != "https://asked.example/api/v1/archives/0198c1f2-5a6b-7c8d-9e0f-112233445566" || d.SecretName != token.Name ||
			!d.ExpiresAt.Time.Equal(q.Status.CompletedAt.Add(7*24*time.Hour)) {
			return fmt.Errorf("the download is %+v", d)
		}
		return inPhase(v1alpha1.RequestCompleted)(q)
	})
	if after := get(t, h, token.Name, &corev1.Secret{}); string(after.Data["token"]) != string(token.Data["token"]) {
		t.Error("the token changed")
	}

	// One that was ready eight days ago has ended.
	q = file(aRequest("access-2", h.namespace, v1alpha1.RequestAccess, access), true)
	h.finishes(t, h.attempt(t, "access-2"), outcome(t, q, 6, func(r *contract.SubjectResult) {
		r.ArchiveID = "0198c1f2-5a6b-7c8d-9e0f-112233445577"
		r.FinishedAt = r.FinishedAt.Add(-8 * 24 * time.Hour)
	}))
	h.asked(t, "access-2", func(q *v1alpha1.DataSubjectRequest) error {
		if q.Status.Download != nil {
			return errors.New("it can still be fetched")
		}
		return inPhase(v1alpha1.RequestCompleted)(q)
	})
	h.gone(t, "access-2-download", &corev1.Secret{})
}
