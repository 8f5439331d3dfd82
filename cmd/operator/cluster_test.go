package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/internal/plan"
)

// testCluster is an API server on which the operator runs with the rights that
// config/rbac gives it. Nothing else runs there: the test plays the controllers and
// the kubelet.
type testCluster struct {
	client.Client          // the administrator's
	writes        *written // of the operator, but for its events
	reads         *written // of the operator, but for its watches
	restart       func(t *testing.T, args ...string)
	start         func(t *testing.T, args ...string)
	config        *rest.Config // the administrator's
	connectors    *switchboards
}

func startOperator(t *testing.T) testCluster {
	t.Helper()
	c := prepareCluster(t)
	c.start(t)
	return c
}

// prepareCluster has all but the operator, which start starts; restart ends it first. definitions
// are files with resources of others.
func prepareCluster(t *testing.T, definitions ...string) testCluster {
	t.Helper()
	admin := startServer(t, definitions...)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "switchboard-system"}})
	installRBAC(t, c)
	policies(t, c)
	account := operatorAccount(admin)
	cluster := testCluster{Client: c, writes: &written{}, reads: &written{}, config: admin, connectors: playConnectors(t, c)}
	account.Wrap(func(next http.RoundTripper) http.RoundTripper { return recorder{next, cluster.writes, cluster.reads} })
	stop := func() {}
	cluster.start = func(t *testing.T, args ...string) {
		t.Helper()
		stop = operate(t, account, cluster.connectors, args...)
	}
	cluster.restart = func(t *testing.T, args ...string) {
		t.Helper()
		stop()
		stop = operate(t, account, cluster.connectors, args...)
	}
	t.Cleanup(func() { stop() })
	return cluster
}

// operatorAccount is the administrator in the operator's place.
func operatorAccount(admin *rest.Config) *rest.Config {
	account := rest.CopyConfig(admin)
	account.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:switchboard-system:switchboard-operator",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:switchboard-system", "system:authenticated"},
	}
	return account
}

// operate runs the operator until it is stopped.
func operate(t *testing.T, account *rest.Config, connectors *switchboards, args ...string) (stop func()) {
	t.Helper()
	args = append(args, "--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect=false", "--journal-interval=1s")
	o, err := parse(args, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	o.stateURL, o.connectorURL, o.checksEvery = instances.url, connectors.url, time.Second
	with, err := managerOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	again := true
	with.Controller.SkipNameValidation = &again // a restart has the same names in the same process
	mgr, err := newManager(account, o, with)
	if err != nil {
		t.Fatal(err)
	}
	if err := setup(context.Background(), mgr, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Error("the operator's caches were not filled")
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("the operator didn't end well:", err)
		}
	}
}

// written keeps what the operator wrote, or read, in order.
type written struct {
	mu      sync.Mutex
	entries []string // METHOD /path
}

// Load is how many writes there were.
func (j *written) Load() int { return len(j.since(0)) }

// since gives the writes after the first n.
func (j *written) since(n int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries[n:])
}

// recorder records the requests of the operator.
type recorder struct {
	next          http.RoundTripper
	writes, reads *written
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	switch reads := req.Method == http.MethodGet; {
	case reads && req.URL.Query().Get("watch") == "":
		r.reads.note(req)
	case !reads && !eventPath.MatchString(req.URL.Path):
		r.writes.note(req)
	}
	return r.next.RoundTrip(req)
}

func (j *written) note(req *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, req.Method+" "+req.URL.Path)
}

// apply creates what files of config/samples hold.
func (c testCluster) apply(t *testing.T, files ...string) {
	t.Helper()
	for _, f := range files {
		for _, document := range documents(t, "../../config/samples/"+f) {
			create(t, c, decode(t, c, document))
		}
	}
}

// eventually waits until check finds nothing missing, and says what it missed otherwise.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var missing error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 60*time.Second, true, func(ctx context.Context) (bool, error) {
		err := check(ctx)
		if end, _ := ctx.Deadline(); time.Until(end) > time.Second || missing == nil {
			missing = err // what the end of the time does to the last look says nothing
		}
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, missing)
	}
}

