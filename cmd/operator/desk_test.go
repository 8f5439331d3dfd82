package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// standinDesk plays the privacy desk of an instance. Its instance guards it.
type standinDesk struct {
	filed    []contract.Filed
	told     contract.DeskTold
	taken    []contract.DeskTaken
	forgets  bool // it hands out again what was taken, as one whose database was put back does
	tellings int
	answered []contract.DeskAnswered
}

func (d *standinDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var told contract.DeskTold
	if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.told, d.taken = told, append(d.taken, told.Taken...)
	d.tellings++
	if !d.forgets {
		d.filed = slices.DeleteFunc(d.filed, func(f contract.Filed) bool {
			return slices.ContainsFunc(told.Taken, func(t contract.DeskTaken) bool { return t.ID == f.ID })
		})
	}
	_ = json.NewEncoder(w).Encode(contract.DeskFiled{Filed: d.filed, Answered: d.answered})
}

// at does something with the desk between two questions.
func (i *instance) at(do func(*standinDesk)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	do(i.desk)
}

// hears waits until the desk was told something.
func (i *instance) hears(t *testing.T, what string, is func(*standinDesk) error) {
	t.Helper()
	eventually(t, "the desk hears "+what, func(context.Context) (err error) {
		i.at(func(d *standinDesk) { err = is(d) })
		return err
	})
}

func inDesk(request, phase string, more func(contract.DeskRequest) bool) func(*standinDesk) error {
	return func(d *standinDesk) error {
		i := slices.IndexFunc(d.told.Requests, func(r contract.DeskRequest) bool { return r.Name == request })
		if i < 0 || d.told.Requests[i].Phase != phase || more != nil && !more(d.told.Requests[i]) {
			return fmt.Errorf("it was told %+v, took %+v", d.told.Requests, d.taken)
		}
		return nil
	}
}

