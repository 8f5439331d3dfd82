package main

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// connection is the cluster that the flags lead to, as those of kubectl do.
type connection struct {
	rules             *clientcmd.ClientConfigLoadingRules
	overrides         *clientcmd.ConfigOverrides
	operatorNamespace string
}

func newConnection(flags *pflag.FlagSet) *connection {
	c := &connection{rules: clientcmd.NewDefaultClientConfigLoadingRules(), overrides: &clientcmd.ConfigOverrides{}}
	flags.StringVar(&c.rules.ExplicitPath, "kubeconfig", "", "`file` with the way to the cluster, instead of $KUBECONFIG and ~/.kube/config")
	flags.StringVar(&c.operatorNamespace, "operator-namespace", name.OperatorNamespace, "`namespace` that the operator runs in")
	usual := clientcmd.RecommendedConfigOverrideFlags("")
	usual.ContextOverrideFlags.Namespace = clientcmd.FlagInfo{} // a tenant's name says where it is
	clientcmd.BindOverrideFlags(c.overrides, flags, usual)
	return c
}

// open connects; nothing is sent yet.
func (c *connection) open() (client.Client, *rest.Config, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(c.rules, c.overrides).ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("finding the cluster: set KUBECONFIG, or give --kubeconfig: %w", err)
	}
	log.SetLogger(logr.Discard()) // else it complains on standard error that there is none, after half a minute
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, nil, fmt.Errorf("registering the API's types: %w", err)
		}
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return reader, config, nil
}
