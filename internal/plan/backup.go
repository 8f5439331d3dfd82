package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// Backups unless told otherwise.
const (
	defaultBackupSchedule = "30 1 * * *"
	defaultKeepDays       = 7
)

// BackupOf gives how a tenant is backed up: as it says itself, else as its Region does;
// nil when neither says anything.
func BackupOf(in Tenant) *v1alpha1.Backup {
	if b := in.Tenant.Spec.Backup; b != nil {
		return b
	}
	if d := in.Region.Spec.Database; d != nil {
		return d.Backup
	}
	return nil
}

// BackupDue is when the next backup after a time is due. Its error says how to write a schedule.
func BackupDue(b *v1alpha1.Backup, after time.Time) (time.Time, error) {
	schedule, err := cron.ParseStandard(backupSchedule(b))
	if err != nil {
		return time.Time{}, fmt.Errorf("the schedule of backups can't be read: use five fields (minute hour day month weekday) such as %q", defaultBackupSchedule)
	}
	return schedule.Next(after.UTC()), nil
}

// CopiesExpireBy is when what is deleted today is gone from the last copy: the first run after
// the time of the newest one, taken at a time, is over.
func CopiesExpireBy(b *v1alpha1.Backup, taken time.Time, keepDays int32) (time.Time, error) {
	return BackupDue(b, taken.Add(time.Duration(keepDays)*24*time.Hour-contract.BackupSlack))
}

func backupSchedule(b *v1alpha1.Backup) string { return cmp.Or(b.Schedule, defaultBackupSchedule) }

// KeepDays says how many days copies are kept: as long as was asked for, but no longer than
// the shortest limit in force, so that what was deleted outlives its limit once at most.
// by is the policy and category that bound it, empty when none does.
func KeepDays(b *v1alpha1.Backup, limits []contract.Retention) (days int32, by string) {
	days = defaultKeepDays
	if b.KeepDays != nil {
		days = *b.KeepDays
	}
	for _, l := range limits {
		if l.Mode != contract.ModeEnforce {
			continue
		}
		for _, rule := range l.Rules {
			if rule.RetainDays < days {
				days, by = rule.RetainDays, l.Policy+"/"+rule.Category
			}
		}
	}
	return days, by
}

// Backups are what backs a tenant up, behind the volume of its backups where it has one: BackupClaim.
func Backups(in Tenant, b *v1alpha1.Backup, keepDays int32) []client.Object {
	return []client.Object{backupPolicy(in), backupJob(in, b, keepDays)}
}

// ToObjectStore says that backups go into the tenant's object store, and refuses when it has none that may be used.
func ToObjectStore(in Tenant, b *v1alpha1.Backup) (bool, *Refusal) {
	if b.Destination != v1alpha1.BackupToObjectStore {
		return false, nil
	}
	store, refusal := Store(in)
	if store == nil && refusal == nil {
		refusal = &Refusal{v1alpha1.ReasonObjectStoreNotRegistered, "backups are asked for in an object store, and the Tenant names none: set spec.objectStore, or take destination out of the backup"}
	}
	return true, refusal
}

// BackupClaim is the volume of a tenant's backups. It has no owner: backups outlive a Tenant that is deleted with Retain (docs/design/0001).
func BackupClaim(in Tenant, b *v1alpha1.Backup) *corev1.PersistentVolumeClaim {
	database := in.volumeClaim()
	size := database.Spec.Resources.Requests[corev1.ResourceStorage]
	if b.Storage != nil {
		size = *b.Storage
	}
	meta := in.tenantMeta(name.Backups, componentBackup)
	meta.OwnerReferences = nil
	return &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}, ObjectMeta: meta,
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
			StorageClassName: database.Spec.StorageClassName,
		},
	}
}

func backupPolicy(in Tenant) *networkingv1.NetworkPolicy {
	p := in.networkPolicy("backup", in.selector(componentBackup), nil, in.toDatabase(), in.Tenant, "Tenant")
	p.Labels = in.labels(componentBackup) // what is labelled as isolation is pruned with it
	return p
}

func backupJob(in Tenant, b *v1alpha1.Backup, keepDays int32) *batchv1.CronJob {
	labels := in.labels(componentBackup)
	container := in.instance("backup", need{cpu: "50m", memory: "48Mi", memoryLimit: "128Mi"},
		[]corev1.EnvVar{{Name: contract.EnvKeepDays, Value: strconv.Itoa(int(keepDays))}},
		[]corev1.VolumeMount{mount("database", contract.DirDatabase), mount("key", contract.DirBackupKey)})
	// The database's own user: it reads the files when they are put back.
	pod := in.keeping(b, guarded(in.pod(in.engine().ServerUser(), []corev1.Container{container}, []corev1.Volume{
		in.databaseVolume(contract.ComponentBackup), backupKey(contract.FileRecipient),
	})), false)
	pod.RestartPolicy = corev1.RestartPolicyNever
	zone, history, retries, deadline, no := defaultTimeZone, int32(3), int32(2), int64(6*60*60), false
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: in.meta(name.Backup, labels, in.Tenant, "Tenant"),
		Spec: batchv1.CronJobSpec{
			Schedule: backupSchedule(b), TimeZone: &zone, Suspend: &no, ConcurrencyPolicy: batchv1.ForbidConcurrent,
			SuccessfulJobsHistoryLimit: &history, FailedJobsHistoryLimit: &history,
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: batchv1.JobSpec{
					BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
					Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
				},
			},
		},
	}
}

// keeping gives a pod's first container the place where backups are.
func (in Tenant) keeping(b *v1alpha1.Backup, pod corev1.PodSpec, readOnly bool) corev1.PodSpec {
	if away, _ := ToObjectStore(in, b); away {
		return in.stored(pod)
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "backups", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name.Backups},
	}})
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "backups", MountPath: contract.DirBackups, ReadOnly: readOnly})
	return pod
}

// backupKey mounts one half of the key of backups alone.
func backupKey(half string) corev1.Volume {
	v := secretVolume("key", name.BackupKey)
	v.Secret.Items = []corev1.KeyToPath{{Key: half, Path: half}}
	return v
}

// RestoreJob puts a backup in the place of the database's data, which is in a claim. request is what asked for it.
func RestoreJob(in Tenant, request, file, claim string) *batchv1.Job {
	sum := sha256.Sum256([]byte(request))
	container := in.instance("restore", need{cpu: "50m", memory: "64Mi", memoryLimit: "256Mi"},
		[]corev1.EnvVar{{Name: contract.EnvBackup, Value: file}},
		[]corev1.VolumeMount{{Name: "data", MountPath: contract.DirData}, mount("key", contract.DirBackupKey)})
	b := BackupOf(in)
	if b == nil {
		b = &v1alpha1.Backup{} // nobody asks for backups any more: what was made stands on the volume
	}
	pod := in.keeping(b, in.pod(in.engine().ServerUser(), []corev1.Container{container}, []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}},
		backupKey(contract.FileIdentity),
	}), true)
	pod.RestartPolicy = corev1.RestartPolicyNever
	retries, deadline := int32(1), int64(6*60*60)
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: in.tenantMeta(name.Restore(hex.EncodeToString(sum[:5])), componentRestore),
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries, ActiveDeadlineSeconds: &deadline,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentRestore)}, Spec: pod},
		},
	}
}

// BackupLabels select what Backups makes, and the Jobs of it.
func BackupLabels(tenant string) map[string]string {
	l := TenantLabels(tenant)
	l[labelComponent] = componentBackup
	return l
}