// filedAtTheDesk takes a request from an instance to its end, by nothing but what the instance answers the operator.
func filedAtTheDesk(t *testing.T, c testCluster) {
	h := c.book(t, "desk", same)
	h.settle(t)
	i := h.answers(t)
	i.at(func(*standinDesk) { i.desk = &standinDesk{} })
	const address = "+493023125177"
	erasure := contract.Filed{ID: uuid.NewString(), Type: contract.RequestErasure, ReceivedAt: time.Now().Add(-time.Hour).UTC().Truncate(time.Second), DueDays: 30, Subject: map[string]string{"phone": address}}
	filed := name.Filed(erasure.ID)

	t.Run("an object is made, which names nobody, and a Secret, which does", func(t *testing.T) {
		i.at(func(d *standinDesk) { d.filed = []contract.Filed{erasure} })
		h.asked(t, filed, inPhase(v1alpha1.RequestRunning))
		q := get(t, h, filed, &v1alpha1.DataSubjectRequest{})
		if q.Labels[v1alpha1.LabelFiledBy] != v1alpha1.FiledByDesk || !q.Spec.ReceivedAt.Time.Equal(erasure.ReceivedAt) || *q.Spec.DueDays != 30 || q.Spec.Subject.SecretName != filed {
			t.Errorf("it is %+v", q)
		}
		if b, err := json.Marshal(q); err != nil || strings.Contains(string(b), "23125177") {
			t.Errorf("the object names somebody: %s, %v", b, err)
		}
		if s := get(t, h, filed, &corev1.Secret{}); string(s.Data["phone"]) != address || s.Immutable == nil || !*s.Immutable || len(s.OwnerReferences) != 1 || s.OwnerReferences[0].UID != q.UID {
			t.Errorf("the Secret is %+v", s)
		}
		i.hears(t, "of the object, and takes no more of it", func(d *standinDesk) error {
			if len(d.filed) != 0 || !slices.Contains(d.taken, contract.DeskTaken{ID: erasure.ID, Name: filed}) {
				return fmt.Errorf("it has %+v", d)
			}
			return nil
		})
		i.hears(t, "that it runs", inDesk(filed, "Running", func(r contract.DeskRequest) bool {
			return r.DueAt != nil && r.DueAt.Equal(erasure.ReceivedAt.Add(30*24*time.Hour))
		}))
	})
	t.Run("what it keeps back, and what was done, is told", func(t *testing.T) {
		q, job := get(t, h, filed, &v1alpha1.DataSubjectRequest{}), h.attempt(t, filed)
		h.finishes(t, job, outcome(t, q, 1, nil))
		h.gone(t, filed, &corev1.Secret{})
		i.hears(t, "that it is done", inDesk(filed, "Completed", func(r contract.DeskRequest) bool {
			return r.CompletedAt != nil && r.AnsweredAt != nil && slices.Contains(r.Done, contract.RequestCount{Category: "Messages", Rows: 9})
		}))
	})
	t.Run("what a database that was put back files again is made once", func(t *testing.T) {
		i.at(func(d *standinDesk) { d.filed, d.forgets, d.taken = []contract.Filed{erasure}, true, nil })
		i.hears(t, "of it twice", func(d *standinDesk) error {
			if len(d.taken) < 2 {
				return fmt.Errorf("it took %+v", d.taken)
			}
			return nil
		})
		var secrets corev1.SecretList
		if err := c.List(t.Context(), &secrets, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelFiledBy: v1alpha1.FiledByDesk}); err != nil || len(secrets.Items) != 0 {
			t.Errorf("the person's Secret is back: %v, %v", secrets.Items, err)
		}
		i.at(func(d *standinDesk) { d.filed, d.forgets = nil, false })
	})
	t.Run("a complaint is ended by the desk's answer, and no other request is changed by one", func(t *testing.T) {
		complaint := contract.Filed{ID: uuid.NewString(), Type: contract.RequestComplaint, ReceivedAt: erasure.ReceivedAt}
		i.at(func(d *standinDesk) { d.filed = []contract.Filed{complaint} })
		h.asked(t, name.Filed(complaint.ID), inPhase(v1alpha1.RequestOpen))
		before := get(t, h, filed, &v1alpha1.DataSubjectRequest{})
		at := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
		i.at(func(d *standinDesk) {
			d.answered = []contract.DeskAnswered{{ID: erasure.ID, At: at}, {ID: complaint.ID, At: at}, {ID: "../x", At: at}, {ID: uuid.NewString(), At: at}}
		})
		i.hears(t, "that it is answered", inDesk(name.Filed(complaint.ID), "Completed", func(r contract.DeskRequest) bool { return r.AnsweredAt != nil && r.AnsweredAt.Equal(at) }))
		if after := get(t, h, filed, &v1alpha1.DataSubjectRequest{}); after.Generation != before.Generation {
			t.Errorf("the erasure was changed: %+v", after.Spec)
		}
		i.at(func(d *standinDesk) { d.answered = nil })
	})
	t.Run("holds are told, and nothing is told twice", func(t *testing.T) {
		create(t, c, aHold("court-12", h.namespace, v1alpha1.HoldMatch{Channel: "front-desk"}))
		i.hears(t, "of the hold", func(d *standinDesk) error {
			if len(d.told.Holds) != 1 || d.told.Holds[0].Name != "court-12" {
				return fmt.Errorf("it was told %+v", d.told.Holds)
			}
			return nil
		})
		if err := c.Delete(t.Context(), get(t, h, "court-12", &v1alpha1.LegalHold{})); err != nil {
			t.Fatal(err)
		}
		i.hears(t, "of its end", func(d *standinDesk) error {
			if len(d.told.Holds) != 0 {
				return fmt.Errorf("it was told %+v", d.told.Holds)
			}
			return nil
		})
		h.settle(t)
		quiet(t, c)
		i.answersTwice(t) // what settled is told
		before := 0
		i.at(func(d *standinDesk) { before = d.tellings })
		i.answersTwice(t)
		i.at(func(d *standinDesk) {
			if d.tellings != before {
				t.Errorf("it was told %d times more, and there was nothing new", d.tellings-before)
			}
		})
	})
	t.Run("one that was taken over makes nothing but so many requests of its own", func(t *testing.T) {
		var many []contract.Filed
		for range contract.MaxFiledDay + 5 {
			many = append(many, contract.Filed{ID: uuid.NewString(), Type: contract.RequestComplaint, ReceivedAt: time.Now().UTC().Truncate(time.Second)})
		}
		hostile := []contract.Filed{
			{ID: "../../../default/secrets/x", Type: contract.RequestErasure, ReceivedAt: time.Now(), Subject: map[string]string{"phone": address}},
			{ID: uuid.NewString(), Type: "Everything", ReceivedAt: time.Now(), Subject: map[string]string{"phone": address}},
			{ID: uuid.NewString(), Type: contract.RequestErasure, ReceivedAt: time.Now(), Subject: map[string]string{"tls.key": "k"}},
		}
		i.at(func(d *standinDesk) { d.filed, d.taken = hostile, nil })
		i.hears(t, "that they are refused", func(d *standinDesk) error {
			if len(d.taken) != len(hostile) || slices.ContainsFunc(d.taken, func(t contract.DeskTaken) bool { return t.Name != "" || t.Refused == "" }) {
				return fmt.Errorf("it took %+v", d.taken)
			}
			return nil
		})
		i.at(func(d *standinDesk) { d.filed = many })
		made := func(ctx context.Context) (n int) {
			var list v1alpha1.DataSubjectRequestList
			if err := c.List(ctx, &list, client.MatchingLabels{v1alpha1.LabelFiledBy: v1alpha1.FiledByDesk}); err != nil {
				t.Error(err)
			}
			for _, q := range list.Items {
				if q.Namespace != h.namespace {
					t.Errorf("there is one in %s", q.Namespace)
				}
			}
			return len(list.Items)
		}
		eventually(t, "as many as may be in a day", func(ctx context.Context) error {
			if n := made(ctx); n < contract.MaxFiledDay {
				return fmt.Errorf("%d were made", n)
			}
			return nil
		})
		i.answersTwice(t)
		if n := made(t.Context()); n != contract.MaxFiledDay {
			t.Errorf("%d were made, want %d", n, contract.MaxFiledDay)
		}
		i.at(func(d *standinDesk) {
			if len(d.filed) != 7 { // the erasure and the complaint count too
				t.Errorf("%d wait for tomorrow", len(d.filed))
			}
		})
	})
}
