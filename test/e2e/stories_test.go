package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// A million messages of 24 months, in one tenant.
const (
	storyMessages = 1_000_000
	storyDays     = 720
)

// Stories that an auditor, a lawyer or a tired engineer would tell, where the tenant is large.
var _ = Describe("In a tenant with a million messages", Label("stories"), Ordered, func() {
	var cl *client
	var plugin string
	const guestHeld = 60

	BeforeAll(func(ctx SpecContext) {
		plugin = buildPlugin(ctx)
		cl = newClient("million", regionEU, "+493023125170")
		cl.policy = ""
		cl.apply(ctx)
		cl.policy = "guest-data"
		cl.awaitReady(ctx)
		Expect(fixture.FillHistory(ctx, c, cl.namespace(), storyMessages, storyDays)).To(Succeed())
	}, NodeTimeout(8*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("a typo in Git deletes nothing: the guard counts what would go, and waits for a person", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		By("three years became three days: the region demands more")
		Expect(c.ApplyYAML(ctx, cl.keeps(3, ""))).To(MatchError(ContainSubstring("demands 7 at least")))
		By("two years became a week")
		Expect(c.ApplyYAML(ctx, cl.keeps(7, ""))).To(Succeed())
		awaitRules(ctx, cl, 7)
		expired := cl.count(ctx, `SELECT count(*) FROM sb.message_body WHERE at <= now() - interval '7 days'`)
		runRetention(ctx, cl, "typo")
		var plan *v1alpha1.RetentionPlan
		Expect(cluster.Until(ctx, time.Minute, "the guard", func(ctx context.Context) error {
			p := policyOf(ctx, cl)
			enforced := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionEnforced)
			if plan = p.Status.Plan; plan == nil || enforced == nil || enforced.Status != metav1.ConditionFalse || enforced.Reason != v1alpha1.ReasonBlocked {
				return fmt.Errorf("the plan is %+v, the condition %+v", plan, enforced)
			}
			return nil
		})).To(Succeed())
		Expect(plan.Categories).To(ContainElement(And(HaveField("Category", v1alpha1.CategoryMessages), HaveField("Expired", BeNumerically("~", expired, 100)))))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(storyMessages))

		By("put right, everything can be read again")
		Expect(c.ApplyYAML(ctx, cl.keeps(730, ""))).To(Succeed())
		awaitRules(ctx, cl, 730)
		Expect(cl.count(ctx, `SET ROLE sb_serve; SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(storyMessages))
	})

	It("a prune takes the objects away, and not one row", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		setDeletionPolicy(ctx, cl, v1alpha1.DeletionRetain)
		remove(ctx, cl)
		_, err := c.Run(ctx, nil, "-n", cl.namespace(), "delete", "channels,retentionpolicies", "--all", "--timeout=60s")
		Expect(err).NotTo(HaveOccurred())
		eventuallyNone(ctx, cl.namespace(), "deployments", "statefulsets", "cronjobs", "pods")

		cl.policy = ""
		cl.apply(ctx)
		cl.policy = "guest-data"
		cl.awaitReady(ctx)
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(storyMessages))
	})

	It("24 months become 3, counted by psql to the row, and an auditor agrees offline", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		Expect(c.ApplyYAML(ctx, cl.keeps(90, "guard: {maxPercent: 100}"))).To(Succeed())
		awaitRules(ctx, cl, 90)
		runRetention(ctx, cl, "shrink")
		shrunk := nextEnforced(ctx, cl)
		AddReportEntry("shrunk", fmt.Sprintf("%+v", shrunk.Categories))
		for _, category := range []v1alpha1.Category{v1alpha1.CategoryMessages, v1alpha1.CategoryMessageMetadata} {
			table := map[v1alpha1.Category]string{v1alpha1.CategoryMessages: "message_body", v1alpha1.CategoryMessageMetadata: "message"}[category]
			told := runOf(shrunk, category)
			left := cl.count(ctx, `SELECT count(*) FROM sb.`+table)
			Expect(told.Deleted+left).To(BeEquivalentTo(storyMessages), "%s", category)
			Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.%s WHERE at <= %s`, table, instant(told.Cutoff)))).To(BeZero())
			Expect(*told.Overdue).To(BeZero())
		}
		report, code := verifyEvidence(ctx, plugin, cl.tenant)
		Expect(code).To(BeZero(), "%+v", report)
		Expect(report.Countersigned.Sequence).To(Equal(shrunk.Sequence))
	})

	It("a guest under hold, known by WhatsApp id, asks for erasure by phone: what is held stays, and goes unasked when the hold ends", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		line := cl.line(ctx, "front-desk")
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(guestHeld), "I slipped on your stairs.")).To(Equal(http.StatusOK))
		before := time.Now()
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: case-60, namespace: %[1]s}
stringData: {whatsapp: %[2]q}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: LegalHold
metadata: {name: case-60, namespace: %[1]s}
spec: {reason: "Claim 60 of 2026", match: {subject: {secretName: case-60}, to: %[3]q}}
`, cl.namespace(), strings.TrimPrefix(guestNumber(guestHeld), "+"), before.UTC().Add(time.Second).Format(time.RFC3339)))).To(Succeed())
		Expect(cluster.Until(ctx, time.Minute, "the hold", func(ctx context.Context) error {
			h := &v1alpha1.LegalHold{}
			if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "case-60"}, h); err != nil {
				return err
			}
			if !meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionInForce) || h.Status.Matched == nil || h.Status.Matched.Messages != 1 {
				return fmt.Errorf("it is %+v", h.Status)
			}
			return nil
		})).To(Succeed())
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(guestHeld), "By the way, may I bring a dog?")).To(Equal(http.StatusOK))
		of := func(what string) int64 {
			return cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.message_body b JOIN sb.conversation v ON v.id = b.conversation_id
				JOIN sb.contact_address a ON a.contact_id = v.contact_id WHERE a.address = '%s' AND b.body LIKE '%s'`, guestNumber(guestHeld), what))
		}
		Expect(of("%")).To(BeEquivalentTo(2))

		Expect(c.ApplyYAML(ctx, requestManifest(cl, "erase-60", v1alpha1.RequestErasure, time.Now(), "phone", guestNumber(guestHeld)))).To(Succeed())
		deferred := awaitRequest(ctx, cl, "erase-60", v1alpha1.RequestDeferred)
		Expect(deferred.Status.Refused).To(ContainElement(And(HaveField("Category", "Messages"), HaveField("Rows", BeEquivalentTo(1)), HaveField("Hold", "case-60"))))
		Expect(of("I slipped%")).To(BeEquivalentTo(1))
		Expect(of("By the way%")).To(BeZero())

		By("the hold is released, and nobody asks again")
		_, err := c.Run(ctx, nil, "-n", cl.namespace(), "delete", "legalhold", "case-60")
		Expect(err).NotTo(HaveOccurred())
		done := awaitRequest(ctx, cl, "erase-60", v1alpha1.RequestCompleted)
		Expect(done.Status.Receipts).To(HaveLen(2))
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address = '%s'`, guestNumber(guestHeld)))).To(BeZero())
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body WHERE body LIKE 'I slipped%' OR body LIKE 'By the way%'`)).To(BeZero())
	})

	It("clocks: what is due shows before it is late, and who looked at a guest's thread can be told", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		const day = 24 * time.Hour
		for name, filed := range map[string]time.Duration{"complaint-new": 0, "complaint-soon": 40 * day, "complaint-late": 46 * day} {
			Expect(c.ApplyYAML(ctx, requestManifest(cl, name, v1alpha1.RequestComplaint, time.Now().Add(-filed), "", ""))).To(Succeed())
		}
		for name, reason := range map[string]string{"complaint-new": "", "complaint-soon": v1alpha1.ReasonDueSoon, "complaint-late": v1alpha1.ReasonPastDue} {
			Expect(cluster.Until(ctx, time.Minute, "the clock of "+name, func(ctx context.Context) error {
				q := &v1alpha1.DataSubjectRequest{}
				if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: name}, q); err != nil {
					return err
				}
				onTime := meta.FindStatusCondition(q.Status.Conditions, v1alpha1.ConditionOnTime)
				if onTime == nil || q.Status.DueAt == nil || !q.Status.DueAt.Time.Equal(q.Spec.ReceivedAt.Add(45*day)) ||
					(onTime.Status == metav1.ConditionTrue) != (reason == "") || reason != "" && onTime.Reason != reason {
					return fmt.Errorf("due %v, %+v", q.Status.DueAt, onTime)
				}
				return nil
			})).To(Succeed())
		}
		By("a report of a guest under 16 is due within a day, and carried out at once")
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(guestHeld+1), "I am 12, is there a playground?")).To(Equal(http.StatusOK))
		box := cl.inbox(ctx)
		thread := threadOf(ctx, cl, guestNumber(guestHeld+1))
		_, err := box.Messages(ctx, thread)
		Expect(err).NotTo(HaveOccurred())
		access := exec.CommandContext(ctx, plugin, "audit", "access", cl.tenant, "--person", "-", "-o", "json")
		access.Stdin = strings.NewReader("phone " + guestNumber(guestHeld+1) + "\n")
		var out bytes.Buffer
		access.Stdout = &out
		Expect(access.Run()).To(Succeed())
		Expect(out.String()).To(ContainSubstring(thread))

		Expect(c.ApplyYAML(ctx, requestManifest(cl, "young-61", v1alpha1.RequestUnderage, time.Now(), "phone", guestNumber(guestHeld+1)))).To(Succeed())
		young := awaitRequest(ctx, cl, "young-61", v1alpha1.RequestCompleted)
		Expect(young.Status.DueAt.Sub(young.Spec.ReceivedAt.Time)).To(Equal(day))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body WHERE body LIKE 'I am 12%'`)).To(BeZero())
	})
})

// keeps is a policy for content and metadata, with more of a spec.
func (cl *client) keeps(days int, more string) string {
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: %s, namespace: %s}
spec:
  schedule: "0 0 1 1 *"
  rules: [{category: Messages, retainDays: %d}, {category: MessageMetadata, retainDays: %[3]d}]
  %[4]s
`, cl.policy, cl.namespace(), days, more)
}

