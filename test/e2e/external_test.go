package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

const regionExternal = "e2e-external"

// A tenant's database on a server that stands for a provider's.
var _ = Describe("A database that a provider runs", Label("long", "external"), Ordered, func() {
	var cl *client
	var provider *fixture.Provider
	const number = 70 // a guest

	// leads has the tenant's Secret lead to the server by a name, checked by an authority.
	leads := func(ctx context.Context, host string, ca []byte) {
		GinkgoHelper()
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: database, namespace: %s}
stringData: {host: %s, dbname: hotel, user: hotel, password: of-the-hotel}
data: {ca.crt: %s}
`, cl.namespace(), host, base64.StdEncoding.EncodeToString(ca)))).To(Succeed())
	}
	untrusted := func(ctx context.Context, why string) {
		GinkgoHelper()
		Expect(cluster.Until(ctx, 90*time.Second, "DatabaseUntrusted: "+why, func(ctx context.Context) error {
			cond := meta.FindStatusCondition(cl.get(ctx).Status.Conditions, v1alpha1.ConditionDatabaseReady)
			if cond == nil || cond.Status != "False" || cond.Reason != v1alpha1.ReasonDatabaseUntrusted || !strings.Contains(cond.Message, why) {
				return fmt.Errorf("it is %+v", cond)
			}
			Expect(cond.Message).NotTo(ContainSubstring(fixture.ProviderNamespace), "it names the host")
			return nil
		})).To(Succeed())
		out, err := provider.SQL(ctx, "hotel", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sb\_%'`)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(Equal("0"), "something was written there")
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		watched = append(watched, fixture.ProviderNamespace)
		provider, err = fixture.StartProvider(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		_, err = provider.SQL(ctx, "postgres", `CREATE ROLE hotel LOGIN CREATEROLE PASSWORD 'of-the-hotel'`, `CREATE DATABASE hotel OWNER hotel`)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Region
metadata: {name: %s}
spec:
  jurisdiction: EU
  nodeSelector: {topology.kubernetes.io/region: eu-central}
  database:
    engine: External
    external:
      provider: Example Cloud SQL, Frankfurt
      location: DE
      credentialsSecretRef: {name: database}
      egress: {cidrs: [10.88.0.0/16], ports: [5432]}
  subProcessors:
  - {name: twilio, purpose: delivery of text messages, location: US, transferMechanism: EU-US Data Privacy Framework, egress: {cidrs: [0.0.0.0/0], ports: [443, 8443]}}
`, regionExternal))).To(Succeed())
		cl = newClient("hosted", regionExternal, "+493023125190")
		cl.apply(ctx)
	}, NodeTimeout(4*time.Minute))

	AfterAll(func(ctx SpecContext) {
		erase(ctx, cl.tenant)
		_, err := c.Run(ctx, nil, "delete", "region", "--ignore-not-found", regionExternal)
		Expect(err).NotTo(HaveOccurred())
		Expect(provider.Stop(ctx)).To(Succeed())
	}, NodeTimeout(4*time.Minute))

	It("is refused while its certificate is of another authority, or for another name", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		leads(ctx, provider.Host(), standin.CA())
		untrusted(ctx, "is not of the authority in ca.crt")
		leads(ctx, provider.Alias(), provider.CA)
		untrusted(ctx, "is for another host name")
	})

	It("serves the tenant once its certificate is right, and where it is is told as claimed", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		leads(ctx, provider.Host(), provider.CA)
		cl.awaitReady(ctx)
		t := cl.get(ctx)
		Expect(t.Status.Residency.Database).To(HaveValue(And(
			HaveField("Provider", "Example Cloud SQL, Frankfurt"), HaveField("Location", "DE"), HaveField("Claimed", true), HaveField("Allowed", true))))
		Expect(t.Status.Residency.Volumes).To(BeEmpty())
		compliant := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant)
		Expect(compliant).To(HaveValue(And(HaveField("Status", BeEquivalentTo("True")), HaveField("Message", ContainSubstring("was not seen")))))
		backedUp := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionBackedUp)
		Expect(backedUp).To(HaveValue(HaveField("Reason", v1alpha1.ReasonNoBackup)))

		line, sid := cl.line(ctx, "front-desk"), guest.NewSID()
		for range 2 {
			Expect(line.Write(ctx, sid, guestNumber(number), "Is there a pool?")).To(Equal(http.StatusOK))
		}
		out, err := provider.SQL(ctx, "hotel", fmt.Sprintf(`SELECT count(*) FROM sb.message WHERE provider_id = '%s'`, sid),
			`SELECT count(*) > 0, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'sb\_%'`,
			`SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sb\_%' AND (rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls)`)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(Equal("1\nt|t\n0"))
		before := policyOf(ctx, cl).Status.Sequence
		runRetention(ctx, cl, "hosted")
		nextRun(ctx, cl, before, time.Minute)
	})

	It("is emptied when the tenant is erased, and the certificate says what nobody could see", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		uid := string(cl.get(ctx).UID)
		remove(ctx, cl)
		out, err := provider.SQL(ctx, "hotel", `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sb\_%'`,
			`SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sb%' OR nspname LIKE 'river%'`, `SELECT count(*) FROM pg_database WHERE datname = 'hotel'`)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(Equal("0\n0\n1"))
		certificate := &v1alpha1.ErasureCertificate{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.tenant + "-" + uid[:8]}, certificate)).To(Succeed())
		Expect(certificate.Spec.Unchecked).To(ContainElement(ContainSubstring("backups")))
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.namespace()}, &corev1.Namespace{})).NotTo(Succeed())
	})
})
