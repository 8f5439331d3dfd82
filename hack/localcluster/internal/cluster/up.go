package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/addons"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/binaries"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/cgroup"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/debian"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/hostnet"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/image"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/node"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/pki"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/process"
)

// Up brings the cluster up, or mends it, and returns when both nodes are ready and answer.
func (c Cluster) Up(ctx context.Context) error {
	start := time.Now()
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs network namespaces and mounts: run this as root")
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := debian.Ensure(ctx, c.Progress); err != nil {
		return err
	}
	bin, err := c.build(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.State.Kubeconfig()); errors.Is(err, fs.ErrNotExist) {
		if err := c.remove(ctx); err != nil { // what a run that was killed before it got far has left
			return fmt.Errorf("clearing the remains of an earlier cluster: %w", err)
		}
	}
	if err := c.table().EndUnrecorded(ctx, string(c.State)); err != nil {
		return err
	}
	if err := c.configure(ctx, bin); err != nil {
		return err
	}
	if err := c.start(ctx, bin); err != nil {
		return fmt.Errorf("%w\nThe logs are in %s; `down` and `up` make a new cluster", err, c.State.Logs())
	}
	fmt.Fprintf(c.Progress, "the cluster is up after %.0fs; export KUBECONFIG=%s\n", time.Since(start).Seconds(), c.State.Kubeconfig())
	return nil
}

// build builds what is missing, and the cluster's own small programs.
func (c Cluster) build(ctx context.Context) (string, error) {
	bin, err := c.Builder.Build(ctx, binaries.Programs())
	if err != nil {
		return "", err
	}
	for _, name := range []string{"pause", provisionerName} {
		if _, err := c.Builder.Own(ctx, name); err != nil {
			return "", err
		}
	}
	return bin, nil
}

// configure makes what the programs stand on: files, network and control groups.
func (c Cluster) configure(ctx context.Context, bin string) error {
	ca, err := pki.Open(c.State.PKI())
	if err != nil {
		return err
	}
	if err := ca.Client(provisionerName, addons.ProvisionerUser); err != nil {
		return err
	}
	if err := ca.Kubeconfig(c.State.PKI("provisioner.kubeconfig"), layout.APIServer, provisionerName); err != nil {
		return err
	}
	for _, n := range c.nodes(bin) {
		if err := n.Configure(ca); err != nil {
			return err
		}
		if err := cgroup.Up(n.Name); err != nil {
			return err
		}
	}
	if err := hostnet.Up(ctx, layout.Nodes()); err != nil {
		return err
	}
	return c.plane(bin).Configure(ca) // last, as the kubeconfig tells a later run that all this is there
}

// start starts what does not run, in the order that it depends on each other, and waits until all of it works.
func (c Cluster) start(ctx context.Context, bin string) error {
	nodes, err := c.startRuntimes(ctx, bin)
	if err != nil {
		return err
	}
	health, err := newHealth(c.State)
	if err != nil {
		return err
	}
	plane := c.plane(bin)
	if err := c.ensure(ctx, plane.Etcd(), plane.APIServer()); err != nil {
		return err
	}
	ready, stop := errgroup.WithContext(ctx)
	ready.Go(func() error { return c.loadOwnImages(stop, bin) })
	ready.Go(func() error { return until(stop, time.Minute, "the API server", health.apiServer) })
	if err := ready.Wait(); err != nil {
		return err
	}

	rest := []process.Program{plane.ControllerManager(), plane.Scheduler(), c.provisioner(bin)}
	for _, n := range nodes {
		rest = append(rest, n.Kubelet(), n.Proxy())
	}
	if err := c.ensure(ctx, rest...); err != nil {
		return err
	}
	applier := addons.Applier{Kubectl: bin + "/kubectl", Kubeconfig: c.State.Kubeconfig(), DNSImage: dnsImage(bin)}
	apply, stop := errgroup.WithContext(ctx)
	apply.Go(func() error { return applier.Apply(stop) })
	apply.Go(func() error { return applier.ApplyGatewayAPI(stop, c.Builder.Source) })
	apply.Go(func() error { return until(stop, 2*time.Minute, "the nodes", health.nodes) })
	if err := apply.Wait(); err != nil {
		return err
	}
	return health.all(ctx, func(what string) { fmt.Fprintln(c.Progress, what) })
}

func (c Cluster) startRuntimes(ctx context.Context, bin string) ([]node.Node, error) {
	nodes := c.nodes(bin)
	for _, n := range nodes {
		if err := c.ensure(ctx, n.Containerd()); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// ensure starts those of the programs that do not run as they should.
func (c Cluster) ensure(ctx context.Context, programs ...process.Program) error {
	for _, p := range programs {
		started, err := c.table().Ensure(ctx, p)
		if err != nil {
			return err
		}
		if started {
			fmt.Fprintf(c.Progress, "started %s\n", p.Name)
		}
	}
	return nil
}

// loadOwnImages hands the nodes the two images that the cluster itself runs.
func (c Cluster) loadOwnImages(ctx context.Context, bin string) error {
	pause, err := image.Program(node.PauseImage, "pause", bin+"/pause", v1.Config{User: "65535:65535"})
	if err != nil {
		return err
	}
	coredns, err := image.Program(dnsImage(bin), "coredns", bin+"/coredns", v1.Config{User: "65532:65532"})
	if err != nil {
		return err
	}
	return c.load(ctx, []image.Image{pause, coredns})
}

// dnsImage is tagged with what it was built from, so that its pods are replaced when that changes.
func dnsImage(bin string) string { return "switchboard.localhost/coredns:" + filepath.Base(bin) }

// load hands images to all nodes at once.
func (c Cluster) load(ctx context.Context, images []image.Image) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range layout.Nodes() {
		group.Go(func() error {
			socket := c.State.Containerd(n.Name)
			err := until(ctx, 30*time.Second, "containerd of "+n.Name, func(ctx context.Context) error {
				return answers(ctx, socket)
			})
			if err != nil {
				return err
			}
			loaded, err := image.Load(ctx, socket, images)
			for _, name := range loaded {
				fmt.Fprintf(c.Progress, "loaded %s into %s\n", name, n.Name)
			}
			return err
		})
	}
	return group.Wait()
}

// answers dials a socket. That its file is there proves nothing: one that was killed leaves its own behind.
func answers(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}
