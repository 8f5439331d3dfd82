// Command provisioner gives each claim of the cluster's storage classes a folder on the node that its pod runs on.
// The nodes share this machine's file system, so one program on the host serves them all.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig of the provisioner")
	root := flag.String("root", "", "the folder that holds a folder for each node")
	name := flag.String("name", "", "the name that storage classes know the provisioner by")
	flag.Parse()
	if err := serve(*kubeconfig, *root, *name); err != nil {
		fmt.Fprintln(os.Stderr, "provisioner:", err)
		os.Exit(1)
	}
}

func serve(kubeconfig, root, name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	controller.NewProvisionController(ctx, client, name, &folders{root: root, nodes: client.CoreV1().Nodes()},
		controller.LeaderElection(false)).Run(ctx)
	return nil
}
