package e2e

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

var _ = Describe("An operator that Helm installed", Label("helm"), Ordered, Serial, func() {
	BeforeAll(func() {
		Expect(os.Getenv("SWITCHBOARD_HELM")).NotTo(BeEmpty(), "SWITCHBOARD_HELM names no Helm: run make e2e-helm")
	})

	AfterAll(func(ctx SpecContext) { // whatever failed, the next one has an operator
		Expect(fixture.InstallOperator(ctx, c, root)).To(Succeed())
	}, NodeTimeout(3*time.Minute))

	It("takes other values by an upgrade, which leaves the tenants' pods alone", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		Expect(operatorDeployment(ctx).Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"))
		before := bothContainers(ctx)
		Expect(fixture.Helm(ctx, "upgrade", fixture.Release, root+"/charts/switchboard", "--set", "journalInterval=15s", "--wait")).To(Succeed())
		Expect(operatorDeployment(ctx).Spec.Template.Spec.Containers[0].Args).To(ContainElement("--journal-interval=15s"))
		tookUp(ctx)
		Expect(bothContainers(ctx)).To(Equal(before))
	})

	It("is taken away and installed again while guests write, and loses no message", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		before := bothContainers(ctx)
		stop := everyoneWrites(ctx)
		Expect(fixture.Helm(ctx, "uninstall", fixture.Release, "--wait")).To(Succeed())
		err := c.Get(ctx, crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: fixture.OperatorDeployment}, &appsv1.Deployment{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the operator is there: %v", err)
		for _, cl := range []*client{berlin, boston} {
			cl.get(ctx) // the definitions and the tenants stay
		}
		Expect(fixture.Helm(ctx, "install", fixture.Release, root+"/charts/switchboard", "--wait")).To(Succeed())
		tookUp(ctx)
		for cl, sids := range stop() {
			Expect(len(sids)).To(BeNumerically(">", 20), "messages of %s", cl.tenant)
			allStored(ctx, cl, sids)
		}
		Expect(bothContainers(ctx)).To(Equal(before))
	})
})

func operatorDeployment(ctx context.Context) *appsv1.Deployment {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(c.Get(ctx, crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: fixture.OperatorDeployment}, d)).To(Succeed())
	return d
}

// tookUp waits until the operator that runs now acts: it brings a deleted CronJob back, and both tenants are Ready.
func tookUp(ctx context.Context) {
	GinkgoHelper()
	Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
	job := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: berlin.namespace(), Name: "retain-" + berlin.policy}}
	Expect(c.Delete(ctx, job)).To(Succeed())
	Expect(cluster.Until(ctx, 90*time.Second, "a new CronJob", func(ctx context.Context) error {
		return c.Get(ctx, crclient.ObjectKeyFromObject(job), job)
	})).To(Succeed())
	for _, cl := range []*client{berlin, boston} {
		cl.awaitReady(ctx)
	}
}
