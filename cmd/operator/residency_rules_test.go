package main

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func ptrTo[T any](v T) *T { return &v }

func quantity(s string) resource.Quantity { return resource.MustParse(s) }

// regional is a pod that stays in the region of aBoundary.
func regional() corev1.PodSpec {
	return corev1.PodSpec{
		NodeSelector: map[string]string{corev1.LabelTopologyRegion: "eu-central", "tenants": "yes"},
		Containers:   []corev1.Container{{Name: "c", Image: "i"}},
	}
}

const (
	selector  = `nodeSelector: {topology.kubernetes.io/region: eu-central, tenants: "yes"}`
	container = `containers: [{name: c, image: i}]`
)

// aPodYAML is a Pod whose spec holds the given lines of flow or block YAML besides a container.
func aPodYAML(lines ...string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n  " + strings.Join(append(lines, container), "\n  ") + "\n"
}

// affinity is a required one with the given terms, each in flow YAML.
func affinity(terms ...string) string {
	return "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [" + strings.Join(terms, ", ") + "]}}}"
}

func term(requirements ...string) string {
	return "{matchExpressions: [" + strings.Join(requirements, ", ") + "]}"
}

func in(key, values string) string {
	return "{key: " + key + ", operator: In, values: [" + values + "]}"
}

const (
	inRegion  = "{key: topology.kubernetes.io/region, operator: In, values: [eu-central]}"
	inTenants = `{key: tenants, operator: In, values: ["yes"]}`
)

// workload is an object of a kind with a pod template.
func workload(apiVersion, kind, pod, more string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {}\nspec:\n  selector: {matchLabels: {app: x}}\n  " + more +
		"\n  template: {metadata: {labels: {app: x}}, spec: {" + container + ", " + pod + "}}\n"
}

func aJob(kind, pod, more string) string {
	spec := "template: {spec: {restartPolicy: Never, " + container + ", " + pod + "}}" + more
	if kind == "CronJob" {
		spec = `schedule: "@daily", jobTemplate: {spec: {` + spec + "}}"
	}
	return "apiVersion: batch/v1\nkind: " + kind + "\nmetadata: {}\nspec: {" + spec + "}\n"
}

func aClaim(more string) string {
	return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}" + more + "}\n"
}

func aService(spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {}\nspec: {" + spec + "}\n"
}

func anIngress(annotations, spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {annotations: {" + annotations + "}}\nspec: {" + spec + "}\n"
}

func ruleOf(host, backend string) string {
	return "{host: " + host + ", http: {paths: [{path: /, pathType: Prefix, backend: {" + backend + "}}]}}"
}

func anHTTPRoute(spec string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {}\nspec: {" + spec + "}\n"
}

const (
	toServe  = "service: {name: serve, port: {name: https}}"
	ours     = "messages.hotel.example"
	ourParts = "parentRefs: [{name: public, namespace: gateways}], hostnames: [" + ours + "], "
)

var (
	aRegionalPod = aPodYAML(selector)
	aFineClaim   = aClaim(", storageClassName: local-eu")
	aFineIngress = anIngress("", "ingressClassName: nginx, rules: ["+ruleOf(ours, toServe)+"]")
	aFineRoute   = anHTTPRoute(ourParts + "rules: [{backendRefs: [{name: serve, port: 443}]}]")
)

const outside = "it could run outside of region eu-central: demand "

// refusals are the rules for what is created.
func refusals() []refusal {
	return append(append(podRefusals(), storageRefusals()...), networkRefusals()...)
}

