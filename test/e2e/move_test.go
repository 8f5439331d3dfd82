package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// history is how many messages the tenant has that moves.
const history = 100_000

// mostWithout is how long a tenant of that size may be without service.
const mostWithout = time.Minute

// A tenant moves from one region to another with all that it has, and leaves nothing behind.
var _ = Describe("Moving a tenant to another region", Label("move"), Ordered, func() {
	var cl *client
	var marker string // what a guest wrote
	var source corev1.PersistentVolume
	const silent = 51 // a guest

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("moving", regionEU, "+493023125170")
		marker = "marker-of-" + cl.tenant
		cl.apply(ctx)
		cl.awaitReady(ctx)
		Expect(fixture.FillHistory(ctx, c, cl.namespace(), history, 60)).To(Succeed())
		line := cl.line(ctx, "front-desk")
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(50), marker)).To(Equal(http.StatusOK))
		Expect(line.Write(ctx, guest.NewSID(), guestNumber(silent), "STOP")).To(Equal(http.StatusOK))
		runRetention(ctx, cl, "before")
		nextRun(ctx, cl, 0, time.Minute)
		source = volumesOf(ctx, cl.namespace())[0]
		cl.rows(ctx, "CHECKPOINT") // until then the words may only be in the log, torn by a page's header
		Expect(rawly(ctx, source, marker)).NotTo(BeZero(), "the test would find nothing there, whatever is left")
	}, NodeTimeout(6*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("is refused as a mere edit, and plans what would leave", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"region":%q}}`, regionUS))
		Expect(err).To(MatchError(ContainSubstring("region can't change")))
		asks(ctx, cl, fmt.Sprintf(`{"to":%q}`, regionUS))
		m := moves(ctx, cl, v1alpha1.MovePlanned, time.Minute, func(m *v1alpha1.MoveStatus) bool { return len(m.Plan.Refusals) > 0 })
		Expect(m.Plan.Refusals).To(ContainElement(ContainSubstring("data would leave jurisdiction EU for US under no mechanism")))
		asks(ctx, cl, `{"transferMechanism":"standard contractual clauses"}`)
		m = moves(ctx, cl, v1alpha1.MovePlanned, time.Minute, func(m *v1alpha1.MoveStatus) bool { return len(m.Plan.Refusals) == 0 })
		AddReportEntry("the plan", strings.Join(m.Plan.Flows, "\n"))
	})

	It("moves while guests write, and every message is there once", SpecTimeout(10*time.Minute), func(ctx SpecContext) {
		before := cl.count(ctx, `SELECT count(*) FROM sb.message_body`)
		writing := steadily(ctx, cl)
		began := time.Now()
		asks(ctx, cl, fmt.Sprintf(`{"approvedPlan":%q}`, cl.get(ctx).Status.Move.Plan.Digest))
		moves(ctx, cl, v1alpha1.MoveCopying, time.Minute, anyMove)
		killOperator(ctx)
		Expect(cluster.Until(ctx, 5*time.Minute, "the switch", func(ctx context.Context) error {
			t := &v1alpha1.Tenant{}
			if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
				return err
			}
			if t.Spec.Region != regionUS {
				return fmt.Errorf("it is in %s: %+v", t.Spec.Region, t.Status.Move)
			}
			return nil
		})).To(Succeed())
		killOperator(ctx)
		m := moves(ctx, cl, v1alpha1.MoveSourceErased, 3*time.Minute, anyMove)
		took := time.Since(began)
		cl.awaitReady(ctx)
		acknowledged, without := writing()

		AddReportEntry("time without service", fmt.Sprintf("%s for %d messages, of which %d were written meanwhile; quiesced %s, switched %s; the whole move took %s; compared %d rows in %d tables",
			without.Round(time.Millisecond), before, len(acknowledged), m.QuiescedAt.Format(time.TimeOnly), m.SwitchedAt.Format(time.TimeOnly), took.Round(time.Second),
			m.Verified.Rows, m.Verified.Tables))
		Expect(without).To(BeNumerically("<", mostWithout))
		ids := "'" + strings.Join(acknowledged, "','") + "'"
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message JOIN sb.message_body USING (id, at) WHERE provider_id IN (`+ids+`)`)).To(BeEquivalentTo(len(acknowledged)))
		Expect(cl.count(ctx, `SELECT count(DISTINCT provider_id) FROM sb.message WHERE provider_id IN (`+ids+`)`)).To(BeEquivalentTo(len(acknowledged)))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(before + int64(len(acknowledged))))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.suppression`)).To(BeEquivalentTo(1))
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(50), "Are you there?")).To(Equal(http.StatusOK))
	})

	It("leaves nothing in the region before but a certificate, and the chain goes on", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		pods := &corev1.PodList{}
		Expect(c.List(ctx, pods, crclient.InNamespace(cl.namespace()))).To(Succeed())
		for _, p := range pods.Items {
			if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed { // what has ended is nowhere any more
				Expect(p.Spec.NodeName).NotTo(Equal(nodeOf(source)), "pod %s is still there", p.Name)
			}
		}
		for _, v := range volumesOf(ctx, cl.namespace()) {
			Expect(nodeOf(v)).NotTo(Equal(nodeOf(source)))
			Expect(rawly(ctx, v, marker)).NotTo(BeZero())
		}
		Expect(rawly(ctx, source, marker)).To(BeZero(), "what a guest wrote is still on the node's disk")
		Expect(names(ctx, cl.namespace(), "statefulsets")).To(Equal([]string{"statefulset.apps/postgres-" + regionUS}))

		m := cl.get(ctx).Status.Move
		certificate := &v1alpha1.ErasureCertificate{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: m.Certificate}, certificate)).To(Succeed())
		Expect(certificate.Spec.Destroyed).To(ContainElement("PersistentVolume " + source.Name))
		Expect(certificate.Spec.Moved).NotTo(BeNil())
		plugin := buildPlugin(ctx)
		checked, err := exec.CommandContext(ctx, plugin, "audit", "certificate", certificate.Name).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(checked))
		Expect(string(checked)).To(ContainSubstring("The certificate is genuine."))
		AddReportEntry("the certificate", string(checked))

		runRetention(ctx, cl, "after")
		nextRun(ctx, cl, 1, time.Minute)
		report, code := verifyEvidence(ctx, plugin, cl.tenant)
		Expect(code).To(BeZero(), "%+v", report)
		_, err = c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"region":%q}}`, regionEU))
		Expect(err).To(MatchError(ContainSubstring("region can't change")))
	})
})

