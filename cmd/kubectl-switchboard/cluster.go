package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

// fromCluster reads what no file was given for.
func fromCluster(ctx context.Context, c *connection, found *audit.Evidence, o auditOptions) error {
	reader, config, err := c.open()
	if err != nil {
		return err
	}
	tenant := &v1alpha1.Tenant{}
	err = reader.Get(ctx, client.ObjectKey{Name: found.Tenant}, tenant)
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return fmt.Errorf("reading Tenant %s: %w", found.Tenant, err)
	}
	if e := tenant.Status.Evidence; e != nil {
		found.Status = &contract.ChainLink{Sequence: e.Sequence, Digest: e.Digest}
	}
	if o.ledger == "" {
		if found.Entries, err = readLedger(ctx, reader, c.operatorNamespace, found.Tenant); err != nil {
			return err
		}
		if gone && len(found.Entries) == 0 {
			return fmt.Errorf("there is neither a Tenant %s nor a ledger of one in namespace %s: see kubectl get tenants", found.Tenant, c.operatorNamespace)
		}
	}
	if o.keys == "" && len(found.Entries) > 0 || o.keys == "" && o.ledger != "" {
		published := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: c.operatorNamespace, Name: name.SigningKeys}
		if err := reader.Get(ctx, key, published); err != nil {
			return fmt.Errorf("reading the public keys: %w", err)
		}
		if found.Keys, err = signing.PublicKeys(published); err != nil {
			return err
		}
	}
	if o.receipts == "" && !gone {
		found.Receipts = func(add func(evidence.Sealed) error) error {
			return fromPod(ctx, reader, config, tenant, add)
		}
	}
	return nil
}

func readLedger(ctx context.Context, reader client.Reader, namespace, tenant string) ([]audit.Entry, error) {
	selector := client.MatchingLabels(ledger.Labels())
	selector[v1alpha1.LabelTenant] = tenant
	var books corev1.ConfigMapList
	if err := reader.List(ctx, &books, client.InNamespace(namespace), selector); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	var entries []audit.Entry
	for _, book := range books.Items {
		if _, _, ok := name.ParseLedger(tenant, book.Name); !ok {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(book.Data)) {
			entries = append(entries, audit.Entry{Ledger: book.Name, Key: key, Envelope: book.Data[key]})
		}
	}
	return entries, nil
}

// fromPod reads the receipts by `instance verify --export` in a pod that serves the tenant.
func fromPod(ctx context.Context, reader client.Reader, config *rest.Config, tenant *v1alpha1.Tenant, add func(evidence.Sealed) error) error {
	pod, err := servingPod(ctx, reader, tenant)
	if err != nil {
		return err
	}
	out, in := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, config, pod, contract.ComponentServe, []string{"/instance", "verify", "--export"}, remotecommand.StreamOptions{Stdout: in, Stderr: &errs})
		_ = in.Close()
		ended <- err
	}()
	err = evidence.ReadLines(out, add)
	_, _ = io.Copy(io.Discard, out) // lets the run end, and say why what it wrote can't be read
	if ran := <-ended; ran != nil {
		return fmt.Errorf("running instance verify --export in pod %s: %w: %s", pod, ran, strings.TrimSpace(errs.String()))
	}
	return err
}

func servingPod(ctx context.Context, reader client.Reader, tenant *v1alpha1.Tenant) (types.NamespacedName, error) {
	namespace := plan.Tenant{Tenant: tenant}.Namespace()
	var pods corev1.PodList
	if err := reader.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(plan.ServerLabels(tenant.Name))); err != nil {
		return types.NamespacedName{}, fmt.Errorf("looking for a pod of the tenant: %w", err)
	}
	for _, p := range pods.Items {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp.IsZero() {
				return client.ObjectKeyFromObject(&p), nil
			}
		}
	}
	return types.NamespacedName{}, fmt.Errorf("asking the tenant: no pod of Deployment serve in namespace %s is ready; is the tenant suspended? (audit verify takes --receipts FILE, too)", namespace)
}

// lastLine of what a program complained of.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// run runs a command in a pod, by web sockets as kubectl exec does, or by SPDY where a
// proxy in between knows no others.
func run(ctx context.Context, config *rest.Config, pod types.NamespacedName, container string, command []string, streams remotecommand.StreamOptions) error {
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &corev1.SchemeGroupVersion, "/api"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientFor(config)
	if err != nil {
		return err
	}
	url := c.Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: container, Command: command, Stdin: streams.Stdin != nil, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec).URL()
	sockets, err := remotecommand.NewWebSocketExecutor(config, "GET", url.String())
	if err != nil {
		return err
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, "POST", url)
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(sockets, spdy, func(err error) bool {
		return strings.Contains(err.Error(), "unable to upgrade")
	})
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams)
}
