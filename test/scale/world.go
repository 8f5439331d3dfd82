package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// world is all that a run has.
type world struct {
	size
	root  string
	plane *plane
	admin client.Client
	typed kubernetes.Interface
	seen  cache.Cache // of Tenants, Channels, RetentionPolicies and Deployments
	op    *operator
	hosts string
	pprof string // address
}

// size is how large the world is.
type size struct {
	Tenants   int `json:"tenants"`
	Channels  int `json:"channelsPerTenant"`
	Policies  int `json:"policiesPerTenant"`
	Nodes     int `json:"nodesPerRegion"`
	Pods      int `json:"pods"`
	Reference int `json:"referenceTenants"`
	Failing   int `json:"failingTenants"`
	Relabels  int `json:"relabelledNodes"`
	QPS       int `json:"operatorQPS"`
	Burst     int `json:"operatorBurst"`
	// MemoryLimit is GOMEMLIMIT, of the operator and of the bare cache.
	MemoryLimit string `json:"memoryLimit"`
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, admissionv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering the API's types: %w", err)
		}
	}
	return scheme, nil
}

// newWorld starts everything but the operator.
func newWorld(ctx context.Context, root, folder, bin string, s size) (*world, error) {
	p, err := startPlane(ctx, folder, bin)
	w := &world{size: s, root: root, plane: p, hosts: folder + "/hosts"}
	if err != nil {
		return w, err
	}
	if err := p.install(ctx, root); err != nil {
		return w, err
	}
	scheme, err := newScheme()
	if err != nil {
		return w, err
	}
	if w.admin, err = client.New(p.admin, client.Options{Scheme: scheme}); err != nil {
		return w, fmt.Errorf("connecting to the API server: %w", err)
	}
	if w.typed, err = kubernetes.NewForConfig(p.admin); err != nil {
		return w, fmt.Errorf("connecting to the API server: %w", err)
	}
	if w.seen, err = cache.New(p.admin, cache.Options{Scheme: scheme}); err != nil {
		return w, fmt.Errorf("watching: %w", err)
	}
	go func() { _ = w.seen.Start(ctx) }()
	if err := makeNodes(ctx, w.admin, s.Nodes); err != nil {
		return w, err
	}
	if err := storage(ctx, w.typed); err != nil {
		return w, err
	}
	if err := (&standins{client: w.admin}).start(ctx); err != nil {
		return w, err
	}
	if err := writeHosts(w.hosts, s.Tenants, s.Channels); err != nil {
		return w, err
	}
	return w, makeRegions(ctx, w.admin)
}

// startOperator starts it with the bounds of its client that are asked for.
func (w *world) startOperator(ctx context.Context) (err error) {
	w.op, err = startOperator(ctx, w.plane, w.hosts, w.MemoryLimit, []string{fmt.Sprintf("--kube-api-qps=%d", w.QPS), fmt.Sprintf("--kube-api-burst=%d", w.Burst), "--pprof-bind-address=" + w.pprof})
	return err
}

// ready counts the Tenants, Channels and RetentionPolicies that are Ready, and gives one that is not.
func (w *world) ready(ctx context.Context) (n int, missing string, err error) {
	look := func(kind string, o client.Object, conditions []metav1.Condition) {
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady) {
			n++
			return
		}
		missing = fmt.Sprintf("%s %s: no status", kind, client.ObjectKeyFromObject(o))
		if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil {
			missing = fmt.Sprintf("%s %s: %s: %s", kind, client.ObjectKeyFromObject(o), c.Reason, c.Message)
		}
	}
	var tenants v1alpha1.TenantList
	var channels v1alpha1.ChannelList
	var policies v1alpha1.RetentionPolicyList
	for _, list := range []client.ObjectList{&policies, &channels, &tenants} {
		if err := w.seen.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return 0, "", fmt.Errorf("looking at what is ready: %w", err)
		}
	}
	for i := range policies.Items {
		look("RetentionPolicy", &policies.Items[i], policies.Items[i].Status.Conditions)
	}
	for i := range channels.Items {
		look("Channel", &channels.Items[i], channels.Items[i].Status.Conditions)
	}
	for i := range tenants.Items {
		look("Tenant", &tenants.Items[i], tenants.Items[i].Status.Conditions)
	}
	return n, missing, nil
}

// allReady waits until everything that clients applied is Ready, the Regions' default policies too.
func (w *world) allReady(ctx context.Context, tenants int, patience time.Duration) error {
	want := tenants * (1 + w.Channels + w.Policies + 1)
	limit, told := time.Now().Add(patience), time.Now()
	for {
		n, missing, err := w.ready(ctx)
		switch {
		case err != nil:
			return err
		case n >= want:
			return nil
		case time.Now().After(limit):
			return fmt.Errorf("after %s %d of %d are Ready; %s", patience, n, want, missing)
		}
		if err := errors.Join(w.op.died(), w.plane.died()); err != nil {
			return err
		}
		if time.Since(told) > 15*time.Second {
			now, peak, _ := w.op.memory()
			told = time.Now()
			fmt.Printf("  %d of %d are Ready, operator %d MiB (peak %d); %s\n", n, want, now>>10, peak>>10, missing)
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}
