package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
)

// drift is undone within this time.
const driftLimit = 5 * time.Second

var _ = Describe("Promise 6: drift is put back within 5 s", Label("drift"), func() {
	It("brings back a suspended CronJob", SpecTimeout(time.Minute), func(ctx SpecContext) {
		job := &batchv1.CronJob{}
		putsBack(ctx, job, "retain-"+berlin.policy, func() { job.Spec.Suspend = ptr.To(true) }, func() any {
			return ptr.Deref(job.Spec.Suspend, false)
		})
	})
	It("brings back a deleted CronJob", SpecTimeout(time.Minute), func(ctx SpecContext) {
		job := &batchv1.CronJob{}
		makesAgain(ctx, job, "retain-"+berlin.policy, func() any { return job.Spec })
	})
	It("narrows a widened NetworkPolicy", SpecTimeout(time.Minute), func(ctx SpecContext) {
		for _, name := range networkPolicies(ctx, berlin) {
			policy := &networkingv1.NetworkPolicy{}
			putsBack(ctx, policy, name, func() {
				// What leaves is not widened in the first place: admission_test.go.
				policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
			}, func() any { return policy.Spec })
		}
	})
	It("brings back a deleted NetworkPolicy", SpecTimeout(time.Minute), func(ctx SpecContext) {
		name := networkPolicies(ctx, berlin)[0]
		policy := &networkingv1.NetworkPolicy{}
		makesAgain(ctx, policy, name, func() any { return policy.Spec })
	})
	It("removes a NetworkPolicy under its own label that it didn't ask for", SpecTimeout(time.Minute), func(ctx SpecContext) {
		// A copy of an opening that the operator made, under another name: a hole that nobody asked for.
		policy := &networkingv1.NetworkPolicy{}
		Expect(c.Get(ctx, crclient.ObjectKey{Namespace: berlin.namespace(), Name: networkPolicies(ctx, berlin)[0]}, policy)).To(Succeed())
		hole := policy.DeepCopy()
		hole.ObjectMeta.Reset()
		hole.Name, hole.Namespace, hole.Labels, hole.OwnerReferences = "hole", policy.Namespace, policy.Labels, policy.OwnerReferences
		hole.Spec.PodSelector.Reset()
		hole.Spec.Ingress, hole.Spec.Egress = []networkingv1.NetworkPolicyIngressRule{{}}, nil
		Expect(c.Create(ctx, hole)).To(Succeed())
		within(ctx, "the hole to be closed", func(ctx context.Context) error {
			err := c.Get(ctx, crclient.ObjectKeyFromObject(hole), hole)
			if crclient.IgnoreNotFound(err) == nil && err != nil {
				return nil
			}
			return fmt.Errorf("it is still there (%w)", err)
		})
	})
	It("scales a scaled-down Deployment up again", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		for _, name := range []string{"serve", "connector-front-desk"} {
			deployment := &appsv1.Deployment{}
			putsBack(ctx, deployment, name, func() { deployment.Spec.Replicas = ptr.To[int32](0) }, func() any {
				return *deployment.Spec.Replicas
			})
		}
		berlin.awaitReady(ctx)
	})
	It("brings back a Service and the selector of one", SpecTimeout(time.Minute), func(ctx SpecContext) {
		service := &corev1.Service{}
		putsBack(ctx, service, "serve", func() { service.Spec.Selector = map[string]string{"app": "elsewhere"} }, func() any {
			return service.Spec.Selector
		})
		makesAgain(ctx, service, "connector-concierge", func() any { return service.Spec.Selector })
		berlin.awaitReady(ctx)
	})
})

// putsBack changes an object of Berlin's and expects what look sees to be as before in time.
func putsBack(ctx context.Context, object crclient.Object, name string, change func(), look func() any) {
	GinkgoHelper()
	key := crclient.ObjectKey{Namespace: berlin.namespace(), Name: name}
	var before any
	Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the cluster's controllers write its status
		if err := c.Get(ctx, key, object); err != nil {
			return err
		}
		before = look()
		change()
		return c.Update(ctx, object, crclient.FieldOwner("somebody-else"))
	})).To(Succeed())
	Expect(equality.Semantic.DeepEqual(before, look())).To(BeFalse(), "the change changed nothing: this test would prove nothing")
	within(ctx, name+" to be put back", func(ctx context.Context) error {
		if err := c.Get(ctx, key, object); err != nil {
			return err
		}
		if now := look(); !equality.Semantic.DeepEqual(before, now) {
			return fmt.Errorf("want %v, have %v", before, now)
		}
		return nil
	})
}

// makesAgain deletes an object of Berlin's and expects a new one, the same to look, in time.
func makesAgain(ctx context.Context, object crclient.Object, name string, look func() any) {
	GinkgoHelper()
	key := crclient.ObjectKey{Namespace: berlin.namespace(), Name: name}
	Expect(c.Get(ctx, key, object)).To(Succeed())
	before, uid := look(), object.GetUID()
	Expect(c.Delete(ctx, object)).To(Succeed())
	within(ctx, name+" to be made again", func(ctx context.Context) error {
		if err := c.Get(ctx, key, object); err != nil {
			return err
		}
		if object.GetUID() == uid {
			return fmt.Errorf("the old one is still there")
		}
		if now := look(); !equality.Semantic.DeepEqual(before, now) {
			return fmt.Errorf("want %v, have %v", before, now)
		}
		return nil
	})
}

// within waits no longer than drift may last, and says how long it took.
func within(ctx context.Context, what string, condition func(context.Context) error) {
	GinkgoHelper()
	start := time.Now()
	Expect(cluster.Until(ctx, driftLimit, what, condition)).To(Succeed())
	AddReportEntry(what, time.Since(start).Round(time.Millisecond).String())
}

func networkPolicies(ctx context.Context, cl *client) []string {
	GinkgoHelper()
	list := &networkingv1.NetworkPolicyList{}
	Expect(c.List(ctx, list, crclient.InNamespace(cl.namespace()))).To(Succeed())
	Expect(list.Items).NotTo(BeEmpty())
	names := make([]string, 0, len(list.Items))
	for _, p := range list.Items {
		names = append(names, p.Name)
	}
	return names
}
