package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/enforcer"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// The local cluster's network enforces nothing by itself: that is what the first part shows, and what the enforcer changes.
var _ = Describe("Promise 17: whether a tenant is closed on the network is looked at, not believed", Label("isolation"), Ordered, Serial, func() {
	both := func() []*client { return []*client{berlin, boston} }

	BeforeAll(func(ctx SpecContext) {
		outsideHosts(ctx)
		for _, region := range []string{regionEU, regionUS} {
			forbids(ctx, region, &v1alpha1.RegionNetwork{ForbiddenTargets: []v1alpha1.ForbiddenTarget{{Name: "metadata", Address: metadataAddress}}})
		}
		DeferCleanup(func(ctx SpecContext) { // before the host goes
			for _, region := range []string{regionEU, regionUS} {
				forbids(ctx, region, nil)
			}
			for _, cl := range both() {
				tells(ctx, cl, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, Not(ContainSubstring("forbidden-metadata")))
			}
		}, NodeTimeout(3*time.Minute))
	}, NodeTimeout(time.Minute))

	It("says PolicyNotEnforced, and what was reached, where nothing enforces the policies", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		for _, cl := range both() {
			tells(ctx, cl, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, And(
				ContainSubstring("kubernetes-api"), ContainSubstring("neighbour-1-database"), ContainSubstring("neighbour-1-api"), ContainSubstring("forbidden-metadata")))
			Expect(meta.IsStatusConditionTrue(cl.get(ctx).Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue(), "it is served all the same")
		}
	})

	It("says True once they are enforced, while the tenants are served, and not any more afterwards", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		enforced, err := enforcer.Start(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		stop := func(ctx context.Context) error {
			if enforced == nil {
				return nil
			}
			defer func() { enforced = nil }()
			return enforced.Stop(ctx)
		}
		DeferCleanup(func(ctx SpecContext) { Expect(stop(ctx)).To(Succeed()) })

		for _, cl := range both() {
			ask(ctx, cl, "enforced")
		}
		for _, cl := range both() {
			tells(ctx, cl, metav1.ConditionTrue, v1alpha1.ReasonReady, And(ContainSubstring("reached its database, and none of"), ContainSubstring("tenant")))
			Expect(cl.get(ctx).Status.Network.Node).To(ContainSubstring(map[string]string{regionEU: "eu-central", regionUS: "us-east"}[cl.region]))
		}

		By("the way that guests and staff take is open")
		for _, cl := range both() {
			line := cl.line(ctx, "front-desk")
			status, err := line.Write(ctx, guest.NewSID(), guestNumber(91), "Is anybody there, behind all those walls?")
			Expect(err).NotTo(HaveOccurred())
			Expect(status).To(Equal(200))
			_, err = cl.inbox(ctx).Conversations(ctx)
			Expect(err).NotTo(HaveOccurred())
		}

		By("the enforcement ends")
		Expect(stop(ctx)).To(Succeed())
		for _, cl := range both() {
			ask(ctx, cl, "not enforced")
			tells(ctx, cl, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotEnforced, ContainSubstring("neighbour-1-database"))
		}
	})
})

// forbids has a Region say what tenants may not reach.
func forbids(ctx context.Context, region string, network *v1alpha1.RegionNetwork) {
	GinkgoHelper()
	r := &v1alpha1.Region{}
	Expect(c.Get(ctx, crclient.ObjectKey{Name: region}, r)).To(Succeed())
	before := r.DeepCopy()
	r.Spec.Network = network
	Expect(c.Patch(ctx, r, crclient.MergeFrom(before))).To(Succeed())
}

// ask has a tenant's network probed again.
func ask(ctx context.Context, cl *client, why string) {
	GinkgoHelper()
	t := cl.get(ctx)
	before := t.DeepCopy()
	if t.Annotations == nil {
		t.Annotations = map[string]string{}
	}
	t.Annotations[v1alpha1.AnnotationProbe] = why + " " + run
	Expect(c.Patch(ctx, t, crclient.MergeFrom(before))).To(Succeed())
}

// tells waits for what a tenant's status says of its network.
func tells(ctx context.Context, cl *client, status metav1.ConditionStatus, reason string, message any) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		condition := meta.FindStatusCondition(cl.get(ctx).Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(fmt.Sprint(condition.Status, " ", condition.Reason)).To(Equal(fmt.Sprint(status, " ", reason)), condition.Message)
		g.Expect(condition.Message).To(message.(OmegaMatcher))
	}).WithContext(ctx).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
}
