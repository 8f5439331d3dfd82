package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	"github.com/switchboard-operator/switchboard/test/inbox"
	messenger "github.com/switchboard-operator/switchboard/test/standin/messenger/standin"
	telegram "github.com/switchboard-operator/switchboard/test/standin/telegram/standin"
	whatsapp "github.com/switchboard-operator/switchboard/test/standin/whatsapp/standin"
)

// way is how guests of a channel write, and what is told of messages to them.
type way struct {
	channel, standin string
	guest            string // as the provider knows the guest
	address          string // as we do
	to               string
	arrives          string // the status that a message ends with
	advice           string // what the condition of wrong credentials says to do
}

const (
	pageID   = "104512345678901"
	botToken = "4242424242:e2e-token-of-a-bot-that-is-none"
	smppLine = "+493023125140"
	numberID = "106540352242999"
)

var ways = []way{
	{"telegram", "telegram", "4711000001", "4711000001", "", "sent", "botToken"},
	{"messenger", "messenger", "6042000000000001", "6042000000000001", "", "read", "accessToken"},
	{"whatsapp", "whatsapp", "447700900241", "447700900241", "", "read", "accessToken"},
	{"carrier", "smsc", "447700900240", "+447700900240", smppLine[1:], "delivered", "password"},
}

// The other channels, each with the whole of its way: in, out, what is told of it, STOP, wrong credentials, a provider that is
// away, and a webhook that is sent twice. SMPP has no ids by which a repetition would be told: that is tested against Net::SMPP.
var _ = Describe("Telegram, Messenger, WhatsApp and SMPP", Label("channels"), Ordered, func() {
	var (
		cl       *client
		provider *fixture.Channels
	)
	sent := func(ctx context.Context, w way) []fixture.Taken {
		GinkgoHelper()
		all, err := provider.TakenFor(ctx, w.standin, w.guest)
		Expect(err).NotTo(HaveOccurred())
		return all
	}
	eventually := func(ctx context.Context, w way, n int) {
		GinkgoHelper()
		Eventually(func() int { return len(sent(ctx, w)) }).WithContext(ctx).WithTimeout(time.Minute).Should(Equal(n), w.channel)
	}
	all := func(do func(w way)) {
		for _, w := range ways {
			do(w)
		}
	}

	// accept has every provider take the credentials that the channels have.
	accept := func(ctx context.Context) {
		GinkgoHelper()
		tenant := cl.get(ctx)
		Expect(cluster.Until(ctx, 2*time.Minute, "the providers to know the channels' addresses", func(ctx context.Context) error { // once there are connectors
			return errors.Join(
				provider.Bot(ctx, tenant, "telegram", telegram.Bot{ID: 4242424242, Username: "hotel_berlin_bot", Token: botToken}),
				provider.Page(ctx, tenant, "messenger", messenger.Page{ID: pageID, AccessToken: "access", AppSecret: "secret"}),
				provider.Number(ctx, tenant, "whatsapp", whatsapp.Number{
					PhoneNumberID: numberID, BusinessAccountID: "102290129340398", AccessToken: "access", AppSecret: "secret",
				}),
				provider.Account(ctx, "hotel", "secret"),
			)
		})).To(Succeed())
		cl.awaitReady(ctx)
	}

	// leave has every provider go away.
	leave := func(ctx context.Context) {
		GinkgoHelper()
		all(func(w way) {
			Expect(provider.Down(ctx, w.standin, true)).To(Succeed())
			// Connections that stand are of no use to tell: the connector is made anew.
			pod, err := c.ReadyPod(ctx, cl.namespace(), "connector-"+w.channel)
			if err == nil {
				Expect(c.Delete(ctx, pod)).To(Succeed())
			}
		})
		all(func(w way) { // what the pod before could still send is no test
			eventuallyUnreachable(ctx, cl, w.channel)
		})
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		provider, err = fixture.StartChannels(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		watched = append(watched, fixture.ChannelsNamespace)
		Expect(provider.Account(ctx, "hotel", "another")).To(Succeed())
		cl = newClient("channels", regionEU)
		cl.apply(ctx)
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: telegram, namespace: %[1]s}
stringData: {botToken: %[2]q, secretToken: "a-word-of-our-own"}
---
apiVersion: v1
kind: Secret
metadata: {name: messenger, namespace: %[1]s}
stringData: {accessToken: "access", appSecret: "secret", verifyToken: "verify"}
---
apiVersion: v1
kind: Secret
metadata: {name: whatsapp, namespace: %[1]s}
stringData: {accessToken: "access", appSecret: "secret", verifyToken: "verify"}
---
apiVersion: v1
kind: Secret
metadata: {name: carrier, namespace: %[1]s}
stringData: {password: "secret"}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: telegram, namespace: %[1]s}
spec:
  type: Telegram
  subProcessor: twilio
  telegram: {username: hotel_berlin_bot, credentialsSecretRef: {name: telegram}, apiBaseURL: "https://%[3]s", caBundle: %[6]q}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: messenger, namespace: %[1]s}
spec:
  type: Messenger
  subProcessor: twilio
  messenger: {pageID: %[7]q, credentialsSecretRef: {name: messenger}, apiBaseURL: "https://%[4]s", caBundle: %[6]q}
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: whatsapp, namespace: %[1]s}
spec:
  type: WhatsApp
  subProcessor: twilio
  whatsApp:
    phoneNumberID: %[10]q
    businessAccountID: "102290129340398"
    credentialsSecretRef: {name: whatsapp}
    apiBaseURL: "https://%[11]s"
    caBundle: %[6]q
