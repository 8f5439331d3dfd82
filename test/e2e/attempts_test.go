package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// attempt is one try to take data out of its region, or to reach what is somebody else's, by Kubernetes' API.
type attempt struct {
	who, tries string
	says       string // that refuses it
	args       string // of kubectl; NAMESPACE is the tenant's, OTHER another tenant's, FAR a node of the other region
	manifest   string // that kubectl reads, if any
}

// account is who asks: kubectl's flags, beside the administrator's own right to play others.
func account(who string) string {
	switch who {
	case whoEditor:
		return "--as=editor@hotel.example --as-group=system:authenticated"
	case whoAuditor:
		return "--as=auditor@platform.example --as-group=system:authenticated"
	case whoPod:
		return "--as=system:serviceaccount:NAMESPACE:default --as-group=system:serviceaccounts --as-group=system:authenticated"
	case whoOperator:
		return "--as=system:serviceaccount:switchboard-system:switchboard-operator --as-group=system:serviceaccounts --as-group=system:authenticated"
	case whoController:
		return "--as=system:serviceaccount:kube-system:deployment-controller --as-group=system:masters"
	}
	return ""
}

const (
	whoAdmin      = "a cluster administrator"
	whoController = "a controller of the cluster's"
	whoEditor     = "the client's editor"
	whoAuditor    = "an auditor"
	whoPod        = "a pod of the tenant"
	whoOperator   = "who took over the operator"
)

const create = "create --dry-run=server -f -"

// The same objects that config/admission is held to rule by rule in cmd/operator stand here as they are tried on a real cluster.
func attempts() []attempt {
	all := append(podAttempts(), storageAttempts()...)
	return append(append(all, networkAttempts()...), peopleAttempts()...)
}

func inPod(spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {containers: [{name: c, image: i}], " + spec + "}\n"
}

// template is an object of a kind whose pods say nothing of a region but spec.
func template(kind, spec string) string {
	pod := "{metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]" + spec + "}}"
	switch kind {
	case "Job":
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]" + spec + "}}}\n"
	case "CronJob":
		return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: attempt, namespace: NAMESPACE}\n" +
			"spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]" + spec + "}}}}}\n"
	case "ReplicationController":
		return "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {selector: {app: x}, template: " + pod + "}\n"
	case "StatefulSet":
		return "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {serviceName: x, selector: {matchLabels: {app: x}}, template: " + pod + "}\n"
	}
	return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {selector: {matchLabels: {app: x}}, template: " + pod + "}\n"
}

