package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/layout"
)

// health asks the parts of the cluster whether they work.
type health struct{ client kubernetes.Interface }

func newHealth(state layout.State) (health, error) {
	config, err := clientcmd.BuildConfigFromFlags("", state.Kubeconfig())
	if err != nil {
		return health{}, fmt.Errorf("reading the kubeconfig (is there a cluster? `up` makes one): %w", err)
	}
	config.Timeout = 5 * time.Second
	config.UserAgent = "localcluster"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return health{}, fmt.Errorf("making a client: %w", err)
	}
	return health{client: client}, nil
}

// check is one thing that must be true of a cluster that works.
type check struct {
	name string
	ask  func(context.Context) error
}

func (h health) checks() []check {
	checks := []check{{"the API server", h.apiServer}, {"the nodes", h.nodes}}
	for _, n := range layout.Nodes() {
		checks = append(checks, check{"kube-proxy of " + n.Name, func(ctx context.Context) error { return h.proxy(ctx, n) }})
	}
	return append(checks, check{"the cluster's DNS", h.dnsReady}, check{"names, ClusterIPs and logs", h.resolves})
}

// all waits for everything, in order.
func (h health) all(ctx context.Context, say func(string)) error {
	for _, c := range h.checks() {
		if err := until(ctx, 90*time.Second, c.name, c.ask); err != nil {
			return err
		}
		say("ready: " + c.name)
	}
	return nil
}

func (h health) apiServer(ctx context.Context) error {
	_, err := h.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

func (h health) nodes(ctx context.Context) error {
	for _, want := range layout.Nodes() {
		n, err := h.client.CoreV1().Nodes().Get(ctx, want.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !nodeReady(n) {
			return fmt.Errorf("node %s is not ready", want.Name)
		}
		// A node that died is called ready until its lease runs out: ask its kubelet itself.
		path := "/api/v1/nodes/" + want.Name + "/proxy/healthz"
		if _, err := h.client.Discovery().RESTClient().Get().AbsPath(path).DoRaw(ctx); err != nil {
			return fmt.Errorf("asking the kubelet of %s: %w", want.Name, err)
		}
	}
	return nil
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (h health) proxy(ctx context.Context, n layout.Node) error {
	url := fmt.Sprintf("http://%s:%d/healthz", n.IP, layout.KubeProxyHealthPort)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

func (h health) dnsReady(ctx context.Context) error {
	d, err := h.client.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !rolledOut(d) {
		return fmt.Errorf("%d of %d pods of coredns are ready", d.Status.ReadyReplicas, *d.Spec.Replicas)
	}
	return nil
}

func rolledOut(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration >= d.Generation && d.Status.ReadyReplicas == *d.Spec.Replicas &&
		d.Status.UpdatedReplicas == *d.Spec.Replicas
}

// resolves asks the DNS Service and each DNS pod, across the nodes.
func (h health) resolves(ctx context.Context) error {
	pods, err := h.client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return err
	}
	servers := []string{net.JoinHostPort(layout.DNSServiceIP, "53")}
	for _, pod := range pods.Items {
		if !pod.DeletionTimestamp.IsZero() {
			continue
		}
		servers = append(servers, net.JoinHostPort(pod.Status.PodIP, "5353"))
		// A kubelet that was just started again takes a moment to know its pods, and till then shows no logs.
		line := int64(1)
		if _, err := h.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &line}).DoRaw(ctx); err != nil {
			return fmt.Errorf("reading the log of %s on %s: %w", pod.Name, pod.Spec.NodeName, err)
		}
	}
	for _, server := range servers {
		if err := resolve(ctx, server); err != nil {
			return fmt.Errorf("asking the DNS server %s: %w", server, err)
		}
	}
	return nil
}

func resolve(ctx context.Context, server string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
	name := "kubernetes.default.svc." + layout.ClusterDomain + "."
	addresses, err := resolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	if len(addresses) != 1 || addresses[0] != layout.APIServiceIP {
		return errors.New(name + " is not " + layout.APIServiceIP)
	}
	return nil
}
