package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// readyLimit bounds one onboarding.
const readyLimit = 3 * time.Minute

// subject is the tenant that is measured.
type subject struct {
	cluster *cluster.Cluster
	standin *fixture.Standin
}

// What the subject is called.
const (
	tenantName = "bench"
	namespace  = "tenant-bench"
	regionName = "bench"
	accountSID = "AC0000000000000000000000000000bebc"
	authToken  = "token-of-bench"
	number     = "+16175550199" // kept for fiction
)

func newSubject(c *cluster.Cluster, s *fixture.Standin) *subject {
	return &subject{cluster: c, standin: s}
}

// prepare makes the region and the provider's account, and clears what an earlier run left.
func (t *subject) prepare(ctx context.Context) error {
	if err := t.remove(ctx); err != nil {
		return err
	}
	if err := t.standin.AddAccount(ctx, accountSID, authToken); err != nil {
		return err
	}
	return t.cluster.ApplyYAML(ctx, `
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Region
metadata: {name: `+regionName+`}
spec:
  jurisdiction: EU
  nodeSelector: {topology.kubernetes.io/region: eu-central}
  storageClassName: local-eu-central
  database: {storage: 2Gi}
  subProcessors:
  - name: twilio
    purpose: delivery of text messages
    location: US
    transferMechanism: EU-US Data Privacy Framework
    egress: {cidrs: [0.0.0.0/0], ports: [443, 8443]}
`)
}

func (t *subject) manifests() string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {messaging.switchboard.dev/tenant: %[2]s}
---
apiVersion: v1
kind: Secret
metadata: {name: twilio, namespace: %[1]s}
stringData: {authToken: %[3]s}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Tenant
metadata: {name: %[2]s}
spec:
  region: %[4]s
  hostname: messages.bench.example
  deletionPolicy: Erase
  plan: {resources: {cpu: 500m, memory: 1Gi}}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: front-desk, namespace: %[1]s}
spec:
  type: TwilioSMS
  subProcessor: twilio
  twilioSMS:
    accountSID: %[5]s
    credentialsSecretRef: {name: twilio}
    from: %[6]q
    apiBaseURL: %[7]s
    caBundle: %[8]q
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: guest-data, namespace: %[1]s}
spec:
  schedule: "@yearly"
  rules: [{category: Messages, retainDays: 365}]
`, namespace, tenantName, authToken, regionName, accountSID, number, t.standin.URL(), t.standin.CA())
}

// onboard erases the tenant and applies it anew; it gives the time from apply to Ready.
func (t *subject) onboard(ctx context.Context) (time.Duration, error) {
	if err := t.remove(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := t.cluster.ApplyYAML(ctx, t.manifests()); err != nil {
		return 0, err
	}
	if err := fixture.AwaitReady(ctx, t.cluster, tenantName, readyLimit); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// onboardPlainly applies what the operator made of the tenant, in the same namespace made anew and
// with the operator scaled away; it gives the time from apply until the same pods are Ready.
func (t *subject) onboardPlainly(ctx context.Context) (spent time.Duration, err error) {
	made, err := t.rendered(ctx)
	if err != nil {
		return 0, err
	}
	if err := fixture.ScaleOperator(ctx, t.cluster, 0); err != nil {
		return 0, err
	}
	defer func() {
		if up := fixture.ScaleOperator(ctx, t.cluster, 1); err == nil {
			err = up
		}
	}()
	if err := t.deleteNamespace(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := t.cluster.ApplyYAML(ctx, made); err != nil {
		return 0, err
	}
	err = cluster.Until(ctx, readyLimit, "the same pods", func(ctx context.Context) error {
		for _, service := range []string{"postgres", "serve", "connector-front-desk"} {
			if _, err := t.cluster.ReadyPod(ctx, namespace, service); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	spent = time.Since(start)
	return spent, t.deleteNamespace(ctx) // it bears no tenant's label, so that no erasure would
}

// kinds that are applied again, in the order in which a person would write them down.
var kinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "resourcequotas"}, {Version: "v1", Resource: "limitranges"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Version: "v1", Resource: "serviceaccounts"}, {Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "services"}, {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"}, {Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// rendered reads back what stands in the tenant's namespace, as manifests that can be applied anew.
func (t *subject) rendered(ctx context.Context) (string, error) {
	dyn, err := dynamic.NewForConfig(t.cluster.Config)
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	var b strings.Builder
	write := func(o *unstructured.Unstructured) error {
		clean(o)
		encoded, err := json.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("rendering %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		b.Write(encoded)
		b.WriteByte('\n') // a stream of JSON documents
		return nil
	}
	ns, err := dyn.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the namespace: %w", err)
	}
	// Without the label that makes it a tenant's: what stands in a tenant's namespace is for the operator alone to write.
	unstructured.RemoveNestedField(ns.Object, "metadata", "labels", v1alpha1.LabelTenant)
	if err := write(ns); err != nil {
		return "", err
	}
	for _, kind := range kinds {
		list, err := dyn.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", kind.Resource, err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if name := o.GetName(); name == "kube-root-ca.crt" || (name == "default" && kind.Resource == "serviceaccounts") {
				continue // Kubernetes makes these
			}
			if err := write(o); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

// clean takes away what the API server and controllers added.
func clean(o *unstructured.Unstructured) {
	o.SetOwnerReferences(nil)
	o.SetUID("")
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
	o.SetGeneration(0)
	for _, path := range [][]string{
		{"metadata", "creationTimestamp"}, {"metadata", "finalizers"}, {"status"}, {"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"spec", "finalizers"},
	} {
		unstructured.RemoveNestedField(o.Object, path...)
	}
	if o.GetKind() == "Job" { // its selector is made from its uid
		unstructured.RemoveNestedField(o.Object, "spec", "selector")
		for _, label := range []string{"batch.kubernetes.io/controller-uid", "controller-uid"} {
			unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "labels", label)
			unstructured.RemoveNestedField(o.Object, "metadata", "labels", label)
		}
	}
}

// remove erases the tenant, whoever made what is there.
func (t *subject) remove(ctx context.Context) error {
	tenant := &v1alpha1.Tenant{}
	err := t.cluster.Get(ctx, client.ObjectKey{Name: tenantName}, tenant)
	if err == nil {
		err = t.cluster.Delete(ctx, tenant)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("erasing the tenant: %w", err)
	}
	err = cluster.Until(ctx, readyLimit, "the tenant to be erased", func(ctx context.Context) error {
		err := t.cluster.Get(ctx, client.ObjectKey{Name: tenantName}, tenant)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there (%w): %v", err, tenant.Status.Conditions)
	})
	if err != nil {
		return err
	}
	return t.deleteNamespace(ctx)
}

func (t *subject) deleteNamespace(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := t.cluster.Delete(ctx, ns); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting namespace %s: %w", namespace, err)
	}
	return cluster.Until(ctx, readyLimit, "namespace "+namespace+" to go", func(ctx context.Context) error {
		err := t.cluster.Get(ctx, client.ObjectKey{Name: namespace}, ns)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %w", err)
	})
}
