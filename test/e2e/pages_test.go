package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/wire"
)

// What test/browser shows of the pages over a database alone, as far as the rest of the service has a part in it: the operator, its
// certificates, the connectors' pods and the provider.
var _ = Describe("The pages of guests, staff and privacy officers", Label("pages"), Ordered, func() {
	var cl *client

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("pages", regionEU, "+493023125181")
		cl.apply(ctx)
		Expect(c.ApplyYAML(ctx, cl.webChat())).To(Succeed())
		cl.awaitReady(ctx)
		Expect(standin.Route(ctx, cl.get(ctx), "front-desk")).To(Succeed())
	}, NodeTimeout(5*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("carry a talk, an answer, STOP and an erasure, in browsers beside each other, over a cut network and a killed connector", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		dir, err := os.MkdirTemp("", "pages") // short: the paths of sockets have at most 107 bytes
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		staff := cl.socket(ctx, dir, "serve")
		chat := cl.socket(ctx, dir, "connector-web-chat")
		site := serve(ctx, filepath.Join(dir, "site"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Hotel</title><h1>Hotel</h1><script src="https://%s/webhooks/web-chat/chat/widget.js" async></script></html>`, cl.hostname)
		}))
		site.StartTLS()
		steps := serve(ctx, filepath.Join(dir, "steps"), answering(cl.steps(cl.line(ctx, "front-desk"), chat)))
		steps.Start()
		password, err := fixture.SecretKey(ctx, c, cl.namespace(), "staff-bootstrap", "password")
		Expect(err).NotTo(HaveOccurred())
		email, err := fixture.SecretKey(ctx, c, cl.namespace(), "staff-bootstrap", "email")
		Expect(err).NotTo(HaveOccurred())
		output, err := filepath.Abs("../output/browser")
		Expect(err).NotTo(HaveOccurred())
		settings, err := json.Marshal(map[string]string{
			"staff": staff.Addr().String(), "chat": chat.Addr().String(), "siteSocket": site.Listener.Addr().String(), "steps": steps.Listener.Addr().String(),
			"output": output, "hostname": cl.hostname, "site": chatSite, "guest": guestNumber(81), "other": guestNumber(82),
			"email": strings.TrimSpace(string(email)), "password": string(password),
		})
		Expect(err).NotTo(HaveOccurred())
		// Chromium breaks requests off whenever one of the machine's interfaces comes or goes, as they do beside a cluster.
		node := exec.CommandContext(ctx, "../../hack/loopback.sh", "node", "cluster.mjs") // both from test/browser
		node.Dir = "../browser"
		node.Env = append(os.Environ(), "SETTINGS="+string(settings))
		node.Stdout, node.Stderr = GinkgoWriter, GinkgoWriter
		Expect(node.Run()).To(Succeed())
	})
})

// socket leads from a socket in a folder, which a network namespace does not shut off, to a service of the client's.
func (cl *client) socket(ctx context.Context, dir, service string) *wire.Wire {
	GinkgoHelper()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", filepath.Join(dir, service))
	Expect(err).NotTo(HaveOccurred())
	door := c.Door(cl.namespace(), service, 8443)
	DeferCleanup(door.Close)
	w := wire.New(listener, func(ctx context.Context) (net.Conn, error) { return door.Dial(ctx, "", "") })
	DeferCleanup(w.Close)
	return w
}

// serve prepares a server at a socket.
func serve(ctx context.Context, socket string, handler http.Handler) *httptest.Server {
	GinkgoHelper()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	Expect(err).NotTo(HaveOccurred())
	server := httptest.NewUnstartedServer(handler)
	Expect(server.Listener.Close()).To(Succeed())
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes: the browser does not know the certificate
	DeferCleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

type step func(ctx context.Context, query map[string]string) error

// answering lets the script ask for a step, and answers once it was taken.
func answering(steps map[string]step) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var query map[string]string
		err := json.NewDecoder(r.Body).Decode(&query)
		if take, known := steps[strings.TrimPrefix(r.URL.Path, "/")]; err == nil && known {
			err = take(r.Context(), query)
		} else if err == nil {
			err = errors.New("no such step")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// steps are what happens outside of the browsers.
func (cl *client) steps(line *guest.Line, chat *wire.Wire) map[string]step {
	return map[string]step{
		// A guest writes a text message, which the provider delivers.
		"text": func(ctx context.Context, q map[string]string) error {
			status, err := line.Write(ctx, guest.NewSID(), q["from"], q["body"])
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("the connector answered with %d", status)
			}
			return err
		},
		// The provider was given these words for a guest, once.
		"given": func(ctx context.Context, q map[string]string) error {
			return cluster.Until(ctx, time.Minute, "the provider to be given the answer", func(ctx context.Context) error {
				sent, err := standin.SentTo(ctx, q["to"])
				if err != nil {
					return err
				}
				times := 0
				for _, m := range sent {
					if m.Body == q["body"] {
						times++
					}
				}
				if times != 1 {
					return fmt.Errorf("it has them %d times among %d", times, len(sent))
				}
				return nil
			})
		},
		"kill": func(ctx context.Context, _ map[string]string) error {
			pod, err := c.ReadyPod(ctx, cl.namespace(), "connector-web-chat")
			if err != nil {
				return err
			}
			return c.KillContainer(ctx, pod, "")
		},
		"network": func(_ context.Context, q map[string]string) error {
			chat.Set(wire.State(q["is"]))
			return nil
		},
		// The officer's request is an object of the cluster that has ended, and its person's Secret is gone.
		"erased": func(ctx context.Context, _ map[string]string) error {
			return cluster.Until(ctx, 2*time.Minute, "the request to be an object that has ended", func(ctx context.Context) error {
				requests := &v1alpha1.DataSubjectRequestList{}
				if err := c.List(ctx, requests, crclient.InNamespace(cl.namespace())); err != nil {
					return err
				}
				if len(requests.Items) != 1 {
					return fmt.Errorf("there are %d", len(requests.Items))
				}
				q := requests.Items[0]
				if q.Status.Phase != v1alpha1.RequestCompleted || q.Labels[v1alpha1.LabelFiledBy] != v1alpha1.FiledByDesk {
					return fmt.Errorf("it is %s, with labels %v", q.Status.Phase, q.Labels)
				}
				if err := c.Get(ctx, crclient.ObjectKey{Namespace: q.Namespace, Name: q.Spec.Subject.SecretName}, &corev1.Secret{}); !apierrors.IsNotFound(err) {
					return fmt.Errorf("its person's Secret is there: %w", err)
				}
				return nil
			})
		},
	}
}