// amend changes an object as it is by then: the operator may have written meanwhile.
func amend[T client.Object](t *testing.T, c client.Client, o T, change func(T)) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		return c.Update(t.Context(), o)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// play makes everything in a namespace work once, as the cluster's controllers would:
// StatefulSets and Deployments get their pods, migrations end well, probes find nothing. Jobs that ask an object store or a provider's database,
// or move a database, are the test's.
func (c testCluster) play(ctx context.Context, namespace string) error {
	return c.playBut(ctx, namespace, "bucket", "-database", "withdraw-")
}

// playBut leaves the Jobs alone that have one of the words in their names.
func (c testCluster) playBut(ctx context.Context, namespace string, words ...string) error {
	var sets appsv1.StatefulSetList
	if err := c.List(ctx, &sets, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range sets.Items {
		s := &sets.Items[i]
		if s.Status.ObservedGeneration == s.Generation && s.Status.ReadyReplicas == 1 {
			continue
		}
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
		if err := c.Status().Update(ctx, s); err != nil {
			return err
		}
	}
	var deployments appsv1.DeploymentList
	if err := c.List(ctx, &deployments, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if d.Status.ObservedGeneration == d.Generation {
			continue
		}
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		if err := c.Status().Update(ctx, d); err != nil {
			return err
		}
	}
	var jobs batchv1.JobList
	if err := c.List(ctx, &jobs, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range jobs.Items {
		if plan.IsMove(&jobs.Items[i]) || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(jobs.Items[i].Name, word) }) {
			continue
		}
		if len(jobs.Items[i].Status.Conditions) == 0 && jobs.Items[i].DeletionTimestamp.IsZero() {
			message := `{"migration":{"schemaVersion":4}}`
			if strings.HasPrefix(jobs.Items[i].Name, "probe-") {
				message = probeSays(jobs.Items[i], nil, nil)
			}
			if err := c.finish(ctx, &jobs.Items[i], message); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish ends a Job well, with a pod of its own that left a message.
func (c testCluster) finish(ctx context.Context, job *batchv1.Job, message string) error {
	if err := c.speak(ctx, job, corev1.PodSucceeded, message); err != nil {
		return err
	}
	now := metav1.Now()
	job.Status = batchv1.JobStatus{
		StartTime: &now, CompletionTime: &now, Succeeded: 1,
		Conditions: []batchv1.JobCondition{
			{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
			{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
		},
	}
	return c.Status().Update(ctx, job)
}

// fail ends a Job badly at a time, with a pod of its own that left a message.
func (c testCluster) fail(ctx context.Context, job *batchv1.Job, message string, at time.Time) error {
	if err := c.speak(ctx, job, corev1.PodFailed, message); err != nil {
		return err
	}
	then := metav1.NewTime(at)
	started := job.Status.StartTime // can't change
	if started == nil {
		started = &then
	}
	job.Status = batchv1.JobStatus{
		StartTime: started, Failed: 1,
		Conditions: []batchv1.JobCondition{
			{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, LastTransitionTime: then},
			{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, LastTransitionTime: then},
		},
	}
	return c.Status().Update(ctx, job)
}

// speak makes a pod of a Job that ended in a phase and left a message.
func (c testCluster) speak(ctx context.Context, job *batchv1.Job, phase corev1.PodPhase, message string) error {
	yes := true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: job.Name + "-", Namespace: job.Namespace, Labels: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: &yes}},
		},
		Spec: *job.Spec.Template.Spec.DeepCopy(),
	}
	for k, v := range job.Spec.Template.Labels {
		pod.Labels[k] = v
	}
	pod.Labels[batchv1.JobNameLabel] = job.Name
	if err := c.Create(ctx, pod); err != nil {
		return fmt.Errorf("playing the Job controller: %w", err)
	}
	pod.Status = corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}},
	}}}
	if err := c.Status().Update(ctx, pod); err != nil {
		return fmt.Errorf("playing the kubelet: %w", err)
	}
	return nil
}