func podAttempts() []attempt {
	const here = "nodeSelector: {topology.kubernetes.io/region: eu-central}"
	const outside = "it could run outside of region"
	terms := func(t string) string {
		return elsewhere("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [" + t + "]}}}")
	}
	region := func(operator, values string) string {
		return "{matchExpressions: [{key: topology.kubernetes.io/region, operator: " + operator + ", values: [" + values + "]}]}"
	}
	all := []attempt{
		{whoAdmin, "a pod on a node of the other region, by its name", "spec.nodeName goes past the scheduler", create, elsewhere("nodeName: FAR\n  " + here)},
		{whoAdmin, "a pod that says nothing of a region", outside, create, elsewhere("")},
		{whoAdmin, "a pod that demands the other region", outside, create, elsewhere("nodeSelector: {topology.kubernetes.io/region: us-east}")},
		{whoAdmin, "a pod of either region", outside, create, terms(region("In", "eu-central, us-east"))},
		{whoAdmin, "a pod one of whose terms leads elsewhere", outside, create, terms(region("In", "eu-central") + ", " + region("In", "us-east"))},
		{whoAdmin, "a pod that only keeps out of another region", outside, create, terms(region("NotIn", "ap-south"))},
		{whoAdmin, "a pod on a node by a field", outside, create, terms("{matchFields: [{key: metadata.name, operator: In, values: [FAR]}]}")},
		{whoAdmin, "a pod that only prefers its region", outside, create,
			elsewhere("affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: " + region("In", "eu-central") + "}]}}")},
		{whoAdmin, "a toleration of everything", "the toleration of everything", create, elsewhere("tolerations: [{operator: Exists}]\n  " + here)},
		{whoAdmin, "a toleration that the Region lacks", "the toleration of gpu", create, elsewhere("tolerations: [{key: gpu, operator: Exists}]\n  " + here)},
		{whoAdmin, "a pod on the node's network", "hostNetwork", create, inPod("hostNetwork: true, " + here)},
		{whoAdmin, "a pod among the node's processes", "hostPID", create, inPod("hostPID: true, " + here)},
		{whoAdmin, "a pod with the node's shared memory", "hostIPC", create, inPod("hostIPC: true, " + here)},
		{whoAdmin, "a Job for another controller", "spec.managedBy hands the Job", create,
			strings.Replace(template("Job", ", "+here), "spec: {template", "spec: {managedBy: kueue.x-k8s.io/multikueue, template", 1)},
		{whoController, "a pod that a Deployment's controller makes elsewhere", outside, create, elsewhere("")},
	}
	for _, kind := range []string{"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"} {
		all = append(all, attempt{whoAdmin, "a " + kind + " whose pods say nothing of a region", outside, create, template(kind, "")})
	}
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		all = append(all, attempt{whoAdmin, "a " + kind + " whose pods stand on the other region's node", "spec.nodeName", create, template(kind, ", nodeName: FAR, "+here)})
	}
	for _, volume := range []string{"hostPath: {path: /}", "nfs: {server: far.example, path: /}", "csi: {driver: far.example}", "iscsi: {targetPortal: 192.0.2.1, iqn: 'iqn.2000-01.example:x', lun: 0}"} {
		kind, _, _ := strings.Cut(volume, ":")
		all = append(all, attempt{whoAdmin, "a Deployment with a volume of type " + kind, "volume v is stored where the region does not say", create,
			template("Deployment", ", "+here+", volumes: [{name: v, "+volume+"}]")})
	}
	return all
}

func storageAttempts() []attempt {
	return []attempt{
		{whoAdmin, "a claim of the other region's class", "use local-eu-central", create, claimOf("local-us-east", "")},
		{whoAdmin, "a claim of no class", "use local-eu-central", create, claimOf(`""`, "")},
		{whoAdmin, "a claim of a volume of somebody's choice", "spec.volumeName picks a volume", create, claimOf("local-eu-central", ", volumeName: far")},
		{whoAdmin, "a claim for a node of somebody's choice", "leave it to the scheduler", create,
			strings.Replace(claimOf("local-eu-central", ""), "metadata: {name", "metadata: {annotations: {volume.kubernetes.io/selected-node: FAR}, name", 1)},
		{whoAdmin, "a clone of the database into the other region's class", "use local-eu-central", create,
			claimOf("local-us-east", ", dataSource: {kind: PersistentVolumeClaim, name: data-postgres-0}")},
		{whoAdmin, "a volume that somebody else fills", "filled from where nobody can say", create,
			claimOf("local-eu-central", ", dataSourceRef: {apiGroup: far.example, kind: Bucket, name: x}")},
		{whoAdmin, "a StatefulSet with volumes of the other region's class", "a volumeClaimTemplate is of another StorageClass", create,
			strings.Replace(template("StatefulSet", ", nodeSelector: {topology.kubernetes.io/region: eu-central}"), "spec: {serviceName", "spec: {volumeClaimTemplates: [{metadata: {name: data}, "+
				"spec: {accessModes: [ReadWriteOnce], storageClassName: local-us-east, resources: {requests: {storage: 1Gi}}}}], serviceName", 1)},
	}
}

