package e2e

import (
	"context"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

var _ = Describe("Promise 4: STOP stops, START resumes, one confirmation each", Label("optout"), func() {
	DescribeTable("in any case and with white space",
		func(ctx SpecContext, n int, stop, start string) {
			from := guestNumber(200 + n)
			line, box := berlin.line(ctx, "front-desk"), berlin.inbox(ctx)
			Expect(line.Write(ctx, guest.NewSID(), from, "Hello")).To(Equal(http.StatusOK))
			thread := threadOf(ctx, berlin, from)
			_, err := box.Reply(ctx, thread, "Good evening", "")
			Expect(err).NotTo(HaveOccurred())
			eventuallySent(ctx, from, 1)

			sid := guest.NewSID()
			Expect(line.Write(ctx, sid, from, stop)).To(Equal(http.StatusOK))
			eventuallySent(ctx, from, 2)
			Expect(sentTo(ctx, from)[1].Body).To(ContainSubstring("unsubscribed"))

			By("a reply is refused with an error that says so, and nothing is sent")
			_, err = box.Reply(ctx, thread, "One more thing", "")
			Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict))
			Expect(err).To(MatchError(ContainSubstring("opted out")))

			By("STOP again, and the same STOP replayed: no second confirmation")
			Expect(line.Write(ctx, sid, from, stop)).To(Equal(http.StatusOK))
			Expect(line.Write(ctx, guest.NewSID(), from, stop)).To(Equal(http.StatusOK))
			Consistently(func() int { return len(sentTo(ctx, from)) }).WithContext(ctx).WithTimeout(3 * time.Second).Should(Equal(2))

			Expect(line.Write(ctx, guest.NewSID(), from, start)).To(Equal(http.StatusOK))
			eventuallySent(ctx, from, 3)
			Expect(sentTo(ctx, from)[2].Body).To(ContainSubstring("re-subscribed"))
			_, err = box.Reply(ctx, thread, "Welcome back", "")
			Expect(err).NotTo(HaveOccurred())
			eventuallySent(ctx, from, 4)
			Consistently(func() int { return len(sentTo(ctx, from)) }).WithContext(ctx).WithTimeout(2 * time.Second).Should(Equal(4))
		},
		Entry("STOP", SpecTimeout(time.Minute), 1, "STOP", "START"),
		Entry("stop", SpecTimeout(time.Minute), 2, "stop", "start"),
		Entry("white space around it", SpecTimeout(time.Minute), 3, " \t Stop \r\n", "\u00a0 sTaRt "),
		Entry("another mandatory word", SpecTimeout(time.Minute), 4, "Unsubscribe\n", "UNSTOP"),
	)

	It("a STOP that overtakes a reply in the queue wins", SpecTimeout(time.Minute), func(ctx SpecContext) {
		from := guestNumber(210)
		line, box := berlin.line(ctx, "front-desk"), berlin.inbox(ctx)
		Expect(line.Write(ctx, guest.NewSID(), from, "Hello")).To(Equal(http.StatusOK))
		thread := threadOf(ctx, berlin, from)
		Expect(standin.Fail(ctx, from, 503, 2)).To(Succeed())
		m, err := box.Reply(ctx, thread, "This one waits for the provider", "")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return len(attemptsTo(ctx, from)) }).WithContext(ctx).WithTimeout(20 * time.Second).Should(BeNumerically(">=", 1))
		Expect(line.Write(ctx, guest.NewSID(), from, "STOP")).To(Equal(http.StatusOK))
		Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(45 * time.Second).
			Should(Equal("suppressed"))
		for _, s := range sentTo(ctx, from) {
			Expect(s.Body).NotTo(ContainSubstring("waits for the provider"))
		}
	})

	It("HELP is answered; a word inside a sentence stops nothing", SpecTimeout(time.Minute), func(ctx SpecContext) {
		from := guestNumber(211)
		line := berlin.line(ctx, "concierge")
		Expect(line.Write(ctx, guest.NewSID(), from, "Does the bus stop at the hotel?")).To(Equal(http.StatusOK))
		Expect(line.Write(ctx, guest.NewSID(), from, "help")).To(Equal(http.StatusOK))
		eventuallySent(ctx, from, 1)
		Expect(sentTo(ctx, from)[0].Body).To(ContainSubstring("STOP"))
		_, err := berlin.inbox(ctx).Reply(ctx, threadOf(ctx, berlin, from), "It does", "")
		Expect(err).NotTo(HaveOccurred())
		eventuallySent(ctx, from, 2)
	})
})

// threadOf finds a guest's conversation by the number, in the database.
func threadOf(ctx context.Context, cl *client, number string) string {
	GinkgoHelper()
	rows := cl.rows(ctx, fmt.Sprintf(`SELECT v.id FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
		WHERE a.address = '%s' ORDER BY v.created_at DESC`, number))
	Expect(rows).NotTo(BeEmpty())
	return rows[0]
}
