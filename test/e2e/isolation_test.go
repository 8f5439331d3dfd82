package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

var _ = Describe("Promise 8: one tenant's credentials are worthless at another", Label("isolation"), func() {
	It("database credentials and client certificates are refused by the other's database", SpecTimeout(time.Minute), func(ctx SpecContext) {
		ours, theirs := credentials(ctx, berlin, "serve"), credentials(ctx, boston, "serve")

		By("control: each opens its own database")
		Expect(logIn(ctx, berlin, ours.username, ours.password, ours.certificate, ours.authority)).To(Succeed())
		Expect(logIn(ctx, boston, theirs.username, theirs.password, theirs.certificate, theirs.authority)).To(Succeed())

		By("Berlin's credentials at Boston")
		Expect(logIn(ctx, boston, ours.username, ours.password, ours.certificate, theirs.authority)).To(refusedForCertificate())
		By("Berlin's password with Boston's certificate at Boston")
		Expect(logIn(ctx, boston, ours.username, ours.password, theirs.certificate, theirs.authority)).
			To(MatchError(ContainSubstring("password authentication failed")))
		By("Boston's password with Berlin's certificate at Boston")
		Expect(logIn(ctx, boston, theirs.username, theirs.password, ours.certificate, theirs.authority)).To(refusedForCertificate())
		By("Boston's password with no certificate at Boston")
		Expect(logIn(ctx, boston, theirs.username, theirs.password, nil, theirs.authority)).To(refusedForCertificate())
		By("Boston's server does not prove itself to Berlin's clients")
		Expect(logIn(ctx, boston, ours.username, ours.password, ours.certificate, ours.authority)).
			To(MatchError(ContainSubstring("certificate signed by unknown authority")))
	})

	It("a connector's role can't read what another part of the tenant stores", SpecTimeout(time.Minute), func(ctx SpecContext) {
		cr := credentials(ctx, berlin, "connector-front-desk")
		conn, err := connect(ctx, berlin, cr.username, cr.password, cr.certificate, cr.authority)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = conn.Close(ctx) }()
		for _, statement := range []string{
			"SELECT * FROM sb.message", "SELECT * FROM sb.message_body", "SELECT * FROM sb.contact_address", "SELECT * FROM sb.staff",
			"SELECT * FROM sb.suppression", "SELECT * FROM sb.receipt", "SELECT * FROM queue_concierge.river_job",
			"DELETE FROM sb.consent_log",
		} {
			_, err := conn.Exec(ctx, statement)
			Expect(err).To(MatchError(ContainSubstring("permission denied")), statement)
		}
		_, err = conn.Exec(ctx, "SELECT count(*) FROM queue_front_desk.river_job")
		Expect(err).NotTo(HaveOccurred(), "its own queue is its own")
	})

	It("a staff token is refused by the other's API", SpecTimeout(time.Minute), func(ctx SpecContext) {
		ours := berlin.inbox(ctx)
		_, err := ours.Conversations(ctx)
		Expect(err).NotTo(HaveOccurred())
		stranger := openInboxWithToken(ctx, boston, ours.Token())
		_, err = stranger.Conversations(ctx)
		Expect(inbox.StatusOf(err)).To(Equal(401))
	})

	It("a webhook signed for one is refused by the other, and by another channel of the same", SpecTimeout(time.Minute), func(ctx SpecContext) {
		before := fingerprint(ctx, boston)
		theirs := boston.line(ctx, "front-desk")
		ours := berlin.line(ctx, "front-desk")
		form := ours.Message(guest.NewSID(), guestNumber(81), "To whom does this go?")

		By("Berlin's own message, replayed at Boston as it is")
		signature, err := guest.Sign(berlin.token, ours.InboundURL(), form)
		Expect(err).NotTo(HaveOccurred())
		status, _, err := theirs.Post(ctx, theirs.InboundURL(), []byte(form.Encode()), signature)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(403))

		By("signed with Berlin's token for Boston's address")
		signature, err = guest.Sign(berlin.token, theirs.InboundURL(), form)
		Expect(err).NotTo(HaveOccurred())
		status, _, err = theirs.Post(ctx, theirs.InboundURL(), []byte(form.Encode()), signature)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(403))
		Expect(fingerprint(ctx, boston)).To(Equal(before))

		By("signed for the front desk, posted to the concierge")
		concierge := berlin.line(ctx, "concierge")
		beforeBerlin := fingerprint(ctx, berlin)
		signature, err = guest.Sign(berlin.token, ours.InboundURL(), form)
		Expect(err).NotTo(HaveOccurred())
		status, _, err = concierge.Post(ctx, concierge.InboundURL(), []byte(form.Encode()), signature)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(403))
		Expect(fingerprint(ctx, berlin)).To(Equal(beforeBerlin))
	})

	It("no pod of a tenant can talk to the API server: none has a token", SpecTimeout(time.Minute), func(ctx SpecContext) {
		for _, cl := range []*client{berlin, boston} {
			pods := &corev1.PodList{}
			Expect(c.List(ctx, pods, crclient.InNamespace(cl.namespace()))).To(Succeed())
			Expect(pods.Items).NotTo(BeEmpty())
			for _, pod := range pods.Items {
				for _, volume := range pod.Spec.Volumes {
					Expect(volume.Projected == nil || volume.Projected.Sources[0].ServiceAccountToken == nil).To(BeTrue(),
						"pod %s has a service-account token", pod.Name)
				}
			}
		}
	})
})

