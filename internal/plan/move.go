package plan

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// there is the tenant as it is to be in the region that it moves to.
func (in Tenant) there() Tenant {
	t := in
	t.Region, t.Incoming, t.Database = in.Incoming, nil, name.DatabaseIn(in.Incoming.Name)
	t.Claim, t.DatabaseStopped = nil, false
	if in.Claim != nil {
		t.Claim = in.Claim.DeepCopy()
		t.Claim.StorageClassName, t.Claim.VolumeName = nil, ""
		if class := t.Region.Spec.StorageClassName; class != "" {
			t.Claim.StorageClassName = &class
		}
	}
	return t
}

// MoveDoors are how both databases and who moves them reach each other, while a tenant is moved.
func MoveDoors(in Tenant) []client.Object {
	there := name.DatabaseIn(in.Incoming.Name)
	door := service(in.tenantMeta(there, componentMove), in.databasePod(there), "postgres", contract.PortPostgres, intstr.FromString("postgres"))
	door.Spec.PublishNotReadyAddresses = true
	movers := networkingv1.NetworkPolicyIngressRule{
		From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: labelComponent, Operator: metav1.LabelSelectorOpIn, Values: []string{componentDatabase, componentMove},
		}}}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres)},
	}
	out := append(in.toDatabase(), toDNS())
	all := []*networkingv1.NetworkPolicy{
		in.networkPolicy("move", in.selector(componentMove), nil, out, in.Tenant, "Tenant"),
		in.networkPolicy("move-database", in.selector(componentDatabase), []networkingv1.NetworkPolicyIngressRule{movers}, out, in.Tenant, "Tenant"),
	}
	objects := []client.Object{door}
	for _, p := range all {
		p.Labels = in.labels(componentMove) // what is labelled as isolation is pruned with it
		objects = append(objects, p)
	}
	return objects
}

// MoveClaim is the volume of the database in the region that a tenant moves to: as large as the one that it has. It has no
// owner (docs/design/0001).
func MoveClaim(in Tenant) *corev1.PersistentVolumeClaim {
	there := in.there()
	claim := there.volumeClaim()
	claim.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
	claim.Name, claim.Namespace = name.DatabaseClaim(there.Database), in.Namespace()
	return &claim
}

// CopyJob fills that volume, in its region, by the login of backups.
func CopyJob(in Tenant) *batchv1.Job {
	there := in.there()
	container := there.instance("standby", need{cpu: "50m", memory: "64Mi", memoryLimit: "256Mi"}, nil,
		[]corev1.VolumeMount{{Name: "data", MountPath: contract.DirData}, mount("database", contract.DirDatabase)})
	pod := there.pod(postgresUser, []corev1.Container{container}, []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name.DatabaseClaim(there.Database)}}},
		in.databaseVolume(contract.ComponentBackup),
	})
	return in.moveJob(name.Copy(there.Database), pod, 24*60*60, 2)
}

// MoveDatabase is the database in the region that a tenant moves to: the one that it has when it was switched.
func MoveDatabase(in Tenant) *appsv1.StatefulSet { return postgres(in.there()) }

// CutOverJob hands the database over, by its superuser.
func CutOverJob(in Tenant) *batchv1.Job {
	there := name.DatabaseIn(in.Incoming.Name)
	return in.moveJob(name.CutOver(there), in.superuser("cutover", corev1.EnvVar{Name: contract.EnvTarget, Value: name.Host(there, in.Namespace())}), 60*60, 1)
}

// ReopenJob opens the database again that a tenant does not leave after all; there is the StatefulSet that it would have become.
func ReopenJob(in Tenant, there string) *batchv1.Job {
	return in.moveJob(name.Reopen(there), in.superuser("reopen"), 10*60, 2)
}

func (in Tenant) superuser(command string, env ...corev1.EnvVar) corev1.PodSpec {
	container := in.instance(command, need{cpu: "50m", memory: "48Mi", memoryLimit: "128Mi"}, env,
		[]corev1.VolumeMount{mount("database", contract.DirDatabase)})
	return in.pod(instanceUser, []corev1.Container{container}, []corev1.Volume{in.databaseVolume(name.Admin)})
}

func (in Tenant) moveJob(jobName string, pod corev1.PodSpec, deadline int64, retries int32) *batchv1.Job {
	pod.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta(jobName, componentMove),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentMove)}, Spec: pod},
		},
	}
}

// MoveLabels select what is there only while a tenant is moved, but for the database and its volume.
func MoveLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentMove
	return l
}

// IsMove says that an object is there only while a tenant is moved.
func IsMove(o client.Object) bool { return o.GetLabels()[labelComponent] == componentMove }

// Affinity of every pod of a tenant.
func Affinity(in Tenant) *corev1.Affinity { return in.affinity() }
