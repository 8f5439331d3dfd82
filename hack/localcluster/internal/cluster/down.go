package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/cgroup"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/hostnet"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/mounts"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/process"
)

// Down takes the cluster down and reports an error when anything of it is left.
func (c Cluster) Down(ctx context.Context) error {
	start := time.Now()
	if os.Geteuid() != 0 {
		return errors.New("taking a cluster down needs the rights that it was made with: run this as root")
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.remove(ctx); err != nil {
		return err
	}
	if left := c.left(ctx); len(left) > 0 {
		return fmt.Errorf("the cluster is down, but this is left of it:\n  %s", strings.Join(left, "\n  "))
	}
	fmt.Fprintf(c.Progress, "the cluster is down after %.0fs; nothing of it is left\n", time.Since(start).Seconds())
	return nil
}

// remove removes all that may be left of a cluster, however far it got.
func (c Cluster) remove(ctx context.Context) error {
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"ending the programs that would start containers again", c.endPrograms("kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler", "provisioner")},
		{"ending the containers", cgroup.Kill},
		{"removing the sockets of the shims", c.removeShimSockets},
		{"ending the other programs", c.endPrograms()},
		{"unmounting", func(context.Context) error { return mounts.Remove(string(c.State)) }},
		{"removing the network", func(ctx context.Context) error { return hostnet.Down(ctx, layout.Nodes()) }},
		{"removing the control groups", cgroup.Down},
		{"removing the traces outside the state folder", c.removeTraces},
		{"removing the state folder", func(context.Context) error { return os.RemoveAll(string(c.State)) }},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// endPrograms ends the cluster's programs of these names, or all of them, side by side.
func (c Cluster) endPrograms(names ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for _, p := range process.Strays(string(c.State)) {
			if len(names) == 0 || slices.Contains(names, filepath.Base(p.Argv[0])) {
				group.Go(func() error { return process.End(ctx, p.PID, 3*time.Second) })
			}
		}
		return group.Wait()
	}
}

// removeShimSockets removes the sockets that killed shims leave behind; each shim's folder names its own.
func (c Cluster) removeShimSockets(context.Context) error {
	files, err := filepath.Glob(c.State.Node("*", "run", "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return err
	}
	for _, file := range files {
		address, err := os.ReadFile(file)
		if err != nil {
			continue // gone with its shim
		}
		socket, ok := strings.CutPrefix(string(address), "unix://")
		if !ok || !strings.HasPrefix(socket, "/run/containerd/s/") {
			continue
		}
		if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// left lists everything that is still there of the cluster.
func (c Cluster) left(ctx context.Context) []string {
	var left []string
	for _, p := range process.Strays(string(c.State)) {
		left = append(left, fmt.Sprintf("process %d (%s)", p.PID, filepath.Base(p.Argv[0])))
	}
	points, err := mounts.Below(string(c.State))
	if err != nil {
		left = append(left, err.Error())
	}
	for _, point := range points {
		left = append(left, "mount "+point)
	}
	left = append(left, hostnet.Left(ctx, layout.Nodes())...)
	left = append(left, cgroup.Left()...)
	for _, trace := range c.traces() {
		left = append(left, "file "+trace)
	}
	if _, err := os.Lstat(string(c.State)); err == nil {
		left = append(left, "folder "+string(c.State))
	}
	return left
}
