package enforcer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// every is how often the API server is asked what has changed.
const every = 300 * time.Millisecond

// hooks are where packets of pods are looked at: on their way through a node, and to the node itself, where the API server may be.
var hooks = []string{"FORWARD", "INPUT"}

// Enforcer runs until it is stopped.
type Enforcer struct {
	reader client.Reader
	nodes  []string
	stop   context.CancelFunc
	ended  chan error
}

// Start has the nodes of the local cluster enforce what the API server says, from when it returns.
func Start(ctx context.Context, reader client.Reader) (*Enforcer, error) {
	var nodes corev1.NodeList
	if err := reader.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("enforcing policies: listing nodes: %w", err)
	}
	e := &Enforcer{reader: reader, ended: make(chan error, 1)}
	for _, n := range nodes.Items {
		e.nodes = append(e.nodes, n.Name)
	}
	if err := e.clean(ctx); err != nil { // what a run that was killed has left
		return nil, err
	}
	applied := map[string]string{}
	if err := e.apply(ctx, applied); err != nil {
		return nil, errors.Join(err, e.clean(context.WithoutCancel(ctx)))
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	go func() { e.ended <- e.follow(running, applied) }()
	return e, nil
}

// Stop ends the enforcement, and says what failed while it went on.
func (e *Enforcer) Stop(ctx context.Context) error {
	e.stop()
	return errors.Join(<-e.ended, e.clean(ctx))
}

func (e *Enforcer) follow(ctx context.Context, applied map[string]string) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := e.apply(ctx, applied); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (e *Enforcer) apply(ctx context.Context, applied map[string]string) error {
	var namespaces corev1.NamespaceList
	var pods corev1.PodList
	var policies networkingv1.NetworkPolicyList
	for _, list := range []client.ObjectList{&namespaces, &pods, &policies} {
		if err := e.reader.List(ctx, list); err != nil {
			return fmt.Errorf("enforcing policies: %w", err)
		}
	}
	for _, node := range e.nodes {
		rules := Rules(node, State{namespaces.Items, pods.Items, policies.Items})
		if applied[node] == rules {
			continue
		}
		if err := on(ctx, node, rules, "iptables-restore", "--wait", "--noflush"); err != nil {
			return err
		}
		if applied[node] == "" { // before what anybody else lets through
			for _, hook := range hooks {
				if err := on(ctx, node, "", "iptables", "--wait", "-I", hook, "1", "-j", chain); err != nil {
					return err
				}
			}
		}
		applied[node] = rules
	}
	return nil
}

// clean removes all that was made.
func (e *Enforcer) clean(ctx context.Context) error {
	script := "for hook in " + strings.Join(hooks, " ") + `; do while iptables --wait -D $hook -j ` + chain + ` 2>/dev/null; do :; done; done
chains=$(iptables --wait -S | sed -n 's/^-N \(` + chain + `.*\)/\1/p')
for c in $chains; do iptables --wait -F "$c"; done
for c in $chains; do iptables --wait -X "$c"; done`
	var failures []error
	for _, node := range e.nodes {
		failures = append(failures, on(ctx, node, script, "sh", "-e"))
	}
	return errors.Join(failures...)
}

// on runs a command in the network of a node: a namespace of this machine's, or the machine's own.
func on(ctx context.Context, node, input string, command ...string) error {
	if namespace := "/run/netns/switchboard-" + node; exists(namespace) {
		command = append([]string{"nsenter", "--net=" + namespace, "--"}, command...)
	}
	run := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // nobody but the suite gives it
	run.Stdin = strings.NewReader(input)
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("enforcing policies on node %s: %s: %w: %s", node, command[0], err, out)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
