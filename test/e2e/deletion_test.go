package e2e

import (
	"context"
	"fmt"
	"os/exec"
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
)

var _ = Describe("Deleting a tenant", Label("deletion"), Ordered, func() {
	var cl *client

	BeforeAll(func(ctx SpecContext) {
		cl = newClient("leaving", regionUS, "+16175550150")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		status, err := cl.line(ctx, "front-desk").Write(ctx, guest.NewSID(), guestNumber(20), "Is my umbrella still at the desk?")
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(200))
	}, NodeTimeout(4*time.Minute))

	It("with Retain stops the workloads and keeps data, credentials and keys; applying it again takes them up", SpecTimeout(5*time.Minute), func(ctx SpecContext) {
		setDeletionPolicy(ctx, cl, v1alpha1.DeletionRetain)
		kept := []string{"secrets", "persistentvolumeclaims"}
		before := names(ctx, cl.namespace(), kept...)
		remove(ctx, cl)

		By("what is left")
		after := names(ctx, cl.namespace(), kept...)
		AddReportEntry("left after Retain", strings.Join(after, " "))
		Expect(after).To(ContainElements(irreplaceable(before)))
		Expect(names(ctx, cl.namespace(), "persistentvolumeclaims")).To(HaveLen(1))
		eventuallyNone(ctx, cl.namespace(), "deployments", "statefulsets", "cronjobs", "jobs", "pods")
		ns := &corev1.Namespace{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.namespace()}, ns)).To(Succeed())
		Expect(ns.DeletionTimestamp).To(BeNil())
		Expect(ns.Labels).To(HaveKeyWithValue(v1alpha1.LabelRetained, "true"))

		By("applying the same folder again")
		cl.apply(ctx)
		cl.awaitReady(ctx)
		Expect(cl.count(ctx, `SELECT count(*) FROM sb.message_body`)).To(BeEquivalentTo(1))
		cl.inbox(ctx) // signs in: the account and its password are the same
	})

	It("with Erase leaves nothing: no namespace, no volume, no authority", SpecTimeout(4*time.Minute), func(ctx SpecContext) {
		volume := volumesOf(ctx, cl.namespace())[0]
		uid := string(cl.get(ctx).UID)
		messages := cl.count(ctx, `SELECT count(*) FROM sb.message_body`)
		setDeletionPolicy(ctx, cl, v1alpha1.DeletionErase)
		remove(ctx, cl)
		for _, gone := range []crclient.Object{
			&corev1.Namespace{}, &corev1.PersistentVolume{}, &corev1.Secret{},
		} {
			key := crclient.ObjectKey{Name: cl.namespace()}
			switch gone.(type) {
			case *corev1.PersistentVolume:
				key.Name = volume.Name
			case *corev1.Secret:
				key = crclient.ObjectKey{Namespace: fixture.OperatorNamespace, Name: "tenant-" + cl.tenant + "-ca"}
			}
			Expect(apierrors.IsNotFound(c.Get(ctx, key, gone))).To(BeTrue(), "%T %s is still there after the Tenant went", gone, key)
		}
		out, err := c.Run(ctx, nil, "get", "all,secrets,pvc,channels,retentionpolicies", "-A", "-o", "name")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).NotTo(ContainSubstring(cl.tenant))

		By("but a certificate, which says what there was")
		certificate := &v1alpha1.ErasureCertificate{}
		Expect(c.Get(ctx, crclient.ObjectKey{Name: cl.tenant + "-" + uid[:8]}, certificate)).To(Succeed())
		Expect(certificate.Spec.Counted).To(BeTrue(), "%v", certificate.Spec.Unchecked)
		Expect(certificate.Spec.Counts).To(ContainElement(v1alpha1.CategoryCount{Category: "Messages", Rows: messages}))
		Expect(certificate.Spec.Destroyed).To(ContainElements("Namespace "+cl.namespace(), "PersistentVolume "+volume.Name))
		checked, err := exec.CommandContext(ctx, buildPlugin(ctx), "audit", "certificate", certificate.Name).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(checked))
		Expect(string(checked)).To(ContainSubstring("The certificate is genuine."))
		AddReportEntry("left after Erase", string(checked))
	})

	It("names what blocks it while something does", SpecTimeout(3*time.Minute), func(ctx SpecContext) {
		blocked := newClient("blocked", regionUS)
		blocked.policy = ""
		blocked.apply(ctx)
		blocked.awaitReady(ctx)
		Expect(c.ApplyYAML(ctx, fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: stubborn, namespace: %s, finalizers: [e2e.example/stubborn]}
`, blocked.namespace()))).To(Succeed())
		t := blocked.get(ctx)
		Expect(c.Delete(ctx, t)).To(Succeed())
		Expect(cluster.Until(ctx, time.Minute, "a condition that names what blocks", func(ctx context.Context) error {
			if err := c.Get(ctx, crclient.ObjectKeyFromObject(t), t); err != nil {
				return err
			}
			for _, cond := range t.Status.Conditions {
				if cond.Type == v1alpha1.ConditionTerminating && strings.Contains(cond.Message, "stubborn") {
					return nil
				}
			}
			return fmt.Errorf("conditions: %v", t.Status.Conditions)
		})).To(Succeed())
		_, err := c.Run(ctx, nil, "-n", blocked.namespace(), "patch", "configmap", "stubborn", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		Expect(err).NotTo(HaveOccurred())
		erase(ctx, blocked.tenant)
	})
})

func setDeletionPolicy(ctx context.Context, cl *client, policy v1alpha1.DeletionPolicy) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "patch", "tenant", cl.tenant, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"deletionPolicy":%q}}`, policy))
	Expect(err).NotTo(HaveOccurred())
}

// remove deletes the Tenant and waits until it is gone.
func remove(ctx context.Context, cl *client) {
	GinkgoHelper()
	_, err := c.Run(ctx, nil, "delete", "tenant", cl.tenant, "--timeout=120s")
	Expect(err).NotTo(HaveOccurred())
}

// names lists kind/name of what stands in a namespace.
func names(ctx context.Context, namespace string, kinds ...string) []string {
	GinkgoHelper()
	out, err := c.Run(ctx, nil, "-n", namespace, "get", strings.Join(kinds, ","), "-o", "name")
	Expect(err).NotTo(HaveOccurred())
	return strings.Fields(out)
}

// irreplaceable picks what can't be made again: volume, database credentials, keys, and the client's own Secret.
func irreplaceable(all []string) []string {
	GinkgoHelper()
	var kept []string
	for _, name := range all {
		if strings.HasPrefix(name, "persistentvolumeclaim/") || strings.HasPrefix(name, "secret/database-") ||
			name == "secret/keys" || name == "secret/staff-bootstrap" || name == "secret/twilio" {
			kept = append(kept, name)
		}
	}
	Expect(len(kept)).To(BeNumerically(">=", 7))
	return kept
}

func eventuallyNone(ctx context.Context, namespace string, kinds ...string) {
	GinkgoHelper()
	Expect(cluster.Until(ctx, time.Minute, "the workloads to go", func(ctx context.Context) error {
		out, err := c.Run(ctx, nil, "-n", namespace, "get", strings.Join(kinds, ","), "-o", "name")
		if err != nil {
			return err
		}
		if left := strings.Fields(out); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})).To(Succeed())
}
