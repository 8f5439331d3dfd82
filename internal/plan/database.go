package plan

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// postgresUser is the user that the official image makes.
const postgresUser = 999

// hba lets nobody in without a password, and nobody over the network without TLS
// and a certificate that bears the role's name.
const hba = `# TYPE  DATABASE USER ADDRESS METHOD
local   all      all          scram-sha-256
hostssl all      all  all     scram-sha-256 clientcert=verify-full
hostssl replication +sb_backup all scram-sha-256 clientcert=verify-full
# The probe inside the pod asks without TLS, and leaves before it would have to say a password.
hostnossl all    all  127.0.0.1/32 scram-sha-256
`

// embedded is one PostgreSQL on the official image's contract, in the tenant's namespace.
type embedded struct{}

func (embedded) Objects(in Tenant) []client.Object {
	return []client.Object{postgresConfig(in), postgresService(in), postgres(in)}
}

func (embedded) Policies(in Tenant) []client.Object { return []client.Object{databasePolicy(in)} }

func (embedded) Way(in Tenant) []networkingv1.NetworkPolicyEgressRule {
	return []networkingv1.NetworkPolicyEgressRule{{
		To:    []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: in.selector(componentDatabase)}}},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, contract.PortPostgres)},
	}}
}

func (embedded) Service() string { return name.Postgres }

func (embedded) Place(in Tenant) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "PGHOST", Value: name.Host(name.Postgres, in.Namespace())},
		{Name: "PGPORT", Value: strconv.Itoa(contract.PortPostgres)},
		{Name: "PGDATABASE", Value: contract.DatabaseName},
	}
}

func (embedded) Login(in Tenant, component string) corev1.Volume {
	return secretVolume("database", name.Credentials(component, max(in.Versions[component], 1)))
}

func (embedded) ServerUser() int64 { return postgresUser }

func (embedded) NoBackups() string { return "" }

func (embedded) Certificates() Certificates { return Certificates{Server: name.Postgres} }

func postgresConfig(in Tenant) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: in.tenantMeta(name.PostgresConfig, componentDatabase),
		Data:       map[string]string{"pg_hba.conf": hba},
	}
}

func postgresService(in Tenant) *corev1.Service {
	return service(in.tenantMeta(name.Postgres, componentDatabase), in.databasePod(in.DatabaseName()),
		"postgres", contract.PortPostgres, intstr.FromString("postgres"))
}

// databasePod selects the one pod of a database's StatefulSet: while a tenant is moved it has two.
func (in Tenant) databasePod(database string) map[string]string {
	return in.selector(componentDatabase, appsv1.StatefulSetPodNameLabel, database+"-0")
}

