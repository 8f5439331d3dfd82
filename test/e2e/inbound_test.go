package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

var _ = Describe("Promise 2: an inbound message is stored once, durably, or refused", Label("inbound"), func() {
	It("stores a correctly signed message once, whatever is replayed", SpecTimeout(time.Minute), func(ctx SpecContext) {
		line := berlin.line(ctx, "front-desk")
		sid, from := guest.NewSID(), guestNumber(1)
		text := "Grüß Gott, gibt es Frühstück vor 6 Uhr? ☕ — 早餐几点开始？"
		for range 3 {
			Expect(line.Write(ctx, sid, from, text)).To(Equal(http.StatusOK))
		}
		By("and 8 times at once")
		var all sync.WaitGroup
		statuses := make([]int, 8)
		for i := range statuses {
			all.Go(func() {
				defer GinkgoRecover()
				var err error
				statuses[i], err = line.Write(ctx, sid, from, text)
				Expect(err).NotTo(HaveOccurred())
			})
		}
		all.Wait()
		Expect(statuses).To(HaveEach(http.StatusOK))
		Expect(stored(ctx, berlin, sid)).To(Equal(1))
		Expect(berlin.rows(ctx, fmt.Sprintf(
			`SELECT b.body FROM sb.message m JOIN sb.message_body b USING (id, at) WHERE m.provider_id = '%s'`, sid))).
			To(Equal([]string{text}))
		Expect(addressOf(ctx, berlin, from)).To(Equal(1))
	})

	It("keeps every message of a guest when they come in another order, in one conversation", SpecTimeout(time.Minute), func(ctx SpecContext) {
		line := berlin.line(ctx, "front-desk")
		from := guestNumber(2)
		sids := make([]string, 6)
		for i := range sids {
			sids[i] = guest.NewSID()
		}
		var all sync.WaitGroup
		for i := len(sids) - 1; i >= 0; i-- {
			for range 2 { // each one twice, all at once: the first message of a guest races with the others
				all.Go(func() {
					defer GinkgoRecover()
					Expect(line.Write(ctx, sids[i], from, fmt.Sprintf("part %d", i+1))).To(Equal(http.StatusOK))
				})
			}
		}
		all.Wait()
		for _, sid := range sids {
			Expect(stored(ctx, berlin, sid)).To(Equal(1))
		}
		Expect(addressOf(ctx, berlin, from)).To(Equal(1))
		Expect(berlin.count(ctx, fmt.Sprintf(`SELECT count(DISTINCT conversation_id) FROM sb.message WHERE provider_id IN ('%s')`,
			strings.Join(sids, "','")))).To(BeEquivalentTo(1))
	})

	It("refuses what is forged, unsigned, truncated, too large or of another account, and changes nothing", SpecTimeout(time.Minute), func(ctx SpecContext) {
		line := berlin.line(ctx, "front-desk")
		form := line.Message(guest.NewSID(), guestNumber(3), "You have won a week in the suite")
		encoded := []byte(form.Encode())
		signature, err := guest.Sign(berlin.token, line.InboundURL(), form)
		Expect(err).NotTo(HaveOccurred())
		forged, err := guest.Sign("another token", line.InboundURL(), form)
		Expect(err).NotTo(HaveOccurred())

		other := cloned(form)
		other.Set("AccountSid", "AC"+strings.Repeat("f", 32))
		otherSignature, err := guest.Sign(berlin.token, line.InboundURL(), other)
		Expect(err).NotTo(HaveOccurred())
		extra := cloned(form)
		extra.Set("Body", "Something else")
		large := cloned(form)
		large.Set("Body", strings.Repeat("a", 1<<20+1))
		largeSignature, err := guest.Sign(berlin.token, line.InboundURL(), large)
		Expect(err).NotTo(HaveOccurred())
		noSID := cloned(form)
		noSID.Del("MessageSid")
		noSID.Del("SmsSid")
		noSID.Del("SmsMessageSid")
		noSIDSignature, err := guest.Sign(berlin.token, line.InboundURL(), noSID)
		Expect(err).NotTo(HaveOccurred())

		before := fingerprint(ctx, berlin)
		for _, attempt := range []struct {
			name      string
			body      []byte
			signature string
			want      []int
		}{
			{"forged", encoded, forged, []int{403}},
			{"unsigned", encoded, "", []int{403}},
			{"a signature that is no base64", encoded, "%%%", []int{403}},
			{"changed after it was signed", []byte(extra.Encode()), signature, []int{403}},
			{"truncated", encoded[:len(encoded)/2], signature, []int{400, 403}},
			{"empty", nil, signature, []int{400, 403}},
			{"not a form", []byte("%zz=%"), signature, []int{400, 403}},
			{"of another account, though signed", []byte(other.Encode()), otherSignature, []int{403}},
			{"without an id, though signed", []byte(noSID.Encode()), noSIDSignature, []int{400}},
			{"over 1 MiB, though signed", []byte(large.Encode()), largeSignature, []int{413}},
			{"over 1 MiB, unsigned", []byte(large.Encode()), "", []int{413}},
		} {
			status, answer, err := line.Post(ctx, line.InboundURL(), attempt.body, attempt.signature)
			Expect(err).NotTo(HaveOccurred(), attempt.name)
			Expect(attempt.want).To(ContainElement(status), "%s: %s", attempt.name, answer)
			Expect(answer).NotTo(ContainSubstring("won a week"), "the answer repeats what came in")
		}
		Expect(fingerprint(ctx, berlin)).To(Equal(before))

		By("control: the same message with its own signature is taken")
		status, _, err := line.Post(ctx, line.InboundURL(), encoded, signature)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(http.StatusOK))
		Expect(fingerprint(ctx, berlin)).NotTo(Equal(before))
	})

	It("loses nothing acknowledged when PostgreSQL is killed with SIGKILL", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		line := boston.line(ctx, "front-desk")
		stop := make(chan struct{})
		var mu sync.Mutex
		acknowledged, refused := []string{}, map[int]int{}
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				defer GinkgoRecover()
				for {
					select {
					case <-stop:
						return
					default:
					}
					sid := guest.NewSID()
					status, err := line.Write(ctx, sid, guestNumber(100+w), "still there?")
					Expect(err).NotTo(HaveOccurred())
					mu.Lock()
					if status == http.StatusOK {
						acknowledged = append(acknowledged, sid)
					} else {
						refused[status]++
					}
					mu.Unlock()
				}
			})
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged)
		}
		Eventually(count).WithContext(ctx).WithTimeout(20 * time.Second).Should(BeNumerically(">", 100))
		pod, err := c.ReadyPod(ctx, boston.namespace(), "postgres")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.KillContainer(ctx, pod, "postgres")).To(Succeed())
		before := count()
		Eventually(count).WithContext(ctx).WithTimeout(time.Minute).Should(BeNumerically(">", before+100), "the database came back and took more")
		close(stop)
		writers.Wait()

		Expect(refused).To(HaveKey(http.StatusServiceUnavailable), "nothing was refused: was the database down at all?")
		Expect(refused).To(HaveLen(1), "other answers than 200 and 503: %v", refused)
		ids := "'" + strings.Join(acknowledged, "','") + "'"
		Expect(boston.count(ctx, `SELECT count(*) FROM sb.message JOIN sb.message_body USING (id, at) WHERE provider_id IN (`+ids+`)`)).
			To(BeEquivalentTo(len(acknowledged)))
		Expect(boston.count(ctx, `SELECT count(DISTINCT provider_id) FROM sb.message WHERE provider_id IN (`+ids+`)`)).
			To(BeEquivalentTo(len(acknowledged)))
		AddReportEntry("acknowledged around the SIGKILL", fmt.Sprintf("%d, all there once; refused meanwhile: %v", len(acknowledged), refused))
	})

	It("answers 503 while PostgreSQL is stopped, and takes the message after it is back", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		line := boston.line(ctx, "front-desk")
		earlier, sid := guest.NewSID(), guest.NewSID()
		Expect(line.Write(ctx, earlier, guestNumber(4), "before")).To(Equal(http.StatusOK))

		By("stopping PostgreSQL: without the operator, who would start it again at once")
		Expect(fixture.ScaleOperator(ctx, c, 0)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(fixture.ScaleOperator(ctx, c, 1)).To(Succeed())
			boston.awaitReady(ctx)
		}, NodeTimeout(2*time.Minute))
		_, err := c.Run(ctx, nil, "-n", boston.namespace(), "scale", "statefulset/postgres", "--replicas=0")
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Until(ctx, time.Minute, "PostgreSQL to stop", func(ctx context.Context) error {
			pods, err := c.PodsOf(ctx, boston.namespace(), "postgres")
			if err == nil && len(pods) > 0 {
				err = fmt.Errorf("%d pods left", len(pods))
			}
			return err
		})).To(Succeed())
		start := time.Now()
		Expect(line.Write(ctx, sid, guestNumber(4), "meanwhile")).To(Equal(http.StatusServiceUnavailable))
		Expect(time.Since(start)).To(BeNumerically("<", 15*time.Second), "Twilio waits 15 s for an answer")

		By("starting the operator again, which starts PostgreSQL")
		Expect(fixture.ScaleOperator(ctx, c, 1)).To(Succeed())
		boston.awaitReady(ctx)
		Eventually(func() (int, error) { return line.Write(ctx, sid, guestNumber(4), "meanwhile") }).
			WithContext(ctx).WithTimeout(20 * time.Second).Should(Equal(http.StatusOK))
		Expect(stored(ctx, boston, earlier)).To(Equal(1))
		Expect(stored(ctx, boston, sid)).To(Equal(1))
	})
})

