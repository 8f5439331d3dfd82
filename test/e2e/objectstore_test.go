package e2e

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// Stories 5 and 8 of docs/stories.md, with a store that is a program of others.
var _ = Describe("With an object store in the region", Label("objectstore"), Ordered, func() {
	const oldFiles, youngFiles = 120, 3
	var store *fixture.ObjectStore

	BeforeAll(func(ctx SpecContext) {
		var err error
		store, err = fixture.StartObjectStore(ctx, c, "local-eu-central", "files", "handover")
		Expect(err).NotTo(HaveOccurred())
		registered, err := json.Marshal(map[string]any{"spec": map[string]any{"objectStores": []any{map[string]any{
			"name": "frankfurt", "endpoint": store.Endpoint(), "location": fixture.ObjectStoreLocation, "caBundle": string(store.CA()),
			"egress": map[string]any{"cidrs": []string{"0.0.0.0/0"}, "ports": []int{443, 8443}},
		}}}})
		Expect(err).NotTo(HaveOccurred())
		_, err = c.Run(ctx, nil, "patch", "region", regionEU, "--type=merge", "-p", string(registered))
		Expect(err).NotTo(HaveOccurred())
	}, NodeTimeout(4*time.Minute))

	AfterAll(func(ctx SpecContext) {
		_, err := c.Run(ctx, nil, "patch", "region", regionEU, "--type=merge", "-p", `{"spec":{"objectStores":null}}`)
		Expect(err).NotTo(HaveOccurred())
		Expect(store.Stop(ctx)).To(Succeed())
	}, NodeTimeout(2*time.Minute))

	It("the store is away while a run sweeps: status has the exact remainder, and the next run ends it without counting twice", SpecTimeout(8*time.Minute), func(ctx SpecContext) {
		cl := newClient("gallery", regionEU, "+493023125188")
		cl.apply(ctx)
		Expect(c.ApplyYAML(ctx, store.Secret(cl.namespace(), "object-store")+fmt.Sprintf(`---
apiVersion: messaging.switchboard.dev/v1alpha1
kind: RetentionPolicy
metadata: {name: guest-data, namespace: %s}
spec:
  schedule: "0 0 1 1 *"
  guard: {maxPercent: 100}
  rules: [{category: Messages, retainDays: 90}, {category: Attachments, retainDays: 90}]
`, cl.namespace()))).To(Succeed())
		_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p",
			`{"spec":{"objectStore":{"name":"frankfurt","bucket":"files","credentialsSecretRef":{"name":"object-store"}}}}`)
		Expect(err).NotTo(HaveOccurred())
		cl.awaitReady(ctx)
		Expect(meta.IsStatusConditionTrue(cl.get(ctx).Status.Conditions, v1alpha1.ConditionObjectStoreReady)).To(BeTrue())
		awaitRules(ctx, cl, 90)
		fillFiles(ctx, cl, store, oldFiles, 100)
		fillFiles(ctx, cl, store, youngFiles, 10)
		Expect(cl.count(ctx, `SET ROLE sb_serve; SELECT count(*) FROM sb.attachments_of((SELECT array_agg(id) FROM sb.message_body))`)).
			To(BeEquivalentTo(youngFiles), "expired files can't be read, deleted or not")

		By("a run sweeps, and the store is away")
		Expect(store.Down(ctx)).To(Succeed())
		runRetention(ctx, cl, "sweep")
		var swept v1alpha1.RetentionRun
		Expect(cluster.Until(ctx, 2*time.Minute, "a run that tells of a remainder", func(ctx context.Context) error {
			runs := policyOf(ctx, cl).Status.Runs
			if len(runs) == 0 || runs[0].Files == nil {
				return fmt.Errorf("the runs are %+v", runs)
			}
			swept = runs[0]
			return nil
		})).To(Succeed())
		left := cl.count(ctx, `SELECT count(*) FROM sb.file_removal`)
		Expect(swept.Files.Class).To(Equal("Unreachable"))
		Expect(swept.Files.Pending).To(Equal(left), "status has the exact remainder")
		Expect(left).To(BeEquivalentTo(oldFiles))
		Expect(runOf(swept, v1alpha1.CategoryAttachments).Deleted).To(BeEquivalentTo(oldFiles))
		AddReportEntry("the sweep that was cut off", fmt.Sprintf("%+v", *swept.Files))
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.file`)).To(BeEquivalentTo(youngFiles), "with their keys gone nobody reads what is left in the store")

		By("the store is back, and the next run ends it")
		Expect(store.Up(ctx)).To(Succeed())
		runRetention(ctx, cl, "again")
		ended := nextRun(ctx, cl, swept.Sequence, time.Minute)
		Expect(runOf(ended, v1alpha1.CategoryAttachments).Deleted).To(BeZero(), "nothing is counted twice")
		Expect(ended.Files).To(HaveField("Pending", BeZero()))
		keys, err := store.Keys(ctx, "files")
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(HaveLen(youngFiles))

		By("and the tenant's end empties the bucket")
		erase(ctx, cl.tenant)
		Expect(store.Keys(ctx, "files")).To(BeEmpty())
	})

	It("a client leaves: exported, erased, with a certificate of what there was", SpecTimeout(6*time.Minute), func(ctx SpecContext) {
		cl := newClient("sold", regionEU, "+493023125189")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		for i, body := range []string{"We sold the house.", "Who answers from now on?"} {
			Expect(cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(70+i), body)).To(Equal(http.StatusOK))
		}
		identity, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		uid := string(cl.get(ctx).UID)
		export := func(bucket string) {
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"deletionPolicy": "Erase", "export": map[string]any{
				"recipient": identity.Recipient().String(),
				"objectStore": map[string]any{
					"endpoint": store.Endpoint(), "location": fixture.ObjectStoreLocation, "bucket": bucket, "caBundle": string(store.CA()),
					"credentialsSecretRef": map[string]any{"name": "handover"},
					"egress":               map[string]any{"cidrs": []string{"0.0.0.0/0"}, "ports": []int{443, 8443}},
				},
			}}})
			Expect(err).NotTo(HaveOccurred())
			_, err = c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", string(patch))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(c.ApplyYAML(ctx, store.Secret(cl.namespace(), "handover"))).To(Succeed())

		By("a bucket that is not there keeps the tenant whole, and says so")
		export("nowhere")
		t := cl.get(ctx)
		Expect(c.Delete(ctx, t)).To(Succeed())
		Expect(cluster.Until(ctx, 90*time.Second, "the reason", func(ctx context.Context) error {
			if err := c.Get(ctx, crclient.ObjectKeyFromObject(t), t); err != nil {
				return err
			}
			if why := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionTerminating); why == nil || !strings.Contains(why.Message, "the store has no such bucket") {
				return fmt.Errorf("conditions: %v", t.Status.Conditions)
			}
			return nil
		})).To(Succeed())
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(2))

		By("a bucket that is there takes the file, and the tenant goes")
		export("handover")
		Expect(cluster.Until(ctx, 2*time.Minute, "the end of the Tenant", func(ctx context.Context) error {
			err := c.Get(ctx, crclient.ObjectKeyFromObject(t), t)
			if crclient.IgnoreNotFound(err) != nil || err == nil {
				return errors.Join(fmt.Errorf("conditions: %v", t.Status.Conditions), err)
			}
			return nil
		})).To(Succeed())
		certificate := &v1alpha1.ErasureCertificate{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.tenant + "-" + uid[:8]}, certificate)).To(Succeed())
		Expect(certificate.Spec.Export).NotTo(BeNil())
		Expect(certificate.Spec.Export.Counts).To(ContainElement(v1alpha1.CategoryCount{Category: "Messages", Rows: 2}))
		checked, err := exec.CommandContext(ctx, buildPlugin(ctx), "audit", "certificate", certificate.Name).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(checked))

		By("what the certificate names is in the bucket, and only its recipient reads it")
		file, err := store.Get(ctx, "handover", certificate.Spec.Export.Object)
		Expect(err).NotTo(HaveOccurred())
		sum := sha256.New()
		words := messagesOf(io.TeeReader(file, sum), identity)
		Expect(words).To(ConsistOf("We sold the house.", "Who answers from now on?"))
		Expect(hex.EncodeToString(sum.Sum(nil))).To(Equal(certificate.Spec.Export.SHA256))
		keys, err := store.Keys(ctx, "handover")
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(ConsistOf(certificate.Spec.Export.Object))
	})
})

// fillFiles stores messages of days ago, each with a file in the store.
func fillFiles(ctx context.Context, cl *client, store *fixture.ObjectStore, n, days int) {
	GinkgoHelper()
	objects := cl.rows(ctx, fmt.Sprintf(`
DO $$ BEGIN PERFORM sb.ensure_partition(now() - make_interval(days => %[2]d)); END $$;
WITH thread AS (INSERT INTO sb.conversation (id, channel) VALUES (gen_random_uuid(), 'front-desk') RETURNING id),
new AS (SELECT gen_random_uuid() AS message, gen_random_uuid() AS file, now() - make_interval(days => %[2]d) AS at, thread.id AS thread FROM thread, generate_series(1, %[1]d)),
bodies AS (INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT message, at, thread, 'front-desk', 'look' FROM new),
files AS (INSERT INTO sb.file (id, sha256, size, media_type, object, object_key)
  SELECT file, sha256(file::text::bytea), 5, 'image/png', 'files/' || file, 'of-the-test' FROM new),
attached AS (INSERT INTO sb.attachment (id, at, message_id, conversation_id, channel, file_id) SELECT gen_random_uuid(), at, message, thread, 'front-desk', file FROM new)
SELECT 'files/' || file FROM new`, n, days))
	Expect(objects).To(HaveLen(n))
	var all sync.WaitGroup
	for some := range slices.Chunk(objects, (n+7)/8) {
		all.Go(func() {
			defer GinkgoRecover()
			for _, object := range some {
				Expect(store.Put(ctx, "files", cl.region+"/"+cl.tenant+"/"+object, []byte("image"))).To(Succeed())
			}
		})
	}
	all.Wait()
}

// messagesOf decrypts an exported file to its end, and gives the texts in it.
func messagesOf(file io.Reader, identity age.Identity) []string {
	GinkgoHelper()
	plain, err := age.Decrypt(file, identity)
	Expect(err).NotTo(HaveOccurred())
	unzipped, err := gzip.NewReader(plain)
	Expect(err).NotTo(HaveOccurred())
	var words []string
	members := tar.NewReader(unzipped)
	for {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		Expect(err).NotTo(HaveOccurred())
		if !strings.HasPrefix(member.Name, "data/message_body/") {
			continue
		}
		for rows := json.NewDecoder(members); rows.More(); {
			var row struct{ Body string }
			Expect(rows.Decode(&row)).To(Succeed())
			words = append(words, row.Body)
		}
	}
	_, err = io.Copy(io.Discard, file) // to its end, for the digest
	Expect(err).NotTo(HaveOccurred())
	return words
}
