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

func aHold(name, namespace string, match v1alpha1.HoldMatch) *v1alpha1.LegalHold {
	return &v1alpha1.LegalHold{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       v1alpha1.LegalHoldSpec{Reason: "court order 12 O 345/26", Match: match},
	}
}

func aGuest(name, namespace string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, StringData: map[string]string{"phone": "+493023125177"}}
}

// holds that a migration puts in force.
func holds(t *testing.T, job *batchv1.Job) []string {
	t.Helper()
	var setup contract.Setup
	for _, e := range job.Spec.Template.Spec.Containers[0].Env {
		if e.Name == contract.EnvSetup {
			if err := json.Unmarshal([]byte(e.Value), &setup); err != nil {
				t.Fatal(err)
			}
		}
	}
	var names []string
	for _, h := range setup.Holds {
		names = append(names, h.Name)
	}
	return names
}

// mounted are the Secrets that a migration reads for its holds.
func mounted(job *batchv1.Job) []string {
	var secrets []string
	for _, v := range job.Spec.Template.Spec.Volumes {
		if v.Name == "holds" {
			for _, s := range v.Projected.Sources {
				secrets = append(secrets, s.Secret.Name)
			}
		}
	}
	return secrets
}

// migrates waits for the migration that puts these holds in force, and ends it with a message.
func (h hotel) migrates(t *testing.T, message string, want ...string) *batchv1.Job {
	t.Helper()
	var job *batchv1.Job
	eventually(t, fmt.Sprintf("a migration with the holds %v", want), func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			j := &jobs.Items[i]
			if strings.HasPrefix(j.Name, "migrate-") && len(j.Status.Conditions) == 0 && slices.Equal(holds(t, j), want) {
				job = j
				return nil
			}
		}
		return errors.New("there is none")
	})
	if err := h.finish(t.Context(), job, message); err != nil {
		t.Fatal(err)
	}
	return job
}

func (h hotel) held(t *testing.T, name string, is func(*v1alpha1.LegalHold) error) {
	t.Helper()
	eventually(t, "LegalHold "+name, func(ctx context.Context) error {
		o := &v1alpha1.LegalHold{}
		if err := h.Get(ctx, h.key(name), o); err != nil {
			return err
		}
		return is(o)
	})
}

func releases(t *testing.T, h hotel) []batchv1.Job {
	t.Helper()
	var jobs batchv1.JobList
	if err := h.List(t.Context(), &jobs, client.InNamespace(h.namespace)); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return !strings.HasPrefix(j.Name, "retain-guests-") })
}