func podRefusals() []refusal {
	all := []refusal{
		{"a pod on a node of somebody's choice", aPodYAML(selector, "nodeName: far"), "spec.nodeName goes past the scheduler", aRegionalPod},
		{"a pod that says nothing of its region", aPodYAML(), outside, aRegionalPod},
		{"a pod with one label of two", aPodYAML("nodeSelector: {topology.kubernetes.io/region: eu-central}"), outside,
			aPodYAML("nodeSelector: {topology.kubernetes.io/region: eu-central}", affinity(term(inTenants)))},
		{"a pod of another region", aPodYAML(`nodeSelector: {topology.kubernetes.io/region: us-east, tenants: "yes"}`), outside, aRegionalPod},
		{"a pod one of whose terms leads elsewhere", aPodYAML(affinity(term(inRegion, inTenants), term(in("topology.kubernetes.io/region", "us-east"), inTenants))), outside,
			aPodYAML(affinity(term(inRegion, inTenants), term(inRegion, inTenants, in("disk", "ssd"))))},
		{"a pod of either of two regions", aPodYAML(affinity(term(in("topology.kubernetes.io/region", "eu-central, us-east"), inTenants))), outside,
			aPodYAML(affinity(term(inRegion, inTenants)))},
		{"a pod that only keeps out of a region", aPodYAML(affinity(term("{key: topology.kubernetes.io/region, operator: NotIn, values: [us-east]}", inTenants))), outside,
			aPodYAML(affinity(term(inRegion, inTenants)))},
		{"a pod that only prefers its region", aPodYAML("affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: " +
			term(inRegion, inTenants) + "}]}}"), outside, aPodYAML(affinity(term(inRegion, inTenants)))},
		{"a pod by a field of its node", aPodYAML(affinity("{matchFields: [{key: metadata.name, operator: In, values: [far]}]}")), outside,
			aPodYAML(selector, affinity("{matchFields: [{key: metadata.name, operator: In, values: [near]}]}"))}, // as a DaemonSet's
		{"a toleration of everything", aPodYAML(selector, "tolerations: [{operator: Exists}]"), "the toleration of everything is none of region eu-central",
			aPodYAML(selector, "tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]")},
		{"a toleration that the Region lacks", aPodYAML(selector, "tolerations: [{key: gpu, operator: Exists}]"), "the toleration of gpu is none of region eu-central",
			aPodYAML(selector, "tolerations: [{key: tenants, operator: Exists, effect: NoSchedule}]")},
		{"a toleration with a wider effect", aPodYAML(selector, "tolerations: [{key: tenants, operator: Exists}]"), "the toleration of tenants",
			aPodYAML(selector, "tolerations: [{key: tenants, operator: Exists, effect: NoSchedule}]")},
		{"the network of the node", aPodYAML(selector, "hostNetwork: true"), "hostNetwork, hostPID and hostIPC", aPodYAML(selector, "hostNetwork: false")},
		{"the processes of the node", aPodYAML(selector, "hostPID: true"), "hostNetwork, hostPID and hostIPC", aRegionalPod},
		{"the memory of the node", aPodYAML(selector, "hostIPC: true"), "hostNetwork, hostPID and hostIPC", aRegionalPod},
		{"a Job for another controller", aJob("Job", selector, ", managedBy: kueue.x-k8s.io/multikueue"), "spec.managedBy hands the Job", aJob("Job", selector, ", managedBy: kubernetes.io/job-controller")},
		{"a CronJob for another controller", aJob("CronJob", selector, ", managedBy: kueue.x-k8s.io/multikueue"), "spec.managedBy hands the Job", aJob("CronJob", selector, "")},
		{"a StatefulSet with volumes elsewhere", aStatefulSet("cheap"), "a volumeClaimTemplate is of another StorageClass", aStatefulSet("local-eu")},
	}
	for _, v := range []string{
		"hostPath: {path: /}", "nfs: {server: far.example, path: /}", "iscsi: {targetPortal: 192.0.2.1, iqn: iqn.2000-01.example:x, lun: 0}",
		"csi: {driver: far.example}", "rbd: {monitors: [far], image: x}", "image: {reference: far.example/x}",
	} {
		kind, _, _ := strings.Cut(v, ":")
		all = append(all, refusal{"a volume of type " + kind, aPodYAML(selector, "volumes: [{name: v, "+v+"}]"), "volume v is stored where the region does not say",
			aPodYAML(selector, "volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: x}}, {name: c, secret: {secretName: x}}, {name: d, persistentVolumeClaim: {claimName: x}}, "+
				"{name: e, downwardAPI: {items: []}}, {name: f, projected: {sources: []}}]")})
	}
	ephemeral := func(class string) string {
		return aPodYAML(selector, "volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: "+class+", resources: {requests: {storage: 1Gi}}}}}}]")
	}
	all = append(all, refusal{"an ephemeral volume elsewhere", ephemeral("cheap"), "an ephemeral volume is of another StorageClass", ephemeral("local-eu")})
	for _, w := range []struct{ version, kind, more string }{
		{"apps/v1", "Deployment", ""}, {"apps/v1", "ReplicaSet", ""}, {"apps/v1", "DaemonSet", ""}, {"apps/v1", "StatefulSet", "serviceName: x"},
	} {
		all = append(all,
			refusal{"a " + w.kind + " that says nothing of its region", workload(w.version, w.kind, "tolerations: []", w.more), outside, workload(w.version, w.kind, selector, w.more)},
			refusal{"a " + w.kind + " on a node of somebody's choice", workload(w.version, w.kind, selector+", nodeName: far", w.more), "spec.nodeName", workload(w.version, w.kind, selector, w.more)})
	}
	all = append(all, refusal{"a ReplicationController that says nothing of its region",
		"apiVersion: v1\nkind: ReplicationController\nmetadata: {}\nspec: {selector: {app: x}, template: {metadata: {labels: {app: x}}, spec: {" + container + "}}}\n", outside,
		"apiVersion: v1\nkind: ReplicationController\nmetadata: {}\nspec: {selector: {app: x}, template: {metadata: {labels: {app: x}}, spec: {" + container + ", " + selector + "}}}\n"})
	for _, kind := range []string{"Job", "CronJob"} {
		all = append(all, refusal{"a " + kind + " that says nothing of its region", aJob(kind, "tolerations: []", ""), outside, aJob(kind, selector, "")})
	}
	return all
}

