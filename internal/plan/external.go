package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// external is a server that a provider runs. Where it is, and the login that owns it, stand in a Secret of the tenant's
// namespace; they are mounted beside each component's own login, so that a change of them needs no restart.
type external struct{}

// userKey is the key of the Secret with the login's name.
const userKey = "user"

func (external) Objects(Tenant) []client.Object { return nil }

// Policies lets the Jobs that ask and empty the server out to it.
func (e external) Policies(in Tenant) []client.Object {
	return []client.Object{in.networkPolicy("database", in.selector(componentExternal), nil,
		e.Way(in), in.Tenant, "Tenant")}
}

func (external) Service() string { return "" }

func (external) Way(in Tenant) []networkingv1.NetworkPolicyEgressRule {
	return in.to(External(in.Region).Egress)
}

func (external) Place(Tenant) []corev1.EnvVar { return nil }

func (external) Login(in Tenant, component string) corev1.Volume {
	items := map[string]string{
		contract.FileHost: contract.FileHost, contract.FilePort: contract.FilePort, contract.FileDatabase: contract.FileDatabase, contract.FileCA: contract.FileCA,
	}
	var sources []corev1.VolumeProjection
	if component == name.Admin {
		items[userKey] = contract.FileUsername
		for _, key := range []string{contract.FilePassword, contract.FileTLSCert, contract.FileTLSKey} {
			items[key] = key
		}
	} else {
		sources = append(sources, projected(name.Credentials(component, max(in.Versions[component], 1)), false,
			map[string]string{contract.FileUsername: contract.FileUsername, contract.FilePassword: contract.FilePassword}))
	}
	// Some keys may be missing: whether what is there is enough is for the check to say.
	sources = append(sources, projected(External(in.Region).CredentialsSecretRef.Name, true, items))
	return corev1.Volume{Name: "database", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: &secretMode}}}
}

// ServerUser is nobody here.
func (external) ServerUser() int64 { return instanceUser }

func (external) NoBackups() string {
	return "the database is backed up by its provider, and not by the operator: take spec.backup out; how long the provider keeps copies is not known here"
}

// Certificates are the provider's.
func (external) Certificates() Certificates { return Certificates{} }

// projected gives keys of a Secret as files.
func projected(secret string, optional bool, files map[string]string) corev1.VolumeProjection {
	p := &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}
	if optional {
		p.Optional = &optional
	}
	for key, file := range files {
		p.Items = append(p.Items, corev1.KeyToPath{Key: key, Path: file})
	}
	slices.SortFunc(p.Items, func(a, b corev1.KeyToPath) int { return cmp.Compare(a.Path, b.Path) })
	return corev1.VolumeProjection{Secret: p}
}

// DatabasePlace refuses servers that are outside of the region's jurisdiction without a mechanism.
func DatabasePlace(region *v1alpha1.Region) *Refusal {
	e := External(region)
	if e == nil || e.TransferMechanism != "" || Within(e.Location, region.Spec.Jurisdiction) {
		return nil
	}
	return &Refusal{Reason: v1alpha1.ReasonTransferNotCovered, Message: fmt.Sprintf(
		"the databases of region %s are in %s, outside of jurisdiction %s, and spec.database.external names no transferMechanism: have one added, or use servers inside of it",
		region.Name, e.Location, region.Spec.Jurisdiction)}
}

// CheckExternal looks whether a Secret may lead to a tenant's server; nil when it may.
func CheckExternal(in Tenant, secret map[string][]byte) *Refusal {
	e := External(in.Region)
	about := fmt.Sprintf("Secret %s in namespace %s ", e.CredentialsSecretRef.Name, in.Namespace())
	for _, key := range []string{contract.FileHost, contract.FileDatabase, userKey, contract.FileCA} {
		if len(secret[key]) == 0 {
			return &Refusal{v1alpha1.ReasonKeyMissing, about + "has no key " + key + ": it needs host, dbname, user, ca.crt, and password or tls.crt and tls.key"}
		}
	}
	certificate := len(secret[contract.FileTLSCert]) > 0
	switch {
	case certificate != (len(secret[contract.FileTLSKey]) > 0):
		return &Refusal{v1alpha1.ReasonKeyMissing, about + "has one of the keys tls.crt and tls.key, and needs both or none"}
	case !certificate && len(secret[contract.FilePassword]) == 0:
		return &Refusal{v1alpha1.ReasonKeyMissing, about + "has no key password, nor tls.crt and tls.key: give one of them"}
	}
	port, err := strconv.ParseUint(cmp.Or(string(secret[contract.FilePort]), strconv.Itoa(contract.PortPostgres)), 10, 16)
	if err != nil || !slices.Contains(e.Egress.Ports, v1alpha1.Port(port)) { //nolint:gosec // has 16 bits
		return &Refusal{v1alpha1.ReasonDatabaseUnreachable, about + "has a port that is not among the Region's spec.database.external.egress.ports: pods may connect to those alone"}
	}
	return nil
}

// claim marks a provider's server as this tenant's.
func (in Tenant) claim() []corev1.EnvVar {
	if External(in.Region) == nil {
		return nil
	}
	return []corev1.EnvVar{{Name: contract.EnvDatabaseClaim, Value: in.Tenant.Spec.Region + "/" + in.Tenant.Name}}
}

// CheckDatabase is the Job that asks a provider's server whether the tenant may use it. credentials is the version of the
// Secret: another one is another question.
func CheckDatabase(in Tenant, credentials string) *batchv1.Job {
	job := in.externalJob("", 0, 120)
	sum := sha256.Sum256([]byte(mustJSON(job.Spec) + credentials))
	job.Name = name.CheckDatabase(hex.EncodeToString(sum[:8]))
	return job
}

// EraseDeadline is how long a tenant's erasure waits for its schemas and roles to go from a provider's server.
const EraseDeadline = 40 * time.Minute

// EraseDatabase is the Job that removes a tenant's schemas and roles from a provider's server.
func EraseDatabase(in Tenant) *batchv1.Job {
	job := in.externalJob(name.EraseDatabase, 6, int64(30*60))
	c := &job.Spec.Template.Spec.Containers[0]
	c.Args = append(c.Args, "--erase")
	return job
}

func (in Tenant) externalJob(job string, retries int32, deadline int64) *batchv1.Job {
	container := in.instance("database", need{cpu: "25m", memory: "32Mi", memoryLimit: "96Mi"}, in.claim(), []corev1.VolumeMount{mount("database", contract.DirDatabase)})
	pod := in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{in.databaseVolume(name.Admin)})
	pod.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta(job, componentExternal),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentExternal)}, Spec: pod},
		},
	}
}

// ExternalLabels select the Jobs that ask or empty a provider's server.
func ExternalLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentExternal
	return l
}
