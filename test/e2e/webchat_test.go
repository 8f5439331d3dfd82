package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// page is a page of the client's site with a chat in it.
type page struct {
	client *http.Client
	url    string
}

const chatSite = "https://www.berlin.example"

// webChat is a Channel of the client's for that site.
func (cl *client) webChat() string {
	return fmt.Sprintf(`
apiVersion: messaging.switchboard.dev/v1alpha1
kind: Channel
metadata: {name: web-chat, namespace: %s}
spec:
  type: WebChat
  webChat: {allowedOrigins: [%q], privacyNoticeURL: %q}
`, cl.namespace(), chatSite, chatSite+"/privacy")
}

// openPage leads to a web chat's connector, over TLS that is verified against the tenant's authority.
func openPage(ctx context.Context, cl *client, channel string) page {
	GinkgoHelper()
	ca, err := fixture.SecretKey(ctx, c, cl.namespace(), "connector-"+channel+"-tls", "ca.crt")
	Expect(err).NotTo(HaveOccurred())
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM(ca)).To(BeTrue())
	door := c.Door(cl.namespace(), "connector-"+channel, 8443)
	DeferCleanup(door.Close)
	return page{url: "https://" + cl.hostname + "/webhooks/" + channel + "/chat", client: &http.Client{Transport: &http.Transport{
		DialContext: door.Dial, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}}
}

func (p page) open(ctx context.Context) (token string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/sessions", strings.NewReader("{}"))
	Expect(err).NotTo(HaveOccurred())
	request.Header = http.Header{"Origin": {chatSite}, "Content-Type": {"application/json"}}
	response, err := p.client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	Expect(response).To(HaveHTTPStatus(http.StatusCreated))
	var session struct{ Token string }
	Expect(json.NewDecoder(response.Body).Decode(&session)).To(Succeed())
	return session.Token
}

// connect says hello, as soon as there is a connector, and gives the socket.
func (p page) connect(ctx context.Context, token, cursor string) *websocket.Conn {
	GinkgoHelper()
	var conn *websocket.Conn
	Eventually(func() (err error) {
		conn, _, err = websocket.Dial(ctx, p.url+"/socket", &websocket.DialOptions{ //nolint:bodyclose // the library's
			HTTPClient: p.client, Subprotocols: []string{"switchboard.chat.v1"}, HTTPHeader: http.Header{"Origin": {chatSite}},
		})
		return err
	}).WithContext(ctx).WithTimeout(time.Minute).Should(Succeed())
	DeferCleanup(func() { _ = conn.CloseNow() })
	send(ctx, conn, map[string]string{"type": "hello", "token": token, "cursor": cursor})
	return conn
}

func send(ctx context.Context, conn *websocket.Conn, frame map[string]string) {
	GinkgoHelper()
	b, err := json.Marshal(frame)
	Expect(err).NotTo(HaveOccurred())
	Expect(conn.Write(ctx, websocket.MessageText, b)).To(Succeed())
}

// shown waits for the message with a text, and gives its cursor.
func shown(ctx context.Context, conn *websocket.Conn, text string) string {
	GinkgoHelper()
	for {
		_, b, err := conn.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		var f struct{ Type, Text, Cursor string }
		Expect(json.Unmarshal(b, &f)).To(Succeed())
		if f.Type == "message" && f.Text == text {
			return f.Cursor
		}
	}
}

var _ = Describe("A web chat", Label("webchat"), func() {
	It("carries a guest's words and the answer, and keeps what comes while the guest is away, over a killed connector", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		Expect(c.ApplyYAML(ctx, berlin.webChat())).To(Succeed())
		channel := &v1alpha1.Channel{}
		channel.Name, channel.Namespace = "web-chat", berlin.namespace()
		DeferCleanup(func(ctx context.Context) error { return crclient.IgnoreNotFound(c.Delete(ctx, channel)) })
		berlin.awaitReady(ctx)
		p := openPage(ctx, berlin, "web-chat")
		token := p.open(ctx)
		conn := p.connect(ctx, token, "")
		words := "Ist das Frühstück dabei? 🥐 " + run
		send(ctx, conn, map[string]string{"type": "message", "id": "first", "text": words})
		shown(ctx, conn, words)

		By("answering while the guest is there")
		box := berlin.inbox(ctx)
		thread := ""
		threads, err := box.Conversations(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, v := range threads {
			if v.Channel == "web-chat" {
				thread = v.ID
			}
		}
		Expect(thread).NotTo(BeEmpty())
		_, err = box.Reply(ctx, thread, "Ja, bis elf Uhr.", "chat-1-"+run)
		Expect(err).NotTo(HaveOccurred())
		cursor := shown(ctx, conn, "Ja, bis elf Uhr.")

		By("answering while the guest is away, and the connector is killed")
		Expect(conn.CloseNow()).To(Succeed())
		m, err := box.Reply(ctx, thread, "Am Sonntag bis zwölf.", "chat-2-"+run)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(time.Minute).Should(Equal("accepted"))
		pod, err := c.ReadyPod(ctx, berlin.namespace(), "connector-web-chat")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.KillContainer(ctx, pod, "")).To(Succeed())
		back := p.connect(ctx, token, cursor)
		cursor = shown(ctx, back, "Am Sonntag bis zwölf.")
		send(ctx, back, map[string]string{"type": "receipt", "status": "read", "cursor": cursor})
		Eventually(func() (string, error) { return box.Status(ctx, thread, m.ID) }).WithContext(ctx).WithTimeout(time.Minute).Should(Equal("read"))
	})
})
