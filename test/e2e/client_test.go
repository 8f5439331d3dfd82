package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

// Regions of the suite: the same nodes as the samples', under names of their own.
const (
	regionEU = "e2e-eu"
	regionUS = "e2e-us"
)

// regions as the platform team would apply them.
func regions() string {
	one := func(name, label, jurisdiction, mechanism string) string {
		return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Region
metadata: {name: %s}
spec:
  jurisdiction: %s
  nodeSelector: {topology.kubernetes.io/region: %s}
  storageClassName: local-%s
  database: {storage: 1Gi}
  subProcessors:
  - name: twilio
    purpose: delivery of text messages
    location: US
%s    egress: {cidrs: [0.0.0.0/0], ports: [443, 8443]}
  retentionBounds:
  - {category: Messages, minDays: 7, maxDays: 730}
---`, name, jurisdiction, label, label, mechanism)
	}
	return one(regionEU, "eu-central", "EU", "    transferMechanism: EU-US Data Privacy Framework\n") +
		one(regionUS, "us-east", "US", "")
}

// client is a tenant of this run with what the suite knows of it.
type client struct {
	tenant   string
	region   string
	numbers  []string // of the channels front-desk and concierge
	sid      string
	token    string
	policy   string // the name of its RetentionPolicy; "" for none
	hostname string
}

var channelNames = []string{"front-desk", "concierge"}

// newClient describes a tenant with a channel per number, and registers its namespace
// with those that are shown on failure.
func newClient(name, region string, numbers ...string) *client {
	tenant := "e2e-" + name + "-" + run
	watched = append(watched, "tenant-"+tenant)
	sum := fmt.Sprintf("%x", []byte(tenant+strings.Repeat(".", 16)))[:32]
	return &client{
		tenant: tenant, region: region, numbers: numbers, policy: "guest-data",
		sid: "AC" + sum, token: "token-of-" + tenant, hostname: "messages." + tenant + ".example",
	}
}

func (cl *client) namespace() string { return "tenant-" + cl.tenant }

// manifests are the client's folder: namespace, Tenant, Secret, Channels, RetentionPolicy.
func (cl *client) manifests() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {messaging.switchboard.dev/tenant: %[2]s}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Tenant
metadata: {name: %[2]s}
spec: {region: %[3]s, hostname: %[4]s, deletionPolicy: Erase}
---
apiVersion: v1
kind: Secret
metadata: {name: twilio, namespace: %[1]s}
stringData: {authToken: %[5]q}
`, cl.namespace(), cl.tenant, cl.region, cl.hostname, cl.token)
	for i, number := range cl.numbers {
		b.WriteString(cl.channel(channelNames[i], number))
	}
	if cl.policy != "" {
		b.WriteString(cl.retention("0 0 1 1 *"))
	}
	return b.String()
}

func (cl *client) channel(name, number string) string {
	return fmt.Sprintf(`---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: %s, namespace: %s}
spec:
  type: TwilioSMS
  subProcessor: twilio
  twilioSMS:
    accountSID: %s
    credentialsSecretRef: {name: twilio}
    from: %q
    apiBaseURL: %s
    caBundle: %q
`, name, cl.namespace(), cl.sid, number, standin.URL(), standin.CA())
}

// retention is the client's policy with a schedule of the test's choice.
func (cl *client) retention(schedule string) string {
	return fmt.Sprintf(`---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: %s, namespace: %s}
spec:
  schedule: %q
  guard: {maxPercent: 100} # these histories are old on purpose
  rules:
  - {category: Messages, retainDays: 90}
  - {category: MessageMetadata, retainDays: 180}
  - {category: Contacts, retainDays: 365}
  - {category: AccessLogs, retainDays: 30}
`, cl.policy, cl.namespace(), schedule)
}

func (cl *client) apply(ctx context.Context) {
	GinkgoHelper()
	Expect(standin.AddAccount(ctx, cl.sid, cl.token)).To(Succeed())
	Expect(c.ApplyYAML(ctx, cl.manifests())).To(Succeed())
}

func (cl *client) awaitReady(ctx context.Context) {
	GinkgoHelper()
	Expect(fixture.AwaitReady(ctx, c, cl.tenant, 3*time.Minute)).To(Succeed())
}