---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: carrier, namespace: %[1]s}
spec:
  type: SMPP
  subProcessor: twilio
  smpp: {host: %[5]s, port: %[8]s, systemID: hotel, credentialsSecretRef: {name: carrier}, from: %[9]q, caBundle: %[6]q, enquireLinkSeconds: 5}
`, cl.namespace(), botToken, provider.Host("telegram"), provider.Host("messenger"), provider.Host("smsc"), provider.CA(), pageID, provider.Port(), smppLine, numberID, provider.Host("whatsapp")))).To(Succeed())
	}, NodeTimeout(3*time.Minute))

	AfterAll(func(ctx SpecContext) {
		erase(ctx, cl.tenant)
		Expect(provider.Stop(ctx)).To(Succeed())
	}, NodeTimeout(3*time.Minute))

	It("credentials that the provider does not take are told, with the next step, until it does", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		all(func(w way) {
			Expect(cluster.Until(ctx, 2*time.Minute, "the condition of channel "+w.channel, func(ctx context.Context) error {
				ch := &v1alpha1.Channel{}
				if err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: w.channel}, ch); err != nil {
					return err
				}
				is := meta.FindStatusCondition(ch.Status.Conditions, v1alpha1.ConditionCredentialsAccepted)
				if is == nil || is.Status != metav1.ConditionFalse || is.Reason != v1alpha1.ReasonCredentialsRefused || !strings.Contains(is.Message, w.advice) {
					return fmt.Errorf("want False, %s, with %q; have %+v", v1alpha1.ReasonCredentialsRefused, w.advice, is)
				}
				return nil
			})).To(Succeed())
		})
		accept(ctx)
	})

	It("words come in once, the answer goes out, and what became of it is told", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		box := cl.inbox(ctx)
		all(func(w way) {
			Expect(provider.Write(ctx, w.standin, w.guest, w.to, "Hello")).To(Succeed(), w.channel)
			if w.standin != "smsc" {
				Expect(provider.Replay(ctx, w.standin)).To(Succeed(), w.channel)
			}
			Expect(cl.count(ctx, fmt.Sprintf("SELECT count(*) FROM sb.message WHERE channel = '%s'", w.channel))).To(Equal(int64(1)), w.channel)
			thread := threadOf(ctx, cl, w.address)
			m, err := box.Reply(ctx, thread, "Good evening", "")
			Expect(err).NotTo(HaveOccurred())
			eventually(ctx, w, 1)
			if w.standin == "messenger" {
				Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal("accepted"))
				Expect(provider.Read(ctx, w.guest)).To(Succeed())
			}
			Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(30*time.Second).Should(Equal(w.arrives), w.channel)
		})
	})

	It("a provider that is away is waited for, and gets the message once", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		box := cl.inbox(ctx)
		leave(ctx)
		all(func(w way) {
			_, err := box.Reply(ctx, threadOf(ctx, cl, w.address), "While you were away", "")
			Expect(err).NotTo(HaveOccurred())
		})
		all(func(w way) {
			// One that can't be bound takes no message from the queue at all.
			tried := int64(1)
			if w.standin == "smsc" {
				tried = 0
			}
			Eventually(func() int64 {
				return cl.count(ctx, fmt.Sprintf("SELECT coalesce(max(attempt), -1) FROM queue_%s.river_job WHERE finalized_at IS NULL", w.channel))
			}).WithContext(ctx).WithTimeout(60*time.Second).Should(BeNumerically(">=", tried), w.channel)
			Expect(sent(ctx, w)).To(HaveLen(1), w.channel)
			Expect(provider.Down(ctx, w.standin, false)).To(Succeed())
		})
		all(func(w way) { eventually(ctx, w, 2) })
		cl.awaitReady(ctx)
	})

	It("a provider that is away for ten minutes is waited for, and gets the message once", Label("long"), SpecTimeout(25*time.Minute), func(ctx SpecContext) {
		accept(ctx)
		box := cl.inbox(ctx)
		before, replies := map[string]int{}, map[string]inbox.Message{}
		all(func(w way) {
			Expect(provider.Write(ctx, w.standin, w.guest, w.to, "Are you there?")).To(Succeed(), w.channel)
			before[w.channel] = len(sent(ctx, w))
		})
		leave(ctx)
		all(func(w way) {
			var err error
			replies[w.channel], err = box.Reply(ctx, threadOf(ctx, cl, w.address), "In ten minutes", "")
			Expect(err).NotTo(HaveOccurred())
		})
		idle(ctx, 10*time.Minute)
		all(func(w way) {
			Expect(sent(ctx, w)).To(HaveLen(before[w.channel]), "control: %s was away", w.channel)
			Expect(box.Status(ctx, threadOf(ctx, cl, w.address), replies[w.channel].ID)).To(BeElementOf("queued", "sending", "unknown"), w.channel)
			Expect(provider.Down(ctx, w.standin, false)).To(Succeed())
		})
		all(func(w way) {
			Eventually(func() int { return len(sent(ctx, w)) }).WithContext(ctx).WithTimeout(10*time.Minute).Should(Equal(before[w.channel]+1), w.channel)
		})
		cl.awaitReady(ctx)
		all(func(w way) {
			Eventually(func() (string, error) { return box.Status(ctx, threadOf(ctx, cl, w.address), replies[w.channel].ID) }).
				WithContext(ctx).WithTimeout(time.Minute).Should(BeElementOf("accepted", "sent", "delivered", "read"), w.channel)
			Expect(sent(ctx, w)).To(HaveLen(before[w.channel]+1), w.channel)
		})
	})

	It("STOP ends messages, with one confirmation", SpecTimeout(2*time.Minute), func(ctx SpecContext) {
		box := cl.inbox(ctx)
		all(func(w way) {
			Expect(provider.Write(ctx, w.standin, w.guest, w.to, "STOP")).To(Succeed(), w.channel)
			eventually(ctx, w, 3)
			_, err := box.Reply(ctx, threadOf(ctx, cl, w.address), "One more thing", "")
			Expect(inbox.StatusOf(err)).To(Equal(http.StatusConflict), w.channel)
		})
		all(func(w way) { Expect(sent(ctx, w)).To(HaveLen(3), w.channel) })
	})
})

// eventuallyUnreachable waits until a Channel says that its provider can't be asked about its credentials.
func eventuallyUnreachable(ctx context.Context, cl *client, channel string) {
	GinkgoHelper()
	Eventually(func() (string, error) {
		ch := &v1alpha1.Channel{}
		err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: channel}, ch)
		if is := meta.FindStatusCondition(ch.Status.Conditions, v1alpha1.ConditionCredentialsAccepted); is != nil {
			return is.Reason, err
		}
		return "", err
	}).WithContext(ctx).WithTimeout(90*time.Second).Should(Equal(v1alpha1.ReasonProviderUnreachable), channel)
}
