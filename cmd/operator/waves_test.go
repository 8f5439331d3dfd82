package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// fleet is some clients of one operator, of which one at a time may be brought to another image.
type fleet struct {
	testCluster
	hotels []hotel
}

// TestWaves brings a fleet to another image: each client's database first, then its pods, and one client after the other; stops at one
// that does not become ready; and goes back.
func TestWaves(t *testing.T) {
	f := fleet{testCluster: prepareCluster(t)}
	f.start(t, imaged("one", "1h")...)
	f.apply(t, "regions/eu-central.yaml")
	for _, name := range []string{"hotel-aachen", "hotel-bonn", "hotel-celle"} {
		h := f.book(t, name, same)
		h.settle(t)
		f.hotels = append(f.hotels, h)
	}
	f.run(t, "one", f.hotels...)

	f.restart(t, imaged("two", "1h")...)
	left := slices.Clone(f.hotels)
	for range f.hotels {
		h := f.turn(t, left, "two", v1alpha1.ReasonWaitingForTurn)
		left = slices.DeleteFunc(left, func(o hotel) bool { return o.name == h.name })
		f.migratedFirst(t, h, "one", "two")
		f.run(t, "one", left...)
		f.arrives(t, h, "two")
	}
	f.run(t, "two", f.hotels...)
	quiet(t, f.testCluster)

	f.restart(t, imaged("three", "1s")...)
	stuck := f.turn(t, f.hotels, "three", v1alpha1.ReasonRolloutPaused)
	others := slices.DeleteFunc(slices.Clone(f.hotels), func(o hotel) bool { return o.name == stuck.name })
	f.says(t, stuck, v1alpha1.ReasonRolloutOverdue, "instance:two")
	for _, h := range others {
		f.says(t, h, v1alpha1.ReasonRolloutPaused, "kubectl describe tenant "+stuck.name)
	}
	f.run(t, "two", f.hotels...)

	f.restart(t, imaged("two", "1h")...)
	f.arrives(t, stuck, "two")
	for _, h := range others {
		f.says(t, h, v1alpha1.ReasonReady, "instance:two")
	}
	f.run(t, "two", f.hotels...)
}

// imaged are the flags of an operator with an image, and a deadline for each client.
func imaged(tag, deadline string) []string {
	return []string{"--instance-image=example.com/instance:" + tag, "--rollout-max-unavailable=1", "--rollout-deadline=" + deadline}
}

// turn waits until the turn of exactly one of some clients has come, and all others say why theirs has not.
func (f fleet) turn(t *testing.T, of []hotel, tag, reason string) hotel {
	t.Helper()
	var goes hotel
	eventually(t, "one client's turn at "+tag, func(context.Context) error {
		var going []string
		var missing []error
		for _, h := range of {
			tenant := h.tenant(t)
			if i := tenant.Status.Instance; i != nil && i.Rollout != nil {
				going, goes = append(going, h.name), h
				if !strings.HasSuffix(i.Rollout.To, ":"+tag) || i.Rollout.Mending {
					missing = append(missing, fmt.Errorf("%s is on the way by %+v", h.name, i.Rollout))
				}
				continue
			}
			missing = append(missing, condition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, reason))
		}
		if len(going) != 1 {
			return fmt.Errorf("these go: %v", going)
		}
		return errors.Join(missing...)
	})
	return goes
}

// migratedFirst holds that a client's pods run what they ran until the database is migrated by the other image.
func (f fleet) migratedFirst(t *testing.T, h hotel, before, after string) {
	t.Helper()
	eventually(t, "a migration by "+after, func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		for _, j := range jobs.Items {
			if strings.HasPrefix(j.Name, "migrate-") && strings.HasSuffix(j.Spec.Template.Spec.Containers[0].Image, ":"+after) {
				return nil
			}
		}
		return errors.New("there is none")
	})
	f.run(t, before, h)
}

