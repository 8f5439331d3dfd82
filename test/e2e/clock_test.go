package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// otherClock is Debian's libfaketime, which gives the program that is started with it another time.
const otherClock = "/usr/lib/*/faketime/libfaketime.so.1"

// Whether the database's clock is wrong or the nodes' does not matter to the rest of the service. The nodes of the local cluster share
// their machine's, so that PostgreSQL alone is given another one.
var _ = Describe("A database's clock that is a day ahead (docs/faults.md)", Label("long", "faults", "clock"), Ordered, Serial, func() {
	const messages, days = 2_000, 200
	var cl *client

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("clock", regionEU, "+493023125190")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
		Expect(fixture.FillHistory(ctx, c, cl.namespace(), messages, days)).To(Succeed())
	}, NodeTimeout(5*time.Minute))

	AfterAll(func(ctx SpecContext) {
		Expect(fixture.ScaleOperator(ctx, c, 1)).To(Succeed())
		erase(ctx, cl.tenant)
	}, NodeTimeout(4*time.Minute))

	It("nothing is deleted by it, what guests write is kept, and once it is right the next run catches up", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		before := cl.count(ctx, "SELECT count(*) FROM sb.message")
		Expect(before).To(BeEquivalentTo(messages))

		By("starting it anew by that clock, while no operator puts the pod back")
		Expect(fixture.ScaleOperator(ctx, c, 0)).To(Succeed())
		cl.startAhead(ctx, 24*time.Hour)
		sid := guest.NewSID()
		Expect(cluster.Until(ctx, time.Minute, "the connector to take a message", func(ctx context.Context) error {
			status, err := cl.line(ctx, "front-desk").Write(ctx, sid, guestNumber(90), "What time is it?")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("answer %d", status)
			}
			return err
		})).To(Succeed())

		By("running the deletion")
		_, err := c.Run(ctx, nil, "-n", cl.namespace(), "create", "job", "--from=cronjob/retain-"+cl.policy, "by-hand")
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, 3*time.Minute, "the run to be refused", func(ctx context.Context) error {
			job := &batchv1.Job{}
			if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "by-hand"}, job); err != nil {
				return err
			}
			for _, condition := range job.Status.Conditions {
				if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("its Job is %+v", job.Status)
		})).To(Succeed())
		Expect(cl.count(ctx, "SELECT count(*) FROM sb.message")).To(Equal(before + 1))

		By("letting the operator put the pod back: it tells of the run, and the next one deletes what is due")
		Expect(fixture.ScaleOperator(ctx, c, 1)).To(Succeed())
		Expect(cluster.Until(ctx, 3*time.Minute, "the policy to say why", func(ctx context.Context) error {
			p := policyOf(ctx, cl)
			enforced := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionEnforced)
			return says(enforced, "clocks of the database and of this node differ by 2")
		})).To(Succeed())
		cl.awaitReady(ctx)
		Expect(cluster.Until(ctx, 2*time.Minute, "the database's clock to be right", func(ctx context.Context) error {
			return cl.clockDiffers(ctx, 0)
		})).To(Succeed())
		next := time.Now().Add(time.Minute)
		Expect(c.ApplyYAML(ctx, cl.retention(fmt.Sprintf("%d,%d * * * *", next.Minute(), next.Add(time.Minute).Minute())))).To(Succeed())
		run := nextRun(ctx, cl, policyOf(ctx, cl).Status.Sequence, 3*time.Minute)
		gone := runOf(run, v1alpha1.CategoryMessages)
		Expect(gone.Deleted).To(BeNumerically("~", messages*(days-90)/days, messages/100))
		Expect(*gone.Overdue).To(BeZero())
		Expect(cl.count(ctx, fmt.Sprintf("SELECT count(*) FROM sb.message WHERE provider_id = '%s'", sid))).To(BeEquivalentTo(1))
	})
})

// says tells whether a condition does not hold, for this reason.
func says(condition *metav1.Condition, part string) error {
	if condition == nil || condition.Status == metav1.ConditionTrue || !strings.Contains(condition.Message, part) {
		return fmt.Errorf("it says %+v", condition)
	}
	return nil
}

// startAhead starts the client's PostgreSQL anew, by a clock that is ahead.
func (cl *client) startAhead(ctx context.Context, by time.Duration) {
	GinkgoHelper()
	found, err := filepath.Glob(otherClock)
	Expect(err).NotTo(HaveOccurred())
	Expect(found).NotTo(BeEmpty(), "there is no %s: install libfaketime", otherClock)
	library, err := os.Open(found[0])
	Expect(err).NotTo(HaveOccurred())
	defer library.Close()
	pod, err := c.DatabasePod(ctx, cl.namespace())
	Expect(err).NotTo(HaveOccurred())
	const place = "/var/lib/postgresql/data/otherclock.so"
	_, err = c.Exec(ctx, cl.namespace(), pod.Name, "postgres", library, "sh", "-c", "cat > "+place)
	Expect(err).NotTo(HaveOccurred())
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
		map[string]any{"name": "postgres", "env": []corev1.EnvVar{
			{Name: "LD_PRELOAD", Value: place}, {Name: "FAKETIME", Value: fmt.Sprintf("+%ds", int(by.Seconds()))}, {Name: "FAKETIME_DONT_FAKE_MONOTONIC", Value: "1"},
		}},
	}}}}})
	Expect(err).NotTo(HaveOccurred())
	_, err = c.Run(ctx, nil, "-n", cl.namespace(), "patch", "statefulset/postgres", "-p", string(patch))
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Until(ctx, 2*time.Minute, "PostgreSQL to have another time", func(ctx context.Context) error { return cl.clockDiffers(ctx, by) })).To(Succeed())
}

// clockDiffers says whether the client's database is ahead by so much.
func (cl *client) clockDiffers(ctx context.Context, by time.Duration) error {
	at, err := c.Count(ctx, cl.namespace(), "SELECT extract(epoch FROM now())::bigint")
	if err != nil {
		return err
	}
	if ahead := time.Until(time.Unix(at, 0)); (ahead - by).Abs() > time.Minute {
		return fmt.Errorf("it is %s ahead", ahead)
	}
	return nil
}
