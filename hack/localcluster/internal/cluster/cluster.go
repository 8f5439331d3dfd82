// Package cluster brings the local cluster up, takes it down and tells how it is.
package cluster

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/addons"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/binaries"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/controlplane"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/lock"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/node"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/process"
)

// Cluster is one local cluster.
type Cluster struct {
	State   layout.State
	Builder binaries.Builder
	// Progress gets a line for each thing done.
	Progress io.Writer
}

// provisionerName is the provisioner's process and its folder in this module.
const provisionerName = "provisioner"

func (c Cluster) table() process.Table {
	return process.Table{Records: c.State.Pids(), Logs: c.State.Logs()}
}

// lock keeps a second `up` or `down` of the same cluster out. The file lies beside the state folder, which `down` removes.
func (c Cluster) lock(ctx context.Context) (func(), error) {
	if err := c.State.Check(); err != nil {
		return nil, err
	}
	return lock.Take(ctx, string(c.State)+".lock")
}

func (c Cluster) plane(bin string) controlplane.Plane {
	return controlplane.Plane{State: c.State, Bin: bin}
}

func (c Cluster) nodes(bin string) []node.Node {
	var nodes []node.Node
	for _, n := range layout.Nodes() {
		nodes = append(nodes, node.Node{Node: n, State: c.State, Bin: bin})
	}
	return nodes
}

func (c Cluster) provisioner(bin string) process.Program {
	kubeconfig, program := c.State.PKI("provisioner.kubeconfig"), filepath.Join(bin, provisionerName)
	return process.Program{Name: provisionerName, Inputs: []string{kubeconfig, program}, Argv: []string{
		program,
		"--kubeconfig=" + kubeconfig,
		"--root=" + c.State.Path("volumes"),
		"--name=" + addons.Provisioner,
	}}
}

// programs are all the programs that run in the background, in the order of their start.
func (c Cluster) programs(bin string) []process.Program {
	plane := c.plane(bin)
	programs := []process.Program{plane.Etcd(), plane.APIServer(), plane.ControllerManager(), plane.Scheduler()}
	for _, n := range c.nodes(bin) {
		programs = append(programs, n.Containerd(), n.Kubelet(), n.Proxy())
	}
	return append(programs, c.provisioner(bin))
}

// until polls a condition and, when its time is over, returns what it said last.
func until(ctx context.Context, limit time.Duration, what string, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %s for %s: %w", limit, what, err)
		case <-tick.C:
		}
	}
}