// heldBack takes holds from the first apply to release and expiry.
func heldBack(t *testing.T, c testCluster) {
	h := c.book(t, "sued", same)
	h.settle(t)

	t.Run("the API server takes the samples", func(t *testing.T) {
		for _, file := range []string{"hold.example.yaml", "erasure.example.yaml"} {
			for _, document := range documents(t, "../../config/samples/hotel-berlin/"+file) {
				object := decode(t, c, document)
				object.SetNamespace(h.namespace)
				if err := c.Create(t.Context(), object, client.DryRunAll); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	})
	t.Run("a hold of a channel is put in force, and tells what it matches", func(t *testing.T) {
		create(t, c, aHold("channel-1", h.namespace, v1alpha1.HoldMatch{Channel: "desk"}))
		h.migrates(t, `{"migration":{"schemaVersion":4,"holds":[{"hold":"channel-1","contacts":2,"conversations":3,"messages":40}]}}`, "channel-1")
		h.held(t, "channel-1", func(o *v1alpha1.LegalHold) error {
			if m := o.Status.Matched; m == nil || *m != (v1alpha1.HoldMatched{Contacts: 2, Conversations: 3, Messages: 40}) {
				return fmt.Errorf("it matched %+v", m)
			}
			return errors.Join(condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
				says(o.Status.Conditions, v1alpha1.ConditionMatches, metav1.ConditionTrue, "", "40 messages"))
		})
	})
	t.Run("one without its Secret says what to do, and keeps nothing else from being brought about", func(t *testing.T) {
		create(t, c, aHold("person-1", h.namespace, v1alpha1.HoldMatch{Subject: &v1alpha1.SubjectReference{SecretName: "case-1"}}))
		h.held(t, "person-1", func(o *v1alpha1.LegalHold) error {
			return errors.Join(says(o.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretMissing, "create secret generic case-1"),
				condition(o.Status.Conditions, v1alpha1.ConditionInForce, metav1.ConditionUnknown, v1alpha1.ReasonWaiting))
		})
		eventually(t, "the tenant is set up", func(context.Context) error {
			return condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionMigrated, metav1.ConditionTrue, "")
		})
	})
	t.Run("another's Secret names nobody", func(t *testing.T) {
		create(t, c, aHold("person-2", h.namespace, v1alpha1.HoldMatch{Subject: &v1alpha1.SubjectReference{SecretName: "twilio"}}))
		create(t, c, aHold("person-3", h.namespace, v1alpha1.HoldMatch{Subject: &v1alpha1.SubjectReference{SecretName: "keys"}}))
		for _, name := range []string{"person-2", "person-3"} {
			h.held(t, name, func(o *v1alpha1.LegalHold) error {
				return condition(o.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSubject)
			})
			if err := c.Delete(t.Context(), aHold(name, h.namespace, v1alpha1.HoldMatch{})); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("when the Secret comes, the hold is put in force; nothing matches, and it says so", func(t *testing.T) {
		create(t, c, aGuest("case-1", h.namespace))
		job := h.migrates(t, `{"migration":{"schemaVersion":4,"holds":[{"hold":"channel-1","contacts":2,"conversations":3,"messages":40},{"hold":"person-1","contacts":0,"conversations":0,"messages":0}]}}`, "channel-1", "person-1")
		if got := mounted(job); !slices.Equal(got, []string{"case-1"}) {
			t.Errorf("it reads %v", got)
		}
		h.held(t, "person-1", func(o *v1alpha1.LegalHold) error {
			return errors.Join(says(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, "", "matches nothing"),
				condition(o.Status.Conditions, v1alpha1.ConditionMatches, metav1.ConditionFalse, v1alpha1.ReasonNothingMatches))
		})
	})
	t.Run("one whose Secret goes stays in force", func(t *testing.T) {
		if err := c.Delete(t.Context(), aGuest("case-1", h.namespace)); err != nil {
			t.Fatal(err)
		}
		amend(t, c, get(t, h, "person-1", &v1alpha1.LegalHold{}), func(o *v1alpha1.LegalHold) {
			o.Annotations = map[string]string{"example.com/look": "now"}
		})
		if got := mounted(h.migrates(t, `{"migration":{"schemaVersion":4}}`, "channel-1", "person-1")); len(got) != 0 {
			t.Errorf("it waits for %v", got)
		}
		h.held(t, "person-1", func(o *v1alpha1.LegalHold) error {
			return errors.Join(condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretMissing),
				says(o.Status.Conditions, v1alpha1.ConditionInForce, metav1.ConditionTrue, "", "stays held"))
		})
	})
	t.Run("nor does it end when its migration is removed by hand", func(t *testing.T) {
		var jobs batchv1.JobList
		if err := c.List(t.Context(), &jobs, client.InNamespace(h.namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range jobs.Items {
			err := c.Delete(t.Context(), &jobs.Items[i], client.PropagationPolicy(metav1.DeletePropagationBackground))
			if client.IgnoreNotFound(err) != nil { // the operator removes those that are over, too
				t.Fatal(err)
			}
		}
		h.migrates(t, `{"migration":{"schemaVersion":4}}`, "channel-1", "person-1")
		h.held(t, "person-1", func(o *v1alpha1.LegalHold) error {
			return says(o.Status.Conditions, v1alpha1.ConditionInForce, metav1.ConditionTrue, "", "stays held")
		})
	})
	t.Run("what runs kept back is counted", func(t *testing.T) {
		job := h.run(t, "retain-guests-kept")
		message := strings.Replace(receipt("guests", 1, time.Now()), `"categories"`, `"holds":[{"hold":"channel-1","rows":12}],"categories"`, 1)
		if err := c.finish(t.Context(), job, message); err != nil {
			t.Fatal(err)
		}
		h.held(t, "channel-1", func(o *v1alpha1.LegalHold) error {
			if o.Status.HeldBack == nil || *o.Status.HeldBack != 12 {
				return fmt.Errorf("held back are %v", o.Status.HeldBack)
			}
			return nil
		})
		if err := c.Delete(t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("released, the policies run once more, when the migration without it is done and not before", func(t *testing.T) {
		if err := c.Delete(t.Context(), aHold("person-1", h.namespace, v1alpha1.HoldMatch{})); err != nil {
			t.Fatal(err)
		}
		if early := releases(t, h); len(early) != 0 {
			t.Errorf("%s ran while the hold was in force", early[0].Name)
		}
		h.migrates(t, `{"migration":{"schemaVersion":4}}`, "channel-1")
		h.released(t, 1, 2)
	})
	t.Run("one that is over holds nothing from that second on, and the policies run too", func(t *testing.T) {
		var until metav1.Time
		ends := func(in time.Duration) {
			until = metav1.NewTime(time.Now().Add(in).Truncate(time.Second))
			amend(t, c, get(t, h, "channel-1", &v1alpha1.LegalHold{}), func(o *v1alpha1.LegalHold) { o.Spec.Until = &until })
		}
		ends(time.Hour)
		h.migrates(t, `{"migration":{"schemaVersion":4}}`, "channel-1")
		ends(4 * time.Second)
		eventually(t, "the hold is over, and the policies run", func(ctx context.Context) error {
			var jobs batchv1.JobList
			if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
				return err
			}
			for i := range jobs.Items { // one with its new end, unless that has come before; and one without the hold
				if j := &jobs.Items[i]; strings.HasPrefix(j.Name, "migrate-") && len(j.Status.Conditions) == 0 {
					if err := h.finish(ctx, j, `{"migration":{"schemaVersion":4}}`); err != nil {
						return err
					}
				}
			}
			o := &v1alpha1.LegalHold{}
			if err := h.Get(ctx, h.key("channel-1"), o); err != nil {
				return err
			}
			if n := len(releases(t, h)); n != 2 {
				return fmt.Errorf("there are %d extra runs", n)
			}
			return errors.Join(condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonExpired),
				condition(o.Status.Conditions, v1alpha1.ConditionInForce, metav1.ConditionFalse, v1alpha1.ReasonExpired))
		})
		if time.Now().Before(until.Time) {
			t.Error("it was told before its time was over")
		}
		h.released(t, 2, 3)
	})
	t.Run("nothing of it is done again", func(t *testing.T) {
		quiet(t, c)
		before := c.writes.Load()
		c.restart(t)
		quiet(t, c)
		if written := c.writes.since(before); len(written) != 0 {
			t.Errorf("it wrote %s", strings.Join(written, ", "))
		}
	})
}

// released waits for so many extra runs in all, ends the newest with a receipt, and sees that it counts.
func (h hotel) released(t *testing.T, runs, sequence int) {
	t.Helper()
	eventually(t, "the extra run", func(ctx context.Context) error {
		jobs := releases(t, h)
		if len(jobs) != runs {
			return fmt.Errorf("there are %d, want %d", len(jobs), runs)
		}
		for i := range jobs {
			if len(jobs[i].Status.Conditions) == 0 {
				return h.finish(ctx, &jobs[i], receipt("guests", sequence, time.Now().Add(time.Second)))
			}
		}
		return nil
	})
	eventually(t, "it counts as a run", func(ctx context.Context) error {
		p := &v1alpha1.RetentionPolicy{}
		if err := h.Get(ctx, h.key("guests"), p); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if len(p.Status.Runs) == 0 || p.Status.Runs[0].Sequence != int64(sequence) {
			return fmt.Errorf("runs are %+v", p.Status.Runs)
		}
		return nil
	})
}
