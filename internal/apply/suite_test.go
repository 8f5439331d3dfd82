package apply_test

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/switchboard-operator/switchboard/internal/apply"
)

var restConfig *rest.Config

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "these tests need an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
		return 1
	}
	environment := &envtest.Environment{}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the API server:", err)
		return 1
	}
	defer func() { _ = environment.Stop() }()
	restConfig = config
	return m.Run()
}

// cluster is one test's view of the API server: the operator, whose writes are
// counted, and a stranger with a name of its own.
type cluster struct {
	*testing.T
	namespace string
	operator  client.Client
	stranger  client.Client
	writes    *atomic.Int64
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	writes := &atomic.Int64{}
	counted := rest.CopyConfig(restConfig)
	counted.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{next, writes} })
	c := &cluster{T: t, operator: newClient(t, counted), writes: writes}
	c.stranger = client.WithFieldOwner(newClient(t, restConfig), "kubectl-edit")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "apply-"}}
	if err := c.stranger.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	c.namespace = ns.Name
	return c
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counter counts requests that may change something.
type counter struct {
	next   http.RoundTripper
	writes *atomic.Int64
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		c.writes.Add(1)
	}
	return c.next.RoundTrip(r)
}

// apply uses a new Applier every time, as after a restart.
func (c *cluster) apply(objects ...client.Object) {
	c.Helper()
	if err := (&apply.Applier{Client: c.operator}).Apply(c.Context(), objects...); err != nil {
		c.Fatal(err)
	}
}

// settled fails unless applying the objects again writes nothing.
func (c *cluster) settled(objects ...client.Object) {
	c.Helper()
	before := c.writes.Load()
	c.apply(objects...)
	if n := c.writes.Load() - before; n != 0 {
		c.Errorf("applying what is there already made %d writes", n)
	}
}

func (c *cluster) get(object client.Object) {
	c.Helper()
	if err := c.stranger.Get(c.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		c.Fatal(err)
	}
}

// change lets the stranger change an object.
func change[T client.Object](c *cluster, object T, how func(T)) {
	c.Helper()
	c.get(object)
	how(object)
	if err := c.stranger.Update(c.Context(), object); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: c.namespace,
		Labels: map[string]string{apply.ManagedBy: apply.ManagedByValue, "tenant": "a"},
	}
}

func (c *cluster) pod() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "serve"}},
		Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name: "serve", Image: "switchboard/instance:dev", Args: []string{"serve"},
				Env:   []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
				Ports: []corev1.ContainerPort{{Name: "https", ContainerPort: 8443}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000m"), corev1.ResourceMemory: resource.MustParse("1024Mi")},
				},
			}},
		},
	}
}

func (c *cluster) deployment() *appsv1.Deployment {
	replicas := int32(2)
	return &appsv1.Deployment{ObjectMeta: c.meta("serve"), Spec: appsv1.DeploymentSpec{
		Replicas: &replicas,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "serve"}},
		Template: c.pod(),
	}}
}

func (c *cluster) statefulSet() *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: c.meta("postgres"), Spec: appsv1.StatefulSetSpec{
		ServiceName: "postgres",
		Selector:    &metav1.LabelSelector{MatchLabels: map[string]string{"app": "serve"}},
		Template:    c.pod(),
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
			ObjectMeta: metav1.ObjectMeta{Name: "data"},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}},
			},
		}},
	}}
}

func (c *cluster) cronJob() *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: c.meta("retain-all"), Spec: batchv1.CronJobSpec{
		Schedule: "0 3 * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent,
		JobTemplate: batchv1.JobTemplateSpec{Spec: c.job("").Spec},
	}}
}

func (c *cluster) job(name string) *batchv1.Job {
	pod := c.pod()
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{ObjectMeta: c.meta(name), Spec: batchv1.JobSpec{Template: pod}}
}

func (c *cluster) defaultDeny() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: c.meta("default-deny"), Spec: networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}}
}

func (c *cluster) service() *corev1.Service {
	return &corev1.Service{ObjectMeta: c.meta("serve"), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "serve"},
		Ports:    []corev1.ServicePort{{Name: "https", Port: 443, TargetPort: intstr.FromInt32(8443)}},
	}}
}

func (c *cluster) configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: c.meta(name), Data: data}
}
