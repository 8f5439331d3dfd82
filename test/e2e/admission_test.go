package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
)

// elsewhere is a pod that Pod Security lets in, so that what is left to refuse it is where it would run.
func elsewhere(spec string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: NAMESPACE}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: c
    image: switchboard/instance:dev
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {memory: 16Mi}}
  ` + spec + "\n"
}

const inBerlinsRegion = "nodeSelector: {topology.kubernetes.io/region: eu-central}"

func claimOf(class, more string) string {
	return `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {accessModes: [ReadWriteOnce], storageClassName: ` + class + `, resources: {requests: {storage: 100Mi}}` + more + "}\n"
}

var _ = Describe("Promise 11: nobody takes a tenant out of its region, cluster administrators neither", Label("admission"), func() {
	DescribeTable("the API server refuses, and says what to do",
		func(ctx SpecContext, manifest, say string) {
			manifest = strings.ReplaceAll(strings.ReplaceAll(manifest, "NAMESPACE", berlin.namespace()), "FAR", nodeOutside(ctx))
			_, err := c.Run(ctx, []byte(manifest), "create", "-f", "-")
			Expect(err).To(MatchError(ContainSubstring(say)))
		},
		Entry("a pod on a node of the other region, by its name", SpecTimeout(20*time.Second), elsewhere("nodeName: FAR\n  "+inBerlinsRegion), "spec.nodeName goes past the scheduler"),
		Entry("a pod that demands the other region", SpecTimeout(20*time.Second), elsewhere("nodeSelector: {topology.kubernetes.io/region: us-east}"), "it could run outside of region"),
		Entry("a pod that says nothing of a region", SpecTimeout(20*time.Second), elsewhere(""), "it could run outside of region"),
		Entry("a toleration of everything", SpecTimeout(20*time.Second), elsewhere("tolerations: [{operator: Exists}]\n  "+inBerlinsRegion), "the toleration of everything"),
		Entry("the network of the node", SpecTimeout(20*time.Second), elsewhere("hostNetwork: true\n  "+inBerlinsRegion), "hostNetwork"),
		Entry("a Deployment, before its pods are", SpecTimeout(20*time.Second), `
apiVersion: apps/v1
kind: Deployment
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: x}]}}}
`, "it could run outside of region"),
		Entry("a Job, before its pods are", SpecTimeout(20*time.Second), `
apiVersion: batch/v1
kind: Job
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}
`, "it could run outside of region"),
		Entry("a claim of the other region's class", SpecTimeout(20*time.Second), claimOf("local-us-east", ""), "use local-eu-central"),
		Entry("a clone of the database into the other region's class", SpecTimeout(20*time.Second),
			claimOf("local-us-east", ", dataSource: {kind: PersistentVolumeClaim, name: data-postgres-0}"), "use local-eu-central"),
		Entry("a claim of a volume of somebody's choice", SpecTimeout(20*time.Second), claimOf("local-eu-central", ", volumeName: far"), "spec.volumeName picks a volume"),
		Entry("a Service behind a load balancer", SpecTimeout(20*time.Second), `
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {type: LoadBalancer, ports: [{port: 443}]}
`, "use type ClusterIP"),
		Entry("a Service that is a name elsewhere", SpecTimeout(20*time.Second), `
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {type: ExternalName, externalName: far.example}
`, "leads out of the region"),
		Entry("an Ingress of another host", SpecTimeout(20*time.Second), `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {rules: [{host: other.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: serve, port: {number: 443}}}}]}}]}
`, "alone: give it to every rule"),
		Entry("a network policy that opens egress", SpecTimeout(20*time.Second), `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: elsewhere, namespace: NAMESPACE}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}
`, "opened by the operator alone"),
		Entry("another boundary", SpecTimeout(20*time.Second), `