// awaitRules waits until a policy's rules are in force and its CronJob knows them.
func awaitRules(ctx context.Context, cl *client, days int) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, time.Minute, "the rules to be in force", func(ctx context.Context) error {
		told, err := c.Run(ctx, nil, "-n", cl.namespace(), "get", "cronjob", "retain-"+cl.policy, "-o", "jsonpath={..env}")
		if err != nil {
			return err
		}
		n, err := c.Count(ctx, cl.namespace(), fmt.Sprintf(`SELECT count(*) FROM sb.retention_limit WHERE policy = '%s' AND retain_days = %d`, cl.policy, days))
		if err != nil || n != 2 || !strings.Contains(told, fmt.Sprintf(`\"retainDays\":%d`, days)) {
			return fmt.Errorf("%d of 2 rules are in force, %w; the CronJob has %s", n, err, told)
		}
		return nil
	})).To(Succeed())
}

// nextEnforced waits until status shows a run that deleted.
func nextEnforced(ctx context.Context, cl *client) v1alpha1.RetentionRun {
	GinkgoHelper()
	var run v1alpha1.RetentionRun
	Expect(cluster.Until(ctx, time.Minute, "a run that deleted", func(ctx context.Context) error {
		for _, r := range policyOf(ctx, cl).Status.Runs {
			if r.Outcome == "Enforced" {
				run = r
				return nil
			}
		}
		return fmt.Errorf("the runs are %+v", policyOf(ctx, cl).Status.Runs)
	})).To(Succeed())
	return run
}