func networkAttempts() []attempt {
	service := func(spec string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {" + spec + "}\n"
	}
	policy := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {podSelector: {}, " + spec + "}\n"
	}
	const patch = "-n NAMESPACE patch --dry-run=server --type=merge "
	return []attempt{
		{whoAdmin, "a Service behind a load balancer", "use type ClusterIP", create, service("type: LoadBalancer, ports: [{port: 443}]")},
		{whoAdmin, "a Service on every node", "a Service of type NodePort", create, service("type: NodePort, ports: [{port: 443}]")},
		{whoAdmin, "a Service that is a name elsewhere", "leads out of the region", create, service("type: ExternalName, externalName: far.example")},
		{whoAdmin, "a Service with addresses of its own", "externalIPs lead requests in", create, service("externalIPs: [192.0.2.1], ports: [{port: 443}]")},
		{whoAdmin, "endpoints by hand", "by hand can lead anywhere", create,
			"apiVersion: v1\nkind: Endpoints\nmetadata: {name: attempt, namespace: NAMESPACE}\nsubsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 443}]}]\n"},
		{whoAdmin, "an endpoint slice by hand", "by hand can lead anywhere", create,
			"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: attempt, namespace: NAMESPACE}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n"},
		{whoAdmin, "a network policy that opens egress", "opened by the operator alone", create, policy("policyTypes: [Egress], egress: [{}]")},
		{whoAdmin, "a network policy that opens egress besides ingress", "what a tenant may send", create, policy("ingress: [{}], egress: [{}]")},
		{whoAdmin, "the default policy opened", "opened by the operator alone", patch + `networkpolicy/default-deny -p {"spec":{"egress":[{}]}}`, ""},
		{whoAdmin, "the default policy for some pods alone", "is for the operator to say", patch + `networkpolicy/default-deny -p {"spec":{"podSelector":{"matchLabels":{"a":"b"}}}}`, ""},
		{whoAdmin, "an Ingress of another host", "alone: give it to every rule", create,
			"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {rules: [{host: other.example, http: {paths: [{path: /, pathType: Prefix, " +
				"backend: {service: {name: serve, port: {number: 443}}}}]}}]}\n"},
		{whoAdmin, "an Ingress of all hosts", "leave defaultBackend out", create,
			"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: attempt, namespace: NAMESPACE}\nspec: {defaultBackend: {service: {name: serve, port: {number: 443}}}}\n"},
		{whoAdmin, "another boundary", "kept by the operator alone", create,
			"apiVersion: messaging.switchboard.dev/v1alpha1\nkind: ResidencyBoundary\nmetadata: {name: attempt, namespace: NAMESPACE}\n" +
				"spec: {region: us-east, jurisdiction: US, nodeSelector: {topology.kubernetes.io/region: us-east}, hostname: far.example}\n"},
		{whoAdmin, "the boundary with the other region's class", "kept by the operator alone", patch + `residencyboundary/residency -p {"spec":{"storageClassName":"local-us-east"}}`, ""},
		{whoAdmin, "the boundary taken away", "kept by the operator alone", "-n NAMESPACE delete --dry-run=server residencyboundary/residency", ""},
		{whoAdmin, "a namespace that is no tenant's any more", "leave them to the operator", `patch --dry-run=server namespace/NAMESPACE --type=merge -p {"metadata":{"labels":{"messaging.switchboard.dev/tenant":null}}}`, ""},
		{whoAdmin, "a namespace of another region", "leave them to the operator", `patch --dry-run=server namespace/NAMESPACE --type=merge -p {"metadata":{"labels":{"messaging.switchboard.dev/region":"us-east"}}}`, ""},
		{whoAdmin, "the tenant in another region, by an edit", "spec.move", `patch --dry-run=server tenant/TENANT --type=merge -p {"spec":{"region":"` + regionUS + `"}}`, ""},
	}
}