// stored counts how often a message is in the database, with metadata and content.
func stored(ctx context.Context, cl *client, sid string) int {
	GinkgoHelper()
	return int(cl.count(ctx, fmt.Sprintf(
		`SELECT count(*) FROM sb.message m JOIN sb.message_body b USING (id, at) WHERE m.provider_id = '%s'`, sid)))
}

// addressOf counts how often a guest's number stands among the contacts' addresses.
func addressOf(ctx context.Context, cl *client, number string) int {
	GinkgoHelper()
	return int(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address = '%s'`, number)))
}

// fingerprint sums up everything that a webhook could have changed: the content of every table of
// the tenant but the access log, and of the queues' jobs.
func fingerprint(ctx context.Context, cl *client) []string {
	GinkgoHelper()
	tables := cl.rows(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE (schemaname = 'sb' OR tablename = 'river_job') AND tablename NOT LIKE 'access_log%' ORDER BY 1`)
	Expect(tables).NotTo(BeEmpty())
	var parts []string
	for _, t := range tables {
		parts = append(parts, fmt.Sprintf(`SELECT '%[1]s', count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM %[1]s t`, t))
	}
	return cl.rows(ctx, strings.Join(parts, " UNION ALL ")+" ORDER BY 1")
}

func cloned(form url.Values) url.Values {
	other := url.Values{}
	for k, v := range form {
		other[k] = append([]string(nil), v...)
	}
	return other
}