func postgres(in Tenant) *appsv1.StatefulSet {
	const tls, config = "/etc/switchboard/tls/", "/etc/switchboard/config/"
	replicas := int32(1)
	if in.DatabaseStopped {
		replicas = 0
	}
	grace := int64(60)
	container := corev1.Container{
		Name: "postgres", Image: in.postgresImage(), ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{
			"postgres",
			"-c", "ssl=on", "-c", "ssl_cert_file=" + tls + contract.FileTLSCert, "-c", "ssl_key_file=" + tls + contract.FileTLSKey,
			"-c", "ssl_ca_file=" + tls + contract.FileCA, "-c", "ssl_min_protocol_version=TLSv1.2",
			"-c", "hba_file=" + config + "pg_hba.conf", "-c", "password_encryption=scram-sha-256",
			"-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
			// Statements and their parameters can hold personal data: none is logged, not even a failed one.
			"-c", "log_min_error_statement=panic", "-c", "log_parameter_max_length=0", "-c", "log_parameter_max_length_on_error=0",
			"-c", "log_error_verbosity=terse",
		},
		Env: []corev1.EnvVar{
			{Name: "POSTGRES_USER", Value: contract.AdminRole},
			{Name: "POSTGRES_PASSWORD_FILE", Value: "/etc/switchboard/admin/" + contract.FilePassword},
			{Name: "POSTGRES_DB", Value: contract.DatabaseName},
			{Name: "PGDATA", Value: "/var/lib/postgresql/data/pgdata"},
		},
		Ports: []corev1.ContainerPort{{Name: "postgres", ContainerPort: contract.PortPostgres, Protocol: corev1.ProtocolTCP}},
		// Over TCP: while the image initialises, its temporary server listens on the socket alone.
		StartupProbe:   &corev1.Probe{ProbeHandler: pgIsReady(), PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 300},
		ReadinessProbe: &corev1.Probe{ProbeHandler: pgIsReady(), PeriodSeconds: 2, TimeoutSeconds: 5},
		LivenessProbe:  &corev1.Probe{ProbeHandler: pgIsReady(), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "data", MountPath: "/var/lib/postgresql/data"},
			{Name: "run", MountPath: "/var/run/postgresql"},
			{Name: "tmp", MountPath: "/tmp"},
			mount("tls", "/etc/switchboard/tls"), mount("config", "/etc/switchboard/config"), mount("admin", "/etc/switchboard/admin"),
		},
		Resources: in.databaseNeeds().resources(), SecurityContext: containerSecurity(),
	}
	scratch := resource.MustParse("32Mi")
	admin := secretVolume("admin", name.Credentials(name.Admin, 1))
	admin.Secret.Items = []corev1.KeyToPath{{Key: contract.FilePassword, Path: contract.FilePassword}}
	pod := in.pod(postgresUser, []corev1.Container{container}, []corev1.Volume{
		{Name: "run", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &scratch}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &scratch}}},
		secretVolume("tls", name.PostgresTLS), admin,
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: name.PostgresConfig},
		}}},
	})
	pod.TerminationGracePeriodSeconds = &grace
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: in.tenantMeta(in.DatabaseName(), componentDatabase),
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: name.Postgres,
			Selector: &metav1.LabelSelector{MatchLabels: in.selector(componentDatabase)},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: in.labels(componentDatabase)}, Spec: pod},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{in.volumeClaim()},
		},
	}
}

func (in Tenant) postgresImage() string {
	if d := in.Region.Spec.Database; d != nil && d.Image != "" {
		return d.Image
	}
	return in.Images.Postgres
}

// defaultStorage of a tenant's database.
const defaultStorage = "10Gi"

func (in Tenant) volumeClaim() corev1.PersistentVolumeClaim {
	size := resource.MustParse(defaultStorage)
	if d := in.Region.Spec.Database; d != nil && d.Storage != nil {
		size = *d.Storage
	}
	if p := in.Tenant.Spec.Plan; p != nil && p.Storage != nil {
		size = *p.Storage
	}
	// Without apiVersion and kind: the API server drops them here, and they would be written at every pass. With the mode that it would
	// fill in: what is read of a claim that is there has one.
	mode := corev1.PersistentVolumeFilesystem
	claim := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: in.labels(componentDatabase)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeMode: &mode,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if class := in.Region.Spec.StorageClassName; class != "" {
		claim.Spec.StorageClassName = &class
	}
	if in.Claim != nil {
		claim.Spec = *in.Claim.DeepCopy()
	}
	return claim
}

// databaseNeeds are what the plan grants. Memory is its own limit: a database that
// could be promised less than it may take would be the first to be ended on a full node.
func (in Tenant) databaseNeeds() need {
	n := need{cpu: "100m", memory: "512Mi"}
	if p := in.Tenant.Spec.Plan; p != nil && p.Resources != nil {
		if p.Resources.CPU != nil {
			n.cpu = p.Resources.CPU.String()
		}
		if p.Resources.Memory != nil {
			n.memory = p.Resources.Memory.String()
		}
	}
	n.memoryLimit = n.memory
	return n
}

func pgIsReady() corev1.ProbeHandler {
	return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{
		"pg_isready", "--quiet", "--host=127.0.0.1", "--username=" + contract.AdminRole, "--dbname=dbname=" + contract.DatabaseName + " sslmode=disable",
	}}}
}
