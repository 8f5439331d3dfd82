package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
)

// regionLabel on a node is the truth about where it stands.
const regionLabel = "topology.kubernetes.io/region"

var _ = Describe("Promise 1: every tenant is Ready, in its own region", Label("residency"), func() {
	DescribeTable("pods, volumes and Jobs are on nodes of the region, read from the nodes",
		func(ctx SpecContext, of func() *client, want string) {
			cl := of()
			By("running the policy's CronJob once, so that its Job counts too")
			runRetention(ctx, cl, "residency")

			nodes := nodesByName(ctx)
			pods := &corev1.PodList{}
			Expect(c.List(ctx, pods, crclient.InNamespace(cl.namespace()))).To(Succeed())
			kinds := map[string]int{}
			for _, pod := range pods.Items {
				Expect(pod.Spec.NodeName).NotTo(BeEmpty(), "pod %s runs nowhere", pod.Name)
				Expect(nodes[pod.Spec.NodeName].Labels).To(HaveKeyWithValue(regionLabel, want),
					"pod %s runs on node %s", pod.Name, pod.Spec.NodeName)
				for _, owner := range pod.OwnerReferences {
					kinds[owner.Kind]++
				}
			}
			Expect(kinds["StatefulSet"]).To(Equal(1), "the database")
			Expect(kinds["ReplicaSet"]).To(Equal(1+len(cl.numbers)), "serve and a connector per channel")
			Expect(kinds["Job"]).To(BeNumerically(">=", 2), "the migration and the retention run")

			for _, pv := range volumesOf(ctx, cl.namespace()) {
				reachable := 0
				for _, node := range nodes {
					if !reaches(pv, node) {
						continue
					}
					reachable++
					Expect(node.Labels).To(HaveKeyWithValue(regionLabel, want), "volume %s can be reached from node %s", pv.Name, node.Name)
				}
				Expect(reachable).To(BeNumerically(">", 0), "volume %s can be reached from no node", pv.Name)
			}

			status := cl.get(ctx).Status
			Expect(meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionResidencyCompliant)).To(BeTrue())
			Expect(status.Residency).NotTo(BeNil())
			Expect(status.Residency.Nodes).NotTo(BeEmpty())
			for _, n := range status.Residency.Nodes {
				Expect(n.InRegion).To(BeTrue(), n.Name)
				Expect(n.Region).To(Equal(want), n.Name)
			}
			Expect(status.Residency.Volumes).To(HaveLen(1))
			Expect(status.Residency.Volumes[0].InRegion).To(BeTrue())
			Expect(status.Residency.Volumes[0].Region).To(Equal(want))
		},
		Entry("Berlin", SpecTimeout(2*time.Minute), func() *client { return berlin }, "eu-central"),
		Entry("Boston", SpecTimeout(2*time.Minute), func() *client { return boston }, "us-east"),
	)
})

func nodesByName(ctx context.Context) map[string]*corev1.Node {
	GinkgoHelper()
	list := &corev1.NodeList{}
	Expect(c.List(ctx, list)).To(Succeed())
	nodes := map[string]*corev1.Node{}
	for i := range list.Items {
		nodes[list.Items[i].Name] = &list.Items[i]
	}
	return nodes
}

// volumesOf gives the PersistentVolumes bound to a namespace's claims: one, the database's.
func volumesOf(ctx context.Context, namespace string) []corev1.PersistentVolume {
	GinkgoHelper()
	claims := &corev1.PersistentVolumeClaimList{}
	Expect(c.List(ctx, claims, crclient.InNamespace(namespace))).To(Succeed())
	Expect(claims.Items).To(HaveLen(1))
	var volumes []corev1.PersistentVolume
	for _, claim := range claims.Items {
		Expect(claim.Status.Phase).To(Equal(corev1.ClaimBound))
		pv := &corev1.PersistentVolume{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: claim.Spec.VolumeName}, pv)).To(Succeed())
		volumes = append(volumes, *pv)
	}
	return volumes
}

// reaches tells whether a volume's own node affinity lets a node use it: one term must hold in
// all of its expressions (In or NotIn, as storage drivers write them) over the node's labels.
func reaches(pv corev1.PersistentVolume, node *corev1.Node) bool {
	GinkgoHelper()
	Expect(pv.Spec.NodeAffinity).NotTo(BeNil(), "volume %s is tied to no node", pv.Name)
	Expect(pv.Spec.NodeAffinity.Required).NotTo(BeNil(), "volume %s is tied to no node", pv.Name)
	for _, term := range pv.Spec.NodeAffinity.Required.NodeSelectorTerms {
		selector := labels.NewSelector()
		for _, e := range term.MatchExpressions {
			operator := map[corev1.NodeSelectorOperator]selection.Operator{
				corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
			}[e.Operator]
			requirement, err := labels.NewRequirement(e.Key, operator, e.Values)
			Expect(err).NotTo(HaveOccurred(), "volume %s has an affinity that this test can't read", pv.Name)
			selector = selector.Add(*requirement)
		}
		if selector.Matches(labels.Set(node.Labels)) {
			return true
		}
	}
	return false
}

// runRetention starts a Job from the policy's CronJob and waits until it succeeded.
func runRetention(ctx context.Context, cl *client, suffix string) {
	GinkgoHelper()
	job := "retain-" + cl.policy + "-" + suffix
	_, err := c.Run(ctx, nil, "-n", cl.namespace(), "create", "job", job, "--from=cronjob/retain-"+cl.policy)
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Until(ctx, time.Minute, "Job "+job, func(ctx context.Context) error {
		j := &batchv1.Job{}
		if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: job}, j); err != nil {
			return err
		}
		if j.Status.Succeeded == 0 {
			return fmt.Errorf("not succeeded yet: %d failed", j.Status.Failed)
		}
		return nil
	})).To(Succeed())
}
