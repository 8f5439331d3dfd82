package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

// A guest says STOP by SMS, asks for it by WhatsApp and phones the desk about it: it is one suppression and one
// confirmation, and it outlives the erasure of all that the client has of the guest.
var _ = Describe("STOP everywhere", Label("stop-everywhere"), Ordered, func() {
	const n, misunderstood = 230, 231
	var (
		cl     *client
		meta   *fixture.WhatsApp
		number whatsapp.Number
		sms    string // the guest's thread by SMS
		chat   string // and by WhatsApp
	)
	waID := func(n int) string { return strings.TrimPrefix(guestNumber(n), "+") }
	threads := func(ctx context.Context, channel string) string {
		GinkgoHelper()
		rows := cl.rows(ctx, fmt.Sprintf(`SELECT v.id FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
			WHERE a.address = '%s' AND v.channel = '%s'`, guestNumber(n), channel))
		Expect(rows).To(HaveLen(1))
		return rows[0]
	}
	optOut := func(ctx context.Context, thread string) string {
		GinkgoHelper()
		v, err := cl.inbox(ctx).Conversation(ctx, thread)
		Expect(err).NotTo(HaveOccurred())
		return v.OptOut
	}
	sentByChat := func(ctx context.Context, to string) []whatsapp.Message {
		GinkgoHelper()
		sent, err := meta.SentTo(ctx, to)
		Expect(err).NotTo(HaveOccurred())
		return sent
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		meta, err = fixture.StartWhatsApp(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		watched = append(watched, fixture.WhatsAppNamespace)
		cl = newClient("stop", regionEU, "+493023125130")
		cl.apply(ctx)
		number = whatsapp.Number{PhoneNumberID: "106540352242922", BusinessAccountID: "102290129340398", AccessToken: "access-" + run, AppSecret: "secret-" + run}
		Expect(meta.Register(ctx, number)).To(Succeed()) // the Channel is Ready only once its token works
		// The sub-processor stands for whoever carries the messages; the Region of the suite registers one.
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: whatsapp, namespace: %[1]s}
stringData: {accessToken: %[2]q, appSecret: %[3]q, verifyToken: "verify"}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: chat, namespace: %[1]s}
spec:
  type: WhatsApp
  subProcessor: twilio
  whatsApp:
    phoneNumberID: %[4]q
    businessAccountID: %[5]q
    credentialsSecretRef: {name: whatsapp}
    apiBaseURL: %[6]s
    caBundle: %[7]q
`, cl.namespace(), number.AccessToken, number.AppSecret, number.PhoneNumberID, number.BusinessAccountID, meta.URL(), meta.CA()))).To(Succeed())
		cl.awaitReady(ctx)
		Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
		Expect(meta.Connect(ctx, cl.get(ctx), "chat", number)).To(Succeed())
	}, NodeTimeout(5*time.Minute))

	AfterAll(func(ctx SpecContext) {
		erase(ctx, cl.tenant)
		Expect(meta.Stop(ctx)).To(Succeed())
	}, NodeTimeout(3*time.Minute))

	It("a guest writes by SMS and WhatsApp, and is one guest", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(n), "Bonjour")).To(Equal(http.StatusOK))
		Expect(meta.Write(ctx, number.PhoneNumberID, waID(n), "Bonsoir")).To(Succeed())
		sms, chat = threads(ctx, "front-desk"), threads(ctx, "chat")
		Expect(cl.rows(ctx, fmt.Sprintf(`SELECT count(DISTINCT contact_id) FROM sb.contact_address WHERE address IN ('%s', '%s')`, guestNumber(n), waID(n)))).
			To(Equal([]string{"1"}))
		_, err := cl.inbox(ctx).Reply(ctx, chat, "Votre chambre est prête", "")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return len(sentByChat(ctx, waID(n))) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(1))
	})

	It("a wish in other words holds messages back until staff decide", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(meta.Write(ctx, number.PhoneNumberID, waID(misunderstood), "Please stop texting me, I am at the bar")).To(Succeed())
		thread := threadOf(ctx, cl, guestNumber(misunderstood))
		Expect(optOut(ctx, thread)).To(Equal("requested"))
		box := cl.inbox(ctx)
		_, err := box.Reply(ctx, thread, "We are coming", "")
		Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict))
		_, err = box.ReplyAllTheSame(ctx, thread, "We are coming")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return len(sentByChat(ctx, waID(misunderstood))) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(1))
		Expect(box.DismissRequest(ctx, thread)).To(Succeed())
		Expect(optOut(ctx, thread)).To(Equal("none"))
	})

	It("Arrêt by SMS, a wish by WhatsApp, a call to the desk: one suppression, one confirmation", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(n), "Arrêt")).To(Equal(http.StatusOK))
		eventuallySent(ctx, guestNumber(n), 1)
		Expect(sentTo(ctx, guestNumber(n))[0].Body).To(ContainSubstring("unsubscribed"))
		Expect(meta.Write(ctx, number.PhoneNumberID, waID(n), "please stop texting me")).To(Succeed())
		box := cl.inbox(ctx)
		for kind, address := range map[string]string{"phone": guestNumber(n), "whatsapp": waID(n)} {
			done, err := box.OptOut(ctx, kind, address)
			Expect(err).NotTo(HaveOccurred())
			Expect(done).To(Equal(inbox.Consent{OptOut: "optedOut"}))
		}
		for _, thread := range []string{sms, chat} {
			Expect(optOut(ctx, thread)).To(Equal("optedOut"))
			_, err := box.Reply(ctx, thread, "One more thing", "")
			Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict))
			_, err = box.ReplyAllTheSame(ctx, thread, "One more thing")
			Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict))
		}
		Consistently(func() int { return len(sentTo(ctx, guestNumber(n))) + len(sentByChat(ctx, waID(n))) }).
			WithContext(ctx).WithTimeout(3 * time.Second).Should(Equal(2)) // the confirmation, and the answer before it
		Expect(cl.count(ctx, "SELECT count(*) FROM sb.suppression")).To(Equal(int64(1)))
	})

	It("and it outlives the erasure of the guest", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
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
`, cl.namespace(), guestNumber(n), time.Now().UTC().Format(time.RFC3339)))).To(Succeed())
		Expect(cluster.Until(ctx, 2*time.Minute, "the erasure", func(ctx context.Context) error {
			q := &v1alpha1.DataSubjectRequest{}
			if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "request-1"}, q); err != nil {
				return err
			}
			if q.Status.Phase != v1alpha1.RequestCompleted {
				return fmt.Errorf("it is %s: %+v", q.Status.Phase, q.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		Expect(cl.count(ctx, fmt.Sprintf(`SELECT count(*) FROM sb.contact_address WHERE address IN ('%s', '%s')`, guestNumber(n), waID(n)))).To(BeZero())

		By("the guest writes again, and is still not written to")
		Expect(meta.Write(ctx, number.PhoneNumberID, waID(n), "Est-ce que vous avez mon manteau ?")).To(Succeed())
		chat = threads(ctx, "chat")
		Expect(optOut(ctx, chat)).To(Equal("optedOut"))
		_, err := cl.inbox(ctx).Reply(ctx, chat, "Oui", "")
		Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict))

		By("START lifts it, and is confirmed")
		before := len(sentByChat(ctx, waID(n)))
		Expect(meta.Write(ctx, number.PhoneNumberID, waID(n), "START")).To(Succeed())
		Eventually(func() int { return len(sentByChat(ctx, waID(n))) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal(before + 1))
		_, err = cl.inbox(ctx).Reply(ctx, chat, "Oui, il est là", "")
		Expect(err).NotTo(HaveOccurred())
	})
})
