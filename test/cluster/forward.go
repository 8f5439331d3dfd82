package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Door leads from this process to one port of whichever Ready pod stands behind a
// Service, by the API server's port-forward. It survives the pod's replacement.
type Door struct {
	cluster   *Cluster
	namespace string
	service   string
	port      int // of the container

	mu      sync.Mutex
	address string             // on the loopback interface; "" when closed
	end     context.CancelFunc // ends the forwarding
	number  int                // of the forwarding, so that the end of an old one leaves a new one alone
}

// Door makes a Door; nothing is opened before the first Dial.
func (c *Cluster) Door(namespace, service string, port int) *Door {
	return &Door{cluster: c, namespace: namespace, service: service, port: port}
}

// Dial connects; it has the shape of net.Dialer.DialContext and ignores the address.
func (d *Door) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	address, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// handshakeTimeout is how long a forwarding may take for a handshake before it is taken for stuck.
const handshakeTimeout = 20 * time.Second

// DialTLS gives a function that connects by TLS. A forwarding under many connections may get stuck, so that nothing passes any more: one on
// which a handshake does not end is ended, with all of its connections, and the next to dial begins another.
func (d *Door) DialTLS(config *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		of := config.Clone()
		if of.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, errors.Join(fmt.Errorf("connecting to %s: %w", address, err), conn.Close())
		}
		secure := tls.Client(conn, of)
		shaking, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		err = secure.HandshakeContext(shaking)
		if err == nil {
			return secure, nil
		}
		if ctx.Err() == nil && shaking.Err() != nil {
			d.Close()
			err = errors.New("the forwarding was stuck, and is ended")
		}
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", address, err), conn.Close())
	}
}

// Close ends the forwarding and every connection through it.
func (d *Door) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.end != nil {
		d.end()
	}
	d.address = ""
}

func (d *Door) open(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.address != "" {
		return d.address, nil
	}
	pod, err := d.cluster.ReadyPod(ctx, d.namespace, d.service)
	if err != nil {
		return "", err
	}
	url := d.cluster.Typed.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(d.namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(d.cluster.Config)
	if err != nil {
		return "", fmt.Errorf("preparing a port-forward: %w", err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	// A connection that a pod refuses is told to whoever dials; client-go would tell standard error as well.
	quiet, end := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), logr.Discard()))
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesWithContext(quiet, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", d.port)}, ready, io.Discard, io.Discard)
	if err != nil {
		end()
		return "", fmt.Errorf("preparing a port-forward: %w", err)
	}
	d.number++
	ended := make(chan error, 1)
	go d.forward(forwarder, d.number, ended)
	select {
	case <-ready:
	case err := <-ended:
		end()
		return "", fmt.Errorf("forwarding port %d of pod %s/%s: %w", d.port, d.namespace, pod.Name, err)
	case <-ctx.Done():
		end()
		return "", ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		end()
		return "", fmt.Errorf("forwarding port %d of pod %s/%s: %w", d.port, d.namespace, pod.Name, err)
	}
	d.end, d.address = end, fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
	return d.address, nil
}

// forward works until the pod is gone or the forwarding is ended.
func (d *Door) forward(forwarder *portforward.PortForwarder, number int, ended chan<- error) {
	ended <- forwarder.ForwardPorts()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.number == number && d.end != nil {
		d.end()
		d.address = ""
	}
}

// ReadyPod gives one pod behind a Service that is Ready and not on its way out.
func (c *Cluster) ReadyPod(ctx context.Context, namespace, service string) (*corev1.Pod, error) {
	pods, err := c.PodsOf(ctx, namespace, service)
	if err != nil {
		return nil, err
	}
	for i := range pods {
		if IsReady(&pods[i]) {
			return &pods[i], nil
		}
	}
	return nil, fmt.Errorf("no pod behind service %s/%s is ready (%d there)", namespace, service, len(pods))
}

// PodsOf gives the pods that a Service selects.
func (c *Cluster) PodsOf(ctx context.Context, namespace, service string) ([]corev1.Pod, error) {
	svc := &corev1.Service{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: service}, svc); err != nil {
		return nil, fmt.Errorf("reading service %s/%s: %w", namespace, service, err)
	}
	if len(svc.Spec.Selector) == 0 {
		return nil, errors.New("service " + namespace + "/" + service + " selects no pods")
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels(svc.Spec.Selector)); err != nil {
		return nil, fmt.Errorf("listing the pods of service %s/%s: %w", namespace, service, err)
	}
	return pods.Items, nil
}

// IsReady tells whether a pod is Ready and not being deleted.
func IsReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
