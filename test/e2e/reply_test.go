package e2e

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

var _ = Describe("Promise 3: a staff reply is sent, once, whatever the provider does", Label("reply"), func() {
	var from, thread string
	var box *inbox.Inbox
	n := 300

	BeforeEach(func(ctx SpecContext) {
		n++
		from = guestNumber(n)
		Expect(berlin.line(ctx, "front-desk").Write(ctx, guest.NewSID(), from, "Late check-out?")).To(Equal(http.StatusOK))
		thread = threadOf(ctx, berlin, from)
		box = berlin.inbox(ctx)
	}, NodeTimeout(time.Minute))

	reply := func(ctx context.Context, text string) inbox.Message {
		GinkgoHelper()
		m, err := box.Reply(ctx, thread, text, "key-"+from)
		Expect(err).NotTo(HaveOccurred())
		return m
	}
	settles := func(ctx context.Context, m inbox.Message, within time.Duration, on ...string) {
		GinkgoHelper()
		Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(within).
			Should(BeElementOf(on))
	}
	onceSent := func(ctx context.Context, text string) {
		GinkgoHelper()
		eventuallySent(ctx, from, 1)
		Consistently(func() int { return len(sentTo(ctx, from)) }).WithContext(ctx).WithTimeout(3 * time.Second).Should(Equal(1))
		sent := sentTo(ctx, from)[0]
		Expect(sent.Body).To(Equal(text))
		Expect(sent.From).To(Equal(berlin.numbers[0]))
		Expect(sent.Account).To(Equal(berlin.sid))
	}

	It("reaches the provider with the account's credentials, and its receipt reaches staff", SpecTimeout(time.Minute), func(ctx SpecContext) {
		m := reply(ctx, "Gern, bis 14 Uhr. 🙂")
		onceSent(ctx, "Gern, bis 14 Uhr. 🙂")
		settles(ctx, m, 20*time.Second, "accepted", "sent", "delivered")

		By("the provider's own receipts come through")
		settles(ctx, m, 20*time.Second, "delivered")
		callbacks, err := standin.Callbacks(ctx, from)
		Expect(err).NotTo(HaveOccurred())
		for _, cb := range callbacks {
			Expect(cb.Status).To(BeElementOf(http.StatusOK, http.StatusNoContent), "%+v", cb)
		}

		By("older ones after it change nothing: receipts move forward only")
		line := berlin.line(ctx, "front-desk")
		sent := sentTo(ctx, from)[0]
		for _, status := range []string{"sent", "queued", "delivered"} {
			code, _, err := line.PostSigned(ctx, sent.StatusCallback, statusForm(line, sent.SID, from, status))
			Expect(err).NotTo(HaveOccurred())
			Expect(code).To(BeElementOf(http.StatusOK, http.StatusNoContent))
			Expect(box.Status(ctx, thread, m.ID)).To(Equal("delivered"))
		}

		By("the same Idempotency-Key again")
		again := reply(ctx, "Gern, bis 14 Uhr. 🙂")
		Expect(again.ID).To(Equal(m.ID))
		onceSent(ctx, "Gern, bis 14 Uhr. 🙂")
	})

	It("survives 500s and 429s, and is sent once", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(standin.Fail(ctx, from, 500, 1)).To(Succeed())
		Expect(standin.Fail(ctx, from, 429, 1)).To(Succeed())
		m := reply(ctx, "Until two o'clock")
		settles(ctx, m, 90*time.Second, "accepted", "sent", "delivered")
		onceSent(ctx, "Until two o'clock")
		Expect(len(attemptsTo(ctx, from))).To(BeNumerically(">=", 3))
	})

	It("settles an unknown outcome by asking: it was sent, and isn't sent again", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(standin.Silence(ctx, from)).To(Succeed()) // no receipt settles it before it is asked for
		Expect(standin.Hang(ctx, from, true)).To(Succeed())
		m := reply(ctx, "You may stay until two")
		settles(ctx, m, 90*time.Second, "accepted", "sent", "delivered")
		onceSent(ctx, "You may stay until two")
		Expect(attemptsTo(ctx, from)).To(HaveLen(1))
		Expect(lookupsOf(ctx, from)).NotTo(BeEmpty(), "the provider was not asked")
	})

	It("settles an unknown outcome by asking: it wasn't sent, and is sent then", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		Expect(standin.Hang(ctx, from, false)).To(Succeed())
		m := reply(ctx, "Two it is")
		settles(ctx, m, 150*time.Second, "accepted", "sent", "delivered")
		onceSent(ctx, "Two it is")
		attempts, lookups := attemptsTo(ctx, from), lookupsOf(ctx, from)
		Expect(attempts).To(HaveLen(2))
		Expect(lookups).NotTo(BeEmpty(), "the provider was not asked")
		Expect(lookups[0].At).To(BeTemporally("<", attempts[1].At), "asked before it was sent again")
	})

	It("a provider that is away for ten minutes is waited for, and gets the message once", Label("long"), SpecTimeout(20*time.Minute), func(ctx SpecContext) {
		DeferCleanup(standin.Away, false)
		Expect(standin.Away(ctx, true)).To(Succeed())
		pod, err := c.ReadyPod(ctx, berlin.namespace(), "connector-front-desk")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Delete(ctx, pod)).To(Succeed()) // and its connections
		eventuallyUnreachable(ctx, berlin, "front-desk")
		m := reply(ctx, "In ten minutes")
		idle(ctx, 10*time.Minute)
		Expect(attemptsTo(ctx, from)).To(BeEmpty(), "control: it was away")
		Expect(box.Status(ctx, thread, m.ID)).To(BeElementOf("queued", "sending", "unknown"))

		Expect(standin.Away(ctx, false)).To(Succeed())
		settles(ctx, m, 10*time.Minute, "accepted", "sent", "delivered")
		onceSent(ctx, "In ten minutes")
		berlin.awaitReady(ctx)
	})

	It("what the provider refuses for good is shown as failed, and not tried again", SpecTimeout(time.Minute), func(ctx SpecContext) {
		Expect(standin.Fail(ctx, from, 400, 1)).To(Succeed())
		m := reply(ctx, "Nobody will read this")
		settles(ctx, m, 30*time.Second, "failed")
		Consistently(func() int { return len(attemptsTo(ctx, from)) }).WithContext(ctx).WithTimeout(3 * time.Second).Should(Equal(1))
	})
})
