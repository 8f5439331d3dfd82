package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// The first of the ten stories: I put an older database back; before one guest is served,
// every later erasure, opt-out and hold is carried out again, and status shows how many.
var _ = Describe("A database that was put back in time", Label("restore"), Ordered, func() {
	var cl *client
	const erased, silent = 40, 41 // guests

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("returning", regionEU, "+493023125160")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		for _, n := range []int{erased, silent} {
			Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(n), "Do you have a room on the quiet side?")).To(Equal(http.StatusOK))
		}
		runRetention(ctx, cl, "before")
		nextRun(ctx, cl, 0, time.Minute)
		asPostgres(ctx, cl, `ALTER DATABASE switchboard ALLOW_CONNECTIONS false`, endSessions,
			`CREATE DATABASE backup TEMPLATE switchboard`, `ALTER DATABASE switchboard ALLOW_CONNECTIONS true`)
	}, NodeTimeout(5*time.Minute))

	AfterAll(func(ctx SpecContext) {
		_, err := c.Run(ctx, nil, "-n", cl.namespace(), "delete", "legalhold", "case-1", "--ignore-not-found") // it keeps the tenant from being erased
		Expect(err).NotTo(HaveOccurred())
		erase(ctx, cl.tenant)
	}, NodeTimeout(3*time.Minute))

	It("what happens after the backup is known outside of the database", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		Eventually(ctx, func(ctx context.Context) (int, error) { // the pool's connections were cut
			return cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(silent), "STOP")
		}).WithTimeout(30 * time.Second).WithPolling(time.Second).Should(Equal(http.StatusOK))
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: request-1, namespace: %[1]s}
stringData: {phone: %[2]q}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: DataSubjectRequest
metadata: {name: request-1, namespace: %[1]s}
spec: {type: Erasure, receivedAt: %[3]q, subject: {secretName: request-1}}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: LegalHold
metadata: {name: case-1, namespace: %[1]s}
spec: {reason: "Case 1 of 2026", match: {channel: spa}}
`, cl.namespace(), guestNumber(erased), time.Now().UTC().Format(time.RFC3339)))).To(Succeed())
		Expect(cluster.Until(ctx, 2*time.Minute, "the erasure", func(ctx context.Context) error {
			q := &v1alpha1.DataSubjectRequest{}
			if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "request-1"}, q); err != nil {
				return err
			}
			if q.Status.Phase != v1alpha1.RequestCompleted || q.Status.Evidence == nil {
				return fmt.Errorf("it is %s: %+v", q.Status.Phase, q.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		Expect(cl.rows(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address = '%s'`, guestNumber(erased)))).To(Equal([]string{"0"}))

		By("and the pods are told, by a file that the kubelet refreshes")
		head := cl.get(ctx).Status.Evidence
		Expect(cluster.Until(ctx, 3*time.Minute, "the anchor in the connector's pod", func(ctx context.Context) error {
			pod, err := c.ReadyPod(ctx, cl.namespace(), "connector-front-desk")
			if err != nil {
				return err
			}
			anchor, err := c.ReadFile(ctx, pod, "", "/var/run/switchboard/anchor/anchor.json")
			if err != nil || !strings.Contains(anchor, head.Digest) || strings.Contains(anchor, `"id":0`) {
				return fmt.Errorf("it is %s, %w", anchor, err)
			}
			return nil
		})).To(Succeed())
	})

	It("serves nobody until erasures, opt-outs, holds and retention since then were carried out again", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		before := cl.get(ctx).Status.Evidence.Sequence
		line := cl.line(ctx, "front-desk")
		asPostgres(ctx, cl, `ALTER DATABASE switchboard ALLOW_CONNECTIONS false`, endSessions,
			`ALTER DATABASE switchboard RENAME TO lost`, `ALTER DATABASE backup RENAME TO switchboard`)
		put := time.Now()
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address = '%s'`, guestNumber(erased)))).To(BeEquivalentTo(1))
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(silent), "Hello?")).To(Equal(http.StatusServiceUnavailable))

		Expect(cluster.Until(ctx, 3*time.Minute, "the replay", func(ctx context.Context) error {
			t := &v1alpha1.Tenant{}
			if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
				return err
			}
			if t.Status.Restored == nil || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionDatabaseCurrent) {
				return fmt.Errorf("restored %+v, conditions %+v", t.Status.Restored, t.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		restored := cl.get(ctx).Status.Restored
		AddReportEntry("replayed", fmt.Sprintf("%+v, %s after the older database was put back", *restored, time.Since(put).Round(time.Second)))
		Expect(restored.KnownSequence).To(Equal(before))
		Expect(restored.FoundSequence).To(BeNumerically("<", before))
		Expect([]int64{restored.Erasures, restored.Consents, int64(restored.Holds)}).To(Equal([]int64{1, 1, 1}))
		Expect(restored.ErasedRows).To(BeNumerically(">", 1))

		By("as psql counts it")
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address = '%s'`, guestNumber(erased)))).To(BeZero())
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.suppression WHERE channel = '*'`)).To(BeEquivalentTo(1))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.hold WHERE name = 'case-1'`)).To(BeEquivalentTo(1))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.receipt WHERE policy = 'guest-data' AND sequence > (SELECT sequence FROM sb.restore)`)).To(BeEquivalentTo(1))

		By("and then everybody")
		cl.awaitReady(ctx)
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(silent), "Are you there?")).To(Equal(http.StatusOK))
	})

	It("and the evidence tells of it", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		report, code := verifyEvidence(ctx, buildPlugin(ctx), cl.tenant)
		Expect(code).To(BeZero(), "%+v", report)
		Expect(report.Findings).To(ContainElement(HaveField("Code", "Restored")))
	})
})

// The same, by our own backup and one command.
var _ = Describe("A backup", Label("restore", "backup"), Ordered, func() {
	var cl *client
	const early, late = 42, 43 // guests

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("copied", regionUS, "+16175550160")
		cl.apply(ctx)
		_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", `{"spec":{"backup":{"schedule":"0 0 1 1 *","keepDays":35,"storage":"1Gi"}}}`)
		Expect(err).NotTo(HaveOccurred())
		cl.awaitReady(ctx)
	}, NodeTimeout(4*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("is taken by the CronJob, encrypted, and told in status", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(early), "A table for two at eight?")).To(Equal(http.StatusOK))
		Expect(cluster.Until(ctx, time.Minute, "CronJob backup", func(ctx context.Context) error {
			_, err := c.Run(ctx, nil, "-n", cl.namespace(), "create", "job", "backup-now", "--from=cronjob/backup")
			return err
		})).To(Succeed())
		Expect(cluster.Until(ctx, 2*time.Minute, "the backup in status", func(ctx context.Context) error {
			t := &v1alpha1.Tenant{}
			if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
				return err
			}
			if t.Status.Backup == nil || t.Status.Backup.File == "" || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionBackedUp) {
				return fmt.Errorf("it is %+v, %+v", t.Status.Backup, t.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		told := cl.get(ctx).Status.Backup
		AddReportEntry("backup", fmt.Sprintf("%+v", *told))
		Expect(told.KeepDays).To(BeEquivalentTo(30), "the policy keeps AccessLogs for 30 days")
		Expect(told.BoundBy).To(Equal("guest-data/AccessLogs"))
		Expect(told.Count).To(BeEquivalentTo(1))
	})

	It("is put back by one command", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(late), "And a cot, please.")).To(Equal(http.StatusOK))
		out, err := exec.CommandContext(ctx, buildPlugin(ctx), "restore", cl.tenant, "--backup", "latest").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(cluster.Until(ctx, 3*time.Minute, "the restore", func(ctx context.Context) error {
			t := &v1alpha1.Tenant{}
			if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
				return err
			}
			if t.Status.Restore == nil || t.Status.Restore.Phase != v1alpha1.RestoreDone {
				return fmt.Errorf("it is %+v", t.Status.Restore)
			}
			return nil
		})).To(Succeed())
		cl.awaitReady(ctx)
		Expect(cl.rows(ctx, `SELECT address FROM sb.contact_address WHERE kind = 'phone'`)).To(Equal([]string{guestNumber(early)}))
		Expect(cluster.Until(ctx, time.Minute, "the connector", func(ctx context.Context) error {
			status, err := cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(late), "A cot, please?")
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("it answered %d, %w", status, err)
			}
			return nil
		})).To(Succeed())
	})
})

// endSessions of the tenant's database.
const endSessions = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'switchboard'`

// asPostgres runs statements in the database server's own database, as its superuser.
func asPostgres(ctx context.Context, cl *client, statements ...string) {
	GinkgoHelper()
	pod, err := c.ReadyPod(ctx, cl.namespace(), "postgres")
	Expect(err).NotTo(HaveOccurred())
	_, err = c.Exec(ctx, cl.namespace(), pod.Name, "postgres", strings.NewReader(strings.Join(statements, ";\n")+";\n"),
		"sh", "-c", cluster.AsAdmin+"psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d postgres -f -")
	Expect(err).NotTo(HaveOccurred())
}
