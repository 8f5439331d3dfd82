package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/binaries"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/cluster"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
)

const about = `A real Kubernetes cluster on this machine: two nodes in two regions, with DNS, volumes and the Gateway API.

Everything is built from the Go module proxy and from Debian packages; there is no container engine and no registry.
The nodes are eu-central-1 (this machine's own network, so that tests run here reach every pod and Service) and
us-east-1 (a network namespace). Storage classes: local-eu-central and local-us-east.

  localcluster up            bring it up, or mend it (needs root; minutes the first time, seconds later)
  localcluster load ...      build images and hand them to both nodes
  export KUBECONFIG=$(localcluster kubeconfig)
  localcluster down          take it down; nothing of it stays

SWITCHBOARD_CLUSTER is the folder of the cluster (default /var/lib/switchboard/localcluster),
SWITCHBOARD_CACHE that of the programs built (default ~/.cache/switchboard).`

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "localcluster",
		Short:         "A real Kubernetes cluster of two nodes in two regions on this machine",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(buildCommand(), upCommand(), downCommand(), loadCommand(), statusCommand(), kubeconfigCommand())
	return root
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build [program...]",
		Short: "Build the programs of the cluster into the cache; the last line printed is their folder",
		Example: `  localcluster build
  KUBEBUILDER_ASSETS=$(localcluster build kube-apiserver etcd kubectl | tail -n 1) go test ./...`,
		RunE: func(cmd *cobra.Command, names []string) error {
			programs, err := binaries.Named(names)
			if err != nil {
				return err
			}
			builder, err := newBuilder()
			if err != nil {
				return err
			}
			folder, err := builder.Build(cmd.Context(), programs)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), folder)
			return nil
		},
	}
}

func upCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up, or mend it: what runs as it should is left alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newCluster()
			if err != nil {
				return err
			}
			return c.Up(cmd.Context())
		},
	}
}

func loadCommand() *cobra.Command {
	var programs, tools []string
	var postgres string
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Build images without a container engine and hand them to both nodes",
		Long: `Build images without a container engine and hand them to both nodes. Pods use them with imagePullPolicy: IfNotPresent.

--go builds a program of the project (static) into an image that holds it alone: entrypoint /NAME, user 65532.
--tool does the same with a program that a Go module of the project requires as a tool.
--postgres makes an image that keeps the contract of the official postgres image from Debian's PostgreSQL 15.`,
		Example: `  localcluster load --go switchboard/operator:dev=./cmd/operator --postgres docker.io/library/postgres:15-bookworm`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var images []cluster.GoImage
			for _, arg := range programs {
				img, err := cluster.ParseGoImage(arg)
				if err != nil {
					return err
				}
				images = append(images, img)
			}
			for _, arg := range tools {
				img, err := cluster.ParseToolImage(arg)
				if err != nil {
					return err
				}
				images = append(images, img)
			}
			root, err := layout.ProjectRoot(".")
			if err != nil {
				return err
			}
			c, err := newCluster()
			if err != nil {
				return err
			}
			return c.Load(cmd.Context(), root, c.Builder.Cache, images, postgres)
		},
	}
	cmd.Flags().StringArrayVar(&programs, "go", nil, "make the image of a program of the project: `IMAGE=PACKAGE_DIR` (may be given many times)")
	cmd.Flags().StringArrayVar(&tools, "tool", nil, "make the image of a tool of a Go module: `IMAGE=MODULE_DIR:PACKAGE[:LINK]`, with another path of it in the image (may be given many times)")
	cmd.Flags().StringVar(&postgres, "postgres", "", "make a PostgreSQL image under this `NAME`")
	return cmd
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Take the cluster down with all its data, and check that nothing of it is left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newCluster()
			if err != nil {
				return err
			}
			return c.Down(cmd.Context())
		},
	}
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell what runs and what answers; fails when the cluster is not whole",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newCluster()
			if err != nil {
				return err
			}
			whole, err := c.Status(cmd.Context(), cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if !whole {
				return errors.New("the cluster is not whole; `localcluster up` mends it")
			}
			return nil
		},
	}
}

func kubeconfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the administrator's kubeconfig",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), layout.DefaultState().Kubeconfig())
		},
	}
}

func newCluster() (cluster.Cluster, error) {
	builder, err := newBuilder()
	if err != nil {
		return cluster.Cluster{}, err
	}
	return cluster.Cluster{State: layout.DefaultState(), Builder: builder, Progress: os.Stderr}, nil
}

func newBuilder() (binaries.Builder, error) {
	root, err := layout.ProjectRoot(".")
	if err != nil {
		return binaries.Builder{}, err
	}
	cache, err := layout.Cache()
	if err != nil {
		return binaries.Builder{}, err
	}
	return binaries.Builder{Source: layout.Source(root), Cache: cache, Progress: os.Stderr}, nil
}
