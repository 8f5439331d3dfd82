package main

import (
	"context"
	"encoding/json"
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

// tried is what a Job has its pod try.
func tried(job batchv1.Job) (p contract.Probe) {
	for _, e := range job.Spec.Template.Spec.Containers[0].Env {
		if e.Name == contract.EnvProbe {
			_ = json.Unmarshal([]byte(e.Value), &p) // what can't be read has tried nothing
		}
	}
	return p
}

// probeSays is what a probe's pod tells.
func probeSays(job batchv1.Job, reached, missed []string) string {
	b, err := contract.Result{Probe: &contract.ProbeResult{
		FinishedAt: time.Now(), Node: "eu-1", Tried: len(tried(job).Closed), Reached: reached, Missed: missed,
	}}.Encode()
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// probe waits for a Job that probes a tenant's network, has not ended, and tries as is asked for.
func (h hotel) probe(t *testing.T, what string, as func(closed map[string]string) bool) batchv1.Job {
	t.Helper()
	var found batchv1.Job
	eventually(t, what, func(ctx context.Context) error {
		var jobs batchv1.JobList
		if err := h.List(ctx, &jobs, client.InNamespace(h.namespace)); err != nil {
			return err
		}
		var seen []string
		for _, j := range jobs.Items {
			if !strings.HasPrefix(j.Name, "probe-") || !j.DeletionTimestamp.IsZero() || len(j.Status.Conditions) > 0 {
				continue
			}
			closed := map[string]string{}
			for _, target := range tried(j).Closed {
				closed[target.Name] = target.Address
			}
			if as(closed) {
				found = j
				return nil
			}
			seen = append(seen, fmt.Sprint(closed))
		}
		return fmt.Errorf("no such probe; there is %v", seen)
	})
	return found
}

func (h hotel) isolated(t *testing.T, what string, status metav1.ConditionStatus, reason, part string) {
	t.Helper()
	eventually(t, what, func(context.Context) error {
		return says(h.tenant(t).Status.Conditions, v1alpha1.ConditionNetworkIsolated, status, reason, part)
	})
}

// TestProbes takes a tenant from its first probe to a neighbour, a forbidden target, a probe that fails, and one that repeats another.
func TestProbes(t *testing.T) {
	c := startOperator(t)
	create(t, c, &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "probing"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", SubProcessors: []v1alpha1.SubProcessor{{Name: "twilio", Purpose: "delivery", Location: "EU"}},
	}})
	for address, fine := range map[string]bool{
		"169.254.169.254": true, "fd00:ec2::254": true, "10.0.0.1": true,
		"127.0.0.1": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "239.1.2.3": false, "::1": false, "ff02::1": false, "metadata": false, "10.0.0.0/8": false, "10.0.0.1:80": false,
	} {
		err := c.Create(t.Context(), &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "forbidding"}, Spec: v1alpha1.RegionSpec{
			Jurisdiction: "EU", Network: &v1alpha1.RegionNetwork{ForbiddenTargets: []v1alpha1.ForbiddenTarget{{Name: "metadata", Address: address}}},
		}}, client.DryRunAll)
		if (err == nil) != fine || err != nil && !apierrors.IsInvalid(err) {
			t.Errorf("forbidden target %s: %v", address, err)
		}
	}
	in := func(o *v1alpha1.TenantSpec) { o.Region, o.DeletionPolicy = "probing", v1alpha1.DeletionErase }
	h := c.book(t, "probed", in)
	h.works(t)

	first := h.probe(t, "the first probe", func(map[string]string) bool { return true })
	h.isolated(t, "before anything was tried", metav1.ConditionUnknown, v1alpha1.ReasonWaiting, "not probed yet")
	own := tried(first)
	if len(own.Open) != 1 || own.Open[0].Address != "postgres."+h.namespace+".svc:5432" || own.Closed[0].Address != "kubernetes.default.svc:443" {
		t.Errorf("the probe tries %+v", own)
	}
	h.ends(t, first, probeSays(first, nil, nil))
	h.isolated(t, "a network that lets nothing through", metav1.ConditionTrue, v1alpha1.ReasonReady, "a pod on node eu-1 reached its database, and none of")

	t.Log("a neighbour comes")
	other := c.book(t, "neighbour", in)
	other.works(t)
	database, serve := get(t, other, "postgres", &corev1.Service{}), get(t, other, "serve", &corev1.Service{})
	second := h.probe(t, "a probe with the neighbour", func(closed map[string]string) bool {
		return closed["neighbour-1-database"] == database.Spec.ClusterIP+":5432" && closed["neighbour-1-api"] == serve.Spec.ClusterIP+":443"
	})
	for _, e := range second.Spec.Template.Spec.Containers[0].Env {
		if strings.Contains(e.Value, other.namespace) {
			t.Errorf("a tenant's namespace names another: %s=%s", e.Name, e.Value)
		}
	}
	h.ends(t, second, probeSays(second, []string{"kubernetes-api", "neighbour-1-database"}, nil))
	h.isolated(t, "a network that enforces nothing", metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, "reached kubernetes-api, neighbour-1-database")
	if probe := h.tenant(t).Status.Network; probe.Neighbours < 1 || probe.Node != "eu-1" || !slices.Equal(probe.Reached, []string{"kubernetes-api", "neighbour-1-database"}) {
		t.Errorf("status tells %+v", probe)
	}

	t.Log("the Region forbids something more")
	forbids := func(address string) {
		t.Helper()
		region := &v1alpha1.Region{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: "probing"}, region); err != nil {
			t.Fatal(err)
		}
		before := region.DeepCopy()
		region.Spec.Network = &v1alpha1.RegionNetwork{ForbiddenTargets: []v1alpha1.ForbiddenTarget{{Name: "metadata", Address: address}}}
		if err := c.Patch(t.Context(), region, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	forbids("192.0.2.1")
	third := h.probe(t, "a probe of what is forbidden", func(closed map[string]string) bool { return closed["forbidden-metadata"] == "192.0.2.1:80" })
	h.ends(t, third, probeSays(third, nil, []string{"database"}))
	h.isolated(t, "a probe that did not reach what it must", metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "did not get to database")

	t.Log("a probe that fails")
	forbids("192.0.2.2")
	fourth := h.probe(t, "a probe of the new address", func(closed map[string]string) bool { return closed["forbidden-metadata"] == "192.0.2.2:80" })
	if err := c.fail(t.Context(), &fourth, `{"error":"probing: the node went away"}`, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.isolated(t, "a probe that failed", metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "the node went away")

	t.Log("what was seen long ago is looked at again")
	ages := func(by time.Duration) {
		t.Helper()
		o := h.tenant(t)
		before := o.DeepCopy()
		o.Status.Network.ProbedAt = metav1.NewTime(time.Now().Add(-by))
		if err := c.Status().Patch(t.Context(), o, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	forbids("192.0.2.1") // as when it was seen last
	ages(7 * time.Hour)
	again := h.probe(t, "a probe of the same", func(closed map[string]string) bool { return closed["forbidden-metadata"] == "192.0.2.1:80" })
	if again.Name == third.Name {
		t.Error("a probe that repeats another bears its name")
	}
	h.ends(t, again, probeSays(again, nil, nil))
	h.isolated(t, "a network that was mended", metav1.ConditionTrue, v1alpha1.ReasonReady, "none of")
	ages(13 * time.Hour)
	h.isolated(t, "an answer that is too old", metav1.ConditionUnknown, v1alpha1.ReasonNotProbed, "too long ago")

	t.Log("nothing changes any more")
	other.settle(t)
	h.settle(t)
	h.isolated(t, "when all is done", metav1.ConditionTrue, v1alpha1.ReasonReady, "one other tenant was among them")
}

// ends has a probe's pod tell something.
func (h hotel) ends(t *testing.T, job batchv1.Job, message string) {
	t.Helper()
	if err := h.finish(t.Context(), &job, message); err != nil {
		t.Fatal(err)
	}
}

// works plays the cluster's controllers, but for probes, until the tenant is served.
func (h hotel) works(t *testing.T) {
	t.Helper()
	eventually(t, h.name+" is served", func(ctx context.Context) error {
		if err := h.playBut(ctx, h.namespace, "bucket", "probe-"); err != nil {
			return err
		}
		return condition(h.tenant(t).Status.Conditions, v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue, v1alpha1.ReasonReady)
	})
}
