package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Store gives the object store of a tenant, when it names one and its region's register lists that.
func Store(in Tenant) (*contract.ObjectStore, *Refusal) {
	wanted := in.Tenant.Spec.ObjectStore
	if wanted == nil {
		return nil, nil
	}
	registered := in.registered()
	if registered == nil {
		return nil, &Refusal{Reason: v1alpha1.ReasonObjectStoreNotRegistered, Message: fmt.Sprintf(
			"object store %q is not in the register of region %s: name one that is, or have it added to the Region's spec.objectStores; until then nothing is stored there",
			wanted.Name, in.Region.Name)}
	}
	return &contract.ObjectStore{
		Name: registered.Name, Endpoint: registered.Endpoint, Location: registered.Location, CABundle: registered.CABundle,
		Bucket: wanted.Bucket, Prefix: StorePrefix(in),
	}, nil
}

// StorePrefix begins the keys of a tenant's objects. Neither part of it can change while the tenant lives.
func StorePrefix(in Tenant) string { return in.Tenant.Spec.Region + "/" + in.Tenant.Name + "/" }

// registered gives the register's entry of the tenant's store, nil when there is none.
func (in Tenant) registered() *v1alpha1.ObjectStore {
	for i := range in.Region.Spec.ObjectStores {
		if s := &in.Region.Spec.ObjectStores[i]; s.Name == in.Tenant.Spec.ObjectStore.Name {
			return s
		}
	}
	return nil
}

// stored gives a pod's first container the tenant's object store, if it has one. The Secret may be missing: deletion
// in the database goes on without it, and tells that the store can't be reached.
func (in Tenant) stored(pod corev1.PodSpec) corev1.PodSpec {
	return in.storedAt(pod, "object-store", contract.DirObjectStore)
}

// storedAt is stored for a pod that has another store too: volume and dir are this one's.
func (in Tenant) storedAt(pod corev1.PodSpec, volume, dir string) corev1.PodSpec {
	store, _ := Store(in)
	if store == nil {
		return pod
	}
	yes := true
	secret := secretVolume(volume, in.Tenant.Spec.ObjectStore.CredentialsSecretRef.Name)
	secret.Secret.Optional = &yes
	for _, key := range []string{contract.FileAccessKeyID, contract.FileSecretAccessKey, contract.FileSessionToken} {
		secret.Secret.Items = append(secret.Secret.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	pod.Volumes = append(pod.Volumes, secret)
	c := &pod.Containers[0]
	c.Env = append(c.Env, corev1.EnvVar{Name: contract.EnvObjectStore, Value: mustJSON(store)})
	c.VolumeMounts = append(c.VolumeMounts, mount(volume, dir))
	return pod
}

// storePolicy lets those who work with objects out to the store, and nobody else.
func storePolicy(in Tenant) *networkingv1.NetworkPolicy {
	p := in.networkPolicy("object-store", nil, nil, in.to(in.registered().Egress), in.Tenant, "Tenant")
	p.Spec.PodSelector = in.anyOf(componentBackup, componentBucket, componentConnector, componentExport, componentRestore, componentRetain, componentServe, componentSubject)
	return p
}

// CheckBucket is the Job that asks the tenant's store whether its bucket may be used. credentials is the version of its Secret: other
// credentials, and another register, are another question.
func CheckBucket(in Tenant, credentials string) *batchv1.Job {
	job := in.bucketJob("")
	sum := sha256.Sum256([]byte(mustJSON(job.Spec) + credentials))
	job.Name = name.Bucket(hex.EncodeToString(sum[:8]))
	return job
}

// emptyPatience is how long a store that is down is tried again, and EmptyDeadline how long a tenant's erasure waits for
// its objects to go, from when the Tenant was deleted.
const (
	emptyPatience = "50m"
	EmptyDeadline = 90 * time.Minute
)

// EmptyBucket is the Job that removes all that a tenant has in its store.
func EmptyBucket(in Tenant) *batchv1.Job {
	job := in.bucketJob(name.EmptyBucket)
	c := &job.Spec.Template.Spec.Containers[0]
	c.Args = append(c.Args, "--empty", "--patience="+emptyPatience)
	return job
}

func (in Tenant) bucketJob(job string) *batchv1.Job {
	container := in.instance("bucket", need{cpu: "25m", memory: "48Mi", memoryLimit: "128Mi"}, nil, nil)
	pod := in.stored(in.pod(instanceUser, []corev1.Container{container}, nil))
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(1), int64(60*60)
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta(job, componentBucket),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentBucket)}, Spec: pod},
		},
	}
}

// BucketLabels select the Jobs that ask a tenant's store.
func BucketLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentBucket
	return l
}
