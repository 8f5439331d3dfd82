package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/guest"
	"github.com/switchboard-operator/switchboard/test/inbox"
)

// A privacy officer has a browser and no kubeconfig: what is filed there is an object of the cluster in seconds, is carried out, and
// told back.
var _ = Describe("The privacy desk", Label("privacy-desk"), Ordered, func() {
	const n = 70
	var cl *client

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("desk", regionEU, "+493023125171")
		cl.apply(ctx)
		cl.awaitReady(ctx)
	}, NodeTimeout(5*time.Minute))

	AfterAll(func(ctx SpecContext) { erase(ctx, cl.tenant) }, NodeTimeout(3*time.Minute))

	It("has an erasure carried out that an officer filed by a guest's contact", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(n), "Forget me, please.")).To(Equal(http.StatusOK))
		box := cl.inbox(ctx)
		threads, err := box.Conversations(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(threads).To(HaveLen(1))
		_, err = box.PrivacyRequests(ctx)
		Expect(inbox.StatusOf(err)).To(Equal(http.StatusForbidden), "a supervisor is no privacy officer")
		Expect(box.Become(ctx, "officer@hotel.example", "privacyOfficer", "a sentence of her own "+run)).To(Succeed())

		received := time.Now().Add(-time.Hour)
		made, err := box.FileErasure(ctx, threads[0].Contact.ID, received)
		Expect(err).NotTo(HaveOccurred())
		Expect(made.State).To(Equal("Waiting"))
		Expect(made.DueAt).To(BeTemporally("~", received.Add(45*24*time.Hour), time.Second))

		var done inbox.PrivacyRequest
		Expect(cluster.Until(ctx, 2*time.Minute, "the officer to be told that it is done", func(ctx context.Context) error {
			all, err := box.PrivacyRequests(ctx)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(r inbox.PrivacyRequest) bool { return r.ID != nil && *r.ID == *made.ID })
			if i < 0 || all[i].State != "Completed" {
				return fmt.Errorf("it is told of %+v", all)
			}
			done = all[i]
			return nil
		})).To(Succeed())
		Expect(done.CompletedAt).NotTo(BeNil())
		Expect(done.Done).To(ContainElement(And(HaveField("Category", "Contacts"), HaveField("Rows", BeEquivalentTo(1)))))

		q := awaitRequest(ctx, cl, *done.Name, v1alpha1.RequestCompleted)
		Expect(q.Labels).To(HaveKeyWithValue(v1alpha1.LabelFiledBy, v1alpha1.FiledByDesk))
		Expect(q.Status.Receipts).NotTo(BeEmpty())
		Expect(cluster.Until(ctx, time.Minute, "the Secret of the person to go", func(ctx context.Context) error {
			err := c.Get(ctx, crclient.ObjectKey{Namespace: cl.namespace(), Name: *done.Name}, &corev1.Secret{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("it is there: %w", err)
		})).To(Succeed())
		Expect(cl.count(ctx, `SELECT (SELECT count(*) FROM sb.contact) + (SELECT count(*) FROM sb.message) + (SELECT count(*) FROM sb.filed_request WHERE subject IS NOT NULL)`)).To(BeZero())
	})
})