// credential is what one component of a tenant logs in to the database with.
type credential struct {
	username, password string
	certificate        *tls.Certificate
	authority          *x509.CertPool
}

func credentials(ctx context.Context, cl *client, component string) credential {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: "database-" + component + "-v1"}, secret)).To(Succeed())
	certificate, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	Expect(err).NotTo(HaveOccurred())
	authority := x509.NewCertPool()
	Expect(authority.AppendCertsFromPEM(secret.Data["ca.crt"])).To(BeTrue())
	return credential{string(secret.Data["username"]), string(secret.Data["password"]), &certificate, authority}
}

// connect opens a tenant's database with the given credentials; certificate may be nil.
func connect(ctx context.Context, cl *client, username, password string, certificate *tls.Certificate, authority *x509.CertPool) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable host=localhost dbname=switchboard")
	if err != nil {
		return nil, err
	}
	config.User, config.Password = username, password
	config.TLSConfig = &tls.Config{ServerName: "postgres", RootCAs: authority, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.TLSConfig.Certificates = []tls.Certificate{*certificate}
	}
	door := c.Door(cl.namespace(), "postgres", 5432)
	DeferCleanup(door.Close)
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return door.Dial(ctx, network, address)
	}
	return pgx.ConnectConfig(ctx, config)
}

func logIn(ctx context.Context, cl *client, username, password string, certificate *tls.Certificate, authority *x509.CertPool) error {
	conn, err := connect(ctx, cl, username, password, certificate, authority)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var who string
	if err := conn.QueryRow(ctx, "SELECT session_user").Scan(&who); err != nil {
		return err
	}
	if who != username {
		return fmt.Errorf("logged in as %s instead of %s", who, username)
	}
	return nil
}

// refusedForCertificate matches the error of a server that doesn't take the client's certificate, or wants one.
func refusedForCertificate() types.GomegaMatcher {
	return MatchError(Or(ContainSubstring("unknown certificate authority"), ContainSubstring("requires a valid client certificate")))
}

// openInboxWithToken leads to a tenant's staff API with a token from somewhere else.
func openInboxWithToken(ctx context.Context, cl *client, token string) *inbox.Inbox {
	GinkgoHelper()
	ca, err := fixture.SecretKey(ctx, c, cl.namespace(), "serve-tls", "ca.crt")
	Expect(err).NotTo(HaveOccurred())
	box, err := inbox.New("https://"+cl.hostname, ca, c.Door(cl.namespace(), "serve", 8443).Dial)
	Expect(err).NotTo(HaveOccurred())
	box.UseToken(token)
	return box
}
