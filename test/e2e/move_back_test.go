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
	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// A tenant moves to another region and back again; on the way there, the Job that hands the database over is killed.
var _ = Describe("Moving a tenant there and back", Label("long", "move-back"), Ordered, func() {
	var cl *client
	const early, between, silent = 80, 81, 82 // guests

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("returned", regionEU, "+493023125200")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		line := cl.line(ctx, "front-desk")
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(early), "Do you keep luggage?")).To(Equal(http.StatusOK))
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(silent), "STOP")).To(Equal(http.StatusOK))
	}, NodeTimeout(4*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("goes there, though the Job that hands the database over is killed", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		approve(ctx, cl, regionUS)
		moves(ctx, cl, v1alpha1.MoveCopying, time.Minute, anyMove)
		release := lockMessages(ctx, cl) // so that the comparison is there to be killed
		var pod *corev1.Pod
		Expect(cluster.Until(ctx, 2*time.Minute, "a comparison that is under way", func(ctx context.Context) error {
			waiting, err := c.PSQL(ctx, cl.namespace(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'`)
			if err != nil || waiting[0] == "0" {
				return fmt.Errorf("nobody waits for the lock, %w", err)
			}
			pod, err = cutOverPod(ctx, cl, regionUS)
			return err
		})).To(Succeed())
		Expect(c.KillContainer(ctx, pod, "")).To(Succeed())
		release()
		moves(ctx, cl, v1alpha1.MoveSourceErased, 4*time.Minute, anyMove)
		killed := &corev1.Pod{}
		Expect(crclient.IgnoreNotFound(c.Get(ctx, crclient.ObjectKeyFromObject(pod), killed))).To(Succeed())
		Expect(killed.Status.Phase).NotTo(Equal(corev1.PodSucceeded), "the Job that was to be killed ended well")
		cl.awaitReady(ctx)
		Expect(cl.get(ctx).Spec.Region).To(Equal(regionUS))
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(between), "Is it warm there?")).To(Equal(http.StatusOK))
		before := policyOf(ctx, cl).Status.Sequence
		runRetention(ctx, cl, "there")
		nextRun(ctx, cl, before, time.Minute)
	})

	It("comes back with all that it had, under one chain, and leaves nothing there", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		left := volumesOf(ctx, cl.namespace())[0]
		sequence := policyOf(ctx, cl).Status.Sequence
		approve(ctx, cl, regionEU)
		m := moves(ctx, cl, v1alpha1.MoveSourceErased, 4*time.Minute, func(m *v1alpha1.MoveStatus) bool { return m.To == regionEU })
		cl.awaitReady(ctx)
		Expect(cl.get(ctx).Spec.Region).To(Equal(regionEU))
		for _, v := range volumesOf(ctx, cl.namespace()) {
			Expect(nodeOf(v)).NotTo(Equal(nodeOf(left)))
		}
		Expect(crclient.IgnoreNotFound(c.Get(ctx, crclient.ObjectKey{Name: left.Name}, &corev1.PersistentVolume{}))).To(Succeed())
		Expect(cl.rows(ctx, `SELECT address FROM sb.contact_address WHERE kind = 'phone' ORDER BY address`)).To(Equal([]string{guestNumber(early), guestNumber(between), guestNumber(silent)}))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.suppression`)).To(BeEquivalentTo(1))
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(early), "I am back.")).To(Equal(http.StatusOK))

		runRetention(ctx, cl, "back")
		nextRun(ctx, cl, sequence, time.Minute)
		plugin := buildPlugin(ctx)
		report, code := verifyEvidence(ctx, plugin, cl.tenant)
		Expect(code).To(BeZero(), "%+v", report)
		checked, err := exec.CommandContext(ctx, plugin, "audit", "certificate", m.Certificate).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(checked))
		Expect(string(checked)).To(ContainSubstring("PersistentVolume " + left.Name))
	})
})

// approve asks for a move, and approves what is planned.
func approve(ctx context.Context, cl *client, to string) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p",
		fmt.Sprintf(`{"spec":{"move":{"to":%q,"transferMechanism":"standard contractual clauses","approvedPlan":null}}}`, to))
	Expect(err).NotTo(HaveOccurred())
	m := moves(ctx, cl, v1alpha1.MovePlanned, time.Minute, func(m *v1alpha1.MoveStatus) bool { return m.To == to && len(m.Plan.Refusals) == 0 })
	asks(ctx, cl, fmt.Sprintf(`{"approvedPlan":%q}`, m.Plan.Digest))
}

// lockMessages has the superuser keep a table from everybody until the returned function is called.
func lockMessages(ctx context.Context, cl *client) (release func()) {
	GinkgoHelper()
	pod, err := c.ReadyPod(ctx, cl.namespace(), "postgres")
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Exec(ctx, cl.namespace(), pod.Name, "postgres", strings.NewReader("BEGIN; LOCK TABLE sb.message; SELECT 'held', pg_sleep(300);"),
			"sh", "-c", cluster.AsAdmin+"psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres -d switchboard -f -")
		ended <- err
	}()
	const holder = `FROM pg_stat_activity WHERE query LIKE '%''held'', pg_sleep%' AND pid <> pg_backend_pid()`
	Eventually(ctx, func(ctx context.Context) (int64, error) {
		return c.Count(ctx, cl.namespace(), `SELECT count(*) `+holder)
	}).WithTimeout(30 * time.Second).Should(BeEquivalentTo(1))
	return func() {
		GinkgoHelper()
		cl.rows(ctx, `SELECT pg_terminate_backend(pid) `+holder)
		Expect(<-ended).To(HaveOccurred(), "its session was ended")
	}
}

// cutOverPod is the pod that hands the database over, while it runs.
func cutOverPod(ctx context.Context, cl *client, to string) (*corev1.Pod, error) {
	pods := &corev1.PodList{}
	err := c.List(ctx, pods, crclient.InNamespace(cl.namespace()), crclient.MatchingLabels{"batch.kubernetes.io/job-name": "cutover-postgres-" + to})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		if pods.Items[i].Status.Phase == corev1.PodRunning {
			return &pods.Items[i], nil
		}
	}
	return nil, fmt.Errorf("none of %d pods runs", len(pods.Items))
}