func (cl *client) get(ctx context.Context) *v1alpha1.Tenant {
	GinkgoHelper()
	t := &v1alpha1.Tenant{}
	Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t)).To(Succeed())
	return t
}

// line leads to one of the client's channels as the provider would reach it.
func (cl *client) line(ctx context.Context, channel string) *guest.Line {
	GinkgoHelper()
	l, err := fixture.OpenLine(ctx, c, cl.get(ctx), channel, cl.token)
	Expect(err).NotTo(HaveOccurred())
	return l
}

// inbox is the staff API, signed in.
func (cl *client) inbox(ctx context.Context) *inbox.Inbox {
	GinkgoHelper()
	box, err := fixture.OpenInbox(ctx, c, cl.get(ctx))
	Expect(err).NotTo(HaveOccurred())
	return box
}

// count asks the client's database, inside its pod, for one number.
func (cl *client) count(ctx context.Context, statement string) int64 {
	GinkgoHelper()
	n, err := c.Count(ctx, cl.namespace(), statement)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// rows asks the client's database, inside its pod.
func (cl *client) rows(ctx context.Context, statement string) []string {
	GinkgoHelper()
	rows, err := c.PSQL(ctx, cl.namespace(), statement)
	Expect(err).NotTo(HaveOccurred())
	return rows
}

// guestNumber gives the nth number of the range that Ofcom keeps for drama.
func guestNumber(n int) string { return fmt.Sprintf("+447700900%03d", n) }

// erase deletes a tenant of the suite with all its data and waits until it is gone.
func erase(ctx context.Context, tenant string) {
	GinkgoHelper()
	t := &v1alpha1.Tenant{}
	err := c.Get(ctx, crclient.ObjectKey{Name: tenant}, t)
	if apierrors.IsNotFound(err) {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	if t.Spec.DeletionPolicy != v1alpha1.DeletionErase {
		_, err := c.Run(ctx, nil, "patch", "tenant", tenant, "--type=merge", "-p", `{"spec":{"deletionPolicy":"Erase"}}`)
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(crclient.IgnoreNotFound(c.Delete(ctx, t))).To(Succeed())
	Expect(cluster.Until(ctx, 2*time.Minute, "the end of Tenant "+tenant, func(ctx context.Context) error {
		err := c.Get(ctx, crclient.ObjectKey{Name: tenant}, t)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("it is still there: %v", t.Status.Conditions)
	})).To(Succeed())
}

// eraseEverything takes away all that the suite made, of this run and of broken ones.
func eraseEverything(ctx context.Context) {
	GinkgoHelper()
	tenants := &v1alpha1.TenantList{}
	Expect(c.List(ctx, tenants)).To(Succeed())
	var all sync.WaitGroup
	for _, t := range tenants.Items {
		if strings.HasPrefix(t.Name, "e2e-") {
			all.Go(func() {
				defer GinkgoRecover()
				erase(ctx, t.Name)
			})
		}
	}
	all.Wait()
	kept := &corev1.NamespaceList{} // of tenants deleted with Retain by a test that failed
	Expect(c.List(ctx, kept)).To(Succeed())
	for i := range kept.Items {
		if strings.HasPrefix(kept.Items[i].Name, "tenant-e2e-") || kept.Items[i].Name == "e2e-unlabelled" {
			Expect(crclient.IgnoreNotFound(c.Delete(ctx, &kept.Items[i]))).To(Succeed())
		}
	}
	certificates := &v1alpha1.ErasureCertificateList{}
	Expect(c.List(ctx, certificates)).To(Succeed())
	for i := range certificates.Items {
		if strings.HasPrefix(certificates.Items[i].Spec.Tenant, "e2e-") {
			Expect(crclient.IgnoreNotFound(c.Delete(ctx, &certificates.Items[i]))).To(Succeed())
		}
	}
	_, err := c.Run(ctx, nil, "delete", "region", "--ignore-not-found", regionEU, regionUS)
	Expect(err).NotTo(HaveOccurred())
	Expect(standin.Stop(ctx)).To(Succeed())
	Expect(c.RemoveHands(ctx)).To(Succeed())
}
