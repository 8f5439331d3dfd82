package plan

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// instanceUser is the nonroot user of the instance's image.
const instanceUser = 65532

// pod bounds a pod to its region and takes from it what it does not need.
func (in Tenant) pod(user int64, containers []corev1.Container, volumes []corev1.Volume) corev1.PodSpec {
	no, yes := false, true
	onRootMismatch := corev1.FSGroupChangeOnRootMismatch
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		EnableServiceLinks:           &no,
		Affinity:                     in.affinity(),
		Tolerations:                  in.Region.Spec.Tolerations,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user, FSGroupChangePolicy: &onRootMismatch,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: containers,
		Volumes:    volumes,
	}
}

// affinity requires nodes of the region. A node selector would do the same; the
// affinity is what people look for when they ask where a pod may run.
func (in Tenant) affinity() *corev1.Affinity {
	selector := in.NodeSelector()
	var terms []corev1.NodeSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		terms = append(terms, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{selector[key]}})
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: terms}},
		},
	}}
}

func containerSecurity() *corev1.SecurityContext {
	no, yes := false, true
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// need is what a container asks for and may take at most. CPU is not limited, so that
// an idle node is of use. Storage of its own it has none: the root file system is
// read-only, and scratch volumes bear a limit.
type need struct {
	cpu, memory, memoryLimit string
}

func (n need) resources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(n.cpu), corev1.ResourceMemory: resource.MustParse(n.memory),
		},
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(n.memoryLimit),
		},
	}
}

// instance is a container of the instance's image that runs one subcommand.
func (in Tenant) instance(command string, needs need, env []corev1.EnvVar, mounts []corev1.VolumeMount) corev1.Container {
	limit := resource.MustParse(needs.memoryLimit)
	environment := slices.Concat(
		[]corev1.EnvVar{
			{Name: contract.EnvTenant, Value: in.Tenant.Name},
			{Name: contract.EnvRegion, Value: in.Region.Name},
			{Name: contract.EnvPublicURL, Value: in.PublicURL()},
		},
		in.engine().Place(in),
		[]corev1.EnvVar{
			{Name: "PGSSLMODE", Value: "verify-full"},
			// The collector works harder before the kernel has to kill: four fifths of the limit.
			{Name: "GOMEMLIMIT", Value: strconv.FormatInt(limit.Value()/5*4, 10)},
		}, env)
	return corev1.Container{
		Name: command, Image: in.image(), ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{command},
		Env:          environment,
		VolumeMounts: mounts, Resources: needs.resources(), SecurityContext: containerSecurity(),
		TerminationMessagePath: corev1.TerminationMessagePathDefault, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}
}

// serving adds ports and probes to a container that answers HTTPS.
func serving(c corev1.Container) corev1.Container {
	c.Ports = []corev1.ContainerPort{
		{Name: "https", ContainerPort: contract.PortHTTPS, Protocol: corev1.ProtocolTCP},
		{Name: "probe", ContainerPort: contract.PortProbe, Protocol: corev1.ProtocolTCP},
	}
	get := func(path string) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("probe"), Scheme: corev1.URISchemeHTTP}}
	}
	c.StartupProbe = &corev1.Probe{ProbeHandler: get("/healthz"), PeriodSeconds: 1, FailureThreshold: 60}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: get("/healthz"), PeriodSeconds: 10, TimeoutSeconds: 5}
	c.ReadinessProbe = &corev1.Probe{ProbeHandler: get("/readyz"), PeriodSeconds: 2, TimeoutSeconds: 5}
	return c
}

// secretMode lets the pod's group read and nobody write.
var secretMode int32 = 0o440

func secretVolume(volume, secret string) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: &secretMode},
	}}
}

func mount(volume, path string) corev1.VolumeMount {
	return corev1.VolumeMount{Name: volume, MountPath: path, ReadOnly: true}
}

func service(meta metav1.ObjectMeta, selector map[string]string, portName string, portNumber int32, target intstr.IntOrString) *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, Selector: selector,
			Ports: []corev1.ServicePort{{Name: portName, Port: portNumber, TargetPort: target, Protocol: corev1.ProtocolTCP}},
		},
	}
}