// arrives has everything of a client's work until its turn ends.
func (f fleet) arrives(t *testing.T, h hotel, tag string) {
	t.Helper()
	eventually(t, h.name+" runs "+tag, func(ctx context.Context) error {
		if err := h.play(ctx, h.namespace); err != nil {
			return err
		}
		tenant := h.tenant(t)
		if i := tenant.Status.Instance; i == nil || i.Rollout != nil || !strings.HasSuffix(i.Image, ":"+tag) {
			return fmt.Errorf("status says %+v", i)
		}
		return condition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
	f.run(t, tag, h)
}

// run holds that all pods of some clients, those of coming runs too, are of an image.
func (f fleet) run(t *testing.T, tag string, of ...hotel) {
	t.Helper()
	for _, h := range of {
		eventually(t, h.name+" runs "+tag, func(ctx context.Context) error {
			var deployments appsv1.DeploymentList
			var crons batchv1.CronJobList
			if err := errors.Join(h.List(ctx, &deployments, client.InNamespace(h.namespace)), h.List(ctx, &crons, client.InNamespace(h.namespace))); err != nil {
				return err
			}
			if len(deployments.Items) < 2 || len(crons.Items) < 1 {
				return fmt.Errorf("there are %d Deployments and %d CronJobs", len(deployments.Items), len(crons.Items))
			}
			var wrong []error
			for _, d := range deployments.Items {
				if image := d.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+tag) {
					wrong = append(wrong, fmt.Errorf("Deployment %s is of %s", d.Name, image))
				}
			}
			for _, c := range crons.Items {
				if image := c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+tag) {
					wrong = append(wrong, fmt.Errorf("CronJob %s is of %s", c.Name, image))
				}
			}
			return errors.Join(wrong...)
		})
	}
}

// says waits for a reason of UpToDate whose message holds something.
func (f fleet) says(t *testing.T, h hotel, reason, part string) {
	t.Helper()
	eventually(t, h.name+" says "+reason, func(context.Context) error {
		c := meta.FindStatusCondition(h.tenant(t).Status.Conditions, v1alpha1.ConditionUpToDate)
		if c == nil || c.Reason != reason || !strings.Contains(c.Message, part) {
			return fmt.Errorf("it says %+v", c)
		}
		return nil
	})
}

// TestWhatAnImageDoesNotKnowWaits has a client ask for what the image of before does not know, while its turn has not come: that is told,
// and comes with the other image.
func TestWhatAnImageDoesNotKnowWaits(t *testing.T) {
	f := fleet{testCluster: prepareCluster(t)}
	f.start(t, imaged("one", "1h")...)
	f.apply(t, "regions/eu-central.yaml")
	for _, name := range []string{"hotel-emden", "hotel-fulda"} {
		h := f.book(t, name, same)
		h.settle(t)
		f.hotels = append(f.hotels, h)
	}
	f.restart(t, imaged("two", "1h")...)
	first := f.turn(t, f.hotels, "two", v1alpha1.ReasonWaitingForTurn)
	waits := slices.DeleteFunc(slices.Clone(f.hotels), func(o hotel) bool { return o.name == first.name })[0]

	amend(t, f.Client, waits.tenant(t), func(o *v1alpha1.Tenant) {
		o.Spec.PrivacyNotice = &v1alpha1.PrivacyNotice{URL: "https://hotel.example/privacy", Version: 1}
	})
	eventually(t, "the image of before is asked, and lacks it", func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := f.List(ctx, &jobs, client.InNamespace(waits.namespace)); err != nil {
			return err
		}
		for i := range jobs.Items {
			c := jobs.Items[i].Spec.Template.Spec.Containers[0]
			if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.Name == contract.EnvMayLack && e.Value == contract.PartPrivacyNotice
			}) || len(jobs.Items[i].Status.Conditions) > 0 {
				continue
			}
			if !strings.HasSuffix(c.Image, ":one") {
				return fmt.Errorf("it is of %s", c.Image)
			}
			return f.finish(ctx, &jobs.Items[i], `{"migration":{"schemaVersion":4,"lacks":["privacyNotice","mealPlans"]}}`)
		}
		return errors.New("there is no such migration")
	})
	eventually(t, "it is told", func(context.Context) error {
		tenant := waits.tenant(t)
		if i := tenant.Status.Instance; i == nil || !slices.Equal(i.Lacks, []string{"privacyNotice"}) {
			return fmt.Errorf("status says %+v", i)
		}
		return errors.Join(
			condition(tenant.Status.Conditions, v1alpha1.ConditionMigrated, metav1.ConditionFalse, v1alpha1.ReasonImageTooOld),
			condition(tenant.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonImageTooOld),
		)
	})
	f.says(t, waits, v1alpha1.ReasonWaitingForTurn, "does not know spec.privacyNotice")
	f.run(t, "one", waits)

	f.arrives(t, first, "two")
	f.arrives(t, waits, "two")
	eventually(t, "it has come", func(context.Context) error {
		tenant := waits.tenant(t)
		if i := tenant.Status.Instance; i == nil || len(i.Lacks) > 0 {
			return fmt.Errorf("status says %+v", i)
		}
		return condition(tenant.Status.Conditions, v1alpha1.ConditionMigrated, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
}
