package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// HandsNamespace is where the privileged pods stand; it is made by LayHands.
const HandsNamespace = "switchboard-hands"

// LayHands puts a privileged pod on every node, in the process-id namespace of the
// node, so that a test can kill a process with SIGKILL and read its memory, which
// no container may do to its own first process. Image needs sh, kill, grep and cat.
func (c *Cluster) LayHands(ctx context.Context, image string) error {
	manifests := fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {pod-security.kubernetes.io/enforce: privileged}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: hand, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: hand}}
  template:
    metadata: {labels: {app: hand}}
    spec:
      hostPID: true
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      tolerations: [{operator: Exists}]
      containers:
      - name: hand
        image: %[2]s
        imagePullPolicy: IfNotPresent
        command: [sleep, infinity]
        securityContext: {privileged: true, runAsUser: 0}
`, HandsNamespace, image)
	if err := c.ApplyYAML(ctx, manifests); err != nil {
		return fmt.Errorf("laying hands on the nodes: %w", err)
	}
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	for _, node := range nodes.Items {
		err := Until(ctx, 90*time.Second, "the hand on node "+node.Name, func(ctx context.Context) error {
			_, err := c.hand(ctx, node.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RemoveHands takes the privileged pods away.
func (c *Cluster) RemoveHands(ctx context.Context) error {
	ns := &corev1.Namespace{}
	ns.Name = HandsNamespace
	return client.IgnoreNotFound(c.Delete(ctx, ns))
}

func (c *Cluster) hand(ctx context.Context, node string) (string, error) {
	pods := &corev1.PodList{}
	err := c.List(ctx, pods, client.InNamespace(HandsNamespace), client.MatchingLabels{"app": "hand"})
	if err != nil {
		return "", fmt.Errorf("listing hands: %w", err)
	}
	for i := range pods.Items {
		if pods.Items[i].Spec.NodeName == node && IsReady(&pods.Items[i]) {
			return pods.Items[i].Name, nil
		}
	}
	return "", fmt.Errorf("node %s has no hand yet", node)
}

// OnNode runs a shell script as root on a node.
func (c *Cluster) OnNode(ctx context.Context, node, script string) (string, error) {
	hand, err := c.hand(ctx, node)
	if err != nil {
		return "", err
	}
	return c.Exec(ctx, HandsNamespace, hand, "hand", nil, "sh", "-c", script)
}

// containerID gives the runtime's id of a running container, without its scheme.
func containerID(pod *corev1.Pod, container string) (string, error) {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container || container == "" {
			if _, id, ok := strings.Cut(s.ContainerID, "://"); ok && s.State.Running != nil {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf("container %q of pod %s/%s does not run", container, pod.Namespace, pod.Name)
}

// KillContainer sends SIGKILL to every process of a container (the first one when
// container is ""), from outside: nothing in it can catch or delay it.
func (c *Cluster) KillContainer(ctx context.Context, pod *corev1.Pod, container string) error {
	id, err := containerID(pod, container)
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`n=0
for f in $(grep -ls %s /proc/[0-9]*/cgroup); do
  p=${f#/proc/}; kill -9 "${p%%/cgroup}" 2>/dev/null && n=$((n+1))
done
echo $n`, id)
	out, err := c.OnNode(ctx, pod.Spec.NodeName, script)
	if err != nil {
		return fmt.Errorf("killing pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if n, _ := strconv.Atoi(strings.TrimSpace(out)); n == 0 {
		return fmt.Errorf("killing pod %s/%s: none of its processes was found on node %s", pod.Namespace, pod.Name, pod.Spec.NodeName)
	}
	return nil
}

// PeakRSS gives the largest resident set (VmHWM) of a container's processes so far,
// summed over them, in KiB.
func (c *Cluster) PeakRSS(ctx context.Context, pod *corev1.Pod, container string) (int64, error) {
	id, err := containerID(pod, container)
	if err != nil {
		return 0, err
	}
	script := fmt.Sprintf(`for f in $(grep -ls %s /proc/[0-9]*/cgroup); do grep VmHWM "${f%%/cgroup}/status"; done`, id)
	out, err := c.OnNode(ctx, pod.Spec.NodeName, script)
	if err != nil {
		return 0, fmt.Errorf("reading the memory of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	var sum int64
	for line := range strings.Lines(out) {
		fields := strings.Fields(line) // VmHWM: 12345 kB
		if len(fields) != 3 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %q: %w", line, err)
		}
		sum += kib
	}
	if sum == 0 {
		return 0, fmt.Errorf("reading the memory of pod %s/%s: no process was found on node %s", pod.Namespace, pod.Name, pod.Spec.NodeName)
	}
	return sum, nil
}

// ReadFile reads a file as a container's processes see it.
func (c *Cluster) ReadFile(ctx context.Context, pod *corev1.Pod, container, path string) (string, error) {
	id, err := containerID(pod, container)
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf(`f=$(grep -ls %s /proc/[0-9]*/cgroup | head -n 1) && cat "${f%%/cgroup}/root%s"`, id, path)
	out, err := c.OnNode(ctx, pod.Spec.NodeName, script)
	if err != nil {
		return "", fmt.Errorf("reading %s in pod %s/%s: %w", path, pod.Namespace, pod.Name, err)
	}
	return out, nil
}
