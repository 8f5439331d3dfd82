// Package hostnet makes the network of the cluster on the host, and removes every trace of it.
package hostnet

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/run"
)

// namespaces is where `ip netns` mounts network namespaces.
const namespaces = "/run/netns/"

// Enter is the beginning of a command line that runs in the node's network.
// It is nsenter, as `ip netns exec` would hide the mounts of the control groups.
func Enter(n layout.Node) []string {
	if n.Namespace == "" {
		return nil
	}
	return []string{"nsenter", "--net=" + namespaces + n.Namespace, "--"}
}

// Up makes the bridge, the network namespaces of the nodes and the routes between them. What is there stays.
func Up(ctx context.Context, nodes []layout.Node) error {
	if err := bridge(ctx); err != nil {
		return fmt.Errorf("making the bridge %s: %w", layout.Bridge, err)
	}
	for _, n := range nodes {
		if n.Namespace == "" {
			continue
		}
		if err := namespace(ctx, n); err != nil {
			return fmt.Errorf("making the network of node %s: %w", n.Name, err)
		}
	}
	return nil
}

func bridge(ctx context.Context) error {
	if !exists("/sys/class/net/" + layout.Bridge) {
		if err := run.Do(ctx, "ip", "link", "add", layout.Bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	steps := [][]string{
		{"ip", "address", "replace", layout.HostCIDR, "dev", layout.Bridge},
		{"ip", "link", "set", layout.Bridge, "up"},
		// Without a route of its own, a ClusterIP would be out of reach on a host that has no default route.
		{"ip", "route", "replace", layout.ServiceNet, "dev", layout.Bridge, "src", layout.HostIP},
	}
	for _, step := range steps {
		if err := run.Do(ctx, step...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("allowing the host to forward packets: %w", err)
	}
	return forward(ctx)
}

// forward lets the cluster's packets pass on hosts whose forward policy is DROP, as a container engine leaves it.
func forward(ctx context.Context) error {
	for _, direction := range []string{"-s", "-d"} {
		rule := []string{"FORWARD", direction, layout.PodNet, "-m", "comment", "--comment", ruleMark, "-j", "ACCEPT"}
		if run.Do(ctx, append([]string{"iptables", "-w", "-C"}, rule...)...) == nil {
			continue
		}
		if err := run.Do(ctx, append([]string{"iptables", "-w", "-I"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

func namespace(ctx context.Context, n layout.Node) error {
	if !exists(namespaces + n.Namespace) {
		if err := run.Do(ctx, "ip", "netns", "add", n.Namespace); err != nil {
			return err
		}
	}
	in := func(argv ...string) []string { return append([]string{"ip", "-n", n.Namespace}, argv...) }
	if !exists("/sys/class/net/" + n.Veth) {
		if err := run.Do(ctx, "ip", "link", "add", n.Veth, "type", "veth", "peer", "name", "eth0", "netns", n.Namespace); err != nil {
			return err
		}
	}
	steps := [][]string{
		{"ip", "link", "set", n.Veth, "master", layout.Bridge, "up"},
		in("link", "set", "lo", "up"),
		in("address", "replace", n.CIDR(), "dev", "eth0"),
		in("link", "set", "eth0", "up"),
		in("route", "replace", "default", "via", layout.HostIP),
		{"ip", "route", "replace", n.PodNet, "via", n.IP},
		append(Enter(n), "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"),
	}
	for _, step := range steps {
		if err := run.Do(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Left lists what is still there of the cluster's network.
func Left(ctx context.Context, nodes []layout.Node) []string {
	var left []string
	if exists("/sys/class/net/" + layout.Bridge) {
		left = append(left, "bridge "+layout.Bridge)
	}
	for _, n := range nodes {
		if n.Veth != "" && exists("/sys/class/net/"+n.Veth) {
			left = append(left, "veth "+n.Veth)
		}
		if n.Namespace != "" && exists(namespaces+n.Namespace) {
			left = append(left, "network namespace "+n.Namespace)
		}
	}
	if routes, err := run.Output(ctx, "ip", "route", "show", "root", layout.PodNet); err == nil && strings.TrimSpace(routes) != "" {
		left = append(left, "routes "+strings.Join(strings.Fields(routes), " "))
	}
	for _, family := range families {
		for _, table := range tables {
			rules, err := run.Output(ctx, family+"-save", "-t", table)
			if err != nil {
				continue // a family or table that the kernel lacks holds nothing
			}
			if _, dropped := withoutOurs(rules); dropped > 0 {
				left = append(left, fmt.Sprintf("%d lines in %s table %s", dropped, family, table))
			}
		}
	}
	return left
}