// requestManifest is a request of a person, and the Secret with their address; kind "" is one that names nobody.
func requestManifest(cl *client, name string, kind v1alpha1.RequestType, received time.Time, key, address string) string {
	request := fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: DataSubjectRequest
metadata: {name: %s, namespace: %s}
spec: {type: %s, receivedAt: %q`, name, cl.namespace(), kind, received.UTC().Format(time.RFC3339))
	if key == "" {
		return request + "}\n"
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: %[1]s, namespace: %[2]s}
stringData: {%[3]s: %[4]q}
---%[5]s, subject: {secretName: %[1]s}}
`, name, cl.namespace(), key, address, request)
}

func awaitRequest(ctx context.Context, cl *client, name string, phase v1alpha1.RequestPhase) *v1alpha1.DataSubjectRequest {
	GinkgoHelper()
	q := &v1alpha1.DataSubjectRequest{}
	Expect(cluster.Until(ctx, 2*time.Minute, "request "+name+" to be "+string(phase), func(ctx context.Context) error {
		if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: name}, q); err != nil {
			return err
		}
		if q.Status.Phase != phase {
			return fmt.Errorf("it is %s: %+v", q.Status.Phase, q.Status.Conditions)
		}
		return nil
	})).To(Succeed())
	return q
}

// instant writes a time as PostgreSQL reads it, to the microsecond.
func instant(t metav1.MicroTime) string {
	return "'" + t.UTC().Format(time.RFC3339Nano) + "'::timestamptz"
}