apiVersion: messaging.switchboard.dev/v1alpha1
kind: ResidencyBoundary
metadata: {name: another, namespace: NAMESPACE}
spec: {region: e2e-us, jurisdiction: US, nodeSelector: {topology.kubernetes.io/region: us-east}, hostname: far.example}
`, "kept by the operator alone"),
	)

	It("a pod that waits is not bound to a node of the other region", SpecTimeout(time.Minute), func(ctx SpecContext) {
		far := nodeOutside(ctx)
		// Nobody schedules it: it asks for a scheduler that is not there.
		waiting := strings.ReplaceAll(elsewhere("schedulerName: nobody\n  "+inBerlinsRegion), "NAMESPACE", berlin.namespace())
		Expect(c.ApplyYAML(ctx, waiting)).To(Succeed())
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere", Namespace: berlin.namespace()}}
		DeferCleanup(func(ctx SpecContext) {
			Expect(crclient.IgnoreNotFound(c.Delete(ctx, pod, crclient.GracePeriodSeconds(0)))).To(Succeed())
		}, NodeTimeout(30*time.Second))
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: far}}
		Expect(c.SubResource("binding").Create(ctx, pod, binding)).To(MatchError(ContainSubstring("only the scheduler binds")))
		Expect(c.Get(ctx, crclient.ObjectKeyFromObject(pod), pod)).To(Succeed())
		Expect(pod.Spec.NodeName).To(BeEmpty())
	})

	It("no container is put into the database's pod", SpecTimeout(30*time.Second), func(ctx SpecContext) {
		pod := &corev1.Pod{}
		Expect(c.Get(ctx, crclient.ObjectKey{Namespace: berlin.namespace(), Name: "postgres-0"}, pod)).To(Succeed())
		no := false
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "look", Image: "switchboard/instance:dev", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}})
		Expect(c.SubResource("ephemeralcontainers").Update(ctx, pod)).To(MatchError(ContainSubstring("an ephemeral container has the pod's network and volumes")))
	})

	It("the operator's own openings are not widened, nor what the policies trust", SpecTimeout(30*time.Second), func(ctx SpecContext) {
		for _, attempt := range []struct{ object, patch, say string }{
			{"networkpolicy/default-deny", `{"spec":{"egress":[{}]}}`, "opened by the operator alone"},
			{"residencyboundary/residency", `{"spec":{"storageClassName":"local-us-east"}}`, "kept by the operator alone"},
			{"namespace/" + berlin.namespace(), `{"metadata":{"labels":{"messaging.switchboard.dev/tenant":null}}}`, "leave them to the operator"},
			{"namespace/" + berlin.namespace(), `{"metadata":{"labels":{"messaging.switchboard.dev/region":"` + regionUS + `"}}}`, "leave them to the operator"},
		} {
			_, err := c.Run(ctx, nil, "-n", berlin.namespace(), "patch", attempt.object, "--type=merge", "-p", attempt.patch)
			Expect(err).To(MatchError(ContainSubstring(attempt.say)), attempt.object)
		}
	})

	It("a glass that is broken shows, and is mended", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		annotation := v1alpha1.AnnotationBreakGlass
		_, err := c.Run(ctx, nil, "annotate", "namespace", berlin.namespace(), annotation+"=short")
		Expect(err).To(MatchError(ContainSubstring("say why the glass is broken")))
		DeferCleanup(func(ctx SpecContext) {
			_, err := c.Run(ctx, nil, "annotate", "namespace", berlin.namespace(), annotation+"-")
			Expect(err).NotTo(HaveOccurred())
			berlin.awaitReady(ctx)
		}, NodeTimeout(90*time.Second))
		_, err = c.Run(ctx, nil, "annotate", "namespace", berlin.namespace(), annotation+"=incident 4711")
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, 20*time.Second, "the policies to be suspended", func(ctx context.Context) error {
			_, err := c.Run(ctx, []byte(strings.ReplaceAll(claimOf("local-us-east", ""), "NAMESPACE", berlin.namespace())), "create", "--dry-run=server", "-f", "-")
			return err
		})).To(Succeed())
		within(ctx, "the condition that tells of it", func(context.Context) error {
			for _, condition := range berlin.get(ctx).Status.Conditions {
				if condition.Type == v1alpha1.ConditionIsolated && condition.Status == metav1.ConditionFalse && condition.Reason == v1alpha1.ReasonGlassBroken {
					return nil
				}
			}
			return errors.New("Isolated is not False with reason GlassBroken")
		})
	})
})

// nodeOutside gives a node that is not in Berlin's region.
func nodeOutside(ctx context.Context) string {
	GinkgoHelper()
	for name, node := range nodesByName(ctx) {
		if node.Labels[regionLabel] != "eu-central" {
			return name
		}
	}
	Fail(fmt.Sprintf("every node bears %s=eu-central: this needs another", regionLabel))
	return ""
}