func aStatefulSet(class string) string {
	return workload("apps/v1", "StatefulSet", selector, "serviceName: x\n  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: "+
		class+", resources: {requests: {storage: 1Gi}}}}]")
}

func storageRefusals() []refusal {
	snapshot := func(kind, class, source string) string {
		group := "snapshot.storage.k8s.io"
		if kind == "VolumeGroupSnapshot" {
			group = "groupsnapshot.storage.k8s.io"
		}
		return "apiVersion: " + group + "/v1\nkind: " + kind + "\nmetadata: {}\nspec: {volumeSnapshotClassName: " + class + ", source: {" + source + "}}\n"
	}
	fromClaim := "persistentVolumeClaimName: data"
	return []refusal{
		{"a claim of another class", aClaim(", storageClassName: cheap"), "StorageClass cheap is not that of region eu-central: use local-eu", aFineClaim},
		{"a claim of no class", aClaim(`, storageClassName: ""`), "StorageClass none is not that of region eu-central: use local-eu", aFineClaim},
		{"a claim of a volume of somebody's choice", aClaim(", storageClassName: local-eu, volumeName: far"), "spec.volumeName picks a volume", aFineClaim},
		{"a claim for a node of somebody's choice", strings.Replace(aFineClaim, "metadata: {}", "metadata: {annotations: {volume.kubernetes.io/selected-node: far}}", 1),
			"leave it to the scheduler", strings.Replace(aFineClaim, "metadata: {}", "metadata: {annotations: {seen: far}}", 1)},
		{"a clone into another class", aClaim(", storageClassName: cheap, dataSource: {kind: PersistentVolumeClaim, name: data}"), "StorageClass cheap is not",
			aClaim(", storageClassName: local-eu, dataSource: {kind: PersistentVolumeClaim, name: data}")},
		{"a volume filled by somebody", aClaim(", storageClassName: local-eu, dataSourceRef: {apiGroup: far.example, kind: Bucket, name: x}"), "filled from where nobody can say",
			aClaim(", storageClassName: local-eu, dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: x}")},
		{"a snapshot of another class", snapshot("VolumeSnapshot", "cheap", fromClaim), "make a VolumeSnapshot of class snap-eu", snapshot("VolumeSnapshot", "snap-eu", fromClaim)},
		{"a snapshot that is somewhere", snapshot("VolumeSnapshot", "snap-eu", "volumeSnapshotContentName: far"), "takes up a snapshot that may be anywhere", snapshot("VolumeSnapshot", "snap-eu", fromClaim)},
		{"a snapshot of many", snapshot("VolumeGroupSnapshot", "snap-eu", fromClaim), "make a VolumeSnapshot of class snap-eu", ""},
	}
}

