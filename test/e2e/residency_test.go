package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
			kinds := map[string]int{}
			Eventually(func(g Gomega) { // pods of a Channel that another spec has deleted may be ending, and a probe's pod just made
				pods := &corev1.PodList{}
				g.Expect(c.List(ctx, pods, crclient.InNamespace(cl.namespace()))).To(Succeed())
				clear(kinds)
				for _, pod := range pods.Items {
					g.Expect(pod.Spec.NodeName).NotTo(BeEmpty(), "pod %s runs nowhere", pod.Name)
					g.Expect(nodes[pod.Spec.NodeName].Labels).To(HaveKeyWithValue(regionLabel, want),
						"pod %s runs on node %s", pod.Name, pod.Spec.NodeName)
					for _, owner := range pod.OwnerReferences {
						kinds[owner.Kind]++
					}
				}
				g.Expect(kinds["ReplicaSet"]).To(Equal(1+len(cl.numbers)), "serve and a connector per channel")
			}).WithContext(ctx).WithTimeout(time.Minute).WithPolling(time.Second).Should(Succeed())
			Expect(kinds["StatefulSet"]).To(Equal(1), "the database")
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
				if n.LastSeen != nil {
					continue // it has gone
				}
				Expect(n.InRegion).To(BeTrue(), n.Name)
				Expect(n.Region).To(Equal(want), n.Name)
				Expect(n.FirstSeen).NotTo(BeNil(), n.Name)
			}
			Expect(status.Residency.Violations).To(BeEmpty())
			Expect(status.Residency.Volumes).To(HaveLen(1))
			Expect(status.Residency.Volumes[0].InRegion).To(BeTrue())
			Expect(status.Residency.Volumes[0].Region).To(Equal(want))
		},
		Entry("Berlin", SpecTimeout(2*time.Minute), func() *client { return berlin }, "eu-central"),
		Entry("Boston", SpecTimeout(2*time.Minute), func() *client { return boston }, "us-east"),
	)

	It("a node that is relabelled under running pods closes egress within 5 s, and opens it once mended", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		boston.awaitReady(ctx)
		nodes := map[string]string{}
		for name, node := range nodesByName(ctx) {
			if node.Labels[regionLabel] == "us-east" {
				nodes[name] = node.Labels[regionLabel]
			}
		}
		Expect(nodes).NotTo(BeEmpty())
		label := func(ctx context.Context, value func(string) string) {
			GinkgoHelper()
			for name, was := range nodes {
				_, err := c.Run(ctx, nil, "label", "node", name, "--overwrite", regionLabel+"="+value(was))
				Expect(err).NotTo(HaveOccurred())
			}
		}
		DeferCleanup(func(ctx SpecContext) {
			label(ctx, func(was string) string { return was })
			boston.awaitReady(ctx)
		}, NodeTimeout(3*time.Minute))

		label(ctx, func(string) string { return "e2e-elsewhere" })
		within(ctx, "Boston to be found outside of its region, and its egress closed", func(ctx context.Context) error {
			return errors.Join(residencyIs(ctx, boston, metav1.ConditionFalse), egressIs(ctx, boston, 1, 0))
		})
		Expect(boston.get(ctx).Status.Residency.Violations).NotTo(BeEmpty())
		Expect(cluster.Until(ctx, time.Minute, "the end of Boston's connectors", func(ctx context.Context) error {
			pods := &corev1.PodList{}
			if err := c.List(ctx, pods, crclient.InNamespace(boston.namespace()), crclient.MatchingLabels{"app.kubernetes.io/component": "connector"}); err != nil {
				return err
			}
			if len(pods.Items) > 0 {
				return fmt.Errorf("%d are there", len(pods.Items))
			}
			return nil
		})).To(Succeed())
		Expect(residencyIs(ctx, berlin, metav1.ConditionTrue)).To(Succeed(), "Berlin is where it was")

		label(ctx, func(was string) string { return was })
		within(ctx, "Boston to be back, and its egress open", func(ctx context.Context) error {
			return errors.Join(residencyIs(ctx, boston, metav1.ConditionTrue), egressIs(ctx, boston, 2, 1))
		})
	})
})

// residencyIs checks a tenant's condition ResidencyCompliant.
func residencyIs(ctx context.Context, cl *client, want metav1.ConditionStatus) error {
	t := &v1alpha1.Tenant{}
	if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
		return err
	}
	if got := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant); got == nil || got.Status != want {
		return fmt.Errorf("ResidencyCompliant is %+v, want %s", got, want)
	}
	return nil
}

// egressIs checks how many openings outwards a tenant's connectors have, and how many pods they are to have.
func egressIs(ctx context.Context, cl *client, openings int, replicas int32) error {
	for i := range cl.numbers {
		key := crclient.ObjectKey{Namespace: cl.namespace(), Name: "connector-" + channelNames[i]}
		policy, deployment := &networkingv1.NetworkPolicy{}, &appsv1.Deployment{}
		if err := errors.Join(c.Get(ctx, key, policy), c.Get(ctx, key, deployment)); err != nil {
			return err
		}
		if len(policy.Spec.Egress) != openings || *deployment.Spec.Replicas != replicas {
			return fmt.Errorf("%s has %d openings and %d pods, want %d and %d", key.Name, len(policy.Spec.Egress), *deployment.Spec.Replicas, openings, replicas)
		}
	}
	return nil
}

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
