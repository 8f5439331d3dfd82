package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// A tenant's database with CloudNativePG's own operator, built from its module.
var _ = Describe("A database that CloudNativePG runs", Label("long", "cnpg"), Ordered, func() {
	var cl *client
	const first, silent, late = 60, 61, 62 // guests

	BeforeAll(func(ctx SpecContext) {
		Expect(fixture.InstallCloudNativePG(ctx, c, root)).To(Succeed())
		restartOperator(ctx) // what kinds a cluster knows is asked once
		Expect(c.ApplyYAML(ctx, clusteredRegion())).To(Succeed())
		cl = newClient("followed", regionCNPG, "+493023125180")
		watched = append(watched, "cnpg-system")
		cl.apply(ctx)
		_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", `{"spec":{"backup":{"schedule":"0 0 1 1 *","keepDays":35,"storage":"1Gi"}}}`)
		Expect(err).NotTo(HaveOccurred())
		cl.awaitReady(ctx)
		bothServe(ctx, cl)
	}, NodeTimeout(8*time.Minute))

	AfterAll(func(ctx SpecContext) {
		erase(ctx, cl.tenant)
		_, err := c.Run(ctx, nil, "delete", "region", "--ignore-not-found", regionCNPG)
		Expect(err).NotTo(HaveOccurred())
		Expect(fixture.RemoveCloudNativePG(ctx, c, root)).To(Succeed())
		restartOperator(ctx)
	}, NodeTimeout(6*time.Minute))

	It("has a leader and a follower in its region, and status shows both", SpecTimeout(9*time.Minute), func(ctx SpecContext) {
		nodes := nodesByName(ctx)
		pods := databasePods(ctx, cl)
		Expect(pods).To(HaveLen(2))
		for _, pod := range pods {
			Expect(nodes[pod.Spec.NodeName].Labels).To(HaveKeyWithValue(regionLabel, "eu-central"), pod.Name)
		}
		Expect(cluster.Until(ctx, time.Minute, "both volumes in status", func(ctx context.Context) error {
			t := cl.get(ctx)
			claims := []string{}
			if t.Status.Residency != nil {
				for _, v := range t.Status.Residency.Volumes {
					if v.InRegion && v.LastSeen == nil {
						claims = append(claims, v.Claim)
					}
				}
			}
			slices.Sort(claims)
			if want := []string{"postgres-1", "postgres-2"}; !slices.Equal(claims, want) {
				return fmt.Errorf("in the region are %v, want %v", claims, want)
			}
			return nil
		})).To(Succeed())
		t := cl.get(ctx)
		Expect(meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionResidencyCompliant)).To(BeTrue())
		Expect(t.Status.Residency.Violations).To(BeEmpty())
	})

	It("lets nobody in without TLS, and each component no further than it must go", SpecTimeout(time.Minute), func(ctx SpecContext) {
		Expect(cl.rows(ctx, `SELECT count(*) > 0, bool_and(ssl), bool_and(client_dn IS NOT NULL) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'sb\_%'`)).
			To(Equal([]string{"t|t|t"}))
		Expect(cl.count(ctx, `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'sb\_%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)`)).To(BeZero())
		_, err := c.Count(ctx, cl.namespace(), "SET ROLE sb_serve; SELECT count(*) FROM sb.access_log")
		Expect(err).To(MatchError(ContainSubstring("permission denied")))
		pod, err := c.DatabasePod(ctx, cl.namespace())
		Expect(err).NotTo(HaveOccurred())
		for mode, want := range map[string]string{"disable": "no encryption", "require": "connection requires a valid client certificate"} {
			_, err = c.Exec(ctx, cl.namespace(), pod.Name, "postgres", nil,
				"psql", "-X", "-w", "-c", "SELECT 1", fmt.Sprintf("host=postgres-rw.%s.svc user=sb_serve dbname=switchboard sslmode=%s", cl.namespace(), mode))
			Expect(err).To(MatchError(ContainSubstring(want)), "sslmode=%s", mode)
		}
	})

	It("stores what a guest writes once, and sends what staff answer once", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
		line, sid, from := cl.line(ctx, "front-desk"), guest.NewSID(), guestNumber(first)
		for range 2 {
			Expect(line.Write(ctx, sid, from, "Is breakfast included?")).To(Equal(http.StatusOK))
		}
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.message WHERE provider_id = '%s'`, sid))).To(BeEquivalentTo(1))
		box, thread := cl.inbox(ctx), threadOf(ctx, cl, from)
		m, err := box.Reply(ctx, thread, "It is, from seven.", "key-"+from)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal("delivered"))
		Expect(sentTo(ctx, from)).To(HaveLen(1))
	})

	It("deletes by its policy, with receipts that an auditor can check", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		before := policyOf(ctx, cl).Status.Sequence
		runRetention(ctx, cl, "clustered")
		nextRun(ctx, cl, before, time.Minute)
		report, code := verifyEvidence(ctx, buildPlugin(ctx), cl.tenant)
		Expect(code).To(BeZero(), "%+v", report)
		Expect(report.Receipts).To(BeNumerically(">=", 1))
	})

	It("loses nothing that was acknowledged when the leader is killed", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		writing := steadily(ctx, cl)
		Eventually(func() int64 { return cl.count(ctx, `SELECT count(*) FROM sb.message`) }).WithContext(ctx).WithTimeout(time.Minute).Should(BeNumerically(">", 40))
		led, err := c.DatabasePod(ctx, cl.namespace())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.KillContainer(ctx, led, "postgres")).To(Succeed())
		_, err = c.Run(ctx, nil, "-n", cl.namespace(), "delete", "pod", led.Name, "--force", "--grace-period=0", "--wait=false")
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, 3*time.Minute, "another leader", func(ctx context.Context) error {
			now, err := c.DatabasePod(ctx, cl.namespace())
			if err != nil {
				return err
			}
			if now.Name == led.Name {
				return fmt.Errorf("%s leads", now.Name)
			}
			return nil
		})).To(Succeed())
		bothServe(ctx, cl)
		cl.awaitReady(ctx)
		acknowledged, without := writing()
		AddReportEntry("failover", fmt.Sprintf("%d messages were acknowledged, none for %s while the leader changed", len(acknowledged), without.Round(100*time.Millisecond)))
		ids := "'" + strings.Join(acknowledged, "','") + "'"
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message JOIN sb.message_body USING (id, at) WHERE provider_id IN (`+ids+`)`)).To(BeEquivalentTo(len(acknowledged)))
	})

	It("is backed up, bounded by its policy, and put back; what happened since is carried out again", SpecTimeout(10*time.Minute), func(ctx SpecContext) {
		_, err := c.Run(ctx, nil, "-n", cl.namespace(), "create", "job", "backup-now", "--from=cronjob/backup")
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, 2*time.Minute, "the backup in status", func(ctx context.Context) error {
			t := cl.get(ctx)
			if t.Status.Backup == nil || t.Status.Backup.File == "" || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionBackedUp) {
				return fmt.Errorf("it is %+v, %+v", t.Status.Backup, t.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		Expect(cl.get(ctx).Status.Backup.KeepDays).To(BeEquivalentTo(30), "the policy keeps AccessLogs for 30 days")

		line := cl.line(ctx, "front-desk")
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(silent), "STOP")).To(Equal(http.StatusOK))
		lost := guest.NewSID()
		Expect(line.Write(ctx, lost, guestNumber(late), "And a cot, please.")).To(Equal(http.StatusOK))
		before := policyOf(ctx, cl).Status.Sequence
		runRetention(ctx, cl, "later") // whose receipt is not in the backup
		nextRun(ctx, cl, before, time.Minute)
		anchored(ctx, cl)

		out, err := exec.CommandContext(ctx, buildPlugin(ctx), "restore", cl.tenant, "--backup", "latest").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(cluster.Until(ctx, 5*time.Minute, "the restore and the replay", func(ctx context.Context) error {
			t := cl.get(ctx)
			if t.Status.Restore == nil || t.Status.Restore.Phase != v1alpha1.RestoreDone || t.Status.Restored == nil ||
				!meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionDatabaseCurrent) {
				return fmt.Errorf("restore %+v, restored %+v, conditions %+v", t.Status.Restore, t.Status.Restored, t.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		AddReportEntry("restored", fmt.Sprintf("%+v", *cl.get(ctx).Status.Restored))
		cl.awaitReady(ctx)
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.message WHERE provider_id = '%s'`, lost))).To(BeZero(), "it was put back")
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.suppression`)).To(BeEquivalentTo(1), "who said STOP since stays unwritten to")
		By("a new follower, which has what was put back")
		bothServe(ctx, cl)
		Expect(cl.count(ctx, `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`)).To(BeEquivalentTo(1))
	})

	It("kept, it sleeps with its volumes; taken up again, it wakes", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		messages := cl.count(ctx, `SELECT count(*) FROM sb.message_body`)
		setDeletionPolicy(ctx, cl, v1alpha1.DeletionRetain)
		remove(ctx, cl)
		Expect(cluster.Until(ctx, 2*time.Minute, "the end of its pods", func(ctx context.Context) error {
			if pods := databasePods(ctx, cl); len(pods) > 0 {
				return fmt.Errorf("%d are there", len(pods))
			}
			return nil
		})).To(Succeed())
		Expect(names(ctx, cl.namespace(), "persistentvolumeclaims")).To(HaveLen(3))
		cl.apply(ctx)
		cl.awaitReady(ctx)
		bothServe(ctx, cl)
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(messages))
	})

	It("erased, leaves nothing", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		volumes := claimed(ctx, cl)
		Expect(volumes).To(HaveLen(3))
		setDeletionPolicy(ctx, cl, v1alpha1.DeletionErase)
		uid := string(cl.get(ctx).UID)
		remove(ctx, cl)
		Expect(apierrors.IsNotFound(c.Get(ctx, crclient.ObjectKey{Name: cl.namespace()}, &corev1.Namespace{}))).To(BeTrue())
		certificate := &v1alpha1.ErasureCertificate{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.tenant + "-" + uid[:8]}, certificate)).To(Succeed())
		Expect(certificate.Spec.Counted).To(BeTrue(), "%v", certificate.Spec.Unchecked)
		for _, v := range volumes {
			Expect(apierrors.IsNotFound(c.Get(ctx, crclient.ObjectKey{Name: v}, &corev1.PersistentVolume{}))).To(BeTrue(), "volume %s is still there", v)
			Expect(certificate.Spec.Destroyed).To(ContainElement("PersistentVolume " + v))
		}
		out, err := c.Run(ctx, nil, "get", "all,secrets,pvc,clusters.postgresql.cnpg.io,channels,retentionpolicies", "-A", "-o", "name")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).NotTo(ContainSubstring(cl.tenant))
	})
})