func networkRefusals() []refusal {
	fine := aService("selector: {app: x}, ports: [{port: 443}]")
	policy := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {}\nspec: {podSelector: {}, " + spec + "}\n"
	}
	elsewhere := "leave mirrors, snippets, redirects"
	filter := func(f string) string {
		return anHTTPRoute(ourParts + "rules: [{filters: [" + f + "], backendRefs: [{name: serve, port: 443}]}]")
	}
	all := []refusal{
		{"a Service behind a load balancer", aService("type: LoadBalancer, ports: [{port: 443}]"), "a Service of type LoadBalancer lets requests in", fine},
		{"a Service on every node", aService("type: NodePort, ports: [{port: 443}]"), "a Service of type NodePort lets requests in", fine},
		{"a Service that is a name elsewhere", aService("type: ExternalName, externalName: far.example"), "a Service of type ExternalName leads out of the region", aService("clusterIP: None, selector: {app: x}")},
		{"a Service with addresses of its own", aService("externalIPs: [192.0.2.1], ports: [{port: 443}]"), "externalIPs lead requests in", fine},
		{"endpoints by hand", "apiVersion: v1\nkind: Endpoints\nmetadata: {}\nsubsets: [{addresses: [{ip: 192.0.2.1}]}]\n", "a Endpoints by hand can lead anywhere", ""},
		{"an endpoint slice by hand", "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n", "a EndpointSlice by hand can lead anywhere", ""},
		{"a Service for other clusters", "apiVersion: multicluster.x-k8s.io/v1\nkind: ServiceExport\nmetadata: {}\n", "a ServiceExport by hand", ""},
		{"a policy that opens egress", policy("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]"), "what a tenant may send is opened by the operator alone",
			policy("policyTypes: [Egress]")},
		{"a policy that opens egress besides ingress", policy("ingress: [{}], egress: [{}]"), "what a tenant may send", policy("ingress: [{}]")},
		{"a policy of the network plugin", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {}\nspec: {egress: [{toEntities: [world]}]}\n", "what a tenant may send", ""},
		{"an Ingress of another host", anIngress("", "ingressClassName: nginx, rules: ["+ruleOf("other.example", toServe)+"]"), "for host " + ours + " alone", aFineIngress},
		{"an Ingress of another host besides", anIngress("", "ingressClassName: nginx, rules: ["+ruleOf(ours, toServe)+", "+ruleOf("other.example", toServe)+"]"), "for host " + ours + " alone", aFineIngress},
		{"an Ingress of all hosts", anIngress("", "ingressClassName: nginx, defaultBackend: {"+toServe+"}"), "leave defaultBackend out", aFineIngress},
		{"an Ingress of another class", anIngress("", "ingressClassName: far, rules: ["+ruleOf(ours, toServe)+"]"), "are of class nginx: set spec.ingressClassName", aFineIngress},
		{"an Ingress to something else", anIngress("", "ingressClassName: nginx, rules: ["+ruleOf(ours, "resource: {apiGroup: far.example, kind: Bucket, name: x}")+"]"), "use backend.service", aFineIngress},
		{"a Gateway", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {}\nspec: {gatewayClassName: far}\n", "a Gateway opens the tenant's namespace",
			"apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {}\nspec: {validation: {hostname: serve}}\n"},
		{"an HTTPRoute of another host", anHTTPRoute("parentRefs: [{name: public, namespace: gateways}], hostnames: [other.example]"), "set hostnames to it", aFineRoute},
		{"an HTTPRoute of all hosts", anHTTPRoute("parentRefs: [{name: public, namespace: gateways}]"), "set hostnames to it", aFineRoute},
		{"an HTTPRoute of another Gateway", anHTTPRoute("parentRefs: [{name: far, namespace: gateways}], hostnames: [" + ours + "]"), "are served by Gateway public of namespace gateways", aFineRoute},
		{"an HTTPRoute of a Gateway here", anHTTPRoute("parentRefs: [{name: public}], hostnames: [" + ours + "]"), "are served by Gateway public", aFineRoute},
		{"an HTTPRoute to another namespace", anHTTPRoute(ourParts + "rules: [{backendRefs: [{name: serve, namespace: other, port: 443}]}]"), "a backend that is no Service of this namespace", aFineRoute},
		{"an HTTPRoute to something else", anHTTPRoute(ourParts + "rules: [{backendRefs: [{group: far.example, kind: Bucket, name: x}]}]"), "a backend that is no Service of this namespace", aFineRoute},
		{"an HTTPRoute with a mirror", filter("{type: RequestMirror, requestMirror: {backendRef: {name: far, namespace: other}}}"), "a filter sends requests elsewhere",
			filter("{type: RequestHeaderModifier, requestHeaderModifier: {}}")},
		{"an HTTPRoute with an extension at a backend", anHTTPRoute(ourParts + "rules: [{backendRefs: [{name: serve, filters: [{type: ExtensionRef}]}]}]"), "a filter sends requests elsewhere", aFineRoute},
		{"an HTTPRoute that leads guests elsewhere", filter("{type: RequestRedirect, requestRedirect: {hostname: other.example}}"), "a filter sends requests elsewhere",
			filter("{type: RequestRedirect, requestRedirect: {scheme: https}}")},
	}
	for _, key := range []string{"mirror-target", "configuration-snippet", "auth-url", "permanent-redirect", "upstream-vhost"} {
		all = append(all, refusal{"an Ingress with " + key, anIngress("nginx.ingress.kubernetes.io/"+key+": https://far.example", "ingressClassName: nginx, rules: ["+ruleOf(ours, toServe)+"]"), elsewhere,
			anIngress(`nginx.ingress.kubernetes.io/backend-protocol: HTTPS, nginx.ingress.kubernetes.io/ssl-redirect: "true"`, "ingressClassName: nginx, rules: ["+ruleOf(ours, toServe)+"]")})
	}
	return all
}