func asks(ctx context.Context, cl *client, move string) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", `{"spec":{"move":`+move+`}}`)
	Expect(err).NotTo(HaveOccurred())
}

func anyMove(*v1alpha1.MoveStatus) bool { return true }

// moves waits until a move has come to a phase.
func moves(ctx context.Context, cl *client, phase v1alpha1.MovePhase, limit time.Duration, more func(*v1alpha1.MoveStatus) bool) *v1alpha1.MoveStatus {
	GinkgoHelper()
	t := &v1alpha1.Tenant{}
	Expect(cluster.Until(ctx, limit, "a move that is "+string(phase), func(ctx context.Context) error {
		if err := c.Get(ctx, crclient.ObjectKey{Name: cl.tenant}, t); err != nil {
			return err
		}
		if m := t.Status.Move; m == nil || m.Phase != phase || !more(m) {
			return fmt.Errorf("it is %+v, conditions %+v", m, t.Status.Conditions)
		}
		return nil
	})).To(Succeed())
	return t.Status.Move
}

// steadily has guests write ten times a second, as a provider hands it over: what is not acknowledged is sent again. The
// returned function ends it, and gives what was acknowledged and the longest time in which nothing was.
func steadily(ctx context.Context, cl *client) (end func() (acknowledged []string, without time.Duration)) {
	GinkgoHelper()
	line := cl.line(ctx, "front-desk")
	sids, without, last := []string{}, time.Duration(0), time.Now()
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer GinkgoRecover()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		sid := guest.NewSID()
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			try, cancel := context.WithTimeout(ctx, 15*time.Second) // what Twilio waits
			status, err := line.Write(try, sid, guestNumber(100+n%50), "Is there a table for two tonight?")
			cancel()
			if err != nil || status != http.StatusOK {
				continue
			}
			sids, without, last = append(sids, sid), max(without, time.Since(last)), time.Now()
			sid, n = guest.NewSID(), n+1
		}
	})
	return func() ([]string, time.Duration) {
		close(stop)
		writer.Wait()
		return sids, max(without, time.Since(last))
	}
}

// nodeOf is the node that a volume of the local cluster is on: it bears the name of the folder that the volume's is in.
func nodeOf(v corev1.PersistentVolume) string { return filepath.Base(filepath.Dir(v.Spec.Local.Path)) }

// rawly counts the files among all volumes of a volume's node that hold a text, as the node's disk has them.
func rawly(ctx context.Context, v corev1.PersistentVolume, text string) int {
	GinkgoHelper()
	// By the root of whatever process sees the folder: the node's own first process may be closed even to a privileged pod.
	// One that ended while it was read has shown nothing: the next one is asked.
	out, err := c.OnNode(ctx, nodeOf(v), fmt.Sprintf(`for r in /proc/[0-9]*/root; do
  [ -d "$r%[1]s" ] || continue
  n=$(grep -rlaF '%[2]s' "$r%[1]s" 2>/dev/null | wc -l)
  if [ -d "$r%[1]s" ]; then echo "$n"; exit; fi
done; exit 1`, filepath.Dir(v.Spec.Local.Path), text))
	Expect(err).NotTo(HaveOccurred(), "no process of the node sees %s", v.Spec.Local.Path)
	n := 0
	_, err = fmt.Sscan(out, &n)
	Expect(err).NotTo(HaveOccurred(), out)
	return n
}
