// Package cluster gives the end-to-end suite, the benchmark and the demo their
// hands on a Kubernetes cluster: kubectl apply, exec, port-forward, a privileged
// pod per node, and what to look at when something failed. It knows nothing of
// Switchboard but its API types.
package cluster

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

// Cluster is one Kubernetes cluster, reached as KUBECONFIG says.
type Cluster struct {
	client.Client // typed and uncached

	Config  *rest.Config
	Typed   kubernetes.Interface
	Kubectl string // path of the program
}

// Open connects to the cluster of KUBECONFIG (or ~/.kube/config) and finds kubectl.
func Open() (*Cluster, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig (set KUBECONFIG, or run `make cluster-up`): %w", err)
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the core types: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering Switchboard's types: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s (is the cluster up? `make cluster-up`): %w", config.Host, err)
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	kubectl, err := findKubectl()
	if err != nil {
		return nil, err
	}
	return &Cluster{Client: c, Config: config, Typed: typed, Kubectl: kubectl}, nil
}

// Until asks condition four times a second until it is true, fails, or the time
// is up; the error then is the condition's last, which says what was still missing.
func Until(ctx context.Context, limit time.Duration, what string, condition func(context.Context) error) error {
	var last error
	// The condition gets ctx itself: cut short by the limit, it would tell of that instead of what is missing.
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, limit, true, func(context.Context) (bool, error) {
		last = condition(ctx)
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("waiting %s for %s: %w", limit, what, last)
	}
	return err
}
