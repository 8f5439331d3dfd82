package plan

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

func exportPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("export", in.selector(componentExport), nil, in.toDatabase(), in.Tenant, "Tenant")
}

func adoptPolicy(in Tenant) *networkingv1.NetworkPolicy {
	return in.networkPolicy("adopt", in.selector(componentAdopt), nil, in.toDatabase(), in.Tenant, "Tenant")
}

// exportNeed holds the parts of an upload beside the snapshot's stream.
var exportNeed = need{cpu: "50m", memory: "96Mi", memoryLimit: "256Mi"}

// Export is the Job that takes a tenant out into the object store of its spec.export, with
// what it needs: resources (YAML), and the way there. Their name bears the hash of what was
// asked for, so that a change makes new ones.
func Export(in Tenant, resources []byte) []client.Object {
	x := in.Tenant.Spec.Export
	sum := sha256.Sum256([]byte(mustJSON(x)))
	meta := in.tenantMeta(name.Export(hex.EncodeToString(sum[:5])), componentExport)
	container := in.instance("export", exportNeed, []corev1.EnvVar{{Name: contract.EnvExport, Value: mustJSON(exportOf(in))}},
		[]corev1.VolumeMount{
			mount("database", contract.DirDatabase), mount("keys", contract.DirKeys), mount("resources", contract.DirResources), mount("object-store", contract.DirObjectStore),
		})
	yes := true
	credentials := secretVolume("object-store", x.ObjectStore.CredentialsSecretRef.Name)
	// Nothing else of a Secret that anybody can name is ever mounted. What is missing is told by the Job.
	credentials.Secret.Optional = &yes
	for _, key := range []string{contract.FileAccessKeyID, contract.FileSecretAccessKey, contract.FileSessionToken} {
		credentials.Secret.Items = append(credentials.Secret.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	pod := guarded(in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(contract.ComponentExport), secretVolume("keys", name.Keys), credentials,
		{Name: "resources", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: meta.Name}}}},
	}))
	pod = in.storedAt(pod, "files", contract.DirFiles)
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(3), int64(24*60*60)
	objects := []client.Object{
		&corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: meta,
			BinaryData: map[string][]byte{contract.FileResources: resources},
		},
		&batchv1.Job{
			TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta,
			Spec: batchv1.JobSpec{
				BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentExport)}, Spec: pod},
			},
		},
	}
	if e := x.ObjectStore.Egress; e != nil {
		p := in.networkPolicy(meta.Name, in.selector(componentExport), nil, in.to(*e), in.Tenant, "Tenant")
		p.Labels = in.labels(componentExport) // what is labelled as isolation is pruned with it
		objects = append([]client.Object{p}, objects...)
	}
	return objects
}

func exportOf(in Tenant) contract.Export {
	x := in.Tenant.Spec.Export
	s := x.ObjectStore
	return contract.Export{
		Recipient: x.Recipient, Object: name.ExportObject(in.Tenant.Name, string(in.Tenant.UID)),
		Store: contract.ObjectStore{
			Name: "export", Endpoint: s.Endpoint, Location: s.Location, Bucket: s.Bucket, Prefix: slashed(s.Prefix), CABundle: s.CABundle,
		},
	}
}

func slashed(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + "/"
}

// ExportLabels select what Export makes.
func ExportLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentExport
	return l
}

// IsQuiet says that a pod is none that brings anything in: the database, an export, or a probe.
func IsQuiet(pod client.Object) bool {
	c := pod.GetLabels()[labelComponent]
	return c == componentDatabase || c == componentExport || c == componentProbe
}

// StandBy is a pod in which the plugin runs an export or an adoption: its component's login,
// the keys of hashes, and nothing that it does by itself. It ends after hours at the latest.
func StandBy(in Tenant, component, podName string, hours int) *corev1.Pod {
	container := in.instance(component, exportNeed, nil, []corev1.VolumeMount{mount("database", contract.DirDatabase), mount("keys", contract.DirKeys)})
	container.Args = []string{component, "--stand-by"}
	pod := guarded(in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{in.databaseVolume(component), secretVolume("keys", name.Keys)}))
	if component == componentExport {
		pod = in.storedAt(pod, "files", contract.DirFiles)
	}
	pod.RestartPolicy = corev1.RestartPolicyNever
	deadline := int64(hours) * 60 * 60
	pod.ActiveDeadlineSeconds = &deadline
	grace := int64(5)
	pod.TerminationGracePeriodSeconds = &grace
	meta := in.tenantMeta(podName, component)
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta, Spec: pod}
}

// resources renders what the platform asked for of a tenant, without status, without what
// belongs to this cluster, and without Secrets: it is applied elsewhere to bring the tenant
// in there.
func resources(objects ...client.Object) ([]byte, error) {
	var all bytes.Buffer
	for _, o := range objects {
		raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil, fmt.Errorf("rendering %s %s: %w", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), err)
		}
		meta := map[string]any{"name": o.GetName()}
		if o.GetNamespace() != "" {
			meta["namespace"] = o.GetNamespace()
		}
		b, err := yaml.Marshal(map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": kindOf(o), "metadata": meta, "spec": raw["spec"],
		})
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", o.GetName(), err)
		}
		all.WriteString("---\n")
		all.Write(b)
	}
	return all.Bytes(), nil
}

// ResourcesOf renders a tenant and what stands in its namespace, in their order by kind and name: what is
// applied elsewhere to bring the tenant in there.
func ResourcesOf(tenant *v1alpha1.Tenant, channels []v1alpha1.Channel, policies []v1alpha1.RetentionPolicy, holds []v1alpha1.LegalHold) ([]byte, error) {
	moved := tenant.DeepCopy()
	moved.Spec.Export = nil // it was for here
	objects := []client.Object{moved}
	for i := range channels {
		objects = append(objects, &channels[i])
	}
	for i := range policies {
		objects = append(objects, &policies[i])
	}
	for i := range holds {
		objects = append(objects, &holds[i])
	}
	slices.SortStableFunc(objects[1:], func(a, b client.Object) int {
		return cmp.Or(cmp.Compare(kindOf(a), kindOf(b)), cmp.Compare(a.GetName(), b.GetName()))
	})
	return resources(objects...)
}

// kindOf names what resources renders: objects from a cache don't say what they are.
func kindOf(o client.Object) string {
	switch o.(type) {
	case *v1alpha1.Tenant:
		return "Tenant"
	case *v1alpha1.Channel:
		return "Channel"
	case *v1alpha1.RetentionPolicy:
		return "RetentionPolicy"
	case *v1alpha1.LegalHold:
		return "LegalHold"
	default:
		return fmt.Sprintf("%T", o)
	}
}
