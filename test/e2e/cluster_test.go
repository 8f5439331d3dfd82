package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

const regionCNPG = "e2e-cnpg"

// clusteredRegion is the one of the first node, with databases that CloudNativePG runs.
func clusteredRegion() string {
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Region
metadata: {name: %s}
spec:
  jurisdiction: EU
  nodeSelector: {topology.kubernetes.io/region: eu-central}
  storageClassName: local-eu-central
  database:
    engine: CloudNativePG
    image: %s
    storage: 1Gi
    cloudNativePG:
      apiServer: {cidrs: [%s/32], ports: [6443]}
  subProcessors:
  - {name: twilio, purpose: delivery of text messages, location: US, transferMechanism: EU-US Data Privacy Framework, egress: {cidrs: [0.0.0.0/0], ports: [443, 8443]}}
`, regionCNPG, fixture.PostgresImage(), apiServer)
}

// apiServer is its address in the local cluster.
const apiServer = "10.88.0.1"

// databasePods are those of the tenant's Cluster.
func databasePods(ctx context.Context, cl *client) []corev1.Pod {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Expect(c.List(ctx, pods, crclient.InNamespace(cl.namespace()), crclient.MatchingLabels{"cnpg.io/cluster": "postgres", "cnpg.io/podRole": "instance"})).To(Succeed())
	return pods.Items
}

// bothServe waits until leader and follower are ready, and the leader waits for the follower.
func bothServe(ctx context.Context, cl *client) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, 4*time.Minute, "a leader and a follower", func(ctx context.Context) error {
		ready := 0
		for _, pod := range databasePods(ctx, cl) {
			if cluster.IsReady(&pod) {
				ready++
			}
		}
		if ready != 2 {
			return fmt.Errorf("%d pods are ready (kubectl -n %s describe clusters.postgresql.cnpg.io postgres)", ready, cl.namespace())
		}
		n, err := c.Count(ctx, cl.namespace(), `SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'`)
		if err != nil || n != 1 {
			return fmt.Errorf("%d followers are waited for, %w", n, err)
		}
		return nil
	})).To(Succeed())
}

// claimed gives the names of the volumes of a tenant.
func claimed(ctx context.Context, cl *client) (volumes []string) {
	GinkgoHelper()
	claims := &corev1.PersistentVolumeClaimList{}
	Expect(c.List(ctx, claims, crclient.InNamespace(cl.namespace()))).To(Succeed())
	for _, claim := range claims.Items {
		volumes = append(volumes, claim.Spec.VolumeName)
	}
	return volumes
}

// anchored waits until what the database held, a change of consent included, is known outside of it.
func anchored(ctx context.Context, cl *client) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, time.Minute, "the anchor", func(ctx context.Context) error {
		head := cl.get(ctx).Status.Evidence
		anchor := &corev1.ConfigMap{}
		if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "anchor"}, anchor); err != nil {
			return err
		}
		if told := anchor.Data["anchor.json"]; head == nil || !strings.Contains(told, head.Digest) || strings.Contains(told, `"id":0`) {
			return fmt.Errorf("it is %s", told)
		}
		return nil
	})).To(Succeed())
}

// restartOperator starts the operator anew.
func restartOperator(ctx context.Context) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "-n", fixture.OperatorNamespace, "rollout", "restart", "deployment/"+fixture.OperatorDeployment)
	Expect(err).NotTo(HaveOccurred())
	Expect(fixture.AwaitOperator(ctx, c)).To(Succeed())
}