func peopleAttempts() []attempt {
	const forbidden = "is forbidden"
	cannot := func(who, tries, args string) attempt { return attempt{who, tries, forbidden, args, ""} }
	return []attempt{
		cannot(whoEditor, "to read the Secrets of the namespace", "-n NAMESPACE get secrets"),
		cannot(whoEditor, "to read the database's login", "-n NAMESPACE get secret credentials-serve-v1"),
		cannot(whoEditor, "to run a command in the database's pod", `create --raw=/api/v1/namespaces/NAMESPACE/pods/postgres-0/exec?command=id -f /dev/null`),
		cannot(whoEditor, "to read another tenant's channels", "-n OTHER get channels"),
		cannot(whoEditor, "to write a policy for another tenant", "-n OTHER delete --dry-run=server retentionpolicies --all"),
		cannot(whoEditor, "to move the tenant", `patch --dry-run=server tenant/TENANT --type=merge -p {"spec":{"move":{"to":"us-east"}}}`),
		cannot(whoEditor, "to bind a role to itself", "-n NAMESPACE create --dry-run=server rolebinding mine --clusterrole=admin --user=editor@hotel.example"),
		cannot(whoAuditor, "to read a Secret", "-n NAMESPACE get secrets"),
		cannot(whoAuditor, "to change a policy", `-n NAMESPACE patch --dry-run=server retentionpolicies --type=merge -p {} guest-data`),
		cannot(whoAuditor, "to read logs of the instance", "-n NAMESPACE logs deployment/serve"),
		cannot(whoPod, "to read the Secrets of its namespace", "-n NAMESPACE get secrets"),
		cannot(whoPod, "to read another tenant's Secrets", "-n OTHER get secrets"),
		cannot(whoPod, "to list the tenants", "get tenants"),
		cannot(whoPod, "to make a pod", "-n NAMESPACE run --dry-run=server attempt --image=i"),
		cannot(whoOperator, "to read Secrets of kube-system", "-n kube-system get secrets"),
		cannot(whoOperator, "to read Secrets of all namespaces", "get secrets -A"),
		cannot(whoOperator, "to bind itself to cluster-admin", "-n NAMESPACE create --dry-run=server rolebinding more --clusterrole=cluster-admin --serviceaccount=switchboard-system:switchboard-operator"),
		cannot(whoOperator, "to bind a role where no tenant is", "-n kube-system create --dry-run=server rolebinding more --clusterrole=switchboard-tenant-manager --serviceaccount=switchboard-system:switchboard-operator"),
		cannot(whoOperator, "to delete a namespace that is no tenant's", "delete --dry-run=server namespace kube-public"),
		cannot(whoOperator, "to break the glass", "annotate --dry-run=server namespace NAMESPACE messaging.switchboard.dev/break-glass=now"),
	}
}

// where the table of attempts is published.
const attemptsDoc = "docs/attempts.md"

var _ = Describe("Promise 11 and 17: what was tried on this cluster, by whom, and what refused it", Label("admission"), Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		for _, args := range [][]string{
			{"create", "rolebinding", "e2e-editor", "--clusterrole=switchboard-tenant-editor", "--user=editor@hotel.example"},
			{"create", "rolebinding", "e2e-auditor", "--clusterrole=switchboard-auditor", "--user=auditor@platform.example"},
		} {
			_, err := c.Run(ctx, nil, append([]string{"-n", berlin.namespace()}, args...)...)
			Expect(err).NotTo(HaveOccurred())
		}
		DeferCleanup(func(ctx SpecContext) {
			_, err := c.Run(ctx, nil, "-n", berlin.namespace(), "delete", "rolebinding", "e2e-editor", "e2e-auditor")
			Expect(err).NotTo(HaveOccurred())
		}, NodeTimeout(30*time.Second))
	}, NodeTimeout(30*time.Second))

	It("each is refused", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		names := strings.NewReplacer("NAMESPACE", berlin.namespace(), "TENANT", berlin.tenant, "OTHER", boston.namespace(), "FAR", nodeOutside(ctx))
		began := time.Now()
		for _, a := range attempts() {
			args := strings.Fields(names.Replace(account(a.who) + " " + a.args))
			_, err := c.Run(ctx, []byte(names.Replace(a.manifest)), args...)
			Expect(err).To(MatchError(ContainSubstring(a.says)), "%s tried %s", a.who, a.tries)
		}
		GinkgoWriter.Printf("%d attempts were refused in %.1f s\n", len(attempts()), time.Since(began).Seconds())
	})

	It("they are at least 60, and published", func() {
		Expect(len(attempts())).To(BeNumerically(">=", 60))
		var table strings.Builder
		for i, a := range attempts() {
			fmt.Fprintf(&table, "| %d | %s | %s | %s |\n", i+1, a.who, a.tries, a.says)
		}
		published, err := os.ReadFile(filepath.Join("..", "..", attemptsDoc))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(published)).To(ContainSubstring(table.String()), "write the table anew: it is\n%s", table.String())
	})
})
